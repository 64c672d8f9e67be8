//! Tests as data: their files keep their word, and what this machine can run of them runs.

use std::process::{Command, Stdio};

use serde_json::Value;

fn diag(args: &[&str]) -> (String, i32) {
    let done = Command::new(env!("CARGO_BIN_EXE_diag"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    (text, done.status.code().unwrap_or(-1))
}

fn books() -> Vec<diag::playbook::test::TestBook> {
    let mut books = Vec::new();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks/tests")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let book: diag::playbook::test::TestBook =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(path.file_stem().unwrap().to_string_lossy(), book.id);
        books.push(book);
    }
    assert!(books.len() >= 17);
    books
}

#[test]
fn tests_keep_their_word() {
    for book in books() {
        let wrong = diag::verify::book::lint(&book);
        assert!(wrong.is_empty(), "{}: {wrong:?}", book.id);
        for case in &book.case {
            let wrong = diag::verify::book::rehearse(&book, case);
            assert!(wrong.is_empty(), "{}: {}: {wrong:?}", book.id, case.name);
        }
    }
}

#[test]
fn scripts_are_what_their_shell_reads() {
    for book in books() {
        let plain = book.plain().map(|text| ("sh", text));
        for (shell, text) in [(book.script.shell.as_str(), book.text())].into_iter().chain(plain) {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            let done = Command::new(shell).arg("-n").arg(file.path()).output().unwrap();
            assert!(done.status.success(), "{}: {}", book.id, String::from_utf8_lossy(&done.stderr));
        }
    }
}

/// What each run said, by the test's own word.
fn judged(text: &str) -> Vec<String> {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let runs = value["runs"].as_array().unwrap();
    runs.iter().map(|run| run["run"]["judged"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_this_machine_can_run_is_run() {
    // The sandbox has a /tmp of its own.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let set = format!("folder={}", folder.path().display());
    let storage = [
        "test", "storage", "--nodes", "n1", "--via", "local", "--yes", "--set", &set, "--set", "mib=4", "--format",
        "json",
    ];
    let (text, _) = diag(&storage);
    assert!(text.contains("\"writes\": 1") && text.contains("\"same\": 1") && text.contains("fsync_ms"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    for name in ["shm", "memlock", "vital"] {
        let (text, _) = diag(&["test", name, "--nodes", "n1", "--via", "local", "--format", "json"]);
        assert_ne!(judged(&text), ["cannot-run"], "{name}: {text}");
    }
}

#[test]
fn a_port_that_nobody_listens_on_is_refused_and_one_that_is_open_connects() {
    let open = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = open.local_addr().unwrap().port();
    let set = format!("port={port}");
    let args = ["test", "tcp-pair", "--nodes", "n[1-2]", "--via", "local", "--format", "json", "--set", &set];
    let (text, code) = diag(&args);
    assert_eq!((judged(&text), code), (vec!["pass".to_owned()], 0), "{text}");
    drop(open);
    let (text, code) = diag(&args);
    assert_eq!((judged(&text), code), (vec!["fail".to_owned()], 1), "{text}");
    assert!(text.contains("\"refused\": 1"), "{text}");
}

#[test]
fn a_sweep_on_one_machine_clears_it() {
    let open = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let set = format!("port={}", open.local_addr().unwrap().port());
    let (text, code) = diag(&["test", "tcp-pair", "--nodes", "n[1-5]", "--via", "local", "--set", &set]);
    assert!(code == 0 && text.starts_with("CLEAR"), "{text}");
}

#[test]
#[ignore = "needs iperf3: ./test installs it"]
fn tools_iperf3_measures_between_two_ends() {
    let args = [
        "test",
        "iperf3-pair",
        "--nodes",
        "n[1-2]",
        "--via",
        "local",
        "--yes",
        "--set",
        "seconds=1",
        "--format",
        "json",
    ];
    let (text, _) = diag(&args);
    assert!(judged(&text) == ["pass"] && text.contains("\"mbps\""), "{text}");
}

#[test]
fn load_is_agreed_to_or_not_put_on_anybody() {
    let (text, code) = diag(&["test", "storage", "--nodes", "n1", "--via", "local"]);
    assert!(code == 2 && text.contains("nobody has agreed"), "{text}");
}

/// A scheduler that knows one node, this machine, and says this of it; it notes that it was asked.
struct Scheduler(tempfile::TempDir);

impl Scheduler {
    fn new(squeue: &str, sinfo: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for (program, text) in [("squeue", squeue), ("sinfo", sinfo)] {
            let file = folder.path().join(program);
            let node = "node=$(cut -d. -f1 /proc/sys/kernel/hostname)";
            std::fs::write(&file, format!("#!/bin/sh\n: > {}/asked\n{node}\n{text}\n", folder.path().display()))
                .unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self(folder)
    }

    /// Runs a test here, with further words; what it said, its code, and whether the scheduler was asked.
    fn test(&self, name: &str, words: &[&str]) -> (String, i32, bool) {
        let folder = format!("folder={}", self.0.path().display());
        let storage = ["--set", &folder, "--set", "mib=4"];
        let done = Command::new(env!("CARGO_BIN_EXE_diag"))
            .args(["test", name, "--nodes", "n1", "--via", "local"])
            .args(if name == "storage" { &storage[..] } else { &[] })
            .args(words)
            .env("PATH", format!("{}:{}", self.0.path().display(), std::env::var("PATH").unwrap()))
            .env_remove("SLURMD_NODENAME")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        let asked = std::fs::remove_file(self.0.path().join("asked")).is_ok();
        (text, done.status.code().unwrap_or(-1), asked)
    }
}

#[test]
fn where_somebodys_job_runs_no_load_is_put_unless_the_person_knows() {
    let busy = Scheduler::new("echo \"4242|bob|RUNNING|$node|4242\"", "echo \"$node|mixed|batch*\"");
    for words in [&[][..], &["--yes"], &["--approve", "load"]] {
        let (text, code, asked) = busy.test("storage", words);
        let told = text.contains("somebody's job runs there") && text.contains("job 4242 of bob");
        assert!(code == 2 && asked && told && text.contains("--on-busy"), "{words:?}: {text}");
        assert!(!text.contains("fsync"), "{text}");
    }
    let (text, code, _) = busy.test("storage", &["--yes", "--on-busy"]);
    assert!(code == 0 && text.contains("fsync_ms"), "{text}");
    let (text, _, asked) = busy.test("shm", &[]);
    assert!(!asked && text.contains("shm:"), "what only looks disturbs nobody: {text}");
}

#[test]
fn an_idle_node_needs_no_question_and_a_scheduler_that_does_not_answer_is_no_idle_node() {
    let idle = Scheduler::new("", "echo \"$node|idle|batch*\"");
    let (text, code, asked) = idle.test("storage", &[]);
    assert!(code == 0 && asked && text.contains("fsync_ms"), "{text}");
    let silent = Scheduler::new("exit 1", "echo \"$node|idle|batch*\"");
    let (text, code, _) = silent.test("storage", &[]);
    assert!(code == 2 && text.contains("does not say that they are idle") && text.contains("--yes"), "{text}");
    let elsewhere = Scheduler::new("", "echo \"other-node|idle|batch*\"");
    assert_eq!(elsewhere.test("storage", &[]).1, 2, "it does not know this node");
}

#[test]
fn values_and_names_that_are_none_are_refused() {
    for (args, wanted) in [
        (vec!["--nodes", "n1;id"], "no set of hosts"),
        (vec!["--nodes", "n[1-2]", "--set", "port=99999"], "between"),
        (vec!["--nodes", "n[1-2]", "--set", "port=$(id)"], "whole number"),
        (vec!["--nodes", "n[1-2]", "--set", "prot=1"], "no such parameter"),
    ] {
        let (text, code) = diag(&[&["test", "tcp-pair", "--via", "local"][..], &args].concat());
        assert!(code == 2 && text.contains(wanted), "{args:?}: {text}");
    }
    let (text, _) = diag(&["test", "tpc-pair", "--nodes", "n1"]);
    assert!(text.contains("did you mean `tcp-pair`"), "{text}");
}

#[test]
fn a_dry_run_shows_the_script_and_runs_nothing() {
    let (text, code) = diag(&["test", "net-sweep", "--nodes", "gpu[001-128]", "--dry-run"]);
    assert!(code == 0 && text.contains("iperf3 -s -1") && text.contains("DIAG_ROLE='server'"), "{text}");
}
