//! One playbook against the table.

use std::collections::{BTreeMap, BTreeSet};

use diag_parsers::{Value, hostlist};
use indexmap::IndexMap;

use super::condition::{equal, holds, kind_fits, row_fits};
use crate::evidence::{RowId, Table};
use crate::playbook::Playbook;
use crate::playbook::schema::{Clue, Pick, Spread};
use crate::verdict::Confidence;

/// Most rows that one clue binds; more are counted, not cited.
const MOST_BOUND: usize = 4096;

/// A playbook that fits.
#[derive(Debug, Clone)]
pub struct Match<'p> {
    /// The playbook.
    pub playbook: &'p Playbook,
    /// How sure.
    pub confidence: Confidence,
    /// The rows of each clue that is present; the first need comes first.
    pub bound: IndexMap<&'p str, Vec<RowId>>,
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
    let rows = candidates(first, table);
    groups(playbook, table, rows).into_iter().filter_map(|rows| fit(playbook, table, name, rows)).collect()
}

/// Rows that a clue takes by kind and fields alone.
pub(super) fn candidates(clue: &Clue, table: &Table) -> Vec<RowId> {
    let mut kinds: Vec<_> =
        table.kinds().filter(|kind| clue.evidence.as_slice().iter().any(|p| kind_fits(p, kind))).collect();
    kinds.sort_unstable();
    let mut rows: Vec<RowId> = kinds.iter().flat_map(|kind| table.of_kind(kind)).copied().collect();
    rows.retain(|row| (clue.survived || !table.rows[*row].survived) && row_fits(table, *row, &clue.filter));
    rows.sort_unstable();
    rows
}

/// The rows apart by what the playbook is about.
fn groups(playbook: &Playbook, table: &Table, rows: Vec<RowId>) -> Vec<Vec<RowId>> {
    let mut groups: BTreeMap<Vec<String>, Vec<RowId>> = BTreeMap::new();
    for row in rows {
        let text = |field: &String| table.value(row, field).map(|value| value.to_string()).unwrap_or_default();
        groups.entry(playbook.about.iter().map(text).collect()).or_default().push(row);
    }
    groups.into_values().collect()
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
    Some(Match { playbook, confidence, bound })
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
        rows.into_iter().filter(|row| !against.iter().any(|other| related(clue, table, *row, *other))).collect()
    } else {
        Vec::new()
    };
    bound.insert(first, left);
    (!bound[first].is_empty()).then_some(())
}

fn tied(clue: &Clue) -> bool {
    !clue.same.is_empty()
        || !clue.other.is_empty()
        || clue.within.is_some()
        || clue.before.is_some()
        || clue.after.is_some()
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
    let kept: Vec<RowId> =
        found.into_iter().filter(|other| rows.iter().any(|row| related(clue, table, *row, *other))).collect();
    if drop && with == first {
        let left = rows.into_iter().filter(|row| kept.iter().any(|other| related(clue, table, *row, *other))).collect();
        bound.insert(first, left);
    }
    kept
}

/// The clue that a clue's relations name.
fn related_clue(clue: &Clue) -> Option<&str> {
    let named = clue.within.as_deref().and_then(|within| within.split_once(" of ").map(|(_, name)| name.trim()));
    clue.than.as_deref().or(named).or(clue.before.as_deref()).or(clue.after.as_deref())
}

fn related(clue: &Clue, table: &Table, row: RowId, other: RowId) -> bool {
    let pair = |field: &String| Some((table.value(row, field)?, table.value(other, field)?));
    let meet = |field: &String| pair(field).is_some_and(|(a, b)| equal(&a, &b) || (field == "node" && share(&a, &b)));
    clue.same.iter().all(meet)
        && clue.other.iter().all(|field| pair(field).is_some_and(|(a, b)| !equal(&a, &b)))
        && clue.within.as_deref().is_none_or(|within| near(within, table, row, other))
        && clue.before.is_none() | (table.rows[other].before(&table.rows[row]) == Some(true))
        && clue.after.is_none() | (table.rows[row].before(&table.rows[other]) == Some(true))
}

/// Whether two hostlists (`gpu[001-004]`) have a host in common.
fn share(a: &Value, b: &Value) -> bool {
    /// Most hosts of a list that are looked at: more than the largest clusters have.
    const MOST: usize = 20_000;
    let (Some(a), Some(b)) = (a.text(), b.text()) else { return false };
    if !a.contains(['[', ',']) && !b.contains(['[', ',']) {
        return false;
    }
    let hosts = |list| hostlist::expand(list, MOST).unwrap_or_default();
    let all: BTreeSet<String> = hosts(a).into_iter().collect();
    hosts(b).iter().any(|host| all.contains(host))
}

/// Whether two rows are no further apart than `10m of clue` says; no clock, no answer.
fn near(within: &str, table: &Table, row: RowId, other: RowId) -> bool {
    let span = within.split_once(" of ").map_or(within, |(span, _)| span);
    let (Some(a), Some(b), Some(most)) = (table.rows[row].at, table.rows[other].at, seconds(span)) else {
        return false;
    };
    a.since(b).is_some_and(|apart| apart.abs() <= most)
}

/// `90s`, `10m`, `2h`, `1d` in seconds.
pub(crate) fn seconds(span: &str) -> Option<f64> {
    let span = span.trim();
    let unit = span.chars().last()?;
    let number: f64 = span[..span.len() - unit.len_utf8()].trim().parse().ok()?;
    Some(
        number
            * match unit {
                's' => 1.0,
                'm' => 60.0,
                'h' => 3600.0,
                'd' => 86_400.0,
                _ => return None,
            },
    )
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
        && clue.spread.is_none_or(|spread| spreads(spread, distinct("rank"), table.job.size()))
}

fn spreads(spread: Spread, ranks: usize, world: usize) -> bool {
    match spread {
        Spread::All => ranks >= 1 && ranks >= world,
        Spread::Some => ranks < world,
        Spread::One => ranks == 1,
    }
}
