//! Who waits for whom, as flight-recorder dumps show it, and at whom it ends.
//!
//! A rank that waits in a collective waits for those members that did not enqueue it (*absent*), that have not finished
//! an earlier one which their peers finished (*behind*), or that have no dump. A rank that waits to receive waits for a
//! peer that did not send, and the other way round. Whoever waits for nobody and keeps others waiting is where to look:
//! a rank that is late in the data-parallel group because it waits in its tensor-parallel group is a victim. Where nobody
//! waits for nobody, ranks that wait for each other in a circle used their groups in different orders.

use std::collections::{BTreeMap, BTreeSet};

use diag_parsers::Fields;

use super::recorder::{Group, Seat};
use super::{RowId, Table, about_ranks};

/// A send or receive that did not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) rank: i64,
    pub(super) peer: i64,
    pub(super) send: bool,
    pub(super) row: RowId,
}

/// What keeps a rank's peers waiting.
type Late = BTreeMap<i64, Vec<RowId>>;

/// Who waits for whom.
#[derive(Debug, Default)]
pub(super) struct Waits {
    absent: Late,
    behind: Late,
    /// No dump, or one from before.
    unknown: BTreeSet<i64>,
    /// Ranks that wait, each with the row that tells.
    waiting: BTreeMap<i64, RowId>,
    /// A row of somebody who waits for a rank.
    witness: BTreeMap<i64, RowId>,
    /// Of each rank that waits in a collective: who did not enqueue it, and in which group.
    awaited: BTreeMap<i64, Vec<(i64, String)>>,
    /// Group and number of the first wait.
    place: Option<(String, i64)>,
}

impl Waits {
    /// Works it out from the groups; `current` are the ranks whose dumps tell the present.
    pub(super) fn new(groups: &[Group], current: &BTreeSet<i64>, messages: &[Message]) -> Self {
        let mut waits = Self::default();
        for group in groups {
            let lo = group.seats.iter().filter_map(|(rank, seat)| Some((*rank, seat.lo?.1)));
            waits.waiting.extend(lo);
        }
        waits.waiting.extend(messages.iter().map(|message| (message.rank, message.row)));
        groups.iter().for_each(|group| waits.group(group, current));
        waits.messages(messages, current);
        // Whoever did not send or receive is cited by any of its groups.
        for (rank, rows) in waits.absent.iter_mut().filter(|(_, rows)| rows.is_empty()) {
            rows.extend(groups.iter().find_map(|group| group.seats.get(rank)?.row));
        }
        waits
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn group(&mut self, group: &Group, current: &BTreeSet<i64>) {
        let Some((hi, row)) = group.seats.values().filter_map(|seat| seat.lo).max() else { return };
        self.place.get_or_insert_with(|| (group.name.clone(), hi));
        let mut somebody = false;
        let wait = |seat: &Seat| seat.lo.is_some_and(|(lo, _)| lo == hi);
        let waiters: Vec<i64> = group.seats.iter().filter(|(_, seat)| wait(seat)).map(|(rank, _)| *rank).collect();
        for (rank, seat) in &group.seats {
            let came = seat.enqueued.is_some_and(|enqueued| enqueued >= hi);
            match seat {
                Seat { lo: Some((lo, own)), .. } if *lo < hi => {
                    self.behind.entry(*rank).or_default().push(*own);
                }
                Seat { lo: None, .. } if !came => {
                    self.absent.entry(*rank).or_default().extend(seat.row);
                    for waiter in &waiters {
                        self.awaited.entry(*waiter).or_default().push((*rank, group.name.clone()));
                    }
                }
                _ => continue,
            }
            somebody = true;
            self.witness.entry(*rank).or_insert(row);
        }
        // Where a rank is known to be late, those without a dump may well have come.
        if !somebody {
            for rank in group.members.iter().filter(|rank| !current.contains(rank)) {
                self.unknown.insert(*rank);
                self.witness.entry(*rank).or_insert(row);
            }
        }
    }

    fn messages(&mut self, messages: &[Message], current: &BTreeSet<i64>) {
        let pending: BTreeSet<(i64, i64, bool)> =
            messages.iter().map(|message| (message.rank, message.peer, message.send)).collect();
        for message in messages {
            if pending.contains(&(message.peer, message.rank, !message.send)) {
                continue;
            }
            self.place.get_or_insert_with(|| ("point to point".to_owned(), 0));
            self.witness.entry(message.peer).or_insert(message.row);
            if current.contains(&message.peer) {
                self.absent.entry(message.peer).or_default();
            } else {
                self.unknown.insert(message.peer);
            }
        }
    }

    /// Where to look: whoever keeps others waiting and waits for nobody.
    fn idle(&self) -> BTreeSet<i64> {
        self.absent.keys().copied().filter(|rank| !self.waiting.contains_key(rank)).collect()
    }
}

/// A rank, the group in which it waits, and for whom.
type Wait = (i64, String, i64);

impl Waits {
    /// Ranks each of which waits for the next, and the last for the first. What only leads into the circle is none of it.
    fn circle(&self) -> Vec<Wait> {
        let on = self.without_ends();
        let (mut path, mut at) = (Vec::<Wait>::new(), on.keys().next().copied());
        while let Some(rank) = at {
            if let Some(begins) = path.iter().position(|(before, _, _)| *before == rank) {
                return path.split_off(begins);
            }
            let next = on.get(&rank).and_then(|all| all.first());
            path.extend(next.map(|(next, group)| (rank, group.clone(), *next)));
            at = next.map(|(next, _)| *next);
        }
        Vec::new()
    }

