//! The shape of `policy.toml`: limits, rules, and examples that say what must come out.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::facts::{Occupied, Partition};
use crate::plan::Witness;
use crate::playbook::schema::{Risk, Status};

/// What may be done, what is asked first, and what not at all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Version of the file; 1.
    pub schema: u32,
    /// How much, whoever agrees.
    pub limits: Limits,
    /// All of them count.
    pub rule: Vec<Rule>,
    /// Tasks and what must come out.
    #[serde(default, skip_serializing)]
    pub example: Vec<Example>,
}

/// How much, whoever agrees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Nodes taken from service within an hour.
    pub nodes_per_hour: usize,
    /// Share of a partition that may be out of service (0 to 1); one node always may.
    pub partition_share: f64,
    /// Nodes of a partition that stay in service without work.
    pub keep_spare: usize,
    /// So many nodes at once are too many to believe the check.
    pub many: usize,
    /// How long a yes is good, in minutes.
    pub consent_minutes: u64,
    /// How long what needs a yes waits for one, in hours.
    pub wait_hours: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { nodes_per_hour: 2, partition_share: 0.01, keep_spare: 1, many: 5, consent_minutes: 30, wait_hours: 24 }
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name.
    pub id: String,
    /// When it counts: all that is given must hold.
    pub when: When,
    /// What it says.
    pub then: Then,
    /// What lifts an `ask`.
    #[serde(default)]
    pub lift: Lift,
    /// Why, for the person who is asked.
    pub why: String,
}

/// When a rule counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// One of these risks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub risk: Vec<Risk>,
    /// One of these actions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub action: Vec<Action>,
    /// None of these actions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not: Vec<Action>,
    /// One of the nodes is like this.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Node>,
    /// The playbook is one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<Status>,
    /// Fewer kinds of evidence than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witnesses: Option<usize>,
    /// Nothing but the job's output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_alone: Option<bool>,
    /// A limit that would be exceeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<Over>,
    /// The breaker has tripped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tripped: Option<bool>,
}

/// What a node is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Node {
    /// Nothing.
    Idle,
    /// Out of service, and nothing runs there.
    Drained,
    /// Somebody's job.
    Busy,
    /// Nobody tells.
    Unknown,
}

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Over {
    /// Nodes within an hour.
    Hour,
    /// Share of a partition.
    Share,
    /// The last nodes without work.
    Spare,
    /// Nodes at once.
    Many,
}

/// What a rule says; later is stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// It may be done.
    Allow,
    /// A person is asked.
    Ask,
    /// It is not done.
    Forbid,
}

/// What lifts an `ask`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lift {
    /// A yes to this task, or a level that was approved.
    #[default]
    Level,
    /// The same, and a yes is good for one time.
    Each,
    /// A yes by somebody who was told of the jobs.
    Busy,
    /// The fix was named on the command line.
    Name,
}

/// A task with its circumstances, and what must come out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// What is special about it.
    pub name: String,
    /// What its playbook says it risks.
    pub risk: Risk,
    /// A command that it runs.
    #[serde(default, rename = "do")]
    pub command: Vec<String>,
    /// How far its playbook is proven; `stable` where nothing is said.
    #[serde(default)]
    pub status: Option<Status>,
    /// Who testifies; a kernel and a reading of the node where nothing is said.
    #[serde(default)]
    pub witnesses: Option<Vec<Witness>>,
    /// The nodes it touches.
    #[serde(default)]
    pub nodes: IndexMap<String, Node>,
    /// Their partition.
    #[serde(default)]
    pub partition: Option<Partition>,
    /// Other nodes that were taken within the hour.
    #[serde(default)]
    pub hour: usize,
    /// The breaker has tripped.
    #[serde(default)]
    pub tripped: bool,
    /// The level that was approved.
    #[serde(default)]
    pub approve: Option<Risk>,
    /// A person knows that somebody works there.
    #[serde(default)]
    pub on_busy: bool,
    /// The fix was named on the command line.
    #[serde(default)]
    pub named: bool,
    /// What must come out.
    pub gives: Then,
    /// The rule that must decide.
    #[serde(default)]
    pub by: Option<String>,
}

impl Node {
    /// As the scheduler would tell it.
    pub(super) fn occupied(self) -> Occupied {
        match self {
            Self::Idle => Occupied::Idle,
            Self::Drained => Occupied::Drained,
            Self::Busy => Occupied::Busy("a job".to_owned()),
            Self::Unknown => Occupied::Unknown,
        }
    }
}
