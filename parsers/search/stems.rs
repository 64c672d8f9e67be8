//! Short literals: a SIMD search for a few *stems*, of which every literal holds one.
//!
//! A SIMD search for up to sixteen short strings runs at memory speed. The stems are chosen, not written by hand: a
//! cover of all literals that is small and rare in the noise of training logs. That none is missed follows from the
//! choice.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind, packed};

use super::Indexed;
use super::sample::Sample;

/// Lengths of a stem, in bytes. The SIMD search looks at four bytes, if all have as many; longer ones cover little.
const LENGTHS: std::ops::RangeInclusive<usize> = 4..=6;

/// Bytes of a stem that the SIMD search looks at.
const SEEN: usize = 4;

/// Groups of stems that the SIMD search tells apart; within a group it mixes the bytes of all.
const GROUPS: usize = 8;

/// Most stems that the SIMD search looks for at its full speed (aho-corasick 1.1, `packed/teddy/builder.rs`: more than 32
/// patterns take groups of twice the number, at half the speed); with one of them to spare.
pub(super) const FAST: usize = 31;

/// What an occurrence in the sample costs, beside the 1 that each stem costs.
const NOISE_COST: f64 = 0.1;

/// A prepared search.
#[derive(Debug)]
pub(crate) struct Stems {
    engine: Engine,
    /// Per stem: the literals that it stands for, and where it stands in each.
    literals: Vec<Vec<(u32, usize)>>,
}

#[derive(Debug)]
enum Engine {
    Nothing,
    Packed(packed::Searcher),
    Automaton(AhoCorasick),
}

