//! What a receiver reads. Everything that came from a log is masked, cut short, and has no power over what shows it.

use serde_json::{Value, json};

use crate::report::guard;
use crate::watch::notice::Notice;

/// Version of a notice.
const SCHEMA: &str = "diag.notice/1";

/// Most lines of a log that are told.
const LINES: usize = 5;

/// Longest text that is told of one thing, in characters.
const LONGEST: usize = 300;

/// Most machines, jobs or ranks that are named.
const NAMED: usize = 20;

/// How a receiver wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A notice of schema `diag.notice/1`.
    Json,
    /// `{"text": …}`, as Slack, Mattermost and others take it.
    Slack,
    /// A list of one alert, as `POST /api/v2/alerts` of Alertmanager takes it.
    Alertmanager,
}

impl Form {
    /// By its name in `diag.toml`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = [("json", Self::Json), ("slack", Self::Slack), ("alertmanager", Self::Alertmanager)];
        all.into_iter().find(|(known, _)| *known == name).map(|(_, form)| form)
    }
}

/// What is told of a notice: schema `diag.notice/1`. `cluster`: who tells; `beside`: what else is known of the culprit.
#[must_use]
pub fn letter(notice: &Notice, cluster: &str, beside: &[String]) -> Value {
    let found = &notice.found;
    let more = |count: u64| count.saturating_sub(notice.subjects.len() as u64);
    let lines = found
        .lines
        .iter()
        .take(LINES)
        .map(|line| json!({ "source": safe(&line.source), "line": line.line, "text": safe(&line.text) }));
    let named = |all: &[String]| all.iter().take(NAMED).map(|name| safe(name)).collect::<Vec<_>>();
    let culprit = &found.culprit;
    json!({
        "schema": SCHEMA,
        "key": safe(&notice.key),
        "from": safe(cluster),
        "outcome": found.outcome,
        "headline": safe(&found.headline),
        "cause": found.cause.as_deref().map(safe),
        "title": safe(&found.title),
        "confidence": found.confidence,
        "culprit": {
            "nodes": named(&culprit.nodes), "gpus": named(&culprit.gpus), "pods": named(&culprit.pods),
            "jobs": named(&culprit.jobs), "ranks": culprit.ranks.iter().take(NAMED).collect::<Vec<_>>(),
        },
        "count": notice.count,
        "new": notice.count - notice.told.min(notice.count),
        "first": stamp(notice.first),
        "last": stamp(notice.last),
        "of": named(&notice.subjects),
        "of_more": more(notice.count),
        "lines": lines.collect::<Vec<_>>(),
        "next": safe(&found.fix),
        "waits": found.waits.iter().map(|id| format!("diag approvals show {}", safe(id))).collect::<Vec<_>>(),
        "history": beside.iter().map(|text| safe(text)).collect::<Vec<_>>(),
        "reports": named(&found.placed),
    })
}

/// A letter in the form that a receiver reads.
#[must_use]
pub fn render(letter: &Value, form: Form) -> Value {
    match form {
        Form::Json => letter.clone(),
        Form::Slack => json!({ "text": slack(letter) }),
        Form::Alertmanager => alert(letter),
    }
}

/// `&`, `<` and `>` are all that begins something in a text of Slack's; a back quote would begin or end code.
fn slack(letter: &Value) -> String {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('`', "'");
    let text = |name: &str| escaped(letter[name].as_str().unwrap_or_default());
    let list = |name: &str| strings(&letter[name]).iter().map(|item| escaped(item)).collect::<Vec<_>>().join(", ");
    let times = match letter["count"].as_u64().unwrap_or(1) {
        1 => String::new(),
        count => format!(" ({count} times since {})", text("first")),
    };
    let mut lines = vec![format!("*{}*{times}", text("headline"))];
    lines.push(format!("{}: {}", text("from"), list("of")));
    for line in letter["lines"].as_array().map_or(&[][..], Vec::as_slice) {
        lines.push(format!("`{}`", escaped(line["text"].as_str().unwrap_or_default())));
    }
    lines.extend(strings(&letter["history"]).iter().map(|line| escaped(line)));
    lines.extend((!text("next").is_empty()).then(|| format!("next: {}", text("next"))));
    lines.extend(strings(&letter["waits"]).iter().map(|command| format!("waits for a yes: {}", escaped(command))));
    lines.extend((!list("reports").is_empty()).then(|| format!("report: {}", list("reports"))));
    lines.join("\n")
}

