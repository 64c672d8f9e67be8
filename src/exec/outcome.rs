//! What came of one part of a task.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::plan::Target;

/// One part of a task, run or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// Where.
    pub target: Target,
    /// How it ended.
    pub end: End,
    /// Standard output.
    pub stdout: Kept,
    /// Standard error.
    pub stderr: Kept,
    /// From start to end, the transport's part included.
    pub took: Duration,
}

/// Output up to a cap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The first bytes, as text (what is no UTF-8 is replaced).
    pub text: String,
    /// How many more bytes there were.
    pub dropped: u64,
}

/// How a part ended. Only [`End::Exit`] and [`End::Signal`] say something of what was run; none of the others may be
/// taken for a failed test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// It exited with this status.
    Exit(i32),
    /// This signal ended it.
    Signal(i32),
    /// It took longer than allowed, and was killed.
    TimedOut,
    /// The target could not be reached; why.
    Unreachable(String),
    /// The target was reached and is not trusted, or does not trust us: a host key that changed, a login refused; why.
    Refused(String),
    /// It could not be started; why.
    CannotRun(String),
    /// The run was stopped; whether the part had begun.
    Cancelled {
        /// It had begun: it may have done something.
        begun: bool,
    },
}
