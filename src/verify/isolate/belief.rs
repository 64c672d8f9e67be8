//! How likely each possible cause is, given all results: loopy belief propagation over a noisy OR.
//!
//! A test passes where none of its causes is bad, but for `false_fail`; it fails where one is, but for `false_pass`. A node's
//! odds therefore depend on how much its partners explain already, and theirs on it; messages between tests and causes
//! settle that in a few turns. How often tests fail for no reason is learnt for each round, since what disturbs one (a
//! busy fabric) disturbs all tests of it; how many nodes are bad is learnt as well.

use std::collections::HashMap;

use super::{Field, History, Purpose, Seen, Sign};

/// Something that may be bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Cause {
    /// A node.
    Node(usize),
    /// What is between two nodes, and nobody else's.
    Path(usize, usize),
    /// What the members of a group need for everything: a leaf switch.
    Group(usize),
    /// What the members of a group need to reach others: its uplinks.
    Uplink(usize),
    /// What is between two groups.
    Trunk(usize, usize),
}

/// Turns of messages, and of what is learnt between them.
const TURNS: usize = 8;
const LEARNT: usize = 3;

/// How much of a new message is taken: messages that go round in circles settle.
const DAMPING: f64 = 0.7;

/// Tests that the expected share of false failures is worth, against those seen.
const WORTH: f64 = 40.0;

/// What is thought of nodes before any test: this many bad ones in so many.
const BAD_BEFORE: f64 = 1.0;
const NODES_BEFORE: f64 = 50.0;

/// Probabilities before any test of what is not a node: rarer than nodes, and each such cause explains much.
const PATH: f64 = 0.002;
const GROUP: f64 = 0.004;
const TRUNK: f64 = 0.001;

/// Fewest members by which a group is told from its nodes.
const FEWEST: usize = 3;

/// All tests of the same two. They are weighed as one: their causes are the same, so they settle nothing between them.
struct Factor {
    causes: Vec<usize>,
    messages: Vec<f64>,
    /// Round and whether it failed.
    tests: Vec<(usize, bool)>,
}

impl Factor {
    /// Log likelihood of its tests where a cause is bad, against none.
    fn told(&self, false_fail: &[f64], false_pass: f64) -> f64 {
        self.tests.iter().map(|(round, failed)| weight(*failed, false_fail[*round], false_pass)).sum()
    }
}

/// Log odds that a node is bad by its own tests, whoever else took part in them.
#[allow(clippy::cast_precision_loss, reason = "counts of tests")]
pub(super) fn by_itself(field: &Field, failed: usize, passed: usize) -> f64 {
    let weight = |failed| weight(failed, field.trust.false_fail, field.trust.false_pass);
    log_odds(BAD_BEFORE / NODES_BEFORE) + failed as f64 * weight(true) + passed as f64 * weight(false)
}

/// Log likelihood of one test where its cause is bad, against none.
fn weight(failed: bool, false_fail: f64, false_pass: f64) -> f64 {
    if failed { ((1.0 - false_pass) / false_fail).ln() } else { (false_pass / (1.0 - false_fail)).ln() }
}

/// How likely each cause is.
pub(super) struct Belief {
    causes: Vec<Cause>,
    odds: Vec<f64>,
    index: HashMap<Cause, usize>,
}

impl Belief {
    pub(super) fn of(field: &Field, history: &History, seen: &Seen) -> Self {
        let mut model = Model::of(field, history, seen);
        model.settle(field);
        Self { causes: model.causes, odds: model.odds, index: model.index }
    }

    /// Log odds of a cause; of one that no test could tell, minus infinity.
    pub(super) fn odds(&self, cause: Cause) -> f64 {
        self.index.get(&cause).map_or(f64::NEG_INFINITY, |at| self.odds[*at])
    }

    /// Each cause with its log odds, in a fixed order.
    pub(super) fn all(&self) -> impl Iterator<Item = (Cause, f64)> + '_ {
        self.causes.iter().copied().zip(self.odds.iter().copied())
    }
}

struct Model {
    causes: Vec<Cause>,
    index: HashMap<Cause, usize>,
    before: Vec<f64>,
    odds: Vec<f64>,
    factors: Vec<Factor>,
    rounds: usize,
    nodes: usize,
}