/// Labels are what an alert is known by: no counts and times among them, so that the next notice is the same alert.
fn alert(letter: &Value) -> Value {
    let text = |name: &str| letter[name].as_str().unwrap_or_default().to_owned();
    let first = |list: &Value| strings(list).first().cloned().unwrap_or_default();
    let cause = if letter["cause"].is_null() { "undetermined".to_owned() } else { text("cause") };
    let severity = if text("outcome") == "diagnosed" { "warning" } else { "info" };
    let node = first(&letter["culprit"]["nodes"]);
    json!([{
        "labels": {
            "alertname": "DiagJobFailed", "cause": cause, "key": text("key"), "severity": severity, "cluster": text("from"), "instance": node,
        },
        "annotations": {
            "summary": text("headline"),
            "description": slack(letter).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"),
            "count": letter["count"].to_string(),
            "report": first(&letter["reports"]),
        },
        "startsAt": letter["first"],
    }])
}

fn strings(list: &Value) -> Vec<String> {
    let items = list.as_array().map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// Text that acts on nothing, cut short.
fn safe(text: &str) -> String {
    let plain = guard::plain(text);
    let short: String = plain.chars().take(LONGEST).collect();
    if short.len() < plain.len() { short + "…" } else { short }
}

fn stamp(at: i64) -> String {
    jiff::Timestamp::from_second(at).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Culprit, Outcome};
    use crate::watch::{Cited, Found};

    fn notice(text: &str) -> Notice {
        let found = Found {
            outcome: Outcome::Diagnosed,
            headline: format!("GPU lost {text}"),
            cause: Some("gpu-fell-off-bus".to_owned()),
            title: String::new(),
            area: "gpu".to_owned(),
            confidence: None,
            culprit: Culprit { nodes: vec!["gpu-17".to_owned()], ..Culprit::default() },
            lines: vec![Cited { source: "o".to_owned(), line: 3, text: text.to_owned() }],
            fix: String::new(),
            boards: Vec::new(),
            placed: Vec::new(),
            not_placed: None,
            report: None,
            waits: Vec::new(),
            kept: Vec::new(),
        };
        let subjects = vec!["job 1".to_owned(), "job 2".to_owned()];
        Notice { key: "k".to_owned(), first: 0, last: 60, count: 7, told: 0, told_at: None, subjects, found }
    }

    #[test]
    fn what_a_log_holds_has_no_power_in_a_notice() {
        let hostile = "<!channel> `code` <https://x|y> & \u{1b}[2J\u{202e}";
        let letter = letter(&notice(hostile), "slurm", &[]);
        let text = render(&letter, Form::Slack)["text"].as_str().unwrap().to_owned();
        assert!(!text.contains('<') && !text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
        assert_eq!(text.matches('`').count(), 2, "{text}");
        let long = self::letter(&notice(&"x".repeat(5000)), "slurm", &[]);
        assert!(long.to_string().len() < 3000);
    }

    #[test]
    fn an_alert_is_known_by_labels_that_do_not_change() {
        let one = render(&letter(&notice("a"), "c", &[]), Form::Alertmanager);
        let later = Notice { count: 9, last: 99, ..notice("b") };
        let two = render(&letter(&later, "c", &[]), Form::Alertmanager);
        assert_eq!((&one[0]["labels"], &one[0]["labels"]["instance"]), (&two[0]["labels"], &"gpu-17".into()));
        assert_eq!(
            (&two[0]["annotations"]["count"], letter(&notice("a"), "c", &[])["of_more"].as_u64()),
            (&"9".into(), Some(5))
        );
    }
}
