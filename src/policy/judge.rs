//! A step against the policy and what a person has agreed to.

use super::action::{Action, action};
use super::approved::{Approved, Basis};
use super::facts::{Consent, Facts, Occupied, Said};
use super::rules::{Lift, Node, Over, Policy, Rule, Then, When};
use crate::plan::{Step, Task, Witness};
use crate::playbook::schema::Risk;

/// Whether a step may be run.
#[derive(Debug)]
pub enum Decision {
    /// It may: its tasks, in order, and the rule.
    Allowed(Vec<Approved<Task>>, String),
    /// A person has to be asked.
    Ask(Asked),
    /// It may not: the rule, and why.
    Refused(String, String),
}

/// Why a task is not approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// A person has to be asked.
    Asks(Asked),
    /// The rule that forbids it, and why.
    Refused(String, String),
    /// There is no such task.
    Nothing,
}

impl Decision {
    /// The one task at this place of the step, where it may be run: the only way from a decision to something that runs.
    ///
    /// # Errors
    /// It may not be run, or not yet.
    pub fn task(self, nth: usize) -> Result<Approved<Task>, Held> {
        match self {
            Self::Allowed(tasks, _) => tasks.into_iter().nth(nth).ok_or(Held::Nothing),
            Self::Ask(asked) => Err(Held::Asks(asked)),
            Self::Refused(rule, why) => Err(Held::Refused(rule, why)),
        }
    }
}

/// What a person is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The rule that decides.
    pub rule: String,
    /// Why it is asked.
    pub why: Vec<String>,
    /// A yes is good for one time.
    pub once: bool,
    /// The yes has to be to the jobs that run there: node and job.
    pub busy: Vec<(String, String)>,
    /// The fix has to be named on the command line; no yes will do.
    pub name: bool,
}

/// What a step risks: what its playbook says, or what its commands do, whichever is more.
#[must_use]
pub fn risk(step: &Step) -> Risk {
    let act = action(&step.tasks).risk();
    step.tasks.iter().map(|task| task.risk).chain([step.risk, act]).max().unwrap_or(Risk::Destructive)
}

/// Whether a step may be run. Every rule that fits counts, and the strictest wins.
#[must_use]
pub fn judge(step: &Step, facts: &Facts, policy: &Policy, said: &Said) -> Decision {
    let (act, risk) = (action(&step.tasks), risk(step));
    let of = Of { act, risk, facts, policy };
    let fit: Vec<&Rule> = policy.rule.iter().filter(|rule| of.fits(&rule.when)).collect();
    if let Some(rule) = fit.iter().find(|rule| rule.then == Then::Forbid) {
        let tripped = facts.tripped.as_ref().filter(|_| rule.when.tripped == Some(true));
        return Decision::Refused(rule.id.clone(), tripped.cloned().unwrap_or_else(|| rule.why.clone()));
    }
    let digest = step.digest();
    let good = |consent: &&Consent| consent.digest == digest && consent.until > said.now;
    let yes = said.consents.iter().find(good);
    let level = said.approve.is_some_and(|level| risk <= level);
    let lifted = |rule: &Rule| match rule.lift {
        Lift::Level | Lift::Each => level || yes.is_some(),
        Lift::Busy => said.on_busy || yes.is_some_and(|yes| yes.told_busy),
        Lift::Name => level && said.named.contains(&step.of),
    };
    let asks: Vec<&&Rule> = fit.iter().filter(|rule| rule.then == Then::Ask).collect();
    let open: Vec<&&&Rule> = asks.iter().filter(|rule| !lifted(rule)).collect();
    // What no rule speaks of is asked.
    if open.is_empty() && (!fit.is_empty() || level || yes.is_some()) {
        let rule = asks.last().or(fit.last().as_ref()).map_or("", |rule| rule.id.as_str());
        let basis = match (asks.is_empty() && !fit.is_empty(), yes) {
            (true, _) => Basis::Rule(fit.iter().map(|rule| rule.why.as_str()).collect::<Vec<_>>().join("; ")),
            (false, Some(yes)) => Basis::Person(yes.who.clone()),
            (false, None) => Basis::Person(format!("--approve {}", said.approve.unwrap_or(Risk::Observe))),
        };
        let tasks = step.tasks.iter().map(|task| Approved::new(task.clone(), basis.clone())).collect();
        return Decision::Allowed(tasks, rule.to_owned());
    }
    Decision::Ask(of.asked(&open))
}

/// A step and its circumstances.
struct Of<'a> {
    act: Action,
    risk: Risk,
    facts: &'a Facts,
    policy: &'a Policy,
}

impl Of<'_> {
    fn fits(&self, when: &When) -> bool {
        let Self { act, risk, facts, .. } = self;
        let like = |node: &Node| facts.nodes.iter().any(|name| state(facts.occupied(name)) == *node);
        (when.risk.is_empty() || when.risk.contains(risk))
            && (when.action.is_empty() || when.action.contains(act))
            && !when.not.contains(act)
            && (when.nodes.is_empty() || when.nodes.iter().any(like))
            && (when.status.is_empty() || when.status.contains(&facts.status))
            && when.witnesses.is_none_or(|least| facts.witnesses.len() < least)
            && when.job_alone.is_none_or(|alone| alone == facts.witnesses.iter().all(|who| *who == Witness::Job))
            && when.over.is_none_or(|limit| self.over(limit))
            && when.tripped.is_none_or(|tripped| tripped == facts.tripped.is_some())
    }

    /// Whether a limit would be exceeded; of what takes no node from service, none is.
    fn over(&self, limit: Over) -> bool {
        let Self { act, risk, facts, policy } = self;
        let takes = act.takes() || (*risk >= Risk::Disruptive && *act != Action::Return);
        let taken = facts.nodes.len();
        let limits = &policy.limits;
        // A node that is out of service already is not taken again.
        let new = facts.nodes.iter().filter(|node| *facts.occupied(node) != Occupied::Drained).count();
        let idle = facts.nodes.iter().filter(|node| *facts.occupied(node) == Occupied::Idle).count();
        takes
            && match limit {
                Over::Hour => facts.hour + taken > limits.nodes_per_hour,
                Over::Many => taken >= limits.many,
                Over::Share => facts.partitions.iter().any(|partition| {
                    let most = (partition.nodes as f64 * limits.partition_share).floor().max(1.0);
                    new > 0 && (partition.out + new) as f64 > most
                }),
                Over::Spare => {
                    facts.partitions.iter().any(|partition| idle > 0 && partition.idle < limits.keep_spare + idle)
                }
            }
    }

    fn asked(&self, open: &[&&&Rule]) -> Asked {
        let jobs = self.facts.nodes.iter().filter_map(|node| match self.facts.occupied(node) {
            Occupied::Busy(job) => Some((node.to_string(), job.clone())),
            Occupied::Unknown => Some((node.to_string(), "nobody knows what".to_owned())),
            Occupied::Idle | Occupied::Drained => None,
        });
        let lifts = |lift: Lift| open.iter().any(|rule| rule.lift == lift);
        Asked {
            rule: open.last().map_or_else(String::new, |rule| rule.id.clone()),
            why: open.iter().map(|rule| rule.why.clone()).collect(),
            once: lifts(Lift::Each),
            busy: if lifts(Lift::Busy) { jobs.collect() } else { Vec::new() },
            name: lifts(Lift::Name),
        }
    }
}

fn state(occupied: &Occupied) -> Node {
    match occupied {
        Occupied::Idle => Node::Idle,
        Occupied::Drained => Node::Drained,
        Occupied::Busy(_) => Node::Busy,
        Occupied::Unknown => Node::Unknown,
    }
}
