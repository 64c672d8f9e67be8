//! Whom a monitored barrier misses because it had died.
//!
//! With `TORCH_DISTRIBUTED_DEBUG=DETAIL` torch runs a monitored barrier before each collective, so that a rank that crashed,
//! raised or was killed is told in the words of one that is late (torch v1.9 to v2.11, `ProcessGroupWrapper.cpp`).

use std::collections::BTreeSet;

use diag_parsers::Value;

use super::{RowId, Table};

const BARRIER: &str = "torch.monitored_barrier";

/// See signal(7).
const SIGTERM: i64 = 15;

pub(super) fn derive(table: &mut Table) {
    died(table);
    raised(table);
}

/// What was raised once, and by nobody knows whom, is of the one rank that the barrier misses: tracebacks of torch up to 2.1
/// carry no rank.
fn raised(table: &mut Table) {
    let missing: BTreeSet<i64> = table.of_kind(BARRIER).iter().flat_map(|id| missing(table, *id)).copied().collect();
    let raised: Vec<RowId> =
        table.of_kind("python.exception").iter().copied().filter(|id| table.rows[*id].is_trouble()).collect();
    if let (&[id], 1, Some(rank)) = (&raised[..], missing.len(), missing.first().copied()) {
        let row = &mut table.rows[id];
        if row.count == 1 && row.rank().is_none() {
            row.fields.set("rank", rank);
            row.filled.push("rank");
        }
    }
}

/// Marks the rows of a barrier whose missing ranks all died of a signal that torchrun did not send.
fn died(table: &mut Table) {
    let rows = |kind: &str| table.of_kind(kind).iter().map(|id| &table.rows[*id]);
    let sent: BTreeSet<i64> = rows("elastic.sigterm").filter_map(|row| row.fields.int("worker")).collect();
    let dead: BTreeSet<i64> = rows("elastic.failure")
        .filter(|row| row.fields.int("signal").is_some_and(|signal| signal != SIGTERM))
        .filter(|row| row.fields.int("pid").is_none_or(|pid| !sent.contains(&pid)))
        .filter_map(|row| row.rank())
        .collect();
    let is_of_dead = |id: &RowId| {
        let missing = missing(table, *id);
        !missing.is_empty() && missing.iter().all(|rank| dead.contains(rank))
    };
    let marked: Vec<RowId> = table.of_kind(BARRIER).iter().copied().filter(is_of_dead).collect();
    for id in marked {
        table.rows[id].fields.set("died", true);
    }
}

/// The ranks that a row of the barrier names.
fn missing(table: &Table, id: RowId) -> &[i64] {
    table.rows[id].fields.get("missing").and_then(Value::ranks).unwrap_or_default()
}
