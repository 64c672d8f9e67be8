//! Text as bytes of UTF-8 (or what stands in for it): UTF-16 decoded, NULs dropped.
//!
//! Logs that several programs append to mix encodings: a Windows shell writes UTF-16 behind ASCII, or the other way
//! round. So the encoding is looked at again wherever a NUL turns up, not only at the start.

use std::io::{self, Read};

use memchr::memchr;

/// Bytes taken from the source at a time where they need decoding.
const CHUNK: usize = 64 << 10;

/// So many printable bytes in a row are no UTF-16.
const PLAIN_RUN: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// ASCII, UTF-8 or the like.
    Bytes,
    /// UTF-16; `true` where the low byte comes first.
    Wide(bool),
}

/// What had to be done to the bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// UTF-16 characters decoded.
    pub(super) wide: u64,
    /// NULs dropped.
    pub(super) nuls: u64,
    /// Bytes that were text as they stood.
    pub(super) plain: u64,
}

/// Decodes what it reads.
pub(super) struct Decoded<R> {
    source: R,
    decoder: Decoder,
    raw: Vec<u8>,
    ready: Vec<u8>,
    served: usize,
    begun: bool,
    ended: bool,
}

impl<R: Read> Decoded<R> {
    pub(super) fn new(source: R) -> Self {
        let decoder = Decoder::default();
        Self { source, decoder, raw: Vec::new(), ready: Vec::new(), served: 0, begun: false, ended: false }
    }

    pub(super) fn changes(&self) -> Changes {
        self.decoder.changes
    }

    /// Decodes until something is ready, or the source ends.
    fn refill(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.served = 0;
        while self.ready.is_empty() && !(self.ended && self.raw.is_empty()) {
            if !self.ended {
                let kept = self.raw.len();
                self.raw.resize(kept + CHUNK, 0);
                let count = self.source.read(&mut self.raw[kept..]).inspect_err(|_| self.raw.truncate(kept))?;
                self.raw.truncate(kept + count);
                self.ended = count == 0;
            }
            let taken = self.decoder.run(&self.raw, self.ended, &mut self.ready);
            self.raw.drain(..taken);
        }
        Ok(())
    }
}

/// Bytes that wait for more of the source where none of them is a NUL: a byte order mark, and the byte before it.
const WAITING: usize = 4;

impl<R: Read> Decoded<R> {
    /// Whether what comes next goes to the reader as it is, unless a NUL turns up.
    fn is_straight(&self) -> bool {
        let plain = self.begun && self.decoder.mode == Mode::Bytes && !self.decoder.hole;
        plain && self.raw.len() <= WAITING && memchr(0, &self.raw).is_none()
    }

    /// Reads into the buffer itself, which is larger than what waits; nothing where a NUL turned up.
    fn straight(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            let kept = self.raw.len();
            buffer[..kept].copy_from_slice(&self.raw);
            let count = if self.ended { 0 } else { self.source.read(&mut buffer[kept..])? };
            self.ended = count == 0;
            let bytes = &buffer[..kept + count];
            self.raw.clear();
            if memchr(0, bytes).is_some() {
                self.raw.extend_from_slice(bytes);
                return Ok(None);
            }
            let sure = Decoder::sure(bytes, self.ended);
            self.raw.extend_from_slice(&bytes[sure..]);
            if sure > 0 || self.ended {
                self.decoder.changes.plain += sure as u64;
                return Ok(Some(sure));
            }
        }
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.served == self.ready.len() {
            if self.is_straight()
                && buffer.len() > WAITING
                && let Some(count) = self.straight(buffer)?
            {
                return Ok(count);
            }
            self.begun = true;
            self.refill()?;
        }
        let count = buffer.len().min(self.ready.len() - self.served);
        buffer[..count].copy_from_slice(&self.ready[self.served..self.served + count]);
        self.served += count;
        Ok(count)
    }
}

/// The decoder proper: bytes in, text out.
struct Decoder {
    mode: Mode,
    fresh: bool,
    /// Within a run of NULs that mean nothing.
    hole: bool,
    high: Option<u16>,
    changes: Changes,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { mode: Mode::Bytes, fresh: true, hole: false, high: None, changes: Changes::default() }
    }
}

/// The text of a piece of a document, decoded.
pub(super) fn sample(raw: &[u8]) -> (Vec<u8>, Changes) {
    let (mut decoder, mut text) = (Decoder::default(), Vec::new());
    decoder.run(raw, true, &mut text);
    (text, decoder.changes)
}

/// A byte that stands in text: printable ASCII, blanks, escapes.
pub(super) fn textual(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | 0x1b | 0x20..=0x7e)
}

