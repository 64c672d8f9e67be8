//! What is told: one [`Report`], rendered as text, JSON, markdown or HTML.
//!
//! Rendering is pure: a report in, bytes out. Log text in a report is hostile; each renderer guards its own medium.

use diag_parsers::Catalogue;
use serde::Serialize;

pub use crate::verdict::{Ask, Confidence, Culprit, Outcome};

mod advice;
pub(crate) mod axis;
mod clock;
mod clocks;
mod compose;
pub mod grid;
pub mod guard;
pub mod html;
pub mod json;
mod judged;
mod known;
pub mod markdown;
pub(crate) mod marks;
pub mod readings;
pub mod text;
mod timeline;
pub(crate) mod words;

pub use advice::{Advice, Claim, SiteNote, Spent, lines};
pub(crate) use compose::told_shortly;
pub use compose::{Task, compose, roots};

use crate::evidence::{Row, Settled, Table};

/// Version of the JSON contract.
pub const SCHEMA: &str = "diag.report/1";

/// What came out of a diagnosis.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The verdict.
    pub outcome: Outcome,
    /// The verdict as one sentence.
    pub headline: String,
    /// Roots, the answer first.
    pub findings: Vec<Finding>,
    /// What evidence would decide, where nothing does.
    pub ask: Vec<Ask>,
    /// Failure lines that no finding explains (a few of them).
    pub unexplained: Vec<Evidence>,
    /// How many failure lines no finding explains, repeats included.
    pub unexplained_events: u64,
    /// Jobs and attempts that were judged apart, in order; empty where there is one.
    pub parts: Vec<PartFacts>,
    /// What went wrong when or where the job was not (a few lines of it): no causes of what happened to it.
    pub context: Vec<Evidence>,
    /// How many lines there are of that, repeats included.
    pub context_events: u64,
    /// How the clocks of the inputs came onto one axis, where that is more than reading what they print.
    pub clocks: Vec<ClockFacts>,
    /// The job as far as it is known.
    pub job: JobFacts,
    /// Ranks and what became of them.
    pub timeline: Timeline,
    /// What was read.
    pub inputs: Vec<Input>,
    /// What could not be read, and notes on the reading.
    pub notes: Vec<Note>,
    /// What those who are blamed went through before, where a history of them is kept. It is no evidence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<String>,
    /// What the site's people wrote down, where it was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub site_notes: Vec<SiteNote>,
    /// What a model said of it, where one was asked. It changes no verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<Advice>,
    /// Cost.
    pub stats: Stats,
}

/// A job, or an attempt of one, that was judged by itself.
#[derive(Debug, Clone, Serialize)]
pub struct PartFacts {
    /// `job 71204`, `attempt 2 of 3`.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Whether the findings begin with its own.
    pub told: bool,
    /// Slug of its first finding.
    pub cause: Option<String>,
    /// The title of that.
    pub title: Option<String>,
    /// Who.
    pub culprit: Option<Culprit>,
    /// The line that decides most.
    pub evidence: Option<Evidence>,
}

/// How the times of an input came onto the axis of the incident.
#[derive(Debug, Clone, Serialize)]
pub struct ClockFacts {
    /// Name of the input.
    pub source: String,
    /// What it prints: `utc`, `local`, `yearless`, `time-of-day`, `monotonic`.
    pub clock: diag_parsers::Clock,
    /// How it was settled.
    pub settled: Settled,
    /// Seconds added to what it prints (the boot time of seconds since boot).
    pub offset_s: f64,
    /// How far off that may be, in seconds.
    pub slack_s: f64,
    /// The same in a sentence.
    pub what: String,
    /// The lines that tell it.
    pub told_by: Vec<Evidence>,
}

/// What is known of the job as a whole.
#[derive(Debug, Clone, Default, Serialize)]
pub struct JobFacts {
    /// Its id, where told.
    pub id: Option<String>,
    /// Ranks that left a trace.
    pub ranks: u64,
    /// The last step that any rank told.
    pub last_step: Option<i64>,
    /// Complaints after which the run went on.
    pub survived: u64,
}

/// A cause that was found.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Slug of the playbook.
    pub cause: String,
    /// The job or attempt that it is of, where there are several.
    pub part: Option<String>,
    /// Whether it is none of the causes that the symptom, as it was named, is about.
    pub outside: bool,
    /// The cause in a few words.
    pub title: String,
    /// How sure.
    pub confidence: Confidence,
    /// Who.
    pub culprit: Culprit,
    /// Whether every known rank is affected alike, so that no rank is to blame.
    pub everyone: bool,
    /// Sentences with the ids of their evidence in brackets.
    pub explanation: String,
    /// The lines that decide, first the one that decides most.
    pub evidence: Vec<Evidence>,
    /// From the cause to the symptom, in order.
    pub chain: Vec<Link>,
    /// Findings that this one explains.
    pub consequences: Vec<Consequence>,
    /// What can be done, best first.
    pub fixes: Vec<Fix>,
    /// Tests that would prove or refute it.
    pub tests: Vec<Test>,
    /// What would make it surer.
    pub ask: Vec<Ask>,
    /// Where to read more.
    pub references: Vec<String>,
}

