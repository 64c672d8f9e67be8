//! Years and days that a source does not print: those of the dates beside it, or nearest to them.

use diag_parsers::Clock;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{Lane, SECOND};
use crate::evidence::Table;

/// Microseconds of a day.
const DAY: i64 = 86_400 * SECOND;

/// Puts the times of lanes without a year, or without a date, near the dates that are told.
pub(super) fn settle(table: &Table, lanes: &mut [Lane]) {
    let full = |lane: &Lane| matches!(lane.clock, Clock::Utc | Clock::Local);
    let dated = latest(lanes, full);
    for at in 0..lanes.len() {
        let own = latest(lanes, |lane| full(lane) && lane.source == lanes[at].source);
        if let (Clock::Yearless, Some(near)) = (lanes[at].clock, own.or(dated)) {
            lanes[at].rows.iter_mut().for_each(|(_, micros)| *micros = in_year_near(*micros, near));
        }
    }
    let dated = latest(lanes, |lane| full(lane) || lane.clock == Clock::Yearless);
    for at in 0..lanes.len() {
        if lanes[at].clock == Clock::TimeOfDay {
            let dates = dates_of(table, lanes, lanes[at].source);
            days(table, &mut lanes[at], &dates, dated);
        }
    }
}

/// The latest time of some lanes.
fn latest(lanes: &[Lane], of: impl Fn(&Lane) -> bool) -> Option<i64> {
    lanes.iter().filter(|lane| of(lane)).flat_map(|lane| &lane.rows).map(|(_, micros)| *micros).max()
}

/// A date of the year 2000 in the year that brings it nearest to a time.
fn in_year_near(micros: i64, near: i64) -> i64 {
    let Some(year) = civil(near).map(DateTime::year) else { return micros };
    let years = [year - 1, year, year + 1].into_iter().filter_map(|year| in_year(micros, year));
    years.min_by_key(|moved| (moved - near).abs()).unwrap_or(micros)
}

fn civil(micros: i64) -> Option<DateTime> {
    Some(jiff::Timestamp::from_microsecond(micros).ok()?.to_zoned(TimeZone::UTC).datetime())
}

fn in_year(micros: i64, year: i16) -> Option<i64> {
    let moved = civil(micros)?.with().year(year).build().ok()?;
    Some(moved.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

/// Lines of a source that print a date, with the date, in order.
fn dates_of(table: &Table, lanes: &[Lane], source: usize) -> Vec<(u64, i64)> {
    let dated = |lane: &&Lane| lane.source == source && matches!(lane.clock, Clock::Local | Clock::Yearless);
    let mut dates: Vec<(u64, i64)> = lanes
        .iter()
        .filter(dated)
        .flat_map(|lane| &lane.rows)
        .map(|(row, micros)| (table.rows[*row].line, *micros))
        .collect();
    dates.sort_unstable();
    dates
}

/// Times of day on the day of the date that stands before them in the source, else on the last day that is told; a
/// time that goes back by more than half a day begins the next one.
fn days(table: &Table, lane: &mut Lane, dates: &[(u64, i64)], dated: Option<i64>) {
    let mut carried = 0;
    let mut before: Option<i64> = None;
    let first_of = |micros: i64| micros.div_euclid(DAY) * DAY;
    for (row, micros) in &mut lane.rows {
        let line = table.rows[*row].line;
        let beside = dates.partition_point(|(at, _)| *at <= line).checked_sub(1).or((!dates.is_empty()).then_some(0));
        let told = *micros;
        *micros = match beside.map(|at| dates[at].1) {
            Some(near) => nearest_day(told, near),
            None => {
                carried += i64::from(before.is_some_and(|before| told < before - DAY / 2)) * DAY;
                told + carried
            }
        };
        before = Some(told);
    }
    if let (true, Some(dated)) = (dates.is_empty(), dated) {
        // The last of them is of the last day.
        let last = lane.rows.iter().map(|(_, micros)| *micros).max().unwrap_or_default();
        let shift = first_of(nearest_day(last.rem_euclid(DAY), dated)) - first_of(last);
        lane.rows.iter_mut().for_each(|(_, micros)| *micros += shift);
    }
}

/// A time of day on the day that brings it nearest to a time.
fn nearest_day(told: i64, near: i64) -> i64 {
    let same = near.div_euclid(DAY) * DAY + told;
    [same - DAY, same, same + DAY].into_iter().min_by_key(|at| (at - near).abs()).unwrap_or(same)
}
