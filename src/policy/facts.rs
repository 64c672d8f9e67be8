//! The circumstances of a task: what is known of the nodes, who testifies, what was done before, what a person said.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::{NodeName, Witness};
use crate::playbook::schema::{Risk, Status};

/// What is known about a task beside the task.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// How far its playbook is proven.
    pub status: Status,
    /// Who testifies.
    pub witnesses: Vec<Witness>,
    /// The nodes that it touches.
    pub nodes: Vec<NodeName>,
    /// What runs on them, as far as the scheduler tells.
    pub occupied: BTreeMap<NodeName, Occupied>,
    /// Their partitions.
    pub partitions: Vec<Partition>,
    /// Nodes, other than these, that were taken from service within the hour.
    pub hour: usize,
    /// Why the breaker lets nothing through, where it has tripped.
    pub tripped: Option<String>,
}

impl Facts {
    /// Of a task about which nothing is known but its nodes.
    #[must_use]
    pub fn of(status: Status, nodes: Vec<NodeName>) -> Self {
        let (occupied, partitions) = (BTreeMap::new(), Vec::new());
        Self { status, witnesses: Vec::new(), nodes, occupied, partitions, hour: 0, tripped: None }
    }

    /// What a node does; nobody tells of one that was not asked for.
    #[must_use]
    pub fn occupied(&self, node: &NodeName) -> &Occupied {
        self.occupied.get(node).unwrap_or(&Occupied::Unknown)
    }
}

/// What runs on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Occupied {
    /// Nothing.
    Idle,
    /// Nothing, and nothing will: it is out of service.
    Drained,
    /// A job; which, and whose.
    Busy(String),
    /// Nobody tells.
    Unknown,
}

/// How a partition stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// Its nodes.
    pub nodes: usize,
    /// Those that are out of service.
    pub out: usize,
    /// Those that are in service and have no work.
    pub idle: usize,
}

/// What a person said, on the command line or when asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Up to this risk they agree beforehand, for this run.
    pub approve: Option<Risk>,
    /// They know that somebody's jobs run on the nodes.
    pub on_busy: bool,
    /// Fixes that they named.
    pub named: Vec<String>,
    /// What they agreed to when asked.
    pub consents: Vec<Consent>,
    /// The time now, in seconds since 1970 (UTC).
    pub now: i64,
}

/// A yes to exactly this: the fix, its targets and what it runs stand in the digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Digest of all that is run, and where.
    pub digest: String,
    /// Who agreed.
    pub who: String,
    /// When it ends, in seconds since 1970 (UTC).
    pub until: i64,
    /// Good for one time: gone once it was used.
    pub once: bool,
    /// They were told of the jobs that run there.
    pub told_busy: bool,
}
