//! What a probe is, and the list of all.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::expected::Expected;
use super::node::Node;
use crate::reading::Reading;

/// Where a probe puts what it reads, one by one, so that nothing is lost when it gets stuck.
pub(super) type Out<'a> = &'a mut dyn FnMut(Reading);

/// Reads one thing of a node.
#[derive(Debug)]
pub struct Probe {
    /// Its name, and the first part of its readings' kinds.
    pub id: &'static str,
    /// What it looks at, in a few words.
    pub about: &'static str,
    /// How long it may take.
    pub deadline: Duration,
    /// What it is run on, each by itself: one empty name for the node as a whole, none where there is nothing of its
    /// kind. This runs unguarded, so it must look at nothing that may hang.
    pub subjects: fn(&Node) -> Vec<String>,
    /// Reads one subject.
    pub(super) read: fn(&Node, &str, &Expected, Out),
}

/// A probe, and what it is run on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Id of the probe.
    pub probe: String,
    /// One of its subjects.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
}

/// All probes.
pub static PROBES: &[&Probe] = &[
    &super::gpu::PROBE,
    &super::kernel::PROBE,
    &super::pci::PROBE,
    &super::fabric::PROBE,
    &super::ethernet::PROBE,
    &super::services::PROBE,
    &super::limits::PROBE,
    &super::memory::PROBE,
    &super::disks::PROBE,
    &super::mounts::PROBE,
    &super::clock::PROBE,
    &super::leftovers::PROBE,
    &super::cgroup::PROBE,
    &super::drives::PROBE,
    &super::config::PROBE,
];

/// The probe of that name.
pub fn find(id: &str) -> Option<&'static Probe> {
    PROBES.iter().copied().find(|probe| probe.id == id)
}

/// The node as a whole.
pub(super) fn whole(_: &Node) -> Vec<String> {
    vec![String::new()]
}

/// The tasks of some probes on a node, or of all.
pub fn tasks(node: &Node, only: &[String]) -> Vec<Task> {
    let wanted = PROBES.iter().filter(|probe| only.is_empty() || only.iter().any(|id| id == probe.id));
    wanted
        .flat_map(|probe| {
            (probe.subjects)(node).into_iter().map(|subject| Task { probe: probe.id.to_owned(), subject })
        })
        .collect()
}
