//! Logical lines of a block, and looking around from one of them.

mod before;
mod heads;

use std::borrow::Cow;

use memchr::{memchr2, memrchr2};

use crate::prefix::{self, Context};
use crate::{MAX_LINE, REACH};

pub use before::Before;
pub(crate) use heads::Heads;

/// A logical line: ends at `\n` or at a progress bar's `\r`.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    /// Line number from 1, counted by `\n`.
    pub number: u64,
    /// First byte within the block.
    pub start: usize,
    /// The bytes, without the line end.
    pub raw: &'a [u8],
    /// What the prefixes told.
    pub context: Context,
    /// The text behind the prefixes, colours removed.
    pub text: Cow<'a, [u8]>,
}

impl<'a> Line<'a> {
    /// Reads a logical line out of its bytes.
    pub fn new(number: u64, start: usize, raw: &'a [u8]) -> Self {
        let plain = strip_ansi(raw);
        let (context, at) = prefix::peel(&plain);
        let text = match plain {
            Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[at..]),
            Cow::Owned(bytes) => Cow::Owned(bytes[at..].to_vec()),
        };
        Self { number, start, raw, context, text }
    }

    /// How many bytes of the plain line are prefixes.
    pub(crate) fn peeled(&self) -> usize {
        match self.text {
            Cow::Borrowed(text) => self.raw.len() - text.len(),
            Cow::Owned(ref text) => strip_ansi(self.raw).len() - text.len(),
        }
    }

    /// All of the line as a string, its prefixes with it: without colours, bad bytes replaced.
    pub(crate) fn whole(&self) -> String {
        text_of(&strip_ansi(self.raw)).into_owned()
    }

    /// The text as a string, bad bytes replaced.
    pub fn str(&self) -> Cow<'_, str> {
        text_of(&self.text)
    }
}

/// Bytes as text, bad ones replaced. What is whole, as nearly all is, the standard library tells much faster by itself.
pub(crate) fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Removes ANSI control sequences (`ESC [ … letter`); borrows where there are none.
pub fn strip_ansi(raw: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(0x1b, raw) else { return Cow::Borrowed(raw) };
    let mut plain = raw[..first].to_vec();
    let mut at = first;
    while at < raw.len() {
        if raw[at] == 0x1b {
            at += sequence_len(&raw[at..]);
        } else {
            plain.push(raw[at]);
            at += 1;
        }
    }
    Cow::Owned(plain)
}

/// Length of the escape sequence at the start of `raw`.
fn sequence_len(raw: &[u8]) -> usize {
    if raw.get(1) != Some(&b'[') {
        return 1;
    }
    let parameters = raw[2..].iter().take_while(|b| matches!(b, 0x20..=0x3f)).count();
    (2 + parameters + 1).min(raw.len())
}

/// The bytes of a document that are in memory, with the place of the first.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// The bytes, look-ahead included.
    pub data: &'a [u8],
    /// Offset of the first byte in the document.
    pub offset: u64,
    /// Number of the line on which the first byte stands.
    pub first_line: u64,
    /// With what its lines begin, while it is read.
    pub(crate) heads: Option<&'a Heads>,
}

impl<'a> Block<'a> {
    /// All bytes of a document.
    pub fn whole(data: &'a [u8]) -> Self {
        Self { data, offset: 0, first_line: 1, heads: None }
    }

    /// Bytes that stand `offset` bytes behind the beginning of a document; lines count from the first of them on.
    pub fn further_on(data: &'a [u8], offset: u64) -> Self {
        Self { offset, ..Self::whole(data) }
    }

    /// Bounds of the logical line around `at`, not reaching back before `floor`; capped each way at [`MAX_LINE`].
    pub fn bounds(&self, at: usize, floor: usize) -> (usize, usize) {
        let low = floor.max(at.saturating_sub(MAX_LINE));
        let start = memrchr2(b'\n', b'\r', &self.data[low..at]).map_or(low, |found| low + found + 1);
        let high = self.data.len().min(at + MAX_LINE);
        let end = memchr2(b'\n', b'\r', &self.data[at..high]).map_or(high, |found| at + found);
        (start, end)
    }

