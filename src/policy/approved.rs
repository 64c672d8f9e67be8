//! Proof that something may be done.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::plan::Task;

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
}

impl<T> Deref for Approved<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.what
    }
}
