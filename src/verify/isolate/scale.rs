//! Where everything passes in pairs and fails as a whole.
//!
//! The faulty node needs many others beside it to show, so parts are kept large: each round splits all who are in question
//! into two halves, by chance and so that the suspicion is balanced, and tests both. What is thought of each node follows
//! from all halves it was in, so one wrong result is outvoted by the next. Where both halves fail there is more than one;
//! one half is looked at until somebody is found, and the whole is tested without them. Where both halves pass again and
//! again, it is no node but what only all of them together need.

use fastrand::Rng;

use super::belief::{Belief, Cause, log_odds};
use super::verdict::{How, Open};
use super::{Culprit, Field, History, Named, Purpose, Seen, Sign, Test, Trial, Verdict};

/// What is thought before any half was tested: that it is no single node.
const TOGETHER: f64 = 0.2;

/// Fewest nodes that can be split into halves of several.
const FEWEST: usize = 4;

/// Rounds beyond those that a search without noise would take, for each time it starts.
const SPARE: u32 = 6;

/// Most culprits that are looked for: beyond that it is not the nodes.
const MOST: usize = 4;

/// What is thought before any half was tested: that it is several nodes.
const SEVERAL: f64 = 0.05;

/// Probability from which on it is several: then one half is looked at by itself.
const SPLIT: f64 = 0.9;

/// Whether the whole passes: at once, or in two of three where it failed first.
pub(super) fn whole_passed(history: &History) -> bool {
    let (failed, passed) = wholes(history);
    passed > failed
}

/// How often the whole failed and passed.
fn wholes(history: &History) -> (usize, usize) {
    let wholes = many(history).filter(|trial| trial.test.purpose == Purpose::Whole);
    wholes.fold(
        (0, 0),
        |(failed, passed), trial| {
            if trial.sign == Sign::Pass { (failed, passed + 1) } else { (failed + 1, passed) }
        },
    )
}

/// The next tests of many; none: it is settled, or the whole was not tested.
pub(super) fn round(field: &Field, history: &History, seen: &Seen, belief: &Belief) -> Option<Vec<Test>> {
    let pairs = in_pairs(field, seen, belief);
    match wholes(history) {
        (0, _) => None,
        // Once may be chance.
        (1, _) if pairs.is_empty() => Some(vec![Test { nodes: seen.playing().collect(), purpose: Purpose::Whole }]),
        _ => Search::of(field, history, seen, pairs).next(history),
    }
}

/// Adds what was found by halves to the verdict.
pub(super) fn verdict(field: &Field, history: &History, seen: &Seen, belief: &Belief, verdict: &mut Verdict) {
    if whole_passed(history) || !seen.purposes.contains(&Purpose::Part) {
        return;
    }
    let search = Search::of(field, history, seen, in_pairs(field, seen, belief));
    for (node, sure) in &search.found {
        let with: Vec<&Trial> = many(history).filter(|trial| trial.test.nodes.contains(node)).collect();
        let failed = with.iter().filter(|trial| trial.sign != Sign::Pass).count();
        verdict.named.push(Named {
            culprit: Culprit::Node(*node),
            sure: *sure,
            failed,
            ran: with.len(),
            partners: 0,
            arms: Vec::new(),
            how: How::AtScale,
        });
    }
    if !search.settled {
        let (failed, ran) = many(history)
            .fold((0, 0), |(failed, ran), trial| (failed + usize::from(trial.sign != Sign::Pass), ran + 1));
        let together = search.together > field.trust.name;
        verdict.open.push(Open { nodes: search.within, odds: search.together, failed, ran, together });
    }
}

/// Tests of many that ran.
fn many(history: &History) -> impl Iterator<Item = &Trial> {
    let purposes = [Purpose::Whole, Purpose::Part, Purpose::Without];
    let trials = history.iter().flatten().filter(move |trial| purposes.contains(&trial.test.purpose));
    trials.filter(|trial| !matches!(trial.sign, Sign::CannotRun(_)))
}

/// Nodes that pairs name.
fn in_pairs(field: &Field, seen: &Seen, belief: &Belief) -> Vec<usize> {
    let name = log_odds(field.trust.name);
    seen.playing().filter(|node| belief.odds(Cause::Node(*node)) > name).collect()
}

/// How far the search by halves has come; all of it follows from the history.
struct Search {
    field: Field,
    /// Out of the whole: named in pairs, or found.
    without: Vec<usize>,
    /// Found by halves, with their probability.
    found: Vec<(usize, f64)>,
    /// Whoever is in question.
    within: Vec<usize>,
    /// Probability of each of `within`.
    sure: Vec<f64>,
    /// Probability that it is none of them by itself.
    together: f64,
    /// Probability that it is several of them.
    several: f64,
    /// The whole passes without those found.
    settled: bool,
    /// Rounds since the search last started.
    rounds: u32,
    /// Somebody was found and the whole is to be tested without them.
    confirm: bool,
}

