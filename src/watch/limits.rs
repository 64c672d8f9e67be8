//! How much a watcher may take, and what it looks at.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What an administrator decides; every value has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most looks at a time.
    pub at_once: u64,
    /// Most seconds that a look may take.
    pub deadline: u64,
    /// Most MiB of memory that a look may take.
    pub memory: u64,
    /// Most that may wait; of more the oldest is dropped, and counted.
    pub queue: u64,
    /// Seconds in which the same cause and culprit is one notice.
    pub window: u64,
    /// Seconds for which a notice is held back so that it can tell how many there are.
    pub gather: u64,
    /// Ends of a job of Slurm that are looked at.
    pub states: Vec<String>,
    /// Logs of this machine that are read beside a job's own output, `{node}` standing for each of its nodes. Lines that are
    /// cited of them stand in the report, which the job's user reads.
    pub logs: Vec<PathBuf>,
    /// Records of hooks (`hook.jsonl` of nodes, collected here) that the history of nodes counts as well, as globs.
    pub records: Vec<PathBuf>,
    /// Whether an object of Kubernetes is told its cause, as an event (`create` of `events.k8s.io`).
    pub k8s_events: bool,
    /// Most cases that are kept of faults of machines, so that what would be done waits for a yes (`diag approvals`); 0: none.
    pub cases: u64,
    /// Forms of the report: `text`, `json`, `html`.
    pub reports: Vec<String>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            at_once: 2,
            deadline: 300,
            memory: 2048,
            queue: 1000,
            window: 3600,
            gather: 60,
            states: ["FAILED", "NODE_FAIL", "TIMEOUT", "OUT_OF_MEMORY", "BOOT_FAIL"].map(str::to_owned).to_vec(),
            logs: Vec::new(),
            records: Vec::new(),
            k8s_events: false,
            cases: 100,
            reports: vec!["text".to_owned()],
        }
    }
}

/// Ends of a job (slurm.h, `job_states`).
const ENDS: [&str; 9] =
    ["COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY"];

/// Forms of a report.
const FORMS: [&str; 3] = ["text", "json", "html"];

impl Limits {
    /// What is wrong with values whose types say nothing of it: key and reason.
    #[must_use]
    pub fn wrong(&self) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        let mut range = |key: &str, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                wrong.push((key.to_owned(), format!("{value} is not within {least} and {most}")));
            }
        };
        range("at_once", self.at_once, 1, 64);
        range("deadline", self.deadline, 1, 86_400);
        range("memory", self.memory, 256, 1 << 20);
        range("queue", self.queue, 1, 100_000);
        range("window", self.window, 0, 30 * 86_400);
        range("gather", self.gather, 0, 3600);
        range("cases", self.cases, 0, 10_000);
        let mut words = |key: &str, said: &[String], known: &[&str]| {
            for word in said.iter().filter(|word| !known.contains(&word.as_str())) {
                wrong.push((key.to_owned(), format!("`{}` is none of {}", word.escape_debug(), known.join(", "))));
            }
        };
        words("states", &self.states, &ENDS);
        words("reports", &self.reports, &FORMS);
        for (key, paths) in [("logs", &self.logs), ("records", &self.records)] {
            for path in paths.iter().filter(|path| !path.is_absolute()) {
                wrong.push((key.to_owned(), format!("{} is no whole path", path.display())));
            }
        }
        wrong
    }
}
