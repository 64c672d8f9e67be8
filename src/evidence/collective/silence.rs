//! Who says nothing while the others complain.
//!
//! Whoever waits in a collective prints that it waited in vain; whoever lost a peer prints that. A rank that left a
//! sign of life and prints neither was not in the collective (the others timed out: absent), or is dead (the others
//! lost their connections: no record).

use std::collections::BTreeSet;

use diag_parsers::Fields;

use super::super::{Row, stopped};
use super::progress::bereft;
use super::{RowId, Table, about_ranks, last_sign};

/// Rows of a rank that waited in vain.
const WAITED: [&str; 5] = [
    "torch.watchdog_timeout",
    "gloo.wait_timeout",
    "torch.pg_status",
    "torch.store_wait_timeout",
    "torch.unique_id_missing",
];

/// Rows of a rank that lost a peer.
const LOST: [&str; 3] = ["gloo.connection_lost", "torch.store_gone", "python.comm_exception"];

/// Rows that tell how a rank itself ended: it is not silent.
const ENDED: [&str; 6] =
    ["python.exception", "cuda.*", "process.*", "gloo.size_mismatch", "torch.heartbeat_timeout", "elastic.exit"];

/// Rows of ranks that waited for others to come at all: who is missing there is told by them, and was never connected.
const NEVER_MET: [&str; 2] = ["torch.peer_never_came", "torch.join_timeout"];

pub(super) fn derive(table: &mut Table) {
    if !table.rows.iter().any(Row::is_trouble) {
        return;
    }
    if NEVER_MET.iter().any(|kind| !table.of_kind(kind).is_empty()) {
        return;
    }
    if ["collective.absent", "collective.behind", "collective.no_record"]
        .iter()
        .any(|kind| !table.of_kind(kind).is_empty())
    {
        return;
    }
    let waited = ranks(table, &WAITED);
    let lost = ranks(table, &LOST);
    let ended: BTreeSet<i64> = ranks(table, &ENDED).union(&stopped::ranks(table)).copied().collect();
    let kind = if waited.is_empty() { "collective.no_record" } else { "collective.absent" };
    let complaining: BTreeSet<i64> = waited.union(&lost).copied().chain(pending(table)).collect();
    let known = everyone(table);
    let silent: BTreeSet<i64> =
        known.iter().copied().filter(|rank| !complaining.contains(rank) && !ended.contains(rank)).collect();
    let most_complain = complaining.len() * 2 >= known.len() && complaining.len() >= silent.len();
    if silent.is_empty() && ended.is_empty() && lost.is_empty() {
        unheard(table, &waited);
    }
    if silent.is_empty() || complaining.is_empty() || !most_complain || known.len() < 2 {
        return;
    }
    let mut parents: Vec<RowId> = silent.iter().filter_map(|rank| last_sign(table, *rank)).take(3).collect();
    let of: &[&str] = if waited.is_empty() { &LOST } else { &WAITED };
    parents.extend(rows(table, of).into_iter().take(2));
    about_ranks(table, kind, &silent, Fields::default(), parents);
}

/// Ranks that were told to dump before their own time was up, and had a collective pending: they had come to it.
fn pending(table: &Table) -> impl Iterator<Item = i64> + '_ {
    let fields = |id: &RowId| &table.rows[*id].fields;
    let waits = move |id: &&RowId| fields(id).int("enqueued") > fields(id).int("completed");
    table.of_kind("torch.dump_signal").iter().filter(waits).filter_map(|id| table.rows[*id].rank())
}

/// Fewest ranks that must have waited for a gap in their numbers to tell anything.
const MOST_OF: usize = 3;

/// Where the size of the job is not told: the one number that is missing among the ranks that waited.
fn unheard(table: &mut Table, waited: &BTreeSet<i64>) {
    let heard: BTreeSet<i64> = waited.union(&table.job.ranks).copied().collect();
    let Some(last) = heard.last().copied().filter(|last| *last <= heard.len() as i64) else { return };
    let missing: BTreeSet<i64> = (0..last).filter(|rank| !heard.contains(rank)).collect();
    if missing.len() == 1 && waited.len() >= MOST_OF {
        // Work on a host that no rank owns up to is a sign of life of the missing one.
        let busy = table.of_kind("progress.busy").iter().copied().find(|id| table.rows[*id].rank().is_none());
        // The log of its host was read, it says nothing there, and no peer says that it is gone.
        let alive = missing.iter().all(|rank| table.job.hosts.contains_key(rank)) && bereft(table).is_empty();
        let kind = if busy.is_some() || alive { "collective.absent" } else { "collective.unheard" };
        let parents = busy.into_iter().chain(rows(table, &WAITED).into_iter().take(MOST_OF)).collect();
        about_ranks(table, kind, &missing, Fields::default(), parents);
    }
}

/// The ranks of the job: those that left a trace, and all below its size where that is told and mostly heard.
fn everyone(table: &Table) -> BTreeSet<i64> {
    let mut known = table.job.ranks.clone();
    if let Some(size) = table.job.world_size.filter(|size| known.len() as i64 * 2 >= *size) {
        known.extend(0..size);
    }
    known
}

fn rows(table: &Table, kinds: &[&str]) -> Vec<RowId> {
    let fits = |kind: &str| {
        kinds.iter().any(|wanted| wanted.strip_suffix('*').map_or(*wanted == kind, |head| kind.starts_with(head)))
    };
    (0..table.rows.len()).filter(|id| fits(table.rows[*id].kind)).collect()
}

fn ranks(table: &Table, kinds: &[&str]) -> BTreeSet<i64> {
    let rank = |id: RowId| table.rows[id].rank().or_else(|| table.rows[id].fields.int("group_rank"));
    rows(table, kinds).into_iter().filter_map(rank).collect()
}
