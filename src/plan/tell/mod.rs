//! Plans for people and programs, and their steps as scripts. Pure: a plan in, bytes out.

mod markdown;
mod script;
mod text;

use std::collections::BTreeMap;

pub use markdown::render as markdown;
pub use script::{File, scripts};
use serde::Serialize;
pub use text::render as text;
#[cfg(feature = "triage")]
pub(crate) use text::step;

use super::step::{Hand, Plan, Stage, Step};
use super::task::{Target, Task, What};
use crate::playbook::schema::{Aim, Bound};
use crate::playbook::test::Expectation;
use crate::report::guard;
use crate::report::words::quoted;

/// What the policy says of each step, by its id: `needs no question`, `asks first`, and why.
pub type Says = BTreeMap<String, Word>;

/// What the policy says of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Word {
    /// `allow`, `ask` or `forbid`.
    pub answer: String,
    /// Why.
    pub why: String,
}

/// Plans as JSON, with what the policy says of their steps.
#[must_use]
pub fn json(plans: &[Plan], says: &[Says]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Whole<'a> {
        schema: &'static str,
        plans: Vec<One<'a>>,
    }
    #[derive(Serialize)]
    struct One<'a> {
        #[serde(flatten)]
        plan: &'a Plan,
        policy: &'a Says,
        digests: BTreeMap<&'a str, String>,
    }
    impl<'a> One<'a> {
        fn of(plan: &'a Plan, policy: &'a Says) -> Self {
            let runs = plan.steps.iter().filter(|step| step.runs());
            Self { plan, policy, digests: runs.map(|step| (step.id.as_str(), step.digest())).collect() }
        }
    }
    let whole = Whole {
        schema: "diag.plans/1",
        plans: plans.iter().zip(says).map(|(plan, policy)| One::of(plan, policy)).collect(),
    };
    let text = serde_json::to_string_pretty(&whole).unwrap_or_default() + "\n";
    guard::escaped(&text).into_bytes()
}

/// What a step is for, in a word.
pub(crate) const fn label(step: &Step) -> &'static str {
    match step.stage {
        Stage::Confirm => "CONFIRM",
        Stage::Fix if step.tasks.is_empty() && step.cannot.is_empty() => "BY HAND",
        Stage::Fix => "FIX",
        Stage::Verify => "VERIFY",
        Stage::Undo => "UNDO",
        Stage::Return => "GIVE BACK",
    }
}

/// When what follows a step is done, in words behind which it may stand.
fn then(step: &Step, next: &Step) -> String {
    match (next.stage, step.stage, step.aim) {
        (Stage::Verify, _, Aim::Contain) => {
            format!("once that is mended, diag resume runs the test again: {}", next.title)
        }
        (Stage::Verify, ..) => format!("then the test again: {}", next.title),
        (Stage::Return, ..) => "where it passes, the node is given back".to_owned(),
        (_, Stage::Return, _) => "where it fails after all, the node is kept off again".to_owned(),
        _ => "if that does not help, it is taken back".to_owned(),
    }
}

/// Where a step runs and whom it touches: `on gpu-17 and gpu-18`, `here, for gpu-17`.
pub(crate) fn place(step: &Step) -> String {
    let targets: Vec<&Target> = step.tasks.iter().flat_map(Task::targets).collect();
    let nodes = few(&step.nodes.iter().map(|node| node.as_str()).collect::<Vec<_>>());
    let here = targets.iter().any(|target| **target == Target::Here);
    match (here, nodes.is_empty()) {
        (true, true) => "here".to_owned(),
        (true, false) => format!("here, for {nodes}"),
        (false, true) => String::new(),
        (false, false) => format!("on {nodes}"),
    }
}

/// `gpu-17`, `gpu-17 and gpu-18`, `gpu-17, gpu-18 and 6 more`.
fn few(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [a, b] => format!("{a} and {b}"),
        [a, b, rest @ ..] => format!("{a}, {b} and {} more", rest.len()),
    }
}

/// A time in words: `90 s`, `3 min`, `2 h`.
fn time(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3600)),
    }
}

/// What a reading must be, in words: `link_downed is 0`, `gbps at least 0.9 times rate`.
fn expected(rule: &Expectation) -> String {
    let bound = |bound: &Bound| match bound {
        Bound::Number(number) => number.to_string(),
        Bound::Times(times) if (times.times - 1.0).abs() < f64::EPSILON => times.of.clone(),
        Bound::Times(times) => format!("{} times {}", times.times, times.of),
    };
    let equals = rule.equals.as_ref().map(|value| format!("{} is {value}", rule.read));
    let least = rule.at_least.as_ref().map(|least| format!("{} at least {}", rule.read, bound(least)));
    let most = rule.at_most.as_ref().map(|most| format!("{} at most {}", rule.read, bound(most)));
    let when: Vec<String> = rule.when.iter().map(|(what, is)| format!("{what} {is}")).collect();
    let when = if when.is_empty() { String::new() } else { format!(" for {}", when.join(", ")) };
    [equals, least, most].into_iter().flatten().map(|wish| wish + &when).collect::<Vec<_>>().join(", ")
}

/// What a test expects, in words.
fn passes(step: &Step) -> String {
    let rules = step.rubric.iter().flat_map(|rubric| &rubric.expect).map(expected);
    rules.filter(|rule| !rule.is_empty()).collect::<Vec<_>>().join(" and ")
}

/// The tests on which a step rests, in words.
fn rests(step: &Step) -> String {
    let tests: Vec<&str> =
        step.proven_by.iter().map(|id| id.split_once('-').map_or(id.as_str(), |(_, test)| test)).collect();
    if tests.is_empty() { String::new() } else { format!("only where {} passes", tests.join(" and ")) }
}

/// The commands that a step runs, ready for a shell, each with where it runs: one for each target.
fn commands(step: &Step) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for part in step.tasks.iter().flat_map(|task| &task.groups).flat_map(|group| &group.parts) {
        if let What::Argv(argv) = &part.work.what {
            let on = match &part.target {
                Target::Here => String::new(),
                Target::Node(node) => node.to_string(),
            };
            commands.push((on, argv.iter().map(|word| quoted(word)).collect()));
        }
    }
    commands
}

/// All that a step runs, line by line, for whoever is asked for it: commands and scripts whole, with their variables.
#[must_use]
pub fn shown(step: &Step) -> Vec<String> {
    let mut lines = vec![format!("{}; {}", place(step), crate::report::words::risk(&step.risk.to_string()))];
    for (on, argv) in commands(step) {
        lines.push(format!("{on}$ {}", argv.join(" ")));
    }
    let mut told: Option<&str> = None;
    for part in step.tasks.iter().flat_map(|task| &task.groups).flat_map(|group| &group.parts) {
        if let What::Script(script) = &part.work.what {
            let node = &part.target;
            let env = part.work.env.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
            lines.push(format!("{node}: {}", env.collect::<Vec<_>>().join(" ")));
            if told != Some(&script.text) {
                lines.extend(script.text.trim().lines().map(|line| format!("| {line}")));
                told = Some(&script.text);
            }
        }
    }
    lines
}

/// What a person does, as words of a command line, or a sentence.
fn by_hand(hand: &Hand) -> (bool, Vec<String>) {
    match hand {
        Hand::Type(argv) => (true, argv.iter().map(|word| quoted(word)).collect()),
        Hand::Set(name, value) => (true, vec!["export".to_owned(), format!("{name}={}", quoted(value))]),
        Hand::Say(sentence) => (false, vec![sentence.clone()]),
    }
}
