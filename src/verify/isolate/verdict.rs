//! Who it is, as far as the tests tell.

use serde::{Deserialize, Serialize};

use super::belief::{self, Belief, Cause, log_odds, ordered, probability};
use super::{FAILED_VITALS, Field, History, Purpose, Seen, Sign, Vital, scale};

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// In a word.
    pub outcome: Outcome,
    /// Who is bad, surest first.
    pub named: Vec<Named>,
    /// Who is neither named nor cleared, most suspicious first.
    pub open: Vec<Open>,
    /// On whom tests could not be run.
    pub not_tested: Vec<usize>,
    /// Nodes that stand behind a group that is named: they can't be judged before it is mended.
    pub behind: Vec<usize>,
}

/// What came of it, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing is bad.
    Clear,
    /// Somebody is named, and nobody is open.
    Named,
    /// It is not decided.
    Undetermined,
    /// Most tests fail: the test, the image or the fabric is to be looked at, and no node.
    TestSuspect,
    /// Tests could not be run.
    CannotRun,
}

/// What can be bad.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Culprit {
    /// A node.
    Node(usize),
    /// What is between two nodes.
    Path(usize, usize),
    /// What all members of a group need, by index of the group.
    Group(usize),
    /// What the members of a group need to reach others.
    Uplink(usize),
    /// What is between two groups.
    Trunk(usize, usize),
    /// An arm of the test, a rail say, on all nodes.
    Arm(String),
}

/// Somebody who is bad.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Named {
    /// Who.
    pub culprit: Culprit,
    /// Probability.
    pub sure: f64,
    /// How many tests with it failed, of how many that ran.
    pub failed: usize,
    /// See `failed`.
    pub ran: usize,
    /// With how many different partners (of a node).
    pub partners: usize,
    /// Arms that failed in each of its failed tests that tell arms.
    pub arms: Vec<String>,
    /// It failed by itself, or only where many took part.
    pub how: How,
}

/// How somebody came to be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// By itself: its vital signs.
    Alone,
    /// In tests of two.
    InPairs,
    /// Where many take part, and not in twos.
    AtScale,
}

/// What is not decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// Between whom; one: whether it is bad at all.
    pub nodes: Vec<usize>,
    /// Probability that (one of) these are bad.
    pub odds: f64,
    /// Failed tests of how many.
    pub failed: usize,
    /// See `failed`.
    pub ran: usize,
    /// They fail together, and no part of them does.
    pub together: bool,
}

/// Share of failed tests in each of the first pairings, from which on the test is suspected: so many bad nodes that pairs
/// tell nothing any more are less likely than one thing that is wrong everywhere.
const MOST: f64 = 0.6;

/// Fewest pairs of a round by which that can be said.
const FEWEST_PAIRS: usize = 3;

/// Whether most tests fail from the beginning.
pub(super) fn most_fail(history: &History, seen: &Seen) -> bool {
    let pairings: Vec<(usize, usize)> =
        history.iter().map(|round| tally(round, seen)).filter(|(_, ran)| *ran > 0).take(2).collect();
    pairings.len() == 2 && pairings.iter().all(|(failed, ran)| *ran >= FEWEST_PAIRS && share(*failed, *ran) > MOST)
}

fn tally(round: &[super::Trial], seen: &Seen) -> (usize, usize) {
    let pairs = round.iter().filter(|trial| trial.test.nodes.len() == 2 && !matches!(trial.sign, Sign::CannotRun(_)));
    let pairs = pairs.filter(|trial| trial.test.nodes.iter().all(|node| seen.plays(*node)));
    pairs.fold((0, 0), |(failed, ran), trial| (failed + usize::from(trial.sign != Sign::Pass), ran + 1))
}

#[allow(clippy::cast_precision_loss, reason = "counts of tests")]
fn share(part: usize, of: usize) -> f64 {
    part as f64 / of.max(1) as f64
}

/// Whether a node stands behind a group that is named: its tests tell nothing of itself, or little that is bad.
pub(super) fn explained(field: &Field, belief: &Belief, node: usize) -> bool {
    let name = log_odds(field.trust.name);
    let may_be_good = belief.odds(Cause::Node(node)) < 0.0;
    let mut groups = field.groups.iter().enumerate().filter(|(_, members)| members.contains(&node));
    groups.any(|(group, _)| {
        belief.odds(Cause::Group(group)) > name || (may_be_good && belief.odds(Cause::Uplink(group)) > name)
    })
}

