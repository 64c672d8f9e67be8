//! With what the lines of a block begin: a thousand ranks write between two lines of one, and many look for theirs.

use std::sync::OnceLock;

use memchr::memchr2_iter;

/// Bytes whose lines are noted at a time, when one of them is first asked for.
const REGION: usize = 16 << 10;

/// Bytes that a line usually has.
const USUAL: usize = 128;

/// Bytes of a line's beginning that are noted.
const HEAD: usize = size_of::<u64>();

/// The beginnings of all lines of a block, region by region.
#[derive(Debug)]
pub(crate) struct Heads(Box<[OnceLock<Region>]>);

/// The lines that begin in a region.
#[derive(Debug)]
struct Region {
    begins: usize,
    lines: Vec<Head>,
    /// How many lines end in it, by `\n`.
    ended: u32,
}

#[derive(Debug)]
struct Head {
    bytes: u64,
    /// Where it begins within the region.
    at: u32,
    /// Lines that end between the region's beginning and here.
    ended: u32,
}

/// What lines of one writer begin with.
#[derive(Debug)]
pub(super) struct Mark<'a> {
    whole: &'a [u8],
    bytes: u64,
    of: u64,
}

impl<'a> Mark<'a> {
    pub(super) fn new(whole: &'a [u8]) -> Self {
        let of = if whole.len() < HEAD { (1 << (8 * whole.len())) - 1 } else { u64::MAX };
        Self { whole, bytes: head(whole), of }
    }
}

impl Heads {
    /// Room for what lines of a block of so many bytes begin with.
    pub(crate) fn of(bytes: usize) -> Self {
        Self((0..bytes.div_ceil(REGION)).map(|_| OnceLock::new()).collect())
    }

    /// The nearest place before `from` where a line begins with a mark, else where the region before `from` begins; and
    /// how many lines end between the two.
    pub(super) fn before(&self, data: &[u8], from: usize, mark: &Mark<'_>) -> Option<(usize, u64, bool)> {
        let nth = from.checked_sub(1)? / REGION;
        let region = self.0.get(nth)?.get_or_init(|| Region::new(data, nth * REGION));
        let ended = region.ended_before(from);
        let before = region.lines.partition_point(|head| region.begins + (head.at as usize) < from);
        let marked = |head: &&Head| {
            head.bytes & mark.of == mark.bytes && data[region.begins + head.at as usize..].starts_with(mark.whole)
        };
        let found = region.lines[..before].iter().rev().find(marked);
        Some(match found {
            Some(head) => (region.begins + head.at as usize, u64::from(ended - head.ended), true),
            None => (region.begins, u64::from(ended), false),
        })
    }
}

impl Region {
    fn new(data: &[u8], begins: usize) -> Self {
        let mut region = Self { begins, lines: Vec::with_capacity(REGION / USUAL), ended: 0 };
        let until = data.len().min(begins + REGION);
        if begins == 0 || matches!(data[begins - 1], b'\n' | b'\r') {
            region.begin(data, begins);
        }
        for end in memchr2_iter(b'\n', b'\r', &data[begins..until]).map(|end| begins + end) {
            region.ended += u32::from(data[end] == b'\n');
            if end + 1 < until {
                region.begin(data, end + 1);
            }
        }
        region
    }

    fn begin(&mut self, data: &[u8], at: usize) {
        self.lines.push(Head { bytes: head(&data[at..]), at: (at - self.begins) as u32, ended: self.ended });
    }

    /// Lines that end in the region before a place in it, or before the place where it ends.
    fn ended_before(&self, place: usize) -> u32 {
        if place == self.begins + REGION {
            return self.ended;
        }
        let until = self.lines.partition_point(|head| self.begins + head.at as usize <= place);
        until.checked_sub(1).map_or(0, |last| self.lines[last].ended)
    }
}

fn head(text: &[u8]) -> u64 {
    if let Some(bytes) = text.first_chunk() {
        return u64::from_le_bytes(*bytes);
    }
    let mut bytes = [0; HEAD];
    bytes[..text.len()].copy_from_slice(text);
    u64::from_le_bytes(bytes)
}