/// A line that proves something.
#[derive(Debug, Clone, Serialize)]
pub struct Evidence {
    /// `E1`, `E2`, …: as the explanation cites it.
    pub id: String,
    /// Name of the input.
    pub source: String,
    /// Line from 1, by `\n`.
    pub line: u64,
    /// The line word for word.
    pub text: String,
    /// Time as printed, if any.
    pub time: Option<String>,
    /// Host.
    pub node: Option<String>,
    /// Global rank.
    pub rank: Option<i64>,
    /// Kind of the event.
    pub kind: String,
    /// How often the same fact stands in the input.
    pub count: u64,
    /// The bytes of the text that decide, for renderings that cut or mark.
    #[serde(skip)]
    pub focus: std::ops::Range<usize>,
}

impl Evidence {
    /// A row as it is cited, by the name it is given.
    fn of(row: &Row, id: String, table: &Table, catalogue: &Catalogue) -> Self {
        Self {
            id,
            source: table.sources[row.source].clone(),
            line: row.line,
            text: row.text.clone(),
            time: row.at.map(|at| at.to_string()),
            node: row.node().map(str::to_owned),
            rank: row.rank(),
            kind: row.kind.to_owned(),
            count: row.count,
            focus: catalogue.focus(row.kind, &row.text),
        }
    }
}

/// One step of the way from the cause to the symptom.
#[derive(Debug, Clone, Serialize)]
pub struct Link {
    /// `cause`, `effect` or `symptom`.
    pub role: Role,
    /// What happened, in a few words.
    pub what: String,
    /// First time it was seen.
    pub time: Option<String>,
    /// Time of the line before, where this one prints none.
    pub since: Option<String>,
    /// Seconds after the cause, where the clocks compare.
    pub after_s: Option<f64>,
    /// Whether that is told by the lines around, as one of the two prints no time.
    pub about: bool,
    /// Ranks it happened on.
    pub ranks: Vec<i64>,
    /// How many events say so.
    pub events: u64,
    /// An example line.
    pub example: Evidence,
}

/// Where in the chain a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The cause itself.
    Cause,
    /// What it brought about.
    Effect,
    /// What people saw last.
    Symptom,
}

/// A finding explained by another.
#[derive(Debug, Clone, Serialize)]
pub struct Consequence {
    /// Its slug.
    pub cause: String,
    /// Its title.
    pub title: String,
    /// How many events it stands for.
    pub events: u64,
}

/// Something that can be done.
#[derive(Debug, Clone, Serialize)]
pub struct Fix {
    /// Name within the playbook.
    pub id: String,
    /// What it does, parameters filled in.
    pub title: String,
    /// `observe` < `load` < `reversible` < `disruptive` < `destructive`.
    pub risk: String,
    /// `diag` or `hands`.
    pub by: String,
    /// Argument lists; empty where hands are needed.
    pub commands: Vec<Vec<String>>,
    /// Environment to set for the job.
    pub env: Vec<(String, String)>,
    /// How to take it back.
    pub undo: String,
}

/// A test that would prove or refute a cause.
#[derive(Debug, Clone, Serialize)]
pub struct Test {
    /// Name within the playbook.
    pub id: String,
    /// What it tests.
    pub title: String,
    /// As for fixes.
    pub risk: String,
}

/// Ranks and what became of them.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Timeline {
    /// Ranks that the job has, where told.
    pub world_size: Option<i64>,
    /// One lane a rank that left a trace, at most a few thousand, by rank; behind them, one a host or scheduler of which
    /// something is told that no rank tells.
    pub lanes: Vec<Lane>,
    /// First and last time seen, as printed.
    pub span: Option<(String, String)>,
}

/// What became of a rank, a host, or what a scheduler told.
#[derive(Debug, Clone, Serialize)]
pub struct Lane {
    /// Whose lane it is: `rank 3`, `gpu-17`, `slurmctld`; a file where no host is told.
    pub name: String,
    /// Global rank.
    pub rank: Option<i64>,
    /// Its host.
    pub node: Option<String>,
    /// Its last step, where it told.
    pub last_step: Option<i64>,
    /// Moments of note, in order.
    pub moments: Vec<Moment>,
}

/// Something that happened to a rank.
#[derive(Debug, Clone, Serialize)]
pub struct Moment {
    /// Microseconds from the start of the timeline, where the clock compares.
    pub micros: Option<i64>,
    /// Whether that is the time of a line before, as its own prints none.
    pub about: bool,
    /// Time as printed.
    pub time: Option<String>,
    /// Name of the input.
    pub source: String,
    /// Kind of the event.
    pub kind: String,
    /// `failure`, `teardown`, `warning`, `progress`, …
    pub says: diag_parsers::Says,
    /// Whether it belongs to the first finding's cause.
    pub cause: bool,
    /// Line of the input.
    pub line: u64,
}

/// An input and how it was read.
#[derive(Debug, Clone, Serialize)]
pub struct Input {
    /// Name as given, or within a folder or archive.
    pub source: String,
    /// Bytes read, decompressed.
    pub bytes: u64,
    /// Lines, by `\n`.
    pub lines: u64,
    /// Events made of it.
    pub events: u64,
    /// Share of its lines that complain and that no format knows (0 to 1).
    pub not_understood: f64,
}

/// A remark on the reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Name of the input, empty for all.
    pub source: String,
    /// Code of the error, for example `input.truncated`.
    pub code: String,
    /// What happened, in one sentence.
    pub what: String,
}

/// Cost of a run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stats {
    /// Wall time in milliseconds; 0 for a case, whose report is the same byte for byte wherever and whenever it is made.
    pub elapsed_ms: u64,
}
