//! What is marked on a timeline.

use diag_parsers::Says;

/// What a marker stands for; later hides earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Mark {
    Warning,
    Progress,
    Success,
    Teardown,
    Failure,
    Cause,
}

/// All of them with what they mean, as a legend shows them.
pub(crate) const LEGEND: [(Mark, &str); 6] = [
    (Mark::Cause, "the cause"),
    (Mark::Failure, "a failure"),
    (Mark::Teardown, "ended by another's failure"),
    (Mark::Progress, "last step told"),
    (Mark::Success, "ended well"),
    (Mark::Warning, "a warning"),
];

impl Mark {
    /// The mark of a moment.
    pub(crate) fn of(says: Says, cause: bool) -> Option<Self> {
        Some(match says {
            _ if cause => Self::Cause,
            Says::Failure => Self::Failure,
            Says::Teardown => Self::Teardown,
            Says::Warning => Self::Warning,
            Says::Progress => Self::Progress,
            Says::Success => Self::Success,
            Says::Info => return None,
        })
    }
}
