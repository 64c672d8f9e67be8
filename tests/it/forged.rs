//! Journals that somebody else could have written, and journals that say what this diag would not: nothing of them is done.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::fixing::{HELPS, Stage};

/// A stage on which `diag fix` ended as nobody was there to agree.
fn left() -> Stage {
    let stage = Stage::new(&[("widget", HELPS)]);
    stage.program("evil", &format!("touch {}", stage.at("pwned").display()));
    let (text, code) = stage.fix(&[]);
    assert!(code == 1 && text.contains("NEEDS A YES"), "{text}");
    stage
}

/// Nothing is done with a case, whoever agrees beforehand; it says why, and what to do instead.
fn refused(stage: &Stage, case: &str, why: &str) {
    let before = fs::read(stage.at("case/journal.jsonl")).unwrap();
    for words in [&["resume", case, "--via", "local"][..], &["fix", case]] {
        let (text, code) = stage.run(&[words, &["--approve", "destructive"]].concat());
        let told = ["journal.foreign", why, "--case NEW"].iter().all(|word| text.contains(word));
        assert!(code == 2 && told && stage.ran().is_empty(), "{words:?} {why}: {text}");
    }
    assert_eq!(fs::read(stage.at("case/journal.jsonl")).unwrap(), before, "{why}");
}

