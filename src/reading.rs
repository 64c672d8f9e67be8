//! What a probe reads of a node: a value with its unit, what was expected, and a verdict.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One value of one thing, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The probe that read it, for example `gpu`.
    pub probe: String,
    /// What was read, for example `ecc.dram.uncorrected`.
    pub name: String,
    /// What it was read of: `gpu`, `index`, `uuid`, `port`, `mount`, …; empty for the node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub of: BTreeMap<String, String>,
    /// The value, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Quantity>,
    /// Of a number.
    #[serde(default, skip_serializing_if = "Unit::is_none")]
    pub unit: Unit,
    /// What would have been well, in words (`0`, `>= 16`, `Completed`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What it comes to.
    pub verdict: Verdict,
    /// Why it is not ok, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Which rule gave the verdict, where it is no fixed bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
}

/// What a reading was judged against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// What the device itself says that it can do.
    Maximum,
    /// The golden profile.
    Profile,
    /// The others of its kind on the same node.
    Peers,
    /// What was read of it the last time.
    Earlier,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Quantity {
    /// Yes or no.
    Flag(bool),
    /// In the reading's unit.
    Number(f64),
    /// A name or a state.
    Text(String),
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Unit of a number: base units, as Prometheus asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Text, flags, and counts of things that have a name.
    #[default]
    None,
    /// Degrees Celsius.
    Celsius,
    /// Watts.
    Watts,
    /// Bytes.
    Bytes,
    /// Bits per second.
    BitsPerSecond,
    /// Transfers per second of a PCI Express lane.
    TransfersPerSecond,
    /// Hertz.
    Hertz,
    /// Seconds.
    Seconds,
    /// Zero to one.
    Ratio,
    /// Events since a counter was last reset.
    Total,
}

impl Unit {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// What a reading comes to. The order is that of urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As expected, or nothing is expected of it.
    Ok,
    /// It could not be read here: no such device, no right, no such tool. Says nothing of the node's health.
    CannotRun,
    /// It should have been there to read, and did not answer in time or not with sense. Never ok, never bad.
    Unknown,
    /// Works, with less than it should or not for long.
    Degraded,
    /// A job must not run on it.
    Bad,
}

impl Verdict {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::CannotRun => "cannot-run",
            Self::Unknown => "unknown",
            Self::Degraded => "degraded",
            Self::Bad => "bad",
        }
    }
}

impl Reading {
    /// A reading without a value yet, taken to be ok.
    pub fn new(probe: &str, name: &str) -> Self {
        Self {
            probe: probe.to_owned(),
            name: name.to_owned(),
            of: BTreeMap::new(),
            value: None,
            unit: Unit::None,
            expected: None,
            verdict: Verdict::Ok,
            why: None,
            rule: None,
        }
    }

    /// Says what it was read of.
    #[must_use]
    pub fn of(mut self, what: &str, which: impl Into<String>) -> Self {
        self.of.insert(what.to_owned(), which.into());
        self
    }

    /// Sets a number.
    #[must_use]
    pub fn number(mut self, value: f64, unit: Unit) -> Self {
        self.value = Some(Quantity::Number(value));
        self.unit = unit;
        self
    }

    /// Sets a count.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "counts beyond 2^53 are told as well by their neighbour")]
    pub fn count(self, value: u64, unit: Unit) -> Self {
        self.number(value as f64, unit)
    }

    /// Sets a name or a state.
    #[must_use]
    pub fn text(mut self, value: impl Into<String>) -> Self {
        self.value = Some(Quantity::Text(value.into()));
        self
    }

    /// Sets yes or no.
    #[must_use]
    pub fn flag(mut self, value: bool) -> Self {
        self.value = Some(Quantity::Flag(value));
        self
    }

    /// Says what would be well.
    #[must_use]
    pub fn expect(mut self, what: impl Into<String>) -> Self {
        self.expected = Some(what.into());
        self
    }

    /// Judges: where it does not hold, the verdict is at least `otherwise`, for that reason.
    #[must_use]
    pub fn judge(self, holds: bool, otherwise: Verdict, why: impl FnOnce() -> String) -> Self {
        if holds { self } else { self.found(otherwise, why()) }
    }

    /// Judges by a rule that is no fixed bound.
    #[must_use]
    pub fn judge_by(self, rule: Rule, holds: bool, otherwise: Verdict, why: impl FnOnce() -> String) -> Self {
        if holds || otherwise <= self.verdict {
            return self;
        }
        Self { rule: Some(rule), ..self.found(otherwise, why()) }
    }

    /// Gives a verdict with its reason; a more urgent one stays.
    #[must_use]
    pub fn found(mut self, verdict: Verdict, why: impl Into<String>) -> Self {
        if verdict > self.verdict {
            self.verdict = verdict;
            self.why = Some(why.into());
            self.rule = None;
        }
        self
    }

    /// The value, where it is a number.
    pub fn as_number(&self) -> Option<f64> {
        match self.value {
            Some(Quantity::Number(number)) => Some(number),
            _ => None,
        }
    }

    /// `probe.name`, as a kind of evidence.
    pub fn kind(&self) -> String {
        format!("probe.{}.{}", self.probe, self.name)
    }
}

/// The most urgent verdict of some readings; ok where there are none.
pub fn worst<'a>(readings: impl IntoIterator<Item = &'a Reading>) -> Verdict {
    readings.into_iter().map(|reading| reading.verdict).max().unwrap_or(Verdict::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_verdict_stays() {
        let reading = Reading::new("gpu", "temperature").of("index", "3").number(91.0, Unit::Celsius);
        let reading =
            reading.judge(false, Verdict::Bad, || "hot".into()).judge(false, Verdict::Degraded, || "warm".into());
        assert_eq!((reading.verdict, reading.why.as_deref()), (Verdict::Bad, Some("hot")));
        assert_eq!(worst([&reading, &Reading::new("gpu", "power")]), Verdict::Bad);
        let kept = reading.clone().judge_by(Rule::Peers, false, Verdict::Degraded, || "x".into());
        assert_eq!((kept.rule, reading.rule), (None, None), "the rule is that of the verdict");
        let slow = Reading::new("gpu", "clock").judge_by(Rule::Peers, false, Verdict::Degraded, || "slow".into());
        assert_eq!((slow.rule, slow.found(Verdict::Bad, "lost").rule), (Some(Rule::Peers), None));
        assert_eq!(worst([]), Verdict::Ok);
    }

    #[test]
    fn a_reading_survives_the_way_through_json() {
        let reading = Reading::new("fabric", "rate").of("port", "mlx5_0/1").number(4e11, Unit::BitsPerSecond);
        let text = serde_json::to_string(&reading).unwrap();
        assert_eq!(serde_json::from_str::<Reading>(&text).unwrap(), reading);
        assert!(text.contains(r#""unit":"bits_per_second","verdict":"ok""#), "{text}");
    }
}
