//! Who is absent, behind, at odds or without a dump, from the flight-recorder dumps of the ranks.
//!
//! Groups are those of one name and the same ranks: ids are each process's own, and a name can occur twice. In each
//! group, `lo` is the first collective that a rank enqueued and did not complete. Whoever has a smaller `lo` than its
//! peers is *behind*: they completed a collective that its GPU did not. Whoever did not enqueue the one that the others
//! wait in is *absent*. Who waits for whom makes a graph (`waits`): a rank that waits in another group is held up there
//! and no cause.
//!
//! Dumps are not taken at one instant. Where a peer has completed a collective that needs all ranks, and a rank's dump
//! does not even show it as enqueued, that dump is *outdated*: what is missing in it proves nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diag_parsers::{Fields, Says, Value};

use super::fingerprint::at_odds;
use super::waits::{self, Message, Waits};
use super::{RowId, Table, fact_of_ranks};

/// Operations in which every rank has the same number of elements.
const SAME_SIZE: [&str; 7] = [
    "all_reduce",
    "broadcast",
    "reduce",
    "_all_gather_base",
    "_reduce_scatter_base",
    "all_gather_into_tensor",
    "reduce_scatter_tensor",
];

/// What the dump of a rank tells of a group.
#[derive(Debug, Default)]
pub(super) struct Seat {
    /// The first collective that was enqueued and is not completed, and its row.
    pub(super) lo: Option<(i64, RowId)>,
    /// The last that was enqueued, as far as told.
    pub(super) enqueued: Option<i64>,
    /// The last that needs all ranks and is known to have ended well.
    ended: Option<i64>,
    /// The row of the group.
    pub(super) row: Option<RowId>,
    /// Collectives by number; none where several have it (a coalesced group).
    operations: BTreeMap<i64, Option<RowId>>,
}

/// A process group: its name, its ranks, and what their dumps tell.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) members: Vec<i64>,
    /// Whether the members are not told, and its id in the processes that recorded it.
    guess: Option<i64>,
    pub(super) seats: BTreeMap<i64, Seat>,
}

pub(super) fn derive(table: &mut Table) {
    let dumped = ranks(table, &["flight_recorder.dump"]);
    if dumped.is_empty() {
        return;
    }
    let mut groups = groups(table, &dumped);
    complete(&mut groups, &dumped);
    let outdated = outdated(&mut groups);
    if groups.iter().any(|group| odd(table, &group.seats)) {
        return;
    }
    let current: BTreeSet<i64> = dumped.difference(&outdated).copied().collect();
    let waits = Waits::new(&groups, &current, &messages(table));
    if waits.is_empty() {
        unfinished(table, &groups, &dumped);
    } else {
        waits::tell(table, waits, &outdated);
    }
}

fn ranks(table: &Table, kinds: &[&str]) -> BTreeSet<i64> {
    kinds.iter().flat_map(|kind| table.of_kind(kind)).filter_map(|id| table.rows[*id].rank()).collect()
}

/// Sends and receives that did not complete and whose peer is told.
fn messages(table: &Table) -> Vec<Message> {
    let message = |row: &RowId| {
        let fields = &table.rows[*row].fields;
        Some(Message {
            rank: fields.int("rank")?,
            peer: fields.int("peer_rank")?,
            send: fields.text("op") == Some("send"),
            row: *row,
        })
    };
    table.of_kind("flight_recorder.p2p_pending").iter().filter_map(message).collect()
}

/// The groups with what each rank tells of them. Where the members are not told, they are all ranks for the default
/// group, and those that recorded something for another.
fn groups(table: &Table, dumped: &BTreeSet<i64>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut keys: HashMap<(String, Vec<i64>), usize> = HashMap::new();
    let mut of: HashMap<(i64, String), usize> = HashMap::new();
    for id in table.of_kind("flight_recorder.group").iter().copied() {
        let fields = &table.rows[id].fields;
        let (Some(rank), Some(name)) = (fields.int("rank"), fields.text("group")) else { continue };
        let told = fields.get("members").and_then(Value::ranks);
        let everyone = fields.text("desc") == Some("default_pg");
        let members = match told {
            Some(members) => members.to_vec(),
            None if everyone => dumped.iter().copied().collect(),
            None => Vec::new(),
        };
        let guess = fields.int("pg_id").filter(|_| members.is_empty());
        let at = *keys.entry((name.to_owned(), members.clone())).or_insert_with(|| {
            groups.push(Group { name: name.to_owned(), members, guess, ..Group::default() });
            groups.len() - 1
        });
        of.insert((rank, name.to_owned()), at);
        let seat = groups[at].seats.entry(rank).or_default();
        seat.row = Some(id);
        seat.enqueued = fields.int("enqueued");
        seat.ended = fields.int("ended");
    }
    for kind in ["flight_recorder.collective", "flight_recorder.pending"] {
        for id in table.of_kind(kind).iter().copied() {
            let fields = &table.rows[id].fields;
            let (Some(rank), Some(name), Some(seq)) = (fields.int("rank"), fields.text("group"), fields.int("seq"))
            else {
                continue;
            };
            let seat = of.get(&(rank, name.to_owned())).and_then(|at| groups[*at].seats.get_mut(&rank));
            let Some(seat) = seat else { continue };
            seat.operations.entry(seq).and_modify(|slot| *slot = None).or_insert(Some(id));
            if kind == "flight_recorder.pending" {
                seat.lo = Some((seq, id));
            }
        }
    }
    groups
}

