//! Lines that differ from earlier ones in nothing but digits: they hold the same literals at the same places, or none.
//!
//! A run prints a few hundred different lines, again and again with other numbers. Such a line is told by a hash of its
//! text with all digits alike, at a third of what the search takes. What it holds follows from the line before it: literals
//! without digits can't come in or go by other numbers, and for those with digits the text is looked at with all digits
//! alike, theirs too.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::ops::Range;

use aho_corasick::AhoCorasick;
use foldhash::fast;
use foldhash::quality::RandomState;

use super::{Hit, Lines, Look};

/// Sets of lines that are remembered, and lines in each: 32 KiB, so that they stay in the second cache.
const SETS: usize = 1 << 10;
const WAYS: usize = 4;

/// Most lines with literals that are remembered; then all are forgotten.
const MOST: usize = 1 << 12;

/// After so many lines, in which fewer than half were known, the rest of a part is searched without this.
const TRIAL: usize = 1 << 10;

/// Set in the mark of a line that holds no literal; the others have been seen once.
const CLEAN: u64 = 1;

/// The literals with digits in them.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    alike: Option<AhoCorasick>,
}

impl Numbered {
    /// Of these literals.
    pub(super) fn of(literals: &[Vec<u8>]) -> Self {
        let numbered = literals.iter().filter(|literal| literal.iter().any(u8::is_ascii_digit)).map(|literal| {
            let mut folded = Vec::new();
            fold(literal, &mut folded);
            folded
        });
        // What can't be built is nowhere ruled out: then no line counts as clean.
        Self { alike: AhoCorasick::new(numbered).ok() }
    }

    /// Whether other digits may make one of them of a text whose digits are alike.
    fn may_stand_in(&self, folded: &[u8]) -> bool {
        self.alike.as_ref().is_none_or(|alike| alike.is_match(folded))
    }
}

/// The lines that were seen, by marks: hashes whose lowest bit says more. The hash is keyed by chance, so that no log can
/// aim at two lines that look alike.
#[derive(Debug)]
pub(crate) struct Familiar {
    hashing: RandomState,
    sets: Vec<[u64; WAYS]>,
    /// What lines that do hold literals hold, from their beginnings on.
    held: HashMap<u64, Box<[Hit]>, fast::RandomState>,
    folded: Vec<u8>,
    unknown: Vec<Unknown>,
    lines: usize,
    known: usize,
}

/// A line that has to be searched, and its mark.
#[derive(Debug)]
struct Unknown {
    begins: usize,
    ends: usize,
    mark: u64,
}

impl Default for Familiar {
    fn default() -> Self {
        let (hashing, sets) = (RandomState::default(), vec![[0; WAYS]; SETS]);
        Self { hashing, sets, held: HashMap::default(), folded: Vec::new(), unknown: Vec::new(), lines: 0, known: 0 }
    }
}

impl Familiar {
    /// Begins another part of a text.
    pub(crate) fn begin(&mut self) {
        (self.lines, self.known) = (0, 0);
    }

    /// Whether it has turned out that few lines come again.
    fn is_of_no_use(&self) -> bool {
        self.lines >= TRIAL && 2 * self.known < self.lines
    }

    /// Adds what `look` finds, which is asked for runs of lines that are not known. No literal reaches across the end of
    /// a line.
    pub(super) fn find(&mut self, lines: Lines<'_>, numbered: &Numbered, look: Look<'_>, hits: &mut Vec<Hit>) {
        let Lines { text, ends } = lines;
        if self.is_of_no_use() {
            return look(text, hits);
        }
        fold(text, &mut self.folded);
        let (mut begins, mut run) = (0, 0);
        for ends in ends.iter().map(|end| *end as usize).chain([text.len()]) {
            if ends == begins {
                continue;
            }
            let mark = self.hashing.hash_one(&self.folded[begins..ends]) & !CLEAN;
            self.lines += 1;
            if self.recall(mark, begins, hits) {
                self.known += 1;
                self.search(text, run..begins, numbered, look, hits);
                run = ends;
            } else {
                self.unknown.push(Unknown { begins, ends, mark });
            }
            begins = ends;
        }
        self.search(text, run..text.len(), numbered, look, hits);
    }

    /// Whether a line is known; adds what it holds.
    fn recall(&self, mark: u64, begins: usize, hits: &mut Vec<Hit>) -> bool {
        if self.sets[set(mark)].contains(&(mark | CLEAN)) {
            return true;
        }
        let Some(held) = self.held.get(&mark) else { return false };
        hits.extend(held.iter().map(|hit| Hit { at: hit.at + begins as u32, ..*hit }));
        true
    }

    /// Searches a run of unknown lines, and learns what they hold.
    fn search(&mut self, text: &[u8], run: Range<usize>, numbered: &Numbered, look: Look<'_>, hits: &mut Vec<Hit>) {
        if run.is_empty() {
            return;
        }
        let (start, before) = (run.start, hits.len());
        look(&text[run], hits);
        let found = &mut hits[before..];
        found.iter_mut().for_each(|hit| hit.at += start as u32);
        found.sort_unstable();
        let mut found = &*found;
        let mut unknown = std::mem::take(&mut self.unknown);
        for line in unknown.drain(..) {
            let (here, later) = found.split_at(found.partition_point(|hit| (hit.at as usize) < line.ends));
            self.learn(&line, here, numbered);
            found = later;
        }
        self.unknown = unknown;
    }

