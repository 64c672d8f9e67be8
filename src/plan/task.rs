//! What is done, where and at what risk: the unit that is asked for, approved and run.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::name::NodeName;
use crate::playbook::schema::Risk;

/// One thing to do, on one or many nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Unique within its plan: `confirm-ib-pair`. Also names files of the case folder.
    pub id: String,
    /// What it does, for the person who is asked.
    pub title: String,
    /// What it risks.
    pub risk: Risk,
    /// What it disturbs while it runs, in words; empty: nothing.
    #[serde(default)]
    pub disturbs: String,
    /// All of it. Groups are independent of each other: as many run at a time as the limits allow.
    pub groups: Vec<Group>,
}

/// Parts that need each other, as the two ends of a pair test: they start together or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// One a target.
    pub parts: Vec<Part>,
}

/// Work for one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Where.
    pub target: Target,
    /// What.
    pub work: Work,
}

/// Where something runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// On the machine that diag runs on: `scontrol`, `kubectl`.
    Here,
    /// On a node, by whatever transport reaches it.
    Node(NodeName),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => f.write_str("this machine"),
            Self::Node(name) => name.fmt(f),
        }
    }
}

/// What one target is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Arguments, or a script.
    pub what: What,
    /// Environment beside the target's own; names are `[A-Z_][A-Z0-9_]*`.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// After this it is killed, with all that it started.
    pub timeout: Duration,
    /// Most bytes kept of each of stdout and stderr; what is beyond is counted and dropped.
    pub output_cap: usize,
    /// What it may touch of the machine that diag runs on, should it run there. On nodes it has all that its user has.
    #[serde(default)]
    pub access: Access,
}

/// What work on the machine that diag runs on may touch; by default it only looks, and asks nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// The network: what asks a controller or an API needs it.
    pub network: bool,
    /// The file system; without it, all that it can write is a temporary folder of its own.
    pub files: bool,
}

/// Arguments, or a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A program and its arguments. No shell reads them.
    Argv(Vec<String>),
    /// A script.
    Script(Script),
}

/// Constant text from a playbook. Parameters reach it as `DIAG_*` variables of its environment, never as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// `sh` or `bash`.
    pub shell: String,
    /// The text; handed over on standard input or as a file, so that no other shell reads it.
    pub text: String,
    /// The text for a plain `sh`, where `shell` is another that a node may lack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<String>,
}

impl Script {
    /// For `sh`, as all nodes have it.
    #[must_use]
    pub fn sh(text: impl Into<String>) -> Self {
        Self { shell: "sh".to_owned(), text: text.into(), plain: None }
    }
}

impl Task {
    /// Every target, each once, in the order they stand.
    #[must_use]
    pub fn targets(&self) -> Vec<&Target> {
        let mut seen = Vec::new();
        for part in self.groups.iter().flat_map(|group| &group.parts) {
            if !seen.contains(&&part.target) {
                seen.push(&part.target);
            }
        }
        seen
    }

    /// The same for some of its groups, by their places; none named: all of them.
    #[must_use]
    pub fn only(&self, groups: &[usize]) -> Self {
        let mut some = self.clone();
        if !groups.is_empty() {
            some.groups = groups.iter().filter_map(|at| self.groups.get(*at)).cloned().collect();
        }
        some
    }

    /// What it would run, where, as a digest (SHA-256 in hex): what a person has agreed to.
    #[must_use]
    pub fn digest(&self) -> String {
        let text = serde_json::to_string(&self.groups).unwrap_or_default();
        hex(text.as_bytes())
    }
}

/// Several digests as one.
pub(super) fn digest_of(digests: impl Iterator<Item = String>) -> String {
    hex(digests.collect::<Vec<_>>().join("\n").as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
