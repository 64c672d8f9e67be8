//! Facts about collectives that follow from what the ranks say: who is behind, absent, at odds, silent.

mod barrier;
mod fingerprint;
mod inspector;
mod progress;
mod ras;
mod recorder;
mod silence;
mod stacks;
mod unfilled;
mod unlisted;
mod waits;

use std::collections::BTreeSet;

use diag_parsers::{Fields, Name, Says, Value};

use super::{RowId, Table};

/// Most rows that a derived fact points at.
pub(super) const MOST_PARENTS: usize = 6;

/// Derives the facts.
pub fn derive(table: &mut Table) {
    barrier::derive(table);
    progress::derive(table);
    recorder::derive(table);
    unfilled::derive(table);
    fingerprint::derive(table);
    ras::derive(table);
    stacks::derive(table);
    inspector::derive(table);
    unlisted::derive(table);
    silence::derive(table);
    first_failure(table);
    left_its_runner(table);
    crowded(table);
    twice(table);
}

/// Rows of the store-based barrier, which tell how many workers came and how many there should be.
const BARRIERS: [&str; 2] = ["torch.join_timeout", "torch.barrier_waiting"];

/// More workers came than the job has: two launches share a store, or each process was started several times.
fn crowded(table: &mut Table) {
    let rows = BARRIERS.into_iter().flat_map(|kind| table.of_kind(kind)).copied();
    let more = |id: &RowId| {
        let fields = &table.rows[*id].fields;
        matches!((fields.int("joined"), fields.int("world_size")), (Some(joined), Some(size)) if joined > size)
    };
    let Some(first) = rows.filter(more).min_by_key(|id| table.rows[*id].line) else { return };
    // Without the rank: whoever tells it is not to blame.
    let mut fields = Fields::default();
    for name in ["joined", "world_size"] {
        if let Some(count) = table.rows[first].fields.int(name) {
            fields.set(name, count);
        }
    }
    table.derive("rendezvous.crowded", Says::Info, fields, vec![first]);
}

/// Several processes took one rank while others are taken by nobody: each host counts its processes from the start, so that
/// all wait for ranks that never come. A log that says every line twice has each rank twice, and lacks none.
fn twice(table: &mut Table) {
    let members = table.of_kind("launcher.lightning_member").to_vec();
    let ranks: BTreeSet<i64> = members.iter().filter_map(|id| table.rows[*id].rank()).collect();
    let lacking = ranks.len() < table.job.size();
    let joined = !table.of_kind("launcher.lightning_joined").is_empty();
    let stepped = table.rows.iter().any(|row| row.says == Says::Progress);
    let Some(first) = members.into_iter().find(|id| table.rows[*id].count > 1) else { return };
    if !lacking || joined || stepped {
        return;
    }
    // Without the rank: its processes are not to blame.
    let mut fields = Fields::default();
    fields.set("world_size", i64::try_from(table.job.size()).unwrap_or(i64::MAX));
    fields.set("what", "several processes took the same rank");
    table.derive("rendezvous.rank_twice", Says::Failure, fields, vec![first]);
}

/// Adds a fact about some ranks, with the host where they share one.
fn about_ranks(table: &mut Table, kind: Name, ranks: &BTreeSet<i64>, fields: Fields, parents: Vec<RowId>) {
    fact_of_ranks(table, kind, Says::Info, ranks, fields, parents);
}

/// The same, where the fact itself is the only sign that something failed.
fn fact_of_ranks(
    table: &mut Table,
    kind: Name,
    says: Says,
    ranks: &BTreeSet<i64>,
    mut fields: Fields,
    mut parents: Vec<RowId>,
) {
    fields.set("ranks", Value::Ranks(ranks.iter().copied().collect()));
    if let (Some(rank), 1) = (ranks.first(), ranks.len()) {
        fields.set("rank", *rank);
    }
    let hosts: BTreeSet<&String> = ranks.iter().filter_map(|rank| table.job.hosts.get(rank)).collect();
    if let (Some(host), 1) = (hosts.first(), hosts.len()) {
        fields.set("node", host.as_str());
        fields.set("host", host.as_str());
    }
    parents.truncate(MOST_PARENTS);
    table.derive(kind, says, fields, parents);
}

/// The last row of a rank that is no failure: where it was when it was last heard.
fn last_sign(table: &Table, rank: i64) -> Option<RowId> {
    let alive =
        |row: &super::Row| row.rank() == Some(rank) && matches!(row.says, Says::Progress | Says::Info | Says::Warning);
    (0..table.rows.len()).filter(|id| alive(&table.rows[*id])).max_by_key(|id| table.rows[*id].last_line)
}

/// See signal(7).
const SIGABRT: i64 = 6;

/// The worker whose end the launcher saw first: one that a signal ended before one that exited with a code, and one with a code
/// of its own before those that Python ended with 1, as an exception over a lost peer does.
fn first_failure(table: &mut Table) {
    let rows: Vec<RowId> =
        table.of_kind("elastic.failure").iter().copied().filter(|id| table.rows[*id].says == Says::Failure).collect();
    let code = |id: &RowId| table.rows[*id].fields.int("exitcode");
    let alone = |id: &RowId| {
        code(id).is_some_and(|own| own > 1) && rows.iter().all(|other| other == id || code(other) == Some(1))
    };
    let weight = |id: &RowId| {
        let fields = &table.rows[*id].fields;
        let signal = fields.int("signal").is_some_and(|signal| signal != SIGABRT);
        (!signal, !alone(id), fields.get("root") != Some(&Value::Bool(true)), table.rows[*id].line)
    };
    let Some(first) = rows.iter().copied().min_by_key(weight) else { return };
    let fields = table.rows[first].fields.clone();
    table.derive("rank.first_failure", Says::Info, fields, vec![first]);
    left(table, first);
    aborted(table, &rows);
}

