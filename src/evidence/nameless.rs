//! Which node a job lost, where Slurm's line names none: the only one of which something tells that Slurm can not reach it.
//!
//! slurmstepd writes `DUE TO NODE FAILURE` on whichever node the batch step runs, and names that one.

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

/// Says of such lines which node it was.
pub(super) fn derive(table: &mut Table) {
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
