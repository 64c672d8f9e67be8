//! A live cluster as an input: what `--k8s NAMESPACE[/POD]` asks its API server for, with read-only verbs.
//!
//! What comes is kept in the forms that `kubectl` prints (lists as JSON, logs with their pods in front), so that whatever
//! reads files reads a cluster.

#[cfg(feature = "k8s")]
mod interest;
#[cfg(feature = "k8s")]
mod kinds;
#[cfg(feature = "k8s")]
mod list;
#[cfg(feature = "k8s")]
mod live;
#[cfg(feature = "k8s")]
mod logs;

#[cfg(feature = "k8s")]
pub use kinds::KINDS;

use crate::error::Error;
use crate::kubernetes::{Access, is_name};

/// A text that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Name for people: `k8s:research/pods.json`, `k8s:research/train-0/trainer.previous.log`.
    pub name: String,
    /// The text.
    pub bytes: Vec<u8>,
}

/// What to ask a cluster for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The namespace.
    pub namespace: String,
    /// What of it.
    pub scope: Scope,
    /// Whom to ask.
    pub access: Access,
}

/// What of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    All,
    /// A pod by its name, and what owns it.
    Pod(String),
    /// What owns pods, and all of these.
    Owner {
        /// Its name.
        name: String,
        /// Its unique id.
        uid: String,
    },
}

impl Target {
    /// Reads `NAMESPACE[/POD]`.
    ///
    /// # Errors
    /// What is no name of the API.
    pub fn read(text: &str, access: Access) -> Result<Self, Error> {
        let (namespace, pod) = match text.split_once('/') {
            Some((namespace, pod)) => (namespace, Some(pod)),
            None => (text, None),
        };
        if !is_name(namespace) || pod.is_some_and(|pod| !is_name(pod)) {
            let wrong = Error::new("k8s.name", text, "is not NAMESPACE or NAMESPACE/POD");
            return Err(wrong
                .with_way_on("see what there is with `kubectl get namespaces` and `kubectl get pods -n NAMESPACE`"));
        }
        let scope = pod.map_or(Scope::All, |pod| Scope::Pod(pod.to_owned()));
        Ok(Self { namespace: namespace.to_owned(), scope, access })
    }
}

/// Everything that the cluster tells of the target, and remarks on what it would not tell.
///
/// # Errors
/// No cluster can be asked at all: no client in this build, no configuration.
#[cfg(feature = "k8s")]
pub fn fetch(target: &Target) -> Result<(Vec<Held>, Vec<Error>), Error> {
    live::fetch(target)
}

/// Says how to get a build that can ask a cluster.
///
/// # Errors
/// Always.
#[cfg(not(feature = "k8s"))]
pub fn fetch(target: &Target) -> Result<(Vec<Held>, Vec<Error>), Error> {
    let space = &target.namespace;
    let wrong = Error::new("k8s.absent", "--k8s", "this build has no client for Kubernetes");
    Err(wrong.with_way_on(format!(
        "build it with `cargo build --release --features k8s`, or: kubectl get pods,events,jobs -n {space} -o json | diag analyze -"
    )))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_names_of_the_api_are_asked_for() {
        let access = Access { config: None, context: None, patience: Duration::from_secs(1) };
        let read = |text: &str| Target::read(text, access.clone()).map(|target| (target.namespace, target.scope));
        assert_eq!(read("research"), Ok(("research".to_owned(), Scope::All)));
        assert_eq!(read("research/train-0"), Ok(("research".to_owned(), Scope::Pod("train-0".to_owned()))));
        for wrong in ["", "/", "a/", "a/b/c", "a?b", "..", "a/../../x", "A", "a b", "a%2f"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
