//! Who neither complains nor is on torchrun's list of failed workers.
//!
//! Torchrun lists each worker that failed by itself, with its rank, and says whom it ended (torch v1.9 to v2.11,
//! `elastic/agent/server/api.py`, `elastic/multiprocessing/api.py`). So it is known how many workers there were: whoever is not
//! among those that waited or lost a peer was alive all the while, or had left before with exit code 0. Tracebacks of torch up
//! to 2.1 carry no rank: there the list is all that tells.

use std::collections::BTreeSet;

use diag_parsers::Fields;

use super::super::Row;
use super::{RowId, Table, about_ranks, gives_a_reason, last_sign};

const ABSENT: &str = "collective.absent";
const LEFT: &str = "collective.no_record";
const LISTED: &str = "elastic.failure";
const ENDED_BY_TORCHRUN: &str = "elastic.sigterm";
const WAITED: &str = "gloo.wait_timeout";
const LOST: &str = "gloo.connection_lost";

/// Most workers of one torchrun that are believed: it starts one for each GPU of its host.
const MOST: i64 = 1024;

/// Fewest workers that complain by which anything is told of another: one of two may as well be the cause.
const FEWEST: usize = 2;

pub(super) fn derive(table: &mut Table) {
    let known = [ABSENT, "collective.behind", "collective.mismatch"];
    let reason = |row: &Row| gives_a_reason(row, WAITED);
    if known.iter().any(|kind| !table.of_kind(kind).is_empty()) || table.rows.iter().any(reason) {
        return;
    }
    let sources: BTreeSet<usize> = table.of_kind(LISTED).iter().map(|id| table.rows[*id].source).collect();
    for source in sources {
        let Some((kind, ranks, lines)) = Host::of(table, source).and_then(Host::missing) else { continue };
        let busy = table.of_kind("progress.busy").iter().copied().find(|id| table.rows[*id].rank().is_none());
        let seen = ranks.iter().filter_map(|rank| last_sign(table, *rank)).take(3);
        let parents = seen.chain(busy.filter(|_| kind == ABSENT)).chain(lines).collect();
        let mut fields = Fields::default();
        if kind == LEFT {
            fields.set("how", "had left with exit code 0: torchrun neither lists nor ended it");
        }
        about_ranks(table, kind, &ranks, fields, parents);
    }
}

/// The workers of one torchrun.
#[derive(Default)]
struct Host {
    /// Rank of its first worker.
    first: i64,
    /// Ranks that failed by themselves, or said that they waited or lost a peer.
    complain: BTreeSet<i64>,
    /// How many failed by themselves, and how many torchrun ended.
    accounted: usize,
    /// Lines of those that waited in vain, of those that lost a peer, and of the list.
    waited: Vec<RowId>,
    lost: Vec<RowId>,
    list: Vec<RowId>,
    waits: u64,
}

impl Host {
    fn of(table: &Table, source: usize) -> Option<Self> {
        let here = |kind: &str| -> Vec<RowId> {
            table.of_kind(kind).iter().copied().filter(|id| table.rows[*id].source == source).collect()
        };
        let (waited, lost, list) = (here(WAITED), here(LOST), here(LISTED));
        let waits = waited.iter().map(|id| table.rows[*id].count).sum();
        let mut host = Self { waited, lost, list, waits, ..Self::default() };
        let mut firsts = BTreeSet::new();
        for id in &host.list {
            let row = &table.rows[*id];
            let (rank, local) = (row.rank()?, row.fields.int("local_rank").filter(|local| (0..MOST).contains(local))?);
            // A worker that is there twice was started twice; one with a signal or a code of its own is another story.
            if row.fields.int("exitcode") != Some(1) || !host.complain.insert(rank) {
                return None;
            }
            firsts.insert(rank - local);
        }
        host.first = firsts.first().copied().filter(|_| firsts.len() == 1)?;
        let ended: BTreeSet<i64> =
            here(ENDED_BY_TORCHRUN).into_iter().filter_map(|id| table.rows[id].fields.int("worker")).collect();
        host.accounted = host.list.len() + ended.len();
        host.complain.extend(host.waited.iter().chain(&host.lost).filter_map(|id| table.rows[*id].rank()));
        // Ranks before its first are of another host: whose torchrun ended whom is not told then.
        (host.complain.first() >= Some(&host.first)).then_some(host)
    }

