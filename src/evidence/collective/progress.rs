//! Who is absent and who is behind, from the counts of enqueued and completed collectives.
//!
//! A watchdog tells for its process group how many collectives were enqueued and how many completed. The stuck one is
//! the one behind the last that completed. A rank that enqueued fewer never came (host side); one that came and
//! completed fewer than its peers is behind (GPU or network side).

use std::collections::{BTreeMap, BTreeSet};

use diag_parsers::Fields;

use super::super::Row;
use super::{RowId, Table, about_ranks};

/// Rows that tell the counts.
const TELLERS: [&str; 2] = ["torch.pg_status", "torch.dump_signal"];

/// What a rank said of a group: the latest counts, and where.
#[derive(Debug, Clone, Copy)]
struct Count {
    enqueued: i64,
    completed: i64,
    row: RowId,
}

type Group = BTreeMap<i64, Count>;

pub(super) fn derive(table: &mut Table) {
    let mut groups = groups(table);
    groups.retain(|_, group| !mixed(table, group));
    let ended = ended(table);
    for group in groups.values_mut() {
        group.retain(|rank, count| count.enqueued >= 0 || !ended.contains(rank));
    }
    let waiting: BTreeSet<i64> = groups
        .values()
        .flatten()
        .filter(|(_, count)| count.enqueued > count.completed)
        .map(|(rank, _)| *rank)
        .collect();
    let bereft = bereft(table);
    for (name, group) in groups {
        judge(table, &name, &group, &waiting, &bereft);
    }
}

/// Ranks whose worker torchrun saw end: one that has enqueued nothing since was started in its place.
fn ended(table: &Table) -> BTreeSet<i64> {
    table.of_kind("elastic.exit").iter().filter_map(|id| table.rows[*id].rank()).collect()
}

/// Ranks whose collective failed because a process at another end of it has gone: wherever that left them, they were not
/// slower than their peers.
pub(super) fn bereft(table: &Table) -> BTreeSet<i64> {
    let of_peer = |row: &&Row| row.fields.text("why").is_some_and(|why| why.contains("remote process"));
    let rows = table.of_kind("nccl.framework_error").iter().map(|id| &table.rows[*id]);
    rows.filter(of_peer).filter_map(Row::rank).collect()
}

/// Counts by group and rank. Without a group's name all lines are of one group; ranks are global where known.
fn groups(table: &Table) -> BTreeMap<String, Group> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for id in TELLERS.iter().flat_map(|kind| table.of_kind(kind)).copied() {
        let fields = &table.rows[id].fields;
        let (Some(enqueued), Some(completed)) = (fields.int("enqueued"), fields.int("completed")) else { continue };
        let Some(rank) = fields.int("rank").or_else(|| fields.int("group_rank")) else { continue };
        let name =
            fields.text("pg").or_else(|| fields.text("pg_name")).or_else(|| fields.text("pg_id")).unwrap_or_default();
        let count = Count { enqueued, completed, row: id };
        let slot = groups.entry(name.to_owned()).or_default().entry(rank).or_insert(count);
        if enqueued > slot.enqueued {
            *slot = count;
        }
    }
    groups
}

/// Whether lines of several groups stand under one name: up to 2.3 torch tells a number that each process counts for
/// itself, so that all groups of one dimension have the same. Two ranks can't have one place in a group.
fn mixed(table: &Table, group: &Group) -> bool {
    let mut places: BTreeMap<i64, i64> = BTreeMap::new();
    group.iter().any(|(rank, count)| {
        let place = table.rows[count.row].fields.int("group_rank").unwrap_or(*rank);
        places.insert(place, *rank).is_some()
    })
}

fn judge(table: &mut Table, name: &str, group: &Group, waiting: &BTreeSet<i64>, bereft: &BTreeSet<i64>) {
    let pending = || group.iter().filter(|(_, count)| count.enqueued > count.completed);
    let Some(stuck) = pending().map(|(_, count)| count.completed + 1).max() else { return };
    let mut fields = Fields::default();
    fields.set("group", name);
    fields.set("seq", stuck);
    // A rank that waits in another group is held up there: it is no cause here.
    let absent: BTreeSet<i64> = group
        .iter()
        .filter(|(_, count)| count.enqueued < stuck && count.enqueued <= count.completed)
        .map(|(rank, _)| *rank)
        .collect();
    let idle: BTreeSet<i64> = absent.iter().copied().filter(|rank| !waiting.contains(rank)).collect();
    let behind: BTreeSet<i64> = pending()
        .filter(|(rank, count)| count.completed + 1 < stuck && !bereft.contains(rank))
        .map(|(rank, _)| *rank)
        .collect();
    let rows = |ranks: &BTreeSet<i64>| -> Vec<RowId> {
        let of = ranks.iter().filter_map(|rank| group.get(rank)).map(|count| count.row);
        let peer = pending().find(|(rank, _)| !ranks.contains(rank)).map(|(_, count)| count.row);
        of.take(super::MOST_PARENTS - 1).chain(peer).collect()
    };
    if 2 * idle.len() > group.len() {
        // As well most may be held up as the few may have called what the program has no place for.
        let alone: BTreeSet<i64> = pending().map(|(rank, _)| *rank).collect();
        about_ranks(table, "collective.alone", &alone, fields, rows(&alone));
    } else if !idle.is_empty() {
        about_ranks(table, "collective.absent", &idle, fields, rows(&idle));
    } else if !behind.is_empty() {
        about_ranks(table, "collective.behind", &behind, fields, rows(&behind));
    } else if group.len() > 1 && absent.is_empty() {
        let all: BTreeSet<i64> = group.keys().copied().collect();
        about_ranks(table, "collective.stuck_together", &all, fields, rows(&all));
    }
}
