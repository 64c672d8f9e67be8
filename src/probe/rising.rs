//! Counters that only mean something by how fast they rise: a second look tells what one can't.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::reading::{Reading, Rule, Unit, Verdict};

/// What the counters of a node showed, and when.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// Seconds since the boot: no clock that is set moves it.
    #[serde(default)]
    at: f64,
    /// By what was counted and of what.
    #[serde(default)]
    counts: BTreeMap<String, f64>,
}

/// Counters of errors of a port: from how many in a minute on it is told. An InfiniBand link may have one symbol error in
/// some minutes (bit error rate of 1e-12, InfiniBand Architecture Specification 1.3, C6-1); it recovers from none.
const RATES: [(&str, f64); 5] = [
    ("counter.symbol_error", 60.0),
    ("counter.link_error_recovery", 1.0),
    ("counter.port_rcv_errors", 60.0),
    ("counter.local_link_integrity_errors", 1.0),
    ("counter.excessive_buffer_overrun_errors", 1.0),
];

/// Counts how often a link went down.
const DOWNED: &str = "counter.link_downed";

/// Looks closer than this, in seconds, tell nothing of a rate.
const LEAST: f64 = 1.0;

/// Most counters that are kept.
const MOST: usize = 4096;

impl Counters {
    /// Compares with the look before, adds what follows, and keeps this look. `now` is in seconds since the boot.
    pub fn compare(&mut self, now: f64, readings: &mut Vec<Reading>) {
        let ports = readings.iter().filter(|reading| reading.probe == "fabric" && reading.name.starts_with("counter."));
        let counts = ports.filter_map(|reading| Some((key(reading), reading.as_number()?))).take(MOST);
        let counts: BTreeMap<String, f64> = counts.collect();
        let passed = now - self.at;
        // A boot, or a counter that was reset, begins anew.
        if passed >= LEAST && !self.counts.is_empty() {
            let risen: Vec<Reading> = readings.iter().filter_map(|reading| self.risen(reading, passed)).collect();
            readings.extend(risen);
        }
        if !counts.is_empty() {
            *self = Self { at: now, counts };
        }
    }

    /// What the rise of one counter comes to.
    fn risen(&self, reading: &Reading, passed: f64) -> Option<Reading> {
        let more = reading.as_number()? - self.counts.get(&key(reading))?;
        let port = reading.of.get("port").filter(|_| more >= 0.0 && reading.probe == "fabric")?;
        let about = |name: &str| Reading::new("fabric", name).of("port", port).number(more, Unit::None);
        if reading.name == DOWNED {
            return Some(about("flaps").expect("0").judge_by(Rule::Earlier, more < 1.0, Verdict::Degraded, || {
                format!("its link went down {more} times in {}", span(passed))
            }));
        }
        let (name, most) = RATES.iter().find(|(name, _)| *name == reading.name)?;
        let name = name.trim_start_matches("counter.");
        let most = most * passed.max(60.0) / 60.0;
        let rising = about("errors.rising").of("counter", name).expect(format!("< {most}"));
        Some(rising.judge_by(Rule::Earlier, more < most, Verdict::Degraded, || {
            format!("{name} rose by {more} in {}: cable, transceiver or switch port", span(passed))
        }))
    }
}

fn key(reading: &Reading) -> String {
    let port = reading.of.get("port").map_or("", String::as_str);
    format!("{port} {}", reading.name)
}

fn span(seconds: f64) -> String {
    if seconds < 120.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(name: &str, count: u64) -> Vec<Reading> {
        vec![Reading::new("fabric", name).of("port", "mlx5_0/1").count(count, Unit::Total)]
    }

    fn second(name: &str, first: u64, then: u64, passed: f64) -> Vec<(String, Verdict)> {
        let mut counters = Counters::default();
        let mut readings = look(name, first);
        counters.compare(1000.0, &mut readings);
        assert_eq!(readings.len(), 1, "one look tells no rate");
        let mut readings = look(name, then);
        counters.compare(1000.0 + passed, &mut readings);
        readings[1..].iter().map(|reading| (reading.name.clone(), reading.verdict)).collect()
    }

    #[test]
    fn a_link_that_went_down_between_two_looks_flaps() {
        let told = |verdict| vec![("flaps".to_owned(), verdict)];
        assert_eq!(second(DOWNED, 3, 3, 60.0), told(Verdict::Ok));
        assert_eq!(second(DOWNED, 3, 5, 60.0), told(Verdict::Degraded));
    }

    #[test]
    fn errors_count_by_their_rate() {
        let told = |verdict| vec![("errors.rising".to_owned(), verdict)];
        assert_eq!(second("counter.symbol_error", 10, 40, 60.0), told(Verdict::Ok));
        assert_eq!(second("counter.symbol_error", 10, 400, 60.0), told(Verdict::Degraded));
        assert_eq!(second("counter.symbol_error", 10, 400, 3600.0), told(Verdict::Ok));
        assert_eq!(second("counter.port_xmit_wait", 0, 1_000_000, 60.0), [], "congestion is no error");
    }

    #[test]
    fn a_reset_or_another_boot_tells_nothing() {
        assert_eq!(second(DOWNED, 9, 0, 60.0), []);
        assert_eq!(second(DOWNED, 3, 5, -500.0), []);
        assert_eq!(second(DOWNED, 3, 5, 0.1), []);
    }
}
