//! `diag approvals` on cases that were left where nobody was there: what is listed, agreed to, refused, and what is not believed.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use crate::fixing::{HELPS, Stage};

/// A stage on which `diag fix` ended as nobody was there to agree.
fn left(mend: &str) -> Stage {
    let stage = Stage::new(&[("widget", mend)]);
    let (text, code) = stage.fix(&[]);
    assert!(code == 1 && text.contains("or:   diag approvals show "), "{text}");
    stage
}

fn list(stage: &Stage) -> Vec<Value> {
    let (text, _) = stage.run(&["approvals", "--format", "json", "--all"]);
    let all: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    all["approvals"].as_array().unwrap().clone()
}

fn id(stage: &Stage) -> String {
    let all = list(stage);
    assert_eq!(all.len(), 1, "{all:?}");
    all[0]["id"].as_str().unwrap().to_owned()
}

/// A text without the ends of its lines, wherever these fell.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn journal(stage: &Stage) -> String {
    fs::read_to_string(stage.at("case/journal.jsonl")).unwrap()
}

#[test]
fn what_waits_is_listed_shown_whole_and_done_once_a_person_agrees() {
    let stage = left(HELPS);
    let item = list(&stage).remove(0);
    assert_eq!((&item["state"], &item["cause"]), (&"waits".into(), &"widget-broken".into()));
    assert_eq!((&item["step"], &item["risk"]), (&"fix-mend".into(), &"reversible".into()));
    let id = item["id"].as_str().unwrap();
    let mut narrow = stage.diag(&["approvals"]);
    let text = String::from_utf8(narrow.env("COLUMNS", "80").output().unwrap().stdout).unwrap();
    assert!(text.contains(id) && text.contains("Mend the widget of") && text.contains("24.0 h"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80 || line.contains('/')), "{text}");
    let (text, code) = stage.run(&["approvals", "show", id]);
    let mend = stage.at("widget-mend").display().to_string();
    for wanted in [mend.as_str(), "serial Swidget", "job.log:1", "Errors of the widget", "changes something"] {
        assert!(code == 1 && text.contains(wanted), "{wanted}: {text}");
    }
    let mut narrow = stage.diag(&["approvals", "show", id]);
    let text = String::from_utf8(narrow.env("COLUMNS", "40").output().unwrap().stdout).unwrap();
    let run: String = text.split_whitespace().collect();
    assert!(run.contains(&mend), "what is run is shown whole on the narrowest screen: {text}");
    // Nobody is asked where nobody is there.
    let (text, code) = stage.run(&["approvals", "approve", id]);
    assert!(code == 2 && text.contains("--yes") && stage.ran().is_empty(), "{text}");
    let (text, code) = stage.run(&["approvals", "approve", id, "--yes"]);
    assert!(code == 0 && text.contains("FIXED: count failed before, and passes now"), "{text}");
    assert_eq!(stage.ran(), ["mend-widget"]);
    let told = stage.replays();
    assert_eq!(told.matches("begins confirm-count").count(), 2, "it is tested anew: {told}");
    let uid = format!("uid {}", nix::unistd::getuid());
    let agreed = told.lines().find(|line| line.contains("agrees to fix-mend")).unwrap();
    assert!(agreed.contains(&uid) && !agreed.contains("alice"), "by what the machine knows: {agreed}");
    assert_eq!(list(&stage), [] as [Value; 0]);
    let (text, code) = stage.run(&["approvals"]);
    assert!(code == 0 && text.contains("nothing waits"), "{text}");
}

#[test]
fn a_refusal_is_written_down_runs_nothing_and_is_not_put_up_again() {
    let stage = left(HELPS);
    let id = id(&stage);
    let (text, code) = stage.run(&["approvals", "refuse", &id, "--because", "it is \u{1b}[2Jswapped today"]);
    assert!(code == 0 && text.contains("refused: Mend the widget") && !text.contains('\u{1b}'), "{text}");
    assert!(stage.ran().is_empty() && list(&stage).is_empty());
    assert!(journal(&stage).contains("swapped today"));
    let (text, code) = stage.run(&["approvals", "approve", &id, "--yes"]);
    assert!(code == 2 && text.contains("approvals.none") && stage.ran().is_empty(), "{text}");
    stage.replays();
    // A person who comes back to the case may think otherwise.
    let (text, code) = stage.run(&["resume", "case", "--approve", "reversible"]);
    assert!(code == 0 && text.contains("FIXED"), "{text}");
    stage.replays();
}

