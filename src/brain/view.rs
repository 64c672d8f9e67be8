//! What a model gets to see: the report and its lines, masked, without what acts, bounded, between marks that no log knows.

use serde_json::{Value, json};

use super::consult::Case;
use super::pick::Choice;
use crate::quote::Quote;
use crate::report::{Evidence, Report, SiteNote};

/// Most lines, and bytes of them all.
const LINES: usize = 60;
const BYTES: usize = 24 << 10;

/// Most characters of a line, and of a sentence of ours.
const LINE: usize = 300;
const SENTENCE: usize = 600;

/// A view, and what an answer may refer to.
#[derive(Debug)]
pub struct View {
    quote: Quote,
    bytes: usize,
    /// Lines by id.
    lines: Vec<Evidence>,
    /// What the report proposes, in its words: `m1`, `m2`, …
    moves: Vec<String>,
    /// Words of the report itself, which a sentence may repeat.
    words: String,
}

impl View {
    /// A view of nothing yet; `mark` is drawn anew each time.
    ///
    /// # Errors
    /// Where the masker can't be made, which a test rules out.
    pub fn new(mark: u64) -> Result<Self, String> {
        Ok(Self { quote: Quote::new(mark)?, bytes: 0, lines: Vec::new(), moves: Vec::new(), words: String::new() })
    }

    /// The report as a message, with the moves that it proposes.
    pub(super) fn report(&mut self, report: &Report, notes: &[SiteNote]) -> String {
        self.moves = moves(report);
        let moves = self.moves.iter().enumerate();
        let moves: Vec<Value> =
            moves.map(|(at, what)| json!({"id": format!("m{}", at + 1), "what": self.clean(what, LINE)})).collect();
        let mut value = self.findings(report, notes);
        value["moves"] = moves.into();
        self.marked(&value)
    }

    /// The report as a message, with what came of the work since and what may be picked.
    pub(super) fn choice(&mut self, case: &Case<'_>, choice: &Choice<'_>) -> String {
        // Before the report, which may take all the room that there is.
        let facts: Vec<Value> = choice.facts.iter().filter_map(|line| self.line(line)).collect();
        let mut value = self.findings(case.report, case.notes);
        let offers = choice.offers.iter().enumerate();
        let offers: Vec<Value> = offers
            .map(|(at, offer)| {
                let what = self.clean(&offer.what, LINE);
                json!({"id": format!("o{}", at + 1), "what": what, "range": offer.range})
            })
            .collect();
        value["work"] = facts.into();
        value["question"] = self.clean(choice.about, SENTENCE).into();
        value["offers"] = offers.into();
        value["most"] = choice.most.into();
        self.marked(&value)
    }

    fn findings(&mut self, report: &Report, notes: &[SiteNote]) -> Value {
        let cited = report.cited();
        let lines: Vec<Value> = cited.into_iter().filter_map(|line| self.line(line)).collect();
        let findings: Vec<Value> = report
            .findings
            .iter()
            .take(8)
            .map(|finding| {
                let culprit = serde_json::to_string(&finding.culprit).unwrap_or_default();
                json!({
                    "cause": finding.cause, "title": self.clean(&finding.title, SENTENCE),
                    "confidence": finding.confidence, "culprit": self.clean(&culprit, SENTENCE),
                    "explanation": self.clean(&finding.explanation, SENTENCE),
                    "lines": finding.evidence.iter().map(|line| line.id.as_str()).collect::<Vec<_>>(),
                })
            })
            .collect();
        let notes: Vec<Value> = notes.iter().map(|note| json!(self.clean(&note.lines.join("\n"), 4096))).collect();
        let headline = self.clean(&report.headline, SENTENCE);
        self.words = format!("{headline} {}", Value::from(findings.clone()));
        json!({
            "outcome": report.outcome, "headline": headline, "findings": findings, "lines": lines, "site_notes": notes,
        })
    }

    /// Further lines as a message.
    pub(super) fn more(&mut self, lines: &[Evidence]) -> String {
        let lines: Vec<Value> = lines.iter().filter_map(|line| self.line(line)).collect();
        self.marked(&json!({"lines": lines}))
    }

    /// What a person typed, as data.
    pub(super) fn sentence(&self, sentence: &str, about: Value) -> String {
        self.marked(&json!({"sentence": self.clean(sentence, SENTENCE), "choices": about}))
    }

    fn line(&mut self, line: &Evidence) -> Option<Value> {
        let text = self.clean(around(line), LINE);
        if self.lines.len() >= LINES || self.bytes + text.len() > BYTES {
            return None;
        }
        self.bytes += text.len();
        self.lines.push(line.clone());
        let node = line.node.as_deref().map(|node| self.clean(node, 80));
        Some(json!({
            "id": line.id, "source": self.clean(&line.source, 120), "line": line.line, "node": node, "rank": line.rank,
            "kind": line.kind, "count": line.count, "text": text,
        }))
    }

    fn clean(&self, text: &str, most: usize) -> String {
        self.quote.clean(text, most)
    }

    fn marked(&self, value: &Value) -> String {
        self.quote.marked(value)
    }

    /// The mark.
    pub(super) fn mark(&self) -> &str {
        self.quote.mark()
    }

    /// The lines that an answer may cite.
    pub(super) fn lines(&self) -> &[Evidence] {
        &self.lines
    }

    /// A move that the report proposes.
    pub(super) fn proposed(&self, id: &str) -> Option<&String> {
        let at: usize = id.strip_prefix('m')?.parse().ok()?;
        self.moves.get(at.checked_sub(1)?)
    }

    /// Words of the report.
    pub(super) fn words(&self) -> &str {
        &self.words
    }
}

/// The part of a long line that decides.
fn around(line: &Evidence) -> &str {
    let from = line.focus.start.saturating_sub(LINE / 3);
    let from = (from..=line.text.len()).find(|at| line.text.is_char_boundary(*at)).unwrap_or(0);
    if line.text.chars().count() > LINE { &line.text[from..] } else { &line.text }
}

/// What the report proposes: tests and fixes of the first finding, and what to collect.
fn moves(report: &Report) -> Vec<String> {
    const MOST: usize = 12;
    let first = report.findings.first();
    let tests = first.into_iter().flat_map(|first| &first.tests).map(|test| format!("test: {}", test.title));
    let fixes =
        first.into_iter().flat_map(|first| &first.fixes).map(|fix| format!("fix: {} ({})", fix.title, fix.risk));
    let own = first.map(|first| first.ask.as_slice()).unwrap_or_default();
    let asks = report.ask.iter().chain(own).map(|ask| match ask.command.as_str() {
        "" => format!("collect: {}", ask.what),
        command => format!("collect: {} ({command})", ask.what),
    });
    let mut moves: Vec<String> = Vec::new();
    for one in tests.chain(fixes).chain(asks) {
        if !moves.contains(&one) && moves.len() < MOST {
            moves.push(one);
        }
    }
    moves
}