impl Model {
    fn of(field: &Field, history: &History, seen: &Seen) -> Self {
        let mut model = Self {
            causes: Vec::new(),
            index: HashMap::new(),
            before: Vec::new(),
            odds: Vec::new(),
            factors: Vec::new(),
            rounds: history.len(),
            nodes: 0,
        };
        for node in seen.playing() {
            model.cause(Cause::Node(node));
        }
        model.nodes = model.causes.len();
        let shared = Shared::of(field, history, seen);
        let mut pairs_seen = HashMap::new();
        for (round, trials) in history.iter().enumerate() {
            let pairs = trials.iter().filter(|trial| trial.test.nodes.len() == 2);
            for trial in pairs.filter(|trial| trial.test.nodes.iter().all(|node| seen.plays(*node))) {
                if trial.test.purpose == Purpose::Vital || matches!(trial.sign, Sign::CannotRun(_)) {
                    continue;
                }
                let (pair, test) =
                    (ordered(trial.test.nodes[0], trial.test.nodes[1]), (round, trial.sign != Sign::Pass));
                if let Some(at) = pairs_seen.get(&pair) {
                    let factor: &mut Factor = &mut model.factors[*at];
                    factor.tests.push(test);
                    continue;
                }
                let causes = shared.causes(pair);
                let causes: Vec<usize> = causes.into_iter().map(|cause| model.cause(cause)).collect();
                let messages = vec![0.0; causes.len()];
                pairs_seen.insert(pair, model.factors.len());
                model.factors.push(Factor { causes, messages, tests: vec![test] });
            }
        }
        model
    }

    fn cause(&mut self, cause: Cause) -> usize {
        if let Some(at) = self.index.get(&cause) {
            return *at;
        }
        let at = self.causes.len();
        self.causes.push(cause);
        self.index.insert(cause, at);
        self.before.push(log_odds(match cause {
            Cause::Node(_) => BAD_BEFORE / NODES_BEFORE,
            Cause::Path(..) => PATH,
            Cause::Group(_) | Cause::Uplink(_) => GROUP,
            Cause::Trunk(..) => TRUNK,
        }));
        self.odds.push(self.before[at]);
        at
    }

    fn settle(&mut self, field: &Field) {
        let mut false_fail = vec![field.trust.false_fail; self.rounds];
        for learnt in 0..=LEARNT {
            for _ in 0..TURNS {
                self.turn(&false_fail, field.trust.false_pass);
            }
            if learnt < LEARNT {
                self.learn_bad();
                self.learn_noise(field.trust.false_fail, &mut false_fail);
            }
        }
    }

    /// One turn of messages from all tests to all their causes.
    fn turn(&mut self, false_fail: &[f64], false_pass: f64) {
        for factor in &mut self.factors {
            let told = factor.told(false_fail, false_pass).exp();
            let good = |(cause, message): (&usize, &f64)| 1.0 - probability(self.odds[*cause] - message);
            let good: Vec<f64> = factor.causes.iter().zip(&factor.messages).map(good).collect();
            for (at, cause) in factor.causes.iter().enumerate() {
                let others = good.iter().enumerate().filter(|(other, _)| *other != at);
                let others: f64 = others.map(|(_, good)| good).product();
                let new = told.ln() - (others + (1.0 - others) * told).ln();
                let message = factor.messages[at] + DAMPING * (new - factor.messages[at]);
                self.odds[*cause] += message - factor.messages[at];
                factor.messages[at] = message;
            }
        }
    }

    /// How many nodes are bad, as far as is known.
    fn learn_bad(&mut self) {
        let bad: f64 = self.odds[..self.nodes].iter().map(|odds| probability(*odds)).sum();
        let nodes = f64::from(u32::try_from(self.nodes).unwrap_or(u32::MAX));
        let share = log_odds(((bad + BAD_BEFORE) / (nodes + NODES_BEFORE)).min(0.3));
        for at in 0..self.nodes {
            self.odds[at] += share - self.before[at];
            self.before[at] = share;
        }
    }

