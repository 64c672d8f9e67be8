//! What a mail, a page or `cat -n` puts before each line of what it shows: it is taken off, and what is left is read as it
//! stood where it came from.

use std::io::{self, Read};

use memchr::memchr;

/// Lines with something on them that have to show a margin before it is one.
const LEAST_LINES: usize = 3;

/// Widest margin, in bytes: what is indented further is laid out.
const WIDEST: usize = 64;

/// Bytes taken from the source at a time.
const STEP: usize = 64 << 10;

/// What stands before each line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Margin {
    /// These blanks and marks of quotation (`> `); of a line with nothing on it, the first of them.
    Same(Vec<u8>),
    /// The number of the line, and a tab, as `cat -n` and `nl` print it.
    Number,
}

/// The margin of a text that begins like this, where all its lines have one.
pub(super) fn of(head: &[u8]) -> Option<Margin> {
    let marked = head.iter().find(|byte| **byte != b'\n');
    if !marked.is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'>' | b'0'..=b'9')) {
        return None;
    }
    // The last line may be cut.
    let whole = head.rsplitn(2, |byte| *byte == b'\n').last().unwrap_or(head);
    let lines: Vec<&[u8]> = whole.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect();
    if lines.len() < LEAST_LINES { None } else { numbered(&lines).or_else(|| same(&lines)) }
}

/// What all lines begin with.
fn same(lines: &[&[u8]]) -> Option<Margin> {
    let (mut text, mut bare) = (lines.iter().filter(|line| !is_bare(line)), lines.iter().filter(|line| is_bare(line)));
    let first = text.next()?;
    let marks = first.iter().take(WIDEST).take_while(|byte| is_mark(**byte)).count();
    let shared = |width: usize, line: &&[u8]| width.min(common(&first[..width], line));
    let margin = &first[..text.fold(marks, shared)];
    let kept = bare.all(|line| common(margin, line) >= margin.trim_ascii_end().len());
    (kept && !margin.is_empty()).then(|| Margin::Same(margin.to_vec()))
}

fn is_mark(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'>')
}

/// Whether nothing but marks stands on a line.
fn is_bare(line: &[u8]) -> bool {
    line.iter().all(|byte| is_mark(*byte) || *byte == b'\r')
}

fn common(margin: &[u8], line: &[u8]) -> usize {
    margin.iter().zip(line).take_while(|(mark, byte)| mark == byte).count()
}

/// Lines that are counted one by one.
fn numbered(lines: &[&[u8]]) -> Option<Margin> {
    let mut numbers = lines.iter().map(|line| number(line).map(|(number, _)| number));
    let first = numbers.next()??;
    // `nl` does not count lines with nothing on them; they are not among these.
    (first + 1..).zip(numbers).all(|(wanted, number)| number == Some(wanted)).then_some(Margin::Number)
}

/// A number with a tab behind it at the start of a line, and the bytes that both take.
fn number(line: &[u8]) -> Option<(u64, usize)> {
    let pad = line.iter().take_while(|byte| **byte == b' ').count();
    let digits = line[pad..].iter().take(12).take_while(|byte| byte.is_ascii_digit()).count();
    let value = std::str::from_utf8(&line[pad..pad + digits]).ok()?.parse().ok()?;
    (line.get(pad + digits) == Some(&b'\t')).then_some((value, pad + digits + 1))
}

impl Margin {
    /// Bytes of the margin before this line.
    fn width(&self, line: &[u8]) -> usize {
        match self {
            Self::Same(margin) => common(margin, line),
            Self::Number => number(line).map_or(0, |(_, width)| width),
        }
    }
}

/// Takes the margin off what it reads.
pub(super) struct Unmargined<R> {
    source: R,
    margin: Margin,
    raw: Vec<u8>,
    ready: Vec<u8>,
    served: usize,
    /// Whether what is read next begins a line.
    fresh: bool,
}

