//! A node out of service and back in Kubernetes: the scripts of plans against a `kubectl` that keeps the books of a node.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

const OFF: &str = include_str!("../../src/plan/service/kubernetes-off.sh");
const BACK: &str = include_str!("../../src/plan/service/kubernetes-back.sh");

/// The books of a node.
struct Books(tempfile::TempDir);

impl Books {
    fn new() -> Self {
        let books = Self(tempfile::tempdir().unwrap());
        let kubectl = books.0.path().join("kubectl");
        std::fs::write(&kubectl, include_str!("keeping/kubectl.sh")).unwrap();
        std::fs::set_permissions(&kubectl, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(books.0.path().join("version"), "7").unwrap();
        books
    }

    /// What a person types.
    fn kubectl(&self, words: &[&str]) {
        let done = Command::new(self.0.path().join("kubectl")).args(words).arg("--context=lab").output().unwrap();
        assert!(done.status.success());
    }

    fn is_off(&self) -> bool {
        self.0.path().join("off").exists()
    }

    fn run(&self, script: &str, kept: &str) -> Output {
        let path = format!("{}:{}", self.0.path().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command.args(["-c", script]).env("PATH", path).env("DIAG_NODE", "gpu-17").env("DIAG_CAUSE", "net-link-down");
        command.env("DIAG_CONTEXT", "lab").env("DIAG_KEPT", kept).output().unwrap()
    }

    /// Keeps it off; by which mark, where that was not somebody else's.
    fn off(&self) -> Option<String> {
        let done = self.run(OFF, "");
        assert!(done.status.success() && self.is_off(), "{done:?}");
        String::from_utf8(done.stdout)
            .unwrap()
            .lines()
            .find_map(|line| line.strip_prefix("diag: kept=").map(str::to_owned))
    }
}

#[test]
fn a_cordon_is_taken_back_by_the_case_that_set_it() {
    let books = Books::new();
    let mark = books.off().unwrap();
    assert!(mark.contains("|net-link-down 2"), "{mark}");
    assert!(books.run(BACK, &mark).status.success());
    assert!(!books.is_off() && !books.0.path().join("mark").exists());
    assert!(books.run(BACK, &mark).status.success(), "what is back already is well");
}

#[test]
fn a_cordon_of_somebody_else_is_never_lifted() {
    let books = Books::new();
    books.kubectl(&["cordon", "gpu-17"]);
    assert_eq!(books.off(), None, "a person's, from before");
    assert!(!books.run(BACK, "").status.success() && books.is_off());
    books.kubectl(&["uncordon", "gpu-17"]);
    let mark = books.off().unwrap();
    assert_eq!(books.off(), None, "another case of the same cause");
    // A person gives it back, and keeps it off again: the annotation is still there.
    books.kubectl(&["uncordon", "gpu-17"]);
    books.kubectl(&["cordon", "gpu-17"]);
    let done = books.run(BACK, &mark);
    assert!(!done.status.success() && books.is_off(), "{done:?}");
    assert!(String::from_utf8(done.stderr).unwrap().contains("it is not kept off by this case"));
}

#[test]
fn where_kubernetes_schedules_work_a_plan_cordons() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gpu-17.json");
    let readings = r#"{"schema":"diag.readings/1","node":"gpu-17","time":"2026-05-04T03:12:41Z","readings":[
{"probe":"ethernet","name":"carrier","of":{"port":"eth1"},"value":false,"verdict":"bad","why":"eth1 has lost its link"}
]}"#;
    std::fs::write(&file, readings).unwrap();
    let show = |more: &[&str]| {
        let mut diag = Command::new(env!("CARGO_BIN_EXE_diag"));
        let done = diag.args(["fix", "--dry-run"]).arg(&file).args(more).output().unwrap();
        String::from_utf8(done.stdout).unwrap()
    };
    let (slurm, kubernetes) = (show(&[]), show(&["--via", "k8s", "--k8s-image", "none", "--k8s-context", "lab"]));
    assert!(slurm.contains("DIAG_NODE=gpu-17") && !slurm.contains("DIAG_CONTEXT"), "{slurm}");
    assert!(kubernetes.contains("DIAG_CONTEXT=lab"), "{kubernetes}");
}