#[test]
fn what_others_could_have_written_is_not_acted_upon() {
    let stage = left();
    for (name, bits) in [("case", 0o777), ("case", 0o720), ("case/journal.jsonl", 0o602), ("case/case.json", 0o620)] {
        let before = fs::metadata(stage.at(name)).unwrap().permissions();
        fs::set_permissions(stage.at(name), fs::Permissions::from_mode(bits)).unwrap();
        refused(&stage, "case", "others may write to it");
        fs::set_permissions(stage.at(name), before).unwrap();
    }
    symlink(stage.at("case"), stage.at("link")).unwrap();
    refused(&stage, "link", "it is a link");
    refused(&stage, "link/", "it is a link");
    fs::create_dir(stage.at("other")).unwrap();
    fs::set_permissions(stage.at("other"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::copy(stage.at("case/case.json"), stage.at("other/case.json")).unwrap();
    symlink(stage.at("case/journal.jsonl"), stage.at("other/journal.jsonl")).unwrap();
    let (text, code) = stage.run(&["resume", "other", "--approve", "destructive"]);
    assert!(code == 2 && stage.ran().is_empty(), "{text}");
    // It may be looked at, and is gone on with once it is its owner's again.
    stage.replays();
    let (text, code) = stage.run(&["resume", "case", "--approve", "reversible"]);
    assert!(code == 0 && text.contains("FIXED"), "{text}");
}

/// The way on that is told leads on.
#[test]
fn from_the_evidence_of_a_case_that_is_not_believed_another_is_begun() {
    let stage = left();
    fs::set_permissions(stage.at("case"), fs::Permissions::from_mode(0o777)).unwrap();
    refused(&stage, "case", "others may write to it");
    let (text, code) = stage.run(&["fix", "case", "--case", "new", "--approve", "reversible"]);
    assert!(code == 0 && text.contains("FIXED") && stage.ran() == ["mend-widget"], "{text}");
}

/// Root does nothing on the word of a user.
#[test]
#[ignore = "needs root: chown"]
fn what_somebody_else_has_written_is_not_acted_upon() {
    let stage = left();
    let chown = |path: PathBuf, uid: u32| nix::unistd::chown(&path, Some(uid.into()), None).unwrap();
    for name in ["case", "case/journal.jsonl", "case/case.json"] {
        chown(stage.at(name), 65534);
        refused(&stage, "case", "it belongs to somebody else");
        chown(stage.at(name), 0);
    }
}

/// What each line of a journal says.
fn said(stage: &Stage) -> Vec<Value> {
    let text = fs::read_to_string(stage.at("case/journal.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["what"].take()).collect()
}

/// Writes a journal anew, with all its sums.
fn write(stage: &Stage, said: &[Value]) {
    let sum = |text: &str| Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (mut before, mut all) = ("0".repeat(64), String::new());
    for (at, what) in said.iter().enumerate() {
        let body = json!({"n": at + 1, "at": "2026-11-27T03:10:01Z", "prev": before, "what": what}).to_string();
        let body = body.strip_suffix('}').unwrap();
        before = sum(body);
        all += &format!("{body},\"sum\":\"{before}\"}}\n");
    }
    fs::write(stage.at("case/journal.jsonl"), all).unwrap();
}

/// Scripts and commands of a plan.
fn edit(plans: &mut Value, edit: &dyn Fn(&str, &mut Value)) {
    for step in plans[0]["steps"].as_array_mut().unwrap() {
        let id = step["id"].as_str().unwrap().to_owned();
        for part in
            step["tasks"].as_array_mut().unwrap().iter_mut().flat_map(|task| task["groups"].as_array_mut().unwrap())
        {
            part["parts"].as_array_mut().unwrap().iter_mut().for_each(|part| edit(&id, &mut part["work"]["what"]));
        }
    }
}

fn plan(said: &mut [Value]) -> &mut Value {
    let read = said.iter_mut().find(|what| what["is"] == "read").unwrap();
    &mut read["plans"]
}

/// The digest is that of what would be run, and nothing that a journal says of it.
fn consent(plans: &Value, step: &str) -> Value {
    let plans: Vec<diag::plan::Plan> = serde_json::from_value(plans.clone()).unwrap();
    let digest = plans[0].step(step).unwrap().digest();
    json!({"is": "agreed", "step": step, "consent": {
        "digest": digest, "who": "alice@desk", "until": 4_102_444_800_i64, "once": false, "told_busy": true,
    }})
}

/// A case that was unpacked belongs to whoever unpacked it, and its sums can be made anew: neither scripts nor a yes count.
#[test]
fn of_a_journal_that_was_edited_neither_scripts_nor_a_yes_count() {
    let evil = |stage: &Stage, wanted: &'static str| {
        let program = stage.at("evil").display().to_string();
        move |id: &str, what: &mut Value| {
            if id == wanted {
                *what = if id.starts_with("fix") {
                    json!({"argv": [program]})
                } else {
                    json!({"script": {"shell": "sh", "text": program}})
                };
            }
        }
    };
    for step in ["confirm-count", "fix-mend", "verify-mend-count", "undo-mend"] {
        let stage = left();
        let mut all = said(&stage);
        edit(plan(&mut all), &evil(&stage, step));
        let agreed = consent(plan(&mut all), step);
        let read = all.iter().position(|what| what["is"] == "read").unwrap();
        all.truncate(read + 1);
        all.push(agreed);
        write(&stage, &all);
        let (text, code) = stage.run(&["resume", "case"]);
        assert!(code == 1 && text.contains("another plan") && text.contains("NEEDS A YES: fix-mend"), "{step}: {text}");
        assert!(!stage.at("pwned").exists() && stage.ran().is_empty(), "{step}: {text}");
        let (text, code) = stage.run(&["resume", "case", "--approve", "reversible"]);
        assert!(code == 0 && stage.ran() == ["mend-widget"] && !stage.at("pwned").exists(), "{step}: {text}");
    }
    // A plan as it is, and a yes to it.
    let stage = left();
    let mut all = said(&stage);
    let agreed = consent(plan(&mut all), "fix-mend");
    all.push(agreed);
    write(&stage, &all);
    let (text, code) = stage.run(&["resume", "case"]);
    assert!(code == 1 && text.contains("NEEDS A YES: fix-mend") && stage.ran().is_empty(), "{text}");
    // Another script under the digest of the real one.
    let stage = left();
    let mut all = said(&stage);
    let agreed = consent(plan(&mut all), "fix-mend");
    edit(plan(&mut all), &evil(&stage, "fix-mend"));
    all.push(agreed);
    write(&stage, &all);
    let (text, _) = stage.run(&["resume", "case"]);
    assert!(!stage.at("pwned").exists() && stage.ran().is_empty(), "{text}");
}