    /// The logical line after the one that ends at `end`; `number` is that of the line that ended.
    pub fn next(&self, end: usize, number: u64) -> Option<(usize, usize, u64)> {
        let mut start = end;
        let mut number = number;
        match self.data.get(start)? {
            b'\n' => {
                number += 1;
                start += 1;
            }
            b'\r' => {
                start += 1;
                if self.data.get(start) == Some(&b'\n') {
                    number += 1;
                    start += 1;
                }
            }
            _ => {}
        }
        if start >= self.data.len() {
            return None;
        }
        let high = self.data.len().min(start + MAX_LINE);
        let end = memchr2(b'\n', b'\r', &self.data[start..high]).map_or(high, |found| start + found);
        Some((start, end, number))
    }

    /// The logical line before the one that begins at `start`, whose number is `number`: first byte, end, number.
    fn previous(&self, start: usize, mut number: u64) -> Option<(usize, usize, u64)> {
        let mut end = start.checked_sub(1)?;
        if self.data[end] == b'\n' {
            number -= 1;
            // Both of `\r\n` end one line.
            end -= usize::from(self.data[..end].ends_with(b"\r"));
        }
        let low = end.saturating_sub(MAX_LINE);
        let first = memrchr2(b'\n', b'\r', &self.data[low..end]).map_or(low, |found| low + found + 1);
        Some((first, end, number))
    }
}

/// A line with its surroundings, for grammars that read several lines.
#[derive(Debug)]
pub struct Cursor<'a> {
    /// The block around the line.
    pub block: Block<'a>,
    /// The line that holds an anchor of the grammar.
    pub line: Line<'a>,
}

impl<'a> Cursor<'a> {
    /// The lines after this one, of any writer, at most [`REACH`] bytes away.
    pub fn following(&self) -> impl Iterator<Item = Line<'a>> + use<'a> {
        self.raw_after(|_| true)
    }

    /// Of the lines after this one those whose bytes are `like` something.
    pub(crate) fn raw_after<L: Fn(&[u8]) -> bool>(&self, like: L) -> impl Iterator<Item = Line<'a>> + use<'a, L> {
        let block = self.block;
        let furthest = self.line.start + REACH;
        let mut end = self.line.start + self.line.raw.len();
        let mut number = self.line.number;
        let places = std::iter::from_fn(move || {
            let start;
            (start, end, number) = block.next(end, number).filter(|(_, stop, _)| *stop <= furthest)?;
            Some((number, start, &block.data[start..end]))
        });
        places.filter(move |(_, _, raw)| like(raw)).map(|(number, start, raw)| Line::new(number, start, raw))
    }

    /// The lines after this one by the same writer.
    pub fn stream(&self) -> impl Iterator<Item = Line<'a>> + use<'a> {
        let (context, mark) = (self.line.context.clone(), self.mark());
        self.raw_after(move |raw| raw.starts_with(mark)).filter(move |line| line.context.same_stream(&context))
    }

    /// Whether [`Self::following`] comes to the end of the document.
    pub(crate) fn reaches_the_end(&self) -> bool {
        self.block.data.len() <= self.line.start + REACH
    }

    /// Whether the document breaks off in a line that follows: it is the last one, and nothing ends it.
    pub(crate) fn breaks_off_in(&self, line: &Line<'_>) -> bool {
        self.reaches_the_end() && line.start + line.raw.len() == self.block.data.len()
    }

    /// Of the `most` lines before this one those whose bytes are `like` something, nearest first.
    pub(crate) fn raw_before<L: Fn(&[u8]) -> bool>(
        &self,
        like: L,
        most: usize,
    ) -> impl Iterator<Item = Line<'a>> + use<'a, L> {
        let liked = self.places_before().take(most).filter(move |(_, _, raw)| like(raw));
        liked.map(|(number, start, raw)| Line::new(number, start, raw))
    }

    /// The bytes of the lines before this one, nearest first, at most [`REACH`] bytes away: where nobody asks for the
    /// text behind prefixes, finding those would cost most.
    pub(crate) fn bytes_before(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.places_before().map(|(_, _, raw)| raw)
    }

