//! Readings for a terminal: what is wrong first, what is well in a line.

use super::Look;
use crate::reading::{Quantity, Reading, Unit, Verdict};
use crate::report::text::{Paper, Span, Tone};

/// Columns of the verdict at the left.
const GUTTER: usize = 12;

/// The readings as text; all of them where `verbose`.
pub fn render(look: &Look, width: usize, colour: bool, verbose: bool) -> Vec<u8> {
    let mut paper = Paper::new(width, colour);
    let lead = [Span::new(look.verdict.word().to_uppercase(), tone(look.verdict))];
    paper.flow(&lead, GUTTER, &[Span::new(headline(look), Tone::Strong)]);
    let mut told: Vec<&Reading> = look.readings.iter().filter(|reading| reading.verdict != Verdict::Ok).collect();
    told.sort_by_key(|reading| std::cmp::Reverse(reading.verdict));
    if !told.is_empty() {
        paper.blank();
    }
    told.into_iter().for_each(|reading| trouble(&mut paper, reading));
    paper.blank();
    if verbose {
        let ok = look.readings.iter().filter(|reading| reading.verdict == Verdict::Ok);
        ok.for_each(|reading| well(&mut paper, reading));
    } else {
        paper.flow(&[Span::new("ok", Tone::Good)], GUTTER, &[Span::new(summary(look), Tone::Faint)]);
    }
    paper.finish().into_bytes()
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Ok => Tone::Good,
        Verdict::Bad => Tone::Bad,
        Verdict::Degraded | Verdict::Unknown => Tone::Unsure,
        Verdict::CannotRun => Tone::Faint,
    }
}

fn headline(look: &Look) -> String {
    let count = |verdict| look.readings.iter().filter(|reading| reading.verdict == verdict).count();
    let parts = [Verdict::Bad, Verdict::Degraded, Verdict::Unknown, Verdict::CannotRun, Verdict::Ok];
    let parts = parts.iter().map(|verdict| (count(*verdict), verdict)).filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, verdict)| format!("{count} {}", verdict.word())).collect();
    let parts = if parts.is_empty() { "nothing was read".to_owned() } else { parts.join(", ") };
    format!("{}: {parts} ({} ms)", look.node, look.elapsed_ms)
}

fn trouble(paper: &mut Paper, reading: &Reading) {
    let mut spans = vec![Span::new(kind(reading), Tone::Strong)];
    let of = whose(reading);
    if !of.is_empty() {
        spans.push(Span::plain(format!(" {of}")));
    }
    if let Some(value) = &reading.value {
        spans.push(Span::plain(format!(" = {}", shown(value, reading.unit))));
        if let Some(expected) = &reading.expected {
            spans.push(Span::new(format!(" (expected {expected})"), Tone::Faint));
        }
    }
    paper.flow(&[Span::new(reading.verdict.word(), tone(reading.verdict))], GUTTER, &spans);
    if let Some(why) = &reading.why {
        paper.flow(&[], GUTTER, &[Span::plain(why)]);
    }
}

fn well(paper: &mut Paper, reading: &Reading) {
    let value = reading.value.as_ref().map(|value| shown(value, reading.unit)).unwrap_or_default();
    let of = whose(reading);
    let gap = if of.is_empty() { "" } else { " " };
    paper.flow(&[Span::new("ok", Tone::Good)], GUTTER, &[Span::plain(format!("{}{gap}{of} = {value}", kind(reading)))]);
}

fn kind(reading: &Reading) -> String {
    format!("{}.{}", reading.probe, reading.name)
}

/// What it was read of, the short names of things only.
fn whose(reading: &Reading) -> String {
    let index = reading.of.get("index").map(|index| format!("GPU {index}"));
    let rest = reading.of.iter().filter(|(what, _)| !["index", "uuid"].contains(&what.as_str()));
    let rest = rest.map(|(what, which)| match what.as_str() {
        "gpu" | "port" | "mount" | "subject" | "service" | "adapter" | "drive" => which.clone(),
        what => format!("{what} {which}"),
    });
    index.into_iter().chain(rest).collect::<Vec<_>>().join(" ")
}

/// How many readings of each probe are well.
fn summary(look: &Look) -> String {
    let mut probes: Vec<(&str, usize)> = Vec::new();
    for reading in look.readings.iter().filter(|reading| reading.verdict == Verdict::Ok) {
        match probes.iter_mut().find(|(probe, _)| *probe == reading.probe) {
            Some((_, count)) => *count += 1,
            None => probes.push((&reading.probe, 1)),
        }
    }
    let parts: Vec<String> = probes.iter().map(|(probe, count)| format!("{probe} {count}")).collect();
    if parts.is_empty() { "nothing".to_owned() } else { format!("{} (all with -v)", parts.join(", ")) }
}

/// A value as people write it.
fn shown(value: &Quantity, unit: Unit) -> String {
    let Quantity::Number(number) = value else { return value.to_string() };
    match unit {
        Unit::None | Unit::Total => format!("{number}"),
        Unit::Celsius => format!("{number} °C"),
        Unit::Watts => format!("{number} W"),
        Unit::Bytes => bytes(*number),
        Unit::BitsPerSecond => format!("{} Gb/s", number / 1e9),
        Unit::TransfersPerSecond => format!("{} GT/s", number / 1e9),
        Unit::Hertz => format!("{} MHz", number / 1e6),
        Unit::Seconds => format!("{number:.6} s"),
        Unit::Ratio => format!("{:.0} %", number * 100.0),
    }
}

fn bytes(number: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = number;
    let mut at = 0;
    while value >= 1024.0 && at + 1 < units.len() {
        value /= 1024.0;
        at += 1;
    }
    if at == 0 { format!("{value} B") } else { format!("{value:.1} {}", units[at]) }
}
