//! Finding many literals in much text: where each stands, at the speed of memory.
//!
//! An automaton of all literals reads 0.3 GB/s a core; the two filters here, one for long literals ([`grams`]) and
//! one for short ones ([`stems`]), read several. Both only ever propose places; each place is compared with the
//! literal. So nothing is lost and nothing is made up, whatever the filters are tuned to.

mod grams;
mod sample;
mod stems;

use grams::Grams;
use sample::Sample;
use stems::Stems;

use crate::noise;

/// Steps of the search for long literals. One of `n` sees literals of at least `n + 4` bytes, shorter ones need stems.
const STEPS: [usize; 5] = [4, 6, 8, 10, 12];

/// Time that a place costs which the search for long literals looks at, in hundredths of a nanosecond.
const PLACE_COST: f64 = 100.0;

/// A long literal whose grams are this common in the sample is better found by its stem.
const COMMON: u32 = 8;

/// A literal at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hit {
    /// Where it begins in the text.
    pub(crate) at: u32,
    /// Index of the literal.
    pub(crate) literal: u32,
}

/// A prepared search for a set of literals.
#[derive(Debug)]
pub(crate) struct Search {
    literals: Vec<Vec<u8>>,
    grams: Grams,
    stems: Stems,
}

impl Search {
    /// Prepares the search for `literals`, none of them empty, in documents like `text`.
    pub(crate) fn new(literals: Vec<Vec<u8>>, text: &[u8]) -> Self {
        let sample = Sample::of(text);
        let cost = |step: &usize| stems::cost(&split(&literals, *step).1, &sample) + PLACE_COST / *step as f64;
        let step = STEPS.into_iter().min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap_or(STEPS[0]);
        let (long, mut short) = split(&literals, step);
        let chosen = stems::choose(&short, &sample);
        let (stemmed, long) = long.into_iter().partition::<Vec<_>, _>(|(_, literal)| {
            grams::rarest_window(literal, step, &sample).1 >= COMMON && stems::holds(literal, &chosen)
        });
        short.extend(stemmed);
        let (grams, stems) = (Grams::new(step, &long, &sample), Stems::new(chosen, &short, &sample));
        Self { literals, grams, stems }
    }

    /// A search that is prepared at once, and slower.
    pub(crate) fn plain(literals: Vec<Vec<u8>>) -> Self {
        let (_, all) = split(&literals, usize::MAX / 2);
        let (grams, stems) = (Grams::new(STEPS[0], &[], &Sample::of(&[])), Stems::automaton(&all));
        Self { literals, grams, stems }
    }

    /// Whether one literal more costs next to nothing.
    pub(crate) fn is_cheap(literal: &[u8]) -> bool {
        literal.len() >= grams::shortest(STEPS[STEPS.len() - 1]) && noise::count(literal) == 0
    }

    /// The literals, by index.
    pub(crate) fn literals(&self) -> &[Vec<u8>] {
        &self.literals
    }

    /// Adds every occurrence of every literal in `text`, which has less than 4 GiB, in no order.
    pub(crate) fn find(&self, text: &[u8], hits: &mut Vec<Hit>) {
        let mut check = |literal: u32, at: usize| {
            let wanted = &self.literals[literal as usize];
            if text[at..].starts_with(wanted) {
                hits.push(Hit { at: at as u32, literal });
            }
        };
        self.grams.find(text, &mut check);
        self.stems.find(text, &mut check);
    }
}

/// A literal and its index.
type Indexed<'a> = (u32, &'a [u8]);

/// The literals that a search of this step sees, and those too short for it.
fn split(literals: &[Vec<u8>], step: usize) -> (Vec<Indexed<'_>>, Vec<Indexed<'_>>) {
    let indexed = literals.iter().enumerate().map(|(at, literal)| (at as u32, literal.as_slice()));
    indexed.partition(|(_, literal)| literal.len() >= grams::shortest(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deterministic dice.
    fn dice(seed: &mut u64, below: usize) -> usize {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 33) as usize % below
    }

    fn plainly(literals: &[Vec<u8>], text: &[u8]) -> Vec<Hit> {
        let mut hits = Vec::new();
        for (literal, wanted) in literals.iter().enumerate() {
            let places = (0..text.len()).filter(|at| text[*at..].starts_with(wanted));
            hits.extend(places.map(|at| Hit { at: at as u32, literal: literal as u32 }));
        }
        hits.sort_unstable();
        hits
    }

    #[test]
    fn every_occurrence_is_found() {
        let mut seed = 11;
        for most in [1, 4, 40, 200] {
            for longest in [6, 12, 30] {
                // Few letters, so that literals overlap, contain one another and occur often.
                let word = |seed: &mut u64, len| -> Vec<u8> { (0..len).map(|_| b"abcde"[dice(seed, 5)]).collect() };
                let literals: Vec<Vec<u8>> = (0..most)
                    .map(|_| {
                        let len = 1 + dice(&mut seed, longest);
                        word(&mut seed, len)
                    })
                    .collect();
                let searches = [Search::new(literals.clone(), b""), Search::plain(literals.clone())];
                for len in [0, 1, 3, 4, 17, 64, 300, 1000] {
                    let mut text = word(&mut seed, len);
                    let planted = &literals[dice(&mut seed, literals.len())];
                    let place = dice(&mut seed, text.len() + 1);
                    text.splice(place..place, planted.iter().copied());
                    for search in &searches {
                        let mut hits = Vec::new();
                        search.find(&text, &mut hits);
                        hits.sort_unstable();
                        assert_eq!(hits, plainly(&literals, &text), "{most} literals up to {longest}");
                    }
                }
            }
        }
    }
}
