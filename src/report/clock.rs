//! When things happened, also those whose lines print no time: near the lines around them.

use crate::evidence::{RowId, Table};

/// A line without a time has that of the lines around it, where these are no further apart (microseconds).
const CLOSE: i64 = 60_000_000;

/// When a row happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct When {
    /// Microseconds on the axis of the incident.
    pub(super) micros: i64,
    /// Whether it is the time of the line before, as the row's own prints none.
    pub(super) about: bool,
    /// Whether the lines around it are close enough for the time to be relied on.
    pub(super) sure: bool,
    /// The row that prints it.
    told_by: RowId,
}

/// The times of all rows on the axis of the incident.
pub(super) struct Times(Vec<Option<When>>);

impl Times {
    pub(super) fn of(table: &Table) -> Self {
        let own = |row: RowId| table.rows[row].placed.map(|at| at.micros);
        let mut times: Vec<Option<When>> = Vec::with_capacity(table.rows.len());
        let mut before: Option<When> = None;
        for (id, row) in table.rows.iter().enumerate() {
            let told = own(id).map(|micros| When { micros, about: false, sure: true, told_by: id });
            before = told.or(before.filter(|when| table.rows[when.told_by].source == row.source));
            times.push(told.or(before.map(|when| When { about: true, sure: false, ..when })));
        }
        let mut times = Self(times);
        times.settle(table);
        times
    }

    /// A borrowed time can be relied on where the next line that tells its own is near.
    fn settle(&mut self, table: &Table) {
        let mut next: Option<(usize, i64)> = None;
        for (id, row) in table.rows.iter().enumerate().rev() {
            let Some(when) = &mut self.0[id] else { continue };
            if when.about {
                when.sure = next.is_some_and(|(source, at)| source == row.source && (at - when.micros).abs() <= CLOSE);
            } else {
                next = Some((row.source, when.micros));
            }
        }
    }

    /// When a row happened, as well as is known.
    pub(super) fn get(&self, row: RowId) -> Option<When> {
        self.0.get(row).copied().flatten()
    }

    /// The row before that prints a time, of one that prints none.
    pub(super) fn before(&self, row: RowId) -> Option<RowId> {
        self.get(row).filter(|when| when.about).map(|when| when.told_by)
    }

    /// Seconds from one row to another, where both are known well; and whether one of them was borrowed.
    pub(super) fn between(&self, from: RowId, to: RowId) -> Option<(f64, bool)> {
        let (from, to) = (self.get(from)?, self.get(to)?);
        let seconds = (to.micros - from.micros) as f64 / 1e6;
        (from.sure && to.sure).then_some((seconds, from.about || to.about))
    }
}
