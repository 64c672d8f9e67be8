//! Where a value stands in a document that is read as a whole.

use crate::MAX_LINE;

/// Line numbers of places that are asked for one after the other: what lies between two is counted.
#[derive(Debug)]
pub struct Place<'t> {
    text: &'t str,
    counted: usize,
    line: u64,
}

impl<'t> Place<'t> {
    /// Places of a text; the values that are asked for must be parts of it.
    pub fn of(text: &'t str) -> Self {
        Self { text, counted: 0, line: 1 }
    }

    /// The line of the first `word` in a value, or of its beginning: number from 1, offset in bytes, and its text.
    pub fn line_of(&mut self, value: &str, word: &str) -> (u64, u64, String) {
        let start = (value.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize).min(self.text.len());
        let quoted = |word: &str| memchr::memmem::find(value.as_bytes(), format!("\"{word}").as_bytes());
        let within = Some(word).filter(|word| !word.is_empty()).and_then(quoted).unwrap_or_default();
        let at = (start + within).min(self.text.len());
        let before = &self.text.as_bytes()[..at];
        let first = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        // A document may be one line of megabytes: then the value itself is cited.
        let whole = self.text.get(first..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let cited = if whole.len() > MAX_LINE && !value.contains('\n') { value } else { whole };
        let end = (0..=MAX_LINE.min(cited.len())).rev().find(|at| cited.is_char_boundary(*at)).unwrap_or(0);
        (self.number(at), at as u64, cited[..end].to_owned())
    }

    fn number(&mut self, at: usize) -> u64 {
        let ends = |from: usize, to: usize| memchr::memchr_iter(b'\n', &self.text.as_bytes()[from..to]).count() as u64;
        self.line = match at < self.counted {
            true => self.line - ends(at, self.counted),
            false => self.line + ends(self.counted, at),
        };
        self.counted = at;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_in_any_order() {
        let text = "{\n \"a\": {\n  \"state\": \"DOWN\"},\n \"b\": 1}\n";
        let mut place = Place::of(text);
        let (first, second) = (&text[8..31], &text[33..]);
        assert_eq!(place.line_of(second, ""), (4, 33, " \"b\": 1}".to_owned()));
        assert_eq!(place.line_of(first, "DOWN"), (3, 21, "  \"state\": \"DOWN\"},".to_owned()));
    }

    #[test]
    fn a_document_of_one_long_line_is_cited_by_its_value() {
        let text = format!("{{\"pad\": \"{}\", \"job\": {{\"state\": \"DOWN\"}}}}", "x".repeat(MAX_LINE));
        let at = text.find("{\"state").unwrap();
        assert_eq!(Place::of(&text).line_of(&text[at..text.len() - 1], "DOWN").2, "{\"state\": \"DOWN\"}");
    }
}
