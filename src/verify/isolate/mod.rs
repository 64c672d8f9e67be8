//! Which of many nodes, paths or switches is bad, by tests that run on several of them at once.
//!
//! A pure state machine: [`next`] reads what was tested so far and says what to test next, or who it is. Tests of one round
//! share no node, so they run at the same time, and rounds are what costs time. Pairs, not halves: a round of pairs looks
//! at every node at once and takes as long as one test.
//!
//! 1. Vital signs of each node by itself; whoever fails them twice is named and takes no further part.
//! 2. Pairings of all nodes: at random first, then whoever failed with whoever passed.
//! 3. Whoever is not decided yet is tested with fresh partners that passed, until the odds name or clear them.
//! 4. Where everything passes in pairs and fails as a whole, halves (see `scale`).
//!
//! What the results say is weighed in `belief`: a test fails because a node is bad, because the path between the two is,
//! because of a switch that many share, or for no reason at all.

mod belief;
mod choose;
mod scale;
#[cfg(test)]
mod tests;
mod verdict;

use serde::{Deserialize, Serialize};

use belief::Belief;
pub use verdict::{Culprit, How, Named, Open, Outcome, Verdict};

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// How many nodes; everywhere else a node is its index.
    pub nodes: usize,
    /// What nodes share: a leaf switch, a rack. A node may be in several.
    pub groups: Vec<Vec<usize>>,
    /// Chance is drawn from this, so that a run can be told again.
    pub seed: u64,
    /// Whether each node is looked at by itself first.
    pub vital: bool,
    /// Which tests there are for more than one node.
    pub shape: Shape,
    /// How far the test can be trusted, and how sure one wants to be.
    pub trust: Trust,
}

/// What the test at hand can be run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shape {
    /// Two nodes.
    Pair,
    /// Any number of nodes: pairs, halves, the whole.
    Any,
}

/// How far a test can be trusted, and how sure one wants to be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// Share of tests that fail though nothing is bad; a beginning, what is seen corrects it.
    pub false_fail: f64,
    /// Share of tests that pass though something is bad.
    pub false_pass: f64,
    /// Probability from which on somebody is named.
    pub name: f64,
    /// Probability below which somebody is cleared.
    pub clear: f64,
    /// Most rounds of pairs.
    pub rounds: usize,
}

impl Default for Trust {
    fn default() -> Self {
        Self { false_fail: 0.02, false_pass: 0.05, name: 0.995, clear: 0.002, rounds: 8 }
    }
}

/// Why a test is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// One node by itself.
    Vital,
    /// All nodes, two by two.
    Pairing,
    /// Somebody who is not decided, with somebody who passed.
    Suspect,
    /// Two who failed together and passed with others: is it what is between them?
    Path,
    /// Two of a group whose members all fail with others: is it the switch or its uplink?
    Inside,
    /// Two who passed: how often do tests of this round fail for no reason?
    Control,
    /// All of them.
    Whole,
    /// A part of those who fail as a whole only.
    Part,
    /// Those who fail as a whole, without whoever seems to be the reason.
    Without,
}

/// Nodes that are tested together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Test {
    /// Which; the first is the server where there is one.
    pub nodes: Vec<usize>,
    /// Why.
    pub purpose: Purpose,
}

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sign {
    /// As it should.
    Pass,
    /// It ran, and what it read is not well; in which arms (rails, adapters), where the test tells.
    Fail(Vec<String>),
    /// It could not run, which says nothing of the nodes' health; on whom it could not, as far as is known.
    CannotRun(Vec<usize>),
}

/// A test that was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// The test.
    pub test: Test,
    /// How it ended.
    pub sign: Sign,
}

/// What was tested so far, by rounds.
pub type History = [Vec<Trial>];

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Run these at the same time.
    Round(Vec<Test>),
    /// Nothing more.
    Done(Verdict),
}

