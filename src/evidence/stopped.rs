//! Launchers that were told to stop before anything had failed: a scheduler, a time limit, a closed terminal or a person
//! ended the run, and what follows on the other hosts is the wake of that.

use std::collections::{BTreeMap, BTreeSet};

use diag_parsers::{Fields, Name, Says, Value};

use super::collective::MOST_PARENTS;
use super::{Row, RowId, Table};

/// The fact that is derived.
const STOPPED: Name = "launcher.stopped";

/// What torchrun's agent prints when a signal reaches it (torch v1.9 to v2.11, `elastic/agent/server/api.py`).
const TOLD: Name = "elastic.agent_signal";

/// Names of the signals that the agent handles (`elastic/multiprocessing/api.py`: `SIGTERM,SIGINT,SIGHUP,SIGQUIT`).
const SIGNALS: [(i64, &str); 4] = [(1, "SIGHUP"), (2, "SIGINT"), (3, "SIGQUIT"), (15, "SIGTERM")];

/// Derives `launcher.stopped` where launchers were told to stop and no failure is told of before that: with the ranks of
/// their hosts, and the host where it is one.
pub(super) fn derive(table: &mut Table) {
    let failures = Failures::new(table);
    let outside = |row: &Row| row.aside.is_none() && signal(row).is_some() && failures.are_after(row);
    let told: Vec<RowId> = table.of_kind(TOLD).iter().copied().filter(|id| outside(&table.rows[*id])).collect();
    let Some(signal) = told.first().and_then(|id| signal(&table.rows[*id])) else { return };
    let mut fields = Fields::default();
    fields.set("signal", signal);
    let nodes: BTreeSet<&str> = told.iter().filter_map(|id| table.rows[*id].node()).collect();
    if let (Some(node), 1) = (nodes.first(), nodes.len()) {
        fields.set("node", *node);
    }
    let hosts = table.job.hosts.iter();
    let ranks: Vec<i64> = hosts.filter(|(_, host)| nodes.contains(host.as_str())).map(|(rank, _)| *rank).collect();
    if !ranks.is_empty() {
        fields.set("ranks", Value::Ranks(ranks));
    }
    let parents = told.into_iter().take(MOST_PARENTS).collect();
    table.derive(STOPPED, Says::Info, fields, parents);
}

/// The ranks of the hosts whose launcher was told to stop: they did not keep anybody waiting by themselves.
pub(super) fn ranks(table: &Table) -> BTreeSet<i64> {
    let rows = table.of_kind(STOPPED).iter().map(|id| &table.rows[*id]);
    rows.filter_map(|row| row.fields.get("ranks")?.ranks()).flatten().copied().collect()
}

/// The first failure of each source.
struct Failures<'t>(Vec<Failure<'t>>);

struct Failure<'t> {
    row: &'t Row,
    /// The nearest line above it that prints a time, where it prints none: it is no older than that.
    above: Option<&'t Row>,
}

impl<'t> Failures<'t> {
    fn new(table: &'t Table) -> Self {
        let mut first: BTreeMap<usize, Failure<'t>> = BTreeMap::new();
        for row in table.rows.iter().filter(|row| row.says == Says::Failure && row.is_trouble()) {
            let failure = first.entry(row.source).or_insert(Failure { row, above: None });
            if row.line < failure.row.line {
                failure.row = row;
            }
        }
        for timed in table.rows.iter().filter(|row| row.placed.is_some()) {
            let Some(failure) = first.get_mut(&timed.source) else { continue };
            if timed.line < failure.row.line && failure.above.is_none_or(|above| above.line < timed.line) {
                failure.above = Some(timed);
            }
        }
        Self(first.into_values().collect())
    }

    /// Whether all were told of later than a row.
    fn are_after(&self, row: &Row) -> bool {
        let later = |failure: &Row| failure.before(row) == Some(false);
        let by_line_above = |failure: &Failure<'_>| {
            failure.row.placed.is_none() && failure.row.source != row.source && failure.above.is_some_and(later)
        };
        self.0.iter().all(|failure| later(failure.row) || by_line_above(failure))
    }
}

/// The name of the signal. The exception by which the agent then leaves tells it again, further down.
fn signal(row: &Row) -> Option<&'static str> {
    let name = row.fields.text("name")?.trim_start_matches("Signals.");
    SIGNALS.iter().find(|(number, signal)| *signal == name || name == number.to_string()).map(|(_, signal)| *signal)
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
    fn the_ranks_of_all_their_hosts_are_known() {
        let host = |rank: i64| {
            let began =
                format!("[rank{rank}]: gpu-{rank}:4121:4121 [0] NCCL INFO NCCL_IB_TIMEOUT set by environment to 22.\n");
            began + &TOLD.replace("gpu-17", &format!("gpu-{rank}"))
        };
        let logs: Vec<String> = (0..20).map(host).collect();
        let logs: Vec<(&str, &str)> = logs.iter().map(|log| ("job.log", log.as_str())).collect();
        assert_eq!(super::ranks(&of_logs(&logs)), (0..20).collect());
    }

    #[test]
    fn one_that_is_told_because_of_a_failure_was_not_stopped_from_outside() {
        assert_eq!(stopped(&[("gpu-17.log", &[RAISED, TOLD].concat())]), None);
        assert_eq!(stopped(&[("gpu-17.log", TOLD), ("gpu-18.log", RAISED)]), None, "it may have been before");
        let early = CLOSED.replace("03:12:45", "03:12:43");
        assert_eq!(stopped(&[("gpu-17.log", TOLD), ("gpu-18.log", &early)]), None);
    }
}
