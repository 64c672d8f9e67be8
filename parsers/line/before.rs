//! The way back through what one writer of a document said.

use memchr::memchr2;

use super::heads::Mark;
use super::{Block, Line};
use crate::prefix::Context;
use crate::{MAX_LINE, REACH};

/// Goes back through the lines of a writer, nearest first.
#[derive(Debug)]
pub struct Before<'a> {
    block: Block<'a>,
    writer: Context,
    /// No line that begins before this place is seen.
    furthest: usize,
    /// Where the last line began, and its number.
    start: usize,
    number: u64,
    /// Lines of any writer that may still be looked at.
    left: usize,
    /// What all lines of the writer begin with.
    mark: Option<Mark<'a>>,
}

impl<'a> Before<'a> {
    /// Goes back from a line, past at most `most` lines of any writer. Those of its writer begin with `mark`.
    pub(super) fn new(block: Block<'a>, line: &Line<'_>, mark: &'a [u8], most: usize) -> Self {
        let (start, number) = (line.start, line.number);
        let mark = (!mark.is_empty() && block.heads.is_some()).then(|| Mark::new(mark));
        let (writer, furthest) = (line.context.clone(), start.saturating_sub(REACH));
        Self { block, writer, furthest, start, number, left: most, mark }
    }

    /// Looks at no more than `most` further lines, of any writer.
    pub fn limit(&mut self, most: usize) {
        self.left = self.left.min(most);
    }

    /// The line before, of any writer, or with the mark.
    fn line(&mut self) -> Option<Line<'a>> {
        let end = match self.mark {
            Some(_) => self.marked()?,
            None => {
                self.left = self.left.checked_sub(1)?;
                let end;
                (self.start, end, self.number) = self.block.previous(self.start, self.number)?;
                end
            }
        };
        (self.start >= self.furthest).then(|| Line::new(self.number, self.start, &self.block.data[self.start..end]))
    }

    /// Goes to the line before that begins with the mark; returns where it ends.
    fn marked(&mut self) -> Option<usize> {
        let (data, heads, mark) = (self.block.data, self.block.heads?, self.mark.as_ref()?);
        while self.start > self.furthest {
            let (start, passed, found) = heads.before(data, self.start, mark)?;
            self.left = self.left.checked_sub(usize::try_from(passed).ok()?)?;
            (self.start, self.number) = (start, self.number - passed);
            if found {
                let most = data.len().min(start + MAX_LINE);
                return Some(memchr2(b'\n', b'\r', &data[start..most]).map_or(most, |at| start + at));
            }
        }
        None
    }
}

impl<'a> Iterator for Before<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        loop {
            let line = self.line()?;
            if line.context.same_stream(&self.writer) {
                return Some(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::{Cursor, Heads};
    use memchr::memchr_iter;

    /// Lines of several writers, among them some that begin nearly as the last one's.
    fn log(lines: usize) -> String {
        let text = |nth: usize| match nth % 7 {
            0 | 3 => format!("[rank1]: line {nth}\n"),
            1 => format!("[rank11]: as [rank1]: line {nth}\r\n"),
            2 => format!("step {nth} {}\n", "x".repeat(nth * 37 % 900)),
            4 => "\n".into(),
            5 => format!("loss {nth}\r[rank1]: line {nth}\n"),
            _ => format!("[rank2]: line {nth}\n"),
        };
        (0..lines).map(text).collect()
    }

    #[test]
    fn a_mark_finds_the_lines_that_looking_at_each_finds() {
        for lines in [1, 2, 8, 50, 900, 4000] {
            let log = log(lines) + "[rank1]: the last";
            let data = log.as_bytes();
            let first = log.rfind('\n').unwrap() + 1;
            let line = Line::new(1 + memchr_iter(b'\n', data).count() as u64, first, &data[first..]);
            let heads = Heads::of(data.len());
            let block = Block { heads: Some(&heads), ..Block::whole(data) };
            let told = |line: Line<'_>| (line.number, line.start, line.raw.to_vec());
            let by_mark: Vec<_> = Before::new(block, &line, b"[rank1]:", usize::MAX).map(told).collect();
            let each: Vec<_> = Before::new(block, &line, b"", usize::MAX).map(told).collect();
            assert_eq!(by_mark, each);
            let other = |line: &Line<'_>| line.context.same_stream(&Line::new(1, 0, b"[rank1]: x").context);
            let preceding: Vec<_> = Cursor { block, line }.preceding().filter(other).map(told).collect();
            assert_eq!((by_mark.len() >= lines / 7, by_mark), (true, preceding));
        }
    }

    #[test]
    fn no_more_lines_are_passed_than_wanted() {
        let log = "[rank1]: a\n[rank1]: b\nx\ny\n[rank1]: the last";
        let first = log.rfind('\n').unwrap() + 1;
        let line = Line::new(5, first, &log.as_bytes()[first..]);
        let heads = Heads::of(log.len());
        let block = Block { heads: Some(&heads), ..Block::whole(log.as_bytes()) };
        for mark in ["", "[rank1]:"] {
            let passed = |most| Before::new(block, &line, mark.as_bytes(), most).count();
            assert_eq!([0, 2, 3, 4, 9].map(passed), [0, 0, 1, 2, 2]);
            let mut before = Before::new(block, &line, mark.as_bytes(), usize::MAX);
            assert_eq!(before.next().map(|line| line.number), Some(2));
            before.limit(0);
            assert!(before.next().is_none());
        }
    }
}
