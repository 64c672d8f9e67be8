//! The sections of the text report, each a label in the gutter and what stands beside it.

use super::paper::{self, Paper, Span, Tone};
use super::{GUTTER, Look, cited, tone};
use crate::report::{Ask, Evidence, Finding, Fix, Report, words};

/// Most cited lines, fixes, links of the chain without `-v`.
const FEW: usize = 4;

/// The playbook that names no cause.
const NO_CAUSE: &str = "undetermined";

/// Writes the report on a paper.
pub(super) struct Teller<'a> {
    pub(super) report: &'a Report,
    pub(super) look: Look,
    pub(super) paper: &'a mut Paper,
}

impl Teller<'_> {
    /// Two lines: nothing wrong, and how far the run came.
    pub(super) fn healthy(&mut self) {
        self.verdict();
        let job = &self.report.job;
        let mut said = Vec::new();
        said.extend(job.last_step.map(|step| format!("Last step {step}")));
        if job.survived > 0 {
            said.push(format!("it went on after {}", words::count(job.survived, "complaint")));
        }
        said.push(format!("read {}", words::read(self.report)));
        let text = words::capital(&said.join("; "));
        self.paper.flow(&[], GUTTER, &[Span::new(text + ".", Tone::Faint)]);
        self.parts();
        self.context();
        self.notes();
    }

    /// The cause, then all that belongs to it.
    pub(super) fn diagnosed(&mut self) {
        self.verdict();
        for (at, finding) in self.report.findings.iter().enumerate() {
            if at == 0 {
                self.finding(finding);
                self.next(finding);
            } else if self.look.verbose {
                self.paper.blank();
                self.also(finding, "Also");
                self.finding(finding);
                self.next(finding);
            }
        }
        self.paper.blank();
        if !self.look.verbose {
            self.report.findings.iter().skip(1).for_each(|finding| self.also(finding, "Also"));
        }
        self.open("not explained by this");
        self.close();
    }

    /// What failed, what it can be, and what would decide.
    pub(super) fn undetermined(&mut self) {
        self.verdict();
        self.paper.blank();
        if let Some(first) = self.report.findings.first() {
            self.why(first);
            self.chain(first);
            self.proof(first);
        }
        self.open("without a known cause");
        let possible: Vec<&Finding> = self.report.findings.iter().filter(|f| f.cause != NO_CAUSE).collect();
        self.paper.blank();
        possible.iter().for_each(|finding| self.also(finding, "Can be"));
        self.collect(&self.report.ask);
        self.close();
    }

    /// A finding by itself: what it is and how sure, all that belongs to it, and what would make it surer.
    #[cfg(feature = "triage")]
    pub(super) fn alone(&mut self, finding: &Finding) {
        let lead = [Span::new(words::confidence(finding.confidence).to_uppercase(), Tone::Strong), Span::plain("  ")];
        let title = format!("{} [{}]", finding.title, finding.cause);
        self.paper.flow(&lead, GUTTER, &[Span::new(title, Tone::Strong)]);
        self.finding(finding);
        self.paper.blank();
        for (at, consequence) in finding.consequences.iter().enumerate() {
            let events = format!(" ({})", words::count(consequence.events, "line"));
            let spans = [Span::plain(&consequence.title), Span::new(events, Tone::Faint)];
            self.labelled(if at == 0 { "Explains" } else { "" }, &spans);
        }
        for (at, test) in finding.tests.iter().enumerate() {
            let risk = format!(" ({})", words::risk(&test.risk));
            self.labelled(
                if at == 0 { "Tests" } else { "" },
                &[Span::plain(&test.title), Span::new(risk, Tone::Faint)],
            );
        }
        self.collect(&finding.ask);
        for (at, reference) in finding.references.iter().enumerate() {
            self.labelled(if at == 0 { "Read" } else { "" }, &[Span::new(reference, Tone::Faint)]);
        }
    }

    fn verdict(&mut self) {
        let word = words::verdict(self.report);
        let lead = [Span::new(word, tone(self.report)), Span::plain("  ")];
        self.paper.flow(&lead, GUTTER, &[Span::new(&self.report.headline, Tone::Strong)]);
    }

    fn finding(&mut self, finding: &Finding) {
        self.paper.blank();
        self.why(finding);
        self.chain(finding);
        self.culprit(finding);
        self.outside(finding);
        self.paper.blank();
        self.proof(finding);
        self.paper.blank();
        self.fixes(finding);
    }

    /// That the cause is none of those that the symptom, as it was named, is about.
    fn outside(&mut self, finding: &Finding) {
        if finding.outside && finding.cause != NO_CAUSE {
            let said = "The symptom that was named is about other causes; this is what the evidence shows.";
            self.labelled("Note", &[Span::plain(said)]);
        }
    }

    fn why(&mut self, finding: &Finding) {
        self.labelled("Why", &cited(&finding.explanation));
    }

    fn labelled(&mut self, label: &str, spans: &[Span]) {
        self.paper.flow(&[Span::new(label, Tone::Strong)], GUTTER, spans);
    }

    /// One line a link: when, on whom, what.
    fn chain(&mut self, finding: &Finding) {
        let links = &finding.chain;
        if links.len() < 2 {
            return;
        }
        let shown = if self.look.verbose { links.len() } else { links.len().min(FEW + 1) };
        let rows: Vec<(String, String)> =
            links[..shown].iter().map(|link| (words::when(link), words::whom(link, self.report))).collect();
        let wide = |texts: Vec<usize>| texts.into_iter().max().unwrap_or(0);
        let when = wide(rows.iter().map(|(when, _)| Span::plain(when).width()).collect()).min(14);
        let whom = wide(rows.iter().map(|(_, whom)| Span::plain(whom).width()).collect()).min(24);
        for (at, (link, row)) in links.iter().zip(&rows).enumerate() {
            let label = if at == 0 { "Chain" } else { "" };
            let lead = [
                Span::new(format!("{label:<GUTTER$}"), Tone::Strong),
                Span::new(format!("{:>when$}  ", row.0), Tone::Faint),
                Span::plain(if whom == 0 { String::new() } else { format!("{:<whom$}  ", row.1) }),
            ];
            let hang = if self.paper.width() < 64 { GUTTER + 2 } else { 0 };
            let indent = if hang > 0 { hang } else { GUTTER + when + 2 + if whom == 0 { 0 } else { whom + 2 } };
            let tone = if at == 0 { Tone::Strong } else { Tone::Plain };
            let mut spans = vec![Span::new(words::happened(link), tone)];
            if link.events > link.ranks.len().max(1) as u64 {
                spans.push(Span::new(format!(" ({})", words::count(link.events, "line")), Tone::Faint));
            }
            self.paper.flow(&lead, indent, &spans);
        }
        if links.len() > shown {
            let more = format!("and {} more (-v)", links.len() - shown);
            self.paper.flow(&[], GUTTER, &[Span::new(more, Tone::Faint)]);
        }
    }

    fn culprit(&mut self, finding: &Finding) {
        let mut who = words::culprit(&finding.culprit);
        if who.is_empty() {
            who = if finding.everyone {
                "nobody in particular: every rank is affected alike".to_owned()
            } else {
                "the lines do not tell which rank or node".to_owned()
            };
        } else if finding.everyone {
            who += ", and every rank alike";
        }
        let mut said = vec![Span::new(who, Tone::Strong)];
        said.extend(words::last_step(finding, self.report).map(|step| Span::plain(format!("; {step}"))));
        self.labelled("Culprit", &said);
    }

    fn proof(&mut self, finding: &Finding) {
        let shown = if self.look.verbose { finding.evidence.len() } else { FEW };
        for (at, evidence) in finding.evidence.iter().take(shown).enumerate() {
            self.line(if at == 0 { "Proof" } else { "" }, evidence);
        }
        let more = finding.evidence.len().saturating_sub(shown);
        if more > 0 {
            self.paper.flow(
                &[],
                GUTTER,
                &[Span::new(format!("and {} (-v)", words::count(more as u64, "more line")), Tone::Faint)],
            );
        }
    }

    /// A cited line: where it stands, then the line itself.
    fn line(&mut self, label: &str, evidence: &Evidence) {
        let id = format!("{} ", evidence.id);
        let lead = [Span::new(format!("{label:<GUTTER$}"), Tone::Strong), Span::new(id, Tone::Cite)];
        let times =
            if evidence.count > 1 { format!(" ({} times)", words::number(evidence.count)) } else { String::new() };
        let room = self.paper.width().saturating_sub(GUTTER + evidence.id.len() + 1 + times.len());
        let place = paper::path(&words::place(evidence), room);
        self.paper.flow(&lead, 0, &[Span::new(place + &times, Tone::Faint)]);
        self.quote(evidence);
    }

    fn quote(&mut self, evidence: &Evidence) {
        let indent = GUTTER + 3;
        if self.look.verbose {
            self.paper.flow(&[], indent, &[Span::plain(evidence.text.trim())]);
        } else {
            let room = self.paper.width() - indent;
            self.paper.verbatim(indent, &paper::cut(&evidence.text, evidence.focus.clone(), room));
        }
    }

    fn fixes(&mut self, finding: &Finding) {
        let shown = if self.look.verbose { finding.fixes.len() } else { 3 };
        for (at, fix) in finding.fixes.iter().take(shown).enumerate() {
            self.fix(if at == 0 { "Fix" } else { "" }, at + 1, fix);
        }
        let more = finding.fixes.len().saturating_sub(shown);
        if more > 0 {
            self.paper.flow(&[], GUTTER, &[Span::new(format!("and {more} more (-v)"), Tone::Faint)]);
        }
    }

    fn fix(&mut self, label: &str, number: usize, fix: &Fix) {
        let lead = [Span::new(format!("{label:<GUTTER$}"), Tone::Strong), Span::plain(format!("{number}. "))];
        let remark = format!(" ({})", words::risk(&fix.risk));
        self.paper.flow(&lead, GUTTER + 3, &[Span::plain(&fix.title), Span::new(remark, Tone::Faint)]);
        for command in words::commands(fix) {
            self.command(&command);
        }
        if self.look.verbose && !fix.undo.is_empty() && fix.undo != "none needed" {
            self.paper.flow(&[], GUTTER + 3, &[Span::new(format!("to take it back: {}", fix.undo), Tone::Faint)]);
        }
    }

    fn command(&mut self, words: &[String]) {
        let lead = [Span::plain(" ".repeat(GUTTER + 3)), Span::new("$ ", Tone::Faint)];
        self.paper.command(&lead, GUTTER + 5, words);
    }

    fn next(&mut self, finding: &Finding) {
        let explain = vec!["diag".to_owned(), "explain".to_owned(), words::quoted(&finding.cause)];
        match finding.ask.first() {
            Some(ask) => {
                self.labelled("Next", &[vec![Span::plain(words::asking(finding))], cited(&ask.what)].concat());
                if !ask.command.is_empty() {
                    self.command(&words::split(&ask.command));
                }
                self.command(&explain);
            }
            None => {
                let lead = [Span::new(format!("{:<GUTTER$}", "Next"), Tone::Strong), Span::new("$ ", Tone::Faint)];
                self.paper.command(&lead, GUTTER + 2, &explain);
            }
        }
    }

    fn also(&mut self, finding: &Finding, label: &str) {
        let who = words::culprit(&finding.culprit);
        let who = if who.is_empty() { who } else { format!(": {who}") };
        let about = format!("{}{who}", finding.title);
        let place = finding.evidence.first().map(words::place).unwrap_or_default();
        let place = paper::path(&place, self.paper.width() / 3);
        let sure = format!(" ({}, {place})", words::confidence(finding.confidence));
        self.labelled(label, &[Span::plain(about), Span::new(sure, Tone::Faint)]);
    }

    /// Failures that no finding explains: how many, and the first.
    fn open(&mut self, how: &str) {
        if self.report.unexplained.is_empty() {
            return;
        }
        let lines = words::count(self.report.unexplained_events, "failure line");
        let be = if self.report.unexplained_events == 1 { "is" } else { "are" };
        self.labelled("Open", &[Span::plain(format!("{lines} {be} {how}:"))]);
        let shown = if self.look.verbose { self.report.unexplained.len() } else { 1 };
        for evidence in self.report.unexplained.iter().take(shown) {
            self.line("", evidence);
        }
    }

    fn collect(&mut self, asks: &[Ask]) {
        for (at, ask) in asks.iter().enumerate() {
            let label = if at == 0 { "Collect" } else { "" };
            let lead = [Span::new(format!("{label:<GUTTER$}"), Tone::Strong), Span::plain(format!("{}. ", at + 1))];
            self.paper.flow(&lead, GUTTER + 3, &cited(&words::capital(&ask.what)));
            if !ask.command.is_empty() {
                self.command(&words::split(&ask.command));
            }
        }
    }

    /// Other jobs and attempts, and what came of them.
    fn parts(&mut self) {
        let others: Vec<_> = self.report.parts.iter().filter(|part| !part.told).collect();
        for (at, part) in others.iter().rev().enumerate() {
            let place = part.evidence.as_ref().map(words::place).unwrap_or_default();
            let place =
                if place.is_empty() { place } else { format!(" ({})", paper::path(&place, self.paper.width() / 3)) };
            let label = if at == 0 { "Others" } else { "" };
            self.labelled(label, &[Span::plain(words::part(part)), Span::new(place, Tone::Faint)]);
        }
    }

    /// What went wrong when or where the job was not.
    fn context(&mut self) {
        if self.report.context.is_empty() {
            return;
        }
        let lines = words::count(self.report.context_events, "line");
        self.labelled("Context", &[Span::plain(format!("{lines} of other times, nodes or jobs, no cause of this:"))]);
        let shown = if self.look.verbose { self.report.context.len() } else { 1 };
        for evidence in self.report.context.iter().take(shown) {
            self.line("", evidence);
        }
    }

    /// How the clocks of the inputs were brought together.
    fn clocks(&mut self) {
        let shown = if self.look.verbose { self.report.clocks.len() } else { 2 };
        for (at, clock) in self.report.clocks.iter().take(shown).enumerate() {
            let label = if at == 0 { "Clocks" } else { "" };
            let source = paper::path(&clock.source, self.paper.width() / 3);
            self.labelled(label, &[Span::plain(format!("{source}: {}", clock.what))]);
        }
    }

    /// What could not be read, then what was.
    fn close(&mut self) {
        self.paper.blank();
        self.parts();
        self.context();
        if !self.look.quiet {
            self.clocks();
        }
        self.notes();
        if !self.look.quiet {
            self.labelled("Read", &[Span::new(words::read(self.report), Tone::Faint)]);
        }
    }

    fn notes(&mut self) {
        if self.look.quiet {
            return;
        }
        let notes = &self.report.notes;
        let shown = if self.look.verbose { notes.len() } else { 3 };
        for note in notes.iter().take(shown) {
            let source = paper::path(&note.source, self.paper.width() / 2);
            let text = if source.is_empty() { note.what.clone() } else { format!("{source}: {}", note.what) };
            self.labelled("Note", &[Span::plain(text), Span::new(format!(" [{}]", note.code), Tone::Faint)]);
        }
        if notes.len() > shown {
            let more = format!("and {} (-v)", words::count((notes.len() - shown) as u64, "more note"));
            self.paper.flow(&[], GUTTER, &[Span::new(more, Tone::Faint)]);
        }
    }
}
