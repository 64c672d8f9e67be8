//! What went wrong on a host and was over before the job went wrong: told, and no cause.
//!
//! A file server that answered again, a link that came up again, anything that the job took further steps long after: each
//! had its time, and the job went on. Only what a witness beside the job's own log tells is looked at; of that log itself,
//! [`fate`](super::fate) knows which lines the run survived.

use std::collections::HashMap;

use diag_parsers::{Name, Says};

use super::clock::SECOND;
use super::window::{self, end_of};
use super::{Aside, Row, Table};

/// How long after a fault steps must go on before it counts as survived: batches read ahead, checkpoints written aside and
/// ranks that are a step behind hide a stall for minutes.
const GOES_ON: i64 = 600 * SECOND;

/// What says that a thing is gone, what says that it is back, and the fields that tell which thing.
const PAIRS: [(&[Name], Name, &[Name]); 3] = [
    (&["kernel.nfs_stall"], "kernel.nfs_back", &["server"]),
    (&["kernel.lustre_lost", "filesystem.server_lost"], "filesystem.server_back", &["server", "target"]),
    (&["kernel.nic_link"], "kernel.nic_link", &["netdev"]),
];

/// Marks what was over.
pub(super) fn derive(table: &mut Table) {
    let of_job = window::is_of_job(table);
    let own = || table.rows.iter().filter(|row| of_job[row.source]);
    let Some(went_wrong) = own().filter(|row| row.is_trouble()).filter_map(began).min() else { return };
    let steps = own().filter(|row| row.says == Says::Progress).filter_map(end_of);
    let step = steps.filter(|step| *step <= went_wrong).max();
    // A wait that ran out tells when the job stopped going on; what crashed may have been failed by what is just back.
    let waits = own().filter(|row| row.is_trouble() && waited(row) > 0).filter_map(began).min();
    let went_on = step.max(waits.filter(|began| *began <= went_wrong));
    let doubt = table.job.window.doubt;
    let returns = Returns::new(table);
    let over = |row: &Row| {
        let (Some(end), Some(at)) = (end_of(row), row.placed) else { return false };
        let slack = at.slack + doubt;
        let outlived = step.is_some_and(|step| step > end + GOES_ON + slack);
        outlived || returns.of(row).zip(went_on).is_some_and(|(back, went_on)| back + slack < went_on)
    };
    let marked: Vec<usize> = (0..table.rows.len())
        .filter(|id| {
            let row = &table.rows[*id];
            !of_job[row.source] && row.parents.is_empty() && row.aside.is_none() && (fails(row) || is_loss(row))
        })
        .filter(|id| over(&table.rows[*id]))
        .collect();
    for id in marked {
        table.rows[id].aside = Some(Aside::Over);
    }
}

/// Whether a row tells of something that could end a job; notes of what slows it down stay in force while it runs.
fn fails(row: &Row) -> bool {
    matches!(row.says, Says::Failure | Says::Teardown)
}

fn is_loss(row: &Row) -> bool {
    row.kind == "kernel.nic_link" && !is_back(row)
}

/// Whether a row that tells of a link tells that it is up; what else says that a thing is back says nothing else.
fn is_back(row: &Row) -> bool {
    let state = row.fields.text("state").map(str::to_ascii_lowercase);
    state.is_none_or(|state| matches!(state.as_str(), "up" | "gained" | "cable plugged"))
}

/// How long a row says that something waited before it gave up, in microseconds.
fn waited(row: &Row) -> i64 {
    let milliseconds = row.fields.int("ran_ms").or_else(|| row.fields.int("timeout_ms"));
    milliseconds.unwrap_or_default().saturating_mul(1000)
}

/// When what a row tells of began: a wait that ran out began as long before.
fn began(row: &Row) -> Option<i64> {
    Some(row.placed?.micros.saturating_sub(waited(row)))
}

/// Source, line and time of a word that a thing is back.
type Back = (usize, u64, i64);

/// When things came back, by kind of the word, host and name.
struct Returns(HashMap<(Name, String), Vec<Back>>);

impl Returns {
    fn new(table: &Table) -> Self {
        let mut all: HashMap<_, Vec<_>> = HashMap::new();
        for (_, back, names) in PAIRS {
            for row in table.of_kind(back).iter().map(|row| &table.rows[*row]).filter(|row| is_back(row)) {
                if let (Some(what), Some(at)) = (what(row, names), end_of(row)) {
                    all.entry((back, what)).or_default().push((row.source, row.last_line, at));
                }
            }
        }
        Self(all)
    }

    /// When what a row tells to be gone was back for good.
    fn of(&self, row: &Row) -> Option<i64> {
        let (_, back, names) = PAIRS.iter().find(|(gone, ..)| gone.contains(&row.kind))?;
        let (lines, end) = (self.0.get(&(*back, what(row, names)?))?, end_of(row)?);
        let later = |(source, line, at): &&Back| match *source == row.source {
            true => *line > row.last_line,
            false => *at > end,
        };
        lines.iter().filter(later).map(|(.., at)| *at).max()
    }
}

/// The host and the name of a thing.
fn what(row: &Row, names: &[Name]) -> Option<String> {
    let name = names.iter().find_map(|name| row.fields.text(name))?;
    Some(format!("{} {name}", row.node().unwrap_or_default()))
}
