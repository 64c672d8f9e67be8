//! What a document is mostly made of, so that the search looks for what is rare there.

use crate::noise;

/// Pieces that are taken of a text, and bytes in each.
const PIECES: usize = 24;
const PIECE: usize = 8 << 10;

/// Buckets of a table of counts, as a power of two.
const TABLE_BITS: u32 = 18;

/// Counts of short runs of bytes; different ones that share a bucket are counted together.
#[derive(Debug)]
pub(super) struct Sample {
    pieces: Vec<Vec<u8>>,
    fours: Vec<u32>,
}

impl Sample {
    /// Takes pieces of a text, and counts them beside the usual noise.
    pub(super) fn of(text: &[u8]) -> Self {
        let stride = (text.len() / PIECES).max(PIECE);
        let taken = text.chunks(stride).take(PIECES).map(|chunk| chunk[..chunk.len().min(PIECE)].to_vec());
        let pieces: Vec<Vec<u8>> = std::iter::once(noise::bytes().to_vec()).chain(taken).collect();
        let mut fours = vec![0; 1 << TABLE_BITS];
        runs(&pieces).for_each(|run| fours[bucket(run)] += 1);
        Self { pieces, fours }
    }

    /// How often the first four bytes stand in the sample; shorter runs are taken to be in every line.
    pub(super) fn fours(&self, run: &[u8]) -> u32 {
        run.get(..4).map_or(1000, |run| self.fours[bucket(run)])
    }

    /// Every four bytes that stand side by side.
    pub(super) fn runs(&self) -> impl Iterator<Item = &[u8]> {
        runs(&self.pieces)
    }

    /// A few lines of it.
    pub(super) fn extract(&self) -> &[u8] {
        let last = self.pieces.last().map_or(&[][..], Vec::as_slice);
        &last[..last.len().min(PIECE)]
    }
}

fn runs(pieces: &[Vec<u8>]) -> impl Iterator<Item = &[u8]> {
    pieces.iter().flat_map(|piece| piece.windows(4))
}

/// Multiplicative hashing of a few bytes (Knuth, TAOCP 6.4).
fn bucket(run: &[u8]) -> usize {
    let number = run.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - TABLE_BITS)) as usize
}
