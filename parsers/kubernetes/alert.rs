//! Alerts about a pod or node, as Prometheus' Alertmanager and Robusta send them: whom the text in them is about, and what
//! rules that most clusters have say by their name.
//!
//! Shapes: Alertmanager 0.27 `template/template.go` (labels of a webhook's alerts), `template/default.tmpl` (`__text_alert_list`:
//! ` - alertname = KubeNodeNotReady`), Prometheus' series `ALERTS{…}`, Robusta 0.10 `robusta/core/reporting/base.py` (a finding's
//! `subject_type`, `subject_name`, `subject_node`). Names of rules: kubernetes-mixin 1.1 `alerts/*.libsonnet`.

mod labels;

use super::subject::Subject;
use super::{WITNESS, monitors, reasons};
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::health;
use crate::line::{Cursor, Line};

/// An alert.
#[derive(Debug)]
pub struct Alerts;

const ALERT: Name = "kubernetes.alert";

/// What is told of an alert that fires and whose rule is none of those below.
const FIRING: Name = "alertmanager.firing";

/// A file system has next to no room left.
const DISK: Name = "kubernetes.disk_alert";

const KINDS: &[Name] =
    &[ALERT, FIRING, DISK, reasons::NODE, reasons::LOOP, reasons::NOT_READY, reasons::STUCK, reasons::JOB_FAILED];

/// Rules that say by their name what is wrong; of file systems (node-mixin `alerts.libsonnet`) it is a warning while some room is left,
/// which their severity tells.
const RULES: [(&str, Name, Says); 11] = [
    ("KubeNodeNotReady", reasons::NODE, Says::Failure),
    ("KubeNodeUnreachable", reasons::NODE, Says::Failure),
    ("KubePodCrashLooping", reasons::LOOP, Says::Teardown),
    ("KubePodNotReady", reasons::NOT_READY, Says::Warning),
    ("KubeContainerWaiting", reasons::STUCK, Says::Failure),
    ("KubeJobFailed", reasons::JOB_FAILED, Says::Failure),
    ("NodeFilesystemAlmostOutOfSpace", DISK, Says::Failure),
    ("NodeFilesystemAlmostOutOfFiles", DISK, Says::Failure),
    ("KubePersistentVolumeFillingUp", DISK, Says::Failure),
    ("Watchdog", ALERT, Says::Info),
    ("InfoInhibitor", ALERT, Says::Info),
];

/// How rules about nodes begin (kubernetes-mixin and node-mixin).
const OF_NODES: [&str; 2] = ["KubeNode", "Node"];

/// The port of Prometheus' exporter for nodes.
const NODE_EXPORTER: &str = "9100";

/// Lines before and behind the anchor in which the other keys of an alert stand, …
const NEAR: usize = 12;

/// … and where each of them takes several lines of markup.
const NEAR_MARKED_UP: usize = 80;

/// What an alert is about whose text may be sorted as that of a check of GPUs.
const GPU_WORDS: [&str; 6] = ["gpu", "xid", "nvlink", "nvswitch", "dcgm", "infiniband"];

/// What needs no word on how bad it is.
const BROKEN: [Name; 5] = [health::MEMORY, health::LOST, health::NVLINK, "slurm.node_xid", "slurm.node_gpu"];

impl Grammar for Alerts {
    fn kinds(&self) -> &'static [Name] {
        KINDS
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        match kind {
            ALERT => Some("an alert names a pod or node"),
            FIRING => Some("an alert fires"),
            DISK => Some("an alert says that a file system is nearly full"),
            _ => reasons::about(kind),
        }
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["\"subject_name\":", "\"alertname\":", "alertname = ", "ALERTS{", "alertname:", "<th>alertname</th>"]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = text(cursor);
        let subject = match value(&text, "subject_name") {
            Some(name) => Subject::of(value(&text, "subject_type").unwrap_or("pod"), name),
            None => Subject { pod: pod(&text).map(str::to_owned), ..Subject::default() },
        };
        let named = ["subject_node", "node", "Hostname"].iter().find_map(|key| value(&text, key));
        let node = subject.node.or_else(|| named.or_else(|| exporters_host(&text)).map(str::to_owned));
        let firing = Firing::of(&text);
        if subject.pod.is_none() && node.is_none() && firing.is_none() {
            return;
        }
        let mut fields = Fields::default();
        fields.set("witness", WITNESS);
        for (name, told) in [("pod", subject.pod), ("node", node)] {
            if let Some(told) = told {
                fields.set(name, told);
            }
        }
        if let Some(firing) = firing {
            let mut told = firing.fields;
            fields.iter().for_each(|(name, value)| told.set_if_absent(name, value.clone()));
            told.set("alert", firing.alert);
            told.set_if_absent("what", firing.alert);
            if let Some(path) = value(&text, "mountpoint").filter(|_| firing.kind == DISK) {
                told.set("path", path);
            }
            out.push(Event::on(cursor, &cursor.line, firing.kind, firing.says, told));
        }
        if fields.get("pod").is_some() || fields.get("node").is_some() {
            out.push(Event::on(cursor, &cursor.line, ALERT, Says::Info, fields));
        }
    }
}

