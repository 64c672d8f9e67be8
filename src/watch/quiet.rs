//! Logs of whoever has no scheduler that tells: one that ends badly, or that falls silent after an error.

use serde::{Deserialize, Serialize};

/// A log that says that it failed may still grow by what comes with that: seconds.
const SETTLES: i64 = 10;

/// What a log ends in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tail {
    /// Nothing of note.
    Well,
    /// Errors, and nobody says that it is over.
    Errors,
    /// It says that it failed.
    Failed,
}

/// What is known of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Device and inode: another file of that name is another log.
    pub file: (u64, u64),
    /// Its size when its end was read last.
    pub size: u64,
    /// What it ended in then.
    pub tail: Tail,
    /// Its size when it was looked at last; 0: never.
    pub looked: u64,
}

/// A log as it stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stands {
    /// Device and inode.
    pub file: (u64, u64),
    /// Bytes.
    pub size: u64,
    /// When it was written to last, in seconds since 1970.
    pub changed: i64,
}

impl Seen {
    /// A log that was there before anybody watched: only what is written from now on counts.
    #[must_use]
    pub const fn before(stands: Stands) -> Self {
        Self { file: stands.file, size: stands.size, tail: Tail::Well, looked: stands.size }
    }

    /// Whether its end has to be read (again).
    #[must_use]
    pub fn stale(&self, stands: Stands) -> bool {
        self.file != stands.file || self.size != stands.size
    }

    /// Whether it is to be looked at: its end says failed, or it tells of errors and was silent for so many seconds. Once,
    /// until it grows.
    #[must_use]
    pub fn due(&self, stands: Stands, now: i64, silence: i64) -> bool {
        let silent = now.saturating_sub(stands.changed);
        let waits = match self.tail {
            Tail::Well => return false,
            Tail::Errors => silence,
            Tail::Failed => SETTLES.min(silence),
        };
        self.looked != stands.size && silent >= waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_looked_at_when_it_ends_badly_or_falls_silent_after_an_error_and_once() {
        let stands = Stands { file: (1, 2), size: 100, changed: 1000 };
        let seen = |tail, looked| Seen { file: (1, 2), size: 100, tail, looked };
        assert!(!seen(Tail::Well, 0).due(stands, 99_999, 600));
        assert!(!seen(Tail::Errors, 0).due(stands, 1599, 600) && seen(Tail::Errors, 0).due(stands, 1600, 600));
        assert!(!seen(Tail::Failed, 0).due(stands, 1009, 600) && seen(Tail::Failed, 0).due(stands, 1010, 600));
        assert!(!seen(Tail::Failed, 100).due(stands, 9999, 600), "it was looked at as it stands");
        assert!(seen(Tail::Failed, 100).stale(Stands { size: 120, ..stands }));
        assert!(!Seen::before(stands).due(stands, 99_999, 0), "what was there before is not looked at");
    }
}
