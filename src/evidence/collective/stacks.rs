//! Who is not where the others wait, as the stacks of many ranks tell.
//!
//! Stacks are clustered by the place of the program. Where most processes wait in a collective, or stand at one place of
//! the program while a few are in data loading or storage, the few keep the many waiting.

use std::collections::{BTreeMap, BTreeSet};

use diag_parsers::{Fields, Value};

use super::{RowId, Table, about_ranks};

/// Fewest processes whose stacks tell anything together.
const FEWEST: usize = 3;

/// Who wrote a stack: the rank, or the process where no rank is known.
type Who = (Option<i64>, Option<String>, Option<i64>);

pub(super) fn derive(table: &mut Table) {
    if !table.of_kind("collective.absent").is_empty() {
        return;
    }
    let stacks = latest(table);
    if stacks.len() < FEWEST {
        return;
    }
    let truth = |row: &RowId, name: &str| table.rows[*row].fields.get(name) == Some(&Value::Bool(true));
    let (waiting, elsewhere): (Vec<RowId>, Vec<RowId>) = stacks.iter().partition(|row| truth(row, "in_collective"));
    let few: Vec<RowId> = if waiting.len() > elsewhere.len() {
        elsewhere
    } else {
        let crowd = crowd(table, &stacks);
        let busy = |row: &RowId| truth(row, "in_data") || truth(row, "in_storage");
        let few: Vec<RowId> = stacks.iter().copied().filter(|row| !crowd.contains(row)).collect();
        // Without a collective in sight the many may be at work, and so may the few be.
        if crowd.len() * 4 < stacks.len() * 3 || crowd.iter().any(busy) || !few.iter().all(busy) {
            Vec::new()
        } else {
            few
        }
    };
    let Some(peer) = stacks.iter().find(|row| !few.contains(row)).copied() else { return };
    let ranks: BTreeSet<i64> = few.iter().filter_map(|row| table.rows[*row].rank()).collect();
    if few.is_empty() || ranks.len() < few.len() {
        return;
    }
    let mut fields = Fields::default();
    fields.set("waiting", (stacks.len() - few.len()) as i64);
    let parents = few.into_iter().take(super::MOST_PARENTS - 1).chain([peer]).collect();
    about_ranks(table, "collective.absent", &ranks, fields, parents);
}

/// The last stack of each process.
fn latest(table: &Table) -> Vec<RowId> {
    let mut last: BTreeMap<Who, RowId> = BTreeMap::new();
    for id in table.of_kind("python.stack").iter().copied() {
        let row = &table.rows[id];
        let who = match row.rank() {
            Some(rank) => (Some(rank), None, None),
            None => (None, row.node().map(str::to_owned), row.fields.int("pid")),
        };
        last.insert(who, id);
    }
    last.into_values().collect()
}

/// The largest number of processes at one place of the program.
fn crowd(table: &Table, stacks: &[RowId]) -> Vec<RowId> {
    let mut places: BTreeMap<&str, Vec<RowId>> = BTreeMap::new();
    for row in stacks {
        places.entry(table.rows[*row].fields.text("at_program").unwrap_or_default()).or_default().push(*row);
    }
    places
        .into_iter()
        .filter(|(place, _)| !place.is_empty())
        .map(|(_, rows)| rows)
        .max_by_key(Vec::len)
        .unwrap_or_default()
}
