//! Which node it was, where Slurm's line names none.
//!
//! A job lost a node: the only one of which something tells that Slurm can not reach it. slurmstepd writes `DUE TO NODE FAILURE` on whichever node the batch step runs, and names that one.

use std::collections::BTreeSet;

use diag_parsers::Name;

use super::{RowId, Table};

const NAMELESS: Name = "slurm.node_failure";

/// What tells that Slurm does not reach a node, or that the node does not take its credentials.
const UNREACHED: [Name; 6] = [
    "probe.services.slurmd",
    "probe.services.munge",
    "probe.unreachable",
    "peers.no_slurmd",
    "peers.no_munge",
    "slurm.auth_failed",
];

/// systemd tells of a daemon that failed, behind the name of its host.
const UNIT_FAILED: Name = "slurm.unit_failed";

/// What a daemon says before it gives up, where it is not plain from the words whose log they stand in.
const MISMATCH: Name = "slurm.config_mismatch";

/// Says of such lines which node it was.
pub(super) fn derive(table: &mut Table) {
    lost(table);
    of_a_failed_daemon(table);
}

/// slurmd writes no host into its log. Where systemd tells on one host that slurmd failed, and nothing else in the same
/// document tells of a host, its words are of that one.
fn of_a_failed_daemon(table: &mut Table) {
    let of_slurmd = |id: &RowId| table.rows[*id].fields.text("daemon") == Some("slurmd");
    let failed: Vec<RowId> = table.of_kind(UNIT_FAILED).iter().copied().filter(of_slurmd).collect();
    let Some(first) = failed.first().map(|id| &table.rows[*id]) else { return };
    let (source, Some(node)) = (first.source, first.node().map(str::to_owned)) else { return };
    let here = |row: &&super::Row| row.source == source;
    if table.rows.iter().filter(here).filter_map(super::Row::node).any(|other| other != node) {
        return;
    }
    let own = |row: &&mut super::Row| row.kind.starts_with("slurmd.") || row.kind == MISMATCH;
    for row in table.rows.iter_mut().filter(|row| row.source == source && row.node().is_none()).filter(own) {
        row.fields.set("node", node.as_str());
        row.filled.push("node");
    }
}

/// The node that a job lost.
fn lost(table: &mut Table) {
    let lines: Vec<RowId> =
        table.of_kind(NAMELESS).iter().copied().filter(|id| table.rows[*id].node().is_none()).collect();
    if lines.is_empty() {
        return;
    }
    let rows = UNREACHED.iter().flat_map(|kind| table.of_kind(kind)).map(|id| &table.rows[*id]);
    let nodes: BTreeSet<String> =
        rows.filter(|row| row.aside.is_none()).filter_map(|row| row.node().map(str::to_owned)).collect();
    let Some(node) = nodes.first().filter(|_| nodes.len() == 1) else { return };
    for id in lines {
        let row = &mut table.rows[id];
        row.fields.set("node", node.as_str());
        row.filled.push("node");
    }
}