    /// The lines before this one, nearest first, at most [`REACH`] bytes away: number, first byte, bytes.
    fn places_before(&self) -> impl Iterator<Item = (u64, usize, &'a [u8])> + use<'a> {
        let block = self.block;
        let furthest = self.line.start.saturating_sub(REACH);
        let mut start = self.line.start;
        let mut number = self.line.number;
        std::iter::from_fn(move || {
            let end;
            (start, end, number) = block.previous(start, number)?;
            (start >= furthest).then(|| (number, start, &block.data[start..end]))
        })
    }

    /// The lines before this one, nearest first, at most [`REACH`] bytes away.
    pub fn preceding(&self) -> impl Iterator<Item = Line<'a>> + use<'a> {
        self.raw_before(|_| true, usize::MAX)
    }

    /// The lines before this one by the same writer, nearest first, among at most `most` of any writer.
    pub fn stream_before(&self, most: usize) -> Before<'a> {
        Before::new(self.block, &self.line, self.mark(), most)
    }

    /// What each line of this writer begins with: its prefixes, where no time stamp is among them.
    fn mark(&self) -> &'a [u8] {
        let raw = self.line.raw;
        match raw.len().checked_sub(self.line.text.len()) {
            Some(len) if self.line.context.at.is_none() && raw.ends_with(&self.line.text) => {
                raw[..len].trim_ascii_end()
            }
            _ => &[],
        }
    }

    /// The physical line in which byte `at` of the block stands, for documents that begin on the cursor's line.
    pub fn line_at(&self, at: usize) -> Line<'a> {
        let data = self.block.data;
        let at = at.clamp(self.line.start, data.len());
        let start = memchr::memrchr(b'\n', &data[self.line.start..at])
            .map_or(self.line.start, |found| self.line.start + found + 1);
        let end = memchr2(b'\n', b'\r', &data[at..]).map_or(data.len(), |found| at + found);
        let number = self.line.number + memchr::memchr_iter(b'\n', &data[self.line.start..start]).count() as u64;
        Line::new(number, start, &data[start..end.min(start + MAX_LINE)])
    }

    /// Offset of the line in the document.
    pub fn offset(&self, line: &Line<'_>) -> u64 {
        self.block.offset + line.start as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_further_on_stands_on_its_line() {
        let data = b"one\ntwo\r\nthree\nfour";
        let block = Block { first_line: 7, ..Block::whole(data) };
        let cursor = Cursor { block, line: Line::new(8, 4, &data[4..7]) };
        let at = |byte| (cursor.line_at(byte).number, cursor.line_at(byte).str().into_owned());
        assert_eq!(
            [at(5), at(11), at(19), at(99)],
            [(8, "two".into()), (9, "three".into()), (10, "four".into()), (10, "four".into())]
        );
    }

    #[test]
    fn the_lines_before_are_the_same_by_either_line_end() {
        let back = |data: &[u8], line: &[u8]| {
            let at = data.len() - line.len();
            let cursor = Cursor { block: Block::whole(data), line: Line::new(3, at, line) };
            let told = |line: Line<'_>| (line.number, line.str().into_owned());
            let bytes: Vec<Vec<u8>> = cursor.bytes_before().map(<[u8]>::to_vec).collect();
            (cursor.preceding().map(told).collect::<Vec<_>>(), bytes)
        };
        let lines = back(b"one\ntwo\nthree", b"three");
        assert_eq!(lines.0, [(2, "two".into()), (1, "one".into())]);
        assert_eq!(lines.1, [b"two".to_vec(), b"one".to_vec()]);
        assert_eq!(back(b"one\r\ntwo\r\nthree", b"three"), lines);
    }

    #[test]
    fn a_carriage_return_ends_a_logical_line_but_counts_no_line() {
        let data = b"one\rtwo\r\nthree\nfour";
        let block = Block::whole(data);
        let cursor = Cursor { block, line: Line::new(1, 0, &data[..3]) };
        let rest: Vec<_> = cursor.following().map(|line| (line.number, line.str().into_owned())).collect();
        assert_eq!(rest, [(1, "two".into()), (2, "three".into()), (3, "four".into())]);
    }

    #[test]
    fn looking_back_counts_down() {
        let data = b"one\ntwo\nthree";
        let block = Block::whole(data);
        let cursor = Cursor { block, line: Line::new(3, 8, &data[8..]) };
        let back: Vec<_> = cursor.preceding().map(|line| (line.number, line.str().into_owned())).collect();
        assert_eq!(back, [(2, "two".into()), (1, "one".into())]);
    }

    #[test]
    fn colours_are_removed() {
        assert_eq!(strip_ansi(b"\x1b[36m(a)\x1b[0m b").as_ref(), b"(a) b");
    }
}
