//! Measured bandwidths side by side: what a link should carry depends on the machine, so measurements of one kind are compared.

use std::collections::BTreeMap;

use diag_parsers::{Fields, Name, Says, Value};

use super::{RowId, Table};

/// A measured bandwidth between two adapters.
const MEASURED: &str = "perftest.bandwidth";

/// Fewest measurements that can be compared.
const FEWEST: usize = 3;

/// Share of the middle one below which a link is slow: half a rate or half the lanes give 0.5, scatter is within a tenth.
const SLOW: f64 = 0.7;

/// Derives `network.slower` for each measurement that stays behind the others with messages of its size.
pub(super) fn derive(table: &mut Table) {
    const KIND: Name = "network.slower";
    let mut sizes: BTreeMap<i64, Vec<(RowId, f64)>> = BTreeMap::new();
    for id in table.of_kind(MEASURED) {
        let fields = &table.rows[*id].fields;
        if let (Some(bytes), Some(Value::Float(gbps))) = (fields.int("bytes"), fields.get("gbps")) {
            sizes.entry(bytes).or_default().push((*id, *gbps));
        }
    }
    for measured in sizes.into_values().filter(|measured| measured.len() >= FEWEST) {
        let mut all: Vec<f64> = measured.iter().map(|(_, gbps)| *gbps).collect();
        all.sort_by(f64::total_cmp);
        let middle = all[all.len() / 2];
        for (id, gbps) in measured.into_iter().filter(|(_, gbps)| *gbps < SLOW * middle) {
            let names = ["node", "hca"].into_iter();
            let told = names.filter_map(|name| Some((name, table.rows[id].fields.get(name)?.clone())));
            let mut fields: Fields = told.collect();
            fields.set("gbps", Value::Float(gbps));
            fields.set("gbps_best", Value::Float(middle));
            table.derive(KIND, Says::Warning, fields, vec![id]);
        }
    }
}
