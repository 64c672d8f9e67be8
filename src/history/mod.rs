//! What nodes and boards went through: faults, drains, returns, by the hardware's own numbers, so that a board that moves is
//! the same board. Context for people, and never a reason for a verdict.

mod before;
mod story;

use serde::{Deserialize, Serialize};

pub use story::{DAYS, History, Offender};

use crate::spool::Lines;
use crate::watch::Board;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When, in seconds since 1970 (UTC).
    pub at: i64,
    /// What.
    pub what: What,
    /// To what.
    pub board: Board,
    /// The cause, or the reason in words.
    pub why: String,
    /// Who saw or did it: `watch job 4242`, `hook prolog`, `fix case-4242 ana@head`.
    pub by: String,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Hardware or its node failed.
    Fault,
    /// A hook kept a job from it.
    Refused,
    /// It was taken from service.
    Drained,
    /// It was mended, and a test proves it.
    Mended,
    /// What was tried did not mend it.
    NotMended,
    /// It was given back.
    Returned,
}

/// Where it is kept, below the folder of diag's state.
pub const FILE: &str = "history.jsonl";

/// Adds marks; what can't be written is lost, as it decides nothing.
pub fn add(store: &Lines, marks: &[Mark]) {
    for mark in marks {
        let _ = store.add(mark);
    }
}
