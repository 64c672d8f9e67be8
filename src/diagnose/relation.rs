//! Which rows go together: the relations (`same`, `other`, `within`, `before`, `after`) of a clue to another.

use std::collections::{BTreeSet, HashMap};

use diag_parsers::{Value, hostlist};

use super::condition::equal;
use crate::evidence::{RowId, Table, gpu};
use crate::playbook::schema::Clue;

/// Most rows that one row is compared with: a log of nothing but failures must not cost their square.
const MOST_COMPARED: usize = 4096;

/// Rows that others are sought company among, apart by the fields that must be the same.
pub(super) struct Company<'a> {
    clue: &'a Clue,
    table: &'a Table,
    rows: &'a [RowId],
    by_same: HashMap<Vec<String>, Vec<RowId>>,
    /// Whether one of them names several hosts at once: it meets rows of other buckets.
    mixed: bool,
}

impl<'a> Company<'a> {
    /// The company of `rows` under the relations of `clue`.
    pub(super) fn new(clue: &'a Clue, table: &'a Table, rows: &'a [RowId]) -> Self {
        let mut company = Self { clue, table, rows, by_same: HashMap::new(), mixed: false };
        company.mixed = rows.iter().any(|row| company.many_hosts(*row));
        for row in rows {
            if let Some(key) = company.key(*row) {
                company.by_same.entry(key).or_default().push(*row);
            }
        }
        company
    }

    /// Whether `other`, a row of the clue, goes with any of the rows.
    pub(super) fn has(&self, other: RowId) -> bool {
        self.near(other).any(|row| related(self.clue, self.table, *row, other))
    }

    /// Whether any of the rows, which are of the clue, goes with `row`.
    pub(super) fn joins(&self, row: RowId) -> bool {
        self.near(row).any(|other| related(self.clue, self.table, row, *other))
    }

    /// The rows that may go with `row`, in their own order.
    fn near(&self, row: RowId) -> impl Iterator<Item = &RowId> {
        let rows = if self.mixed || self.many_hosts(row) {
            self.rows
        } else {
            self.key(row).and_then(|key| self.by_same.get(&key)).map_or(&[][..], Vec::as_slice)
        };
        rows.iter().take(MOST_COMPARED)
    }

    /// Whether the host must be the same and the row names a list of them.
    fn many_hosts(&self, row: RowId) -> bool {
        let nodes = || self.table.value(row, "node").is_some_and(|value| value.text().is_some_and(is_list));
        self.clue.same.iter().any(|field| field == "node") && nodes()
    }

    /// What rows that have the same fields have in common; none where a row lacks one.
    fn key(&self, row: RowId) -> Option<Vec<String>> {
        self.clue.same.iter().map(|field| self.table.value(row, field).map(|value| folded(field, &value))).collect()
    }
}

/// A value as text that is the same for values that are [`equal`].
fn folded(field: &str, value: &Value) -> String {
    match value {
        Value::Int(n) => (*n as f64).to_string(),
        Value::Text(text) if is_device(field) => gpu::common(text),
        value => value.to_string().to_ascii_lowercase(),
    }
}

/// Whether a field names a device, which each source writes in a form of its own.
fn is_device(field: &str) -> bool {
    matches!(field, "gpu" | "pci")
}

/// Whether a clue goes only with certain rows of another.
pub(super) fn tied(clue: &Clue) -> bool {
    !clue.same.is_empty()
        || !clue.other.is_empty()
        || clue.within.is_some()
        || clue.before.is_some()
        || clue.after.is_some()
}

/// The clue that a clue's relations name.
pub(super) fn related_clue(clue: &Clue) -> Option<&str> {
    let named = clue.within.as_deref().and_then(|within| within.split_once(" of ").map(|(_, name)| name.trim()));
    clue.than.as_deref().or(named).or(clue.before.as_deref()).or(clue.after.as_deref())
}

/// Whether `other`, a row of the clue, goes with `row`, one of the clue that it is related to.
fn related(clue: &Clue, table: &Table, row: RowId, other: RowId) -> bool {
    let pair = |field: &String| Some((table.value(row, field)?, table.value(other, field)?));
    let device = |field: &str, a: &Value, b: &Value| is_device(field) && folded(field, a) == folded(field, b);
    let meet = |field: &String| {
        pair(field).is_some_and(|(a, b)| equal(&a, &b) || (field == "node" && share(&a, &b)) || device(field, &a, &b))
    };
    clue.same.iter().all(meet)
        && clue.other.iter().all(|field| pair(field).is_some_and(|(a, b)| !equal(&a, &b) && !device(field, &a, &b)))
        && clue.within.as_deref().is_none_or(|within| near(within, table, row, other))
        && clue.before.is_none() | (table.rows[other].before(&table.rows[row]) == Some(true))
        && clue.after.is_none() | (table.rows[row].before(&table.rows[other]) == Some(true))
}

/// Whether two hostlists (`gpu[001-004]`) have a host in common.
fn share(a: &Value, b: &Value) -> bool {
    /// Most hosts of a list that are looked at: more than the largest clusters have.
    const MOST: usize = 20_000;
    let (Some(a), Some(b)) = (a.text(), b.text()) else { return false };
    if !is_list(a) && !is_list(b) {
        return false;
    }
    let hosts = |list| hostlist::expand(list, MOST).unwrap_or_default();
    let all: BTreeSet<String> = hosts(a).into_iter().collect();
    hosts(b).iter().any(|host| all.contains(host))
}

/// Whether a text names several hosts.
fn is_list(text: &str) -> bool {
    text.contains(['[', ','])
}

/// Whether two rows are no further apart than `10m of clue` says; no clock, no answer.
fn near(within: &str, table: &Table, row: RowId, other: RowId) -> bool {
    let span = within.split_once(" of ").map_or(within, |(span, _)| span);
    let Some(most) = seconds(span) else { return false };
    table.rows[row].since(&table.rows[other]).is_some_and(|apart| apart.abs() <= most)
}

/// `90s`, `10m`, `2h`, `1d` in seconds.
fn seconds(span: &str) -> Option<f64> {
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
