//! Who stands out among its like: numbers that nodes of one type share, compared with their median.
//!
//! A bound that a device tells of itself is judged where it is read; this is the other rule, for what has no bound: a clock, a
//! power limit, a link that is narrow by somebody's setting.

use std::collections::{BTreeMap, BTreeSet};

use diag_parsers::{Fields, Name, Says, Value};

use super::{Row, RowId, Table};

/// A number that was read of a node.
const MEASURED: &str = "probe.measured";

/// How a reading of one device is compared with the same of others.
struct Compared {
    /// The reading.
    reading: &'static str,
    /// The fact where one stands out.
    fact: Name,
    /// The share of the median from which one stands out; above 1 whoever has more does.
    share: f64,
    /// Whether only devices at work are compared.
    at_work: bool,
}

const fn less(reading: &'static str, fact: Name, share: f64) -> Compared {
    Compared { reading, fact, share, at_work: false }
}

const fn less_at_work(reading: &'static str, fact: Name, share: f64) -> Compared {
    Compared { reading, fact, share, at_work: true }
}

/// What is compared. GPUs of one type differ by a few percent in their clocks from piece to piece; a setting is the same or not.
const COMPARED: [Compared; 16] = [
    less_at_work("gpu.clock.sm", "peers.slow_clock", 0.9),
    less_at_work("gpu.clock.memory", "peers.slow_clock", 0.95),
    less("gpu.clock.sm.max", "peers.slow_clock", 0.99),
    less("gpu.power.limit", "peers.low_power", 0.98),
    less("gpu.pcie.width", "peers.narrow_link", 0.99),
    less_at_work("gpu.pcie.generation", "peers.narrow_link", 0.99),
    less("fabric.rate", "peers.slow_port", 0.99),
    less("ethernet.speed", "peers.slow_port", 0.99),
    less("ethernet.mtu", "peers.small_mtu", 0.999),
    // A link carries the packets of the smaller end: one that sends larger ones loses them without a word.
    less("ethernet.mtu", "peers.large_mtu", 1.001),
    less("ethernet.up", "peers.interface_down", 0.5),
    // Half of a node's memory by default: nodes of one type have the same.
    less("disks.shm.size", "peers.small_shm", 0.5),
    less("services.slurmd", "peers.no_slurmd", 0.5),
    less("services.munge", "peers.no_munge", 0.5),
    less("disks.read_only", "peers.read_only", 1.001),
    less("limits.memlock", "peers.small_memlock", 0.5),
];

/// Readings that say yes or no.
const FLAGS: [&str; 4] = ["ethernet.up", "disks.read_only", "services.slurmd", "services.munge"];

/// Interfaces and file systems have a use each: one for storage is not compared with one for the fabric.
const BY_NAME: [&str; 2] = ["ethernet.", "disks."];

/// Fewer devices, or devices of fewer nodes, have no usual value.
const LEAST_DEVICES: usize = 4;
const LEAST_NODES: usize = 2;

/// Most devices that are told to stand out in one reading.
const MOST: usize = 64;

/// The last number of each device: node, then GPU or port.
type Devices = BTreeMap<(String, String), (f64, RowId)>;

/// Derives who stands out.
pub(super) fn derive(table: &mut Table) {
    for compared in &COMPARED {
        let mut types: BTreeMap<String, Devices> = BTreeMap::new();
        for id in table.of_kind(MEASURED) {
            let row = &table.rows[*id];
            let counts = row.fields.text("reading") == Some(compared.reading) && (!compared.at_work || is_at_work(row));
            let (Some(value), Some(device), true) = (number(row), device(row), counts) else { continue };
            let mut model = row.fields.text("model").unwrap_or_default().to_owned();
            if BY_NAME.iter().any(|start| compared.reading.starts_with(start)) {
                model = format!("{model} {}", device.1);
            }
            types.entry(model).or_default().insert(device, (value, *id));
        }
        for devices in types.into_values() {
            stands_out(table, compared, &devices);
        }
    }
}

fn stands_out(table: &mut Table, compared: &Compared, devices: &Devices) {
    let nodes: BTreeSet<&String> = devices.keys().map(|(node, _)| node).collect();
    if devices.len() < LEAST_DEVICES || nodes.len() < LEAST_NODES {
        return;
    }
    let mut values: Vec<f64> = devices.values().map(|(value, _)| *value).collect();
    values.sort_by(f64::total_cmp);
    let median = values[values.len() / 2];
    let bound = compared.share * median;
    let out = |value: f64| if compared.share > 1.0 { value > bound } else { value < bound };
    for (value, id) in devices.values().filter(|(value, _)| out(*value)).take(MOST) {
        let row = &table.rows[*id];
        let (mut fields, aside) = (Fields::default(), row.aside);
        for name in ["node", "gpu", "pci", "index", "hca", "port", "mount", "reading", "model"] {
            if let Some(said) = row.fields.get(name) {
                fields.set(name, said.clone());
            }
        }
        let (percent, peers) = ((value / median * 100.0).floor(), devices.len() - 1);
        fields.set("value", figure(*value));
        fields.set("median", figure(median));
        fields.set("peers", i64::try_from(peers).unwrap_or(i64::MAX));
        let name = row.fields.text("reading").unwrap_or_default();
        fields.set(
            "what",
            match name {
                "ethernet.up" => format!("it is set down, and on {peers} others of its type it is up"),
                "services.slurmd" => format!("no slurmd runs there, and on {peers} others of its type one does"),
                "services.munge" => format!("no munge runs there, and on {peers} others of its type it does"),
                "disks.read_only" => format!("it can't be written, and on {peers} others of its type it can"),
                _ => format!("its {name} is {percent} % of the median of {peers} others of its type"),
            },
        );
        fields.set("rule", "median");
        if let Some(derived) = table.derive(compared.fact, Says::Warning, fields, vec![*id]) {
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
    // Of what is up or down 0 is a value, of all else it stands for none.
    let told = value > 0.0 || row.fields.text("reading").is_some_and(|reading| FLAGS.contains(&reading));
    (value.is_finite() && told).then_some(value)
}

/// A whole number where it is one, so that a fix can use it as it stands.
fn figure(value: f64) -> Value {
    #[allow(clippy::cast_possible_truncation, reason = "whole, and within the range of doubles that are exact")]
    let whole = (value.fract() == 0.0 && value.abs() < 9e15).then_some(value as i64);
    whole.map_or(Value::Float(value), Value::Int)
}

/// Node, and which of its devices.
fn device(row: &Row) -> Option<(String, String)> {
    let device = ["index", "port", "mount"].iter().find_map(|name| row.fields.text(name)).unwrap_or("node");
    Some((row.node()?.to_owned(), device.to_owned()))
}
