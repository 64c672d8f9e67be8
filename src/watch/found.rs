//! What came of a look: as much of the report as is told on.

use serde::{Deserialize, Serialize};

use crate::verdict::{Confidence, Culprit, Outcome};

/// What came of a look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The verdict.
    pub outcome: Outcome,
    /// The same in a sentence.
    pub headline: String,
    /// Slug of the first finding.
    pub cause: Option<String>,
    /// Its title.
    pub title: String,
    /// The area of its playbook: `gpu`, `application`.
    pub area: String,
    /// How sure.
    pub confidence: Option<Confidence>,
    /// Who.
    pub culprit: Culprit,
    /// The lines that decide, masked.
    pub lines: Vec<Cited>,
    /// What is done best, in words.
    pub fix: String,
    /// The hardware that is blamed.
    pub boards: Vec<Board>,
    /// Where reports were placed.
    pub placed: Vec<String>,
    /// Why one was not.
    pub not_placed: Option<String>,
    /// The report, where it could not be placed beside the job's output.
    pub report: Option<String>,
    /// By what it is known what would be done, which waits for a person's yes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<String>,
    /// How much of each file follows what is said here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Kept>,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cited {
    /// Name of the input.
    pub source: String,
    /// Line from 1.
    pub line: u64,
    /// The line.
    pub text: String,
}

/// How much of a file was kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Bytes; none of what could not be read.
    pub bytes: u64,
    /// Only its end.
    pub cut: bool,
}

/// A piece of hardware, as far as the evidence names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Board {
    /// The node that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// PCI address of a GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<String>,
    /// UUID of a GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Port of a switch, or adapter of a node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
}

/// Areas of causes that lie in machines, and not in somebody's work.
const MACHINES: [&str; 4] = ["gpu", "host", "network", "storage"];

/// Whether causes of an area lie in machines.
#[must_use]
pub fn of_a_machine(area: &str) -> bool {
    MACHINES.contains(&area)
}

impl Found {
    /// Whether the cause lies in a machine.
    #[must_use]
    pub fn of_a_machine(&self) -> bool {
        of_a_machine(&self.area)
    }

    /// By what a repetition is known: of a machine by cause and machine, of anything else by cause and whose work it is.
    #[must_use]
    pub fn key(&self, family: &str) -> String {
        let cause = self.cause.as_deref().unwrap_or("undetermined");
        let mut machines: Vec<&str> = self.culprit.nodes.iter().chain(&self.culprit.gpus).map(String::as_str).collect();
        machines.sort_unstable();
        machines.dedup();
        if self.of_a_machine() && !machines.is_empty() {
            format!("{cause} {}", machines.join(" "))
        } else {
            format!("{cause} of {family}")
        }
    }
}
