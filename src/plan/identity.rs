//! What a maker of hardware wants to know of the culprit, as far as the evidence tells it.

use std::collections::BTreeSet;

use crate::evidence::{Row, Table, gpu};
use crate::verdict::Culprit;

/// Fields, and what they are called in a claim.
const FIELDS: [(&str, &str); 12] = [
    ("uuid", "UUID"),
    ("gpu_uuid", "UUID"),
    ("serial", "serial number"),
    ("board_serial", "board serial number"),
    ("part_number", "part number"),
    ("vbios", "VBIOS"),
    ("driver", "driver"),
    ("firmware", "firmware"),
    ("xid", "Xid"),
    ("sxid", "SXid"),
    ("counter", "counter"),
    ("hca", "adapter"),
];

/// Most facts that are told.
const MOST: usize = 40;

/// Names and values, each once, in the order of [`FIELDS`].
#[must_use]
pub(super) fn of(culprit: &Culprit, table: &Table) -> Vec<(String, String)> {
    let mut told = BTreeSet::new();
    let blamed = culprit.gpus.iter().map(|gpu| ("PCI address", gpu.clone()));
    let mut facts: Vec<(String, String)> = blamed.map(|(name, value)| (name.to_owned(), value)).collect();
    for (field, name) in FIELDS {
        for row in table.rows.iter().filter(|row| concerns(row, culprit)) {
            let Some(value) = row.fields.get(field).map(ToString::to_string).filter(|value| !value.is_empty()) else {
                continue;
            };
            let count = row.fields.int("count").filter(|_| field == "counter");
            let value = count.map_or_else(|| value.clone(), |count| format!("{value} {count}"));
            if told.insert((name, value.clone())) && facts.len() < MOST {
                facts.push((name.to_owned(), value));
            }
        }
    }
    facts
}

/// Whether a row is about the hardware that is blamed: its GPU where one is named, else its node.
fn concerns(row: &Row, culprit: &Culprit) -> bool {
    let own = row.fields.text("gpu").map(gpu::common);
    if !culprit.gpus.is_empty() {
        return own.is_some_and(|own| culprit.gpus.iter().any(|blamed| gpu::common(blamed) == own));
    }
    row.node().is_some_and(|node| culprit.nodes.iter().any(|blamed| blamed == node))
}
