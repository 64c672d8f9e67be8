//! What tools take, as types from which their JSON schemas are made.

use std::collections::BTreeMap;

use rmcp::schemars;
use rmcp::schemars::JsonSchema;
use serde::Deserialize;

/// Which part of the evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Part {
    /// Leave out what was over before: `2026-05-04 03:00`, `2026-05-04T03:00:00Z`, `today`, `2h ago`.
    pub since: Option<String>,
    /// Leave out what came after, written likewise.
    pub until: Option<String>,
    /// Leave out what other hosts tell of: `gpu-17`, or a set as `gpu-[017-020]`.
    pub nodes: Vec<String>,
    /// Leave out other jobs than the one with this id.
    pub job: Option<String>,
}

/// Of `analyze`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Analyze {
    /// Logs, folders, archives or case folders to read, below the server's roots.
    pub(super) paths: Vec<String>,
    #[serde(flatten)]
    pub(super) part: Part,
}

/// Of `query`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Query {
    /// Logs, folders, archives or case folders to read, below the server's roots.
    pub(super) paths: Vec<String>,
    #[serde(flatten)]
    pub(super) part: Part,
    /// Only lines of this kind, as `nccl.watchdog_timeout`; `kernel.*` takes all that begin so.
    pub(super) kind: Option<String>,
    /// Only lines that say so much of the run: `failure`, `teardown`, `warning`, `info`, `progress` or `success`.
    pub(super) says: Option<String>,
    /// Only lines of this global rank.
    pub(super) rank: Option<i64>,
    /// Only inputs whose name holds this.
    pub(super) source: Option<String>,
    /// Only lines that hold this text.
    pub(super) text: Option<String>,
    /// How many rows of them to pass over: those that an answer before this one told.
    pub(super) offset: u64,
    /// Most rows, 1 to 200; 50 if nothing is said.
    pub(super) limit: Option<u64>,
}

/// Of `query`, where SQL is built in.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Sql {
    #[serde(flatten)]
    pub(super) query: Query,
    /// A SELECT over the tables evidence, findings and inputs, instead of the filters: `SELECT kind, SUM(count) AS n FROM
    /// evidence GROUP BY kind ORDER BY n DESC`. It reads these tables and no files.
    pub(super) sql: Option<String>,
}

/// Of `explain`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Explain {
    /// A cause (`ib-retry-exceeded`), or a number of the driver (`xid 79`, `sxid 20034`); nothing lists all causes.
    pub(super) what: String,
}

/// Of `probe`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Probe {
    /// Only these probes; all if nothing is said.
    pub(super) only: Vec<String>,
    /// Tell readings that are ok as well.
    pub(super) all: bool,
    /// Most seconds it may take, 1 to 120; 20 if nothing is said.
    pub(super) seconds: Option<u64>,
}

/// Of `plan`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Plan {
    /// Logs, folders, archives or case folders to read, below the server's roots.
    pub(super) paths: Vec<String>,
    #[serde(flatten)]
    pub(super) part: Part,
    /// Only for findings of this cause.
    #[serde(default)]
    pub(super) cause: Option<String>,
    /// What the evidence does not tell, as the plan asks for it: `{"hca": "mlx5_3"}`.
    #[serde(default)]
    pub(super) set: BTreeMap<String, String>,
}

/// Of `run`: a case to go on with, or a test.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Run {
    /// A case folder below the server's roots, made by `diag collect` or `diag fix`: its plan is carried out as far as no person has
    /// to be asked. What needs one is written into the case, and a person goes on with it in a terminal.
    pub case: Option<String>,
    /// Instead of a case: a test by its name, as `shm`, `memlock`, `tcp-pair`, `nccl-pair`.
    pub test: Option<String>,
    /// The nodes of the test: `gpu-17`, or a set as `gpu-[017-020]`. Only those that the server was started for.
    pub nodes: Option<String>,
    /// Parameters of the test: `{"size_mib": "64"}`.
    pub set: BTreeMap<String, String>,
}
