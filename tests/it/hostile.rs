//! Inputs made to harm: bounded time and memory, a clear message, and the diagnosis of what could be read.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bad_inputs::{LOG, notes, report};

/// Memory that a run may map, in KiB: much less than what these inputs would take if they were believed.
const MEMORY: u64 = 3 << 20;

/// Time that a run may take on a busy machine; each takes a second or two.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs `diag analyze` within bounds.
fn bounded(input: &Path) -> Output {
    let began = Instant::now();
    let script = format!("ulimit -v {MEMORY}; exec \"$0\" analyze \"$1\" --format json");
    let done = Command::new("bash").args(["-c", &script, env!("CARGO_BIN_EXE_diag")]).arg(input).output().unwrap();
    assert!(began.elapsed() < PATIENCE, "{} took {:?}", input.display(), began.elapsed());
    assert!(matches!(done.status.code(), Some(0..=2)), "{}: {:?}", input.display(), done.status);
    done
}

fn diagnosed(done: &Output) -> Value {
    let report = report(done);
    assert_eq!(report["findings"][0]["cause"], "rank-exception", "{report}");
    report
}

/// How a flight-recorder dump as JSON begins.
const DUMP: &str = "{\"version\": \"2.10\", \"pg_config\": {}, \"entries\": [\n";

#[test]
fn a_document_too_large_for_memory_is_read_line_by_line() {
    let at = tempfile::tempdir().unwrap();
    for (name, filler) in
        [("lines.json", "{\"collective_seq_id\": 1},\n"), ("one-line.json", "{\"collective_seq_id\": 1},")]
    {
        let path = at.path().join(name);
        let mut file = File::create(&path).unwrap();
        file.write_all(DUMP.as_bytes()).unwrap();
        let chunk = filler.repeat((1 << 20) / filler.len());
        for _ in 0..300 {
            file.write_all(chunk.as_bytes()).unwrap();
        }
        file.write_all(format!("\n{LOG}").as_bytes()).unwrap();
        drop(file);
        let report = diagnosed(&bounded(&path));
        assert!(notes(&report).contains(&"input.record".to_owned()), "{name}: {}", report["notes"]);
        let notes = report["notes"].to_string();
        assert!(notes.contains("256 MiB") && notes.contains("line by line"), "{notes}");
    }
}

#[test]
fn a_malformed_document_is_told_and_read_as_text() {
    let at = tempfile::tempdir().unwrap();
    let nested = "[".repeat(2_000_000);
    for (name, text) in [
        ("cut.json", format!("{DUMP}{{\"collective_seq_id\": 1, \"state\": \"sche\n{LOG}")),
        ("nested.json", format!("{DUMP}{nested}\n{LOG}")),
        ("number.json", format!("{DUMP}{{\"collective_seq_id\": {}}}]}}\n{LOG}", "9".repeat(100_000))),
        ("types.json", format!("{{\"pg_config\": [], \"entries\": \"many\"}}\n{LOG}")),
    ] {
        let path = at.path().join(name);
        fs::write(&path, text).unwrap();
        let report = diagnosed(&bounded(&path));
        assert!(notes(&report).contains(&"input.record".to_owned()), "{name}: {}", report["notes"]);
    }
}

#[test]
fn a_dump_is_read_in_whatever_encoding_it_was_saved() {
    let logs =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-logs/collective-mismatch/flight-recorder-one-skipped/logs");
    let plain = report(&bounded(&logs));
    let at = tempfile::tempdir().unwrap();
    for (name, encode) in [
        ("marked", (|text: &str| [b"\xef\xbb\xbf", text.as_bytes()].concat()) as fn(&str) -> Vec<u8>),
        ("wide", |text| std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()),
        ("wide-big", |text| std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect()),
    ] {
        let folder = at.path().join(name);
        fs::create_dir(&folder).unwrap();
        for entry in fs::read_dir(&logs).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            fs::write(folder.join(path.file_name().unwrap()), encode(&text)).unwrap();
        }
        let report = report(&bounded(&folder));
        assert_eq!(report["findings"][0]["cause"], plain["findings"][0]["cause"], "{name}");
        assert_eq!(report["findings"][0]["culprit"], plain["findings"][0]["culprit"], "{name}");
    }
}

#[test]
fn a_list_of_a_hundred_million_nodes_is_no_list() {
    let at = tempfile::tempdir().unwrap();
    let path = at.path().join("slurmctld.log");
    let bombs = [
        "n[0-99999999]",
        "n[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]",
        "n[0-99999999,0-99999999,0-99999999]-ib[0-9999]",
    ];
    let mut text = String::new();
    for bomb in bombs {
        text.push_str(&format!("[2026-11-22T03:00:01.000] error: Nodes {bomb} not responding\n"));
        text.push_str(&format!(
            "[2026-11-22T03:00:02.000] sched: Allocate JobId=7 NodeList={bomb} #CPUs=64 Partition=gpu\n"
        ));
        text.push_str(&format!("[2026-11-22T03:00:03.000] update_node: node {bomb} reason set to: bad\n"));
        text.push_str(&format!("JobId=7 JobName=x JobState=NODE_FAIL Reason=None NodeList={bomb}\n"));
    }
    fs::write(&path, text + LOG).unwrap();
    let done = bounded(&path);
    assert!(done.stdout.len() < 1 << 20, "nor is it written out");
    report(&done);
}
