//! A log says the same however it was kept: by docker, by the runtime of a Kubernetes node, with line ends of Windows, quoted in a
//! mail, indented on a page, with its lines numbered.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::samples::{incidents, report};

/// How a line is kept.
type Form = fn(usize, &str) -> String;

/// Each way, by name.
const FORMS: [(&str, Form); 6] = [
    ("by docker", |at, line| {
        serde_json::json!({ "log": format!("{line}\n"), "stream": "stderr", "time": time(at) }).to_string()
    }),
    ("by a runtime of Kubernetes", |at, line| format!("{} stderr F {line}", time(at))),
    ("with line ends of Windows", |_, line| format!("{line}\r")),
    ("quoted", |_, line| format!("> {line}")),
    ("indented", |_, line| format!("    {line}")),
    ("numbered", |at, line| format!("{:6}\t{line}", at + 1)),
];

/// Ways that are tried on each log: all of them over a few logs.
const EACH: usize = 3;

/// When a line was printed: later ones later.
fn time(at: usize) -> String {
    format!("2026-05-04T{:02}:{:02}:{:02}.250000001Z", 1 + at / 3600 % 20, at / 60 % 60, at % 60)
}

/// What a report says: outcome, cause and culprit of the first finding.
fn said(report: &Value) -> Value {
    let first = &report["findings"][0];
    serde_json::json!([report["outcome"], first["cause"], first["culprit"]])
}

/// The only log of an incident, where it has one that is text.
fn only_log(folder: &Path) -> Option<(String, String)> {
    let mut files = fs::read_dir(folder.join("logs")).unwrap().map(|entry| entry.unwrap().path());
    let (file, None) = (files.next()?, files.next()) else { return None };
    let text = String::from_utf8(fs::read(&file).unwrap()).ok()?;
    let name = file.file_name()?.to_str()?.to_owned();
    name.ends_with(".log").then_some((name, text))
}

#[test]
fn a_log_says_the_same_however_it_was_kept() {
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for (nth, incident) in incidents().iter().enumerate() {
        let Some((name, text)) = only_log(&incident.folder) else { continue };
        let plain = said(&report(&incident.folder));
        for (kept, form) in FORMS.iter().cycle().skip(nth).step_by(FORMS.len() / EACH).take(EACH) {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("logs")).unwrap();
            let lines: String = text.lines().enumerate().map(|(at, line)| form(at, line) + "\n").collect();
            fs::write(folder.path().join("logs").join(&name), lines).unwrap();
            let told = said(&report(folder.path()));
            if told != plain {
                wrong.push(format!("{} {kept}: {told}, not {plain}", incident.name()));
            }
            tried += 1;
        }
    }
    assert!(tried >= 100, "{tried} were tried");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
