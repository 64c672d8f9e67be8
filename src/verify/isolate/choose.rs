//! Which pairs are tested next.

use fastrand::Rng;

use super::belief::{Belief, Cause, log_odds, ordered, probability};
use super::verdict::{explained, most_fail};
use super::{Field, History, Purpose, Seen, Sign, Test};

/// Spreads seeds that differ little (2^64 divided by the golden ratio).
pub(super) const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Pairings in which everybody takes part.
const PAIRINGS: usize = 2;

/// Most times that the same two are tested together.
const SAME_PAIR: usize = 3;

/// Most times that two are tested together whose path is all that is left.
const MOST_OF_PATH: usize = 6;

/// Log odds below which somebody may well be good: then what is between two is looked at.
const MAY_BE_GOOD: f64 = -2.0;

/// Log odds from which on a path is tested again.
const PATH_OPEN: f64 = -4.0;

/// Log odds from which on it is asked whether a group or its uplink is bad.
const GROUP_OPEN: f64 = 0.0;

/// Pairs within a group that tell the group from its uplink.
const INSIDE: usize = 3;

/// Pairs that passed and are tested beside suspects: they tell how often tests fail for no reason in this very round.
const CONTROLS: usize = 4;

/// The tests of the next round; none: all is decided, or nothing more can be.
pub(super) fn round(field: &Field, history: &History, seen: &Seen, belief: &Belief) -> Vec<Test> {
    if seen.pair_rounds >= field.trust.rounds {
        return Vec::new();
    }
    let mut choice = Choice::of(field, history, seen, belief);
    if seen.pair_rounds < PAIRINGS {
        choice.pairing();
    } else if !most_fail(history, seen) {
        choice.suspects();
    }
    choice.tests
}

struct Choice<'a> {
    field: &'a Field,
    belief: &'a Belief,
    /// How often each two were tested together, by ordered pair, sorted.
    met: Vec<(usize, usize)>,
    /// How many tests of each node ran.
    ran: Vec<usize>,
    /// Nodes that failed at least once.
    failed: Vec<bool>,
    used: Vec<bool>,
    /// Log odds of each node.
    odds: Vec<f64>,
    /// Neither named nor cleared.
    open: Vec<bool>,
    /// Cleared.
    good: Vec<bool>,
    /// All nodes by chance.
    order: Vec<usize>,
    tests: Vec<Test>,
}

impl<'a> Choice<'a> {
    fn of(field: &'a Field, history: &History, seen: &'a Seen, belief: &'a Belief) -> Self {
        let mut met = Vec::new();
        let mut ran = vec![0; field.nodes];
        let mut failed = vec![false; field.nodes];
        for trial in history.iter().flatten().filter(|trial| trial.test.nodes.len() == 2) {
            let nodes = &trial.test.nodes;
            met.push(ordered(nodes[0], nodes[1]));
            for node in nodes.iter().filter(|_| !matches!(trial.sign, Sign::CannotRun(_))) {
                ran[*node] += 1;
                failed[*node] |= trial.sign != Sign::Pass;
            }
        }
        met.sort_unstable();
        let used = (0..field.nodes).map(|node| !seen.plays(node)).collect();
        let odds: Vec<f64> = (0..field.nodes).map(|node| belief.odds(Cause::Node(node))).collect();
        let bounds = log_odds(field.trust.clear)..log_odds(field.trust.name);
        let open = |node: usize| {
            seen.plays(node)
                && (bounds.contains(&odds[node]) || ran[node] < PAIRINGS)
                && !explained(field, belief, node)
        };
        let open: Vec<bool> = (0..field.nodes).map(open).collect();
        let good = open.iter().zip(&odds).map(|(open, odds)| !open && *odds < MAY_BE_GOOD).collect();
        let round = u64::try_from(history.len()).unwrap_or(u64::MAX);
        let mut order: Vec<usize> = (0..field.nodes).collect();
        Rng::with_seed(field.seed.wrapping_mul(SPREAD).wrapping_add(round)).shuffle(&mut order);
        Self { field, belief, met, ran, failed, used, odds, open, good, order, tests: Vec::new() }
    }

    fn times_met(&self, a: usize, b: usize) -> usize {
        let pair = ordered(a, b);
        self.met.partition_point(|met| *met <= pair) - self.met.partition_point(|met| *met < pair)
    }