    /// What is to be said of whom, and by which lines.
    fn missing(self) -> Option<(&'static str, BTreeSet<i64>, Vec<RowId>)> {
        let accounted = i64::try_from(self.accounted).ok()?;
        let workers = Some(accounted.max(self.complain.last()? - self.first + 1)).filter(|count| *count <= MOST)?;
        let all = self.first..self.first + workers;
        let ranks: BTreeSet<i64> = all.filter(|rank| !self.complain.contains(rank)).collect();
        let all_complain = self.accounted == self.complain.len();
        let all_accounted = accounted == workers;
        let (kind, signs) = match () {
            () if all_accounted && self.waits >= FEWEST as u64 => (ABSENT, self.waited),
            () if all_complain && self.waited.is_empty() && !self.lost.is_empty() => (LEFT, self.lost),
            () => return None,
        };
        let few = !ranks.is_empty() && self.complain.len() >= FEWEST && ranks.len() * 2 <= self.complain.len();
        few.then(|| (kind, ranks, signs.into_iter().take(2).chain(self.list.into_iter().take(2)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use crate::evidence::of_log;

    const WAITED: &str = "RuntimeError: [../third_party/gloo/gloo/transport/tcp/unbound_buffer.cc:84] Timed out waiting 12000ms for recv operation to complete\n";
    const LOST: &str = "RuntimeError: [../third_party/gloo/gloo/transport/tcp/pair.cc:598] Connection closed by peer [10.0.4.18]:41022\n";
    const ENDED: &str =
        "WARNING:torch.distributed.elastic.multiprocessing.api:Sending process 4123 closing signal SIGTERM\n";

    fn list(first: i64, locals: &[i64], code: i64) -> String {
        let one = |(nth, local): (usize, &i64)| {
            let rank = first + local;
            format!(
                "[{nth}]:\n  time      : 2026-05-04_03:12:44\n  host      : gpu-17\n  rank      : {rank} (local_rank: {local})\n  \
                 exitcode  : {code} (pid: 41{local})\n  error_file: <N/A>\n  traceback : To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html\n"
            )
        };
        let all: String = locals.iter().enumerate().map(one).collect();
        format!(
            "============================================================\ntrain.py FAILED\n------------------------------------------------------------\nFailures:\n{all}============================================================\n"
        )
    }

    /// Lines of newer releases, which tell the rank.
    fn of_ranks(line: &str, ranks: &[i64]) -> String {
        ranks.iter().map(|rank| format!("[rank{rank}]: {line}")).collect()
    }

    fn ended(workers: i64) -> String {
        (0..workers).map(|nth| ENDED.replace("4123", &format!("42{nth}"))).collect()
    }

    fn told(log: &str) -> Vec<(&'static str, Vec<i64>)> {
        let table = of_log(log);
        let facts = ["collective.absent", "collective.no_record"];
        let rows = table.rows.iter().filter(|row| facts.contains(&row.kind));
        rows.map(|row| (row.kind, row.fields.get("ranks").unwrap().ranks().unwrap().to_vec())).collect()
    }

    #[test]
    fn who_was_alive_while_the_others_waited_in_vain_kept_them_waiting() {
        let log = |locals: &[i64]| [WAITED, WAITED, LOST, ENDED, &list(8, locals, 1)].concat();
        assert_eq!(told(&log(&[0, 1, 3])), [("collective.absent", vec![10])]);
        assert_eq!(told(&log(&[0, 1, 2])), [("collective.absent", vec![11])], "the last");
        assert_eq!(told(&log(&[0, 3])), [], "who of the two was alive is not told");
    }

    #[test]
    fn who_was_not_there_to_be_ended_had_left_without_an_error() {
        assert_eq!(told(&[LOST, LOST, LOST, &list(0, &[0, 1, 3], 1)].concat()), [("collective.no_record", vec![2])]);
        assert_eq!(
            told(&[LOST, LOST, LOST, &list(0, &[0, 1, 2], 1)].concat()),
            [],
            "whether there is a fourth is not told"
        );
    }

    /// Newer releases of torchrun look ten times a second: it ends most of those that complain before they are done.
    #[test]
    fn torchrun_may_have_ended_those_that_complain_as_well() {
        let log =
            |line: &str, ranks: &[i64], workers| [of_ranks(line, ranks), ended(workers), list(8, &[0], 1)].concat();
        assert_eq!(told(&log(WAITED, &[8, 9, 11], 3)), [("collective.absent", vec![10])]);
        assert_eq!(told(&log(LOST, &[8, 9, 11], 2)), [("collective.no_record", vec![10])]);
        assert_eq!(told(&log(LOST, &[8, 9, 11], 3)), [], "who is alive had not left");
        assert_eq!(told(&log(WAITED, &[4, 8, 9, 11], 3)), [], "ranks of two hosts");
    }

    #[test]
    fn an_exception_of_its_own_and_another_code_are_other_stories() {
        let raised = "KeyError: 'labels'\n";
        assert_eq!(told(&[LOST, LOST, raised, &list(0, &[0, 1, 3], 1)].concat()), []);
        let far = of_ranks(LOST, &[0, 1, i64::MAX]) + &list(0, &[0, 1], 1);
        assert_eq!(told(&far), [], "no job has so many");
        let coded = list(0, &[0, 1, 3], 17);
        assert_eq!(told(&[LOST, LOST, &coded].concat()), []);
    }
}
