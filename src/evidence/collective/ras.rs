//! Who is absent, as NCCL's own watch network (RAS) tells of a job that still hangs.
//!
//! RAS counts per communicator how many operations each rank has launched. The many wait in the last one; a rank that
//! launched fewer, or none, has not come to it.

use std::collections::BTreeSet;

use diag_parsers::Fields;

use super::{RowId, Table, about_ranks};

pub(super) fn derive(table: &mut Table) {
    let count = |row: &RowId| table.rows[*row].fields.int("operation");
    let Some(many) = table.of_kind("nccl.ras_many").iter().copied().max_by_key(count) else { return };
    let Some(reached) = count(&many) else { return };
    let late: Vec<RowId> = table
        .of_kind("nccl.ras_outlier")
        .iter()
        .copied()
        .filter(|row| count(row).is_none_or(|launched| launched < reached))
        .collect();
    let of = |row: &RowId| table.rows[*row].fields.int("comm_rank");
    let ranks: BTreeSet<i64> = late.iter().filter_map(of).collect();
    let hosts: BTreeSet<&str> = late.iter().filter_map(|row| table.rows[*row].node()).collect();
    let mut fields = Fields::default();
    fields.set("seq", reached);
    if let (1, Some(host)) = (hosts.len(), hosts.first()) {
        fields.set("node", *host);
    }
    if !ranks.is_empty() {
        let parents = late.iter().copied().take(super::MOST_PARENTS - 1).chain([many]).collect();
        about_ranks(table, "collective.absent", &ranks, fields, parents);
    }
}
