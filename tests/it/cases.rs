//! Case folders: what is collected is whole, stays in its folder, and gives the same verdict everywhere.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::bad_inputs::{LOG, gz, notes, report, tar};

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Runs diag in this folder.
    fn diag(&self, args: &[&str]) -> Output {
        let mut diag = Command::new(env!("CARGO_BIN_EXE_diag"));
        diag.current_dir(self.0.path()).args(args).stdin(Stdio::null()).output().unwrap()
    }

    fn collect(&self, args: &[&str]) -> String {
        let done = self.diag(&[&["collect"], args].concat());
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    fn index(&self, case: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(case).join("case.json")).unwrap()).unwrap()
    }

    fn names(&self, case: &str) -> Vec<String> {
        let index = self.index(case);
        index["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect()
    }

    fn left_out(&self, case: &str) -> Vec<(String, String)> {
        let text = |left: &Value, key: &str| left[key].as_str().unwrap().to_owned();
        let index = self.index(case);
        index["left_out"].as_array().unwrap().iter().map(|left| (text(left, "name"), text(left, "code"))).collect()
    }

    /// All regular files below a folder, by their paths within it.
    fn tree(&self, folder: &str) -> Vec<String> {
        fn walk(folder: &Path, root: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, root, found);
                } else {
                    found.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.path(folder), &self.path(folder), &mut found);
        found.sort();
        found
    }
}

fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

fn incident(desk: &Desk) {
    desk.file("incident/job.log", LOG);
    desk.file("incident/node-17/stdout", "step 1 loss 0.5\n");
    desk.file("incident/node-18/stdout", "step 1 loss 0.5\n");
    desk.file("incident/old.tar.gz", gz(&tar(&[("../../rank_3.log", LOG.as_bytes())])));
    desk.file("incident/empty.log", "");
}

#[test]
fn a_case_gives_the_same_verdict_elsewhere_byte_for_byte() {
    let (here, there) = (Desk::new(), Desk::new());
    incident(&here);
    here.collect(&["incident", "-o", "case"]);
    // Copied without order, owner or times, to a folder of another name.
    let copied = Command::new("cp").arg("-r").arg(here.path("case")).arg(there.path("elsewhere")).status().unwrap();
    assert!(copied.success());
    for format in ["json", "text", "markdown", "html"] {
        let first = here.diag(&["analyze", "case", "--format", format]);
        let second = there.diag(&["analyze", there.path("elsewhere").to_str().unwrap(), "--format", format]);
        assert_eq!(first.status.code(), Some(1), "{}", said(&first));
        assert_eq!(first.stdout, second.stdout, "{format}");
        let text = String::from_utf8_lossy(&first.stdout).into_owned();
        assert!(!text.contains(here.0.path().to_str().unwrap()), "no path of this machine");
    }
    let direct = report(&here.diag(&["analyze", "incident", "--format", "json"]));
    let case = report(&here.diag(&["analyze", "case", "--format", "json"]));
    for part in ["outcome", "headline", "findings", "inputs", "unexplained", "timeline"] {
        assert_eq!(case[part], direct[part], "{part} is that of the files themselves");
    }
}

