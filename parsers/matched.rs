//! Where patterns matched in texts that differed from the one at hand in nothing but digits.
//!
//! A thousand ranks say the same with other numbers. A pattern to which one digit is as good as another matches at the
//! same places of two such texts, or in neither: to know them again takes a hash, to follow the pattern many steps.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::{fast, quality};
use regex_automata::Input;
use regex_automata::util::primitives::NonMaxUsize;
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::search::fold;

/// Most searches that are remembered: together less than a mebibyte.
const MOST: usize = 1 << 12;

/// After so many searches, of which fewer than half were known, the rest of a part is searched without this.
const TRIAL: usize = 1 << 10;

/// Where the groups of a match begin and end.
type Slots = [Option<NonMaxUsize>];

/// Searches and what they found: the slots of a match, or that there is none. The hashes of texts are keyed by chance, so
/// that no log can aim at two that look alike.
#[derive(Debug, Default)]
pub(crate) struct Matched {
    hashing: quality::RandomState,
    found: HashMap<u64, Option<Box<Slots>>, fast::RandomState>,
    folded: Vec<u8>,
    /// Length and hash of the text at hand; a line is looked at with and without its prefixes.
    text: Option<(usize, u64)>,
    searches: usize,
    known: usize,
}

impl Matched {
    /// Begins another part of a document.
    pub(crate) fn begin(&mut self) {
        (self.searches, self.known) = (0, 0);
    }

    /// Begins another line.
    pub(crate) fn next_line(&mut self) {
        self.text = None;
    }

    /// Whether it has turned out that few searches come again.
    pub(crate) fn is_of_no_use(&self) -> bool {
        self.searches >= TRIAL && 2 * self.known < self.searches
    }

    /// What tells the search for a pattern, known by a number, from all others.
    pub(crate) fn key(&mut self, pattern: usize, input: &Input<'_>) -> u64 {
        let text = input.haystack();
        let hash = match self.text {
            Some((len, hash)) if len == text.len() => hash,
            _ => {
                fold(text, &mut self.folded);
                let hash = self.hashing.hash_one(&self.folded);
                self.text = Some((text.len(), hash));
                hash
            }
        };
        self.hashing.hash_one((hash, pattern, input.start(), input.end(), input.get_anchored().is_anchored()))
    }

    /// What a search found before: whether there is a match, and its slots.
    pub(crate) fn recall(&mut self, key: u64, slots: &mut Slots) -> Option<bool> {
        self.searches += 1;
        let found = self.found.get(&key)?;
        self.known += 1;
        if let Some(known) = found {
            slots.get_mut(..known.len())?.copy_from_slice(known);
        }
        Some(found.is_some())
    }

    /// Remembers what a search found.
    pub(crate) fn learn(&mut self, key: u64, found: Option<&Slots>) {
        if self.found.len() >= MOST {
            self.found.clear();
        }
        self.found.insert(key, found.map(Box::from));
    }
}

/// Whether one digit is as good as another to a pattern: it asks for none by itself, and its classes hold all or none.
pub(crate) fn takes_digits_alike(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => !literal.0.iter().any(u8::is_ascii_digit),
        HirKind::Class(Class::Bytes(class)) => {
            let held = |digit: &u8| class.iter().any(|range| (range.start()..=range.end()).contains(digit));
            matches!((b'0'..=b'9').filter(held).count(), 0 | 10)
        }
        HirKind::Class(Class::Unicode(_)) => false,
        HirKind::Repetition(repeat) => takes_digits_alike(&repeat.sub),
        HirKind::Capture(capture) => takes_digits_alike(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().all(takes_digits_alike),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;
    use crate::signature::{FormatFile, Matcher, Scratch};

    const FILES: [&str; 4] = [
        include_str!("torch/format.toml"),
        include_str!("nccl/format.toml"),
        include_str!("kernel/format.toml"),
        include_str!("slurm/format.toml"),
    ];

    fn alike(pattern: &str) -> bool {
        let hir = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).unwrap();
        takes_digits_alike(&hir)
    }

    #[test]
    fn a_pattern_that_asks_for_a_digit_is_told() {
        for pattern in [r"rank (?P<rank>\d+)\b", "[a-f0-9]{4}x", r"^\S+ [^\]]*$", r"(?i)a|b\w{2,9}", "."] {
            assert!(alike(pattern), "{pattern}");
        }
        for pattern in ["Xid 79", "0x[0-9a-f]+", r"[1-9]\d*", "[^0]", r"a(?:b|\d7)?", "[!-5]"] {
            assert!(!alike(pattern), "{pattern}");
        }
    }

    /// A line with other digits.
    fn other(line: &str, dice: &mut Dice) -> Vec<u8> {
        line.bytes().map(|byte| if byte.is_ascii_digit() { b'0' + dice.below(10) as u8 } else { byte }).collect()
    }

    #[test]
    fn what_is_remembered_is_what_a_search_finds() {
        let files = FILES.map(|text| toml::from_str::<FormatFile>(text).unwrap());
        let (mut dice, mut fresh, mut scratch) = (Dice(3), Scratch::default(), Scratch::default());
        scratch.matched = Some(Matched::default());
        let (mut searches, mut matches, mut known) = (0, 0, 0);
        for event in files.iter().flat_map(|file| file.event.values()) {
            // Of all patterns at a time, so that one may be taken for another.
            let matchers: Vec<Matcher> = event.pattern.iter().filter_map(|one| Matcher::new(one, &[])).collect();
            for line in event.sample.iter().flat_map(|sample| sample.line.lines()) {
                for _ in 0..10 {
                    let line = other(line, &mut dice);
                    scratch.matched.as_mut().unwrap().next_line();
                    for matcher in &matchers {
                        let input = Input::new(&line);
                        let found = matcher.search(&input, &mut scratch).is_some();
                        assert_eq!(found, matcher.search(&input, &mut fresh).is_some());
                        assert!(!found || scratch.slots == fresh.slots, "{}", String::from_utf8_lossy(&line));
                        (searches, matches) = (searches + 1, matches + usize::from(found));
                    }
                }
            }
            let matched = scratch.matched.as_mut().unwrap();
            known += matched.known;
            *matched = Matched::default();
        }
        assert!(matches > 1000 && known * 2 > searches, "{known} of {searches} were known, {matches} matched");
    }
}
