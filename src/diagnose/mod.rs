//! The table against the playbooks: which causes fit, which are only consequences, which is the answer.

mod condition;
mod culprit;
mod matching;
mod outcome;
mod ranking;
mod relation;
#[cfg(test)]
mod tests;

pub use condition::kind_fits;
pub use culprit::culprit;
pub use matching::{Match, find};
pub use outcome::{offered, tested, values, weigh};
pub use ranking::{Ranked, heard};

use crate::playbook::Playbook;
use crate::playbook::schema::Status;

/// Whether a playbook is one of the causes that a set names.
pub fn considered(causes: &[String], playbook: &Playbook) -> bool {
    playbook.status != Status::Deprecated && causes.iter().any(|pattern| condition::kind_fits(pattern, &playbook.id))
}
