//! The runs of a sweep: who failed, who passed with others, and what those who pass read.

use std::collections::HashMap;

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

    /// The node that passed most often with others: one whose failures with others are fewer than that, as one slow run among
    /// good ones is no sign of a bad node where a machine is busy.
    pub(super) fn good(&self, node: &str) -> Option<&'s str> {
        let others = || self.0.iter().filter(|run| run.nodes.len() == 2 && run.nodes.iter().all(|name| name != node));
        let mut balance: HashMap<&str, i32> = HashMap::new();
        for run in others() {
            let by = match run.run.judged.as_str() {
                "pass" => 1,
                "fail" => -1,
                _ => 0,
            };
            for name in &run.nodes {
                *balance.entry(name).or_default() += by;
            }
        }
        let most = balance.values().copied().max().filter(|most| *most > 0)?;
        others().flat_map(|run| &run.nodes).map(String::as_str).find(|name| balance.get(name) == Some(&most))
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
