//! What the policy must hold to, whatever is asked of it.

use std::time::Duration;

use super::*;
use crate::plan::{Access, Group, Part, Step, Target, Task, What, Work};
use crate::playbook::schema::{Risk, Status};

fn step(argv: &[&str], risk: Risk) -> Step {
    let work = Work {
        what: What::Argv(argv.iter().map(|word| (*word).to_owned()).collect()),
        env: Default::default(),
        timeout: Duration::from_secs(1),
        output_cap: 1,
        access: Access::default(),
    };
    let groups = vec![Group { parts: vec![Part { target: Target::Here, work }] }];
    let task = Task { id: "fix-x".into(), title: "x".into(), risk, disturbs: String::new(), groups };
    Step { of: "x".into(), nodes: vec!["gpu-17".parse().unwrap()], ..Step::alone(task) }
}

fn facts() -> Facts {
    let node: crate::plan::NodeName = "gpu-17".parse().unwrap();
    let mut facts = Facts::of(Status::Stable, vec![node.clone()]);
    facts.occupied.insert(node, Occupied::Idle);
    facts
}

fn yes(step: &Step, until: i64) -> Said {
    let consent = Consent { digest: step.digest(), who: "alice".into(), until, once: false, told_busy: false };
    Said { consents: vec![consent], now: 1000, ..Said::default() }
}

fn allowed(step: &Step, facts: &Facts, said: &Said) -> bool {
    matches!(judge(step, facts, &built_in().unwrap(), said), Decision::Allowed(..))
}

#[test]
fn the_examples_of_the_policy_come_out_as_they_say() {
    let policy = built_in().unwrap();
    assert_eq!(check(&policy), [] as [String; 0]);
    assert!(policy.example.len() >= policy.rule.len());
}

/// A rule that is taken away turns an example red: none stands there for nothing.
#[test]
fn each_rule_of_the_policy_is_needed() {
    let policy = built_in().unwrap();
    for gone in 0..policy.rule.len() {
        let mut without = policy.clone();
        let rule = without.rule.remove(gone);
        let wrong = check(&without);
        assert!(wrong.iter().any(|what| what.starts_with("example")), "nobody misses `{}`: {wrong:?}", rule.id);
    }
}

#[test]
fn a_yes_is_to_exactly_what_was_shown() {
    let asked = step(&["scontrol", "update", "JobId=1", "Nice=1"], Risk::Reversible);
    let shown = step(&["true"], Risk::Reversible);
    assert!(allowed(&shown, &facts(), &yes(&shown, 2000)));
    assert!(!allowed(&shown, &facts(), &yes(&asked, 2000)), "another command has another digest");
    let mut moved = shown.clone();
    moved.tasks[0].groups[0].parts[0].target = Target::Node("gpu-18".parse().unwrap());
    assert!(!allowed(&moved, &facts(), &yes(&shown, 2000)), "the same elsewhere is something else");
    let mut longer = shown.clone();
    longer.tasks[0].groups[0].parts[0].work.env.insert("DIAG_X".into(), "1".into());
    assert!(!allowed(&longer, &facts(), &yes(&shown, 2000)), "so is the same with another variable");
}

#[test]
fn a_yes_ends() {
    let step = step(&["true"], Risk::Reversible);
    assert!(allowed(&step, &facts(), &yes(&step, 1001)));
    assert!(!allowed(&step, &facts(), &yes(&step, 1000)));
}

#[test]
fn nothing_lifts_what_is_forbidden() {
    let drain = step(&["scontrol", "update", "NodeName=gpu-17", "State=DRAIN", "Reason=x"], Risk::Reversible);
    let mut said = yes(&drain, 2000);
    said.approve = Some(Risk::Destructive);
    said.on_busy = true;
    said.named = vec!["x".into()];
    let mut facts = facts();
    facts.witnesses = vec![crate::plan::Witness::Job];
    assert!(!allowed(&drain, &facts, &said), "job output alone");
    facts.witnesses = vec![crate::plan::Witness::Job, crate::plan::Witness::Node];
    assert!(allowed(&drain, &facts, &said));
    facts.tripped = Some("tripped".into());
    assert!(!allowed(&drain, &facts, &said), "the breaker");
}

#[test]
fn somebodys_job_is_disturbed_only_by_a_word_that_names_it() {
    let load = step(&["true"], Risk::Load);
    let mut facts = facts();
    facts.occupied.insert("gpu-17".parse().unwrap(), Occupied::Busy("4242 of bob".into()));
    let mut said = yes(&load, 2000);
    said.approve = Some(Risk::Destructive);
    let Decision::Ask(asked) = judge(&load, &facts, &built_in().unwrap(), &said) else { panic!("it must be asked") };
    assert_eq!(asked.busy, [("gpu-17".to_owned(), "4242 of bob".to_owned())]);
    said.consents[0].told_busy = true;
    assert!(allowed(&load, &facts, &said));
}

#[test]
fn a_policy_that_breaks_its_word_is_not_used() {
    let text = include_str!("../../playbooks/policy.toml");
    let weaker = text.replace("then = \"forbid\"\nwhy  = \"the breaker", "then = \"allow\"\nwhy  = \"the breaker");
    assert_ne!(text, weaker);
    let said = read(&weaker, "policy.toml").unwrap_err();
    assert_eq!(said.code, "policy.invalid");
    assert!(said.reason.contains("after the breaker has tripped"), "{}", said.reason);
    assert!(read("schema = 1\nrules = []", "x").is_err());
}
