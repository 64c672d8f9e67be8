//! Whom the kernel killed for memory: a process of the job, or somebody else's on the same host.
//!
//! A kernel's log often counts seconds since boot and tells no date: nothing says then whether a kill in it was of this
//! job. Its control group may: Slurm names the job there. Else what the job lost decides: where each of its deaths has a
//! reason that no kill brings about, and nothing of it was killed or lost a peer, the victim was not the job's.

use std::collections::HashSet;

use diag_parsers::Name;

use super::{Aside, Row, RowId, Table, parts, window};

const KILLED: Name = "kernel.oom_killed";

/// Errors of a program by itself; a process that misses another one raises errors of its sockets, pipes or run time.
const OF_PROGRAM: [&str; 14] = [
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "FileNotFoundError",
    "ImportError",
    "IndexError",
    "KeyError",
    "ModuleNotFoundError",
    "NameError",
    "NotImplementedError",
    "SyntaxError",
    "TypeError",
    "ValueError",
    "ZeroDivisionError",
];

/// SIGILL, SIGFPE, SIGSEGV: the process ran into them itself.
const FAULTS: [i64; 3] = [4, 8, 11];

/// SIGKILL.
const KILL: i64 = 9;

/// What says that something of the job was killed, or that one process lost another. An abort may follow either.
const LOSSES: [&str; 18] = [
    "slurm.oom_kill",
    "slurm.task_oom",
    "slurm.task_killed",
    "slurm.memory_limit",
    "slurm.job_memory_limit",
    "sacct.out_of_memory",
    "sacct.killed",
    "launcher.killed",
    "launcher.ray_oom",
    "launcher.ray_worker_died",
    "launcher.vllm_worker_died",
    "process.loader_killed",
    "process.loader_gone",
    "process.no_memory",
    "process.aborted",
    "kubernetes.oom_killed",
    "python.comm_exception",
    "gloo.connection_lost",
];

/// Sets kills aside that befell a process of somebody else.
pub(super) fn derive(table: &mut Table) {
    let killed: Vec<RowId> =
        table.of_kind(KILLED).iter().copied().filter(|id| table.rows[*id].aside.is_none()).collect();
    if killed.is_empty() {
        return;
    }
    let owners = parts::owners(table);
    let of_job = || table.rows.iter().filter(|row| window::is_printed_by_job(row));
    let pids: HashSet<i64> = of_job().filter_map(|row| row.fields.int("pid")).collect();
    let troubles: Vec<&Row> = of_job().filter(|row| row.is_trouble()).collect();
    let losses = LOSSES.iter().flat_map(|kind| table.of_kind(kind)).any(|id| table.rows[*id].is_trouble());
    let explained = !losses && !troubles.iter().any(|row| by_signal(row) == Some(KILL));
    let own: Vec<&Row> = troubles.into_iter().filter(|row| fails_itself(row)).collect();
    let verdict = |row: &Row| {
        if is_of_other_job(row, table.job.window.job.as_ref().or(owners[row.source].as_ref())) {
            return Some(Aside::OtherJob);
        }
        let known = row.fields.int("victim_pid").is_some_and(|pid| pids.contains(&pid));
        // Where the clocks compare, a death right behind the kill may be its wake whatever it says of itself.
        let apart = || own.iter().all(|death| death.since(row).is_none());
        (explained && !known && !own.is_empty() && apart()).then_some(Aside::OtherProcess)
    };
    let marks: Vec<(RowId, Aside)> =
        killed.into_iter().filter_map(|id| Some((id, verdict(&table.rows[id])?))).collect();
    for (id, why) in marks {
        table.rows[id].aside = Some(why);
    }
}

/// Whether the victim's control group is of a job that is not the one whose log this is.
fn is_of_other_job(row: &Row, mine: Option<&String>) -> bool {
    let told = row.fields.get("job").filter(|_| row.fields.get("cgroup").is_some()).map(ToString::to_string);
    told.zip(mine).is_some_and(|(told, mine)| told != *mine)
}

/// Whether a row tells of a death that no kill of another process brings about.
fn fails_itself(row: &Row) -> bool {
    let raised =
        row.kind == "python.exception" && row.fields.text("type").is_some_and(|kind| OF_PROGRAM.contains(&kind));
    let fault = row.kind == "process.signal" && row.fields.text("what").is_some_and(|what| !what.starts_with("Bus"));
    raised || fault || by_signal(row).is_some_and(|signal| FAULTS.contains(&signal))
}

/// The signal of which a row says that a process died: by itself, as a negative code, or as a shell passes it on.
fn by_signal(row: &Row) -> Option<i64> {
    let code = ["exitcode", "exit_code", "code", "status"].into_iter().find_map(|name| row.fields.int(name));
    let passed = code.and_then(|code| if code < 0 { Some(-code) } else { code.checked_sub(128).filter(|n| *n > 0) });
    row.fields.int("signal").or(passed)
}
