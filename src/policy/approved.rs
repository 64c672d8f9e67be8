//! Proof that something may be done.

use std::ops::Deref;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::plan::{Repair, Task};
use crate::playbook::schema::Parameter;

/// What policy or a person has agreed to. Executors take nothing else, and no other room can make one.
#[derive(Debug)]
pub struct Approved<T> {
    what: T,
    basis: Basis,
}

/// Why it may be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// The policy allows it without a question; the rule in words.
    Rule(String),
    /// A person agreed, to exactly this.
    Person(String),
}

impl<T> Approved<T> {
    pub(super) const fn new(what: T, basis: Basis) -> Self {
        Self { what, basis }
    }

    /// Why it may be done.
    #[must_use]
    pub const fn basis(&self) -> &Basis {
        &self.basis
    }
}

impl Approved<Task> {
    /// Some of its groups, by their places; none named: all of them. What may be done may be done in part.
    #[must_use]
    pub fn only(self, groups: &[usize]) -> Self {
        Self { what: self.what.only(groups), basis: self.basis }
    }

    /// The same with declared parameters changed within their types: whoever agreed to a script agreed to what it declares.
    #[must_use]
    pub fn repaired(self, repairs: &[Repair], params: &IndexMap<String, Parameter>) -> Self {
        Self { what: self.what.repaired(repairs, params), basis: self.basis }
    }
}

impl<T> Deref for Approved<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.what
    }
}
