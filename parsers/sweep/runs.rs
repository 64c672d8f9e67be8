//! The runs of a sweep: who failed, who passed with others, and what those who pass read.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A run on some nodes.
#[derive(Deserialize)]
pub(super) struct Run {
    #[serde(default)]
    nodes: Vec<String>,
    #[serde(default)]
    run: Judged,
}

#[derive(Deserialize, Default)]
struct Judged {
    #[serde(default)]
    judged: String,
    #[serde(default)]
    why: Vec<String>,
    #[serde(default)]
    readings: Map<String, Value>,
}

/// Share of what equals reach that a node has to reach as well: that of the sweeps (`of_median` in `playbooks/tests/`).
const SHARE: f64 = 0.9;

/// All of them.
pub(super) struct Runs<'s>(Vec<&'s Run>);

impl<'s> Runs<'s> {
    pub(super) fn of(rounds: &[Vec<Run>]) -> Runs<'_> {
        Runs(rounds.iter().flatten().collect())
    }

    fn judged<'r>(&'r self, word: &'r str) -> impl Iterator<Item = &'s Run> + 'r {
        self.0.iter().copied().filter(move |run| run.run.judged == word)
    }

    fn failures<'r>(&'r self, node: &'r str) -> impl Iterator<Item = &'s Run> + 'r {
        self.judged("fail").filter(move |run| run.nodes.iter().any(|name| name == node))
    }

    /// Whether a test failed in which a node took part.
    pub(super) fn failed(&self, node: &str) -> bool {
        self.failures(node).next().is_some()
    }

    /// A node that passed with others, and failed with nobody but this one.
    pub(super) fn good(&self, node: &str) -> Option<&'s str> {
        let with_others = |name: &str| {
            self.judged("fail").all(|run| !run.nodes.iter().any(|n| n == name) || run.nodes.iter().any(|n| n == node))
        };
        let pairs = self.judged("pass").filter(|run| run.nodes.len() == 2);
        pairs.flat_map(|run| &run.nodes).map(String::as_str).find(|name| *name != node && with_others(name))
    }

    /// Why a test with a node failed, and the least that its reading would have to be: a share of the median of those that pass.
    pub(super) fn why(&self, node: &str) -> Option<(&'s str, Option<i64>)> {
        let (run, why) = self.failures(node).find_map(|run| Some((run, run.run.why.first()?)))?;
        let least = why.split(" is ").next().and_then(|reading| {
            let own = run.run.readings.get(reading)?.as_f64()?;
            let same = self.judged("pass").filter(|other| other.nodes.len() == run.nodes.len());
            let least = SHARE * median(same.filter_map(|other| other.run.readings.get(reading)?.as_f64()).collect())?;
            #[allow(clippy::cast_possible_truncation, reason = "a figure of a test, far below what an i64 holds")]
            (own < least && (1.0..1e15).contains(&least)).then_some(least as i64)
        });
        Some((why, least))
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
