//! Lines that are errors by their form and that no format knows, and those by which a process says that it waits: a run that
//! ends in them is not known to be well.
//!
//! Where something else tells of trouble they add nothing. Where nothing does, a program that said it can't go on, or that
//! printed an error among its last lines, and that neither made further steps nor ended well afterwards, is a question.
//! A log that tells of a whole host or cluster prints errors every day, and says nothing of a run by them.

use diag_parsers::{Name, Says};

use super::{Row, Table};

const FATAL: Name = "unknown.fatal";
const ERROR: Name = "unknown.error";
const CUT: Name = "unknown.cut";

/// What Kubernetes warns of by a reason that no format knows, and how its reasons say that something failed.
const WARNING: Name = "kubernetes.warning";
const FAILED: [&str; 4] = ["Fail", "Error", "BackOff", "Unhealthy"];

/// How many of the last lines of a source are its end. Behind its last error a process prints how it cleans up, or its
/// launcher what it does about it; whoever prints more than this went on.
pub(super) const LAST_LINES: u64 = 60;

/// What counts where a source ends in it, and how many lines may stand from its last one on: that a process does not come
/// through to the store of its job (behind some of it torch prints where in its code it was), that a thread of XLA's waits for
/// others, and a warning of NCCL's that no format knows.
const LAST_WORDS: [(Name, u64); 4] = [
    ("jax.rendezvous_waits", LAST_LINES),
    ("torch.store_retry", LAST_LINES),
    ("torch.store_refused", 3),
    ("nccl.warn_other", 1),
];

/// Makes failures of such lines where they count.
pub(super) fn derive(table: &mut Table) {
    let quiet = table.troubles().next().is_none();
    let everyday = everyday(table);
    let lines = std::mem::take(&mut table.lines);
    let rows = table.rows.iter_mut().filter(|row| !row.survived && row.aside.is_none());
    let counted = |row: &&mut Row| {
        let lines = lines.get(row.source).copied().unwrap_or_default();
        quiet && counts(row, lines) && (row.kind == WARNING || !everyday[row.source])
    };
    for row in rows.filter(counted) {
        row.says = Says::Failure;
    }
    table.lines = lines;
}

/// Whether a row of a source of so many lines is such an error.
fn counts(row: &Row, lines: u64) -> bool {
    let failed = || row.fields.text("reason").is_some_and(|why| FAILED.iter().any(|word| why.contains(word)));
    match row.kind {
        FATAL | CUT => true,
        ERROR => row.last_line + LAST_LINES > lines,
        WARNING => failed(),
        kind => LAST_WORDS.iter().any(|(known, behind)| *known == kind && row.last_line + behind > lines),
    }
}

/// Whether a source is the log of a host, of a cluster, or of a service that many use.
fn everyday(table: &Table) -> Vec<bool> {
    let mut everyday = vec![false; table.sources.len()];
    for row in &table.rows {
        let of_host = ["kernel.", "filesystem.", "host_hardware."].iter().any(|head| row.kind.starts_with(head));
        everyday[row.source] |= of_host || row.fields.get("witness").is_some();
    }
    everyday
}
