//! Finds the wrapper's own words in a stream, whatever the command prints around them.

use memchr::memmem;

/// Longest word of the wrapper, after its mark.
const LONGEST: usize = 512;

/// A piece of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// What the command, or whoever came before it, has printed.
    Bytes(&'a [u8]),
    /// What the wrapper says: the rest of the line after its mark.
    Word(String),
}

/// Takes a stream apart. Holds back only what may be the beginning of a mark.
#[derive(Debug)]
pub(super) struct Marks {
    mark: Vec<u8>,
    held: Vec<u8>,
}

impl Marks {
    pub(super) fn new(mark: &str) -> Self {
        Self { mark: mark.as_bytes().to_vec(), held: Vec::new() }
    }

    /// The next bytes of the stream.
    pub(super) fn take(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Piece)) {
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let mut rest = held.as_slice();
        while let Some(at) = memmem::find(rest, &self.mark) {
            let after = &rest[at + self.mark.len()..];
            let Some(end) = memchr::memchr(b'\n', after) else {
                if after.len() <= LONGEST {
                    say(&rest[..at], tell);
                    self.held = rest[at..].to_vec();
                } else {
                    say(rest, tell);
                }
                return;
            };
            say(&rest[..at], tell);
            tell(Piece::Word(String::from_utf8_lossy(&after[..end]).trim().to_owned()));
            rest = &after[end + 1..];
        }
        let keep = (1..self.mark.len().min(rest.len() + 1)).rev().find(|n| rest.ends_with(&self.mark[..*n]));
        let (now, later) = rest.split_at(rest.len() - keep.unwrap_or(0));
        say(now, tell);
        self.held = later.to_vec();
    }

    /// The stream has ended: what was held back is no mark.
    pub(super) fn rest(&mut self, tell: &mut dyn FnMut(Piece)) {
        say(&std::mem::take(&mut self.held), tell);
    }
}

fn say(bytes: &[u8], tell: &mut dyn FnMut(Piece)) {
    if !bytes.is_empty() {
        tell(Piece::Bytes(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::{Marks, Piece};

    fn all(chunks: &[&[u8]]) -> (Vec<u8>, Vec<String>) {
        let mut marks = Marks::new("\u{1e}diag:0a");
        let (mut bytes, mut words) = (Vec::new(), Vec::new());
        let mut tell = |piece: Piece| match piece {
            Piece::Bytes(more) => bytes.extend_from_slice(more),
            Piece::Word(word) => words.push(word),
        };
        chunks.iter().for_each(|chunk| marks.take(chunk, &mut tell));
        marks.rest(&mut tell);
        (bytes, words)
    }

    #[test]
    fn marks_are_found_wherever_the_stream_is_cut() {
        let stream = b"noise\x1ediag:0a ready\na\x1ediag:0b no\n\x1ed no newline\x1ediag:0a ended exit 3\n";
        let wanted =
            (b"noisea\x1ediag:0b no\n\x1ed no newline".to_vec(), vec!["ready".to_owned(), "ended exit 3".to_owned()]);
        assert_eq!(all(&[stream]), wanted);
        for cut in 1..stream.len() {
            assert_eq!(all(&[&stream[..cut], &stream[cut..]]), wanted, "cut at {cut}");
        }
        let single: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(all(&single), wanted);
    }

    #[test]
    fn a_mark_without_an_end_is_no_mark_and_holds_nothing_up() {
        let mut stream = b"\x1ediag:0a ".to_vec();
        stream.extend([b'x'; 1000]);
        assert_eq!(all(&[&stream]), (stream.clone(), vec![]));
        assert_eq!(all(&[b"\x1ediag:0a rea"]), (b"\x1ediag:0a rea".to_vec(), vec![]));
    }
}
