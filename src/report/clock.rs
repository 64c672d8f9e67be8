//! One time axis for an incident: the times printed, and near them those of lines that print none.

use diag_parsers::{Clock, Stamp};
use jiff::civil::DateTime;

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

/// What the axis counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axis {
    /// Dates, those without a year included: of an incident's lines all are of one year.
    Dates,
    TimeOfDay,
    Boot,
}

/// The times of all rows on the axis that most of them tell.
pub(super) struct Times(Vec<Option<When>>);

impl Times {
    pub(super) fn of(table: &Table) -> Self {
        let axis = [Axis::Dates, Axis::TimeOfDay, Axis::Boot]
            .into_iter()
            .max_by_key(|axis| {
                let told = table.rows.iter().filter(|row| row.at.is_some_and(|at| place(at).0 == *axis)).count();
                (told, *axis == Axis::Dates)
            })
            .unwrap_or(Axis::Dates);
        let own = |row: RowId| table.rows[row].at.map(place).filter(|(other, _)| *other == axis).map(|(_, at)| at);
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

/// The axis of a stamp and its place on it.
fn place(stamp: Stamp) -> (Axis, i64) {
    match stamp.clock {
        Clock::Utc | Clock::Local => (Axis::Dates, without_year(stamp.micros)),
        Clock::Yearless => (Axis::Dates, stamp.micros),
        Clock::TimeOfDay => (Axis::TimeOfDay, stamp.micros),
        Clock::Monotonic => (Axis::Boot, stamp.micros),
    }
}

/// A date moved to the year 2000, where the dates without a year are.
fn without_year(micros: i64) -> i64 {
    let moved = || {
        let at = jiff::Timestamp::from_microsecond(micros).ok()?.to_zoned(jiff::tz::TimeZone::UTC).datetime();
        let year =
            DateTime::new(2000, at.month(), at.day(), at.hour(), at.minute(), at.second(), at.subsec_nanosecond());
        Some(year.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond())
    };
    moved().unwrap_or(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_with_and_without_a_year_share_an_axis() {
        let dated = diag_parsers::time::read("2026-11-22 11:03:37").unwrap();
        let yearless = diag_parsers::time::read("E1122 11:03:38.000000").unwrap();
        let (first, second) = (place(dated), place(yearless));
        assert_eq!((first.0, second.1 - first.1), (second.0, 1_000_000));
    }
}
