//! Readings of a node, told as text, JSON, or metrics.

pub mod json;
pub mod metrics;
pub mod nodes;
pub mod text;

use serde::{Deserialize, Serialize};

use crate::reading::{Reading, Verdict, worst};

/// Version of the JSON contract.
pub const SCHEMA: &str = "diag.readings/1";

/// All that was read of a node at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// [`SCHEMA`].
    pub schema: String,
    /// The node's name.
    pub node: String,
    /// When, as RFC 3339 in UTC.
    pub time: String,
    /// The most urgent verdict.
    pub verdict: Verdict,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// What was read.
    pub readings: Vec<Reading>,
}

impl Look {
    /// The look at `node` at `time`.
    pub fn new(node: impl Into<String>, time: impl Into<String>, elapsed_ms: u64, readings: Vec<Reading>) -> Self {
        let verdict = worst(&readings);
        Self { schema: SCHEMA.to_owned(), node: node.into(), time: time.into(), verdict, elapsed_ms, readings }
    }
}
