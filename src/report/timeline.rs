//! Ranks and what became of them.

use std::collections::{BTreeMap, HashSet};

use diag_parsers::{Says, Stamp};

use crate::evidence::{Row, RowId, Table};
use crate::report::{Lane, Moment, Timeline};

/// Most ranks that get a lane.
const MOST_LANES: usize = 4096;

/// Most moments of a lane.
const MOST_MOMENTS: usize = 8;

/// The lanes of all ranks that left a trace; `cause` holds the rows of the first finding's needs.
pub(super) fn of(table: &Table, cause: &HashSet<RowId>) -> Timeline {
    let mut lanes: BTreeMap<i64, Vec<RowId>> = BTreeMap::new();
    for (id, row) in table.rows.iter().enumerate().filter(|(_, row)| row.parents.is_empty()) {
        if let Some(rank) = row.rank() {
            lanes.entry(rank).or_default().push(id);
        }
    }
    let clock = span(table);
    let lane = |(rank, rows): (i64, Vec<RowId>)| Lane {
        rank,
        node: table.job.hosts.get(&rank).cloned(),
        last_step: rows.iter().filter_map(|row| step(&table.rows[*row])).max(),
        moments: moments(table, &rows, cause, clock.map(|(first, _)| first)),
    };
    Timeline {
        world_size: table.job.world_size,
        lanes: lanes.into_iter().take(MOST_LANES).map(lane).collect(),
        span: clock.map(|(first, last)| (first.to_string(), last.to_string())),
    }
}

fn step(row: &Row) -> Option<i64> {
    (row.says == Says::Progress).then(|| row.fields.int("step")).flatten()
}

fn moments(table: &Table, rows: &[RowId], cause: &HashSet<RowId>, start: Option<Stamp>) -> Vec<Moment> {
    let mut rows: Vec<RowId> =
        rows.iter().copied().filter(|row| table.rows[*row].says != Says::Info || cause.contains(row)).collect();
    // What is of the cause is never cut off.
    rows.sort_by_key(|row| (!cause.contains(row), table.rows[*row].line));
    rows.truncate(MOST_MOMENTS);
    rows.sort_by_key(|row| table.rows[*row].line);
    let moment = |id: RowId| {
        let row = &table.rows[id];
        Moment {
            micros: row
                .at
                .zip(start)
                .filter(|(at, start)| at.comparable(*start))
                .map(|(at, start)| at.micros - start.micros),
            time: row.at.map(|at| at.to_string()),
            kind: row.kind.to_owned(),
            says: row.says,
            cause: cause.contains(&id),
            line: row.line,
        }
    };
    rows.into_iter().map(moment).collect()
}

/// First and last time on the clock that most rows use.
fn span(table: &Table) -> Option<(Stamp, Stamp)> {
    let mut clocks: Vec<(Stamp, u64, Stamp, Stamp)> = Vec::new();
    for (at, last) in table.rows.iter().filter_map(|row| Some((row.at?, row.last_at?))) {
        match clocks.iter_mut().find(|(clock, ..)| clock.comparable(at)) {
            Some((_, count, first, latest)) => {
                *count += 1;
                *first = if at.micros < first.micros { at } else { *first };
                *latest = if last.micros > latest.micros { last } else { *latest };
            }
            None => clocks.push((at, 1, at, last)),
        }
    }
    clocks.into_iter().max_by_key(|(_, count, ..)| *count).map(|(_, _, first, last)| (first, last))
}
