//! An HTTP API with the report as its answer: for chat-ops, dashboards, Alertmanager, and a person who drops a log on a page.
//!
//! A *world* room: it listens, keeps a few reports in memory, and opens cases in the one folder it is given. What it takes from
//! a network is bounded in size, time and number; nothing that a client sends becomes a path: bodies stay in memory, cases are
//! found by comparing names, new ones have names that are drawn. The thinking is that of the commands; a [`Desk`] brings it.
#![expect(clippy::disallowed_methods, reason = "a world room: keeps deadlines, looks for logs of a node")]

mod alerts;
mod answer;
mod desk;
mod door;
mod listen;
mod metrics;
mod openapi;
mod page;
mod routes;
mod store;
mod work;

pub use desk::Desk;
pub use door::Tokens;
pub use listen::serve;

use std::path::PathBuf;
use std::time::Duration;

/// What the server does and how much it takes.
#[derive(Debug)]
pub struct Settings {
    /// Where it listens.
    pub listen: std::net::SocketAddr,
    /// Who may ask; where there are none, it listens on loopback only.
    pub tokens: Tokens,
    /// The folder that cases are below, and in which alerts open new ones.
    pub cases: Option<PathBuf>,
    /// Folders in which files or folders are called after nodes: an alert takes those of its node.
    pub logs: Vec<PathBuf>,
    /// Largest body, in bytes.
    pub largest: usize,
    /// How long a body may take to come.
    pub body: Duration,
    /// How long a diagnosis may take.
    pub patience: Duration,
    /// Diagnoses at a time, and how many more may wait.
    pub jobs: usize,
    /// See `jobs`.
    pub queue: usize,
    /// Reports that are kept, and for how long.
    pub keep: usize,
    /// See `keep`.
    pub keep_for: Duration,
}
