//! Looking at a part of the evidence only: a span of time, some nodes, one job.

use std::collections::BTreeSet;

use diag_parsers::{Clock, hostlist};
use jiff::tz::TimeZone;

use super::clock::SECOND;
use super::{Row, Settled, Table, parts};

/// Most hosts of a list in a row that are looked at.
const MOST_HOSTS: usize = 20_000;

/// A moment that a person names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Microseconds since 1970, UTC.
    pub utc: i64,
    /// The same as a clock of the place shows it, in microseconds as if that were UTC: for logs that tell no zone.
    pub civil: i64,
}

/// What to look at.
#[derive(Debug, Clone, Default)]
pub struct Narrow {
    /// Nothing that was over before.
    pub since: Option<Moment>,
    /// Nothing that came after.
    pub until: Option<Moment>,
    /// Nothing of other hosts than these, if any are named.
    pub nodes: Vec<String>,
    /// Nothing of other jobs than this.
    pub job: Option<String>,
}

/// How many facts were left out, repeats included, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Before the span of time.
    pub before: u64,
    /// After it.
    pub after: u64,
    /// On other hosts.
    pub elsewhere: u64,
    /// Of other jobs.
    pub other_job: u64,
    /// Kept although a span of time is asked for, as no line tells their time.
    pub untimed: u64,
}

impl Table {
    /// The part of the table that is asked for, and what that leaves out.
    pub fn narrowed(&self, narrow: &Narrow) -> (Self, Dropped) {
        let mut dropped = Dropped::default();
        let other = |job: &String| narrow.job.as_ref().is_some_and(|asked| asked != job);
        let foreign: Vec<bool> = parts::owners(self).iter().map(|owner| owner.as_ref().is_some_and(other)).collect();
        let kept: Vec<bool> = self.rows.iter().map(|row| self.keeps(narrow, &foreign, row, &mut dropped)).collect();
        let lines: BTreeSet<(usize, u64)> =
            self.rows.iter().zip(&kept).filter(|(_, kept)| !**kept).map(|(row, _)| (row.source, row.line)).collect();
        let asked = Self { asked: narrow.job.clone(), ..self.clone() };
        let part = asked.only(None, |row| !lines.contains(&(row.source, row.line)), |source, _| !foreign[source]);
        (part, dropped)
    }

    /// The hosts that rows tell of.
    pub fn nodes(&self) -> BTreeSet<&str> {
        self.rows.iter().filter_map(Row::node).collect()
    }

    /// The jobs that rows or files tell of.
    pub fn jobs(&self) -> BTreeSet<String> {
        let rows = self.rows.iter().filter_map(|row| row.fields.get("job")).map(ToString::to_string);
        rows.chain(parts::owners(self).into_iter().flatten()).collect()
    }

    /// Whether a row is in what is asked for; `foreign` are the sources that another job printed.
    fn keeps(&self, narrow: &Narrow, foreign: &[bool], row: &Row, dropped: &mut Dropped) -> bool {
        if !row.parents.is_empty() {
            return true;
        }
        let told = row.fields.get("job").map(ToString::to_string);
        let other = narrow.job.is_some() && told.is_some() && told != narrow.job;
        let slot = if other || (told.is_none() && foreign[row.source]) {
            &mut dropped.other_job
        } else if !narrow.nodes.is_empty() && row.node().is_some_and(|node| !self.is_any_of(node, &narrow.nodes)) {
            &mut dropped.elsewhere
        } else {
            match self.outside(narrow, row) {
                Some(std::cmp::Ordering::Less) => &mut dropped.before,
                Some(_) => &mut dropped.after,
                None => {
                    if (narrow.since.is_some() || narrow.until.is_some()) && row.placed.is_none() {
                        dropped.untimed += row.count;
                    }
                    return true;
                }
            }
        };
        *slot += row.count;
        false
    }

    fn is_any_of(&self, node: &str, wanted: &[String]) -> bool {
        let is = |host: &String| wanted.iter().any(|name| name.eq_ignore_ascii_case(host) || self.host(name) == *host);
        match node.contains(['[', ',']).then(|| hostlist::expand(node, MOST_HOSTS).ok()).flatten() {
            Some(list) => list.iter().any(is),
            None => is(&node.to_owned()),
        }
    }

    /// Whether a row is over before the span begins, or begins after its end.
    fn outside(&self, narrow: &Narrow, row: &Row) -> Option<std::cmp::Ordering> {
        let at = row.placed?.micros;
        let last =
            at + row.last_at.zip(row.at).and_then(|(last, first)| last.since(first)).map_or(0, |s| (s * 1e6) as i64);
        let on_axis = |moment: Moment| self.on_axis(moment);
        if narrow.since.map(on_axis).is_some_and(|since| last < since) {
            return Some(std::cmp::Ordering::Less);
        }
        narrow.until.map(on_axis).is_some_and(|until| at > until).then_some(std::cmp::Ordering::Greater)
    }

    /// A moment on the axis that the rows are placed on.
    fn on_axis(&self, moment: Moment) -> i64 {
        let utc = |lane: &super::Lane| lane.clock == Clock::Utc || lane.settled == Settled::Boot;
        let only = |clock: Clock| self.clocks.iter().all(|lane| lane.clock == clock || lane.settled == Settled::Alone);
        if self.clocks.iter().any(utc) {
            moment.utc
        } else if only(Clock::Yearless) {
            without_year(moment.civil)
        } else if only(Clock::TimeOfDay) {
            moment.civil.rem_euclid(86_400 * SECOND)
        } else {
            moment.civil
        }
    }
}

/// The moment in the year 2000, where dates without a year are put.
fn without_year(micros: i64) -> i64 {
    let moved = || {
        let at = jiff::Timestamp::from_microsecond(micros).ok()?.to_zoned(TimeZone::UTC).datetime();
        Some(at.with().year(2000).build().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
    };
    moved().unwrap_or(micros)
}
