//! What stands beside the report: history, the site's notes, and a model's words.

use super::paper::{Span, Tone};
use super::sections::Teller;
use super::{GUTTER, cited};
use crate::report::{Advice, SiteNote};

/// Most lines of a note without `-v`.
const FEW: usize = 12;

impl Teller<'_> {
    /// What was before, the model's words, then the site's.
    pub(super) fn beside(&mut self) {
        let report = self.report;
        if !report.history.is_empty() {
            self.paper.blank();
            self.beside_line("Before", &[Span::new("Known from `diag history`, and no evidence:", Tone::Faint)]);
            report.history.iter().for_each(|line| self.beside_line("", &[Span::plain(line)]));
        }
        if let Some(advice) = &report.advice {
            self.advice(advice);
        }
        report.site_notes.iter().for_each(|note| self.site(note));
    }

    fn advice(&mut self, advice: &Advice) {
        self.paper.blank();
        if let Some(why) = &advice.failed {
            let said = format!("{} did not help, the rules alone speak: {why}", advice.model);
            return self.beside_line("Model", &[Span::new(said, Tone::Faint)]);
        }
        let lead = format!("{} says of the same lines, and decides nothing:", advice.model);
        self.beside_line("Model", &[Span::new(lead, Tone::Faint)]);
        for claim in &advice.claims {
            self.beside_line("", &cited(&format!("{} [{}]", claim.text, claim.cites.join(", "))));
        }
        if !advice.order.is_empty() {
            let order = advice.order.join(", ");
            self.beside_line("", &[Span::plain(format!("Of what is equally sure, it would look first at: {order}"))]);
        }
        if let Some(next) = &advice.next {
            self.beside_line("", &[Span::plain(format!("It would go on with: {next}"))]);
        }
        for line in &advice.evidence {
            self.beside_line("", &[Span::new(format!("{} {}:{}", line.id, line.source, line.line), Tone::Cite)]);
            self.paper.verbatim(GUTTER + 2, &line.text);
        }
        if !advice.dropped.is_empty() && self.look.verbose {
            advice
                .dropped
                .iter()
                .for_each(|why| self.beside_line("", &[Span::new(format!("Left out: {why}"), Tone::Faint)]));
        } else if !advice.dropped.is_empty() {
            let count = format!("{} of its statements are left out (-v says why)", advice.dropped.len());
            self.beside_line("", &[Span::new(count, Tone::Faint)]);
        }
    }

    fn site(&mut self, note: &SiteNote) {
        self.paper.blank();
        self.beside_line("Site", &[Span::new(format!("{} says:", note.source), Tone::Faint)]);
        let shown = if self.look.verbose { note.lines.len() } else { note.lines.len().min(FEW) };
        note.lines[..shown].iter().for_each(|line| self.beside_line("", &[Span::plain(line)]));
        if shown < note.lines.len() || note.cut {
            let more = if shown < note.lines.len() { "and more (-v)" } else { "and more in the file" };
            self.beside_line("", &[Span::new(more, Tone::Faint)]);
        }
    }

    fn beside_line(&mut self, label: &str, spans: &[Span]) {
        self.paper.flow(&[Span::new(label, Tone::Strong)], GUTTER, spans);
    }
}
