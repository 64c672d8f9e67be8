//! Whose error it is, where Ray Train prints those of all ranks one below the other.
//!
//! The controller writes `[Rank 1 Error Snippet]:` and below it what that rank raised, or that its actor died, for each rank that
//! failed (Ray 2.40 on, `train/v2/api/exceptions.py`). A rank that lost its peer is listed as well as the peer.

use std::collections::BTreeSet;

use diag_parsers::Name;

use super::{Row, RowId, Table};

const HEADING: Name = "launcher.ray_rank_failed";

/// What a snippet says why a rank failed, and what it says where another one did.
const REASONS: [Name; 3] = ["launcher.ray_worker_died", "python.exception", "process.no_memory"];
const LOSSES: [Name; 3] = ["python.comm_exception", "gloo.connection_lost", "gloo.wait_timeout"];

/// Most lines of a snippet: a traceback, and a worker's description.
const LONGEST: u64 = 80;

/// Gives what stands in a snippet its rank, and marks the headings of ranks that only lost others: `wake`.
pub(super) fn derive(table: &mut Table) {
    let headings: Vec<RowId> = table.of_kind(HEADING).to_vec();
    let actor = |row: &Row| row.fields.text("actor").map(str::to_owned);
    let above = |row: &Row| {
        let near = headings.iter().map(|id| &table.rows[*id]).filter(|heading| {
            let distance = row.line.checked_sub(heading.line);
            heading.source == row.source
                && distance.is_some_and(|lines| lines <= LONGEST)
                && actor(heading) == actor(row)
        });
        near.max_by_key(|heading| heading.line).and_then(Row::rank)
    };
    let of = |kinds: &[Name]| -> Vec<(RowId, i64)> {
        let rows = kinds.iter().flat_map(|kind| table.of_kind(kind)).copied();
        rows.filter_map(|id| Some((id, above(&table.rows[id]).filter(|_| table.rows[id].rank().is_none())?))).collect()
    };
    let (reasons, losses) = (of(&REASONS), of(&LOSSES));
    let failed: BTreeSet<i64> = reasons.iter().map(|(_, rank)| *rank).collect();
    for (id, rank) in reasons.into_iter().chain(losses) {
        table.rows[id].fields.set("rank", rank);
    }
    for id in headings.into_iter().filter(|_| !failed.is_empty()) {
        let row = &mut table.rows[id];
        if row.rank().is_some_and(|rank| !failed.contains(&rank)) {
            row.fields.set("wake", true);
        }
    }
}