/// `at`, or where the mark of UTF-16LE (or what there is of it) begins that stands before it.
fn before_mark(bytes: &[u8], at: usize) -> usize {
    let marks: [&[u8]; 2] = [&[0xff, 0xfe], &[0xff]];
    at - marks.iter().find(|mark| bytes[..at].ends_with(mark)).map_or(0, |mark| mark.len())
}

/// Whether a single byte stands between UTF-16 characters: a bare `\n` of a program that knows only bytes.
fn stray(window: &[u8], little: bool) -> bool {
    let at = |at: usize| window.get(at).copied().unwrap_or_default();
    let text = |index: usize| textual(at(index));
    match little {
        true => text(0) && text(1) && window.get(2) == Some(&0),
        false => text(0) && at(1) == 0 && text(2) && window.get(3) == Some(&0),
    }
}

impl Decoder {
    /// Decodes as much as can be decided; returns how many bytes that takes. At the end of the source, all.
    fn run(&mut self, raw: &[u8], end: bool, text: &mut Vec<u8>) -> usize {
        let mut at = 0;
        if self.fresh {
            if raw.len() < 3 && !end {
                return 0;
            }
            self.fresh = false;
            at = self.mark(raw);
        }
        loop {
            let rest = &raw[at..];
            let taken = match self.mode {
                Mode::Bytes => self.bytes(rest, end, text),
                Mode::Wide(little) => self.wide(rest, little, end, text),
            };
            match taken {
                Some(0) | None => return at,
                Some(taken) => at += taken,
            }
        }
    }

    /// The byte order mark at the start.
    fn mark(&mut self, raw: &[u8]) -> usize {
        match raw {
            [0xef, 0xbb, 0xbf, ..] => 3,
            [0xff, 0xfe, ..] => {
                self.mode = Mode::Wide(true);
                2
            }
            [0xfe, 0xff, ..] => {
                self.mode = Mode::Wide(false);
                2
            }
            _ => 0,
        }
    }

    /// Copies bytes up to the next NUL, then says what the NUL means; none where more bytes are needed to say.
    fn bytes(&mut self, rest: &[u8], end: bool, text: &mut Vec<u8>) -> Option<usize> {
        if self.hole {
            let nuls = rest.iter().take_while(|byte| **byte == 0).count();
            self.changes.nuls += nuls as u64;
            self.hole = nuls == rest.len();
            if nuls > 0 {
                return Some(nuls);
            }
        }
        let Some(nul) = memchr(0, rest) else {
            let sure = Self::sure(rest, end);
            self.copy(&rest[..sure], text);
            return Some(sure);
        };
        if rest.len() < nul + 4 && !end {
            let sure = before_mark(rest, nul.saturating_sub(1));
            self.copy(&rest[..sure], text);
            return Some(sure);
        }
        let byte = |at: usize| rest.get(at).copied();
        let is_text = |at: usize| byte(at).is_some_and(textual);
        let big = is_text(nul + 1) && byte(nul + 2) == Some(0);
        let line_start = nul == 0 || byte(nul - 1) == Some(b'\n');
        let little =
            nul > 0 && is_text(nul - 1) && (is_text(nul + 1) && byte(nul + 2) == Some(0) || self.tail(rest, nul));
        if big && (line_start || !little) {
            self.copy(&rest[..nul], text);
            self.mode = Mode::Wide(false);
            Some(nul).filter(|taken| *taken > 0).or_else(|| self.wide(rest, false, end, text))
        } else if little {
            self.copy(&rest[..before_mark(rest, nul - 1)], text);
            self.mode = Mode::Wide(true);
            Some(nul - 1).filter(|taken| *taken > 0).or_else(|| self.wide(rest, true, end, text))
        } else {
            self.copy(&rest[..nul], text);
            self.changes.nuls += 1;
            self.hole = true;
            Some(nul + 1)
        }
    }

    /// How many of some bytes without a NUL are text whatever follows: the last may be the first half of a UTF-16
    /// character.
    fn sure(bytes: &[u8], end: bool) -> usize {
        if end { bytes.len() } else { before_mark(bytes, bytes.len().saturating_sub(1)) }
    }

    /// Whether a NUL ends a UTF-16 line: `\n\0` behind UTF-16 that was left for a run of ASCII.
    fn tail(&self, rest: &[u8], nul: usize) -> bool {
        self.changes.wide > 0 && rest[nul - 1] == b'\n'
    }

    fn copy(&mut self, bytes: &[u8], text: &mut Vec<u8>) {
        self.changes.plain += bytes.len() as u64;
        text.extend_from_slice(bytes);
    }

