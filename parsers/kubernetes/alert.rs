//! Alerts about a pod or node, as Prometheus' Alertmanager and Robusta send them: whom the text in them is about, and what
//! rules that most clusters have say by their name.
//!
//! Shapes: Alertmanager 0.27 `template/template.go` (labels of a webhook's alerts), `template/default.tmpl` (`__text_alert_list`:
//! ` - alertname = KubeNodeNotReady`), Prometheus' series `ALERTS{…}`, Robusta 0.10 `robusta/core/reporting/base.py` (a finding's
//! `subject_type`, `subject_name`, `subject_node`). Names of rules: kubernetes-mixin 1.1 `alerts/*.libsonnet`.

use super::WITNESS;
use super::reasons;
use super::subject::Subject;
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// An alert.
#[derive(Debug)]
pub struct Alerts;

const ALERT: Name = "kubernetes.alert";

/// What is told of an alert that fires and whose rule is none of those below.
const FIRING: Name = "alertmanager.firing";

const KINDS: &[Name] =
    &[ALERT, FIRING, reasons::NODE, reasons::LOOP, reasons::NOT_READY, reasons::STUCK, reasons::JOB_FAILED];

/// Rules that say by their name what is wrong.
const RULES: [(&str, Name, Says); 8] = [
    ("KubeNodeNotReady", reasons::NODE, Says::Failure),
    ("KubeNodeUnreachable", reasons::NODE, Says::Failure),
    ("KubePodCrashLooping", reasons::LOOP, Says::Teardown),
    ("KubePodNotReady", reasons::NOT_READY, Says::Warning),
    ("KubeContainerWaiting", reasons::STUCK, Says::Failure),
    ("KubeJobFailed", reasons::JOB_FAILED, Says::Failure),
    ("Watchdog", ALERT, Says::Info),
    ("InfoInhibitor", ALERT, Says::Info),
];

/// Lines before and behind the anchor in which the other keys of an alert stand.
const NEAR: usize = 12;

impl Grammar for Alerts {
    fn kinds(&self) -> &'static [Name] {
        KINDS
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        match kind {
            ALERT => Some("an alert names a pod or node"),
            FIRING => Some("an alert fires"),
            _ => reasons::about(kind),
        }
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["\"subject_name\":", "\"alertname\":", "- alertname = ", "ALERTS{"]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let line = cursor.line.str().into_owned();
        let before =
            cursor.preceding().take(NEAR).take_while(|line| !ends(&line.text)).map(|line| line.str().into_owned());
        let behind =
            cursor.following().take(NEAR).take_while(|line| !ends(&line.text)).map(|line| line.str().into_owned());
        let text: String = [line].into_iter().chain(before).chain(behind).collect::<Vec<_>>().join("\n");
        let subject = match value(&text, "subject_name") {
            Some(name) => Subject::of(value(&text, "subject_type").unwrap_or("pod"), name),
            None => Subject { pod: value(&text, "pod").map(str::to_owned), ..Subject::default() },
        };
        let named = ["subject_node", "node", "Hostname"].iter().find_map(|key| value(&text, key));
        let node = subject.node.or_else(|| named.map(str::to_owned));
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
            let mut told = fields.clone();
            told.set("alert", firing.alert);
            told.set("what", firing.alert);
            out.push(Event::on(cursor, &cursor.line, firing.kind, firing.says, told));
        }
        if fields.get("pod").is_some() || fields.get("node").is_some() {
            out.push(Event::on(cursor, &cursor.line, ALERT, Says::Info, fields));
        }
    }
}

/// An alert that fires.
struct Firing<'t> {
    alert: &'t str,
    kind: Name,
    says: Says,
}

impl<'t> Firing<'t> {
    fn of(text: &'t str) -> Option<Self> {
        let alert = value(text, "alertname")?;
        let over = ["status", "alertstate"].iter().filter_map(|key| value(text, key));
        let is_over = over.into_iter().any(|state| state != "firing") || text.contains("Alerts Resolved:");
        let urgent = value(text, "severity").is_some_and(|severity| ["critical", "error", "page"].contains(&severity));
        let rule = RULES.iter().find(|(name, _, _)| *name == alert).map(|(_, kind, says)| (*kind, *says));
        let (kind, says) = rule.or_else(|| urgent.then_some((FIRING, Says::Failure)))?;
        (!is_over && kind != ALERT).then_some(Self { alert, kind, says })
    }
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
        let other = lint::read(&scanner, r#"{"labels":{"alertname":"Watchdog","severity":"none"}}"#);
        assert!(other.iter().all(|event| event.kind != super::ALERT));
    }
}
