//! Who is absent, behind, at odds or without a dump, from the flight-recorder dumps of the ranks.
//!
//! Groups are those of one name and the same ranks: ids are each process's own, and a name can occur twice. In each
//! group, `lo` is the first collective that a rank enqueued and did not complete. Whoever has a smaller `lo` than its
//! peers is *behind*: they completed a collective that its GPU did not. Whoever has none, and did not pass the one that
//! the others wait in, is *absent*: its host never enqueued it. A rank that waits in another group is held up there and
//! no cause. A rank without a dump is a third class: nothing tells what it did.

use std::collections::{BTreeMap, BTreeSet};

use diag_parsers::{Fields, Value};

use super::fingerprint::at_odds;
use super::{RowId, Table, about_ranks};

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

/// A group: its name and its ranks.
type Key = (String, Vec<i64>);

/// What the dump of a rank tells of a group.
#[derive(Debug, Default)]
struct Seat {
    /// The first collective that was enqueued and is not completed, and its row.
    lo: Option<(i64, RowId)>,
    /// The last that was enqueued, as far as told.
    enqueued: Option<i64>,
    /// The last that completed, as far as told.
    completed: Option<i64>,
    /// The row of the group.
    row: Option<RowId>,
    /// Collectives by number; none where several have it (a coalesced group).
    operations: BTreeMap<i64, Option<RowId>>,
}

type Seats = BTreeMap<i64, Seat>;

pub(super) fn derive(table: &mut Table) {
    let dumped = ranks(table, &["flight_recorder.dump"]);
    if dumped.is_empty() {
        return;
    }
    let waiting = ranks(table, &["flight_recorder.pending", "flight_recorder.p2p_pending"]);
    let groups = groups(table, &dumped);
    if groups.iter().any(|(_, seats)| odd(table, seats)) {
        return;
    }
    let mut late = Late::default();
    for (key, seats) in &groups {
        late.judge(key, seats, &dumped, &waiting);
    }
    late.tell(table);
}

fn ranks(table: &Table, kinds: &[&str]) -> BTreeSet<i64> {
    kinds.iter().flat_map(|kind| table.of_kind(kind)).filter_map(|id| table.rows[*id].rank()).collect()
}

/// The groups with what each rank tells of them. Where the members are not told, they are all ranks for the default
/// group, and those that recorded something for another.
fn groups(table: &Table, dumped: &BTreeSet<i64>) -> BTreeMap<Key, Seats> {
    let mut groups: BTreeMap<Key, Seats> = BTreeMap::new();
    let mut keys: BTreeMap<(i64, String), Key> = BTreeMap::new();
    for id in table.of_kind("flight_recorder.group").iter().copied() {
        let fields = &table.rows[id].fields;
        let (Some(rank), Some(name)) = (fields.int("rank"), fields.text("group")) else { continue };
        let members = match fields.get("members").and_then(Value::ranks) {
            Some(members) => members.to_vec(),
            None if fields.text("desc") == Some("default_pg") => dumped.iter().copied().collect(),
            None => Vec::new(),
        };
        let key = (name.to_owned(), members);
        keys.insert((rank, name.to_owned()), key.clone());
        let seat = groups.entry(key).or_default().entry(rank).or_default();
        seat.row = Some(id);
        seat.enqueued = fields.int("enqueued");
        seat.completed = fields.int("completed");
    }
    for kind in ["flight_recorder.collective", "flight_recorder.pending"] {
        for id in table.of_kind(kind).iter().copied() {
            let fields = &table.rows[id].fields;
            let (Some(rank), Some(name), Some(seq)) = (fields.int("rank"), fields.text("group"), fields.int("seq"))
            else {
                continue;
            };
            let Some(key) = keys.get(&(rank, name.to_owned())) else { continue };
            let Some(seat) = groups.get_mut(key).and_then(|seats| seats.get_mut(&rank)) else { continue };
            seat.operations.entry(seq).and_modify(|slot| *slot = None).or_insert(Some(id));
            if kind == "flight_recorder.pending" {
                seat.lo = Some((seq, id));
            }
        }
    }
    groups
}

/// Tells the first number at which ranks of a group called different collectives.
fn odd(table: &mut Table, seats: &Seats) -> bool {
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

/// Ranks that keep others waiting, with the rows that tell.
#[derive(Debug, Default)]
struct Late {
    absent: BTreeMap<i64, Vec<RowId>>,
    behind: BTreeMap<i64, Vec<RowId>>,
    missing: BTreeSet<i64>,
    stuck: BTreeSet<i64>,
    /// A row of somebody who waits, for each kind of lateness.
    waits: Vec<RowId>,
    where_: Option<(String, i64)>,
}

impl Late {
    fn judge(&mut self, (name, members): &Key, seats: &Seats, dumped: &BTreeSet<i64>, waiting: &BTreeSet<i64>) {
        let Some((hi, row)) = seats.values().filter_map(|seat| seat.lo).max() else { return };
        let behind = seats.iter().filter(|(_, seat)| seat.lo.is_some_and(|(lo, _)| lo < hi));
        for (rank, seat) in behind {
            self.behind.entry(*rank).or_default().extend(seat.lo.map(|(_, row)| row));
        }
        let passed =
            |seat: &Seat| seat.completed >= Some(hi) || (seat.completed.is_none() && seat.enqueued >= Some(hi));
        for (rank, seat) in seats.iter().filter(|(_, seat)| seat.lo.is_none() && !passed(seat)) {
            if !waiting.contains(rank) {
                self.absent.entry(*rank).or_default().extend(seat.row);
            }
        }
        self.missing.extend(members.iter().filter(|rank| !dumped.contains(rank)));
        self.stuck.extend(seats.iter().filter(|(_, seat)| seat.lo.is_some()).map(|(rank, _)| *rank));
        self.waits.push(row);
        self.where_.get_or_insert_with(|| (name.clone(), hi));
    }

    fn tell(self, table: &mut Table) {
        let Some((group, seq)) = self.where_ else { return };
        let mut fields = Fields::default();
        fields.set("group", group);
        fields.set("seq", seq);
        if !self.absent.is_empty() {
            tell(table, "collective.absent", &self.absent, &self.waits, fields);
        } else if !self.behind.is_empty() {
            tell(table, "collective.behind", &most(self.behind), &self.waits, fields.clone());
        } else if self.missing.is_empty() && self.stuck.len() > 1 {
            about_ranks(table, "collective.stuck_together", &self.stuck, fields.clone(), self.waits.clone());
        } else if !self.missing.is_empty() {
            about_ranks(table, "collective.undumped", &self.missing, fields, self.waits);
        }
    }
}

/// Who is behind in the most groups: those whose own group waits for them are behind in fewer.
fn most(behind: BTreeMap<i64, Vec<RowId>>) -> BTreeMap<i64, Vec<RowId>> {
    let most = behind.values().map(Vec::len).max().unwrap_or(0);
    behind.into_iter().filter(|(_, rows)| rows.len() == most).collect()
}

fn tell(table: &mut Table, kind: &'static str, late: &BTreeMap<i64, Vec<RowId>>, waits: &[RowId], fields: Fields) {
    let own = late.values().filter_map(|rows| rows.first()).copied().take(super::MOST_PARENTS - 1);
    let parents = own.chain(waits.first().copied()).collect();
    about_ranks(table, kind, &late.keys().copied().collect(), fields, parents);
}
