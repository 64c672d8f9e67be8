//! What DDP reads of a collective that the watchdog ended.
//!
//! Before it copies parameters, DDP gathers how many each rank has, and compares (torch v1.12 to v2.9, `reducer.cpp`:
//! `verify_params_across_processes`). A wait for NCCL only orders streams: where the watchdog aborts that collective, the
//! receive buffer is as it was allocated, and any number stands in it.

use super::Table;

/// The watchdog's word that a collective took too long.
const ENDED: &str = "torch.watchdog_timeout";
const COMPARED: &str = "torch.params_mismatch";

/// Marks what a rank read after its time-out: `unfilled`.
pub(super) fn derive(table: &mut Table) {
    let ended: Vec<_> =
        table.of_kind(ENDED).iter().map(|id| &table.rows[*id]).map(|row| (row.rank(), row.source, row.line)).collect();
    for id in table.of_kind(COMPARED).to_vec() {
        let row = &mut table.rows[id];
        let before = |(rank, source, line): &(Option<i64>, usize, u64)| {
            rank.is_some() && *rank == row.rank() && *source == row.source && *line < row.line
        };
        if ended.iter().any(before) {
            row.fields.set("unfilled", true);
        }
    }
}