impl Search {
    fn of(field: &Field, history: &History, seen: &Seen, pairs: Vec<usize>) -> Self {
        let mut search = Self {
            field: field.clone(),
            confirm: !pairs.is_empty(),
            without: pairs,
            found: Vec::new(),
            within: Vec::new(),
            sure: Vec::new(),
            together: 0.0,
            several: 0.0,
            settled: false,
            rounds: 0,
        };
        search.start(seen.playing().filter(|node| !search.without.contains(node)).collect());
        for round in history {
            let parts: Vec<&Trial> = many(std::slice::from_ref(round)).collect();
            match parts.first().map(|trial| trial.test.purpose) {
                Some(Purpose::Part) => search.halves(&parts),
                Some(Purpose::Without) => search.confirmed(parts[0], seen),
                _ => {}
            }
        }
        search
    }

    fn start(&mut self, within: Vec<usize>) {
        let nodes = u32::try_from(within.len().max(1)).unwrap_or(u32::MAX);
        self.sure = vec![(1.0 - TOGETHER - SEVERAL) / f64::from(nodes); within.len()];
        self.within = within;
        self.together = TOGETHER;
        self.several = SEVERAL;
        self.rounds = 0;
    }

    /// What two halves tell.
    fn halves(&mut self, parts: &[&Trial]) {
        self.rounds += 1;
        let (noise, blind) = (self.field.trust.false_fail, self.field.trust.false_pass);
        let likely = |bad: bool, failed: bool| match (bad, failed) {
            (true, true) => 1.0 - blind,
            (true, false) => blind,
            (false, true) => noise,
            (false, false) => 1.0 - noise,
        };
        for trial in parts {
            let failed = trial.sign != Sign::Pass;
            for (node, sure) in self.within.iter().zip(&mut self.sure) {
                *sure *= likely(trial.test.nodes.contains(node), failed);
            }
            self.together *= likely(false, failed);
        }
        // Of all two nodes, a quarter are both in the half that failed, and half are in different ones.
        self.several *= match parts.iter().filter(|trial| trial.sign != Sign::Pass).count() {
            0 => blind,
            1 => 0.25,
            _ => 0.5 * (1.0 - blind),
        };
        let all = self.together + self.several + self.sure.iter().sum::<f64>();
        self.sure.iter_mut().for_each(|sure| *sure /= all);
        self.together /= all;
        self.several /= all;
        let failed = parts.iter().all(|trial| trial.sign != Sign::Pass);
        if failed && self.several > SPLIT && parts[0].test.nodes.len() >= FEWEST {
            return self.start(parts[0].test.nodes.clone());
        }
        let best = (0..self.sure.len()).max_by(|a, b| self.sure[*a].total_cmp(&self.sure[*b]));
        if let Some(best) = best.filter(|best| self.sure[*best] > self.field.trust.name) {
            self.found.push((self.within[best], self.sure[best]));
            self.without.push(self.within[best]);
            self.confirm = true;
        }
    }

    /// What the whole tells without those found.
    fn confirmed(&mut self, trial: &Trial, seen: &Seen) {
        self.confirm = false;
        self.settled = trial.sign == Sign::Pass;
        if !self.settled {
            self.start(seen.playing().filter(|node| !self.without.contains(node)).collect());
        }
    }

    fn next(&self, history: &History) -> Option<Vec<Test>> {
        let few = self.within.len() < FEWEST || self.found.len() >= MOST;
        if self.confirm {
            let nodes = history.iter().flatten().find(|trial| trial.test.purpose == Purpose::Whole)?.test.nodes.iter();
            let nodes = nodes.copied().filter(|node| !self.without.contains(node)).collect();
            return Some(vec![Test { nodes, purpose: Purpose::Without }]);
        }
        if self.settled
            || few
            || self.together > self.field.trust.name
            || self.rounds > self.within.len().ilog2() + SPARE
        {
            return None;
        }
        let round = u64::try_from(history.len()).unwrap_or(u64::MAX);
        let mut order: Vec<usize> = (0..self.within.len()).collect();
        Rng::with_seed(self.field.seed ^ round.wrapping_mul(super::choose::SPREAD)).shuffle(&mut order);
        order.sort_by(|a, b| self.sure[*b].total_cmp(&self.sure[*a]));
        let mut halves = [Vec::new(), Vec::new()];
        // First, second, second, first: each half gets as much suspicion and as many nodes as the other.
        for (at, node) in order.into_iter().enumerate() {
            halves[usize::from(matches!(at % 4, 1 | 2))].push(self.within[node]);
        }
        Some(halves.map(|nodes| Test { nodes, purpose: Purpose::Part }).into())
    }
}
