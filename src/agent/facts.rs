//! What came of the work so far, as lines that a sentence may cite: the tests as they stand side by side in the hand-over, and what
//! was done or left.

use super::fate::in_words;
use super::handover::{self, Line};
use super::state::Case;
use crate::plan::Stage;

/// A line of the case itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// `T1`, `T2`, … of tests; `D1`, `D2`, … of what was done.
    pub id: String,
    /// The line.
    pub text: String,
}

/// All of them, in order.
#[must_use]
pub fn facts(case: &Case) -> Vec<Fact> {
    let (mut tests, mut done) = (Vec::new(), Vec::new());
    for view in case.each() {
        for (name, before, after) in handover::readings(&view) {
            let lines = handover::side_by_side(&name, before.as_ref(), after.as_ref());
            tests.extend(lines.iter().map(|line| side(&name, line)));
        }
        done.extend(deeds(&view));
    }
    let ended = case.closed.iter().map(|one| format!("{}: {}", one.cause, handover::ending(&one.ending)));
    done.extend(ended.chain(case.ended.iter().map(handover::ending)));
    let named = |letter: &'static str, texts: Vec<String>| {
        texts.into_iter().enumerate().map(move |(at, text)| Fact { id: format!("{letter}{}", at + 1), text })
    };
    named("T", tests).chain(named("D", done)).collect()
}

fn side(test: &str, line: &Line) -> String {
    let what = if line.what == test { format!("test {test}") } else { format!("test {test}: {}", line.what) };
    match (line.before.as_str(), line.after.as_str()) {
        (before, "") => format!("{what}: {before}"),
        (before, after) => format!("{what}: {before} before, {after} after"),
    }
}

/// What was done for a finding, and what was not.
fn deeds(case: &Case) -> Vec<String> {
    let Some(plan) = case.plan() else { return Vec::new() };
    let work = case.work();
    let changed = plan.steps.iter().filter(|step| matches!(step.stage, Stage::Fix | Stage::Undo | Stage::Return));
    let done = changed.filter_map(|step| {
        let rans: Vec<String> = work.done.get(&step.id)?.iter().flat_map(|runs| &runs.rans).map(in_words).collect();
        Some(format!("done: {} ({})", step.title, rans.join("; ")))
    });
    let wanted = work.wanted.iter().map(|(step, want)| (step, &want.why));
    let not = work.refused.iter().chain(wanted).map(|(step, why)| format!("not done: {step}: {why}"));
    done.chain(not).collect()
}