    /// Remembers a line; the second time also what it holds, if other digits make no literal of it.
    fn learn(&mut self, line: &Unknown, hits: &[Hit], numbered: &Numbered) {
        let seen = &mut self.sets[set(line.mark)];
        let Some(known) = seen.iter_mut().find(|mark| **mark == line.mark) else {
            seen.rotate_right(1);
            seen[0] = line.mark;
            return;
        };
        if numbered.may_stand_in(&self.folded[line.begins..line.ends]) {
            return;
        }
        if hits.is_empty() {
            *known |= CLEAN;
            return;
        }
        if self.held.len() >= MOST {
            self.held.clear();
        }
        let held = hits.iter().map(|hit| Hit { at: hit.at - line.begins as u32, ..*hit });
        self.held.insert(line.mark, held.collect());
    }
}

fn set(mark: u64) -> usize {
    (mark >> 32) as usize % SETS
}

/// The text with all digits alike.
pub(crate) fn fold(text: &[u8], folded: &mut Vec<u8>) {
    folded.clear();
    folded.extend(text.iter().map(|byte| if byte.is_ascii_digit() { b'0' } else { *byte }));
}

#[cfg(test)]
mod tests {
    use super::super::Search;
    use super::*;
    use crate::dice::Dice;

    fn find_unknown(search: &Search, text: &[u8], familiar: &mut Familiar, hits: &mut Vec<Hit>) {
        let ends: Vec<u32> = memchr::memchr_iter(b'\n', text).map(|at| at as u32 + 1).collect();
        search.find_unknown(Lines { text, ends: &ends }, familiar, &|text, hits| search.find(text, hits), hits);
    }

    /// What is found of a text window by window, and how many lines were known.
    fn found(literals: &[&str], windows: &[String]) -> (Vec<Vec<Hit>>, usize) {
        let search = Search::new(literals.iter().map(|literal| literal.as_bytes().to_vec()).collect(), b"");
        let mut familiar = Familiar::default();
        let find = |text: &String| {
            let (mut hits, mut all) = (Vec::new(), Vec::new());
            find_unknown(&search, text.as_bytes(), &mut familiar, &mut hits);
            search.find(text.as_bytes(), &mut all);
            hits.sort_unstable();
            all.sort_unstable();
            assert_eq!(hits, all, "{text}");
            hits
        };
        let hits = windows.iter().map(find).collect();
        (hits, familiar.known)
    }

    #[test]
    fn nothing_is_lost_by_what_is_known() {
        let literals = ["lost", "Xid 79", "code 13", "]: 7", "rank 0 died", "9"];
        let words =
            ["rank ", "lost", "Xid ", "7", "79", "code ", "1", "13", "]: ", " died", "step ", "0", "\n", "\r", "\n\n"];
        let mut dice = Dice(7);
        for few in [4, 8, words.len()] {
            let mut word = || words[words.len() - 1 - dice.below(few)];
            let windows: Vec<String> = (0..300).map(|_| (0..60).map(|_| word()).collect()).collect();
            let (_, known) = found(&literals, &windows);
            assert!(few > 8 || known > 100, "{few} words: {known} lines known");
        }
    }

    #[test]
    fn a_literal_that_other_digits_make_is_found() {
        let lines =
            |code: usize| (0..50).map(|step| format!("step {step:03}: exit code {code:02}\n")).collect::<String>();
        let windows: Vec<String> = [12, 10, 13, 99].map(lines).into();
        let (hits, known) = found(&["code 13"], &windows);
        assert_eq!((hits.iter().map(Vec::len).collect::<Vec<_>>(), known), (vec![0, 0, 50, 0], 0));
        let (hits, known) = found(&["lost"], &windows);
        assert_eq!((hits.concat().len(), known), (0, 3 * 50));
    }

    #[test]
    fn lines_with_literals_are_known_as_well() {
        let window = |rank: usize| format!("step 1\nrank {rank} lost {rank}\nrank {rank} died\n");
        let (hits, known) = found(&["lost", "rank "], &[10, 11, 12, 13].map(window));
        assert_eq!((hits.iter().map(Vec::len).collect::<Vec<_>>(), known), (vec![3; 4], 6));
    }

    #[test]
    fn a_text_whose_lines_are_all_different_is_not_asked_for_long() {
        let search = Search::new(vec![b"lost".to_vec()], b"");
        let mut familiar = Familiar::default();
        let letters =
            |line: usize| (0..6).map(|at| char::from(b'a' + (line >> (4 * at)) as u8 % 16)).collect::<String>();
        let text: String = (0..4 * TRIAL).map(|line| format!("{} lost\n{}\n", letters(line), letters(line))).collect();
        let mut hits = Vec::new();
        text.as_bytes().chunks(1 << 12).for_each(|window| find_unknown(&search, window, &mut familiar, &mut hits));
        assert!(familiar.lines < 2 * TRIAL, "{}", familiar.lines);
        familiar.begin();
        assert!(!familiar.is_of_no_use());
    }
}
