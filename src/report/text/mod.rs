//! The report for a terminal: the verdict first, then why, who, what proves it, and what to do. Fits a screen.

mod beside;
pub mod manual;
mod paper;
mod sections;

use super::{Outcome, Report, words};
pub(crate) use paper::{Paper, Span, Tone};

/// How the text report looks.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Columns; no line is wider.
    pub width: usize,
    /// Whether to colour it.
    pub colour: bool,
    /// All cited lines whole, all fixes, all findings in full.
    pub verbose: bool,
    /// The report alone, no notes on the reading.
    pub quiet: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self { width: 100, colour: false, verbose: false, quiet: false }
    }
}

/// Columns of the labels at the left.
const GUTTER: usize = 9;

/// The report as text.
pub fn render(report: &Report, look: Look) -> Vec<u8> {
    told(report, look).finish().into_bytes()
}

/// The same line by line, for a screen.
#[cfg(feature = "triage")]
pub(crate) fn lines(report: &Report, look: Look) -> Vec<Vec<Span>> {
    told(report, look).lines()
}

/// One finding by itself, with all that is known of it; `number`: its place in the report, from 0.
#[cfg(feature = "triage")]
pub(crate) fn finding(report: &Report, number: usize, look: Look) -> Vec<Vec<Span>> {
    let mut paper = Paper::new(look.width, look.colour);
    if let Some(finding) = report.findings.get(number) {
        sections::Teller { report, look, paper: &mut paper }.alone(finding);
    }
    paper.lines()
}

fn told(report: &Report, look: Look) -> Paper {
    let mut paper = Paper::new(look.width, look.colour);
    let mut teller = sections::Teller { report, look, paper: &mut paper };
    match report.outcome {
        Outcome::Healthy => teller.healthy(),
        Outcome::Diagnosed => teller.diagnosed(),
        Outcome::Undetermined => teller.undetermined(),
    }
    teller.beside();
    paper
}

/// Text in which the ids of cited lines (`[E1, E2]`) stand out.
fn cited(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("[E") {
        spans.push(Span::plain(before));
        let Some((ids, after)) = behind.split_once(']') else { break };
        spans.push(Span::new(format!("[E{ids}]"), Tone::Cite));
        rest = after;
    }
    spans.push(Span::plain(rest));
    spans
}

/// How the verdict looks.
pub(crate) fn tone(report: &Report) -> Tone {
    match words::verdict(report) {
        "HEALTHY" => Tone::Good,
        "CONFIRMED" => Tone::Bad,
        "LIKELY" => Tone::Bad,
        _ => Tone::Unsure,
    }
}