impl<R: Read> Unmargined<R> {
    pub(super) fn new(source: R, margin: Margin) -> Self {
        Self { source, margin, raw: Vec::new(), ready: Vec::new(), served: 0, fresh: true }
    }

    /// Reads on; what may be the start of a margin waits for the rest of it.
    fn refill(&mut self) -> io::Result<()> {
        self.served = 0;
        self.ready.clear();
        let mut ended = false;
        while self.ready.is_empty() && !ended {
            let kept = self.raw.len();
            self.raw.resize(kept + STEP, 0);
            let count = self.source.read(&mut self.raw[kept..]).inspect_err(|_| self.raw.truncate(kept))?;
            self.raw.truncate(kept + count);
            ended = count == 0;
            let taken = self.take(ended);
            self.raw.drain(..taken);
        }
        Ok(())
    }

    /// Moves what is sure to `ready`; returns how many bytes of `raw` are done with.
    fn take(&mut self, ended: bool) -> usize {
        let mut at = 0;
        while at < self.raw.len() {
            let rest = &self.raw[at..];
            let end = memchr(b'\n', rest).map(|end| end + 1);
            if self.fresh {
                if end.is_none() && rest.len() < WIDEST && !ended {
                    break;
                }
                at += self.margin.width(&rest[..end.unwrap_or(rest.len())]);
                self.fresh = false;
                continue;
            }
            self.ready.extend_from_slice(&rest[..end.unwrap_or(rest.len())]);
            self.fresh = end.is_some();
            at += end.unwrap_or(rest.len());
        }
        at
    }
}

impl<R: Read> Read for Unmargined<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.served == self.ready.len() {
            self.refill()?;
        }
        let count = buffer.len().min(self.ready.len() - self.served);
        buffer[..count].copy_from_slice(&self.ready[self.served..self.served + count]);
        self.served += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text without its margin, read a byte at a time and at once.
    fn off(text: &str) -> Option<String> {
        let margin = of(text.as_bytes())?;
        let mut whole = Vec::new();
        Unmargined::new(text.as_bytes(), margin.clone()).read_to_end(&mut whole).unwrap();
        let mut drops = Vec::new();
        Unmargined::new(Drops(text.as_bytes()), margin).read_to_end(&mut drops).unwrap();
        assert_eq!(whole, drops);
        Some(String::from_utf8(whole).unwrap())
    }

    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(buffer.len()).min(1);
            self.0.read(&mut buffer[..count])
        }
    }

    #[test]
    fn what_stands_before_each_line_is_taken_off() {
        let plain = "Traceback:\n  File x\n\nValueError: y\n";
        for text in [
            "    Traceback:\n      File x\n\n    ValueError: y\n",
            "\tTraceback:\n\t  File x\n\t\n\tValueError: y\n",
            "> Traceback:\n>   File x\n>\n> ValueError: y\n",
            "> > Traceback:\n> >   File x\n> >\n> > ValueError: y\n",
            "     1\tTraceback:\n     2\t  File x\n     3\t\n     4\tValueError: y\n",
            "9\tTraceback:\n10\t  File x\n\n11\tValueError: y\n",
        ] {
            assert_eq!(off(text).as_deref(), Some(plain), "{text}");
        }
        assert_eq!(off("  a\r\n\r\n  b\r\n  c\r\n  d").as_deref(), Some("a\r\n\r\nb\r\nc\r\nd"));
    }

    #[test]
    fn what_only_some_lines_have_is_their_own() {
        for text in [
            "",
            "  a\n  b\n",
            "a\n  b\n  c\n",
            "> a\n> b\nc\n> d\n",
            "1\ta\n3\tb\n4\tc\n",
            "0: a\n0: b\n0: c\n",
            "12 a\n13 b\n14 c\n",
            ">>> a\nb\nc\n",
            "   \n   \n   \n   \n",
        ] {
            assert_eq!(off(text), None, "{text}");
        }
    }
}
