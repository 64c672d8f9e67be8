//! Who schedules work on the nodes.

use serde::{Deserialize, Serialize};

/// Who schedules work on the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// Slurm.
    Slurm {
        /// The allocation that tasks run in, which is nobody else's job.
        allocation: Option<String>,
    },
    /// Kubernetes, asked by `kubectl`.
    Kubernetes {
        /// A context of the kubeconfig; the current one where none is named.
        context: Option<String>,
    },
}

impl Default for Who {
    fn default() -> Self {
        Self::Slurm { allocation: None }
    }
}