pub(super) fn of(field: &Field, history: &History, seen: &Seen, belief: &Belief) -> Verdict {
    let mut verdict = Verdict {
        outcome: Outcome::Clear,
        named: alone(seen),
        open: Vec::new(),
        not_tested: (0..field.nodes).filter(|node| seen.mute[*node]).collect(),
        behind: Vec::new(),
    };
    if let Some(arm) = common_arm(history) {
        verdict.named.push(arm);
        verdict.outcome = Outcome::Named;
        return verdict;
    }
    let shared = belief.all().any(|(cause, odds)| !matches!(cause, Cause::Node(_)) && odds > 0.0);
    if most_fail(history, seen) && !shared {
        verdict.outcome = Outcome::TestSuspect;
        return verdict;
    }
    in_pairs(field, history, seen, belief, &mut verdict);
    silenced(field, history, &mut verdict);
    scale::verdict(field, history, seen, belief, &mut verdict);
    verdict.named.sort_by(|a, b| b.sure.total_cmp(&a.sure).then_with(|| a.culprit.cmp(&b.culprit)));
    verdict.open.sort_by(|a, b| b.odds.total_cmp(&a.odds).then_with(|| a.nodes.cmp(&b.nodes)));
    let ran = history.iter().flatten().any(|trial| !matches!(trial.sign, Sign::CannotRun(_)));
    verdict.outcome = match () {
        () if !verdict.open.is_empty() => Outcome::Undetermined,
        () if !verdict.named.is_empty() => Outcome::Named,
        () if seen.playing().count() == 1 && seen.pair_rounds == 0 && !field.vital => Outcome::Undetermined,
        () if !ran || seen.playing().count() == 0 => Outcome::CannotRun,
        () => Outcome::Clear,
    };
    verdict
}

fn alone(seen: &Seen) -> Vec<Named> {
    let failed = |(node, vital): (usize, &Vital)| match vital {
        Vital::Failed(times) if *times >= FAILED_VITALS => Some(Named {
            culprit: Culprit::Node(node),
            sure: 1.0,
            failed: *times,
            ran: *times,
            partners: 0,
            arms: Vec::new(),
            how: How::Alone,
        }),
        _ => None,
    };
    seen.vital.iter().enumerate().filter_map(failed).collect()
}

fn in_pairs(field: &Field, history: &History, seen: &Seen, belief: &Belief, verdict: &mut Verdict) {
    let name = log_odds(field.trust.name);
    let clear = log_odds(field.trust.clear);
    let mut open = Vec::new();
    for (cause, odds) in belief.all() {
        let culprit = match cause {
            Cause::Node(node) => Culprit::Node(node),
            Cause::Path(a, b) => Culprit::Path(a, b),
            Cause::Group(group) => Culprit::Group(group),
            Cause::Uplink(group) => Culprit::Uplink(group),
            Cause::Trunk(a, b) => Culprit::Trunk(a, b),
        };
        let named = count(field, history, seen, culprit, odds);
        let told = !matches!(cause, Cause::Node(_)) || named.partners > 1;
        if odds > name && told {
            verdict.named.push(named);
        } else if let Cause::Node(node) = cause {
            if explained(field, belief, node) {
                verdict.behind.push(node);
            } else if odds > clear && named.failed > 0 {
                open.push((node, odds, named));
            }
        }
    }
    verdict.open = between(open, history);
    let told =
        |a: usize, b: usize, open: &[Open]| open.iter().any(|one| one.nodes.contains(&a) || one.nodes.contains(&b));
    for (cause, odds) in belief.all().filter(|(_, odds)| *odds > 0.0 && *odds <= name) {
        let Cause::Path(a, b) = cause else { continue };
        if !told(a, b, &verdict.open) {
            let named = count(field, history, seen, Culprit::Path(a, b), odds);
            let (failed, ran) = (named.failed, named.ran);
            verdict.open.push(Open { nodes: vec![a, b], odds: named.sure, failed, ran, together: false });
        }
    }
}