#[test]
fn a_changed_or_missing_file_is_noticed() {
    let desk = Desk::new();
    incident(&desk);
    desk.collect(&["incident", "-o", "case"]);
    let untouched = report(&desk.diag(&["analyze", "case", "--format", "json"]));
    assert!(!notes(&untouched).iter().any(|code| code == "case.altered"), "{untouched}");
    let index = desk.index("case");
    let of = |name: &str| {
        let files = index["files"].as_array().unwrap();
        let file = files.iter().find(|file| file["name"] == name).unwrap();
        desk.path("case").join(file["path"].as_str().unwrap())
    };
    fs::write(of("incident/job.log"), LOG.replace("labels", "lebels")).unwrap();
    fs::remove_file(of("incident/node-17/stdout")).unwrap();
    let report = report(&desk.diag(&["analyze", "case", "--format", "json"]));
    let told = |code: &str| {
        let notes = report["notes"].as_array().unwrap();
        notes.iter().filter(|note| note["code"] == code).map(|note| note["source"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(told("case.altered"), ["incident/job.log"]);
    assert_eq!(told("case.missing"), ["incident/node-17/stdout"]);
    let sums = Command::new("sha256sum").arg("-c").arg("SHA256SUMS").current_dir(desk.path("case")).output();
    assert!(sums.is_ok_and(|done| !done.status.success()), "sha256sum sees it as well");
}

#[test]
fn bytes_are_kept_as_they_are_and_only_their_owner_reads_them() {
    let desk = Desk::new();
    incident(&desk);
    desk.collect(&["incident", "-o", "case"]);
    for file in desk.index("case")["files"].as_array().unwrap() {
        let kept = desk.path("case").join(file["path"].as_str().unwrap());
        assert_eq!(fs::read(&kept).unwrap(), fs::read(desk.path(file["name"].as_str().unwrap())).unwrap());
        assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o077, 0);
    }
    assert_eq!(fs::metadata(desk.path("case")).unwrap().permissions().mode() & 0o077, 0);
    let sums = Command::new("sha256sum").args(["-c", "--quiet", "SHA256SUMS"]).current_dir(desk.path("case")).output();
    assert!(sums.unwrap().status.success());
}

#[test]
fn odd_names_stay_names() {
    let desk = Desk::new();
    for name in ["in/new\nline.log", "in/esc\x1b[2J.log", "in/%2e%2e", "in/-", "in/a\\..\\b", "in/..."] {
        desk.file(name, LOG);
    }
    desk.file(Path::new("in").join(OsStr::from_bytes(b"latin\xe9.log")), LOG);
    desk.file(format!("in/{}", "n".repeat(255)), LOG);
    desk.file("in/a/job.log", "a\n");
    desk.file("b/job.log", "b\n");
    desk.file("in/A/JOB.log", "c\n");
    desk.collect(&["in", "b/job.log", "b/../b/job.log", "-o", "case"]);
    let names = desk.names("case");
    assert_eq!(names.len(), 10, "all but the hidden one: {names:?}");
    assert!(names.contains(&"in/new\nline.log".to_owned()) && names.contains(&"b/job.log".to_owned()));
    let tree = desk.tree("case");
    assert_eq!(tree.len(), 12, "as many files, the index, the sums: {tree:?}");
    assert!(tree.iter().all(|path| path.chars().all(|c| !c.is_control() && c != '\\')), "{tree:?}");
    let folded: std::collections::BTreeSet<String> = tree.iter().map(|path| path.to_lowercase()).collect();
    assert_eq!(folded.len(), tree.len(), "also where `A` is `a`");
}

#[test]
fn what_can_not_be_kept_is_said() {
    let desk = Desk::new();
    desk.file("in/job.log", LOG);
    desk.file("in/.hidden", LOG);
    desk.file("in/locked.log", LOG);
    fs::set_permissions(desk.path("in/locked.log"), fs::Permissions::from_mode(0o000)).unwrap();
    desk.file("elsewhere/target.log", "behind a link\n");
    symlink("../elsewhere/target.log", desk.path("in/link.log")).unwrap();
    symlink("nowhere", desk.path("in/dangling")).unwrap();
    symlink(".", desk.path("in/loop")).unwrap();
    assert!(Command::new("mkfifo").arg(desk.path("in/pipe")).status().unwrap().success());
    let out = desk.collect(&["in", "/dev/null", "missing.log", "-o", "in/case"]);
    let left = desk.left_out("in/case");
    let code = |name: &str| left.iter().find(|(left, _)| left == name).map_or("", |(_, code)| code.as_str());
    assert_eq!(code("in/.hidden"), "input.hidden");
    assert_eq!(code("in/dangling"), "input.missing");
    assert_eq!(code("in/loop"), "input.repeated");
    assert_eq!(code("in/pipe"), "input.fifo");
    assert_eq!(code("in/case"), "input.case");
    assert_eq!(code("/dev/null"), "input.device");
    assert_eq!(code("missing.log"), "input.missing");
    // Root reads everything.
    let locked = fs::read(desk.path("in/locked.log")).is_err();
    assert_eq!(code("in/locked.log"), if locked { "input.unreadable" } else { "" });
    assert!(out.contains("input.hidden") && out.contains("missing.log"), "{out}");
    let names = desk.names("in/case");
    assert!(names.contains(&"in/link.log".to_owned()), "a link's content is kept: {names:?}");
    let told = report(&desk.diag(&["analyze", "in/case", "--format", "json"]));
    assert!(notes(&told).contains(&"case.left_out".to_owned()), "and the verdict says so");
}

#[test]
fn a_case_grows_and_nothing_else_is_touched() {
    let desk = Desk::new();
    desk.file("a/job.log", LOG);
    desk.file("b/job.log", "step 1 loss 0.5\n");
    desk.file("foreign/thesis.tex", "years of work\n");
    let refused = desk.diag(&["collect", "a", "-o", "foreign"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("[case.foreign]"), "{}", said(&refused));
    assert_eq!(desk.tree("foreign"), ["thesis.tex"]);
    let refused = desk.diag(&["collect", "a", "-o", "a/job.log"]);
    assert!(said(&refused).contains("[case."), "{}", said(&refused));
    fs::create_dir(desk.path("empty")).unwrap();
    desk.collect(&["a", "-o", "empty"]);

    desk.collect(&["a", "-o", "case"]);
    desk.file("case/journal.jsonl", "{}\n");
    desk.collect(&["b", "--case", "case"]);
    assert_eq!(desk.names("case"), ["a/job.log", "b/job.log"]);
    assert_eq!(desk.index("case")["collections"].as_array().unwrap().len(), 2);
    assert!(desk.path("case/journal.jsonl").is_file());

    let nothing = desk.diag(&["collect", "missing", "-o", "new"]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(!desk.path("new").exists(), "no case of nothing");
    let nothing = desk.diag(&["collect", "missing", "-o", "case"]);
    assert_eq!(nothing.status.code(), Some(2));
    assert_eq!(desk.names("case"), ["a/job.log", "b/job.log"], "{}", said(&nothing));
    assert_eq!(report(&desk.diag(&["analyze", "case", "--format", "json"]))["outcome"], "diagnosed");
}

#[test]
fn a_case_that_was_not_finished_is_none() {
    let desk = Desk::new();
    incident(&desk);
    desk.collect(&["incident", "-o", "case"]);
    fs::write(desk.path("case/case.collecting"), "").unwrap();
    let adding = report(&desk.diag(&["analyze", "case", "--format", "json"]));
    assert!(notes(&adding).contains(&"case.incomplete".to_owned()));
    fs::remove_file(desk.path("case/case.json")).unwrap();
    let half = desk.diag(&["analyze", "case", "--format", "json"]);
    assert_eq!(half.status.code(), Some(2));
    assert!(said(&half).contains("[case.incomplete]"), "{}", said(&half));
    desk.collect(&["incident/job.log", "-o", "case"]);
    assert_eq!(desk.names("case"), ["incident/job.log"], "begun anew");
    assert_eq!(desk.tree("case"), ["SHA256SUMS", "case.json", "raw/1/incident/job.log"]);
}

#[test]
fn a_case_is_hostile_input() {
    let desk = Desk::new();
    desk.file("secret", LOG);
    desk.file("in/a.log", "a\n");
    desk.file("in/b.log", "b\n");
    desk.file("in/c.log", "c\n");
    desk.collect(&["in", "-o", "case"]);
    let path = desk.path("case/case.json");
    let mut index = desk.index("case");
    index["files"][0]["path"] = "raw/../../secret".into();
    index["files"][1]["path"] = desk.path("secret").to_str().unwrap().into();
    fs::write(&path, index.to_string()).unwrap();
    fs::remove_file(desk.path("case/raw/1/in/c.log")).unwrap();
    symlink(desk.path("secret"), desk.path("case/raw/1/in/c.log")).unwrap();
    let done = desk.diag(&["analyze", "case", "--format", "json"]);
    assert_eq!((done.status.code(), done.stdout.len()), (Some(2), 0), "nothing of it is read");
    assert!(said(&done).contains("[case.outside]"), "{}", said(&done));

    for (text, code) in [
        ("{\"schema\": \"diag.case/1\", \"files\": 3}", "case.damaged"),
        ("{\"schema\": \"diag.case/9\", \"collections\": [], \"files\": [], \"left_out\": []}", "case.version"),
    ] {
        fs::write(&path, text).unwrap();
        let done = desk.diag(&["analyze", "case"]);
        assert!(said(&done).contains(&format!("[{code}]")), "{}", said(&done));
        let done = desk.diag(&["collect", "in", "-o", "case"]);
        assert!(said(&done).contains(&format!("[{code}]")), "{}", said(&done));
    }

    // A folder that leads out, put where bytes are written.
    fs::create_dir(desk.path("trap")).unwrap();
    desk.collect(&["in", "-o", "other"]);
    symlink(desk.path("trap"), desk.path("other/raw/2")).unwrap();
    let _ = desk.diag(&["collect", "in", "-o", "other"]);
    assert!(desk.tree("trap").is_empty(), "nothing is written outside of the case");
}

#[test]
fn secrets_are_overwritten_on_request_and_lines_stay_where_they_are() {
    let desk = Desk::new();
    let token = "hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345";
    let log = format!("HF_TOKEN={token}\nmail ann@site.example\n{LOG}");
    desk.file("in/job.log", &log);
    desk.file("in/wide.log", [b"\xff\xfe".as_slice(), &utf16(&log)].concat());
    desk.file("in/old.tar.gz", gz(&tar(&[("../../etc/env", format!("API_KEY={token}\n").as_bytes())])));
    desk.file("in/core", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0\x3e\0");
    let out = desk.collect(&["in", "-o", "case", "--redact"]);
    assert!(out.contains("3 secrets overwritten"), "{out}");
    assert_eq!(desk.left_out("case"), [("in/core".to_owned(), "input.binary".to_owned())]);
    for path in desk.tree("case") {
        let bytes = fs::read(desk.path("case").join(&path)).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("AbCdEf"), "{path}");
    }
    assert!(desk.tree("case").iter().all(|path| !path.contains("..")));
    let kept = fs::read_to_string(desk.path("case/raw/1/in/job.log")).unwrap();
    assert_eq!(kept, log.replace(token, &"*".repeat(token.len())));
    let direct = report(&desk.diag(&["analyze", "in/job.log", "--format", "json"]));
    let case = report(&desk.diag(&["analyze", "case", "--format", "json"]));
    assert_eq!(case["findings"][0]["evidence"][0]["line"], direct["findings"][0]["evidence"][0]["line"]);

    desk.collect(&["in", "-o", "strict", "--redact=emails"]);
    assert!(!fs::read_to_string(desk.path("strict/raw/1/in/job.log")).unwrap().contains("ann@"));
    assert_eq!(desk.index("strict")["collections"][0]["masked"], serde_json::json!(["secrets", "emails"]));
}

#[test]
fn dumps_are_masked_without_harm() {
    let desk = Desk::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-logs");
    for (name, incident) in [
        ("text", "collective-mismatch/flight-recorder-one-skipped"),
        ("pickles", "rank-straggler/flight-recorder-one-absent"),
    ] {
        let logs = root.join(incident).join("logs").display().to_string();
        desk.collect(&[&logs, "-o", name, "--redact"]);
        assert!(desk.left_out(name).is_empty(), "{:?}", desk.left_out(name));
        let direct = report(&desk.diag(&["analyze", &logs, "--format", "json"]));
        let case = report(&desk.diag(&["analyze", name, "--format", "json"]));
        assert_eq!(case["outcome"], "diagnosed");
        for part in ["cause", "culprit", "confidence"] {
            assert_eq!(case["findings"][0][part], direct["findings"][0][part], "{name}");
        }
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn ten_thousand_files_and_a_sparse_one_are_collected() {
    let desk = Desk::new();
    for number in 0..10_000 {
        desk.file(format!("many/rank{number}.log"), "nothing to see\n");
    }
    fs::File::create(desk.path("many/sparse")).unwrap().set_len(1 << 30).unwrap();
    let out = desk.collect(&["many", "-o", "case"]);
    assert!(out.starts_with("10001 files, 1.07 GB in case"), "{out}");
    let blocks = Command::new("du").args(["-sk", "case"]).current_dir(desk.0.path()).output().unwrap();
    let used: u64 = String::from_utf8_lossy(&blocks.stdout).split_whitespace().next().unwrap().parse().unwrap();
    assert!(used < 200_000, "the hole takes no room: {used} KiB");
    assert_eq!(desk.names("case")[10], "many/rank10.log", "in natural order");
}
