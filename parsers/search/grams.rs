//! Long literals: of every four bytes of text one group of four is looked at.
//!
//! A literal of seven bytes or more holds four groups of four bytes (*grams*), one after the other. Of any four
//! neighbouring places in a text one is a multiple of four. So a text that is looked at only there still shows a gram
//! of each literal it holds; whether a gram may be one of ours, a table of bits tells that stays in the first cache.

use super::Indexed;
use super::sample::Sample;

/// Bytes in a gram, and from one place that is looked at to the next.
const GRAM: usize = 4;

/// Shortest literal that is seen, in bytes.
pub(super) const SHORTEST: usize = 2 * GRAM - 1;

/// Places that are looked at together.
const TOGETHER: usize = 8;

/// Words of the table of bits, as a power of two: 16 KiB, half of a first cache, so that the text finds room beside it.
const FILTER_BITS: u32 = 12;

type Filter = [u32; 1 << FILTER_BITS];

/// Buckets of the table of grams, as a power of two.
const TABLE_BITS: u32 = 12;

/// A gram of a literal.
#[derive(Debug, Clone, Copy)]
struct Entry {
    gram: u32,
    literal: u32,
    /// How far the gram stands behind the literal's first byte.
    offset: u32,
}

/// A prepared search; without a table of bits one that finds nothing.
#[derive(Debug, Default)]
pub(super) struct Grams {
    filter: Vec<u32>,
    /// First entry of each bucket, and the end.
    buckets: Vec<u32>,
    entries: Vec<Entry>,
}

impl Grams {
    /// A search for literals of at least [`SHORTEST`] bytes.
    pub(super) fn new(literals: &[Indexed<'_>], sample: &Sample) -> Self {
        let (mut entries, mut filter) = (Vec::new(), [0; 1 << FILTER_BITS]);
        let heat = Heat::of(sample);
        // The shortest have the least choice.
        let mut by_length = literals.to_vec();
        by_length.sort_by_key(|(_, bytes)| bytes.len());
        for (literal, bytes) in &by_length {
            let window = window(bytes, sample, &heat, &filter);
            for at in window..window + GRAM {
                let gram = gram(&bytes[at..]);
                entries.push(Entry { gram, literal: *literal, offset: at as u32 });
                filter[word(hash(gram))] |= 1 << bit(hash(gram));
            }
        }
        entries.sort_by_key(|entry| (bucket(hash(entry.gram)), entry.gram));
        let mut buckets = vec![0; (1 << TABLE_BITS) + 1];
        for entry in &entries {
            buckets[bucket(hash(entry.gram)) + 1] += 1;
        }
        for at in 1..buckets.len() {
            buckets[at] += buckets[at - 1];
        }
        Self { filter: filter.to_vec(), buckets, entries }
    }

    /// Proposes each literal, with its place, that `text` may hold.
    pub(super) fn find(&self, text: &[u8], check: &mut impl FnMut(u32, usize)) {
        let Some(filter) = self.filter.first_chunk::<{ 1 << FILTER_BITS }>() else { return };
        let (groups, rest) = text.as_chunks::<{ GRAM * TOGETHER }>();
        for (number, group) in groups.iter().enumerate() {
            let mut seen = 0;
            for (place, four) in group.as_chunks::<GRAM>().0.iter().enumerate() {
                seen |= held(filter, u32::from_le_bytes(*four)) << place;
            }
            while seen != 0 {
                self.look_up(text, (number * TOGETHER + seen.trailing_zeros() as usize) * GRAM, check);
                seen &= seen - 1;
            }
        }
        for (place, four) in rest.as_chunks::<GRAM>().0.iter().enumerate() {
            if held(filter, u32::from_le_bytes(*four)) != 0 {
                self.look_up(text, text.len() - rest.len() + place * GRAM, check);
            }
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

/// Per bit of the table: how often the sample holds a gram of that bit, which is looked up in vain once the bit is set.
struct Heat(Vec<u32>);

impl Heat {
    fn of(sample: &Sample) -> Self {
        let mut counts = vec![0; 32 << FILTER_BITS];
        sample.runs().for_each(|run| counts[Self::place(gram(run))] += 1);
        Self(counts)
    }

    fn place(gram: u32) -> usize {
        word(hash(gram)) * 32 + bit(hash(gram)) as usize
    }

    /// What setting the bit of a gram costs where `others` have not set it.
    fn added(&self, gram: u32, others: &Filter) -> u32 {
        if held(others, gram) == 1 { 0 } else { self.0[Self::place(gram)] }
    }
}

/// What a literal costs that is proposed in vain, in places that are looked up in vain.
const PROPOSAL: u32 = 2;

/// Where those neighbouring grams of a literal begin that cost the least in text like the sample; of equal ones those
/// that other literals brought along.
fn window(literal: &[u8], sample: &Sample, heat: &Heat, others: &Filter) -> usize {
    let cost = |at: &usize| {
        let grams = literal[*at..*at + SHORTEST].windows(GRAM).map(gram);
        let (added, known) =
            grams.fold((0, 0), |(added, known), gram| (added + heat.added(gram, others), known + held(others, gram)));
        (added + PROPOSAL * common(&literal[*at..], sample), std::cmp::Reverse(known))
    };
    (0..=literal.len() - SHORTEST).min_by_key(cost).unwrap_or(0)
}

/// How often the first neighbouring grams stand in the sample, all together.
fn common(literal: &[u8], sample: &Sample) -> u32 {
    literal[..SHORTEST].windows(GRAM).map(|gram| sample.fours(gram)).sum()
}

/// How often the rarest neighbouring grams of a literal stand in the sample.
pub(super) fn commonness(literal: &[u8], sample: &Sample) -> u32 {
    literal.windows(SHORTEST).map(|window| common(window, sample)).min().unwrap_or(0)
}

/// The first four bytes, of which there are as many.
fn gram(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |four| u32::from_le_bytes(*four))
}

/// Multiplicative hashing (Knuth, TAOCP 6.4): the upper bits are the good ones.
#[inline(always)]
fn hash(gram: u32) -> u32 {
    gram.wrapping_mul(0x9e37_79b1)
}

/// 1 where the bit of a gram is set.
#[inline(always)]
fn held(filter: &Filter, gram: u32) -> u32 {
    let hash = hash(gram);
    (filter[word(hash)] >> bit(hash)) & 1
}

#[inline(always)]
fn word(hash: u32) -> usize {
    (hash >> (32 - FILTER_BITS)) as usize
}

/// The lower bits tell of a gram's first byte only: they set apart what shares a word.
#[inline(always)]
fn bit(hash: u32) -> u32 {
    hash & 31
}

#[inline(always)]
fn bucket(hash: u32) -> usize {
    (hash >> (32 - TABLE_BITS)) as usize
}
