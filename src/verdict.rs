//! Words that a playbook, a diagnosis and a report share.

use serde::{Deserialize, Serialize};

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A cause is likely or confirmed.
    Diagnosed,
    /// Something failed, and the evidence does not decide what.
    Undetermined,
    /// Nothing failed.
    Healthy,
}

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Fits, not proven.
    Possible,
    /// Supported by a second witness, or by a line that says so.
    Likely,
    /// Proven by the evidence.
    Confirmed,
}

/// Who is to blame, as far as the evidence tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Culprit {
    /// Global ranks.
    pub ranks: Vec<i64>,
    /// Host names or addresses.
    pub nodes: Vec<String>,
    /// PCI addresses or indices.
    pub gpus: Vec<String>,
    /// Pods.
    pub pods: Vec<String>,
    /// Job ids.
    pub jobs: Vec<String>,
}

/// Evidence that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// What to look at, and what it would tell.
    pub what: String,
    /// The command that gets it.
    #[serde(default)]
    pub command: String,
    /// Kinds of evidence of which it is asked, where no finding asks; of any without one.
    #[serde(default, skip_serializing)]
    pub about: Vec<String>,
}
