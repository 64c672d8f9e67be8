//! The playbooks of the tree keep their word.

use std::path::Path;
use std::process::Command;

fn diag(args: &[&str]) -> (bool, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let done = Command::new(env!("CARGO_BIN_EXE_diag")).args(args).current_dir(root).output().unwrap();
    (done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr))
}

#[test]
fn playbooks_are_well_worded() {
    let (well, said) = diag(&["playbook", "check"]);
    assert!(well, "{said}");
}

#[test]
fn playbook_cases_hold() {
    let (well, said) = diag(&["playbook", "test"]);
    assert!(well, "{said}");
}
