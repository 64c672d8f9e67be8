//! Rows of events, as `kubectl describe` and `kubectl get events` print them; with or without a header.
//!
//! Shapes: kubernetes v1.4 to v1.34 `pkg/printers/internalversion/printers.go` (`printEvent`),
//! `staging/src/k8s.io/kubectl/pkg/describe/describe.go` (`DescribeEvents`).

use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};

use super::describe;
use super::ours::OUR_REASON;
use super::subject::Subject;
use super::{message, reasons};
use crate::event::{Event, Name};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};
use crate::signature::compile;

/// Rows of events.
#[derive(Debug)]
pub struct Rows;

/// Rows each way of which one may say to which node the pod was given.
const MOST_ROWS: usize = 64;

impl Grammar for Rows {
    fn kinds(&self) -> &'static [Name] {
        reasons::KINDS
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        reasons::about(kind)
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["Normal  ", "Warning  ", "Normal\t", "Warning\t"]
    }

    fn speaks_for(&self) -> Option<Name> {
        Some("kubernetes")
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.str();
        let cut = || Row::cut(&text).filter(|_| cursor.breaks_off_in(&cursor.line));
        let Some(row) = Row::read(&text).or_else(cut) else { return };
        let mut said = statements(row.kind, row.reason, &row.message);
        if row.shortened {
            // Words behind `Warning` may be anything; only what is known of them counts.
            said.retain(|said| said.kind != reasons::EVENT);
        }
        if said.iter().all(|said| said.fields.get("why").is_some_and(|why| why.text() == Some(row.message.as_str()))) {
            // Some signatures want the reason beside the message.
            let whole = message::read(&text);
            said = if whole.is_empty() { said } else { whole };
        }
        if said.is_empty() {
            return;
        }
        let subject = row.subject().or(around(cursor, &row)).or(message::subject(&row.message));
        for mut said in said {
            said.fields.set("reason", row.reason);
            if let Some(ago) = row.ago {
                said.fields.set("ago", ago);
            }
            if let Some(times) = row.times {
                said.fields.set("times", times);
            }
            out.push(subject.event(cursor, &cursor.line, said));
        }
    }
}

/// What an event says: by its message, or else by its reason; one of ours says nothing.
pub(super) fn statements(kind: &str, reason: &str, text: &str) -> Vec<message::Said> {
    if reason == OUR_REASON || (reason == "FailedKillPod" && is_gone(text)) {
        return Vec::new();
    }
    let mut said = message::read(text);
    if said.is_empty() {
        said.extend(reasons::of_event(reason, text).into_iter().map(|mut said| {
            said.fields.set("why", text);
            said
        }));
    }
    if said.is_empty() && kind == "Warning" {
        said.push(reasons::warning());
    }
    said
}

/// Whether a container that was to be stopped was not there any more (docker, CRI-O).
fn is_gone(text: &str) -> bool {
    ["No such container", "ID does not exist"].iter().any(|words| text.contains(words))
}

/// A row of the table.
struct Row<'t> {
    kind: &'t str,
    reason: &'t str,
    /// `pod/train-0`; none in `describe`, where all rows are about one object.
    object: Option<(&'t str, &'t str)>,
    namespace: Option<&'t str>,
    host: Option<&'t str>,
    message: String,
    /// Whether columns were left out, so that the reason is one by its place only.
    shortened: bool,
    /// Seconds before the table was printed.
    ago: Option<i64>,
    times: Option<i64>,
}

/// `3m25s`, `64s (x10 over 5m14s)`, `<unknown>`.
const AGE: &str = r"(?:[0-9][0-9a-z.]*|<unknown>|<invalid>)(?: \(x(?P<times>[0-9]+) over [^)]*\))?";

/// `describe`: type, reason, age, who says it (up to v1.18 with its node), message.
static DESCRIBED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let from = r"[0-9]*[A-Za-z][\w./-]*";
    // people leave the age out; then it is one of the cluster's own that says so
    let own = r"(?:kubelet|[a-z-]+-(?:scheduler|controller|autoscaler|monitor))";
    let who = format!(r"(?:(?P<age>{AGE})\s+{from}|{own})(?:, ?(?P<host>[\w.-]+))?");
    compile(&format!(r"^\s*(?P<type>Normal|Warning)\s+(?P<reason>\S+)\s+{who}\s+(?P<message>.+)$")).ok()
});

