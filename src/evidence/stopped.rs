//! Launchers that were told to stop before anything had failed: a scheduler, a time limit, a closed terminal or a person
//! ended the run, and what follows on the other hosts is the wake of that.

use std::collections::BTreeSet;

use diag_parsers::{Fields, Name, Says};

use super::{Row, RowId, Table};

/// What torchrun's agent prints when a signal reaches it (torch v1.9 to v2.11, `elastic/agent/server/api.py`).
const TOLD: Name = "elastic.agent_signal";

/// Names of the signals that the agent handles (`elastic/multiprocessing/api.py`: `SIGTERM,SIGINT,SIGHUP,SIGQUIT`).
const SIGNALS: [(i64, &str); 4] = [(1, "SIGHUP"), (2, "SIGINT"), (3, "SIGQUIT"), (15, "SIGTERM")];

/// Derives `launcher.stopped` where a launcher was told to stop and no failure is told of before that; with the host,
/// where it is one.
pub(super) fn derive(table: &mut Table) {
    let failures: Vec<&Row> = table.rows.iter().filter(|row| row.says == Says::Failure && row.is_trouble()).collect();
    let first = |row: &Row| failures.iter().all(|failure| began_after(table, failure, row));
    let told: Vec<RowId> = table
        .of_kind(TOLD)
        .iter()
        .copied()
        .filter(|id| table.rows[*id].aside.is_none() && signal(&table.rows[*id]).is_some() && first(&table.rows[*id]))
        .collect();
    let Some(signal) = told.first().and_then(|id| signal(&table.rows[*id])) else { return };
    let mut fields = Fields::default();
    fields.set("signal", signal);
    let nodes: BTreeSet<&str> = told.iter().filter_map(|id| table.rows[*id].node()).collect();
    if let (Some(node), 1) = (nodes.first(), nodes.len()) {
        fields.set("node", *node);
    }
    fields.set("hosts", nodes.len().max(1) as i64);
    table.derive(
        "launcher.stopped",
        Says::Info,
        fields,
        told.into_iter().take(super::collective::MOST_PARENTS).collect(),
    );
}

/// Whether a failure is told of later than a row. One that prints no time is no older than the line before it that does.
fn began_after(table: &Table, failure: &Row, row: &Row) -> bool {
    let above = |other: &&Row| other.source == failure.source && other.line < failure.line && other.placed.is_some();
    let timed = || table.rows.iter().filter(above).max_by_key(|other| other.line);
    let later = |failure: &Row| failure.before(row) == Some(false);
    later(failure) || (failure.placed.is_none() && failure.source != row.source && timed().is_some_and(later))
}

/// The name of the signal. The exception by which the agent then leaves tells it again, further down.
fn signal(row: &Row) -> Option<&'static str> {
    let name = row.fields.text("name")?;
    let name = name.trim_start_matches("Signals.");
    SIGNALS.iter().find(|(number, signal)| *signal == name || name == number.to_string()).map(|(_, signal)| *signal)
}

/// The ranks of the hosts whose launcher was told to stop: they did not keep anybody waiting by themselves.
pub(super) fn ranks(table: &Table) -> BTreeSet<i64> {
    let nodes: BTreeSet<&str> = table
        .of_kind("launcher.stopped")
        .iter()
        .flat_map(|id| &table.rows[*id].parents)
        .filter_map(|id| table.rows[*id].node())
        .collect();
    table.job.hosts.iter().filter(|(_, host)| nodes.contains(host.as_str())).map(|(rank, _)| *rank).collect()
}

#[cfg(test)]
mod tests {
    use crate::evidence::of_logs;

    const TOLD: &str = "gpu-17: W0504 03:12:44.100000 4121 torch/distributed/elastic/agent/server/api.py:741] Received 2 death signal, shutting down workers\n";
    const CLOSED: &str = "[rank1]:[E504 03:12:45.048159404 ProcessGroupNCCL.cpp:612] [Rank 1] Collective WorkNCCL(SeqNum=12, OpType=ALLREDUCE, NumelIn=8, NumelOut=8, Timeout(ms)=12000) raised the following async exception: NCCL error: remote process exited or there was a network error, NCCL version 2.28.9\n";
    const RAISED: &str = "[rank1]: KeyError: 'image_path'\n";

    fn stopped(logs: &[(&str, &str)]) -> Option<String> {
        let table = of_logs(logs);
        let id = table.of_kind("launcher.stopped").first()?;
        Some(format!("{} {}", table.rows[*id].node()?, table.rows[*id].fields.text("signal")?))
    }

    #[test]
    fn a_launcher_that_is_told_to_stop_before_anything_failed() {
        assert_eq!(stopped(&[("gpu-17.log", TOLD), ("gpu-18.log", CLOSED)]).as_deref(), Some("gpu-17 SIGINT"));
        let after = [CLOSED, RAISED].concat();
        assert!(
            stopped(&[("gpu-17.log", TOLD), ("gpu-18.log", &after)]).is_some(),
            "the line before it is late enough"
        );
    }

    #[test]
    fn one_that_is_told_because_of_a_failure_was_not_stopped_from_outside() {
        assert_eq!(stopped(&[("gpu-17.log", &[RAISED, TOLD].concat())]), None);
        assert_eq!(stopped(&[("gpu-17.log", TOLD), ("gpu-18.log", RAISED)]), None, "it may have been before");
        let early = CLOSED.replace("03:12:45", "03:12:43");
        assert_eq!(stopped(&[("gpu-17.log", TOLD), ("gpu-18.log", &early)]), None);
    }
}