    /// Who waits for whom, without those that in the end wait for a rank that waits for nobody: what is left has circles.
    fn without_ends(&self) -> BTreeMap<i64, Vec<(i64, String)>> {
        let mut on = self.awaited.clone();
        loop {
            let there: BTreeSet<i64> = on.keys().copied().collect();
            on.values_mut().for_each(|all| all.retain(|(next, _)| there.contains(next)));
            on.retain(|_, all| !all.is_empty());
            if on.len() == there.len() {
                return on;
            }
        }
    }

    /// Tells of a circle that ranks are in different collectives, each with the group in which it waits.
    fn tell_circle(&self, table: &mut Table, circle: &[Wait], mut fields: Fields) {
        let said = |(rank, group, next): &Wait| format!("rank {rank} waits in group {group} for rank {next}");
        let said: Vec<String> = circle.iter().take(super::MOST_PARENTS).map(said).collect();
        fields.set("differ", said.join(", ").as_str());
        let ranks: BTreeSet<i64> = circle.iter().map(|(rank, _, _)| *rank).collect();
        let rows = ranks.iter().filter_map(|rank| self.waiting.get(rank).copied()).collect();
        about_ranks(table, "collective.mismatch", &ranks, fields, rows);
    }
}

/// Tells at whom the waiting ends.
pub(super) fn tell(table: &mut Table, waits: Waits, outdated: &BTreeSet<i64>) {
    let mut fields = Fields::default();
    if let Some((group, seq)) = &waits.place {
        fields.set("group", group.as_str());
        fields.set("seq", *seq);
    }
    let idle = waits.idle();
    let old: BTreeSet<i64> = waits.unknown.intersection(outdated).copied().collect();
    let missing: BTreeSet<i64> = waits.unknown.difference(outdated).copied().collect();
    let circle = waits.circle();
    if !idle.is_empty() {
        waits.fact(table, "collective.absent", &idle, fields);
    } else if !waits.behind.is_empty() {
        let most = waits.behind.values().map(Vec::len).max().unwrap_or(0);
        // Who is behind in the most groups: those whose own group waits for them are behind in fewer.
        let few = waits.behind.iter().filter(|(_, rows)| rows.len() == most).map(|(rank, _)| *rank).collect();
        waits.fact(table, "collective.behind", &few, fields);
    } else if !missing.is_empty() {
        waits.fact(table, "collective.undumped", &missing, fields);
    } else if !old.is_empty() {
        waits.fact(table, "collective.outdated", &old, fields);
    } else if !circle.is_empty() {
        waits.tell_circle(table, &circle, fields);
    } else if waits.waiting.len() > 1 {
        let all: BTreeSet<i64> = waits.waiting.keys().copied().collect();
        let rows = waits.waiting.values().copied().take(1).collect();
        about_ranks(table, "collective.stuck_together", &all, fields, rows);
    }
}

impl Waits {
    /// A fact about ranks, with a row of each, and one of somebody who waits for the first.
    fn fact(&self, table: &mut Table, kind: &'static str, ranks: &BTreeSet<i64>, fields: Fields) {
        let own =
            |rank: &i64| [&self.behind, &self.absent].into_iter().find_map(|late| late.get(rank)?.first().copied());
        let peers = ranks.iter().filter_map(|rank| self.witness.get(rank).copied());
        let rows: Vec<RowId> = ranks.iter().filter_map(own).take(super::MOST_PARENTS - 1).collect();
        let mut parents = rows;
        for peer in peers {
            if parents.len() < super::MOST_PARENTS && !parents.contains(&peer) {
                parents.push(peer);
                break;
            }
        }
        about_ranks(table, kind, ranks, fields, parents);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits of `(rank, group, for whom)`.
    fn waits(all: &[(i64, &str, i64)]) -> Waits {
        let mut waits = Waits::default();
        for (rank, group, next) in all {
            waits.awaited.entry(*rank).or_default().push((*next, (*group).to_owned()));
        }
        waits
    }

    fn circle(all: &[(i64, &str, i64)]) -> Vec<i64> {
        waits(all).circle().into_iter().map(|(rank, _, _)| rank).collect()
    }

    #[test]
    fn who_waits_for_each_other_is_a_circle_and_who_waits_for_them_is_not_in_it() {
        assert_eq!(circle(&[(0, "tp", 1), (1, "dp", 0)]), [0, 1]);
        assert_eq!(circle(&[(0, "pp", 2), (1, "tp", 2), (2, "dp", 1)]), [2, 1]);
        assert_eq!(circle(&[(0, "tp", 1), (1, "dp", 2)]), Vec::<i64>::new(), "it ends at rank 2");
        assert_eq!(circle(&[(0, "pp", 3), (0, "tp", 1), (1, "dp", 0)]), [0, 1], "rank 3 waits for nobody");
        assert_eq!(circle(&[]), Vec::<i64>::new());
    }
}
