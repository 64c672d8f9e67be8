//! Masking secrets in text: API keys, tokens, passwords, private keys.
//!
//! A secret is overwritten with `*`, byte for byte: lines, columns and lengths stay as they are, so that a diagnosis of the
//! masked text cites the same places, and a pickle or JSON document stays one. What only looks like a secret (a commit,
//! the UUID of a GPU, a communicator's id) stays, since it is evidence. Pure: bytes in, bytes out.

mod judge;
mod keyblock;
mod shapes;
mod stream;

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use regex::bytes::{Captures, Regex};

use judge::{Found, Judge};
use shapes::{EMAIL, SHAPES, Shape};
pub use stream::Masked;

/// What is put in place of each byte of a secret.
const MASK: u8 = b'*';

/// Knows what secrets look like.
#[derive(Debug)]
pub struct Masker {
    words: AhoCorasick,
    /// The shape that each word belongs to.
    owners: Vec<usize>,
    shapes: Vec<(Regex, Judge)>,
}

/// What was found on the lines before.
#[derive(Debug, Default, Clone, Copy)]
struct State {
    /// Lines of a private key that may follow.
    key_lines: u32,
    /// Whether the line before named a variable that holds a secret, so that its value follows.
    value_follows: bool,
}

impl Masker {
    /// A masker of secrets, and of e-mail addresses if those are wanted too.
    ///
    /// # Errors
    /// The patterns don't compile, which a test rules out.
    pub fn new(emails: bool) -> Result<Self, String> {
        let wanted = || SHAPES.iter().chain(emails.then_some(&EMAIL));
        let mut words: Vec<&str> = Vec::new();
        let mut owners = Vec::new();
        for (at, shape) in wanted().enumerate() {
            words.extend(shape.words);
            owners.extend(shape.words.iter().map(|_| at));
        }
        let words = AhoCorasick::builder().ascii_case_insensitive(true).build(words);
        let compile = |shape: &Shape| Ok((Regex::new(shape.pattern)?, shape.judge));
        let shapes: Result<_, regex::Error> = wanted().map(compile).collect();
        Ok(Self {
            words: words.map_err(|error| error.to_string())?,
            owners,
            shapes: shapes.map_err(|error| error.to_string())?,
        })
    }

    /// Masks whole lines; those secrets that begin before `until`. Returns how many it masked.
    fn mask(&self, text: &mut [u8], until: usize, state: &mut State) -> u64 {
        let mut count = 0;
        let mut from = 0;
        while from < until {
            let end = memchr::memchr(b'\n', &text[from..]).map_or(text.len(), |at| from + at + 1);
            count += self.line(&mut text[from..end], until - from, state);
            from = end;
        }
        count
    }

    fn line(&self, line: &mut [u8], until: usize, state: &mut State) -> u64 {
        let mut count = keyblock::mask(line, &mut state.key_lines);
        if std::mem::take(&mut state.value_follows) {
            count += judge::value(line).map_or(0, |secret| cover(&mut line[secret]));
        }
        // A shape that was masked may have stood in the way of none: each looks at what is left.
        let candidates: BTreeSet<usize> =
            self.words.find_overlapping_iter(&*line).map(|word| self.owners[word.pattern().as_usize()]).collect();
        for shape in candidates {
            count += self.shape(shape, line, until);
        }
        state.value_follows = judge::names_a_secret(line);
        count
    }

    fn shape(&self, shape: usize, line: &mut [u8], until: usize) -> u64 {
        let (pattern, is_secret) = &self.shapes[shape];
        let secrets: Vec<std::ops::Range<usize>> = pattern
            .captures_iter(line)
            .filter(|found| found.get(0).is_some_and(|whole| whole.start() < until))
            .filter_map(|found| {
                let secret = secret(&found)?;
                let all = judge::whole(line, &found, secret.clone())?;
                is_secret(&Found::of(line, &found, secret)).then_some(all)
            })
            .collect();
        secrets.into_iter().map(|secret| cover(&mut line[secret])).sum()
    }
}

/// The group that holds the secret: each alternative of a pattern has one.
fn secret(found: &Captures<'_>) -> Option<std::ops::Range<usize>> {
    ["s", "s2", "s3", "s4"].iter().find_map(|name| found.name(name)).map(|group| group.range())
}

/// Overwrites a secret; 1 if there was one.
fn cover(secret: &mut [u8]) -> u64 {
    let new = secret.iter().any(|byte| *byte != MASK);
    secret.fill(MASK);
    u64::from(new)
}

#[cfg(test)]
mod tests;
