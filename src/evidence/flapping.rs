//! Links that go up and down again and again: one lost carrier is an event, many are a bad cable or port.

use diag_parsers::{Fields, Name, Says};

use super::{RowId, Table};

/// Losses of a link within [`WINDOW_S`] from which on it flaps (azurehpc-health-checks 2025, `check_IB_link_flapping`: 5).
const MANY: u64 = 5;

/// Seconds in which they must fall: a day, as there.
const WINDOW_S: f64 = 86_400.0;

/// Derives `network.flapping` for each link that was lost so often.
pub(super) fn derive(table: &mut Table) {
    const KIND: Name = "network.flapping";
    let rows = table.of_kind("kernel.nic_link").to_vec();
    let mut found: Vec<(Fields, Vec<RowId>)> = Vec::new();
    for lost in rows.iter().copied().filter(|row| flaps(table, *row)) {
        let mut fields = Fields::default();
        for name in ["netdev", "node", "pci"] {
            if let Some(value) = table.rows[lost].fields.get(name) {
                fields.set(name, value.clone());
            }
        }
        fields.set("times", i64::try_from(table.rows[lost].count).unwrap_or(i64::MAX));
        let back = rows.iter().copied().find(|row| is_same_link(table, *row, lost) && !is_loss(table, *row));
        found.push((fields, std::iter::once(lost).chain(back).collect()));
    }
    for (fields, parents) in found {
        let aside = table.rows[parents[0]].aside;
        if let Some(id) = table.derive(KIND, Says::Warning, fields, parents) {
            table.rows[id].aside = aside;
        }
    }
}

fn flaps(table: &Table, row: RowId) -> bool {
    let row_of = &table.rows[row];
    let span = row_of.at.zip(row_of.last_at).and_then(|(first, last)| last.since(first));
    is_loss(table, row) && row_of.count >= MANY && span.is_none_or(|seconds| seconds.abs() <= WINDOW_S)
}

fn is_loss(table: &Table, row: RowId) -> bool {
    let state = table.rows[row].fields.text("state").unwrap_or_default().to_ascii_lowercase();
    matches!(state.as_str(), "lost" | "down" | "cable unplugged")
}

fn is_same_link(table: &Table, row: RowId, other: RowId) -> bool {
    let same = |name| table.rows[row].fields.get(name) == table.rows[other].fields.get(name);
    same("netdev") && same("node")
}
