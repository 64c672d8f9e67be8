//! One time axis for all sources.
//!
//! Each source prints times by clocks of its own: with or without zone, year or day, or seconds since boot. A *lane* is
//! what one source prints by one kind of clock. Years and days are settled by the dates that stand elsewhere; zones and
//! boot times by lines that tell both, and by events that two sources saw; what is left is how far clocks are apart.
//! A lane that nothing settles keeps its own order and is compared with no other.

mod dates;
mod settle;
mod shared;

use std::collections::BTreeMap;

use diag_parsers::Clock;
use serde::Serialize;

use super::{RowId, Table};

/// Microseconds of a second.
pub(super) const SECOND: i64 = 1_000_000;

/// Where a row stands on the axis of the incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Microseconds since 1970: UTC where any source tells a zone, else as the clocks of the hosts print it. Of an
    /// incident without any year it is the year 2000, of one without any date the day 0.
    pub micros: i64,
    /// How far off that may be, each way, in microseconds.
    pub slack: i64,
}

impl Placed {
    /// Seconds from `other` to `self`.
    pub fn since(self, other: Self) -> f64 {
        (self.micros - other.micros) as f64 / SECOND as f64
    }

    /// Whether it comes before the other, where the clocks are good enough to tell.
    pub fn before(self, other: Self) -> Option<bool> {
        let slack = self.slack.saturating_add(other.slack);
        let apart = self.micros.saturating_sub(other.micros);
        (slack == 0 || apart.saturating_abs() > slack).then_some(apart < 0)
    }
}

/// How the times of a lane came onto the axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Settled {
    /// As printed.
    Printed,
    /// The zone is that of lines beside it, of other sources, or of events that both saw.
    Zone,
    /// No zone is told, and sources that tell one are there: taken for UTC.
    Assumed,
    /// Its clock differs from the others': set right by events that both saw.
    Offset,
    /// Boot time as a line tells it.
    Boot,
    /// Boot time by events that both saw.
    Shared,
    /// Events that both saw disagree about how far the clocks are apart.
    Contradictory,
    /// Nothing tells: its lines are compared among themselves only.
    Alone,
}

/// What one source prints by one kind of clock.
#[derive(Debug, Clone)]
pub struct Lane {
    /// Index into [`Table::sources`].
    pub source: usize,
    /// The kind of clock.
    pub clock: Clock,
    /// How its times came onto the axis.
    pub settled: Settled,
    /// Microseconds that were added to what is printed, its year and day aside.
    pub offset: i64,
    /// How far off that may be, in microseconds.
    pub slack: i64,
    /// The rows by which that is known: an event that it and another source saw.
    pub told_by: Vec<RowId>,
    /// Rows, and their times with year and day settled.
    rows: Vec<(RowId, i64)>,
}

impl Lane {
    /// Whether its times are those of a wall clock.
    fn is_civil(&self) -> bool {
        matches!(self.clock, Clock::Local | Clock::Yearless | Clock::TimeOfDay)
    }
}

/// Places all rows on one axis.
pub(super) fn derive(table: &mut Table) {
    let mut lanes = lanes(table);
    dates::settle(table, &mut lanes);
    settle::offsets(table, &mut lanes);
    for lane in lanes.iter().filter(|lane| lane.settled != Settled::Alone) {
        for (row, base) in &lane.rows {
            table.rows[*row].placed = Some(Placed { micros: base.saturating_add(lane.offset), slack: lane.slack });
        }
    }
    table.clocks = lanes;
}

fn lanes(table: &Table) -> Vec<Lane> {
    let mut lanes: BTreeMap<(usize, u8), Lane> = BTreeMap::new();
    for (id, row) in table.rows.iter().enumerate().filter(|(_, row)| row.parents.is_empty()) {
        let Some(at) = row.at else { continue };
        let new = || Lane {
            source: row.source,
            clock: at.clock,
            settled: Settled::Alone,
            offset: 0,
            slack: 0,
            told_by: Vec::new(),
            rows: Vec::new(),
        };
        lanes.entry((row.source, order(at.clock))).or_insert_with(new).rows.push((id, at.micros));
    }
    lanes.into_values().collect()
}

/// Clocks by how much they tell.
fn order(clock: Clock) -> u8 {
    match clock {
        Clock::Utc => 0,
        Clock::Local => 1,
        Clock::Yearless => 2,
        Clock::TimeOfDay => 3,
        Clock::Monotonic => 4,
    }
}