/// Adds the members that follow where none are told: groups of one id are the parts of one division of the job, of the
/// same size. Whoever is in none of them belongs to the part that lacks as many.
fn complete(groups: &mut [Group], dumped: &BTreeSet<i64>) {
    let ids: BTreeSet<i64> = groups.iter().filter_map(|group| group.guess).collect();
    for id in ids {
        let parts = || groups.iter().filter(|group| group.guess == Some(id));
        let size = parts().map(|group| group.seats.len()).max().unwrap_or(0);
        let placed: BTreeSet<i64> = parts().flat_map(|group| group.seats.keys().copied()).collect();
        let free: Vec<i64> = dumped.difference(&placed).copied().collect();
        let lacking: usize = parts().map(|group| size - group.seats.len()).sum();
        let short = parts().filter(|group| group.seats.len() < size).count();
        for group in groups.iter_mut().filter(|group| group.guess == Some(id)) {
            group.members = group.seats.keys().copied().collect();
            if short == 1 && lacking == free.len() && group.seats.len() < size {
                group.members.extend(&free);
                free.iter().for_each(|rank| {
                    group.seats.insert(*rank, Seat { enqueued: Some(0), ..Seat::default() });
                });
            }
        }
    }
}

/// Ranks whose dump was taken before those of others; their seats are taken away.
fn outdated(groups: &mut [Group]) -> BTreeSet<i64> {
    let mut old = BTreeSet::new();
    for group in groups.iter() {
        let Some(ended) = group.seats.values().filter_map(|seat| seat.ended).max() else { continue };
        let before = |seat: &Seat| seat.enqueued.is_some_and(|enqueued| enqueued < ended);
        old.extend(group.seats.iter().filter(|(_, seat)| before(seat)).map(|(rank, _)| *rank));
    }
    groups.iter_mut().for_each(|group| group.seats.retain(|rank, _| !old.contains(rank)));
    old
}

/// Tells the first number at which ranks of a group called different collectives.
fn odd(table: &mut Table, seats: &BTreeMap<i64, Seat>) -> bool {
    let numbers: BTreeSet<i64> = seats.values().flat_map(|seat| seat.operations.keys().copied()).collect();
    // Something is amiss only where somebody waits: numbers of a run that went on may be told apart by their sizes.
    if seats.values().all(|seat| seat.lo.is_none()) {
        return false;
    }
    for seq in numbers {
        let of = |(rank, seat): (&i64, &Seat)| Some((*rank, seat.operations.get(&seq).copied()??));
        let rows: BTreeMap<i64, RowId> = seats.iter().filter_map(of).collect();
        let prints: BTreeMap<i64, (String, RowId)> =
            rows.iter().map(|(rank, id)| (*rank, (print(&table.rows[*id].fields), *id))).collect();
        let sides: BTreeSet<&str> = prints.values().map(|(print, _)| print.as_str()).collect();
        if sides.len() > 1 {
            let mut fields = Fields::default();
            fields.set("seq", seq);
            at_odds(table, &prints, fields);
            return true;
        }
    }
    false
}

/// What must be the same on all ranks of a collective.
fn print(fields: &Fields) -> String {
    let op = fields.text("op").unwrap_or_default();
    let dtypes = fields.text("dtypes").unwrap_or_default();
    match fields.int("numel").filter(|_| SAME_SIZE.contains(&op)) {
        Some(numel) => format!("{op} of {numel} {dtypes}"),
        None => op.to_owned(),
    }
}

/// Nothing waits in any dump. A rank that enqueued fewer than its peers, or of which alone there is no dump, is still
/// the one to look at: Gloo forgets what timed out, and marks nothing as completed.
fn unfinished(table: &mut Table, groups: &[Group], dumped: &BTreeSet<i64>) {
    for group in groups {
        let reached = group.seats.values().filter_map(|seat| seat.enqueued).max();
        let Some(reached) = reached.filter(|_| group.seats.values().all(|seat| seat.ended.is_none())) else { continue };
        let fewer = |seat: &Seat| seat.enqueued.is_some_and(|enqueued| enqueued < reached);
        let late: BTreeSet<i64> = group.seats.iter().filter(|(_, seat)| fewer(seat)).map(|(rank, _)| *rank).collect();
        let row = |rank: &i64| group.seats.get(rank).and_then(|seat| seat.row);
        let peer = group.seats.keys().find(|rank| !late.contains(rank)).and_then(row);
        if !late.is_empty() && late.len() < group.seats.len() {
            let mut fields = Fields::default();
            fields.set("group", group.name.as_str());
            fields.set("seq", reached);
            let rows = late.iter().filter_map(row).take(super::MOST_PARENTS - 1).chain(peer).collect();
            fact_of_ranks(table, "collective.fewer", Says::Failure, &late, fields, rows);
            return;
        }
    }
    let Some(group) = groups.iter().max_by_key(|group| group.members.len()) else { return };
    let missing: BTreeSet<i64> = group.members.iter().copied().filter(|rank| !dumped.contains(rank)).collect();
    if !missing.is_empty() && missing.len() * 2 < group.members.len() {
        let rows = group.seats.values().filter_map(|seat| seat.row).take(2).collect();
        let mut fields = Fields::default();
        fields.set("group", group.name.as_str());
        fact_of_ranks(table, "collective.undumped", Says::Failure, &missing, fields, rows);
    }
}
