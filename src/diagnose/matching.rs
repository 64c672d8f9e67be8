//! One playbook against the table.

use std::collections::{BTreeMap, BTreeSet};

use diag_parsers::Value;
use indexmap::IndexMap;

use super::condition::{holds, kind_fits, row_fits};
use super::relation::{Company, related_clue, tied};
use crate::evidence::{Aside, Row, RowId, Table, gpu};
use crate::playbook::Playbook;
use crate::playbook::schema::{Clue, Pick, Spread};
use crate::verdict::Confidence;

/// Most rows that one clue binds; more are counted, not cited.
const MOST_BOUND: usize = 4096;

/// Most findings of one cause that are told apart; what is left over counts as more of the first.
const MOST_APART: usize = 64;

/// A playbook that fits.
#[derive(Debug, Clone)]
pub struct Match<'p> {
    /// The playbook.
    pub playbook: &'p Playbook,
    /// How sure.
    pub confidence: Confidence,
    /// The rows of each clue that is present; the first need comes first.
    pub bound: IndexMap<&'p str, Vec<RowId>>,
    /// Rows of the first need that tell of the same cause elsewhere, beyond the most that are told apart.
    pub alike: Vec<RowId>,
}

impl Match<'_> {
    /// The row by which the finding stands in time: the first one of its first need.
    pub fn anchor(&self) -> RowId {
        self.bound.values().next().and_then(|rows| rows.first()).copied().unwrap_or_default()
    }

    /// The rows of a clue that are cited and name culprits.
    pub fn picked(&self, clue: &str) -> &[RowId] {
        let Some(rows) = self.bound.get(clue) else { return &[] };
        let file = self.playbook.needs.get(clue).or_else(|| self.playbook.supports.get(clue));
        match file.map(|clue| clue.pick).unwrap_or_default() {
            Pick::First => &rows[..rows.len().min(1)],
            Pick::Last => &rows[rows.len().saturating_sub(1)..],
            Pick::Each => &rows[..rows.len().min(MOST_BOUND)],
        }
    }

    /// The rows of all needs.
    pub fn needed(&self) -> impl Iterator<Item = RowId> + '_ {
        self.playbook.needs.keys().filter_map(|name| self.bound.get(name.as_str())).flatten().copied()
    }
}

/// All ways in which a playbook fits the table: one for each value of what it is about.
pub fn find<'p>(playbook: &'p Playbook, table: &Table) -> Vec<Match<'p>> {
    let Some((name, first)) = playbook.needs.first() else { return Vec::new() };
    let mut groups = groups(playbook, table, candidates(first, table));
    let alike: Vec<RowId> = groups.drain(groups.len().min(MOST_APART)..).flatten().collect();
    let mut found: Vec<Match<'p>> = groups.into_iter().filter_map(|rows| fit(playbook, table, name, rows)).collect();
    if let Some(one) = found.first_mut() {
        one.alike = alike;
    }
    found
}

/// Rows that a clue takes by kind and fields alone.
pub(super) fn candidates(clue: &Clue, table: &Table) -> Vec<RowId> {
    let rows_of = |patterns: &[String]| -> Vec<RowId> {
        let mut kinds: Vec<_> = table.kinds().filter(|kind| patterns.iter().any(|p| kind_fits(p, kind))).collect();
        kinds.sort_unstable();
        kinds.iter().flat_map(|kind| table.of_kind(kind)).copied().collect()
    };
    let mut rows = rows_of(clue.evidence.as_slice());
    rows.retain(|row| row_fits(table, *row, &clue.filter));
    rows.extend(rows_of(&clue.also));
    rows.retain(|row| counts(clue, &table.rows[*row]));
    rows.sort_unstable();
    rows
}

/// Whether a row can be of a clue: the run did not survive it, and it happened when and where the job was.
fn counts(clue: &Clue, row: &Row) -> bool {
    let there = row.aside.is_none_or(|why| clue.lasts && why == Aside::Before);
    there && (clue.survived || !row.survived)
}

/// The rows apart by what the playbook is about, in the order of their first rows.
fn groups(playbook: &Playbook, table: &Table, rows: Vec<RowId>) -> Vec<Vec<RowId>> {
    let mut groups: BTreeMap<Vec<String>, Vec<RowId>> = BTreeMap::new();
    for row in rows {
        let text = |field: &String| {
            let text = table.value(row, field).map(|value| value.to_string()).unwrap_or_default();
            if field == "gpu" { gpu::common(&text) } else { text }
        };
        groups.entry(playbook.about.iter().map(text).collect()).or_default().push(row);
    }
    let mut groups: Vec<Vec<RowId>> = groups.into_values().collect();
    groups.sort_by_key(|rows| rows.first().copied());
    groups
}