    /// How often the tests of a round failed though none of their causes is bad.
    fn learn_noise(&self, expected: f64, false_fail: &mut [f64]) {
        let mut clean = vec![WORTH; false_fail.len()];
        let mut failed = vec![WORTH * expected; false_fail.len()];
        for factor in &self.factors {
            let none: f64 = factor.causes.iter().map(|cause| 1.0 - probability(self.odds[*cause])).product();
            for (round, fails) in &factor.tests {
                clean[*round] += none;
                failed[*round] += if *fails { none } else { 0.0 };
            }
        }
        for (share, (failed, clean)) in false_fail.iter_mut().zip(failed.iter().zip(&clean)) {
            *share = (failed / clean).clamp(expected / 2.0, 0.5);
        }
    }
}

/// Which causes tests share.
struct Shared {
    /// Groups of each node.
    groups: Vec<Vec<usize>>,
    /// Pairs that failed at least once.
    failed: Vec<(usize, usize)>,
    /// Pairs of groups across which several pairs failed.
    trunks: Vec<(usize, usize)>,
    /// Whether a pair of it failed, by group.
    touched: Vec<bool>,
}

impl Shared {
    fn of(field: &Field, history: &History, seen: &Seen) -> Self {
        let mut groups = vec![Vec::new(); field.nodes];
        for (group, members) in field.groups.iter().enumerate() {
            let playing = members.iter().filter(|node| seen.plays(**node)).count();
            if playing >= FEWEST && playing < seen.playing().count() {
                members.iter().for_each(|node| groups[*node].push(group));
            }
        }
        let mut shared =
            Self { groups, failed: Vec::new(), trunks: Vec::new(), touched: vec![false; field.groups.len()] };
        let mut across: HashMap<(usize, usize), Vec<(usize, usize)>> = HashMap::new();
        for trial in history.iter().flatten().filter(|trial| trial.test.nodes.len() == 2) {
            if !matches!(trial.sign, Sign::Fail(_)) {
                continue;
            }
            let pair = ordered(trial.test.nodes[0], trial.test.nodes[1]);
            shared.failed.push(pair);
            for trunk in shared.between(pair.0, pair.1) {
                let pairs = across.entry(trunk).or_default();
                if !pairs.contains(&pair) {
                    pairs.push(pair);
                }
            }
            for node in [pair.0, pair.1] {
                for group in shared.groups[node].clone() {
                    shared.touched[group] = true;
                }
            }
        }
        shared.failed.sort_unstable();
        shared.failed.dedup();
        shared.trunks = across.into_iter().filter(|(_, pairs)| pairs.len() > 1).map(|(trunk, _)| trunk).collect();
        shared.trunks.sort_unstable();
        shared
    }

    /// Pairs of groups that a pair of nodes crosses.
    fn between(&self, a: usize, b: usize) -> Vec<(usize, usize)> {
        let own = |of: usize, other: usize| {
            let groups = self.groups[of].iter();
            groups.filter(|group| !self.groups[other].contains(group)).copied().collect::<Vec<_>>()
        };
        let (left, right) = (own(a, b), own(b, a));
        left.iter().flat_map(|a| right.iter().map(|b| ordered(*a, *b))).collect()
    }

    fn causes(&self, (a, b): (usize, usize)) -> Vec<Cause> {
        let mut causes = vec![Cause::Node(a), Cause::Node(b)];
        if self.failed.binary_search(&(a, b)).is_ok() {
            causes.push(Cause::Path(a, b));
        }
        for group in self.groups[a].iter().chain(&self.groups[b]).filter(|group| self.touched[**group]) {
            let inside = self.groups[a].contains(group) && self.groups[b].contains(group);
            if !inside {
                causes.push(Cause::Uplink(*group));
            }
            if !causes.contains(&Cause::Group(*group)) {
                causes.push(Cause::Group(*group));
            }
        }
        let trunks = self.between(a, b).into_iter().filter(|trunk| self.trunks.binary_search(trunk).is_ok());
        causes.extend(trunks.map(|(a, b)| Cause::Trunk(a, b)));
        causes
    }
}

pub(super) fn ordered(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

/// Log odds of a probability.
pub(super) fn log_odds(probability: f64) -> f64 {
    (probability / (1.0 - probability)).ln()
}

/// Probability of log odds.
pub(super) fn probability(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}