    fn free(&self) -> impl Iterator<Item = usize> + '_ {
        self.order.iter().copied().filter(|node| !self.used[*node])
    }

    fn take(&mut self, a: usize, b: usize, purpose: Purpose) {
        self.used[a] = true;
        self.used[b] = true;
        // Who passed before is the server: its part has to be there before the other's.
        let nodes = if self.odds[a] <= self.odds[b] { vec![a, b] } else { vec![b, a] };
        self.tests.push(Test { nodes, purpose });
    }

    /// Everybody with somebody new; who failed before with who passed. Whoever is left over was tested most.
    fn pairing(&mut self) {
        let mut order: Vec<usize> = self.free().collect();
        order.sort_by_key(|node| (self.ran[*node], !self.failed[*node]));
        for node in order {
            if self.used[node] {
                continue;
            }
            if let Some(other) = self.partner(node, 0) {
                self.take(node, other, Purpose::Pairing);
            }
        }
    }

    /// A partner for somebody: rather new to them, then somebody who is cleared, then whoever seems best; nobody met more
    /// than `most` times before.
    fn partner(&self, node: usize, most: usize) -> Option<usize> {
        let mut best: Option<((usize, bool), f64, usize)> = None;
        for other in self.order.iter().copied().filter(|other| *other != node && !self.used[*other]) {
            let met = self.times_met(node, other);
            if met > most {
                continue;
            }
            let key = ((met, !self.good[other]), self.odds[other], other);
            if key.0 == (0, false) {
                return Some(other);
            }
            // Among those who seem about as good as each other, the order is by chance.
            let better = best.is_none_or(|(rank, odds, _)| key.0 < rank || (key.0 == rank && key.1 < odds - 0.1));
            if better {
                best = Some(key);
            }
        }
        best.map(|(_, _, other)| other)
    }

    fn suspects(&mut self) {
        self.inside();
        self.paths();
        let mut open: Vec<usize> = self.free().filter(|node| self.open[*node]).collect();
        open.sort_by(|a, b| self.odds[*b].total_cmp(&self.odds[*a]));
        for node in open {
            if self.used[node] {
                continue;
            }
            if let Some(other) = self.partner(node, SAME_PAIR - 1) {
                self.take(node, other, Purpose::Suspect);
            }
        }
        if !self.tests.is_empty() {
            self.controls();
        }
    }

    /// Members of a group with each other, where either the group or its uplink is bad.
    fn inside(&mut self) {
        let name = log_odds(self.field.trust.name);
        for (group, members) in self.field.groups.iter().enumerate() {
            let (whole, uplink) = (self.belief.odds(Cause::Group(group)), self.belief.odds(Cause::Uplink(group)));
            if whole.max(uplink) < GROUP_OPEN - 2.0 || whole > name || uplink > name {
                continue;
            }
            let members: Vec<usize> = self.free().filter(|node| members.contains(node)).collect();
            for pair in members.chunks_exact(2).take(INSIDE) {
                self.take(pair[0], pair[1], Purpose::Inside);
            }
        }
    }

    /// Two who failed together and may both be good.
    fn paths(&mut self) {
        let name = log_odds(self.field.trust.name);
        let open: Vec<(usize, usize, f64)> = self
            .belief
            .all()
            .filter(|(_, odds)| *odds > PATH_OPEN && *odds < name)
            .filter_map(|(cause, odds)| if let Cause::Path(a, b) = cause { Some((a, b, odds)) } else { None })
            .collect();
        for (a, b, odds) in open {
            let may_be_good = |node: usize| !self.used[node] && self.odds[node] < MAY_BE_GOOD.min(odds);
            if !may_be_good(a) || !may_be_good(b) {
                continue;
            }
            let ends = probability(self.odds[a]) + probability(self.odds[b]);
            let by_chance = 1.0 - probability(odds) - ends;
            if by_chance > ends && self.times_met(a, b) < MOST_OF_PATH {
                self.take(a, b, Purpose::Path);
            } else {
                // It fails again and again: what is left to tell is whether either end passes with others.
                self.open[a] = true;
                self.open[b] = true;
            }
        }
    }

    /// Some who passed, with each other: those first of whom least is known.
    fn controls(&mut self) {
        let mut free: Vec<usize> = self.free().filter(|node| self.good[*node]).collect();
        free.sort_by(|a, b| self.odds[*b].total_cmp(&self.odds[*a]));
        while self.tests.iter().filter(|test| test.purpose == Purpose::Control).count() < CONTROLS {
            let Some(at) = free.iter().position(|node| !self.used[*node]) else { return };
            let node = free[at];
            let other =
                free.iter().skip(at + 1).find(|other| !self.used[**other] && self.times_met(node, **other) == 0);
            let Some(other) = other.copied() else { return };
            self.take(node, other, Purpose::Control);
        }
    }
}
