//! What the author of a playbook meets: errors that say where and what was meant, a skeleton that can be filled in.

use std::path::Path;
use std::process::Command;

/// What `diag playbook …` says, and whether it is content.
fn diag(args: &[&str]) -> (bool, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_diag")).arg("playbook").args(args).output().unwrap();
    (done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr))
}

fn skeleton() -> String {
    let (well, text) = diag(&["new", "my-cause"]);
    assert!(well, "{text}");
    text
}

/// The skeleton as an author would fill it in.
fn filled_in() -> String {
    [
        ("format.event", "nccl.ib_completion_error"),
        ("format.other_event", "kernel.nic_link"),
        ("format.third_event", "nccl.ib_modify_qp_failed"),
        ("format.what_follows", "nccl.ib_flushed"),
        (
            "\na line\n",
            "\ngpu-17:4121:4310 [3] transport/net_ib.cc:2244 NCCL WARN NET/IB: Got completion from peer 10.0.4.18<41022> with status=12 opcode=0 len=0 vendor err 129 (Recv) hca mlx5_3\n",
        ),
    ]
    .iter()
    .fold(skeleton(), |text, (from, to)| text.replace(from, to))
}

fn check(text: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("my-cause.toml"), text).unwrap();
    diag(&["check", folder.path().to_str().unwrap()])
}

#[test]
fn the_skeleton_passes_once_it_is_filled_in() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("my-cause.toml"), filled_in()).unwrap();
    let path = folder.path().to_str().unwrap();
    let (well, said) = diag(&["check", path]);
    assert!(well, "{said}");
    let (well, said) = diag(&["test", path]);
    assert!(well && said.contains("2 cases, 0 failed"), "{said}");
}

#[test]
fn the_skeleton_as_it_is_says_what_is_missing() {
    let (well, said) = check(&skeleton());
    assert!(!well && said.contains("no format makes `format.event`"), "{said}");
}

#[test]
fn unknown_keys_are_refused_with_what_was_meant() {
    for (right, wrong, meant) in [
        ("[needs.line]\nevidence", "[needs.line]\nevidense", "evidence"),
        ("within   =", "witin   =", "within"),
        ("status     = \"experimental\"", "status     = \"experimantal\"", "experimental"),
        ("where    = { status = 12 }", "where    = { status = { at_leats = 12 } }", "at_least"),
        ("groups = [\"rank-died\"]", "groups = [\"rank-dead\"]", "rank-died"),
        ("[case.expect]\nfound", "[case.expect]\nfuond", "found"),
    ] {
        let text = filled_in();
        assert!(text.contains(right), "the skeleton has {right}");
        let (well, said) = check(&text.replacen(right, wrong, 1));
        assert!(!well && said.contains(&format!("did you mean `{meant}`?")), "{wrong}: {said}");
    }
}

#[test]
fn bad_toml_is_told_with_file_line_and_column() {
    let (well, said) = check("schema = 1\nid = \"my-cause\"\ntitle = \n");
    assert!(!well && said.contains("my-cause.toml:3:9:"), "{said}");
}

#[test]
fn a_slug_that_is_not_there_is_answered_with_one_that_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks");
    let (well, said) = diag(&["test", root.to_str().unwrap(), "--only", "rank-excepton"]);
    assert!(!well && said.contains("did you mean `rank-exception`?"), "{said}");
}

#[test]
fn scripts_of_tests_are_read_by_a_shell() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks");
    let mut scripts = 0;
    for area in std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for path in std::fs::read_dir(area).unwrap().map(|entry| entry.unwrap().path()) {
            let playbook: toml::Table = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            for test in
                playbook.get("test").and_then(toml::Value::as_table).into_iter().flat_map(|tests| tests.values())
            {
                let Some(text) = test.get("script").and_then(|script| script["text"].as_str()) else { continue };
                let read = Command::new("bash").args(["-n", "-c", text]).output().unwrap();
                assert!(read.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&read.stderr));
                scripts += 1;
            }
        }
    }
    assert!(scripts > 0, "some playbook has a test");
}
