//! A task against the policy and what a person has agreed to.

use std::collections::BTreeMap;

use super::approved::{Approved, Basis};
use crate::plan::Task;
use crate::playbook::schema::Risk;

/// What may be done without a question, and what not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Up to this risk nobody is asked.
    pub allow: Risk,
    /// From this risk on it is refused; `None`: never.
    pub forbid: Option<Risk>,
}

impl Default for Policy {
    /// Looking is allowed, the rest is asked, what loses something is refused.
    fn default() -> Self {
        Self { allow: Risk::Observe, forbid: Some(Risk::Destructive) }
    }
}

/// What a person has agreed to, by the digest of a task; and who.
#[derive(Debug, Clone, Default)]
pub struct Consents(BTreeMap<String, String>);

impl Consents {
    /// Somebody agrees to exactly this.
    pub fn agree(&mut self, task: &Task, who: &str) {
        self.0.insert(task.digest(), who.to_owned());
    }
}

/// Whether a task may be run.
#[derive(Debug)]
pub enum Decision {
    /// It may.
    Allowed(Approved<Task>),
    /// A person has to be asked.
    Ask(Task),
    /// It may not; why.
    Refused(String),
}

/// Whether a task may be run. The strictest rule wins: what is forbidden is refused whoever has agreed.
#[must_use]
pub fn judge(task: Task, policy: &Policy, consents: &Consents) -> Decision {
    if policy.forbid.is_some_and(|least| task.risk >= least) {
        return Decision::Refused(format!("the policy forbids what is {}", task.risk));
    }
    if task.risk <= policy.allow {
        let rule = format!("what is {} needs no question", task.risk);
        return Decision::Allowed(Approved::new(task, Basis::Rule(rule)));
    }
    match consents.0.get(&task.digest()) {
        Some(who) => Decision::Allowed(Approved::new(task, Basis::Person(who.clone()))),
        None => Decision::Ask(task),
    }
}