#[test]
fn a_step_that_has_changed_is_not_done_and_waits_anew() {
    let stage = left(HELPS);
    let before = id(&stage);
    let file = stage.at("playbooks/stage/widget-broken.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("widget-mend\"]]", "widget-mend\", \"harder\"]]")).unwrap();
    let (text, _) = stage.run(&["approvals", "show", &before]);
    assert!(text.contains("changed") && flat(&text).contains("widget-mend harder` was"), "{text}");
    let (text, code) = stage.run(&["approvals", "approve", &before, "--yes"]);
    assert!(code == 1 && text.contains("NOT DONE") && text.contains("widget-mend harder` was"), "{text}");
    assert!(stage.ran().is_empty(), "{text}");
    let after = id(&stage);
    assert_ne!(before, after);
    stage.replays();
    let (text, code) = stage.run(&["approvals", "approve", &before, "--yes"]);
    assert!(code == 2 && text.contains("approvals.none") && stage.ran().is_empty(), "another's id: {text}");
    let (text, code) = stage.run(&["approvals", "approve", &after, "--yes"]);
    assert!(code == 0 && stage.ran() == ["mend-widget"], "{text}");
}

/// A policy under which nothing is changed on one kind of evidence.
const ON_LITTLE: &str = r#"schema = 1
[limits]
[[rule]]
id   = "looks"
when = { risk = ["observe"] }
then = "allow"
why  = "it only looks"
[[rule]]
id   = "changes"
when = { risk = ["reversible"] }
then = "ask"
why  = "it changes something"
[[rule]]
id   = "on-little"
when = { risk = ["reversible"], witnesses = 2 }
then = "forbid"
why  = "it has one kind of evidence"
[[example]]
name  = "a look"
risk  = "observe"
gives = "allow"
by    = "looks"
[[example]]
name  = "a change"
risk  = "reversible"
gives = "ask"
by    = "changes"
[[example]]
name      = "a change on little"
risk      = "reversible"
witnesses = ["job"]
gives     = "forbid"
by        = "on-little"
"#;

/// Where the fix is forbidden until a test has failed, the test is what waits; once it has, the fix does.
#[test]
fn where_a_test_has_to_fail_first_it_waits_and_then_the_fix() {
    let stage = Stage::new(&[("widget", HELPS)]);
    fs::write(stage.at("policy.toml"), ON_LITTLE).unwrap();
    let mut collect = std::process::Command::new(env!("CARGO_BIN_EXE_diag"));
    let done = collect.args(["collect", "logs", "-o", "case"]).current_dir(stage.at("")).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let (text, code) = stage.run(&["approvals", "put", "case", "--via", "local"]);
    assert!(code == 1 && text.contains("waits: Errors of the widget") && stage.ran().is_empty(), "{text}");
    assert_eq!(list(&stage)[0]["step"], "confirm-count");
    let (text, code) = stage.run(&["approvals", "approve", &id(&stage), "--yes"]);
    assert!(code == 1 && !text.contains("NOT DONE") && text.contains("NEEDS A YES: fix-mend"), "{text}");
    let (text, code) = stage.run(&["approvals", "approve", &id(&stage), "--yes"]);
    assert!(code == 0 && stage.ran() == ["mend-widget"], "{text}");
    stage.replays();
}

#[test]
fn what_was_mended_meanwhile_is_left_alone() {
    let stage = left(HELPS);
    fs::write(stage.at("widget-errors"), "0\n").unwrap();
    let (text, code) = stage.run(&["approvals", "approve", &id(&stage), "--yes"]);
    assert!(code == 1 && text.contains("NOT DONE") && text.contains("NOT THERE NOW"), "{text}");
    assert!(stage.ran().is_empty() && list(&stage).is_empty());
}

#[test]
fn what_waited_too_long_is_refused_and_asked_anew_by_resume() {
    let stage = Stage::new(&[("widget", HELPS)]);
    let policy = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks/policy.toml")).unwrap();
    fs::write(stage.at("policy.toml"), policy.replace("wait_hours      = 24", "wait_hours = 0")).unwrap();
    stage.fix(&[]);
    let item = list(&stage).remove(0);
    assert_eq!(item["state"], "expired");
    let (text, _) = stage.run(&["approvals"]);
    assert!(text.contains("nothing waits") && text.contains("1 more expired"), "{text}");
    let (text, code) = stage.run(&["approvals", "approve", item["id"].as_str().unwrap(), "--yes"]);
    assert!(code == 2 && text.contains("approvals.expired") && text.contains("diag resume"), "{text}");
    assert!(stage.ran().is_empty());
    fs::remove_file(stage.at("policy.toml")).unwrap();
    stage.run(&["resume", "case"]);
    assert_eq!(list(&stage)[0]["state"], "waits");
}

