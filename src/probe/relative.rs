//! GPUs of one node are alike: one that stands out is judged against the others.

use std::collections::BTreeMap;

use crate::reading::{Reading, Rule, Verdict};

/// A reading that must be the same for all GPUs, and what it means where one has less.
struct Alike {
    name: &'static str,
    verdict: Verdict,
    why: &'static str,
}

const RULES: [Alike; 5] = [
    Alike {
        name: "nvlink.active",
        verdict: Verdict::Bad,
        why: "fewer active NVLinks than the other GPUs of this node",
    },
    Alike {
        name: "power.limit",
        verdict: Verdict::Degraded,
        why: "a lower power limit than the other GPUs of this node",
    },
    Alike {
        name: "pcie.width",
        verdict: Verdict::Degraded,
        why: "fewer PCI Express lanes than the other GPUs of this node",
    },
    Alike { name: "memory.total", verdict: Verdict::Degraded, why: "less memory than the other GPUs of this node" },
    Alike { name: "clock.sm.max", verdict: Verdict::Degraded, why: "a lower clock than the other GPUs of this node" },
];

/// Judges the readings of GPUs against the most usual value of their node.
pub(super) fn judge(readings: &mut [Reading]) {
    for rule in &RULES {
        let Some(usual) = usual(readings.iter().filter(|reading| rule.speaks_of(reading))) else { continue };
        for reading in readings.iter_mut().filter(|reading| rule.speaks_of(reading)) {
            if reading.as_number().is_some_and(|value| value < usual) {
                *reading = reading
                    .clone()
                    .judge_by(Rule::Peers, false, rule.verdict, || format!("{} ({usual} is usual)", rule.why));
            }
        }
    }
}

impl Alike {
    fn speaks_of(&self, reading: &Reading) -> bool {
        reading.probe == "gpu" && reading.name == self.name
    }
}

/// The value that more than half have; none where there are fewer than three.
fn usual<'a>(readings: impl Iterator<Item = &'a Reading>) -> Option<f64> {
    let values: Vec<f64> = readings.filter_map(Reading::as_number).collect();
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    for value in &values {
        *counts.entry(value.to_bits()).or_default() += 1;
    }
    let (bits, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    (values.len() >= 3 && count * 2 > values.len()).then_some(f64::from_bits(bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Unit;

    fn links(counts: &[u64]) -> Vec<Verdict> {
        let one = |(index, count): (usize, &u64)| {
            Reading::new("gpu", "nvlink.active").of("index", index.to_string()).count(*count, Unit::None)
        };
        let mut readings: Vec<Reading> = counts.iter().enumerate().map(one).collect();
        judge(&mut readings);
        readings.into_iter().map(|reading| reading.verdict).collect()
    }

    #[test]
    fn the_one_that_stands_out_is_judged() {
        assert_eq!(links(&[18, 18, 17, 18]), [Verdict::Ok, Verdict::Ok, Verdict::Bad, Verdict::Ok]);
        assert_eq!(links(&[12, 12, 18, 12]), [Verdict::Ok; 4]);
    }

    #[test]
    fn two_halves_judge_nobody() {
        assert_eq!(links(&[18, 12]), [Verdict::Ok; 2]);
        assert_eq!(links(&[18, 18, 12, 12]), [Verdict::Ok; 4]);
    }
}
