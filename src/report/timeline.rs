//! Ranks and what became of them.

use std::collections::BTreeMap;

use diag_parsers::Says;

use crate::evidence::{Row, RowId, RowSet, Table};
use crate::report::clock::Times;
use crate::report::{Lane, Moment, Timeline};

/// Most ranks that get a lane.
const MOST_LANES: usize = 4096;

/// Most hosts and schedulers that get one.
const MOST_HOSTS: usize = 32;

/// Most moments of a lane.
const MOST_MOMENTS: usize = 8;

/// The lanes of all ranks that left a trace; `cause` holds the rows of the first finding's needs.
pub(super) fn of(table: &Table, times: &Times, cause: &RowSet) -> Timeline {
    let mut lanes: BTreeMap<i64, Vec<RowId>> = BTreeMap::new();
    for (id, row) in table.rows.iter().enumerate().filter(|(_, row)| row.parents.is_empty()) {
        if let Some(rank) = row.rank() {
            lanes.entry(rank).or_default().push(id);
        }
    }
    let mut drawn = Vec::new();
    for (rank, rows) in lanes.into_iter().take(MOST_LANES) {
        let kept = notable(table, &rows, cause);
        let last_step = rows.iter().filter_map(|row| step(&table.rows[*row])).max();
        let node = table.job.hosts.get(&rank).cloned();
        let name = format!("rank {rank}");
        drawn.push((Lane { name, rank: Some(rank), node, last_step, moments: Vec::new() }, kept));
    }
    for (name, rows) in hosts(table, cause) {
        let kept = notable(table, &rows, cause);
        drawn.push((Lane { name, rank: None, node: None, last_step: None, moments: Vec::new() }, kept));
    }
    let known = || drawn.iter().flat_map(|(_, rows)| rows).filter_map(|row| Some((times.get(*row)?, *row)));
    let told = |row: &(i64, RowId)| table.rows[row.1].at.map(|at| at.to_string());
    let mut order: Vec<(i64, RowId)> =
        known().filter(|(when, _)| !when.about).map(|(when, row)| (when.micros, row)).collect();
    order.sort_unstable();
    let span = order.first().and_then(told).zip(order.last().and_then(told));
    let start = known().map(|(when, _)| when.micros).min().unwrap_or_default();
    let lanes = drawn.into_iter().map(|(lane, rows)| Lane {
        moments: rows.into_iter().map(|row| moment(table, times, start, row, cause)).collect(),
        ..lane
    });
    Timeline { world_size: table.job.world_size, lanes: lanes.collect(), span }
}

/// What is told of hosts, by schedulers, or in a file that names neither, and of no rank: those of the cause first.
fn hosts(table: &Table, cause: &RowSet) -> Vec<(String, Vec<RowId>)> {
    let mut lanes: BTreeMap<String, Vec<RowId>> = BTreeMap::new();
    for (id, row) in table.rows.iter().enumerate().filter(|(_, row)| row.parents.is_empty() && row.rank().is_none()) {
        let file = table.sources[row.source].rsplit(['/', '!']).next().unwrap_or_default();
        let teller = row.fields.text("witness").or(row.node()).unwrap_or(file);
        let news = row.is_trouble() || row.says == Says::Warning;
        if cause.contains(&id) || (news && row.placed.is_some()) {
            lanes.entry(teller.to_owned()).or_default().push(id);
        }
    }
    let mut lanes: Vec<(String, Vec<RowId>)> = lanes.into_iter().collect();
    lanes.sort_by_key(|(_, rows)| !rows.iter().any(|row| cause.contains(row)));
    lanes.truncate(MOST_HOSTS);
    lanes
}

fn step(row: &Row) -> Option<i64> {
    (row.says == Says::Progress).then(|| row.fields.int("step")).flatten()
}

/// The rows that are shown, in order: what is of the cause is never cut off, and of the others the first.
fn notable(table: &Table, rows: &[RowId], cause: &RowSet) -> Vec<RowId> {
    let mut rows: Vec<RowId> =
        rows.iter().copied().filter(|row| table.rows[*row].says != Says::Info || cause.contains(row)).collect();
    let place = |row: &RowId| (table.rows[*row].source, table.rows[*row].line);
    rows.sort_by_key(|row| (!cause.contains(row), place(row)));
    rows.truncate(MOST_MOMENTS);
    rows.sort_by_key(place);
    rows
}

fn moment(table: &Table, times: &Times, start: i64, id: RowId, cause: &RowSet) -> Moment {
    let row = &table.rows[id];
    let when = times.get(id);
    Moment {
        micros: when.map(|when| when.micros - start),
        about: when.is_some_and(|when| when.about),
        time: row.at.map(|at| at.to_string()),
        source: table.sources[row.source].clone(),
        kind: row.kind.to_owned(),
        says: row.says,
        cause: cause.contains(&id),
        line: row.line,
    }
}
