//! A real control plane on this machine, by `tests/cluster/kubernetes.sh`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/kubernetes.sh");

/// Torn down when it goes.
pub(crate) struct ControlPlane {
    folder: tempfile::TempDir,
}

impl ControlPlane {
    pub(crate) fn up(nodes: usize) -> Self {
        let plane = Self { folder: tempfile::tempdir().unwrap() };
        let mut script = Command::new(SCRIPT);
        script.arg("up").arg(plane.folder.path()).arg(nodes.to_string()).env("PATH", path_with_diag());
        let done = script.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        plane
    }

    /// The kubeconfig of `admin`, `viewer`, `narrow` or `runner`.
    pub(crate) fn config(&self, who: &str) -> PathBuf {
        self.folder.path().join(format!("{who}.kubeconfig"))
    }

    /// The kubelet of a node falls silent.
    pub(crate) fn silence(&self, node: &str) {
        std::fs::write(self.folder.path().join(format!("dead.{node}")), "").unwrap();
    }

    /// What a pod wrote to a volume.
    pub(crate) fn volume(&self, pod: &Value, name: &str) -> PathBuf {
        self.folder.path().join("volumes").join(pod["metadata"]["uid"].as_str().unwrap()).join(name)
    }

    /// Asks the API server as its administrator.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.send(method, path, body.map(Value::to_string))
    }

    /// Hands it a manifest, as `kubectl create` does.
    pub(crate) fn create(&self, path: &str, manifest: &str) -> Value {
        self.send("POST", path, Some(manifest.to_owned()))
    }

    fn send(&self, method: &str, path: &str, body: Option<String>) -> Value {
        let mut script = Command::new(SCRIPT);
        script.arg("ask").arg(self.folder.path()).args([method, path]).args(body);
        let done = script.output().unwrap();
        serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)))
    }

    /// The items of a list.
    pub(crate) fn items(&self, path: &str) -> Vec<Value> {
        self.ask("GET", path, None)["items"].as_array().cloned().unwrap_or_default()
    }
}

/// Containers run what stands in the path, the `diag` under test first.
fn path_with_diag() -> OsString {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_diag"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = built.parent().map(PathBuf::from).into_iter().chain(std::env::split_paths(&path));
    std::env::join_paths(folders).unwrap()
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        let _ = Command::new(SCRIPT).arg("down").arg(self.folder.path()).status();
    }
}

/// Waits until something holds.
pub(crate) fn wait(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    let ends = Instant::now() + within;
    while !holds() {
        assert!(Instant::now() < ends, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
