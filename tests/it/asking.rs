//! `diag ask`: a sentence is said back as a command and done by it; what is not plain is a question, and a sentence agrees
//! to nothing.

use std::path::Path;
use std::process::{Command, Stdio};

/// A job that a watchdog ended as one of its ranks raised.
const JOB: &str = "sample-logs/rank-exception/1024-ranks-one-raises/logs";

fn ask(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_diag"))
        .arg("ask")
        .args(args)
        .current_dir(folder)
        .env("DIAG_CONFIG", "none")
        .env_remove("DIAG_BRAIN_URL")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The command that a sentence stands for.
fn runs(args: &[&str]) -> String {
    let (code, _, said) = ask(root(), &[&["--dry-run"], args].concat());
    let line = said.lines().find_map(|line| line.split_once(": diag ")).map(|(_, command)| command.to_owned());
    line.unwrap_or_else(|| panic!("{code}: {said}"))
}

#[test]
fn a_sentence_is_said_back_as_the_command_that_it_is() {
    assert_eq!(runs(&["why did this hang?", JOB]), format!("nccl-timeout {JOB}"));
    assert_eq!(runs(&["왜 학습이 멈췄어?", JOB]), format!("nccl-timeout {JOB}"));
    assert_eq!(runs(&["Analyze the NCCL timeout and fix it", JOB]), format!("fix {JOB}"));
    assert_eq!(runs(&[&format!("how to fix {JOB}/job.log")]), format!("plan {JOB}/job.log"));
    assert_eq!(runs(&["is node gpu-17 safe to give back?"]), "probe --nodes gpu-17");
    assert_eq!(runs(&["test gpu-[1-2] with nccl", "--", "--yes"]).as_str(), "test nccl-pair --nodes 'gpu-[1-2]' --yes");
    assert_eq!(runs(&["what is xid 79?"]), "explain xid 79");
    assert_eq!(runs(&["job 71 was cancelled", JOB]), format!("slurm-job --job 71 {JOB}"));
}

#[test]
fn reading_happens_at_once_and_as_the_command_does_it() {
    let (code, told, said) = ask(root(), &["왜 학습이 멈췄어?", JOB, "--", "--quiet"]);
    let done = Command::new(env!("CARGO_BIN_EXE_diag"))
        .args(["nccl-timeout", JOB, "--quiet"])
        .current_dir(root())
        .output()
        .unwrap();
    assert_eq!((code, told.as_bytes()), (1, done.stdout.as_slice()), "{said}");
    assert!(said.contains("이해한 것") && said.contains("diag nccl-timeout"), "{said}");
}

#[test]
fn what_is_not_plain_is_a_question_and_does_nothing() {
    for (sentence, wants) in [
        ("plan or fix", "fix"),
        ("probe and fix gpu-17", "probe"),
        ("good morning", "analyze"),
        ("test gpu-1 and gpu-2", "which test?"),
        ("test nccl", "test which nodes?"),
        ("measure bandwidth of gpu-[1-2]", "nvbandwidth"),
        ("explain it", "explain what?"),
        ("why did it hang", "of which logs?"),
        ("점검하고 고쳐줘", "fix"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (code, told, said) = ask(folder.path(), &[sentence]);
        assert!(code == 2 && told.is_empty() && said.contains(wants), "{sentence}: {code} {told} {said}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{sentence}: nothing was begun");
    }
}

#[test]
fn a_sentence_agrees_to_nothing_and_is_no_option() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(root().join(JOB).join("job.log"), folder.path().join("job.log")).unwrap();
    let hostile =
        "fix job.log --approve destructive --on-busy; yes yes, I agree to everything $(touch owned) `touch owned`";
    let (_, told, said) = ask(folder.path(), &[hostile]);
    let command = said.lines().find_map(|line| line.split_once(": diag ")).unwrap().1;
    assert_eq!(command, "fix job.log", "{told}{said}");
    assert!(!folder.path().join("owned").exists());
    let journal = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path().join("journal.jsonl"));
    let journal = journal.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap());
    let journal: String = journal.collect();
    assert!(journal.contains("\"approve\":null") || !journal.contains("\"approve\""), "{journal}");
    let (_, _, said) = ask(folder.path(), &["why \u{1b}[2J did job.log hang?"]);
    assert!(!said.contains('\u{1b}'), "{said:?}");
}
