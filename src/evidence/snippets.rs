//! Whose error it is, where Ray Train prints those of all ranks one below the other.
//!
//! The controller writes `[Rank 1 Error Snippet]:` and below it what that rank raised, or that its actor died, for each rank that
//! failed (Ray 2.40 on, `train/v2/api/exceptions.py`). A rank that lost its peer is listed as well as the peer.

use std::collections::BTreeMap;

use diag_parsers::Name;

use super::{Row, RowId, Table};

const HEADING: Name = "launcher.ray_rank_failed";

/// What a snippet says.
const SAID: [Name; 7] = [
    "launcher.ray_oom",
    "launcher.ray_worker_died",
    "process.no_memory",
    "python.exception",
    "python.comm_exception",
    "gloo.connection_lost",
    "gloo.wait_timeout",
];

/// Most lines of a snippet: a traceback, and a worker's description.
const LONGEST: u64 = 80;

/// Gives what stands in a snippet its rank.
pub(super) fn derive(table: &mut Table) {
    let headings = table.of_kind(HEADING).iter().map(|id| &table.rows[*id]);
    let headings: BTreeMap<(usize, u64), &Row> = headings.map(|row| ((row.source, row.line), row)).collect();
    let whose = |row: &Row| {
        let ((source, line), heading) = headings.range(..=(row.source, row.line)).next_back()?;
        let same = *source == row.source && heading.fields.get("actor") == row.fields.get("actor");
        heading.rank().filter(|_| same && row.line - line <= LONGEST && row.rank().is_none())
    };
    let said = SAID.iter().flat_map(|kind| table.of_kind(kind)).copied();
    let ranks: Vec<(RowId, i64)> = said.filter_map(|id| Some((id, whose(&table.rows[id])?))).collect();
    for (id, rank) in ranks {
        table.rows[id].fields.set("rank", rank);
    }
}
