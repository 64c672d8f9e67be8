//! The axis on which moments stand: time, or the order of lines where the lines tell no common time.

use super::{Lane, Moment, words};

/// What the horizontal axis shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Axis {
    /// Microseconds from the start; else lines.
    pub(crate) timed: bool,
    /// What places are counted from.
    origin: i64,
    first: i64,
    last: i64,
}

impl Axis {
    /// Time, where most moments tell it; else the order of lines.
    pub(crate) fn of(lanes: &[Lane]) -> Self {
        let moments = || lanes.iter().flat_map(|lane| &lane.moments);
        let timed = moments().filter(|moment| moment.micros.is_some()).count();
        let own = moments().any(|moment| moment.micros.is_some() && !moment.about);
        let mut axis = Self { timed: own && timed * 2 > moments().count(), origin: 0, first: 0, last: 0 };
        let places: Vec<i64> = moments().filter_map(|moment| axis.value(moment)).collect();
        axis.first = places.iter().min().copied().unwrap_or(0);
        axis.last = places.iter().max().copied().unwrap_or(0);
        axis.origin = axis.first;
        axis
    }

    /// A part of it, from one share to another.
    #[cfg(feature = "triage")]
    pub(crate) fn part(self, from: f64, to: f64) -> Self {
        let span = (self.last - self.first) as f64;
        let at = |share: f64| self.first + (span * share) as i64;
        Self { first: at(from), last: at(to), ..self }
    }

    fn value(&self, moment: &Moment) -> Option<i64> {
        if self.timed { moment.micros } else { i64::try_from(moment.line).ok() }
    }

    /// Where a moment stands, from 0 to 1 of what is shown; outside of that where it is not shown.
    pub(crate) fn share(&self, moment: &Moment) -> Option<f64> {
        let value = self.value(moment)?;
        let span = (self.last - self.first) as f64;
        Some(if span > 0.0 { (value - self.first) as f64 / span } else { 0.5 })
    }

    /// Marks of the axis: at which share, and what stands there; about so many.
    pub(crate) fn ticks(&self, wanted: f64) -> Vec<(f64, String)> {
        let span = (self.last - self.first) as f64;
        if span <= 0.0 {
            return Vec::new();
        }
        let scale = if self.timed { 1e6 } else { 1.0 };
        // Of time, what has passed since the start; of lines, their numbers.
        let begins = if self.timed { (self.first - self.origin) as f64 } else { self.first as f64 } / scale;
        let unit = span / scale;
        let step = step(unit / wanted, self.timed);
        let from = (begins / step).ceil() * step;
        let count = ((begins + unit - from) / step).floor().max(0.0) as usize;
        let name = |value: f64| match self.timed {
            true if value == 0.0 => "start".to_owned(),
            true => words::offset(value),
            false => format!("line {}", value as i64),
        };
        (0..=count).map(|n| from + n as f64 * step).map(|value| ((value - begins) / unit, name(value))).collect()
    }
}

/// A round distance between marks, at least as wide as wanted.
fn step(wanted: f64, timed: bool) -> f64 {
    let clock = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0];
    let round = clock.into_iter().find(|step| *step >= wanted).filter(|_| timed);
    let power = 10f64.powf(wanted.log10().floor());
    let decimal = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= wanted);
    round.or(decimal).unwrap_or(1.0).max(if timed { 0.1 } else { 1.0 })
}
