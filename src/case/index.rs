//! The index of a case.

use serde::{Deserialize, Serialize};

/// `case.json`. Keys that a newer version adds are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// [`super::SCHEMA`].
    pub schema: String,
    /// What was collected, one entry a run of `diag collect`.
    pub collections: Vec<Collection>,
    /// The files, in the order in which they are read.
    pub files: Vec<Member>,
    /// What was named, or stood in a folder that was, and is not in the case.
    pub left_out: Vec<LeftOut>,
}

/// One run of `diag collect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collection {
    /// When, in UTC (RFC 3339).
    pub at: String,
    /// Version of diag.
    pub diag: String,
    /// What was named.
    pub inputs: Vec<String>,
    /// What was masked: `secrets`, `emails`. Empty where the bytes are as they were.
    #[serde(default)]
    pub masked: Vec<String>,
}

/// A file of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name as it was given, relative to nothing: what a report calls it.
    pub name: String,
    /// Where its bytes are, below the case folder.
    pub path: String,
    /// How many they are.
    pub bytes: u64,
    /// Their SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// When it was last written, in UTC, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    /// How many secrets were masked in it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub masked: u64,
    /// The collection it belongs to, from 1.
    pub collection: usize,
}

/// Something that is not in the case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// Code of the reason, for example `input.device`.
    pub code: String,
    /// Why.
    pub reason: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Index {
    /// An index of nothing.
    pub(super) fn new() -> Self {
        Self { schema: super::SCHEMA.to_owned(), collections: Vec::new(), files: Vec::new(), left_out: Vec::new() }
    }
}