/// The pod that an alert is about. In one about a node it is the exporter that was asked, as are `instance` and `container`.
fn pod(text: &str) -> Option<&str> {
    let about_node = value(text, "alertname").is_some_and(|name| OF_NODES.iter().any(|begin| name.starts_with(begin)));
    value(text, "pod").filter(|_| !about_node)
}

/// The host of the exporter on a node that an alert is about, where its address is told by name: `gpu-18:9100`.
fn exporters_host(text: &str) -> Option<&str> {
    value(text, "alertname").filter(|name| name.starts_with("Node"))?;
    let (host, port) = value(text, "instance")?.rsplit_once(':')?;
    let named = host.contains(|c: char| c.is_ascii_alphabetic()) && !host.contains([':', '/']) && host != "localhost";
    (named && port == NODE_EXPORTER).then_some(host)
}

/// The labels of the alert at the cursor: its line first, then those around it, in a form that `value` reads.
fn text(cursor: &Cursor<'_>) -> String {
    let line = cursor.line.str().into_owned();
    let marked_up = labels::is_marked_up(&line);
    let near = if marked_up { NEAR_MARKED_UP } else { NEAR };
    let inside = |line: &Line<'_>| !ends(&line.text);
    let mut before: Vec<String> =
        cursor.preceding().take(near).take_while(inside).map(|line| line.str().into_owned()).collect();
    let behind = cursor.following().take(near).take_while(inside).map(|line| line.str().into_owned());
    if marked_up {
        before.reverse();
        let all: Vec<String> = before.into_iter().chain([line]).chain(behind).collect();
        return labels::of_markup(&all.join("\n"));
    }
    let title = if line.contains("alertname:") { labels::of_title(&line) } else { String::new() };
    [title, line].into_iter().chain(before).chain(behind).collect::<Vec<_>>().join("\n")
}

/// An alert that fires.
struct Firing<'t> {
    alert: &'t str,
    kind: Name,
    says: Says,
    fields: Fields,
}

impl<'t> Firing<'t> {
    fn of(text: &'t str) -> Option<Self> {
        let alert = value(text, "alertname")?;
        let over = ["status", "alertstate"].iter().filter_map(|key| value(text, key));
        let is_over = over.into_iter().any(|state| state != "firing") || text.contains("Alerts Resolved:");
        let severity = value(text, "severity");
        let urgent = severity.is_some_and(|severity| ["critical", "error", "page"].contains(&severity));
        let fires = || ["status", "alertstate"].iter().any(|key| value(text, key) == Some("firing"));
        let rule = RULES.iter().find(|(name, _, _)| *name == alert).map(|(_, kind, says)| (*kind, *says));
        let (kind, says, fields) = match rule {
            Some((DISK, _)) if !urgent => (DISK, Says::Warning, Fields::default()),
            Some((kind, says)) => (kind, says, Fields::default()),
            None if urgent => of_gpus(alert, text).unwrap_or((FIRING, Says::Failure, Fields::default())),
            // How bad it is, is not told: what is broken in hardware is bad.
            None if severity.is_none() && fires() => of_gpus(alert, text).filter(|(kind, ..)| BROKEN.contains(kind))?,
            None => return None,
        };
        (!is_over && kind != ALERT).then_some(Self { alert, kind, says, fields })
    }
}

/// What an alert of GPUs says whose rule is nobody's but the site's: its sentences tell as those of a health check do.
fn of_gpus(alert: &str, text: &str) -> Option<(Name, Says, Fields)> {
    let keys = ["summary", "description", "message"];
    let told: Vec<&str> = keys.iter().filter_map(|key| sentence(text, key)).collect();
    let told = told.join(" ");
    let all = format!("{alert} {told}").to_ascii_lowercase();
    if !GPU_WORDS.iter().any(|word| all.contains(word)) {
        return None;
    }
    let mut said = monitors::sorted(health::FAILED, &words(alert), &told);
    if said.fields.get("test").is_some() {
        said.fields.set("test", alert);
    }
    let tells = said.kind != health::FAILED && said.kind.starts_with("health.");
    let outage = ["slurm.node_xid", "slurm.node_gpu", "slurm.node_link"].contains(&said.kind);
    (tells || outage).then_some((said.kind, said.says, said.fields))
}

/// The words of a rule's name: `GpuRowRemapFailure` is `Gpu Row Remap Failure`.
fn words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 8);
    for (at, char) in name.char_indices() {
        let after_small = name[..at].ends_with(|before: char| before.is_ascii_lowercase() || before.is_ascii_digit());
        if after_small && char.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(char);
    }
    words
}

/// Longest sentence of an alert that is read, in bytes.
const SENTENCE: usize = 512;

/// The sentence at a key of JSON, or of Alertmanager's text.
fn sentence<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let of_json =
        || text.split_once(&format!("\"{key}\":"))?.1.trim_start_matches(' ').strip_prefix('"')?.split('"').next();
    let of_text = || text.split_once(&format!("- {key} = "))?.1.lines().next();
    of_json().or_else(of_text).filter(|sentence| sentence.len() < SENTENCE)
}