/// How the news of a lost peer travels, and no reason of its own.
const WAKE: [&str; 5] =
    ["elastic.", "launcher.", "python.comm_exception", "python.launcher_exception", "gloo.connection_lost"];

/// Whether a row is trouble that tells why a process went, beyond the wake of a lost peer and what else is the news itself.
fn gives_a_reason(row: &super::Row, news: &str) -> bool {
    row.is_trouble() && row.kind != news && !WAKE.iter().any(|head| row.kind.starts_with(head))
}

/// The one worker that called abort, and that the others lost, where nobody says why: no exception that nobody caught, and not
/// the watchdog, which Gloo has none of.
fn aborted(table: &mut Table, listed: &[RowId]) {
    let of = |id: &RowId, name: &str| table.rows[*id].fields.int(name);
    let (aborted, others): (Vec<RowId>, Vec<RowId>) = listed.iter().partition(|id| of(id, "signal") == Some(SIGABRT));
    let [one] = aborted[..] else { return };
    if table.of_kind("gloo.connection_lost").is_empty()
        || others.iter().any(|id| of(id, "exitcode") != Some(1))
        || table.rows.iter().any(|row| gives_a_reason(row, "process.aborted"))
    {
        return;
    }
    let mut fields = Fields::default();
    fields.set("what", "it called abort, and no line says why");
    if let Some(rank) = of(&one, "rank") {
        fields.set("rank", rank);
    }
    if let Some(node) = table.rows[one].node() {
        fields.set("node", node.to_owned().as_str());
    }
    table.derive("rank.aborted", Says::Info, fields, vec![one]);
}

/// Families of rows in which a process says why it ends.
const SAYS_WHY: [&str; 6] = ["python.", "gloo.", "cuda.", "nccl.", "torch.", "process."];

/// Facts of runners about one of their processes: it ended by itself, with a code or by calling abort.
const RUNNERS: [Name; 4] = ["launcher.exit", "launcher.aborted", "process.exit_status", "slurm.task_exit"];

/// What stands before the exits of tasks that were told to end.
const TOLD_TO_END: [Name; 2] = ["slurm.cancelled", "slurm.task_terminated"];

/// A rank that a runner names, and whose own words are not in what was read.
fn left_its_runner(table: &mut Table) {
    // Codes from 126 on, and below nought, are a shell's or a signal's.
    let code = |row: &super::Row| row.fields.int("exitcode").is_some_and(|code| (1..=125).contains(&code));
    let told_to_end =
        |line: u64| TOLD_TO_END.iter().flat_map(|kind| table.of_kind(kind)).any(|id| table.rows[*id].line < line);
    let own = |row: &super::Row| match row.kind {
        "process.exit_status" => code(row),
        "slurm.task_exit" => !told_to_end(row.line),
        _ => true,
    };
    let named = |id: &RowId| table.rows[*id].rank().is_some() && own(&table.rows[*id]);
    let mut rows: Vec<RowId> =
        RUNNERS.into_iter().flat_map(|kind| table.of_kind(kind)).copied().filter(named).collect();
    rows.sort_by_key(|id| table.rows[*id].line);
    let Some(first) = rows.first().copied() else { return };
    let one = rows.iter().all(|id| table.rows[*id].rank() == table.rows[first].rank());
    let by_runner = |row: &super::Row| row.kind.starts_with("launcher.") || RUNNERS.contains(&row.kind);
    let says_why = |row: &super::Row| row.says == Says::Failure && !by_runner(row);
    if !one || table.rows.iter().any(says_why) || !table.of_kind("rank.left").is_empty() {
        return;
    }
    let mut told = table.rows[first].fields.clone();
    let how = match told.int("exit_code").or(told.int("exitcode")) {
        _ if table.rows[first].kind == "launcher.aborted" => "it called abort".to_owned(),
        Some(code) => format!("exit code {code}"),
        None => "with an error".to_owned(),
    };
    told.set("how", how.as_str());
    table.derive("rank.left", Says::Info, told, vec![first]);
}

/// A worker that ended itself with a code of its own and said nothing: `sys.exit(7)`, `os._exit(9)`.
fn left(table: &mut Table, first: RowId) {
    let fields = &table.rows[first].fields;
    let (Some(rank), Some(code)) = (fields.int("rank"), fields.int("exitcode").filter(|code| (1..=125).contains(code)))
    else {
        return;
    };
    let says_why = |row: &super::Row| {
        SAYS_WHY.iter().any(|head| row.kind.starts_with(head))
            && matches!(row.says, Says::Failure | Says::Teardown)
            && row.kind != "python.launcher_exception"
            && row.kind != "process.told_to_stop"
    };
    // An exception that nobody catches ends Python with 1: with another code, what a nameless rank says is not its own.
    let its_own = |row: &super::Row| match row.rank() {
        Some(other) => other == rank,
        None => code == 1 || row.kind == "python.exception" || row.kind.starts_with("process."),
    };
    if table.rows.iter().any(|row| says_why(row) && its_own(row)) {
        return;
    }
    let mut told = fields.clone();
    told.set("how", format!("exit code {code}").as_str());
    table.derive("rank.left", Says::Info, told, vec![first]);
}
