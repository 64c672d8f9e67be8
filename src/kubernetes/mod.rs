//! The API server of a Kubernetes cluster: whom to ask and how. A *world* room.
//!
//! Only this room knows the client, which is built with the feature `k8s` alone: it is most of a build that has it, and
//! the first command needs none. What is asked for is the matter of those who ask: `collect` reads, `exec` runs Jobs, `cli`
//! follows what fails.

#[cfg(feature = "k8s")]
mod client;
#[cfg(feature = "k8s")]
mod follow;
mod name;

use std::path::PathBuf;
use std::time::Duration;

#[cfg(feature = "k8s")]
pub use client::{Client, Refused, Stream, Verb};
#[cfg(feature = "k8s")]
pub use follow::{Heard, List, forever, once};
pub use name::{encoded, is_name};

/// The reason of an event that tells a verdict of ours. Whoever reads events for evidence leaves it out: it is no witness.
pub use diag_parsers::kubernetes::OUR_REASON;

/// Whom to ask, and how patiently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The kubeconfig; where none is named, `KUBECONFIG`, `~/.kube/config`, or the service account of this pod.
    pub config: Option<PathBuf>,
    /// A context of the kubeconfig; the current one where none is named.
    pub context: Option<String>,
    /// How long the server may be silent, each time that it is asked or goes on answering.
    pub patience: Duration,
}
