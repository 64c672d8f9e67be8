//! When a hook may keep a node from jobs.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the policy is read from.
pub const FILE: &str = "/etc/diag/hook.toml";

/// What an administrator decides; every value has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// How long a hook may take in all, in seconds.
    pub deadline: f64,
    /// What to do where the node can't be judged.
    pub unknown: Unknown,
    /// Readings of which one alone, when bad, keeps a node from jobs.
    pub decisive: Vec<String>,
    /// How many different probes must call a node bad where none is decisive.
    pub kinds: usize,
    /// Whether health-check may drain the node, and resume what it drained itself.
    pub drain: bool,
    /// Most nodes that may be kept from jobs within an hour; beyond it the hooks stop judging, until a person looks.
    pub most_nodes: usize,
    /// Where this node keeps what it saw last.
    pub state: PathBuf,
    /// A folder that all nodes share, in which they count; without one each node counts only itself.
    pub shared: Option<PathBuf>,
    /// Golden profile of the node.
    pub profile: Option<PathBuf>,
    /// Where each run is recorded, a line of JSON each.
    pub record: PathBuf,
    /// Whether epilog kills processes of the job that outlived it, and removes shared memory that its user left behind.
    pub clean: bool,
}

/// What a node that can't be judged means for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    /// The job starts, and the reason is told loudly.
    Open,
    /// The job does not start here.
    Closed,
}

impl Default for Policy {
    fn default() -> Self {
        let decisive = [
            "gpu.answers",
            "gpu.driver",
            "gpu.recovery_action",
            "gpu.remap.failed",
            "gpu.fabric",
            "gpu.ecc.dram.uncorrected.volatile",
            "gpu.ecc.sram.uncorrected.volatile",
            "gpu.count",
            "kernel.xid",
            "disks.read_only",
            "mounts.mounted",
        ];
        Self {
            deadline: 8.0,
            unknown: Unknown::Open,
            decisive: decisive.map(str::to_owned).to_vec(),
            kinds: 2,
            drain: true,
            most_nodes: 4,
            state: PathBuf::from("/var/lib/diag"),
            shared: None,
            profile: None,
            record: PathBuf::from("/var/log/diag/hook.jsonl"),
            clean: true,
        }
    }
}