impl Stems {
    /// A search for literals by stems, of which each holds one.
    pub(super) fn new(stems: Vec<Vec<u8>>, literals: &[Indexed<'_>], sample: &Sample) -> Self {
        if literals.is_empty() {
            return Self { engine: Engine::Nothing, literals: Vec::new() };
        }
        let stems = grouped(stems, sample);
        match packed::Config::new().builder().extend(&stems).build() {
            Some(searcher) => Self { engine: Engine::Packed(searcher), literals: held_by(&stems, literals) },
            None => Self::automaton(literals),
        }
    }

    /// A search for any number of literals: 0.3 GB/s a core, and ready at once.
    pub(super) fn automaton(literals: &[Indexed<'_>]) -> Self {
        let mut builder = AhoCorasick::builder();
        builder.match_kind(MatchKind::Standard).kind(Some(AhoCorasickKind::ContiguousNFA));
        // Only a set of more than 2 GiB can't be built.
        let engine = builder.build(literals.iter().map(|(_, bytes)| bytes)).map_or(Engine::Nothing, Engine::Automaton);
        Self { engine, literals: literals.iter().map(|(literal, _)| vec![(*literal, 0)]).collect() }
    }

    /// Proposes each literal, with its place, that `text` may hold.
    pub(crate) fn find(&self, text: &[u8], check: &mut impl FnMut(u32, usize)) {
        let mut propose = |stem: usize, at: usize| {
            for (literal, offset) in &self.literals[stem] {
                if let Some(start) = at.checked_sub(*offset) {
                    check(*literal, start);
                }
            }
        };
        match &self.engine {
            Engine::Nothing => {}
            Engine::Packed(searcher) => {
                // Stems may overlap: the next may begin within the last.
                let mut span = aho_corasick::Span { start: 0, end: text.len() };
                while let Some(hit) = searcher.find_in(text, span) {
                    propose(hit.pattern().as_usize(), hit.start());
                    span.start = hit.start() + 1;
                }
            }
            Engine::Automaton(automaton) => {
                for hit in automaton.find_overlapping_iter(text) {
                    propose(hit.pattern().as_usize(), hit.start());
                }
            }
        }
    }
}

/// Per stem the literals, with its place in each, that hold no earlier stem.
fn held_by(stems: &[Vec<u8>], literals: &[Indexed<'_>]) -> Vec<Vec<(u32, usize)>> {
    let mut all = vec![Vec::new(); stems.len()];
    for (literal, bytes) in literals {
        let mut places = stems.iter().map(|stem| memchr::memmem::find(bytes, stem)).enumerate();
        if let Some((stem, Some(offset))) = places.find(|(_, place)| place.is_some()) {
            all[stem].push((*literal, offset));
        }
    }
    all
}

/// Stems for a set of literals: each literal holds at least one, and none begins with another.
pub(super) fn choose(literals: &[Indexed<'_>], sample: &Sample) -> Vec<Vec<u8>> {
    let candidates: Vec<_> = candidates(literals, sample).into_iter().collect();
    let mut open = vec![true; literals.len()];
    // Per candidate: how many open literals it covers; per literal: who covers it.
    let mut gains: Vec<usize> = candidates.iter().map(|(_, (covers, _))| covers.len()).collect();
    let mut coverers = vec![Vec::new(); literals.len()];
    for (number, (_, (covers, _))) in candidates.iter().enumerate() {
        covers.iter().for_each(|at| coverers[*at].push(number));
    }
    let mut stems: Vec<Vec<u8>> = Vec::new();
    while open.contains(&true) {
        let worth = |number: &usize| gains[*number] as f64 / candidates[*number].1.1;
        let best = (0..gains.len()).max_by(|a, b| worth(a).total_cmp(&worth(b)));
        let Some(best) = best.filter(|best| gains[*best] > 0) else { break };
        let (stem, (covers, _)) = &candidates[best];
        for at in covers.iter().filter(|at| std::mem::take(&mut open[**at])) {
            coverers[*at].iter().for_each(|number| gains[*number] -= 1);
        }
        stems.push(stem.to_vec());
    }
    let all = stems.clone();
    // A stem that begins with another is found by it, and the search tells only one of two at a place.
    stems.retain(|stem| !all.iter().any(|other| other != stem && stem.starts_with(other)));
    stems
}

type Candidates<'a> = BTreeMap<&'a [u8], (Vec<usize>, f64)>;

/// The stems in an order that puts those into one group whose mixture is rare in the noise.
///
/// The search puts stem `n` into group `n % 8` (aho-corasick 1.1, `packed/teddy/generic.rs`); another rule there would
/// cost time, not hits.
fn grouped(stems: Vec<Vec<u8>>, sample: &Sample) -> Vec<Vec<u8>> {
    let room = |group: usize| (stems.len() + GROUPS - 1 - group) / GROUPS;
    let mut groups: Vec<Vec<&Vec<u8>>> = vec![Vec::new(); GROUPS];
    for stem in &stems {
        let open = (0..GROUPS).filter(|group| groups[*group].len() < room(*group));
        let added = |group: &usize| {
            let before = &groups[*group];
            mixture(before.iter().copied().chain([stem]), sample) - mixture(before.iter().copied(), sample)
        };
        if let Some(group) = open.min_by_key(added) {
            groups[group].push(stem);
        }
    }
    (0..stems.len()).map(|at| groups[at % GROUPS][at / GROUPS].clone()).collect()
}

/// How often the noise holds what a group of stems looks like to the search: it compares half bytes.
fn mixture<'a>(group: impl Iterator<Item = &'a Vec<u8>>, sample: &Sample) -> usize {
    let (mut low, mut high) = ([0_u16; SEEN], [0_u16; SEEN]);
    for stem in group {
        for (at, byte) in stem.iter().take(SEEN).enumerate() {
            low[at] |= 1 << (byte & 15);
            high[at] |= 1 << (byte >> 4);
        }
    }
    let like = |text: &&[u8]| {
        text.iter()
            .zip(low.iter().zip(high))
            .all(|(byte, (low, high))| (low >> (byte & 15)) & (high >> (byte >> 4)) & 1 == 1)
    };
    sample.extract().windows(SEEN).filter(like).count()
}

/// Every part of a literal that may be a stem, with the literals it covers and its cost.
fn candidates<'a>(literals: &[Indexed<'a>], sample: &Sample) -> Candidates<'a> {
    let mut all: Candidates<'a> = BTreeMap::new();
    for (at, (_, literal)) in literals.iter().enumerate() {
        let whole = literal.len().min(*LENGTHS.start());
        for len in whole..=literal.len().min(*LENGTHS.end()) {
            for part in literal.windows(len.max(1)) {
                let covers = &mut all.entry(part).or_insert_with(|| (Vec::new(), stem_cost(part, sample))).0;
                if covers.last() != Some(&at) {
                    covers.push(at);
                }
            }
        }
    }
    all
}

/// Whether a literal holds one of the stems.
pub(super) fn holds(literal: &[u8], stems: &[Vec<u8>]) -> bool {
    stems.iter().any(|stem| memchr::memmem::find(literal, stem).is_some())
}

/// What looking for a stem costs: itself, and its hits in common text.
fn stem_cost(stem: &[u8], sample: &Sample) -> f64 {
    1.0 + NOISE_COST * f64::from(sample.fours(stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_literal_holds_a_stem() {
        let literals: [Indexed<'_>; 4] =
            [(0, b"Watchdog caught"), (1, b"watchdog thread terminated"), (2, b"last enqueued"), (3, b"Xid")];
        let stems = choose(&literals, &Sample::of(b""));
        for (_, literal) in literals {
            assert!(stems.iter().any(|stem| memchr::memmem::find(literal, stem).is_some()), "{literal:?}");
        }
        assert!(stems.len() < literals.len());
    }
}
