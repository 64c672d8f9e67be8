//! No line that a signature knows is lost in a long document.
#![allow(clippy::disallowed_methods, reason = "reads the format files")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use diag_parsers::{Block, Catalogue, Depth, Event, FormatFile, Line, Says, Scanner, signature};

/// A line of training that no signature knows.
const NOISE: &str = "0012: [scheduler.py:88] microbatch 3 of stage 4 forward 12.5 ms backward 31.2 ms bubble 3.1 ms";

fn formats() -> Vec<FormatFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let texts = folders.filter_map(|folder| std::fs::read_to_string(folder.join("format.toml")).ok());
    let files: Vec<FormatFile> = texts.map(|text| toml::from_str(&text).unwrap()).collect();
    assert!(files.len() > 15, "the format files are found");
    files
}

/// Samples of all kinds, those too that are examples of what a kind is not.
fn samples() -> Vec<String> {
    let events = formats().into_iter().flat_map(|file| file.event.into_values());
    events.flat_map(|event| event.sample.into_iter().chain(event.unlike)).map(|sample| sample.line).collect()
}

/// The logs of all cases of all playbooks.
fn case_logs() -> Vec<String> {
    let folders = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../playbooks")).unwrap();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).into_iter().flatten());
    let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let mut logs = Vec::new();
    for playbook in texts.filter_map(|text| text.parse::<toml::Table>().ok()) {
        let cases = playbook.get("case").and_then(toml::Value::as_array).cloned().unwrap_or_default();
        let named = cases.iter().filter_map(|case| case.get("logs")?.as_table()).flat_map(toml::Table::values);
        logs.extend(named.filter_map(toml::Value::as_str).map(str::to_owned));
    }
    assert!(logs.len() > 100, "the cases are found");
    logs
}

/// All events of a text, the part from `from` on being scanned.
fn scan(scanner: &Scanner, text: &[u8], from: usize, depth: Depth) -> Vec<Event> {
    let mut events = Vec::new();
    let block = Block::whole(text);
    scanner.scan_part(block, from..text.len(), depth, &mut |event| events.push(event));
    events
}

/// The kinds that a long document is searched for throughout, whatever pattern they have.
fn sought() -> BTreeSet<String> {
    let mut kinds = BTreeSet::from(["python.exception", "python.stack", "elastic.failure"].map(str::to_owned));
    for file in formats() {
        let seek =
            file.event.iter().filter(|(_, event)| !event.ends && !event.fallback && event.says != Says::Progress);
        kinds.extend(seek.map(|(name, _)| format!("{}.{name}", file.id)));
    }
    kinds
}

#[test]
fn a_pattern_matches_no_line_without_its_literal() {
    let samples = samples();
    let lines: Vec<&str> = samples.iter().flat_map(|sample| sample.lines()).collect();
    let mut wrong = Vec::new();
    for (_, event) in formats().into_iter().flat_map(|file| file.event) {
        for pattern in &event.pattern {
            let (regex, anchors) = (signature::compile(pattern).unwrap(), signature::anchors(pattern).unwrap());
            for line in &lines {
                let line = Line::new(1, 0, line.as_bytes());
                let held = || anchors.iter().any(|one| memchr::memmem::find(&line.text, one.as_bytes()).is_some());
                if regex.is_match(&line.text) && !held() {
                    wrong.push(format!("{pattern} matches without {anchors:?}: {}", line.str()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn samples_and_case_logs_are_found_in_a_long_document() {
    let scanner = Scanner::new(Catalogue::built_in().unwrap());
    let sought = sought();
    let mut text = String::new();
    for (number, sample) in samples().iter().chain(&case_logs()).enumerate() {
        // Uneven distances move the samples over all borders of the windows that are searched at a time.
        for _ in 0..(number * 7) % 60 {
            text.push_str(NOISE);
            text.push('\n');
        }
        text.push_str(sample);
        text.push(if number % 5 == 0 { '\r' } else { '\n' });
        text.push_str(&"x".repeat(number % 97));
        text.push('\n');
    }
    assert!(text.len() > 1 << 20, "the text has many windows");
    let wanted = scan(&scanner, text.as_bytes(), 0, Depth::Every);
    let found = scan(&scanner, text.as_bytes(), 0, Depth::Stems);
    let lost: Vec<&Event> =
        wanted.iter().filter(|event| sought.contains(event.kind)).filter(|event| !found.contains(event)).collect();
    assert!(lost.is_empty(), "{} are lost, the first: {:?}", lost.len(), lost[0]);
    let made_up = found.iter().filter(|event| sought.contains(event.kind) && !wanted.contains(event)).count();
    assert_eq!(made_up, 0);
}

#[test]
fn a_sample_is_found_wherever_it_stands() {
    let scanner = Scanner::new(Catalogue::built_in().unwrap());
    let sample = "gpu-17:41:43 [0] NCCL WARN Connect to 10.0.4.18<41022> failed : Connection refused";
    let expected = scan(&scanner, sample.as_bytes(), 0, Depth::Every).len();
    assert!(expected > 0);
    let borders = [64 << 10, (64 << 10) + 1, 16 << 10, 15 << 10, 128 << 10];
    for before in borders.into_iter().flat_map(|border| (0..sample.len() + 2).map(move |back| border - back)) {
        for end in ["\n", "\r", "\r\n", ""] {
            let mut text = "-".repeat(before.saturating_sub(end.len()));
            text.push_str(end);
            text.push_str(sample);
            text.push_str(end);
            text.push_str(&"-".repeat(300));
            let found = scan(&scanner, text.as_bytes(), 0, Depth::Stems);
            let enough = if end.is_empty() { !found.is_empty() } else { found.len() == expected };
            assert!(enough, "{before} bytes before it, ended by {end:?}: {} events", found.len());
        }
    }
}

#[test]
fn colours_hide_nothing() {
    let scanner = Scanner::new(Catalogue::built_in().unwrap());
    let text = "\u{1b}[36m(Trainer pid=4)\u{1b}[0m NCCL \u{1b}[31mWARN\u{1b}[0m Connect to 10.0.4.18<41022> failed : Connection refused\n";
    let (every, stems) =
        (scan(&scanner, text.as_bytes(), 0, Depth::Every), scan(&scanner, text.as_bytes(), 0, Depth::Stems));
    assert!(!every.is_empty());
    assert_eq!(every, stems);
}

#[test]
fn parts_lose_and_double_nothing() {
    let scanner = Scanner::new(Catalogue::built_in().unwrap());
    let text: String = samples().iter().map(|sample| format!("{sample}\n{NOISE}\n")).collect();
    let whole = scan(&scanner, text.as_bytes(), 0, Depth::Stems);
    let middle = text.len() / 2 + text[text.len() / 2..].find('\n').unwrap() + 1;
    let block = Block::whole(text.as_bytes());
    let mut parts = Vec::new();
    let first = scanner.scan_part(block, 0..middle, Depth::Stems, &mut |event| parts.push(event));
    let second = scanner.scan_part(block, middle..text.len(), Depth::Stems, &mut |event| parts.push(event));
    assert_eq!(whole, parts);
    assert_eq!(first.lines + second.lines, text.matches('\n').count() as u64);
}
