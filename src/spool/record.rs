//! What stands in the log of a spool, and in its outbox.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::watch::Found;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Record {
    /// Something was looked at.
    Looked {
        /// The entry.
        id: String,
        /// When, in seconds since 1970.
        at: i64,
        /// What it was, for people.
        subject: String,
        /// By what a repetition is known.
        key: String,
        /// What came of it.
        found: Box<Found>,
        /// Milliseconds that it took.
        took_ms: u64,
    },
    /// Something was not looked at: it did not fail.
    Left {
        /// The entry.
        id: String,
        /// When.
        at: i64,
        /// What.
        subject: String,
        /// Why.
        why: String,
    },
    /// A look came to nothing.
    Failed {
        /// The entry.
        id: String,
        /// When.
        at: i64,
        /// What.
        subject: String,
        /// Why.
        why: String,
    },
    /// The queue was full: this one was not looked at.
    Dropped {
        /// The entry.
        id: String,
        /// When.
        at: i64,
        /// What.
        subject: String,
    },
    /// A notice was put into the outbox.
    Told {
        /// By what it is known.
        key: String,
        /// When.
        at: i64,
        /// How often it had been seen then.
        count: u64,
    },
    /// A letter was delivered.
    Sent {
        /// The letter.
        id: String,
        /// When.
        at: i64,
        /// Whom to, by the name in `diag.toml`.
        to: String,
        /// How often it was tried.
        tries: u32,
    },
    /// A letter is given up.
    GivenUp {
        /// The letter.
        id: String,
        /// When.
        at: i64,
        /// Whom it was to.
        to: String,
        /// What the last try came to.
        why: String,
    },
}

/// Something to be delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    /// Its id: a receiver that gets one twice knows it by this.
    pub id: String,
    /// Whom to, by the name in `diag.toml`.
    pub to: String,
    /// What it says.
    pub body: Value,
    /// When it was written, in seconds since 1970.
    pub at: i64,
    /// How often it was tried.
    #[serde(default)]
    pub tries: u32,
    /// When it is tried next, in seconds since 1970.
    #[serde(default)]
    pub next: i64,
    /// What the last try came to.
    #[serde(default)]
    pub last: String,
}
