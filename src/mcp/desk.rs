//! What the server needs of the program: the work of its commands.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::params::{Part, Run};
use crate::collect::{Fence, Meter};
use crate::error::Error;
use crate::evidence::Table;
use crate::plan::Answers;
use crate::report::Report;
use crate::report::grid::Grid;
use crate::report::readings;

/// What is to be looked at.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// Files, folders, archives and cases, as [`Fence::admit`] gives them.
    pub inputs: &'a [String],
    /// Which part of the evidence.
    pub part: &'a Part,
    /// Where all that is read must lie.
    pub fence: &'a Fence,
    /// How far it is; ends the reading.
    pub meter: &'a Meter,
}

/// The evidence, and what is told of it.
#[derive(Debug)]
pub struct Study {
    /// The evidence.
    pub table: Table,
    /// What is told of it.
    pub report: Report,
}

/// What came of an order to run something.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Came {
    /// `done`, `needs-a-person`, or `refused`.
    pub state: &'static str,
    /// The same in a sentence.
    pub summary: String,
    /// What happened, in order.
    pub happened: Vec<String>,
    /// What a person has to agree to, or to answer.
    pub wants: Vec<Wish>,
    /// What a person types in a terminal to go on; arguments, and the same for a shell.
    pub command: Option<String>,
    /// What tests read, or how the case ended.
    pub result: Value,
}

/// Something that needs a person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Wish {
    /// The step or question.
    pub step: String,
    /// What it is.
    pub title: String,
    /// `observe` < `load` < `reversible` < `disruptive` < `destructive`; empty for a question.
    pub risk: String,
    /// Why it is asked.
    pub why: String,
    /// Exactly what would run, and where.
    pub shown: Vec<String>,
}

/// The work of diag's commands. Each call waits until it is done.
pub trait Desk: Send + Sync + 'static {
    /// Reads and diagnoses.
    ///
    /// # Errors
    /// Nothing could be read, or the part that was asked for is none.
    fn study(&self, look: &Look<'_>) -> Result<Study, Error>;
    /// Plans what to do, with what the policy says of each step. Runs nothing.
    ///
    /// # Errors
    /// As [`Desk::study`].
    fn plan(&self, look: &Look<'_>, cause: Option<&str>, answers: &Answers) -> Result<Value, Error>;
    /// Whether this build has an engine for SQL.
    fn has_sql(&self) -> bool;
    /// Asks the evidence in SQL, for at most so many rows.
    ///
    /// # Errors
    /// The query is none, or there is no engine for it.
    fn sql(&self, study: Study, sql: &str, most: usize) -> Result<Grid, Error>;
    /// Tells what a cause or a number of the driver means; nothing lists the causes.
    ///
    /// # Errors
    /// There is none of that name.
    fn explain(&self, what: &str) -> Result<String, Error>;
    /// All causes with their titles.
    fn causes(&self) -> Vec<(String, String)>;
    /// The probes of this node.
    fn probes(&self) -> Vec<&'static str>;
    /// Reads this node.
    fn probe(&self, only: &[String], patience: Duration) -> readings::Look;
    /// Runs a test on nodes, as far as the policy allows it without a question.
    ///
    /// # Errors
    /// There is no such test, it does not take that, or it can't be run.
    fn test(&self, order: &Run, stop: &CancellationToken) -> Result<Came, Error>;
    /// Goes on with a case, as far as the policy allows it without a question and a person has agreed.
    ///
    /// # Errors
    /// It can't be worked on.
    fn go_on(&self, case: &Path, fence: &Fence, stop: &CancellationToken) -> Result<Came, Error>;
}
