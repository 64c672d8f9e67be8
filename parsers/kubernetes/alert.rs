//! Alerts about a pod or node, as Prometheus' Alertmanager and Robusta send them: whom the text in them is about.
//!
//! Shapes: Alertmanager 0.27 `template/template.go` (labels of a webhook's alerts), Robusta 0.10 `robusta/core/reporting/base.py`
//! (a finding's `subject_type`, `subject_name`, `subject_node`).

use super::WITNESS;
use super::subject::Subject;
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// An alert.
#[derive(Debug)]
pub struct Alerts;

const ALERT: Name = "kubernetes.alert";

/// Lines before and behind the anchor in which the other keys of an alert stand.
const NEAR: usize = 12;

impl Grammar for Alerts {
    fn kinds(&self) -> &'static [Name] {
        &[ALERT]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        (kind == ALERT).then_some("an alert names a pod or node")
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["\"subject_name\":", "\"alertname\":"]
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
        let node =
            subject.node.or_else(|| value(&text, "subject_node").or_else(|| value(&text, "node")).map(str::to_owned));
        if subject.pod.is_none() && node.is_none() {
            return;
        }
        let mut fields = Fields::default();
        fields.set("witness", WITNESS);
        for (name, told) in [("pod", subject.pod), ("node", node)] {
            if let Some(told) = told {
                fields.set(name, told);
            }
        }
        out.push(Event::on(cursor, &cursor.line, ALERT, Says::Info, fields));
    }
}

/// Whether a line is the end of an object, or the beginning of the next.
fn ends(line: &[u8]) -> bool {
    matches!(line.trim_ascii(), b"{" | b"}" | b"}," | b"},{")
}

/// The text at a key of JSON: `"pod": "train-0"`.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("\"{key}\":"))?;
    let (value, _) = rest.trim_start_matches(' ').strip_prefix('"')?.split_once('"')?;
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
        let other = lint::read(&scanner, r#"{"labels":{"alertname":"Watchdog","severity":"none"}}"#);
        assert!(other.iter().all(|event| event.kind != super::ALERT));
    }
}
