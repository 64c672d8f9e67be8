//! `diag fix`, `resume` and `replay` to the end, with causes, tests and fixes of their own on this machine: each run of a fix
//! leaves a mark in a file.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::executors::sshd::Sshd;

/// The causes of this stage: a line names a node and a serial number, a test counts errors there, a fix mends them.
const FORMAT: &str = r#"schema = 1
id     = "stage"
title  = "Things that break on a stage"
"#;

const EVENT: &str = r#"
[event.THING]
about   = "A THING is broken."
says    = "failure"
pattern = ['''the THING of (?P<node>[\w.-]+) is broken, serial (?P<serial>\w+)''']
fields  = { node = "str", serial = "str" }
  [[event.THING.sample]]
  line = '''the THING of gpu-17 is broken, serial S1'''
  want = { node = "gpu-17" }
"#;

const PLAYBOOK: &str = r#"schema = 1
id      = "THING-broken"
title   = "A THING is broken"
status  = "test"
summary = "It breaks."
[needs.broken]
evidence = "stage.THING"
decisive = true
[explain]
what = "The THING of {broken.node} is broken [broken]."
[[fix]]
id    = "mend"
title = "Mend the THING of {node}"
risk  = "reversible"
by    = "diag"
on    = "node"
params = { node = { type = "node", from = "broken.node" } }
do    = [["FOLDER/THING-mend"]]
undo  = [["FOLDER/THING-unmend"]]
[[fix]]
id    = "replace"
title = "Replace the THING of {node}"
risk  = "disruptive"
by    = "hands"
params = { node = { type = "node", from = "broken.node" } }
undo  = "none needed"
[test.count]
title   = "Errors of the THING"
shape   = "one"
risk    = "observe"
timeout = "20s"
params  = { node = { type = "node", from = "broken.node" } }
reads   = { errors = { type = "int" } }
[test.count.script]
text = '''
count=$(cat FOLDER/THING-errors) || cannot "nobody counts"
say errors "${count}"
'''
[verify]
[[verify.expect]]
test   = "count"
read   = "errors"
equals = 0
"#;

/// A folder with logs, a format, playbooks, and the programs that mend; and how nodes are reached.
pub(crate) struct Stage(tempfile::TempDir, Vec<String>);

