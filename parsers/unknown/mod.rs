//! A record of an error that the end of its document took: the signature that knows it needs the rest of the line.
//!
//! Only a last line that nothing ends is one. What it would have said is not known; that something failed is.

use std::sync::LazyLock;

use regex::Regex;

use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// Last lines that break off within an error.
#[derive(Debug)]
pub struct BrokenOff;

const CUT: Name = "unknown.cut";

/// Bytes of a line that are looked at: whatever names an error stands at its beginning.
const HEAD: usize = 512;

/// An error by its level (`slurmstepd: error: *** JO`, `NCCL WARN Call to ibv_`), by its words (`Failed to allocate dev`).
/// A figure behind the word is one of a training run (`error: 0.02`).
static ERROR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let level = r"\b(?:error|ERROR|Error|fatal|FATAL|Fatal|CRITICAL)(?:\]?[:|]|\]| -)(?:\s+(?:[^\d\s].*)?)?$";
    let library = r"\b[A-Z]CCL WARN\b";
    let words = r"\b(?:[Ff]ailed|FAILED|[Uu]nable) to [a-z]";
    Regex::new(&format!("{level}|{library}|{words}")).ok()
});

impl Grammar for BrokenOff {
    fn kinds(&self) -> &'static [Name] {
        &[CUT]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        (kind == CUT).then_some("the output breaks off within an error")
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[
            "error",
            "ERROR",
            "Error",
            "fatal",
            "FATAL",
            "Fatal",
            "CRITICAL",
            "CCL WARN",
            "ailed to",
            "FAILED to",
            "nable to",
        ]
    }

    fn in_small_documents_only(&self) -> bool {
        true
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.str();
        // An object in JSON is whole where its bracket is closed.
        if !cursor.breaks_off_in(&cursor.line) || text.starts_with('{') && text.trim_end().ends_with('}') {
            return;
        }
        let head = text.char_indices().nth(HEAD).map_or(&*text, |(at, _)| &text[..at]);
        if ERROR.as_ref().is_some_and(|error| error.is_match(head)) {
            out.push(Event::on(cursor, &cursor.line, CUT, Says::Warning, Fields::default()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CUT;
    use crate::lint;
    use crate::{Catalogue, Scanner};

    #[test]
    fn only_a_last_line_that_nothing_ends_broke_off() {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let cut = |log: &str| lint::read(&scanner, log).iter().any(|event| event.kind == CUT);
        for line in [
            "slurmstepd: error: *** JO",
            "gpu-17:41:43 [0] misc/ibvwrap.cc:174 NCCL WARN Call to ibv_mo",
            "Failed to allocate dev",
        ] {
            assert!(cut(&format!("step 1\n{line}")), "{line}");
            assert!(!cut(&format!("{line}\n")), "{line}");
            assert!(!cut(&format!("{line}\nstep 1")), "{line}");
        }
        for line in [
            "error: 0.02",
            "no errors",
            "error rate",
            "step 3 | error: 1",
            "{\"message\": \"Error: no\"}",
            "training has not failed",
        ] {
            assert!(!cut(line), "{line}");
        }
    }
}
