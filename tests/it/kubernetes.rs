//! `--k8s`: a live cluster as an input. Against a server that answers by a script, refuses, hangs and breaks off; and
//! against a real API server, where its binaries are at hand.

use std::path::Path;
use std::process::{Command, Output};

#[cfg(feature = "k8s")]
pub(crate) mod control_plane;
#[cfg(feature = "k8s")]
mod daemonset;
#[cfg(feature = "k8s")]
mod faults;
#[cfg(feature = "k8s")]
mod real;
#[cfg(feature = "k8s")]
mod server;
#[cfg(feature = "k8s")]
mod watching;

fn diag(args: &[&str], kubeconfig: &Path) -> Output {
    let mut diag = Command::new(env!("CARGO_BIN_EXE_diag"));
    diag.args(args).env("KUBECONFIG", kubeconfig).env("HOME", "/nonexistent").env_remove("KUBERNETES_SERVICE_HOST");
    diag.output().unwrap()
}

fn complaint(done: &Output) -> String {
    assert_eq!(done.status.code(), Some(2), "{}", String::from_utf8_lossy(&done.stdout));
    String::from_utf8_lossy(&done.stderr).into_owned()
}

#[test]
fn a_name_that_is_none_is_refused() {
    for name in ["a/../b", "a/b?x=1", "Research", "", "a/"] {
        let said = complaint(&diag(&["analyze", "--k8s", name], Path::new("/nonexistent")));
        assert!(said.contains("[k8s.name]"), "{name}: {said}");
    }
}

#[cfg(not(feature = "k8s"))]
#[test]
fn a_build_without_the_client_says_how_to_get_one() {
    for verb in ["analyze", "k8s-pod", "collect"] {
        let said = complaint(&diag(&[verb, "--k8s", "research"], Path::new("/nonexistent")));
        assert!(said.contains("[k8s.absent]") && said.contains("--features k8s"), "{said}");
    }
    let said = complaint(&diag(&["watch", "k8s", "-A"], Path::new("/nonexistent")));
    assert!(said.contains("[k8s.absent]") && said.contains("--features k8s"), "{said}");
}

#[cfg(feature = "k8s")]
#[test]
fn a_kubeconfig_that_is_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    let said = complaint(&diag(&["analyze", "--k8s", "research"], &config));
    assert!(said.contains("[k8s.config]") && said.contains("kubectl config view"), "{said}");
    std::fs::write(&config, "apiVersion: v1\nkind: Config\ncontexts: []\n").unwrap();
    let said = complaint(&diag(&["analyze", "--k8s", "research", "--context", "nowhere"], &config));
    assert!(said.contains("[k8s.config]") && said.contains("nowhere"), "{said}");
}