    /// Decodes UTF-16 until bytes follow that are none; nothing where more are needed.
    fn wide(&mut self, rest: &[u8], little: bool, end: bool, text: &mut Vec<u8>) -> Option<usize> {
        let mut at = 0;
        loop {
            let window = &rest[at..rest.len().min(at + PLAIN_RUN)];
            if window.len() < PLAIN_RUN && !end {
                return (at > 0).then_some(at);
            }
            if window.iter().all(|byte| textual(*byte)) || window.len() < 2 {
                self.mode = Mode::Bytes;
                self.high = None;
                return if at > 0 { Some(at) } else { self.bytes(rest, end, text).or(Some(0)) };
            }
            let (first, second) = (window[0], window[1]);
            if first == 0 && second == 0 {
                // A hole; what lies behind it is looked at afresh.
                self.mode = Mode::Bytes;
                return if at > 0 { Some(at) } else { self.bytes(rest, end, text).or(Some(0)) };
            }
            if stray(window, little) {
                self.copy(&window[..1], text);
                at += 1;
                continue;
            }
            self.unit(
                if little { u16::from_le_bytes([first, second]) } else { u16::from_be_bytes([first, second]) },
                text,
            );
            at += 2;
        }
    }

    /// One UTF-16 code unit.
    fn unit(&mut self, unit: u16, text: &mut Vec<u8>) {
        self.changes.wide += 1;
        let char = match (unit, self.high.take()) {
            (0xfeff, _) => return,
            (0xd800..=0xdbff, _) => {
                self.high = Some(unit);
                return;
            }
            (0xdc00..=0xdfff, Some(high)) => {
                char::from_u32(0x1_0000 + (u32::from(high - 0xd800) << 10) + u32::from(unit - 0xdc00))
            }
            _ => char::from_u32(u32::from(unit)),
        };
        let char = char.unwrap_or(char::REPLACEMENT_CHARACTER);
        text.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn little(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn big(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }

    /// Gives out a few bytes at a time.
    struct Dribble<'a>(&'a [u8], usize);

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buffer.len()).min(self.0.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn decoded(raw: &[u8], step: usize) -> String {
        let mut text = Vec::new();
        Decoded::new(Dribble(raw, step)).read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }

    #[test]
    fn text_comes_out_however_it_was_written() {
        let text = "first line\nstep 12 loss 0.5\nGerät 서버 🚀\nRuntimeError: NCCL error\n";
        let ascii = "plain ASCII line behind it\n";
        let join = |parts: &[&[u8]]| parts.concat();
        let cases: [(&str, Vec<u8>, String); 12] = [
            ("ASCII", ascii.into(), ascii.into()),
            ("UTF-8 with mark", join(&[b"\xef\xbb\xbf", text.as_bytes()]), text.into()),
            ("UTF-16LE with mark", join(&[b"\xff\xfe", &little(text)]), text.into()),
            ("UTF-16BE with mark", join(&[b"\xfe\xff", &big(text)]), text.into()),
            ("UTF-16LE", little(text), text.into()),
            ("UTF-16BE", big(text), text.into()),
            (
                "UTF-16LE in ASCII",
                join(&[ascii.as_bytes(), &little(text), ascii.as_bytes()]),
                [ascii, text, ascii].concat(),
            ),
            (
                "UTF-16BE in ASCII",
                join(&[ascii.as_bytes(), &big(text), ascii.as_bytes()]),
                [ascii, text, ascii].concat(),
            ),
            ("NULs", join(&[ascii.as_bytes(), &[0; 5000], ascii.as_bytes(), &[0; 3]]), [ascii, ascii].concat()),
            ("a hole first", join(&[&[0; 9], ascii.as_bytes()]), ascii.into()),
            (
                "a bare newline in UTF-16LE",
                join(&[&little("one line"), b"\n", &little("another line\n")]),
                "one line\nanother line\n".into(),
            ),
            (
                "a bare newline in UTF-16BE",
                join(&[&big("one line"), b"\n", &big("another line\n")]),
                "one line\nanother line\n".into(),
            ),
        ];
        for (what, raw, want) in cases {
            for step in [1, 2, 3, 7, 64, 1 << 20] {
                assert_eq!(decoded(&raw, step), want, "{what}, {step} at a time");
            }
        }
    }

    #[test]
    fn half_a_character_at_the_end_does_no_harm() {
        let raw = little("the end 🚀");
        for cut in 0..raw.len() {
            assert!(decoded(&raw[..cut], 5).starts_with(if cut > 6 { "the" } else { "" }));
        }
    }

    #[test]
    fn no_bytes_are_too_odd() {
        let mut seed: u64 = 5;
        for _ in 0..20_000 {
            let mut raw = Vec::new();
            for _ in 0..24 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                raw.push([0, 0, b'a', b'\n', 0xff, 0xfe, 0xd8, 0xdc][(seed >> 33) as usize % 8]);
            }
            assert!(decoded(&raw, 3).len() <= 3 * raw.len());
            assert!(decoded(&raw, 1000).len() <= 3 * raw.len());
        }
    }
}
