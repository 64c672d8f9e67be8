//! Which part of a line decides: what its signature matched, or all that stands behind the prefixes.

use std::ops::Range;

use crate::catalogue::Catalogue;
use crate::line::{Line, strip_ansi};
use crate::prefix;

impl Catalogue {
    /// The bytes of a line (as kept in an event) that made it an event of this kind.
    pub fn focus(&self, kind: &str, text: &str) -> Range<usize> {
        let line = Line::new(0, 0, text.as_bytes());
        let matched = self.signatures.iter().find(|signature| signature.kind == kind).and_then(|signature| {
            let regexes = signature.patterns.iter().filter_map(|pattern| pattern.regex());
            regexes.filter_map(|regex| regex.find(&line.text)).map(|found| found.range()).next()
        });
        let peeled = prefix::peel(&strip_ansi(text.as_bytes())).1;
        // Colours taken out shift the bytes: then all that stands behind them is meant.
        let range = match matched {
            Some(range) if line.text.len() + peeled == text.len() => peeled + range.start..peeled + range.end,
            _ if line.text.len() + peeled == text.len() => peeled..text.len(),
            _ => 0..text.len(),
        };
        floor(text, range.start)..floor(text, range.end)
    }
}

/// The character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matched_part_is_found_behind_prefixes() {
        let catalogue = Catalogue::built_in().unwrap();
        let text = "[rank2]: KeyError: 'labels'";
        assert_eq!(&text[catalogue.focus("python.exception", text)], "KeyError: 'labels'");
        let colours = "\u{1b}[31mgpu-17:41:43 [0] NCCL WARN Connect\u{1b}[0m";
        assert_eq!(catalogue.focus("nccl.warn", colours), 0..colours.len());
    }
}
