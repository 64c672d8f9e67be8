//! What came of one part of a task.

use std::fmt;
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
    /// What else whoever judges this should know: it ran without a sandbox, something may still run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Ran {
    /// A part that has printed nothing.
    #[must_use]
    pub fn without_output(target: Target, end: End) -> Self {
        let (stdout, stderr) = (Kept::default(), Kept::default());
        Self { target, end, stdout, stderr, took: Duration::ZERO, notes: Vec::new() }
    }
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
    /// It had begun, and then the connection broke off: what became of it is not known; why.
    Lost(String),
    /// The run was stopped; whether the part had begun.
    Cancelled {
        /// It had begun: it may have done something.
        begun: bool,
    },
}

impl End {
    /// Whether it may have done something on its target.
    #[must_use]
    pub fn may_have_acted(&self) -> bool {
        match self {
            Self::Exit(_) | Self::Signal(_) | Self::TimedOut | Self::Lost(_) => true,
            Self::Cancelled { begun } => *begun,
            Self::Unreachable(_) | Self::Refused(_) | Self::CannotRun(_) => false,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(status) => write!(f, "exit {status}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::TimedOut => f.write_str("timed out, killed"),
            Self::Unreachable(why) => write!(f, "unreachable: {why}"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::CannotRun(why) => write!(f, "cannot run: {why}"),
            Self::Lost(why) => write!(f, "lost while it ran: {why}"),
            Self::Cancelled { begun: true } => f.write_str("stopped while it ran"),
            Self::Cancelled { begun: false } => f.write_str("stopped before it began"),
        }
    }
}
