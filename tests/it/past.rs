//! What nodes and boards went through before, beside reports and in what is handed over: told, and never a reason.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::fixing::{HELPS, Stage};

/// Kernel words of a GPU that is lost, on 2026-05-04.
const LOST: &str = "2026-05-04T03:01:02.000000+00:00 gpu-17 kernel: NVRM: GPU at PCI:0000:9a:00: GPU-00000000-0000-0000-0000-000000000005\n\
                    2026-05-04T03:01:02.000000+00:00 gpu-17 kernel: NVRM: Xid (PCI:0000:9a:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.\n";

/// 2026-04-24: another board in its place; 2026-04-27: this board, elsewhere; then a node, by hostile words.
const HISTORY: &str = r#"{"at":1777000000,"what":"fault","board":{"node":"gpu-17","gpu":"0000:9a:00","uuid":"GPU-00000000-0000-0000-0000-000000000004"},"why":"gpu-fell-off-bus","by":"watch job 4100"}
{"at":1777300000,"what":"fault","board":{"node":"gpu-09","gpu":"0000:3b:00","uuid":"GPU-00000000-0000-0000-0000-000000000005"},"why":"gpu-fell-off-bus","by":"watch job 4150"}
{"at":1777310000,"what":"drained","board":{"node":"gpu-17"},"why":"x","by":"hook \u001b[2Jhealth-check"}
{"at":1777863700,"what":"fault","board":{"node":"gpu-17","gpu":"0000:9a:00","uuid":"GPU-00000000-0000-0000-0000-000000000005"},"why":"gpu-fell-off-bus","by":"watch job 4242"}
"#;

fn analyze(folder: &Path, format: &str) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_diag"))
        .args(["analyze", "gpu-17.log", "-q", "--format", format])
        .current_dir(folder)
        .env("DIAG_STATE", folder.join("state"))
        .env("DIAG_CONFIG", "none")
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn those_who_were_in_trouble_before_are_told_of_and_no_verdict_rests_on_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("gpu-17.log"), LOST).unwrap();
    let plain = |text: &str| {
        let mut report: Value = serde_json::from_str(text).unwrap();
        report["stats"]["elapsed_ms"] = 0.into();
        let history = report.as_object_mut().unwrap().remove("history");
        (report, history)
    };
    let (without, none) = plain(&analyze(folder.path(), "json"));
    assert_eq!(none, None);
    fs::create_dir(folder.path().join("state")).unwrap();
    fs::write(folder.path().join("state/history.jsonl"), HISTORY).unwrap();
    let (with, history) = plain(&analyze(folder.path(), "json"));
    assert_eq!(without, with, "all else is the same");
    let told = [
        "GPU-00000000-0000-0000-0000-000000000005: 2nd time in 7 days; before: gpu-fell-off-bus in gpu-09 on 2026-04-27 (watch job 4150)",
        "gpu-17: 2nd time in 6 days; before: drained on 2026-04-27 (hook \u{1b}[2Jhealth-check)",
        "other boards of gpu-17: once within 10 days: GPU-00000000-0000-0000-0000-000000000004: gpu-fell-off-bus on 2026-04-24 (watch job 4100)",
    ];
    assert_eq!(history, Some(serde_json::json!(told)));
    assert!(analyze(folder.path(), "text").contains("\nBefore   Known from"));
    for format in ["text", "markdown", "html"] {
        let page = analyze(folder.path(), format);
        assert!(page.contains("gpu-09") && page.contains("no evidence") && !page.contains('\u{1b}'), "{page}");
    }
}

#[test]
fn what_a_fix_came_to_enters_the_history_once_and_the_next_one_is_told_of_it() {
    let stage = Stage::new(&[("widget", HELPS)]);
    // Causes of this area lie in machines.
    fs::rename(stage.at("playbooks/stage"), stage.at("playbooks/host")).unwrap();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned();
    // Not in the folder's own file, which names no controllers.
    fs::write(stage.at("site.toml"), format!("[inventory.bmc]\n\"{host}\" = \"bmc-17.example\"\n")).unwrap();
    fs::create_dir(stage.at("state")).unwrap();
    let before = jiff::Timestamp::now().as_second() - 5 * 86_400;
    let mark = format!(
        r#"{{"at":{before},"what":"fault","board":{{"node":"{host}"}},"why":"widget-broken","by":"watch job 4100"}}"#
    );
    fs::write(stage.at("state/history.jsonl"), mark + "\n").unwrap();
    let (text, code) =
        stage.run(&["--config", "site.toml", "fix", "logs", "--case", "case", "--approve", "reversible"]);
    let told = format!("{host}: 2nd time in 5 days; before: widget-broken on ");
    assert!(code == 0 && text.contains(&told), "{text}");
    let page = fs::read_to_string(stage.at("case/handover.md")).unwrap();
    assert!(page.contains("(no evidence)") && page.contains("2nd time in 5 days"), "{page}");
    assert!(page.contains("bmc-17.example"), "{page}");
    stage.run(&["resume", "case", "--approve", "reversible"]);
    let history = fs::read_to_string(stage.at("state/history.jsonl")).unwrap();
    let marks = history.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let marks: Vec<(String, String)> = marks
        .filter(|mark| mark["by"].as_str().unwrap().contains("/case alice@"))
        .map(|mark| (mark["what"].as_str().unwrap().to_owned(), mark["why"].as_str().unwrap().to_owned()))
        .collect();
    let wanted = ["fault", "mended"].map(|what| (what.to_owned(), "widget-broken".to_owned()));
    assert_eq!(marks, wanted, "{history}");
}