/// `get events`: namespace (with `-A`), last seen, type, reason, object, and, in the wide form, field and source; message.
static LISTED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let head = format!(
        r"^\s*(?:(?P<namespace>[a-z][a-z0-9-]*)\s+)?(?P<age>{AGE})\s+(?P<type>Normal|Warning)\s+(?P<reason>\S+)"
    );
    let object = r"(?P<kind>[A-Za-z][\w.-]*)/(?P<name>[\w.:-]+)";
    let wide = r"(?:(?:spec\.\S+\s+)?[\w./-]+, ?(?P<host>[\w.-]+)\s{2,})?(?:spec\.\S+\s{2,})?";
    compile(&format!(r"{head}\s+{object}\s+{wide}(?P<message>.+)$")).ok()
});

/// Before v1.14: last and first seen, count, name, kind, field, type, reason, source, message.
static OLD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let head =
        r"^\s*(?:(?P<namespace>[a-z][a-z0-9-]*)\s+)?(?P<age>[0-9][0-9a-z]*)\s+[0-9][0-9a-z]*\s+(?P<times>[0-9]+)\s+";
    let object = r"(?:(?P<name>[\w.-]+?)(?:\.[0-9a-f]{14,16})?\s+(?P<kind>[A-Z]\w+)\s+)?";
    let from = r"(?:\{?(?P<from>[A-Za-z][\w./-]*)(?:, ?| )?(?P<host>[\w.-]+)?\}?\s+)?(?:spec\.\S+\s+)?";
    let by = r"(?:[a-z][\w./-]*(?:, ?(?P<host2>[\w.-]+))?\s{2,})?";
    compile(&format!(r"{head}{object}{from}(?P<type>Normal|Warning)\s+(?P<reason>\S+)\s+{by}(?P<message>.+)$")).ok()
});

/// As people shorten rows: type and reason, the object where they left it, and the message, or nothing where it was wrapped.
static SHORT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let object = r"(?P<kind>[Pp]od|[Nn]ode|[Jj]ob)/(?P<name>[a-z0-9][a-z0-9.-]*[a-z0-9]):?";
    let age = format!(r"(?:(?P<age>{AGE})\s+)?");
    let rest = format!(r"(?:{object}(?:\s+(?P<message>.+))?|(?P<bare>(?:[A-Za-z]|[0-9]+/[0-9]+ nodes).+))");
    compile(&format!(r"^\s*{age}(?P<type>Normal|Warning)\s+(?P<reason>[A-Z][A-Za-z]+)\s+{rest}$")).ok()
});

/// The columns up to the reason, in each of these forms.
static CUT: LazyLock<Option<Regex>> =
    LazyLock::new(|| compile(r"^\s*(?:\S+\s+){0,5}?Warning\s+(?P<reason>[A-Z][A-Za-z]+)(?:\s|$)").ok());

/// A column of a row. Shapes know ASCII only: the classes of Unicode take most of the time to compile them.
fn part<'t>(found: &Captures<'t>, name: &str) -> Option<&'t str> {
    std::str::from_utf8(found.name(name)?.as_bytes()).ok()
}

impl<'t> Row<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let shapes = [&DESCRIBED, &LISTED, &OLD, &SHORT];
        let found = shapes.iter().find_map(|shape| shape.as_ref()?.captures(text.as_bytes()))?;
        let get = |name: &str| part(&found, name);
        Some(Self {
            kind: get("type")?,
            reason: get("reason")?,
            object: get("kind").zip(get("name")),
            namespace: get("namespace"),
            host: get("host").or_else(|| get("host2")).filter(|host| *host != "<none>"),
            message: get("message").or_else(|| get("bare")).unwrap_or_default().trim().replace("\\\"", "\""),
            shortened: get("bare").is_some() || get("message").is_none(),
            ago: get("age").and_then(seconds),
            times: get("times").and_then(|times| times.parse().ok()),
        })
    }

    /// A row of which the end of its document left no message: its reason is known.
    fn cut(text: &'t str) -> Option<Self> {
        let found = CUT.as_ref()?.captures(text.as_bytes())?;
        let reason = part(&found, "reason")?;
        let (kind, message) = ("Warning", String::new());
        Some(Self {
            kind,
            reason,
            object: None,
            namespace: None,
            host: None,
            message,
            shortened: false,
            ago: None,
            times: None,
        })
    }

    /// What the row itself tells of its object.
    fn subject(&self) -> Subject {
        let object = self.object.map(|(kind, name)| Subject::of(kind, name)).unwrap_or_default();
        let node = self.host.map(str::to_owned).or(object.node.clone());
        Subject { node, namespace: self.namespace.map(str::to_owned), ..object }
    }
}

