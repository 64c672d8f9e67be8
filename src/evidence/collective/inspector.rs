//! Who comes last to its collectives, as NCCL's Inspector measured them.
//!
//! The last to come is in a collective for the shortest time. One that is so in all kinds of collective which its
//! communicator calls often is slow by itself; where several take turns, the work is uneven.

use std::collections::{BTreeMap, BTreeSet};

use diag_parsers::Fields;

use super::{RowId, Table, about_ranks};

/// Fewest members of a communicator that must have left a dump.
const FEWEST: usize = 3;

/// Fewest collectives of a kind that a rank must have measured.
const FEWEST_TIMES: i64 = 8;

/// How many times longer the others are in a collective, at least.
const FACTOR: i64 = 2;

/// Shorter than this the others don't wait, in microseconds: launches alone differ by as much.
const WAIT_US: i64 = 500;

/// Communicator, operation and size in bytes.
type Kind = (String, String, i64);

/// Rank to its time, in microseconds, and the row that tells.
type Times = BTreeMap<i64, (i64, RowId)>;

/// Who came last, its row, that of the next one, and how many times longer the others took.
type Last = (i64, RowId, RowId, i64);

pub(super) fn derive(table: &mut Table) {
    let mut kinds: BTreeMap<Kind, Times> = BTreeMap::new();
    for id in table.of_kind("nccl.inspector").iter().copied() {
        let fields = &table.rows[id].fields;
        let (Some(comm), Some(op), Some(bytes)) = (fields.text("comm"), fields.text("op"), fields.int("bytes")) else {
            continue;
        };
        let (Some(rank), Some(time), Some(times)) =
            (fields.int("comm_rank"), fields.int("median_us"), fields.int("times"))
        else {
            continue;
        };
        if times >= FEWEST_TIMES {
            kinds.entry((comm.to_owned(), op.to_owned(), bytes)).or_default().insert(rank, (time, id));
        }
    }
    // The largest communicator is the job's: its ranks are global.
    let Some(job) = kinds.iter().max_by_key(|(_, ranks)| ranks.len()).map(|((comm, ..), _)| comm.clone()) else {
        return;
    };
    let verdicts: Vec<Option<Last>> = kinds
        .iter()
        .filter(|((comm, ..), ranks)| *comm == job && ranks.len() >= FEWEST)
        .map(|(_, ranks)| last(ranks))
        .collect();
    let named: BTreeSet<i64> = verdicts.iter().flatten().map(|(rank, ..)| *rank).collect();
    let Some((rank, own, peer, factor)) = verdicts.iter().flatten().max_by_key(|(.., factor)| *factor).copied() else {
        return;
    };
    let mut fields = Fields::default();
    fields.set("factor", factor);
    if named.len() > 1 {
        let rows = verdicts.iter().flatten().map(|(_, own, ..)| *own).collect();
        about_ranks(table, "collective.uneven", &named, fields, rows);
        return;
    }
    if let Some(node) = table.rows[own].node() {
        fields.set("node", node);
    }
    about_ranks(table, "collective.comes_last", &BTreeSet::from([rank]), fields, vec![own, peer]);
}

/// The one that is much shorter in a kind of collective than all others, its row, one of another, and how much shorter.
fn last(ranks: &Times) -> Option<Last> {
    let mut ordered: Vec<(i64, i64, RowId)> = ranks.iter().map(|(rank, (time, row))| (*time, *rank, *row)).collect();
    ordered.sort_unstable();
    let [(shortest, rank, own), (next, _, peer), ..] = ordered.as_slice() else { return None };
    let factor = next / (*shortest).max(1);
    (factor >= FACTOR && next - shortest >= WAIT_US).then_some((*rank, *own, *peer, factor))
}
