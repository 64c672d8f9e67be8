//! Whether a format file keeps its word: patterns compile, samples match, look-alikes don't.

use crate::Catalogue;
use crate::event::{Event, Value};
use crate::line::Block;
use crate::literals;
use crate::scan::{Depth, Scanner};
use crate::signature::{EventFile, FormatFile, Sample, compile};

/// Shortest literal that is worth looking for.
const MIN_ANCHOR: usize = 4;

/// Everything wrong with a format file, one sentence each.
pub fn lint(file: &FormatFile, scanner: &Scanner) -> Vec<String> {
    let mut wrong = Vec::new();
    if file.schema != 1 {
        wrong.push(format!("{}: schema {} is unknown; this build reads 1", file.id, file.schema));
    }
    for (name, event) in &file.event {
        let kind = format!("{}.{name}", file.id);
        patterns(&kind, event, &mut wrong);
        samples(&kind, event, scanner, &mut wrong);
    }
    wrong
}

fn patterns(kind: &str, event: &EventFile, wrong: &mut Vec<String>) {
    for (at, pattern) in event.pattern.iter().enumerate() {
        let place = format!("{kind}: pattern {}", at + 1);
        let regex = match compile(pattern) {
            Ok(regex) => regex,
            Err(error) => {
                wrong.push(format!("{place} does not compile: {error}"));
                continue;
            }
        };
        for group in regex.capture_names().flatten().filter(|group| !event.fields.contains_key(*group)) {
            wrong.push(format!("{place}: group `{group}` has no type in `fields`"));
        }
        let Ok(choices) = literals::required(pattern) else { continue };
        let shortest = literals::best(&choices).map_or(0, |best| best.iter().map(Vec::len).min().unwrap_or(0));
        if shortest < MIN_ANCHOR {
            wrong.push(format!("{place}: no literal of {MIN_ANCHOR} characters must occur in it"));
        }
        if !event.sample.iter().any(|sample| matches(pattern, &sample.line)) {
            wrong.push(format!("{place} has no sample"));
        }
    }
    for field in event.fields.keys() {
        let known = event
            .pattern
            .iter()
            .any(|pattern| pattern.contains(&format!("(?P<{field}>")) || pattern.contains(&format!("(?<{field}>")));
        if !known {
            wrong.push(format!("{kind}: field `{field}` is in no pattern"));
        }
    }
}

fn matches(pattern: &str, line: &str) -> bool {
    let plain = crate::line::strip_ansi(line.as_bytes());
    compile(pattern).is_ok_and(|regex| {
        line.split(['\n', '\r']).any(|part| regex.is_match(part.as_bytes())) || regex.is_match(&plain)
    })
}

fn samples(kind: &str, event: &EventFile, scanner: &Scanner, wrong: &mut Vec<String>) {
    for sample in &event.sample {
        let events = read(scanner, &sample.line);
        let same: Vec<_> = events.iter().filter(|found| found.kind == kind).collect();
        if same.is_empty() {
            let others: Vec<_> = events.iter().map(|found| found.kind).collect();
            wrong.push(format!("{kind}: a sample is not recognised (as {others:?} only): {}", sample.line));
        } else if let Some(miss) =
            same.iter().map(|found| unlike_wanted(found, sample)).min_by_key(Vec::len).filter(|m| !m.is_empty())
        {
            wrong.push(format!("{kind}: {} in: {}", miss.join(", "), sample.line));
        }
    }
    for sample in &event.unlike {
        if read(scanner, &sample.line).iter().any(|found| found.kind == kind) {
            wrong.push(format!("{kind} must not match: {}", sample.line));
        }
    }
}

fn unlike_wanted(event: &Event, sample: &Sample) -> Vec<String> {
    let differs = |(name, want): (&String, &Value)| {
        let got = event.fields.get(name);
        (got != Some(want)).then(|| format!("`{name}` should be {want:?}, is {got:?}"))
    };
    sample.want.iter().filter_map(differs).collect()
}

/// All events of a text, every line looked at.
pub fn read(scanner: &Scanner, text: &str) -> Vec<Event> {
    let mut events = Vec::new();
    let block = Block::whole(text.as_bytes());
    scanner.scan(block, text.len(), Depth::Every, &mut |event| events.push(event));
    events
}

/// Lints a file against a scanner that knows it beside the built-in formats.
///
/// # Errors
/// A pattern that the scanner can't take.
pub fn lint_alone(file: &FormatFile) -> Result<Vec<String>, String> {
    let scanner = Scanner::new(Catalogue::with(std::slice::from_ref(file))?);
    Ok(lint(file, &scanner))
}
