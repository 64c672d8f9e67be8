//! Who is absent, as NCCL's own watch network (RAS) tells of a job that still hangs.
//!
//! RAS counts per communicator how many operations each rank has launched. Most wait in the last one; a rank that
//! launched fewer, or none, has not come to it. Where the few are ahead of the many, nobody is named: the report does not
//! list the many. Of several samples the last counts, and a rank that went on between them is slow at most, not stuck.

use std::collections::{BTreeMap, BTreeSet};

use diag_parsers::Fields;

use super::{RowId, Table, about_ranks};

/// Rows of a report, each under the communicator that it is about.
const REPORT: [&str; 4] = ["nccl.ras_many", "nccl.ras_outlier", "nccl.ras_listed", "nccl.ras_incomplete"];

/// A statement about a rank, or about many.
#[derive(Debug, Clone, Copy)]
struct Told {
    row: RowId,
    /// None for many.
    rank: Option<i64>,
    /// Operations launched; none where it launched none at all.
    operation: Option<i64>,
}

/// Statements, each with its communicator.
type Statements = Vec<(String, Told)>;

pub(super) fn derive(table: &mut Table) {
    let Some(sample) = Sample::last(table) else { return };
    let (now, before): (Statements, Statements) =
        told(table).into_iter().partition(|(_, told)| sample.holds(table, told.row));
    let mut comms: BTreeMap<&str, Vec<Told>> = BTreeMap::new();
    now.iter().for_each(|(comm, told)| comms.entry(comm).or_default().push(*told));
    let went_on = |comm: &str, told: &Told| {
        let of = before.iter().filter(|(other, old)| other == comm && old.rank == told.rank);
        let mut old = of.map(|(_, old)| old.operation).peekable();
        old.peek().is_some() && !old.any(|operation| operation == told.operation)
    };
    let gaps = comms.iter().filter_map(|(comm, all)| {
        let reached = all.iter().filter_map(|told| told.operation).max()?;
        let peer = all.iter().find(|told| told.operation == Some(reached))?.row;
        let fewer = |told: &&Told| told.rank.is_some() && told.operation.is_none_or(|operation| operation < reached);
        let late: Vec<Told> = all.iter().filter(fewer).filter(|told| !went_on(comm, told)).copied().collect();
        (!late.is_empty()).then_some((late, peer, reached))
    });
    // Several communicators may show it: the one in which the fewest are late names them best.
    let Some((late, peer, reached)) = gaps.min_by_key(|(late, ..)| late.len()) else { return };
    let ranks: BTreeSet<i64> = late.iter().filter_map(|told| told.rank).collect();
    let hosts: BTreeSet<&str> = late.iter().filter_map(|told| table.rows[told.row].node()).collect();
    let mut fields = Fields::default();
    fields.set("seq", reached);
    if let (1, Some(host)) = (hosts.len(), hosts.first()) {
        fields.set("node", *host);
    }
    let parents = late.iter().map(|told| told.row).take(super::MOST_PARENTS - 1).chain([peer]).collect();
    about_ranks(table, "collective.absent", &ranks, fields, parents);
}

/// All statements, each with its communicator.
fn told(table: &Table) -> Statements {
    let mut rows: Vec<RowId> = REPORT.into_iter().flat_map(|kind| table.of_kind(kind)).copied().collect();
    rows.sort_by_key(|row| (table.rows[*row].source, table.rows[*row].line));
    let mut all = Vec::new();
    // `2 ranks have launched up to operation 641`, and below it who they are.
    let mut head: Option<RowId> = None;
    for id in rows {
        let row = &table.rows[id];
        let (operation, rank) = match row.kind {
            "nccl.ras_outlier" => (row.fields.int("operation"), row.fields.int("comm_rank")),
            "nccl.ras_many" => {
                head = Some(id);
                (row.fields.int("operation"), None)
            }
            "nccl.ras_incomplete" => {
                head = None;
                continue;
            }
            _ => {
                let of = head.map(|head| &table.rows[head]).filter(|head| head.source == row.source);
                let Some(operation) = of.and_then(|head| head.fields.int("operation")) else { continue };
                (Some(operation), row.fields.int("comm_rank"))
            }
        };
        all.push((comm(table, id), Told { row: id, rank, operation }));
    }
    all
}

/// The communicator that a row is about: told in it, or in the heading above it.
fn comm(table: &Table, id: RowId) -> String {
    let row = &table.rows[id];
    let above = table.of_kind("nccl.ras_comm").iter().map(|head| &table.rows[*head]);
    let above = above.filter(|head| head.source == row.source && head.line < row.line).max_by_key(|head| head.line);
    let told = row.fields.text("comm").or_else(|| above.and_then(|head| head.fields.text("comm")));
    told.unwrap_or_default().to_owned()
}

/// The last sample of all: its document, and the line from which on it stands there.
struct Sample {
    source: usize,
    line: u64,
}

impl Sample {
    /// Samples tell their time as JSON only; texts come in the order of their names.
    fn last(table: &Table) -> Option<Self> {
        let reports = || table.of_kind("nccl.ras_report").iter().map(|row| &table.rows[*row]);
        let timed = reports().all(|row| row.last_at.is_some());
        let latest = reports().filter(|_| timed).max_by_key(|row| row.last_at.map_or(0, |at| at.micros));
        let any = || REPORT.into_iter().flat_map(|kind| table.of_kind(kind)).map(|row| table.rows[*row].source).max();
        let source = latest.map(|row| row.source).or_else(|| reports().map(|row| row.source).max()).or_else(any)?;
        let line = reports().filter(|row| row.source == source).map(|row| row.last_line).max();
        Some(Self { source, line: line.unwrap_or(0) })
    }

    fn holds(&self, table: &Table, row: RowId) -> bool {
        let row = &table.rows[row];
        row.source == self.source && row.last_line >= self.line
    }
}