/// Who failed a test and could not be tested any more is neither bad for sure nor clear, unless its partner was named.
fn silenced(field: &Field, history: &History, verdict: &mut Verdict) {
    let named = |node: usize| verdict.named.iter().any(|named| named.culprit == Culprit::Node(node));
    let open = |node: usize| {
        let pairs = history.iter().flatten().filter(|trial| trial.test.nodes.len() == 2);
        let own =
            pairs.filter(|trial| trial.test.nodes.contains(&node) && !trial.test.nodes.iter().any(|of| named(*of)));
        let (mut failed, mut ran) = (0, 0);
        for trial in own.filter(|trial| !matches!(trial.sign, Sign::CannotRun(_))) {
            failed += usize::from(trial.sign != Sign::Pass);
            ran += 1;
        }
        let odds = probability(belief::by_itself(field, failed, ran - failed));
        (failed > 0).then(|| Open { nodes: vec![node], odds, failed, ran, together: false })
    };
    let silent = verdict.not_tested.iter().copied().filter(|node| !named(*node));
    let open: Vec<Open> = silent.filter_map(open).collect();
    verdict.open.extend(open);
}

/// Those open who failed only with each other are one question.
fn between(open: Vec<(usize, f64, Named)>, history: &History) -> Vec<Open> {
    let mut questions: Vec<Open> = Vec::new();
    let met = |a: usize, b: usize| {
        let pair = ordered(a, b);
        let mut both = history.iter().flatten().filter(|trial| trial.test.nodes.len() == 2);
        both.any(|trial| {
            matches!(trial.sign, Sign::Fail(_)) && ordered(trial.test.nodes[0], trial.test.nodes[1]) == pair
        })
    };
    for (node, odds, named) in open {
        let near = questions.iter_mut().find(|question| question.nodes.iter().any(|other| met(*other, node)));
        match near {
            Some(question) => {
                question.nodes.push(node);
                question.odds = question.odds.max(probability(odds));
            }
            None => questions.push(Open {
                nodes: vec![node],
                odds: probability(odds),
                failed: named.failed,
                ran: named.ran,
                together: false,
            }),
        }
    }
    questions
}

/// The tests in which a culprit took part.
fn count(field: &Field, history: &History, seen: &Seen, culprit: Culprit, odds: f64) -> Named {
    let within = |group: usize, node: usize| field.groups[group].contains(&node);
    let concerns = |a: usize, b: usize| match culprit {
        Culprit::Node(node) => a == node || b == node,
        Culprit::Path(left, right) => ordered(a, b) == (left, right),
        Culprit::Group(group) => within(group, a) || within(group, b),
        Culprit::Uplink(group) => within(group, a) != within(group, b),
        Culprit::Trunk(left, right) => (within(left, a) && within(right, b)) || (within(left, b) && within(right, a)),
        Culprit::Arm(_) => true,
    };
    let (mut failed, mut ran, mut partners, mut arms) = (0, 0, Vec::new(), None::<Vec<String>>);
    for trial in history.iter().flatten().filter(|trial| trial.test.nodes.len() == 2) {
        let (a, b) = (trial.test.nodes[0], trial.test.nodes[1]);
        if !concerns(a, b) || !seen.plays(a) || !seen.plays(b) {
            continue;
        }
        ran += usize::from(!matches!(trial.sign, Sign::CannotRun(_)));
        if let Sign::Fail(own) = &trial.sign {
            failed += 1;
            let other = if culprit == Culprit::Node(a) { b } else { a };
            if !partners.contains(&other) {
                partners.push(other);
            }
            if !own.is_empty() {
                arms = Some(match arms {
                    Some(arms) => arms.into_iter().filter(|arm| own.contains(arm)).collect(),
                    None => own.clone(),
                });
            }
        }
    }
    let (partners, arms) = (partners.len(), arms.unwrap_or_default());
    Named { culprit, sure: probability(odds), failed, ran, partners, arms, how: How::InPairs }
}

/// An arm in which most pairs fail, and which is the only one.
fn common_arm(history: &History) -> Option<Named> {
    let pairs = history.iter().flatten().filter(|trial| trial.test.purpose == Purpose::Pairing);
    let (mut ran, mut arms) = (0, Vec::new());
    for trial in pairs {
        match &trial.sign {
            Sign::CannotRun(_) => {}
            Sign::Pass => ran += 1,
            Sign::Fail(own) => {
                ran += 1;
                arms.push(own);
            }
        }
    }
    let first = arms.first().filter(|own| own.len() == 1)?;
    let same = arms.iter().filter(|own| own == &first).count();
    let many = same >= 2 * FEWEST_PAIRS && share(same, ran) > MOST && same == arms.len();
    many.then(|| Named {
        culprit: Culprit::Arm(first[0].clone()),
        sure: share(same, ran),
        failed: same,
        ran,
        partners: 0,
        arms: vec![first[0].clone()],
        how: How::InPairs,
    })
}
