//! What an object of Kubernetes is told of its cause: an event, as `kubectl describe` shows it.

use serde_json::{Value, json};

use super::entry::Object;
use super::found::Found;
use crate::kubernetes::OUR_REASON;

/// Longest note, in bytes: a note may have 1 kB (kubernetes v1.31 `pkg/apis/core/validation/events.go`).
const LONGEST: usize = 1000;

/// An event of `events.k8s.io/v1`. It is known by object and cause, so that the server takes the same one once as long as it
/// keeps events. `at`: RFC 3339 with microseconds; `clean`: takes out of a text what acts on terminals.
#[must_use]
pub fn announcement(object: &Object, found: &Found, at: &str, clean: &dyn Fn(&str) -> String) -> Option<Value> {
    let cause = found.cause.as_deref()?;
    let next = if found.fix.is_empty() { String::new() } else { format!(" Next: {}", found.fix) };
    let note = cut(clean(&format!("{} ({cause}).{next}", found.headline)));
    // `validateEvent` wants the object's namespace to be the event's.
    let Object { api, kind, namespace, name, uid, .. } = object;
    let stem = cut_to(name, 150).trim_end_matches(['-', '.']);
    Some(json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": { "name": format!("{stem}.diag.{}.{}", short(uid), cut_to(cause, 60)), "namespace": namespace },
        "regarding": { "apiVersion": api, "kind": kind, "namespace": namespace, "name": name, "uid": uid },
        "reason": OUR_REASON,
        "note": note,
        "type": "Warning",
        "action": "Diagnosed",
        "eventTime": at,
        "reportingController": "diag.watch/k8s",
        "reportingInstance": "diag-watch",
    }))
}

fn short(uid: &str) -> String {
    let plain = uid.chars().filter(char::is_ascii_alphanumeric).take(12).collect::<String>();
    plain.to_ascii_lowercase()
}

fn cut(text: String) -> String {
    if text.len() <= LONGEST { text } else { format!("{}…", cut_to(&text, LONGEST - 3)) }
}

fn cut_to(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Culprit, Outcome};

    #[test]
    fn it_is_bounded_cleaned_and_the_same_for_the_same_cause() {
        let found = Found {
            outcome: Outcome::Diagnosed,
            headline: format!("disk full\u{1b}[2J {}", "\u{e9}".repeat(2000)),
            cause: Some("disk-full".to_owned()),
            title: String::new(),
            area: "storage".to_owned(),
            confidence: None,
            culprit: Culprit::default(),
            lines: Vec::new(),
            fix: "make room".to_owned(),
            boards: Vec::new(),
            placed: Vec::new(),
            not_placed: None,
            report: None,
            waits: Vec::new(),
            kept: Vec::new(),
        };
        let object = Object {
            context: None,
            api: "batch/v1".to_owned(),
            kind: "Job".to_owned(),
            namespace: "research".to_owned(),
            name: "t".repeat(253),
            uid: "0A1b-2c3d-4e5f-6789".to_owned(),
        };
        let clean = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
        let event = announcement(&object, &found, "2026-05-04T03:12:41.000000Z", &clean).unwrap();
        let note = event["note"].as_str().unwrap();
        assert!(note.starts_with("disk full[2J") && note.ends_with('…') && note.len() <= 1024, "{}", note.len());
        let name = event["metadata"]["name"].as_str().unwrap();
        assert!(name.ends_with("t.diag.0a1b2c3d4e5f.disk-full") && crate::kubernetes::is_name(name), "{name}");
        assert_eq!(announcement(&object, &Found { cause: None, ..found }, "", &clean), None);
    }
}
