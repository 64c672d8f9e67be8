//! Long literals: of every few bytes of text one group of five is looked at.
//!
//! A literal of `step + 4` bytes holds `step` groups of five bytes (*grams*), one after the other. Of any `step`
//! neighbouring places in a text one is a multiple of `step`. So a text that is looked at only there still shows a gram
//! of each literal it holds; whether a gram is one of ours, a small Bloom filter tells that stays in the first cache.

use super::Indexed;
use super::sample::Sample;

/// Bytes in a gram.
const GRAM: usize = 5;

/// Places that are looked at together.
const TOGETHER: usize = 8;

/// Words of the Bloom filter, as a power of two: 16 KiB, half of a common first cache.
const FILTER_BITS: u32 = 11;

/// Buckets of the table of grams, as a power of two.
const TABLE_BITS: u32 = 12;

/// Shortest literal that a search of this step sees.
pub(super) fn shortest(step: usize) -> usize {
    step + GRAM - 1
}

/// A gram of a literal.
#[derive(Debug, Clone, Copy)]
struct Entry {
    gram: u64,
    literal: u32,
    /// How far the gram stands behind the literal's first byte.
    offset: u32,
}

/// A prepared search.
#[derive(Debug)]
pub(super) struct Grams {
    step: usize,
    filter: Vec<u64>,
    /// First entry of each bucket, and the end.
    buckets: Vec<u32>,
    entries: Vec<Entry>,
}

impl Grams {
    /// A search for literals of at least [`shortest`] bytes.
    pub(super) fn new(step: usize, literals: &[Indexed<'_>], sample: &Sample) -> Self {
        let mut entries = Vec::new();
        for (literal, bytes) in literals {
            let (window, _) = rarest_window(bytes, step, sample);
            entries.extend((window..window + step).map(|at| Entry {
                gram: gram(&bytes[at..]),
                literal: *literal,
                offset: at as u32,
            }));
        }
        entries.sort_by_key(|entry| (bucket(hash(entry.gram)), entry.gram));
        let mut filter = vec![0; 1 << FILTER_BITS];
        let mut buckets = vec![0; (1 << TABLE_BITS) + 1];
        for entry in &entries {
            let hash = hash(entry.gram);
            filter[word(hash)] |= 1 << first_bit(hash) | 1 << second_bit(hash);
            buckets[bucket(hash) + 1] += 1;
        }
        for at in 1..buckets.len() {
            buckets[at] += buckets[at - 1];
        }
        Self { step, filter, buckets, entries }
    }

    /// Proposes each literal, with its place, that `text` may hold.
    pub(super) fn find(&self, text: &[u8], check: &mut impl FnMut(u32, usize)) {
        if self.entries.is_empty() {
            return;
        }
        match self.step {
            12 => self.sweep::<12>(text, check),
            10 => self.sweep::<10>(text, check),
            8 => self.sweep::<8>(text, check),
            6 => self.sweep::<6>(text, check),
            _ => self.sweep::<4>(text, check),
        }
    }

    fn sweep<const STEP: usize>(&self, text: &[u8], check: &mut impl FnMut(u32, usize)) {
        let Some(filter) = self.filter.first_chunk::<{ 1 << FILTER_BITS }>() else { return };
        let mut base = 0;
        for chunk in text.windows(STEP * TOGETHER + 8).step_by(STEP * TOGETHER) {
            let mut seen = 0;
            for place in 0..TOGETHER {
                let at = place * STEP;
                let eight = chunk[at..at + 8].first_chunk().map_or(0, |eight| u64::from_le_bytes(*eight));
                seen |= held(filter, hash(eight << (64 - 8 * GRAM))) << place;
            }
            while seen != 0 {
                self.look_up(text, base + seen.trailing_zeros() as usize * STEP, check);
                seen &= seen - 1;
            }
            base += STEP * TOGETHER;
        }
        while base + GRAM <= text.len() {
            if held(filter, hash(gram(&text[base..]))) != 0 {
                self.look_up(text, base, check);
            }
            base += STEP;
        }
    }

    #[inline(never)]
    fn look_up(&self, text: &[u8], at: usize, check: &mut impl FnMut(u32, usize)) {
        let gram = gram(&text[at..]);
        let bucket = bucket(hash(gram));
        let entries = &self.entries[self.buckets[bucket] as usize..self.buckets[bucket + 1] as usize];
        for entry in entries.iter().filter(|entry| entry.gram == gram) {
            if let Some(start) = at.checked_sub(entry.offset as usize) {
                check(entry.literal, start);
            }
        }
    }
}

/// Where those neighbouring grams of a literal begin that are the rarest, and how often they stand in the sample.
pub(super) fn rarest_window(literal: &[u8], step: usize, sample: &Sample) -> (usize, u32) {
    let common: Vec<u32> = literal.windows(GRAM).map(|gram| sample.fives(gram)).collect();
    let windows = common.windows(step).map(|window| window.iter().sum()).enumerate();
    windows.min_by_key(|(_, common)| *common).unwrap_or((0, 0))
}

/// The first five bytes, of which there are as many, in the upper part of a word.
#[inline(always)]
fn gram(bytes: &[u8]) -> u64 {
    u64::from_le_bytes([0, 0, 0, bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]])
}

/// Multiplicative hashing (Knuth, TAOCP 6.4): the upper bits are the good ones.
#[inline(always)]
fn hash(gram: u64) -> u64 {
    gram.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// 1 where both bits of a hash are set.
#[inline(always)]
fn held(filter: &[u64; 1 << FILTER_BITS], hash: u64) -> u64 {
    let word = filter[word(hash)];
    (word >> first_bit(hash)) & (word >> second_bit(hash)) & 1
}

#[inline(always)]
fn word(hash: u64) -> usize {
    (hash >> (64 - FILTER_BITS)) as usize
}

#[inline(always)]
fn first_bit(hash: u64) -> u64 {
    (hash >> 47) & 63
}

#[inline(always)]
fn second_bit(hash: u64) -> u64 {
    (hash >> 41) & 63
}

#[inline(always)]
fn bucket(hash: u64) -> usize {
    (hash >> (64 - TABLE_BITS)) as usize
}
