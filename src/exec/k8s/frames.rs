//! From the log of a pod to its two streams (see `entry.sh`).

use super::Stream;

/// Longest line that may be one of ours; of a longer one nothing is kept but its first bytes.
const LONGEST: usize = 16 << 10;

/// Takes a log apart. It may be read again from its start: what was heard is passed over.
#[derive(Debug, Default)]
pub(super) struct Frames {
    line: Vec<u8>,
    /// Number of the last line of each stream.
    out: u64,
    err: u64,
    /// Lines that are not ours: how many, and how many of them were heard before this reading.
    other: u64,
    heard: u64,
    /// Whether lines are missing: a log that was rotated away.
    pub(super) gap: bool,
}

impl Frames {
    /// The log comes again from its start.
    pub(super) fn again(&mut self) {
        self.line.clear();
        self.heard = self.heard.max(self.other);
        self.other = 0;
    }

    /// The next bytes of the log.
    pub(super) fn take(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Stream, Vec<u8>)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LONGEST.saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.line(&line, tell);
            }
        }
    }

    fn line(&mut self, line: &[u8], tell: &mut dyn FnMut(Stream, Vec<u8>)) {
        let Some((stream, number, bytes)) = frame(line) else {
            // Whatever else an image prints: it may say why nothing begins.
            self.other += 1;
            if self.other > self.heard {
                tell(Stream::Err, line.to_vec());
            }
            return;
        };
        let last = if stream == Stream::Out { &mut self.out } else { &mut self.err };
        if number > *last {
            self.gap |= number > *last + 1;
            *last = number;
            tell(stream, bytes);
        }
    }
}

/// Stream, number and bytes of a line of ours.
fn frame(line: &[u8]) -> Option<(Stream, u64, Vec<u8>)> {
    let text = std::str::from_utf8(line).ok()?.trim_end();
    let mut words = text.split(' ');
    let stream = match words.next()? {
        "O" => Stream::Out,
        "E" => Stream::Err,
        _ => return None,
    };
    let number = words.next()?.parse().ok()?;
    let hex = words.next()?;
    let pairs = hex.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes = pairs.map(byte).collect::<Option<Vec<u8>>>()?;
    (hex.len().is_multiple_of(2) && words.next().is_none()).then_some((stream, number, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(frames: &mut Frames, log: &[u8], step: usize) -> Vec<(Stream, Vec<u8>)> {
        let mut said = Vec::new();
        log.chunks(step).for_each(|piece| frames.take(piece, &mut |stream, bytes| said.push((stream, bytes))));
        said
    }

    #[test]
    fn lines_become_streams_wherever_they_are_cut_and_none_is_heard_twice() {
        let log = b"sh: od: not found\nO 1 68690a00\nE 1 ff\nO 2 21\nO x zz\n";
        let want = vec![
            (Stream::Err, b"sh: od: not found\n".to_vec()),
            (Stream::Out, b"hi\n\0".to_vec()),
            (Stream::Err, vec![0xff]),
            (Stream::Out, b"!".to_vec()),
            (Stream::Err, b"O x zz\n".to_vec()),
        ];
        for step in [1, 3, 7, 100] {
            let mut frames = Frames::default();
            assert_eq!(all(&mut frames, log, step), want);
            frames.again();
            let more = [log.as_slice(), b"O 3 21\n"].concat();
            assert_eq!(all(&mut frames, &more, step), [(Stream::Out, b"!".to_vec())]);
            assert!(!frames.gap);
        }
        let mut frames = Frames::default();
        assert_eq!(all(&mut frames, b"O 5 21\n", 9).len(), 1);
        assert!(frames.gap);
    }

    #[test]
    fn a_line_without_an_end_takes_no_memory() {
        let mut frames = Frames::default();
        assert!(all(&mut frames, &vec![b'x'; 1 << 20], 1000).is_empty());
        assert!(frames.line.len() <= LONGEST);
    }
}