/// Whether a line is the end of an object, or the beginning of the next.
fn ends(line: &[u8]) -> bool {
    matches!(line.trim_ascii(), b"{" | b"}" | b"}," | b"},{")
}

/// The text at a key of JSON (`"pod": "train-0"`), of Alertmanager's text (` - pod = train-0`), or of a series (`pod="train-0"`).
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let quoted =
        |rest: &'t str| rest.trim_start_matches(' ').strip_prefix('"')?.split_once('"').map(|(value, _)| value);
    let of_json = || quoted(text.split_once(&format!("\"{key}\":"))?.1);
    let of_series = || {
        let behind = |open: &str| text.split_once(&format!("{open}{key}=")).map(|(_, rest)| rest);
        quoted(behind("{").or_else(|| behind(",")).or_else(|| behind(", "))?)
    };
    let of_text = || text.split_once(&format!("- {key} = "))?.1.lines().next().map(str::trim);
    let value = of_json().or_else(of_text).or_else(of_series)?;
    Some(value).filter(|value| !value.is_empty() && value.len() < 254 && !value.contains(['\\', ' ']))
}

#[cfg(test)]
mod tests {
    use crate::{Catalogue, Scanner, lint};

    #[test]
    fn an_alert_names_whom_it_is_about() {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        for (log, want) in [
            (
                "{\n \"description\": \"x\",\n \"subject_type\": \"pod\",\n \"subject_name\": \"train-0\",\n \"subject_node\": null\n}",
                (Some("train-0"), None),
            ),
            ("{\n \"subject_type\": \"node\",\n \"subject_name\": \"gpu-18\"\n}", (None, Some("gpu-18"))),
            (
                r#"{"labels":{"alertname":"KubePodCrashLooping","namespace":"research","node":"gpu-18","pod":"train-0"}}"#,
                (Some("train-0"), Some("gpu-18")),
            ),
            (
                "[ALERT] alertname:KubeNodeNotReady instance:10.0.4.22:8080 node:gpu-18 pod:kube-state-metrics-7767-5kn6h",
                (None, Some("gpu-18")),
            ),
            (
                r#"ALERTS{alertname="NodeFilesystemAlmostOutOfSpace",alertstate="firing",instance="gpu-18:9100",mountpoint="/"} 1"#,
                (None, Some("gpu-18")),
            ),
        ] {
            let events = lint::read(&scanner, log);
            let told = events.iter().find(|event| event.kind == super::ALERT).unwrap();
            assert_eq!((told.fields.text("pod"), told.fields.text("node")), want, "{log}");
        }
        let kinds = |log: &str| lint::read(&scanner, log).iter().map(|event| event.kind).collect::<Vec<_>>();
        let listed = " - alertname = KubeNodeNotReady\n - node = gpu-18\n - severity = warning\n";
        assert_eq!(kinds(listed), ["kubernetes.node_not_ready", super::ALERT]);
        let over = "Alerts Resolved:\nLabels:\n - alertname = KubeNodeNotReady\n - node = gpu-18\n";
        assert_eq!(kinds(over), [super::ALERT]);
        let series =
            "ALERTS{alertname=\"FabricDegraded\", alertstate=\"firing\", node=\"gpu-18\", severity=\"critical\"} 1\n";
        assert_eq!(kinds(series), [super::FIRING, super::ALERT]);
        assert!(
            kinds("ALERTS{alertname=\"FabricDegraded\",alertstate=\"pending\",severity=\"critical\"} 1\n").is_empty()
        );
        let table = "<tr>\n<th>alertname</th>\n<td>NodeFilesystemAlmostOutOfSpace</td>\n</tr>\n<tr>\n<th>severity</th>\n<td>critical</td>\n</tr>\n";
        assert_eq!(kinds(table), [super::DISK]);
        let title = "[ALERT] alertname:KubeNodeNotReady node:gpu-18 severity:warning\n";
        assert_eq!(kinds(title), ["kubernetes.node_not_ready", super::ALERT]);
        // A route of Alertmanager's own configuration.
        assert!(kinds("    matchers:\n      alertname: KubeNodeNotReady\n      severity: critical\n").is_empty());
        let ours = r#"{"labels":{"alertname":"XidCritical","severity":"critical","node":"gpu-18"},"annotations":{"summary":"GPU 3 reports Xid 79"}}"#;
        assert_eq!(kinds(ours), ["slurm.node_xid", super::ALERT]);
        let unweighed =
            |name: &str| kinds(&format!(r#"{{"status":"firing","labels":{{"alertname":"{name}","node":"gpu-18"}}}}"#));
        assert_eq!(unweighed("GpuRowRemapFailure"), ["health.memory", super::ALERT]);
        assert_eq!(unweighed("GpuIdle"), [super::ALERT]);
        assert_eq!(unweighed("GPUThermalWarning"), [super::ALERT]);
        let other = lint::read(&scanner, r#"{"labels":{"alertname":"Watchdog","severity":"none"}}"#);
        assert!(other.iter().all(|event| event.kind != super::ALERT));
    }
}
