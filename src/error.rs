//! Errors that a person can act on: a code, a place, a reason and a way on.

/// An error with all that its reader needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct Error {
    /// Stable and greppable, for example `input.unreadable`.
    pub code: &'static str,
    /// The file, option or table at fault.
    pub place: String,
    /// What is wrong.
    pub reason: String,
    /// What to do about it; empty where nothing helps.
    pub way_on: String,
}

impl Error {
    /// An error without a way on.
    pub fn new(code: &'static str, place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { code, place: place.into(), reason: reason.into(), way_on: String::new() }
    }

    /// The same with a way on.
    #[must_use]
    pub fn with_way_on(mut self, way_on: impl Into<String>) -> Self {
        self.way_on = way_on.into();
        self
    }
}

/// Why nothing came of a request, without its address: that may hold what opens a door.
pub(crate) fn unreached(error: &reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "it is silent for too long"
    } else if error.is_connect() {
        "it can't be reached"
    } else {
        "the connection broke"
    };
    // The error's own words name the address; what is at the bottom of it mostly does not.
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let last = causes.last().map(ToString::to_string);
    let path = error.url().map(reqwest::Url::path).filter(|path| path.len() > 1);
    match last.filter(|cause| path.is_none_or(|path| !cause.contains(path))) {
        Some(cause) => format!("{what} ({cause})"),
        None => what.to_owned(),
    }
}
