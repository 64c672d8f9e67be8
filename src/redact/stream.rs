//! Masking a stream as it is read, in memory that does not follow its size.

use std::io::{self, Read};

use super::{Masker, State};

/// Bytes looked at as one.
const PIECE: usize = 1 << 20;

/// Bytes of a line that is longer than a piece which are looked at again with what follows: no secret is longer.
const OVERLAP: usize = 16 << 10;

/// A stream without its secrets: as many bytes, line for line.
pub struct Masked<'a> {
    masker: &'a Masker,
    from: &'a mut dyn Read,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are masked and may go out, and how many of them went.
    ready: usize,
    served: usize,
    ended: bool,
    state: State,
    count: u64,
}

impl std::fmt::Debug for Masked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Masked")
    }
}

impl<'a> Masked<'a> {
    /// The stream, masked.
    pub fn new(masker: &'a Masker, from: &'a mut dyn Read) -> Self {
        let (buffer, state) = (Vec::new(), State::default());
        Self { masker, from, buffer, ready: 0, served: 0, ended: false, state, count: 0 }
    }

    /// How many secrets were masked so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Reads the next piece and masks it.
    fn advance(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.ready);
        (self.ready, self.served) = (0, 0);
        let missing = (PIECE + OVERLAP).saturating_sub(self.buffer.len());
        let got = (&mut *self.from).take(missing as u64).read_to_end(&mut self.buffer)?;
        self.ended = got < missing;
        self.ready = if self.ended {
            self.buffer.len()
        } else {
            // Whole lines; of one that does not end here, as much as can't be the start of a secret.
            let lines = memchr::memrchr(b'\n', &self.buffer).map_or(0, |at| at + 1);
            if lines > 0 { lines } else { self.buffer.len() - OVERLAP }
        };
        let until = self.ready;
        // The rest of a cut line is looked at as well, for a secret that goes on in it.
        let whole = self.buffer[..until].ends_with(b"\n");
        let text = if whole { &mut self.buffer[..until] } else { &mut self.buffer[..] };
        self.count += self.masker.mask(text, until, &mut self.state);
        Ok(())
    }
}

impl Read for Masked<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.served == self.ready && !self.ended {
            self.advance()?;
        }
        let rest = &self.buffer[self.served..self.ready];
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        self.served += count;
        Ok(count)
    }
}