/// `5m14s`, `2d3h`, `41d`, `64s (x10 over 5m14s)` in seconds.
pub(super) fn seconds(age: &str) -> Option<i64> {
    let age = age.split_whitespace().next()?;
    let (mut total, mut number) = (0_i64, 0_i64);
    for char in age.chars() {
        let unit = match char {
            '0'..='9' => {
                number = number.checked_mul(10)?.checked_add(i64::from(char.to_digit(10)?))?;
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'y' => 31_536_000,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        number = 0;
    }
    (number == 0).then_some(total)
}

/// What the text around a row tells of its object: the description that it stands in, or its neighbours.
fn around(cursor: &Cursor<'_>, row: &Row<'_>) -> Subject {
    if row.object.is_some() {
        return Subject::default();
    }
    let described = describe::subject(cursor, row.reason);
    if described.object.is_some() || (described.pod.is_none() && described.node.is_some()) {
        return described;
    }
    described.clone().or(neighbours(cursor, described.pod.as_deref()))
}

/// The pod and node that a row next to this one names: `Successfully assigned research/train-0 to gpu-018`.
fn neighbours(cursor: &Cursor<'_>, pod: Option<&str>) -> Subject {
    let before = cursor.preceding().take(MOST_ROWS).take_while(is_row);
    let after = cursor.following().take(MOST_ROWS).take_while(is_row);
    let own = [cursor.line.clone()];
    let given = own.into_iter().chain(before).chain(after).find_map(|line| {
        let text = line.str();
        if let Some(node) = node_of_status(&text) {
            return Some(Subject { node: Some(node.to_owned()), ..Subject::default() });
        }
        let said = message::read(&text).into_iter().find(|said| said.kind == "kubernetes.scheduled")?;
        let get = |name: &str| said.fields.text(name).map(str::to_owned);
        Some(Subject { pod: get("pod"), namespace: get("namespace"), node: get("node"), ..Subject::default() })
    });
    given.filter(|given| pod.is_none() || given.pod.as_deref() == pod).unwrap_or_default()
}

/// The node of which the kubelet tells a new state (`Node gpu-018 status is now: NodeReady`): then the table is about it.
pub(super) fn node_of_status(text: &str) -> Option<&str> {
    let (before, _) = text.split_once(" status is now: ")?;
    let (_, name) = before.rsplit_once("Node ")?;
    Some(name).filter(|name| !name.is_empty() && !name.contains(char::is_whitespace))
}

/// Whether a line is of the same table of events.
fn is_row(line: &Line<'_>) -> bool {
    let text = line.str();
    let first = text.split_whitespace().next().unwrap_or_default();
    ["Normal", "Warning", "Type", "----"].contains(&first) || Row::read(&text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Catalogue, Scanner, lint};

    #[test]
    fn ages_are_read() {
        let all = ["64s", "5m14s", "41d", "2d3h", "64s (x10 over 5m14s)", "<unknown>"].map(seconds);
        assert_eq!(all, [Some(64), Some(314), Some(3_542_400), Some(183_600), Some(64), None]);
    }

    #[test]
    fn rows_of_all_ages_name_reason_and_object() {
        let row = |text: &str| {
            let row = Row::read(text).unwrap_or_else(|| panic!("{text}"));
            let object = row.object.map(|(kind, name)| format!("{kind}/{name}")).unwrap_or_default();
            (row.reason.to_owned(), object, row.host.unwrap_or_default().to_owned(), row.message)
        };
        for (text, reason, object, host, message) in [
            ("  Warning  Failed  64s (x10 over 5m14s)  kubelet  Error: x", "Failed", "", "", "Error: x"),
            ("  Warning  Failed  44m kubelet, gpu-018  Error: x", "Failed", "", "gpu-018", "Error: x"),
            ("  Warning  Failed     kubelet  Error: x", "Failed", "", "", "Error: x"),
            ("2m4s   Normal   Killing   pod/train-0   Stopping x", "Killing", "pod/train-0", "", "Stopping x"),
            ("ml   2m4s   Normal   Killing   Pod/train-0   Stopping x", "Killing", "Pod/train-0", "", "Stopping x"),
            (
                "3m   Warning   Failed   pod/train-0   spec.containers{a}   kubelet, gpu-018   Error: x   3m   1   train-0.17ef",
                "Failed",
                "pod/train-0",
                "gpu-018",
                "Error: x   3m   1   train-0.17ef",
            ),
            (
                "6d  6d  1  train-0.15a0b1c2d3e4f506  Pod  spec.containers{a}  Warning  Failed  kubelet, gpu-018  Error: x",
                "Failed",
                "Pod/train-0",
                "gpu-018",
                "Error: x",
            ),
            (
                "1m  1m  1  {kubelet gpu-018}  spec.containers{a}  Warning  Failed  Error: x",
                "Failed",
                "",
                "gpu-018",
                "Error: x",
            ),
        ] {
            assert_eq!(row(text), (reason.into(), object.into(), host.into(), message.into()), "{text}");
        }
        assert!(Row::read("UserWarning: Normal  is deprecated").is_none());
    }

    #[test]
    fn a_container_that_is_gone_need_not_be_stopped() {
        let of = |text: &str| statements("Warning", "FailedKillPod", text).len();
        assert_eq!(of("error killing pod: failed to \"KillContainer\" for \"train\": No such container: 584b"), 0);
        assert_eq!(of("error killing pod: failed to \"KillContainer\" for \"train\": context deadline exceeded"), 1);
    }

    #[test]
    fn rows_that_people_shorten_name_reason_and_object() {
        let subject = |line: &str| Row::read(line).map(|row| (row.reason.to_owned(), row.subject()));
        let pod = |name: &str| Subject { pod: Some(name.to_owned()), ..Subject::default() };
        assert_eq!(
            subject("Warning  FailedScheduling   0/2 nodes are available: 2 Insufficient memory."),
            Some(("FailedScheduling".to_owned(), Subject::default()))
        );
        assert_eq!(subject("Warning  BackOff  pod/train-0"), Some(("BackOff".to_owned(), pod("train-0"))));
        assert_eq!(subject("Warning  Evicted  pod/train-0  The node"), Some(("Evicted".to_owned(), pod("train-0"))));
        assert_eq!(subject("Warning  BackOff  3m  4_"), None);
    }

    #[test]
    fn a_table_in_which_a_node_changes_its_state_is_about_that_node() {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let log = "  Normal   NodeReady     3m   kubelet          Node gpu-018 status is now: NodeReady\n\
                   \x20 Warning  SystemOOM     94s  kubelet          System OOM encountered, victim process: python, pid: 4763\n";
        let events = lint::read(&scanner, log);
        let oom = events.iter().find(|event| event.kind == "kubernetes.oom_killed").unwrap();
        assert_eq!(oom.fields.text("node"), Some("gpu-018"));
    }

    #[test]
    fn a_row_is_about_the_object_it_stands_under() {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let log = "Name:             train-0\nNamespace:        research\nNode:             gpu-018/10.0.4.18\nStatus:           Pending\n\
                   Events:\n  Type     Reason  Age  From     Message\n  ----     ------  ---  ----     -------\n\
                   \x20 Warning  Failed  3s   kubelet  Error: ErrImagePull\n";
        let events = lint::read(&scanner, log);
        let told: Vec<_> = events.iter().map(|e| (e.kind, e.fields.text("pod"), e.fields.text("node"))).collect();
        assert_eq!(told, [("kubernetes.image_pull", Some("train-0"), Some("gpu-018"))]);
    }
}