/// What to do next, after all that was tested so far.
#[must_use]
pub fn next(field: &Field, history: &History) -> Step {
    let seen = Seen::of(field, history);
    let tests = vital(field, &seen);
    if !tests.is_empty() && (history.is_empty() || seen.playing().count() < 2) {
        return Step::Round(tests);
    }
    if seen.playing().count() < 2 {
        return Step::Done(verdict::of(field, history, &seen, &Belief::of(field, history, &seen)));
    }
    if field.shape == Shape::Any && !seen.purposes.contains(&Purpose::Whole) && tests.is_empty() {
        return Step::Round(vec![Test { nodes: seen.playing().collect(), purpose: Purpose::Whole }]);
    }
    if scale::whole_passed(history) {
        return Step::Done(verdict::of(field, history, &seen, &Belief::of(field, history, &seen)));
    }
    let belief = Belief::of(field, history, &seen);
    let chosen = choose::round(field, history, &seen, &belief);
    if !chosen.is_empty() {
        return Step::Round(tests.into_iter().chain(chosen).collect());
    }
    match scale::round(field, history, &seen, &belief) {
        Some(parts) if !parts.is_empty() => Step::Round(parts),
        _ => Step::Done(verdict::of(field, history, &seen, &belief)),
    }
}

/// Vital signs that are still to be taken: of everybody at first, once more of whoever failed.
fn vital(field: &Field, seen: &Seen) -> Vec<Test> {
    let wanted = |node: &usize| field.vital && matches!(seen.vital[*node], Vital::Unknown | Vital::Failed(1));
    let test = |node| Test { nodes: vec![node], purpose: Purpose::Vital };
    (0..field.nodes).filter(wanted).map(test).collect()
}

/// What a node's vital signs said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vital {
    Unknown,
    Well,
    Failed(usize),
}

/// Failed vital signs after which a node is named.
const FAILED_VITALS: usize = 2;

/// Tests that could not be run with somebody, after which they are left out.
const COULD_NOT: usize = 2;

/// What the history says at first sight.
#[derive(Debug)]
struct Seen {
    vital: Vec<Vital>,
    /// Nodes on which tests can't be run.
    mute: Vec<bool>,
    purposes: Vec<Purpose>,
    /// Rounds in which pairs were tested.
    pair_rounds: usize,
}

impl Seen {
    fn of(field: &Field, history: &History) -> Self {
        let mut seen = Self {
            vital: vec![Vital::Unknown; field.nodes],
            mute: vec![false; field.nodes],
            purposes: Vec::new(),
            pair_rounds: 0,
        };
        let mut unrun = vec![0; field.nodes];
        for round in history {
            seen.pair_rounds += usize::from(round.iter().any(|trial| trial.test.nodes.len() == 2));
            for trial in round {
                seen.take(trial, &mut unrun);
            }
        }
        seen
    }

    fn take(&mut self, trial: &Trial, unrun: &mut [usize]) {
        let nodes = &trial.test.nodes;
        if !self.purposes.contains(&trial.test.purpose) {
            self.purposes.push(trial.test.purpose);
        }
        match &trial.sign {
            Sign::CannotRun(whom) if whom.is_empty() => {
                for node in nodes.iter().filter(|_| nodes.len() <= 2) {
                    unrun[*node] += 1;
                    self.mute[*node] |= unrun[*node] >= COULD_NOT || nodes.len() == 1;
                }
            }
            Sign::CannotRun(whom) => whom.iter().for_each(|node| self.mute[*node] = true),
            sign if trial.test.purpose == Purpose::Vital => {
                let failed = *sign != Sign::Pass;
                self.vital[nodes[0]] = match self.vital[nodes[0]] {
                    Vital::Failed(times) if failed => Vital::Failed(times + 1),
                    _ if failed => Vital::Failed(1),
                    _ => Vital::Well,
                };
            }
            _ => nodes.iter().for_each(|node| unrun[*node] = 0),
        }
    }

    /// Whether a node takes part in tests of several.
    fn plays(&self, node: usize) -> bool {
        !self.mute[node] && !matches!(self.vital[node], Vital::Failed(_))
    }

    fn playing(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.mute.len()).filter(|node| self.plays(*node))
    }
}
