//! What is harmless once and a fault when it comes all the time: errors that are corrected.

use std::collections::BTreeMap;

use diag_parsers::{Fields, Name, Says};

use super::{RowId, Table};

/// So many corrected errors of one device or module are a storm; a few in a day are normal. Vendors replace memory modules
/// from about ten corrected errors a day on; PCIe corrects some at each change of power state.
const CORRECTED: u64 = 50;

/// So many entries of a management controller are: it writes one where its own count of corrected errors runs over.
const LOGGED: u64 = 10;

/// Most rows that a fact points at.
const MOST_PARENTS: usize = 16;

/// What is counted: the kind, the field that names the device, the fact, and from how many on.
const COUNTED: [(&str, &str, Name, u64); 3] = [
    ("kernel.aer", "pci", "pcie.storm", CORRECTED),
    ("host_hardware.memory_corrected", "dimm", "host_memory.storm", CORRECTED),
    ("sel.memory_corrected", "dimm", "host_memory.storm", LOGGED),
];

/// Derives the facts.
pub(super) fn derive(table: &mut Table) {
    for (kind, device, fact, least) in COUNTED {
        let mut groups: BTreeMap<(String, String), (u64, Vec<RowId>)> = BTreeMap::new();
        for id in table.of_kind(kind).iter().filter(|id| counts(table, **id)) {
            let row = &table.rows[*id];
            let Some(name) = row.fields.text(device) else { continue };
            let (count, rows) = groups.entry((row.node().unwrap_or_default().to_owned(), name.to_owned())).or_default();
            // A line may tell of many at once.
            *count += row.fields.int("errors").and_then(|told| u64::try_from(told).ok()).unwrap_or(0).max(row.count);
            rows.push(*id);
        }
        for ((node, name), (count, mut rows)) in groups.into_iter().filter(|(_, (count, _))| *count >= least) {
            let mut fields = Fields::default();
            if !node.is_empty() {
                fields.set("node", node);
            }
            fields.set(device, name);
            fields.set("times", i64::try_from(count).unwrap_or(i64::MAX));
            rows.truncate(MOST_PARENTS);
            let aside = rows.first().and_then(|row| table.rows[*row].aside);
            if let Some(id) = table.derive(fact, Says::Info, fields, rows) {
                table.rows[id].aside = aside;
            }
        }
    }
}

/// Whether a row tells of an error that was corrected.
fn counts(table: &Table, id: RowId) -> bool {
    table.rows[id].fields.text("severity").is_none_or(|severity| severity.starts_with("Correct"))
}
