//! Times as logs print them: with and without year, zone or date.

use jiff::civil::DateTime;
use serde::Serialize;

/// A time printed in a log, and how much of it was printed.
///
/// Two stamps compare only where [`Stamp::comparable`] says so: a year-less glog time and a full date
/// are different clocks until someone settles the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Stamp {
    /// Microseconds: since 1970 as if UTC for dates, since midnight for bare times, since boot for kernel times.
    pub micros: i64,
    /// What the microseconds count from.
    pub clock: Clock,
}

/// What a stamp counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// Date and time with a zone: micros are UTC.
    Utc,
    /// Date and time with no zone.
    Local,
    /// Month, day and time with no year (syslog, glog): micros are of the year 2000.
    Yearless,
    /// A time of day with no date.
    TimeOfDay,
    /// Seconds since boot.
    Monotonic,
}

const MICROS: i64 = 1_000_000;

impl Stamp {
    /// A date and time; `zone` is the offset east of UTC in seconds, where printed.
    pub fn date(date: DateTime, micros: i64, zone: Option<i64>) -> Option<Self> {
        let seconds = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
        let shift = zone.unwrap_or(0);
        let clock = if zone.is_some() { Clock::Utc } else { Clock::Local };
        Some(Self { micros: (seconds - shift) * MICROS + micros, clock })
    }

    /// Whether the difference of the two means something.
    pub fn comparable(self, other: Self) -> bool {
        self.clock == other.clock
            || matches!((self.clock, other.clock), (Clock::Utc, Clock::Local) | (Clock::Local, Clock::Utc))
    }

    /// Seconds from `other` to `self`, where they compare.
    pub fn since(self, other: Self) -> Option<f64> {
        self.comparable(other).then(|| (self.micros - other.micros) as f64 / MICROS as f64)
    }
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.micros.div_euclid(MICROS);
        let Ok(at) = jiff::Timestamp::from_second(seconds) else {
            return write!(f, "{seconds} s");
        };
        let at = at.to_zoned(jiff::tz::TimeZone::UTC).datetime();
        let millis = self.micros.rem_euclid(MICROS) / 1000;
        let time = at.time();
        match self.clock {
            Clock::Utc => write!(f, "{} {time}.{millis:03}Z", at.date()),
            Clock::Local => write!(f, "{} {time}.{millis:03}", at.date()),
            Clock::Yearless => write!(f, "{:02}-{:02} {time}.{millis:03}", at.month(), at.day()),
            Clock::TimeOfDay => write!(f, "{time}.{millis:03}"),
            Clock::Monotonic => write!(f, "+{}.{millis:03} s", seconds),
        }
    }
}