impl Stage {
    /// `mend`: what the fix of each thing does, in `sh`, after its mark.
    pub(crate) fn new(things: &[(&str, &str)]) -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        Self::on(host.trim(), &["--via", "local"], things)
    }

    /// The same on a node that is reached in some way.
    fn on(host: &str, via: &[&str], things: &[(&str, &str)]) -> Self {
        let via = via.iter().map(|word| (*word).to_owned()).collect();
        let stage = Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(), via);
        for folder in ["logs", "formats", "playbooks/stage"] {
            fs::create_dir_all(stage.at(folder)).unwrap();
        }
        let (mut format, mut log) = (FORMAT.to_owned(), String::new());
        for (thing, mend) in things {
            let fill =
                |text: &str| text.replace("THING", thing).replace("FOLDER", &stage.0.path().display().to_string());
            format += &fill(EVENT);
            log += &format!("the {thing} of {} is broken, serial S{thing}\n", host);
            fs::write(stage.at(&format!("playbooks/stage/{thing}-broken.toml")), fill(PLAYBOOK)).unwrap();
            fs::write(stage.at(&format!("{thing}-errors")), "3\n").unwrap();
            let ran = stage.at("ran").display().to_string();
            stage.program(&format!("{thing}-mend"), &format!("echo mend-{thing} >> {ran}\n{}", fill(mend)));
            stage.program(&format!("{thing}-unmend"), &format!("echo unmend-{thing} >> {ran}"));
        }
        fs::write(stage.at("formats/stage.toml"), format).unwrap();
        fs::write(stage.at("logs/job.log"), log).unwrap();
        stage
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn program(&self, name: &str, text: &str) {
        fs::write(self.at(name), format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(self.at(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs of fixes and undoings, in order.
    pub(crate) fn ran(&self) -> Vec<String> {
        fs::read_to_string(self.at("ran")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    pub(crate) fn diag(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diag"));
        command.args(words).current_dir(self.0.path()).stdin(Stdio::null());
        command.env("DIAG_STATE", self.at("state")).env("USER", "alice").env_remove("DIAG_POLICY");
        if words[0] != "replay" {
            command.args(["--playbooks", "playbooks", "--formats", "formats"]);
            // Whoever goes on reaches nodes as the case was begun.
            command.args(self.1.iter().filter(|_| !["resume", "approvals"].contains(&words[0])));
            let own = self.at("policy.toml");
            let built_in = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks/policy.toml"));
            command.arg("--policy").arg(if own.exists() { own } else { built_in });
        }
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> (String, i32) {
        let done = self.diag(words).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        (text, done.status.code().unwrap_or(-1))
    }

    pub(crate) fn fix(&self, more: &[&str]) -> (String, i32) {
        self.run(&[&["fix", "logs", "--case", "case"][..], more].concat())
    }

    fn approved(&self) -> (String, i32) {
        self.fix(&["--approve", "reversible"])
    }

    /// Each line of the journal follows from those before it, and its chain is whole.
    pub(crate) fn replays(&self) -> String {
        let (text, code) = self.run(&["replay", "case"]);
        assert!(code == 0 && text.contains(" 0 that do not follow"), "{text}");
        text
    }

    fn handover(&self) -> String {
        fs::read_to_string(self.at("case/handover.md")).unwrap()
    }
}

pub(crate) const HELPS: &str = "echo 0 > FOLDER/THING-errors";

#[test]
fn a_fix_that_helps_is_proven_and_handed_over() {
    let stage = Stage::new(&[("widget", HELPS)]);
    let (text, code) = stage.approved();
    assert!(code == 0 && text.contains("FIXED: count failed before, and passes now"), "{text}");
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.contains(&vec!["before", "after"]) && rows.contains(&vec!["count", "failed", "passed"]), "{text}");
    assert!(rows.iter().any(|row| row.first() == Some(&"errors") && row.ends_with(&["3", "0"])), "{text}");
    assert_eq!(stage.ran(), ["mend-widget"]);
    let told = stage.replays();
    let moves = ["begin", "read", "test (confirm-count)", "fix (fix-mend)", "verify (verify-mend-count)", "conclude"];
    let mut rest = told.as_str();
    for step in moves {
        rest = rest.split_once(step).unwrap_or_else(|| panic!("no {step} in {told}")).1;
    }
    let page = stage.handover();
    for wanted in [
        "**FIXED",
        "- Drain reason: `diag:widget-broken confirmed`",
        "| count | failed | passed |",
        "| serial number | `Swidget` |",
        "fix-mend",
    ] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    // Whoever comes back finds it well, and nothing is run again.
    let (text, code) = stage.run(&["resume", "case", "--approve", "reversible"]);
    assert!(code == 0 && stage.ran() == ["mend-widget"], "{text}");
    stage.replays();
}

/// A test that lacks its tool in the path is repaired in the journal, once: the same test after the fix begins with that.
#[test]
fn a_test_that_lacks_its_tool_is_repaired_as_a_move_of_the_case() {
    let stage = Stage::new(&[("widget", "echo 0 > FOLDER/THING-errors")]);
    let file = stage.at("playbooks/stage/widget-broken.toml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text
        .replace("timeout = \"20s\"", "timeout = \"20s\"\ntools = [\"diag-stage-cat\"]")
        .replace("$(cat ", "$(diag-stage-cat ");
    fs::write(&file, text).unwrap();
    fs::create_dir(stage.at("tools")).unwrap();
    stage.program("tools/diag-stage-cat", "exec cat \"$1\"");
    let tools = stage.at("tools").display().to_string();
    let (text, code) = stage.fix(&["--approve", "reversible", "--tools", &tools]);
    assert!(code == 0 && text.contains("FIXED: count failed before, and passes now"), "{text}");
    assert!(
        text.contains("a tool is missing") && text.contains(&format!("run again with {tools} in the path")),
        "{text}"
    );
    let told = stage.replays();
    let moves =
        ["repair (confirm-count: tool-missing)", "test (confirm-count", "fix (fix-mend)", "verify (verify-mend-count)"];
    let mut rest = told.as_str();
    for step in moves {
        rest = rest.split_once(step).unwrap_or_else(|| panic!("no {step} in {told}")).1;
    }
    assert_eq!(told.matches("repair (").count(), 1, "{told}");
    // Where it is nowhere, that is said, and nobody is blamed.
    fs::remove_dir_all(stage.at("case")).unwrap();
    fs::write(stage.at("widget-errors"), "3\n").unwrap();
    let (text, code) = stage.fix(&["--approve", "reversible"]);
    assert!(code == 1 && text.contains("could not run") && text.contains("none of these is installed"), "{text}");
    stage.replays();
}

#[test]
fn what_does_not_help_is_undone_and_said_with_what_is_left() {
    let stage = Stage::new(&[("widget", "true")]);
    let (text, code) = stage.approved();
    assert!(code == 1 && text.contains("NOT FIXED") && text.contains("errors is 3, expected 0"), "{text}");
    assert!(text.contains("left: Replace the widget of"), "{text}");
    assert_eq!(stage.ran(), ["mend-widget", "unmend-widget"]);
    assert!(stage.handover().contains("undo-mend"));
    stage.replays();
}

#[test]
fn a_fix_that_fails_is_undone_and_its_last_words_are_told() {
    let stage = Stage::new(&[("widget", "echo 'the screw is stuck' >&2; exit 3")]);
    let (text, code) = stage.approved();
    assert!(code == 1 && text.contains("exit 3 (the screw is stuck)") && text.contains("NOT FIXED"), "{text}");
    assert_eq!(stage.ran(), ["mend-widget", "unmend-widget"]);
}

#[test]
fn a_test_that_can_not_run_afterwards_proves_nothing() {
    let stage = Stage::new(&[("widget", "rm FOLDER/THING-errors")]);
    let (text, code) = stage.approved();
    let told = text.contains("INCONCLUSIVE: count could not be run afterwards") && text.contains("nobody counts");
    assert!(code == 1 && told, "{text}");
    assert_eq!(stage.ran(), ["mend-widget"], "what may have helped is not taken back");
    stage.replays();
}

#[test]
fn what_shows_no_fault_now_is_left_alone() {
    let stage = Stage::new(&[("widget", HELPS)]);
    fs::write(stage.at("widget-errors"), "0\n").unwrap();
    let (text, code) = stage.approved();
    assert!(code == 1 && text.contains("NOT THERE NOW") && stage.ran().is_empty(), "{text}");
}

#[test]
fn without_a_yes_and_without_a_person_it_stops_at_once() {
    let stage = Stage::new(&[("widget", HELPS)]);
    let began = Instant::now();
    let (text, code) = stage.fix(&[]);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert!(code == 1 && text.contains("NEEDS A YES: fix-mend") && text.contains("next: diag resume"), "{text}");
    assert!(stage.ran().is_empty());
    let (text, code) = stage.run(&["resume", "case", "--approve", "reversible"]);
    assert!(code == 0 && text.contains("FIXED"), "{text}");
    assert_eq!(stage.ran(), ["mend-widget"]);
    let told = stage.replays();
    assert_eq!(told.matches("begins confirm-count").count(), 1, "what was run is not run again: {told}");
    let (text, code) = stage.approved();
    assert!(code == 2 && text.contains("case.begun"), "{text}");
}

#[test]
fn nodes_that_were_not_named_stay_untouched() {
    let stage = Stage::new(&[("widget", HELPS)]);
    let (text, code) = stage.fix(&["--approve", "reversible", "--nodes", "gpu-[900-901]"]);
    assert!(code == 1 && text.contains("not among the nodes that were named") && stage.ran().is_empty(), "{text}");
    let (text, code) = stage.run(&["resume", "case", "--approve", "reversible"]);
    assert!(code == 1 && stage.ran().is_empty(), "nor by whoever goes on: {text}");
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    fs::write(stage.at("site.toml"), format!("[inventory]\nnodes = \"{}\"\n", host.trim())).unwrap();
    let mut again = stage.diag(&["resume", "case", "--approve", "reversible"]);
    let done = again.env("DIAG_CONFIG", stage.at("site.toml")).output().unwrap();
    assert!(done.status.code() == Some(1) && stage.ran().is_empty(), "nor by a setting: {done:?}");
}

/// All other tests here go on without a word of how nodes are reached.
#[test]
fn whoever_goes_on_reaches_nodes_as_the_case_was_begun() {
    let stage = Stage::new(&[("widget", HELPS)]);
    let (text, code) = stage.fix(&["--nodes", "gpu-900", "--at-once", "7"]);
    assert!(code == 1 && stage.ran().is_empty(), "{text}");
    let ways = || {
        let journal = fs::read_to_string(stage.at("case/journal.jsonl")).unwrap();
        let began = journal.lines().rfind(|line| line.contains("\"is\":\"began\"")).unwrap().to_owned();
        let began: serde_json::Value = serde_json::from_str(&began).unwrap();
        began["what"]["how"].clone()
    };
    let begun = serde_json::json!({"via": "local", "at_once": "7"});
    assert_eq!(ways(), begun);
    let (text, _) = stage.run(&["resume", "case"]);
    assert_eq!(ways(), begun, "{text}");
    let (text, _) = stage.run(&["resume", "case", "--at-once", "9"]);
    assert_eq!(ways(), serde_json::json!({"via": "local", "at_once": "9"}), "what is typed counts: {text}");
    fs::set_permissions(stage.at("case/journal.jsonl"), fs::Permissions::from_mode(0o666)).unwrap();
    let (text, code) = stage.run(&["resume", "case", "--via", "ssh"]);
    assert!(code == 2 && text.contains("others may write to it"), "nobody else says how nodes are reached: {text}");
}

#[test]
fn two_findings_end_each_by_itself() {
    let stage = Stage::new(&[("widget", HELPS), ("gadget", "true")]);
    let (text, code) = stage.approved();
    assert!(code == 1 && text.contains("2 findings stand by themselves"), "{text}");
    assert!(text.contains("widget-broken: FIXED") && text.contains("gadget-broken: NOT FIXED"), "{text}");
    let mut ran = stage.ran();
    ran.sort();
    assert_eq!(ran, ["mend-gadget", "mend-widget", "unmend-gadget"]);
    let page = stage.handover();
    assert!(page.contains("`widget-broken`") && page.contains("`gadget-broken`"), "{page}");
    stage.replays();
    let stage = Stage::new(&[("widget", HELPS), ("gadget", HELPS)]);
    let (text, code) = stage.approved();
    assert!(code == 0, "both are proven: {text}");
    let (text, code) = Stage::new(&[("widget", HELPS), ("gadget", "true")]).fix(&[
        "--approve",
        "reversible",
        "--cause",
        "widget-broken",
    ]);
    assert!(code == 0 && !text.contains("gadget"), "{text}");
}

/// Lines of the journal that are whole.
fn lines(case: &Path) -> usize {
    fs::read(case.join("journal.jsonl")).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()
}

pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let ends = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < ends, "{what} does not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until nothing that the killed diag has started runs any more.
fn settled(stage: &Stage) {
    let folder = stage.0.path().display().to_string();
    let runs = || crate::executors::stage::processes_with(&format!("{folder}/widget-mend")).is_empty();
    wait_for("the end of what ran", runs);
}

fn begin(stage: &Stage) -> Child {
    let mut command = stage.diag(&["fix", "logs", "--case", "case", "--approve", "reversible"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The program itself is killed, at each line of its journal and while its fix is under way: whoever resumes repeats nothing
/// that may have run, and the chain of the journal is whole.
#[test]
fn a_killed_fix_is_resumed_and_repeats_nothing() {
    let slow = "sleep 0.3; echo 0 > FOLDER/THING-errors; sleep 0.3";
    let whole = Stage::new(&[("widget", slow)]);
    assert_eq!(whole.approved().1, 0);
    let count = lines(&whole.at("case"));
    assert!(count >= 9, "{count} lines");
    for (at, later) in (1..count).map(|at| (at, 0)).chain([(6, 150), (6, 450), (7, 5)]) {
        let stage = Stage::new(&[("widget", slow)]);
        let mut child = begin(&stage);
        wait_for("a line of the journal", || lines(&stage.at("case")) >= at || child.try_wait().unwrap().is_some());
        std::thread::sleep(Duration::from_millis(later));
        let _ = child.kill();
        child.wait().unwrap();
        settled(&stage);
        let before = stage.ran();
        let (text, code) = stage.run(&["resume", "case", "--approve", "reversible"]);
        let place = format!("killed {later} ms after line {at}, when {before:?} had run: {text}");
        let mended = stage.ran().iter().filter(|ran| *ran == "mend-widget").count();
        assert!(mended <= 1, "{place}");
        let errors = fs::read_to_string(stage.at("widget-errors")).unwrap();
        // Killed before it mended, or even before it began, it is seen not to have helped, and taken back.
        let wanted = if errors.trim() == "0" { (0, 1) } else { (1, mended + 1) };
        assert_eq!((code, stage.ran().len()), wanted, "{place}");
        stage.replays();
    }
}

/// The same over a real sshd, where what runs is at the other end: killed in the middle of the fix, the node ends it.
#[test]
#[ignore = "needs sshd: ./test runs it"]
fn ssh_carries_a_fix_and_a_killed_one_is_not_repeated() {
    let sshd = Sshd::up(1);
    let config = sshd.config().display().to_string();
    let via = ["--via", "ssh", "--ssh-config", &config];
    let stage = Stage::on("n0", &via, &[("widget", HELPS)]);
    let (text, code) = stage.approved();
    assert!(code == 0 && text.contains("FIXED: count failed before, and passes now"), "{text}");
    assert_eq!(stage.ran(), ["mend-widget"]);
    let stage = Stage::on("n0", &via, &[("widget", "sleep 2; echo 0 > FOLDER/THING-errors")]);
    let mut child = begin(&stage);
    wait_for("the fix", || !stage.ran().is_empty());
    let _ = child.kill();
    child.wait().unwrap();
    settled(&stage);
    let (text, code) = stage.run(&["resume", "case", "--approve", "reversible"]);
    let errors = fs::read_to_string(stage.at("widget-errors")).unwrap();
    let wanted: (i32, &[&str]) =
        if errors.trim() == "0" { (0, &["mend-widget"]) } else { (1, &["mend-widget", "unmend-widget"]) };
    assert_eq!((code, stage.ran()), (wanted.0, wanted.1.iter().map(|ran| (*ran).to_owned()).collect()), "{text}");
    stage.replays();
}

#[test]
fn two_at_a_time_on_one_case_are_refused() {
    let stage = Stage::new(&[("widget", "sleep 2; echo 0 > FOLDER/THING-errors")]);
    let mut child = begin(&stage);
    wait_for("the fix", || !stage.ran().is_empty());
    let (text, code) = stage.run(&["resume", "case", "--approve", "reversible"]);
    assert!(code == 2 && text.contains("case.busy"), "{text}");
    assert!(child.wait().unwrap().success(), "the first one is not disturbed");
    assert_eq!(stage.ran(), ["mend-widget"]);
    stage.replays();
}

#[test]
fn a_journal_that_was_changed_is_not_believed() {
    let stage = Stage::new(&[("widget", HELPS)]);
    stage.approved();
    let file = stage.at("case/journal.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen("fix-mend", "fix-bend", 1)).unwrap();
    for words in [&["replay", "case"][..], &["resume", "case"]] {
        let (text, code) = stage.run(words);
        assert!(code == 2 && text.contains("journal.damaged"), "{text}");
    }
}

/// A kernel testifies where its log was named by itself, and nowhere else: what lies in one folder with the job's output, or
/// is printed there, any user can have written.
#[test]
fn who_testifies_is_told_by_source() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-logs/gpu-fell-off-bus/one-of-eight");
    let pasted = tempfile::tempdir().unwrap();
    let text = |name: &str| fs::read_to_string(samples.join("logs").join(name)).unwrap();
    fs::write(pasted.path().join("all.log"), text("job.log") + &text("gpu-17.kernel.log")).unwrap();
    let all = pasted.path().join("all.log").display().to_string();
    let plan = |inputs: &[&str]| {
        let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks/policy.toml");
        let args = [&["plan", "--format", "json", "--policy", policy][..], inputs].concat();
        let done = Command::new(env!("CARGO_BIN_EXE_diag")).args(args).current_dir(&samples).output().unwrap();
        let plans: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
        let plan = plans["plans"][0].clone();
        (plan["subject"]["witnesses"].clone(), plan["policy"]["fix-drain-node"]["answer"].clone())
    };
    let (kernel, job) = ("logs/gpu-17.kernel.log", "logs/job.log");
    assert_eq!(plan(&["logs"]), (serde_json::json!(["job"]), "forbidden".into()));
    assert_eq!(plan(&[&all]), (serde_json::json!(["job"]), "forbidden".into()));
    assert_eq!(plan(&[kernel]), (serde_json::json!(["kernel"]), "forbidden".into()), "one kind of evidence");
    assert_eq!(
        plan(&[job, kernel]),
        (serde_json::json!(["kernel"]), "forbidden".into()),
        "it takes a test of the node"
    );
}

/// A file can be forged: a sweep alone drains nothing, and beside a job's output it is the job's word.
#[test]
fn a_sweep_is_one_kind_of_evidence() {
    let at = tempfile::tempdir().unwrap();
    let book = include_str!("../../playbooks/host/node-fails-sweep.toml");
    let book: diag::playbook::Playbook = toml::from_str(book).unwrap();
    let sweep = book.case[0].logs["sweep.json"].clone();
    let plan = || {
        let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks/policy.toml");
        let words = ["plan", "--format", "json", "--policy", policy, "--cause", "node-fails-sweep", "logs"];
        let done = Command::new(env!("CARGO_BIN_EXE_diag")).args(words).current_dir(at.path()).output().unwrap();
        let plans: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
        let plan = plans["plans"][0].clone();
        assert_eq!(plan["policy"]["fix-drain-node"]["answer"], "forbidden", "{plan}");
        assert_eq!(plan["policy"]["confirm-tcp"]["answer"], "asks first", "{plan}");
        plan["subject"]["witnesses"].clone()
    };
    fs::create_dir(at.path().join("logs")).unwrap();
    fs::write(at.path().join("logs/sweep.json"), sweep).unwrap();
    assert_eq!(plan(), serde_json::json!(["sweep"]));
    fs::write(at.path().join("logs/job.log"), "RuntimeError: CUDA out of memory\n").unwrap();
    assert_eq!(plan(), serde_json::json!(["job"]));
}

/// What `diag plan` says of sample incidents, word for word.
#[test]
fn plans_read_as_they_did() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-logs");
    for (cause, incident) in [
        ("ib-retry-exceeded", "link-goes-down-in-another-log"),
        ("shm-exhausted", "data-loader-workers"),
        ("gpu-fell-off-bus", "one-of-eight"),
        ("fabric-manager-down", "after-a-reboot"),
    ] {
        let done = Command::new(env!("CARGO_BIN_EXE_diag"))
            .args(["plan", "logs", "--policy", concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks/policy.toml")])
            .current_dir(samples.join(cause).join(incident))
            .env("COLUMNS", "100")
            .env_remove("CLICOLOR_FORCE")
            .output()
            .unwrap();
        insta::assert_snapshot!(format!("plan-{cause}"), String::from_utf8(done.stdout).unwrap());
    }
}
