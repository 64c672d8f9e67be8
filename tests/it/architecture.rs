//! The house keeps its shape: which room may import which, and that nothing stands about unlisted.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms of this crate that it may import. Data goes one way: left to right, top to bottom.
const ROOMS: [(&str, &[&str]); 36] = [
    ("error", &[]),
    ("authored", &["error"]),
    ("verdict", &[]),
    ("reading", &[]),
    ("probe", &["evidence", "reading"]),
    ("breaker", &[]),
    ("hook", &["breaker", "probe", "reading"]),
    ("redact", &[]),
    ("kubernetes", &["error"]),
    ("case", &["error"]),
    ("collect", &["case", "error", "kubernetes", "redact"]),
    ("evidence", &[]),
    ("playbook", &["error", "verdict"]),
    ("diagnose", &["evidence", "playbook", "verdict"]),
    ("report", &["diagnose", "evidence", "playbook", "reading", "verdict"]),
    ("plan", &["diagnose", "error", "evidence", "playbook", "report", "verdict"]),
    ("policy", &["error", "plan", "playbook"]),
    ("watch", &["kubernetes", "verdict"]),
    ("config", &["authored", "error", "plan", "probe", "watch"]),
    ("spool", &["case", "error", "watch"]),
    ("history", &["evidence", "spool", "watch"]),
    ("notify", &["config", "error", "report", "verdict", "watch"]),
    ("intent", &["plan", "playbook"]),
    ("exec", &["error", "kubernetes", "plan", "policy"]),
    ("scheduler", &["exec", "plan", "playbook", "policy"]),
    ("verify", &["error", "exec", "plan", "playbook", "verdict"]),
    (
        "agent",
        &[
            "breaker",
            "case",
            "diagnose",
            "error",
            "exec",
            "plan",
            "playbook",
            "policy",
            "report",
            "scheduler",
            "verdict",
            "verify",
        ],
    ),
    ("quote", &["redact", "report"]),
    ("brain", &["error", "quote", "report"]),
    ("triage", &["agent", "case", "collect", "evidence", "exec", "plan", "playbook", "policy", "report"]),
    ("sheets", &["evidence", "report"]),
    ("rehearsal", &["collect", "diagnose", "error", "evidence", "intent", "plan", "playbook", "verdict"]),
    (
        "mcp",
        &[
            "agent", "authored", "case", "collect", "error", "evidence", "exec", "plan", "quote", "reading", "report",
            "sheets",
        ],
    ),
    ("serve", &["case", "collect", "error", "exec", "plan", "report"]),
    (
        "cli",
        &[
            "agent",
            "authored",
            "brain",
            "breaker",
            "case",
            "collect",
            "config",
            "diagnose",
            "error",
            "evidence",
            "exec",
            "history",
            "hook",
            "intent",
            "kubernetes",
            "mcp",
            "notify",
            "plan",
            "playbook",
            "policy",
            "probe",
            "reading",
            "redact",
            "rehearsal",
            "report",
            "scheduler",
            "serve",
            "sheets",
            "triage",
            "spool",
            "verdict",
            "verify",
            "watch",
        ],
    ),
    ("lib", &[]),
];

/// Rooms that touch files, processes or clocks: the only ones that may lift the lint.
const WORLD: [&str; 14] = [
    "brain",
    "agent",
    "breaker",
    "case",
    "collect",
    "exec",
    "hook",
    "kubernetes",
    "mcp",
    "notify",
    "probe",
    "serve",
    "spool",
    "cli",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, end));
        } else if path.extension().is_some_and(|e| e == end) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The room a source file belongs to.
