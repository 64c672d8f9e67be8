//! Who stands out among its like: numbers that nodes of one type share, compared with their median.
//!
//! A bound that a device tells of itself is judged where it is read; this is the other rule, for what has no bound: a clock, a
//! power limit, a link that is narrow by somebody's setting.

use std::collections::{BTreeMap, BTreeSet};

use diag_parsers::{Fields, Name, Says, Value};

use super::{Row, RowId, Table};

/// A number that was read of a node.
const MEASURED: &str = "probe.measured";

/// What is compared: the reading, the fact, the share of the median below which one stands out, and whether only devices at
/// work are compared. GPUs of one type differ by a few percent in their clocks from piece to piece.
const COMPARED: [(&str, Name, f64, bool); 9] = [
    ("gpu.clock.sm", "peers.slow_clock", 0.9, true),
    ("gpu.clock.memory", "peers.slow_clock", 0.95, true),
    ("gpu.clock.sm.max", "peers.slow_clock", 0.99, false),
    ("gpu.power.limit", "peers.low_power", 0.98, false),
    ("gpu.pcie.width", "peers.narrow_link", 0.99, false),
    ("gpu.pcie.generation", "peers.narrow_link", 0.99, true),
    ("fabric.rate", "peers.slow_port", 0.99, false),
    ("ethernet.speed", "peers.slow_port", 0.99, false),
    ("ethernet.mtu", "peers.small_mtu", 0.999, false),
];

/// Fewer devices, or devices of fewer nodes, have no usual value.
const LEAST_DEVICES: usize = 4;
const LEAST_NODES: usize = 2;

/// Most devices that are told to stand out in one reading.
const MOST: usize = 64;

/// The last number of each device: node, then GPU or port.
type Devices = BTreeMap<(String, String), (f64, RowId)>;

/// Derives who stands out.
pub(super) fn derive(table: &mut Table) {
    for (reading, fact, share, at_work) in COMPARED {
        let mut types: BTreeMap<String, Devices> = BTreeMap::new();
        for id in table.of_kind(MEASURED) {
            let row = &table.rows[*id];
            let counts = row.fields.text("reading") == Some(reading) && (!at_work || is_at_work(row));
            let (Some(value), Some(device), true) = (number(row), device(row), counts) else { continue };
            let model = row.fields.text("model").unwrap_or_default().to_owned();
            types.entry(model).or_default().insert(device, (value, *id));
        }
        for devices in types.into_values() {
            stands_out(table, fact, share, &devices);
        }
    }
}

fn stands_out(table: &mut Table, fact: Name, share: f64, devices: &Devices) {
    let nodes: BTreeSet<&String> = devices.keys().map(|(node, _)| node).collect();
    if devices.len() < LEAST_DEVICES || nodes.len() < LEAST_NODES {
        return;
    }
    let mut values: Vec<f64> = devices.values().map(|(value, _)| *value).collect();
    values.sort_by(f64::total_cmp);
    let median = values[values.len() / 2];
    for (value, id) in devices.values().filter(|(value, _)| *value < share * median).take(MOST) {
        let row = &table.rows[*id];
        let (mut fields, aside) = (Fields::default(), row.aside);
        for name in ["node", "gpu", "pci", "index", "hca", "port", "reading", "model"] {
            if let Some(said) = row.fields.get(name) {
                fields.set(name, said.clone());
            }
        }
        let (percent, peers) = ((value / median * 100.0).floor(), devices.len() - 1);
        fields.set("value", Value::Float(*value));
        fields.set("median", Value::Float(median));
        fields.set("peers", i64::try_from(peers).unwrap_or(i64::MAX));
        let name = row.fields.text("reading").unwrap_or_default();
        fields.set("what", format!("its {name} is {percent} % of the median of {peers} others of its type"));
        fields.set("rule", "median");
        if let Some(derived) = table.derive(fact, Says::Warning, fields, vec![*id]) {
            table.rows[derived].aside = aside;
        }
    }
}

/// Whether a GPU is known to be at work.
fn is_at_work(row: &Row) -> bool {
    row.fields.get("at_work").is_some_and(|said| said.to_string() == "true")
}

fn number(row: &Row) -> Option<f64> {
    let value = row.fields.get("value")?.to_string().parse::<f64>().ok()?;
    (value.is_finite() && value > 0.0).then_some(value)
}

/// Node, and which of its devices.
fn device(row: &Row) -> Option<(String, String)> {
    let device = row.fields.text("index").or_else(|| row.fields.text("port"))?;
    Some((row.node()?.to_owned(), device.to_owned()))
}