fn fit<'p>(playbook: &'p Playbook, table: &Table, first: &'p str, rows: Vec<RowId>) -> Option<Match<'p>> {
    let mut bound: IndexMap<&'p str, Vec<RowId>> = IndexMap::new();
    bound.insert(first, rows);
    let (late, early): (Vec<&Clue>, Vec<&Clue>) =
        playbook.excludes.values().partition(|clue| related_clue(clue).is_some_and(|name| name != first));
    for clue in early {
        veto(clue, table, first, &mut bound)?;
    }
    for (name, clue) in playbook.needs.iter().skip(1) {
        let found = partners(clue, table, first, &mut bound, true);
        if !enough(clue, table, &found) {
            return None;
        }
        bound.insert(name, found);
    }
    if !enough(&playbook.needs[first], table, &bound[first]) {
        return None;
    }
    for clue in late {
        let found = partners(clue, table, first, &mut bound, false);
        if enough(clue, table, &found) {
            return None;
        }
    }
    let needs = playbook.needs.values();
    let mut confidence = needs.clone().map(base).max().unwrap_or(Confidence::Possible);
    for (name, clue) in &playbook.supports {
        let found = partners(clue, table, first, &mut bound, false);
        if enough(clue, table, &found) {
            confidence = confidence.max(lift(clue));
            bound.insert(name, found);
        }
    }
    Some(Match { playbook, confidence, bound, alike: Vec::new() })
}

/// How sure a support makes a finding.
fn lift(clue: &Clue) -> Confidence {
    match (clue.aside, clue.decisive) {
        (true, _) => Confidence::Possible,
        (_, true) => Confidence::Confirmed,
        _ => Confidence::Likely,
    }
}

/// What a need proves by itself.
fn base(clue: &Clue) -> Confidence {
    match (clue.decisive, clue.likely) {
        (true, _) => Confidence::Confirmed,
        (_, true) => Confidence::Likely,
        _ => Confidence::Possible,
    }
}

/// Applies an exclude: one that is tied to the first need's fields takes the rows it is tied to, any other the finding.
fn veto<'p>(clue: &Clue, table: &Table, first: &'p str, bound: &mut IndexMap<&'p str, Vec<RowId>>) -> Option<()> {
    let against = candidates(clue, table);
    let rows = bound.get(first).cloned().unwrap_or_default();
    if !enough(clue, table, &against) {
        return Some(());
    }
    let left: Vec<RowId> = if tied(clue) {
        let against = Company::new(clue, table, &against);
        rows.into_iter().filter(|row| !against.joins(*row)).collect()
    } else {
        Vec::new()
    };
    bound.insert(first, left);
    (!bound[first].is_empty()).then_some(())
}

/// The rows of a clue that go with the first need (or the clue it names); `drop` takes away rows that have no partner.
fn partners<'p>(
    clue: &Clue,
    table: &Table,
    first: &'p str,
    bound: &mut IndexMap<&'p str, Vec<RowId>>,
    drop: bool,
) -> Vec<RowId> {
    let found = candidates(clue, table);
    if !tied(clue) {
        return found;
    }
    let with = related_clue(clue).filter(|name| bound.contains_key(*name)).unwrap_or(first).to_owned();
    let rows = bound.get(with.as_str()).cloned().unwrap_or_default();
    let company = Company::new(clue, table, &rows);
    let kept: Vec<RowId> = found.into_iter().filter(|other| company.has(*other)).collect();
    if drop && with == first {
        let company = Company::new(clue, table, &kept);
        let left = rows.into_iter().filter(|row| company.joins(*row)).collect();
        bound.insert(first, left);
    }
    kept
}

/// Whether there are rows enough of a clue.
fn enough(clue: &Clue, table: &Table, rows: &[RowId]) -> bool {
    if rows.is_empty() {
        return false;
    }
    let total: u64 = rows.iter().map(|row| table.rows[*row].count).sum();
    let count = Value::Int(i64::try_from(total).unwrap_or(i64::MAX));
    let distinct = |field: &str| {
        rows.iter().filter_map(|row| table.value(*row, field)).map(|v| v.to_string()).collect::<BTreeSet<_>>().len()
    };
    clue.count.as_ref().is_none_or(|condition| holds(condition, Some(&count)))
        && clue.distinct.iter().all(|(field, least)| distinct(field) >= *least)
        && clue.spread.is_none_or(|spread| spreads(spread, distinct("rank"), table.job.counted()))
}

fn spreads(spread: Spread, ranks: usize, world: usize) -> bool {
    match spread {
        Spread::All => ranks >= 1 && ranks >= world,
        Spread::Some => ranks < world,
        Spread::One => ranks == 1,
    }
}
