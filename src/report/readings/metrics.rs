//! Readings as metrics in the text format of Prometheus (exposition format 0.0.4), for node_exporter's textfile collector.

use std::collections::BTreeMap;

use super::Look;
use crate::reading::{Quantity, Reading, Unit};

/// The readings as metrics: one of each numeric reading, and `diag_reading_verdict` of all.
pub fn render(look: &Look) -> Vec<u8> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for reading in &look.readings {
        verdict(reading, &mut families);
        value(reading, &mut families);
    }
    let mut out = String::new();
    for (name, family) in families {
        out.push_str(&format!("# HELP {name} {}\n# TYPE {name} {}\n", family.help, family.kind));
        family.samples.iter().for_each(|sample| out.push_str(sample));
    }
    out.into_bytes()
}

struct Family {
    help: String,
    kind: &'static str,
    samples: Vec<String>,
}

fn add(
    families: &mut BTreeMap<String, Family>,
    name: &str,
    help: String,
    kind: &'static str,
    labels: &[(&str, &str)],
    value: f64,
) {
    let family = families.entry(name.to_owned()).or_insert_with(|| Family { help, kind, samples: Vec::new() });
    let labels: Vec<String> =
        labels.iter().map(|(key, value)| format!("{}=\"{}\"", word(key), escaped(value))).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    let sample = format!("{name}{labels} {value}\n");
    // Two samples of one name and the same labels would make the whole file invalid.
    let key = format!("{name}{labels} ");
    if !family.samples.iter().any(|other| other.starts_with(&key)) {
        family.samples.push(sample);
    }
}

/// 0 ok, 1 cannot-run, 2 unknown, 3 degraded, 4 bad.
fn verdict(reading: &Reading, families: &mut BTreeMap<String, Family>) {
    let kind = format!("{}.{}", reading.probe, reading.name);
    let mut labels = vec![("reading", kind.as_str())];
    labels.extend(named(reading));
    let help = "What a reading comes to: 0 ok, 1 cannot-run, 2 unknown, 3 degraded, 4 bad.".to_owned();
    add(families, "diag_reading_verdict", help, "gauge", &labels, f64::from(reading.verdict as u8));
}

fn value(reading: &Reading, families: &mut BTreeMap<String, Family>) {
    let number = match reading.value {
        Some(Quantity::Number(number)) => number,
        Some(Quantity::Flag(flag)) => f64::from(u8::from(flag)),
        Some(Quantity::Text(_)) | None => return,
    };
    let (suffix, kind) = suffix(reading.unit);
    let stem = word(&reading.name);
    let name = format!("diag_{}_{}{suffix}", word(&reading.probe), stem.strip_suffix(suffix).unwrap_or(&stem));
    let labels: Vec<(&str, &str)> = named(reading).collect();
    add(families, &name, format!("Reading {}.{} of diag.", reading.probe, reading.name), kind, &labels, number);
}

/// Labels: what was read. Lists that change from look to look would make a new series each time.
fn named(reading: &Reading) -> impl Iterator<Item = (&str, &str)> {
    let fixed = |what: &&str| !["pids", "names", "inactive"].contains(what);
    reading.of.iter().map(|(what, which)| (what.as_str(), which.as_str())).filter(move |(what, _)| fixed(what))
}

/// The suffix that Prometheus's conventions ask for.
fn suffix(unit: Unit) -> (&'static str, &'static str) {
    match unit {
        Unit::None => ("", "gauge"),
        Unit::Celsius => ("_celsius", "gauge"),
        Unit::Watts => ("_watts", "gauge"),
        Unit::Bytes => ("_bytes", "gauge"),
        Unit::BitsPerSecond => ("_bits_per_second", "gauge"),
        Unit::TransfersPerSecond => ("_transfers_per_second", "gauge"),
        Unit::Hertz => ("_hertz", "gauge"),
        Unit::Seconds => ("_seconds", "gauge"),
        Unit::Ratio => ("_ratio", "gauge"),
        Unit::Total => ("_total", "counter"),
    }
}

/// A name of letters, digits and underscores.
fn word(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Verdict;

    #[test]
    fn names_follow_the_conventions() {
        let readings = vec![
            Reading::new("gpu", "temperature").of("gpu", "0000:1b:00.0").number(34.0, Unit::Celsius),
            Reading::new("gpu", "ecc.dram.uncorrected.volatile")
                .of("gpu", "0000:1b:00.0")
                .count(2, Unit::Total)
                .found(Verdict::Bad, "x"),
            Reading::new("leftovers", "shm.bytes").number(4096.0, Unit::Bytes),
            Reading::new("mounts", "answers").of("mount", "/a \"b\"").flag(true),
        ];
        let text = String::from_utf8(render(&Look::new("gpu-17", "", 0, readings))).unwrap();
        assert!(text.contains(
            "# TYPE diag_gpu_temperature_celsius gauge\ndiag_gpu_temperature_celsius{gpu=\"0000:1b:00.0\"} 34\n"
        ));
        assert!(text.contains("# TYPE diag_gpu_ecc_dram_uncorrected_volatile_total counter\n"), "{text}");
        assert!(
            text.contains(
                "diag_reading_verdict{reading=\"gpu.ecc.dram.uncorrected.volatile\",gpu=\"0000:1b:00.0\"} 4\n"
            )
        );
        assert!(text.contains("diag_leftovers_shm_bytes 4096\n"), "{text}");
        assert!(text.contains("diag_mounts_answers{mount=\"/a \\\"b\\\"\"} 1\n"));
    }
}