fn room(file: &Path) -> String {
    let inside = file.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The rooms that a text imports: every `crate::name`, also within braces.
fn imports(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let names = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or(""),
            None => rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(""),
        };
        for name in names.split(',') {
            found.insert(name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
}

#[test]
fn no_room_imports_one_to_its_right() {
    let mut wrong = Vec::new();
    for file in files(&root().join("src"), "rs") {
        let room = room(&file);
        if ["main", "bin"].contains(&room.as_str()) {
            continue;
        }
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("{}: room `{room}` is in no list", file.display()));
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        for other in imports(&text) {
            let is_room = ROOMS.iter().any(|(name, _)| *name == other);
            if is_room && other != room && !allowed.contains(&other.as_str()) {
                wrong.push(format!("{}: `{room}` must not import `{other}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_world_rooms_touch_the_world() {
    for file in files(&root().join("src"), "rs") {
        let text = fs::read_to_string(&file).unwrap();
        let lifts = text.contains("clippy::disallowed_methods");
        assert!(!lifts || WORLD.contains(&room(&file).as_str()), "{} lifts the lint", file.display());
    }
}

#[test]
fn the_parsers_depend_on_nothing_of_ours() {
    let manifest = fs::read_to_string(root().join("parsers/Cargo.toml")).unwrap();
    assert!(!manifest.contains("path = \"..") && !manifest.contains("diag ="), "parsers must stand alone");
    for file in files(&root().join("parsers"), "rs") {
        let inside = file.strip_prefix(root().join("parsers")).unwrap();
        let helper = ["tests", "fuzz", "benches", "build.rs"].iter().any(|name| inside.starts_with(name));
        let text = fs::read_to_string(&file).unwrap();
        for forbidden in ["std::fs", "std::net", "std::process", "std::env", "SystemTime", "Instant"] {
            assert!(helper || !text.contains(forbidden), "{} uses {forbidden}", file.display());
        }
    }
}

#[test]
fn the_store_can_open_no_file() {
    let manifest = fs::read_to_string(root().join("store/Cargo.toml")).unwrap();
    let dependencies: Vec<&str> = manifest.lines().filter(|line| line.starts_with("polars")).collect();
    assert!(dependencies.len() >= 4, "{manifest}");
    for line in dependencies {
        let lean = line.contains("default-features = false") && !line.starts_with("polars ");
        assert!(lean, "polars by its parts, each as lean as can be: {line}");
        let opens = ["csv", "parquet", "ipc", "json"].iter().any(|format| line.contains(&format!("\"{format}\"")));
        assert!(!opens || line.starts_with("polars-io "), "SQL could open files by this: {line}");
    }
}

#[test]
fn every_source_file_is_listed_by_its_folder() {
    for base in ["src", "parsers", "store", "tests/it"] {
        for file in files(&root().join(base), "rs") {
            let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
            let folder = file.parent().unwrap();
            let top = folder == root().join(base);
            let inside = file.strip_prefix(root()).unwrap();
            let apart = ["parsers/tests", "parsers/fuzz", "parsers/build.rs", "src/bin"]
                .iter()
                .any(|name| inside.starts_with(name));
            if apart || ["lib", "main", "mod"].contains(&stem.as_str()) {
                continue;
            }
            let lists = ["mod.rs", "lib.rs", "main.rs"].map(|name| folder.join(name));
            let beside = folder.with_extension("rs");
            let texts = lists.iter().chain([&beside]).filter_map(|list| fs::read_to_string(list).ok());
            let listed = texts.into_iter().any(|text| text.contains(&format!("mod {stem};")));
            assert!(listed, "{} is listed nowhere (top: {top})", file.display());
        }
    }
}

#[test]
fn there_is_one_integration_binary() {
    let tests: Vec<_> = fs::read_dir(root().join("tests")).unwrap().map(|e| e.unwrap().path()).collect();
    let binaries =
        tests.iter().filter(|path| path.join("main.rs").is_file() || path.extension().is_some_and(|e| e == "rs"));
    assert_eq!(binaries.count(), 1);
}

#[test]
fn each_invariant_names_a_test_that_exists() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let sources: String = ["tests", "parsers", "store", "src"]
        .iter()
        .flat_map(|base| files(&root().join(base), "rs"))
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let named: Vec<&str> = text.split("guard: `").skip(1).filter_map(|rest| rest.split('`').next()).collect();
    assert!(named.len() >= 8, "the invariants name their guards");
    for name in named {
        assert!(
            sources.contains(&format!("fn {name}(")),
            "ARCHITECTURE.md names the test `{name}`, which does not exist"
        );
    }
}
