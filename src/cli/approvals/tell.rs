//! What waits, as a list.

use serde_json::{Value, json};

use super::queue::{Found, Item};
use crate::cli::screen;
use crate::plan::tell;
use crate::policy::risk;
use crate::report::guard;
use crate::report::text::{Paper, Span, Tone};
use crate::report::words;

/// Version of the list.
const SCHEMA: &str = "diag.approvals/1";

/// Columns of the list: beyond that a line is hard to follow.
const WIDE: usize = 100;

/// Columns before what would be done: id, since when, how long still, risk.
const GUTTER: usize = 37;

/// Columns before the details.
const INDENT: usize = 10;

/// Most jobs that are named in a line.
const NAMED: usize = 3;

/// The list for a person; `all`: what has expired or gone stale as well.
pub(super) fn text(found: &Found, all: bool, now: i64) -> String {
    let width = screen::width(false).min(WIDE);
    let mut paper = Paper::new(width, screen::colour(screen::Color::Auto, false));
    let shown: Vec<&Item> = found.items.iter().filter(|item| all || item.waits(now)).collect();
    if !shown.is_empty() {
        let head = format!("{:<8}  {:>7}  {:>7}  {:<9}  WHAT", "ID", "WAITS", "LEFT", "RISK");
        paper.flow(&[Span::new(head, Tone::Faint)], 0, &[]);
    }
    for item in &shown {
        row(&mut paper, item, now);
    }
    let hidden = found.items.len() - shown.len();
    if shown.is_empty() {
        paper.flow(&[], 0, &[Span::plain("nothing waits for a yes")]);
    }
    if hidden > 0 {
        let text = format!("{hidden} more expired or out of date (--all shows them)");
        paper.flow(&[], 0, &[Span::plain(text)]);
    }
    if let Some(first) = shown.first() {
        paper.blank();
        paper.flow(&[], 0, &[Span::plain(format!("next: diag approvals show {}", first.waiting.id))]);
    }
    for why in &found.strange {
        paper.flow(&[], 0, &[Span::plain(format!("not listed: {why}"))]);
    }
    paper.finish()
}

fn row(paper: &mut Paper, item: &Item, now: i64) {
    let (waiting, want) = (&item.waiting, &item.waiting.want);
    let since = words::span((now - want.since).max(0) as f64);
    let left = if want.until > now { words::span((want.until - now) as f64) } else { "expired".to_owned() };
    let risk = risk(&waiting.step).to_string();
    let lead = format!("{:<8}  {since:>7}  {left:>7}  {risk:<9}", waiting.id);
    let lead = format!("{lead:<width$}", width = GUTTER + 1);
    paper.flow(&[Span::new(lead, Tone::Strong)], GUTTER + 1, &[Span::plain(&waiting.step.title)]);
    let mut details = vec![format!("{}: {}", waiting.subject.cause, about(item))];
    details.push(tell::place(&waiting.step));
    details.extend((!waiting.step.disturbs.is_empty()).then(|| format!("it {}", waiting.step.disturbs)));
    details.extend(item.gone.clone());
    details.retain(|line| !line.is_empty());
    let lines = std::iter::once(details.join("; ")).chain([item.case.display().to_string()]);
    for line in lines {
        paper.flow(&[], INDENT, &[Span::new(line, Tone::Faint)]);
    }
}

/// Whom the evidence blames, and of which jobs it was seen.
fn about(item: &Item) -> String {
    let parts = [words::culprit(&item.waiting.subject.culprit), seen(item)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Of which jobs it was seen; nothing where that is one case of a person's.
pub(super) fn seen(item: &Item) -> String {
    let named: Vec<&str> = item.of.iter().take(NAMED).map(String::as_str).collect();
    let more = item.count.saturating_sub(named.len() as u64);
    match (named.is_empty(), more) {
        (true, 0 | 1) => String::new(),
        (true, count) => format!("seen {count} times"),
        (false, 0) => named.join(", "),
        (false, more) => format!("{} and {more} more", named.join(", ")),
    }
}

/// The list for programs: all of it.
pub(super) fn json(found: &Found, now: i64) -> String {
    let items: Vec<Value> = found.items.iter().map(|item| as_json(item, now)).collect();
    let all = json!({ "schema": SCHEMA, "approvals": items, "not_listed": found.strange });
    guard::escaped(&serde_json::to_string_pretty(&all).unwrap_or_default()) + "\n"
}

pub(super) fn as_json(item: &Item, now: i64) -> Value {
    let (waiting, want) = (&item.waiting, &item.waiting.want);
    let state = match (&item.gone, want.until > now) {
        (Some(_), _) => "gone",
        (None, true) => "waits",
        (None, false) => "expired",
    };
    json!({
        "id": waiting.id, "state": state, "gone": item.gone,
        "case": item.case, "others": item.others, "of": item.of, "count": item.count,
        "cause": waiting.subject.cause, "title": waiting.subject.title, "confidence": waiting.subject.confidence,
        "culprit": waiting.subject.culprit,
        "step": waiting.step.id, "what": waiting.step.title, "nodes": waiting.step.nodes,
        "risk": risk(&waiting.step).to_string(), "disturbs": waiting.step.disturbs,
        "why": want.why, "busy": want.busy, "before": waiting.before,
        "since": stamp(want.since), "until": stamp(want.until), "digest": want.digest,
    })
}

/// A time, in words of RFC 3339.
pub(super) fn stamp(at: i64) -> String {
    jiff::Timestamp::from_second(at).unwrap_or_default().to_string()
}
