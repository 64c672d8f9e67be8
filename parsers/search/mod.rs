//! Finding many literals in much text: where each stands, at the speed of memory.
//!
//! An automaton of all literals reads 0.3 GB/s a core; the two filters here, one for long literals ([`grams`]) and
//! one for short ones ([`stems`]), read several. Both only ever propose places; each place is compared with the
//! literal. So nothing is lost and nothing is made up, whatever the filters are tuned to.

mod familiar;
mod grams;
mod sample;
mod stems;

use familiar::Numbered;
pub(crate) use familiar::{Familiar, fold};
use grams::Grams;
use sample::Sample;
use stems::Stems;

use crate::noise;

/// A long literal whose grams are this common in the sample is better found by a stem.
const COMMON: u32 = 8;

/// Most long literals that stems are chosen for.
const MOST_COMMON: usize = 8;

/// A literal of so many bytes that common text does not hold costs next to nothing.
const LONG: usize = 16;

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
    numbered: Numbered,
}

impl Search {
    /// Prepares the search for `literals`, none of them empty, in documents like `text`.
    pub(crate) fn new(literals: Vec<Vec<u8>>, text: &[u8]) -> Self {
        let sample = Sample::of(text);
        let (long, mut short): (Vec<_>, Vec<_>) =
            indexed(&literals).partition(|(_, literal)| literal.len() >= grams::SHORTEST);
        let is_common = |literal: &[u8]| grams::commonness(literal, &sample) >= COMMON;
        let (common, mut long): (Vec<_>, Vec<_>) = long.into_iter().partition(|(_, literal)| is_common(literal));
        let chosen = chosen(&short, &common, &sample);
        let (stemmed, others) = common.into_iter().partition::<Vec<_>, _>(|(_, one)| stems::holds(one, &chosen));
        short.extend(stemmed);
        long.extend(others);
        let (grams, stems) = (Grams::new(&long, &sample), Stems::new(chosen, &short, &sample));
        let numbered = Numbered::of(&literals);
        Self { literals, grams, stems, numbered }
    }

    /// A search that is prepared at once, and slower.
    pub(crate) fn plain(literals: Vec<Vec<u8>>) -> Self {
        let stems = Stems::automaton(&indexed(&literals).collect::<Vec<_>>());
        Self { literals, grams: Grams::default(), stems, numbered: Numbered::default() }
    }

    /// Whether one literal more costs next to nothing.
    pub(crate) fn is_cheap(literal: &[u8]) -> bool {
        literal.len() >= LONG && noise::count(literal) == 0
    }

    /// The literals, by index.
    pub(crate) fn literals(&self) -> &[Vec<u8>] {
        &self.literals
    }

    /// Adds every occurrence of every literal in `text`, which has less than 4 GiB, in no order.
    pub(crate) fn find(&self, text: &[u8], hits: &mut Vec<Hit>) {
        let mut check = |literal: u32, at: usize| {
            let wanted = &self.literals[literal as usize];
            // Most that are proposed in vain differ at their ends.
            let ends = text.get(at + wanted.len() - 1) == wanted.last();
            if ends && text[at..].starts_with(wanted) {
                hits.push(Hit { at: at as u32, literal });
            }
        };
        self.grams.find(text, &mut check);
        self.stems.find(text, &mut check);
    }

    /// Adds what `look` finds in the lines; it is not asked again for lines that are known to hold no literal.
    pub(crate) fn find_unknown(&self, lines: Lines<'_>, familiar: &mut Familiar, look: Look<'_>, hits: &mut Vec<Hit>) {
        familiar.find(lines, &self.numbered, look, hits);
    }
}

/// A text, and where each of its lines ends, behind the `\n`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) ends: &'a [u32],
}

/// What a text is searched with beside the literals, for those who look at a text run by run.
pub(crate) type Look<'a> = &'a dyn Fn(&[u8], &mut Vec<Hit>);

/// A literal and its index.
type Indexed<'a> = (u32, &'a [u8]);

fn indexed(literals: &[Vec<u8>]) -> impl Iterator<Item = Indexed<'_>> {
    literals.iter().enumerate().map(|(at, literal)| (at as u32, literal.as_slice()))
}

/// Stems for all short literals, and for as many of the commonest long ones as there is room for.
fn chosen(short: &[Indexed<'_>], common: &[Indexed<'_>], sample: &Sample) -> Vec<Vec<u8>> {
    let mut common = common.to_vec();
    common.sort_by_key(|(_, literal)| std::cmp::Reverse(grams::commonness(literal, sample)));
    common.truncate(MOST_COMMON);
    loop {
        let chosen = stems::choose(&[short, &common].concat(), sample);
        if chosen.len() <= stems::FAST || common.pop().is_none() {
            return chosen;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

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
        let mut dice = Dice(11);
        for most in [1, 4, 40, 200] {
            for longest in [6, 12, 30] {
                // Few letters, so that literals overlap, contain one another and occur often.
                let word = |dice: &mut Dice, len| -> Vec<u8> { (0..len).map(|_| b"abcde"[dice.below(5)]).collect() };
                let literals: Vec<Vec<u8>> = (0..most)
                    .map(|_| {
                        let len = 1 + dice.below(longest);
                        word(&mut dice, len)
                    })
                    .collect();
                let searches = [Search::new(literals.clone(), b""), Search::plain(literals.clone())];
                for len in [0, 1, 3, 4, 17, 64, 300, 1000] {
                    let mut text = word(&mut dice, len);
                    let planted = &literals[dice.below(literals.len())];
                    let place = dice.below(text.len() + 1);
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
