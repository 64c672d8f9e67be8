//! Documents that are read as a whole: what they begin with, and where a value stands in them.

use serde::Deserialize;

use crate::MAX_LINE;
use crate::event::Problem;

/// Whether a document begins as an object of JSON and its head holds one of these words.
pub(crate) fn is_object_with(head: &[u8], words: &[&str]) -> bool {
    let object = head.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    object && words.iter().any(|word| memchr::memmem::find(head, word.as_bytes()).is_some())
}

/// Whether a document is one of ours, by its first key: `{"schema":"diag.readings/1"`.
pub(crate) fn has_schema(head: &[u8], schemas: &[&str]) -> bool {
    let start = ["{", "\"schema\"", ":", "\""]
        .iter()
        .try_fold(head, |rest, word| rest.trim_ascii_start().strip_prefix(word.as_bytes()));
    start.is_some_and(|start| schemas.iter().any(|schema| start.starts_with(schema.as_bytes())))
}

/// Reads a document of JSON: its text and the value; `what` says what it should be.
pub(crate) fn json<'d, T: Deserialize<'d>>(data: &'d [u8], what: &str) -> Result<(&'d str, T), Problem> {
    let text = std::str::from_utf8(data).map_err(|_| Problem { line: 0, what: "is no UTF-8".to_owned() })?;
    match serde_json::from_str(text) {
        Ok(value) => Ok((text, value)),
        Err(error) => Err(Problem { line: error.line() as u64, what: format!("is no {what}: {error}") }),
    }
}

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
