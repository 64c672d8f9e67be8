//! Reading a policy: one whose examples come out otherwise than they say is not used.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::facts::{Facts, Said};
use super::judge::{Decision, judge};
use super::rules::{Example, Policy, Then};
use crate::error::Error;
use crate::plan::{Access, Group, NodeName, Part, Step, Target, Task, What, Witness, Work};
use crate::playbook::schema::Status;

/// The policy that counts where a site has none of its own.
const BUILT_IN: &str = include_str!("../../playbooks/policy.toml");

/// Reads a policy.
///
/// # Errors
/// It does not have the shape of one, or an example comes out otherwise than it says.
pub fn read(text: &str, place: &str) -> Result<Policy, Error> {
    let invalid = |reason: String| {
        Error::new("policy.invalid", place, reason)
            .with_way_on("the file itself says what its words mean; nothing was done")
    };
    let policy: Policy = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
    match check(&policy).into_iter().next() {
        Some(wrong) => Err(invalid(wrong)),
        None => Ok(policy),
    }
}

/// The policy that comes with diag.
///
/// # Errors
/// As [`read`]; the tests keep such a build from being made.
pub fn built_in() -> Result<Policy, Error> {
    read(BUILT_IN, "built-in policy")
}

/// Everything wrong with a policy, one sentence each.
#[must_use]
pub fn check(policy: &Policy) -> Vec<String> {
    let mut wrong = Vec::new();
    if policy.schema != 1 {
        wrong.push(format!("schema {} is unknown; this build reads 1", policy.schema));
    }
    let mut seen = BTreeSet::new();
    for rule in &policy.rule {
        if !seen.insert(rule.id.as_str()) {
            wrong.push(format!("two rules are called `{}`", rule.id));
        }
        if rule.why.trim().is_empty() {
            wrong.push(format!("rule `{}` does not say why", rule.id));
        }
    }
    if policy.example.is_empty() {
        wrong.push("it has no examples, so that nobody would notice a rule that is gone".to_owned());
    }
    wrong.extend(policy.example.iter().filter_map(|example| differs(policy, example)));
    let decides = |id: &str| policy.example.iter().any(|example| example.by.as_deref() == Some(id));
    for rule in policy.rule.iter().filter(|rule| !decides(&rule.id)) {
        wrong.push(format!("no example is decided by the rule `{}`", rule.id));
    }
    wrong
}

/// What comes out of an example otherwise than it says.
fn differs(policy: &Policy, example: &Example) -> Option<String> {
    let (step, facts, said) = match set_up(example) {
        Ok(all) => all,
        Err(why) => return Some(format!("example `{}`: {why}", example.name)),
    };
    let (gives, by) = match judge(&step, &facts, policy, &said) {
        Decision::Allowed(_, rule) => (Then::Allow, rule),
        Decision::Ask(asked) => (Then::Ask, asked.rule),
        Decision::Refused(rule, _) => (Then::Forbid, rule),
    };
    let wanted = example.by.as_deref();
    (gives != example.gives || wanted.is_some_and(|rule| rule != by)).then(|| {
        let want = wanted.map(|rule| format!(" by `{rule}`")).unwrap_or_default();
        format!("example `{}`: {:?} by `{by}` came out, and {:?}{want} is wanted", example.name, gives, example.gives)
            .to_lowercase()
    })
}

fn set_up(example: &Example) -> Result<(Step, Facts, Said), String> {
    let mut nodes = Vec::new();
    let mut occupied = BTreeMap::new();
    for (name, state) in &example.nodes {
        let node: NodeName = name.parse().map_err(|error| format!("{error}"))?;
        occupied.insert(node.clone(), state.occupied());
        nodes.push(node);
    }
    let facts = Facts {
        status: example.status.unwrap_or(Status::Stable),
        witnesses: example.witnesses.clone().unwrap_or_else(|| vec![Witness::Kernel, Witness::Node]),
        nodes: nodes.clone(),
        occupied,
        partitions: example.partition.into_iter().collect(),
        hour: example.hour,
        tripped: example.tripped.then(|| "the breaker has tripped".to_owned()),
    };
    let named = if example.named { vec!["example".to_owned()] } else { Vec::new() };
    let said = Said { approve: example.approve, on_busy: example.on_busy, named, ..Said::default() };
    Ok((step(example, nodes), facts, said))
}

fn step(example: &Example, nodes: Vec<NodeName>) -> Step {
    let argv = if example.command.is_empty() { vec!["true".to_owned()] } else { example.command.clone() };
    let work = Work {
        what: What::Argv(argv),
        env: BTreeMap::new(),
        timeout: Duration::from_secs(1),
        output_cap: 1,
        access: Access::default(),
    };
    let groups = vec![Group { parts: vec![Part { target: Target::Here, work }] }];
    let (id, title, disturbs) = ("example".to_owned(), example.name.clone(), String::new());
    let task = Task { id, title, risk: example.risk, disturbs, groups };
    Step { nodes, ..Step::alone(task) }
}
