//! Which of many nodes is bad: rounds of a test until it is known.

use indexmap::IndexMap;

use super::run::{Result as Ran, Runner};
use super::{Args, MOST};
use crate::error::Error;
use crate::plan::NodeName;
use crate::playbook::test::{Judged, TestBook};
use crate::verify::isolate::{Field, Outcome, Purpose, Shape, Sign, Step, Test, Trial, Trust, Verdict, next};
use crate::verify::reads::Readings;

/// The test that looks at each node by itself.
const VITAL: &str = "vital";

/// What came of a sweep.
pub(super) struct Found {
    /// The test.
    pub(super) test: String,
    /// Who it is.
    pub(super) verdict: Verdict,
    /// What was tested.
    pub(super) history: Vec<Vec<Trial>>,
    /// What each run of it read and why it failed, beside the history.
    pub(super) runs: Vec<Vec<Ran>>,
    /// Names of the groups that nodes share.
    pub(super) groups: Vec<String>,
    /// What chance was drawn from.
    pub(super) seed: u64,
}

impl Found {
    pub(super) fn well(&self) -> bool {
        self.verdict.outcome == Outcome::Clear && self.verdict.not_tested.is_empty()
    }
}

/// Runs rounds until it is known.
pub(super) fn run(
    runner: &Runner,
    pair: &TestBook,
    tests: &[TestBook],
    params: &IndexMap<String, String>,
    nodes: &[NodeName],
    args: &Args,
) -> Result<Found, Error> {
    let of = |name: &str| tests.iter().find(|book| book.id == name);
    let (vital, whole) = (of(VITAL), pair.whole.as_deref().and_then(of));
    let (groups, members) = topology(args, nodes)?.into_iter().unzip();
    let field = Field {
        nodes: nodes.len(),
        groups: members,
        seed: args.seed,
        vital: vital.is_some(),
        shape: if whole.is_some() { Shape::Any } else { Shape::Pair },
        trust: Trust::default(),
    };
    let (mut history, mut runs): (Vec<Vec<Trial>>, Vec<Vec<Ran>>) = (Vec::new(), Vec::new());
    let mut before: IndexMap<String, Vec<Readings>> = IndexMap::new();
    loop {
        let round = match next(&field, &history) {
            Step::Done(verdict) => {
                return Ok(Found { test: pair.id.clone(), verdict, history, runs, groups, seed: args.seed });
            }
            Step::Round(round) => round,
        };
        let (mut trials, mut results) = (Vec::new(), Vec::new());
        for book in [vital, Some(pair), whole].into_iter().flatten() {
            let own: Vec<&Test> = round
                .iter()
                .filter(|test| book_of(test, vital, pair, whole).is_some_and(|own| own.id == book.id))
                .collect();
            if own.is_empty() {
                continue;
            }
            let who: Vec<Vec<NodeName>> =
                own.iter().map(|test| test.nodes.iter().map(|node| nodes[*node].clone()).collect()).collect();
            let params = given(book, params);
            let known = before.entry(book.id.clone()).or_default();
            let ran = runner.results(book, &params, &who, known)?;
            for (test, ran) in own.into_iter().zip(ran) {
                if ran.judgement.judged != Judged::CannotRun {
                    known.push(ran.judgement.readings.clone());
                }
                trials.push(Trial { test: test.clone(), sign: sign(test, &ran) });
                results.push(ran);
            }
        }
        history.push(trials);
        runs.push(results);
    }
}

fn book_of<'b>(
    test: &Test,
    vital: Option<&'b TestBook>,
    pair: &'b TestBook,
    whole: Option<&'b TestBook>,
) -> Option<&'b TestBook> {
    match test.purpose {
        Purpose::Vital => vital,
        Purpose::Whole | Purpose::Part | Purpose::Without => whole,
        _ => Some(pair),
    }
}

/// A test's parameters: those given for the sweep that it has as well, else its own.
fn given(book: &TestBook, params: &IndexMap<String, String>) -> IndexMap<String, String> {
    let mut own = crate::verify::book::defaults(book);
    for (name, value) in &mut own {
        if let Some(given) = params.get(name) {
            value.clone_from(given);
        }
    }
    own
}

fn sign(test: &Test, ran: &Ran) -> Sign {
    match ran.judgement.judged {
        Judged::Pass => Sign::Pass,
        Judged::Fail => Sign::Fail(ran.judgement.arms.clone()),
        Judged::CannotRun => Sign::CannotRun(ran.mute.iter().map(|at| test.nodes[*at]).collect()),
    }
}

/// Groups of a file as Slurm's topology.conf: `SwitchName=leaf1 Nodes=gpu[001-016]`.
fn topology(args: &Args, nodes: &[NodeName]) -> Result<Vec<(String, Vec<usize>)>, Error> {
    let Some(file) = &args.topology else { return Ok(Vec::new()) };
    let place = file.display().to_string();
    let text =
        std::fs::read_to_string(file).map_err(|error| Error::new("topology.unreadable", &place, error.to_string()))?;
    let mut groups = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let word = |key: &str| {
            let mut words = line.split_whitespace().filter_map(|word| word.split_once('='));
            words.find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
        };
        let (Some(switch), Some(list)) = (word("SwitchName"), word("Nodes")) else { continue };
        let members = diag_parsers::hostlist::expand(list, MOST)
            .map_err(|why| Error::new("topology.invalid", format!("{place}:{}", at + 1), why.to_string()))?;
        let members = nodes.iter().enumerate().filter(|(_, node)| members.iter().any(|name| name == node.as_str()));
        groups.push((switch.to_owned(), members.map(|(at, _)| at).collect()));
    }
    Ok(groups)
}