#[test]
fn of_two_who_agree_at_once_one_is_heard() {
    let stage = left("sleep 1; echo 0 > FOLDER/THING-errors");
    let id = id(&stage);
    let begin = || {
        let mut diag = stage.diag(&["approvals", "approve", &id, "--yes"]);
        diag.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let both = [begin(), begin()].map(|diag| diag.wait_with_output().unwrap());
    let mut codes = both.each_ref().map(|done| done.status.code().unwrap());
    codes.sort_unstable();
    let text = both.each_ref().map(|done| String::from_utf8_lossy(&done.stderr).into_owned()).concat();
    assert_eq!(codes, [0, 2], "{text}");
    assert!(text.contains("case.busy") || text.contains("approvals.none"), "{text}");
    assert_eq!(stage.ran(), ["mend-widget"]);
    stage.replays();
}

#[test]
fn the_same_in_many_cases_is_one_line() {
    let stage = Stage::new(&[("widget", HELPS)]);
    for nth in 0..3 {
        stage.run(&["fix", "logs", "--case", &format!("case-{nth}")]);
    }
    let item = list(&stage).remove(0);
    assert_eq!((item["count"].as_u64(), item["others"].as_array().map(Vec::len)), (Some(3), Some(2)));
    let (text, code) = stage.run(&["approvals", "approve", &id(&stage), "--yes"]);
    assert!(code == 0 && text.contains("of 2 other cases waits no more"), "{text}");
    assert!(stage.ran() == ["mend-widget"] && list(&stage).is_empty());
}

#[test]
fn of_two_findings_the_one_that_was_agreed_to_is_mended() {
    let stage = Stage::new(&[("widget", HELPS), ("gadget", HELPS)]);
    stage.fix(&[]);
    let all = list(&stage);
    assert_eq!(all.len(), 2, "{all:?}");
    let gadget = all.iter().find(|item| item["cause"] == "gadget-broken").unwrap();
    let (text, _) = stage.run(&["approvals", "approve", gadget["id"].as_str().unwrap(), "--yes"]);
    assert!(text.contains("gadget-broken: FIXED") && text.contains("widget-broken: NEEDS A YES"), "{text}");
    assert_eq!(stage.ran(), ["mend-gadget"]);
    let all = list(&stage);
    assert_eq!((all.len(), &all[0]["cause"]), (1, &"widget-broken".into()), "the other one waits still");
    stage.replays();
}

/// A pointer decides nothing, and a case that others could have written is not believed.
#[test]
fn what_was_forged_is_not_listed_and_not_done() {
    let stage = left(HELPS);
    let id = id(&stage);
    let strange = |what: &str| {
        let (text, _) = stage.run(&["approvals"]);
        assert!(text.contains("nothing waits") && flat(&text).contains(what), "{what}: {text}");
        let (text, code) = stage.run(&["approvals", "approve", &id, "--yes"]);
        assert!(code == 2 && text.contains("approvals.none") && stage.ran().is_empty(), "{what}: {text}");
    };
    let mode = |name: &str, bits: u32| fs::set_permissions(stage.at(name), fs::Permissions::from_mode(bits)).unwrap();
    mode("case/journal.jsonl", 0o666);
    strange("others may write to it");
    mode("case/journal.jsonl", 0o600);
    mode("case", 0o777);
    strange("others may write to it");
    mode("case", 0o700);
    let kept = journal(&stage);
    // Another script, of which nobody changed the sums; then with the chain made anew, but not what was wanted.
    let forged = kept.replace("widget-mend\"", "evil\"");
    fs::write(stage.at("case/journal.jsonl"), &forged).unwrap();
    strange("is not as it was written");
    fs::write(stage.at("case/journal.jsonl"), chained(&forged)).unwrap();
    let (text, code) = stage.run(&["approvals", "approve", &id, "--yes"]);
    assert!(code == 2 && stage.ran().is_empty(), "{text}");
    fs::write(stage.at("case/journal.jsonl"), kept).unwrap();
    // A case that wants nothing was let go; whoever comes back to it puts it up again.
    stage.run(&["resume", "case"]);
    // Links and files that are none.
    let pointers = stage.at("state/approvals");
    fs::write(pointers.join("x.json"), "{\"case\":\"/etc\",\"at\":0}").unwrap();
    fs::write(pointers.join("y.json"), "no pointer").unwrap();
    fs::write(pointers.join("z.json"), "{\"case\":\"/nowhere/at/all\",\"at\":0,\"digest\":\"x\"}").unwrap();
    std::os::unix::fs::symlink(stage.at("case"), stage.at("link")).unwrap();
    fs::write(pointers.join("l.json"), format!("{{\"case\":{:?},\"at\":0}}", stage.at("link"))).unwrap();
    let (text, _) = stage.run(&["approvals"]);
    assert!(text.contains(&id) && flat(&text).contains("it is a link"), "{text}");
    fs::set_permissions(&pointers, fs::Permissions::from_mode(0o777)).unwrap();
    let (text, code) = stage.run(&["approvals"]);
    assert!(code == 2 && text.contains("others may write"), "{text}");
}

/// A journal whose lines were changed, with all sums made anew.
fn chained(text: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let sum = |text: &str| Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut before = "0".repeat(64);
    let mut all = String::new();
    for line in text.lines() {
        let (body, _) = line.rsplit_once(",\"sum\":\"").unwrap();
        let at = body.find("\"prev\":\"").unwrap() + "\"prev\":\"".len();
        let body = format!("{}{before}{}", &body[..at], &body[at + 64..]);
        before = sum(&body);
        all += &format!("{body},\"sum\":\"{before}\"}}\n");
    }
    all
}

/// Whoever could be told by a log or over a network what to do has no way to a yes: not the verb, not an entry of the journal,
/// not a consent.
#[test]
#[cfg(feature = "mcp")]
fn neither_an_assistant_nor_a_server_nor_a_watcher_can_agree() {
    let mut files: Vec<PathBuf> =
        ["mcp.rs", "serve.rs", "absent.rs"].map(|name| PathBuf::from("src/cli").join(name)).into();
    for room in ["src/mcp", "src/serve", "src/cli/watch", "src/watch", "src/spool", "src/brain"] {
        files.extend(fs::read_dir(room).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()));
    }
    assert!(files.len() > 40, "{}", files.len());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for word in ["approvals::run", "\"approve\"", "Agreed", "Consent", "Manner::Afresh"] {
            assert!(!code.contains(word), "{}: {word}", file.display());
        }
    }
    let api = fs::read_to_string("src/serve/openapi.json").unwrap();
    assert!(!api.to_lowercase().contains("approv"));
    // Whatever it is told, what waits still waits afterwards, and nothing was run.
    let stage = left(HELPS);
    let before = id(&stage);
    let call = |id: u32, method: &str, params: &str| {
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}\n")
    };
    let begin =
        "{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{},\"clientInfo\":{\"name\":\"x\",\"version\":\"1\"}}";
    let words = [
        call(1, "initialize", begin),
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n".to_owned(),
        call(2, "tools/call", "{\"name\":\"run\",\"arguments\":{\"case\":\"case\"}}"),
        call(3, "tools/call", &format!("{{\"name\":\"approve\",\"arguments\":{{\"id\":\"{before}\"}}}}")),
        call(
            4,
            "tools/call",
            &format!("{{\"name\":\"approvals\",\"arguments\":{{\"id\":\"{before}\",\"yes\":true}}}}"),
        ),
    ];
    let mut server = stage.diag(&["mcp", "--root", "."]);
    let mut server = server.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = server.stdin.take().unwrap();
    input.write_all(words.concat().as_bytes()).unwrap();
    let mut answers = BufReader::new(server.stdout.take().unwrap()).lines();
    let ids: Vec<u64> = (0..4)
        .map(|_| serde_json::from_str::<Value>(&answers.next().unwrap().unwrap()).unwrap())
        .map(|answer| {
            let refused = answer["error"].is_object() || answer["result"]["isError"] == true;
            assert_eq!(refused, answer["id"].as_u64() > Some(2), "{answer}");
            answer["id"].as_u64().unwrap()
        })
        .collect();
    assert!((1..=4).all(|id| ids.contains(&id)), "{ids:?}");
    drop(input);
    server.wait().unwrap();
    assert_eq!((id(&stage), list(&stage)[0]["state"].as_str()), (before, Some("waits")));
    assert!(stage.ran().is_empty() && !journal(&stage).contains("\"is\":\"agreed\""));
}

/// Root believes nobody else's case, and nobody else's folder of pointers.
#[test]
#[ignore = "needs root: chown"]
fn a_case_of_somebody_else_is_not_believed() {
    let stage = left(HELPS);
    let id = id(&stage);
    let chown = |path: PathBuf, uid: u32| nix::unistd::chown(&path, Some(uid.into()), None).unwrap();
    for name in ["case", "case/journal.jsonl", "case/case.json", "state/approvals"] {
        chown(stage.at(name), 65534);
        let (text, _) = stage.run(&["approvals"]);
        assert!(flat(&text).contains("it belongs to somebody else"), "{name}: {text}");
        let (text, code) = stage.run(&["approvals", "approve", &id, "--yes"]);
        assert!(code == 2 && stage.ran().is_empty(), "{name}: {text}");
        chown(stage.at(name), 0);
    }
}
