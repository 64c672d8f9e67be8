//! Who testifies: what any user of the cluster can print is told apart from what only the machine says.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::diagnose::Match;
use crate::evidence::{RowId, Table};

/// Who wrote a piece of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Witness {
    /// The job: its ranks and launchers. Any user can print any line there.
    Job,
    /// A kernel.
    Kernel,
    /// The scheduler's controller, daemons or records.
    Scheduler,
    /// The API of Kubernetes.
    Kubernetes,
    /// A reading taken on the node itself.
    Node,
    /// A sweep of tests over many nodes.
    Sweep,
}

impl Witness {
    /// In words.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Job => "the job's output",
            Self::Kernel => "the kernel's log",
            Self::Scheduler => "the scheduler",
            Self::Kubernetes => "Kubernetes",
            Self::Node => "a reading of the node",
            Self::Sweep => "a sweep of tests",
        }
    }
}

/// Kinds of row by the beginning of their names, and who writes such rows; all others are of jobs.
const KINDS: [(&str, Witness); 24] = [
    ("kernel.", Witness::Kernel),
    ("adapter.", Witness::Kernel),
    ("gpu.", Witness::Node),
    ("host_hardware.", Witness::Kernel),
    ("filesystem.", Witness::Kernel),
    ("pcie.", Witness::Kernel),
    ("journal.", Witness::Kernel),
    ("slurmctld.", Witness::Scheduler),
    ("slurmd.", Witness::Scheduler),
    ("slurmdbd.", Witness::Scheduler),
    ("pbs.", Witness::Scheduler),
    ("kubernetes.", Witness::Kubernetes),
    ("probe.", Witness::Node),
    ("reading.", Witness::Node),
    ("hook.", Witness::Node),
    ("health.", Witness::Node),
    ("dcgm.", Witness::Node),
    ("nvidia_smi.", Witness::Node),
    ("infiniband.", Witness::Node),
    ("fabric_manager.", Witness::Node),
    ("lspci.", Witness::Node),
    ("sel.", Witness::Node),
    ("console.", Witness::Kernel),
    ("sweep.", Witness::Sweep),
];

/// Who would write a row of this kind.
fn of_kind(kind: &str) -> Witness {
    KINDS.iter().find(|(start, _)| kind.starts_with(start)).map_or(Witness::Job, |(_, witness)| *witness)
}

/// Who testifies to a finding.
///
/// A source in which the job speaks is the job's, whatever else stands there: a user who prints a line of the kernel is
/// no kernel. So is a source that stands in one folder with the job's, unless a person `vouched` for it by naming it.
#[must_use]
pub(super) fn witnesses(found: &Match<'_>, table: &Table, vouched: &BTreeSet<String>) -> Vec<Witness> {
    let speakers = speakers(table);
    let folders: BTreeSet<&str> =
        speakers.iter().filter(|(_, job)| **job).map(|(source, _)| folder(&table.sources[*source])).collect();
    let mut all = BTreeSet::new();
    for row in found.bound.values().flatten().flat_map(|row| roots(*row, table)) {
        let row = &table.rows[row];
        let own = if row.fields.get("witness").is_some() { Witness::Scheduler } else { of_kind(row.kind) };
        let name = table.sources[row.source].as_str();
        let users = speakers.get(&row.source).copied().unwrap_or(true)
            || (folders.contains(folder(name)) && !vouched.contains(name));
        all.insert(if users { Witness::Job } else { own });
    }
    all.into_iter().collect()
}

/// What the reader itself says of a source: when it begins and ends. Nobody speaks there.
const READER: &str = "source.";

/// Whether the job speaks in each source.
fn speakers(table: &Table) -> BTreeMap<usize, bool> {
    let mut speakers = BTreeMap::new();
    for row in table.rows.iter().filter(|row| row.parents.is_empty() && !row.kind.starts_with(READER)) {
        let job = of_kind(row.kind) == Witness::Job && row.fields.get("witness").is_none();
        *speakers.entry(row.source).or_insert(false) |= job;
    }
    speakers
}

/// The rows of sources that a derived one follows from, or itself.
fn roots(row: RowId, table: &Table) -> BTreeSet<RowId> {
    let (mut roots, mut seen, mut open) = (BTreeSet::new(), BTreeSet::new(), vec![row]);
    while let Some(row) = open.pop() {
        if !seen.insert(row) {
            continue;
        }
        let parents = &table.rows[row].parents;
        if parents.is_empty() {
            roots.insert(row);
        }
        open.extend(parents);
    }
    roots
}

/// The folder or archive that a source stands in; sources that stand alone share the empty one.
fn folder(source: &str) -> &str {
    source.rfind(['/', '!']).map_or("", |at| &source[..at])
}
