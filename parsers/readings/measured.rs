//! Numbers that are alike on nodes of one type: whoever stands out among many is told by the others, and by no bound.

use serde_json::value::RawValue;

use super::{Cite, Reading, kinds, told, value, whose};
use crate::event::{Event, Fields, Says, Value};
use crate::stamp::Stamp;

/// What is compared: probe and name.
const MEASURES: [(&str, &str); 15] = [
    ("gpu", "clock.sm"),
    ("gpu", "clock.sm.max"),
    ("gpu", "clock.memory"),
    ("gpu", "power.limit"),
    ("gpu", "pcie.width"),
    ("gpu", "pcie.generation"),
    ("fabric", "rate"),
    ("ethernet", "speed"),
    ("ethernet", "mtu"),
    ("ethernet", "up"),
    ("services", "slurmd"),
    ("services", "munge"),
    ("disks", "shm.size"),
    ("disks", "read_only"),
    ("limits", "memlock"),
];

/// What stands for no limit, so that it can be compared: more than any limit that a number of bytes can be.
const NO_LIMIT: f64 = 1.8e19;

/// From which share of its time on a GPU is at work: an idle one lowers its clocks and its link.
const AT_WORK: f64 = 0.5;

/// One event for each number that is compared, with the type of its node: the product that its GPUs are.
pub(super) fn tell(
    readings: &[(&RawValue, Reading)],
    cite: Cite<'_>,
    (common, at): (&Fields, Option<Stamp>),
    out: &mut Vec<Event>,
) {
    let model = readings.iter().find_map(|(_, one)| match (is(one, "gpu", "name"), value(&one.value)) {
        (true, Some(Value::Text(model))) => Some(model),
        _ => None,
    });
    for (raw, one) in readings {
        let Some(number) = MEASURES.iter().find(|(probe, name)| is(one, probe, name)).and_then(|_| number(one)) else {
            continue;
        };
        let mut fields = common.clone();
        fields.set("reading", format!("{}.{}", one.probe, one.name));
        fields.set("value", number);
        if let Some(model) = &model {
            fields.set("model", model.clone());
        }
        if let Some(busy) = at_work(readings, one) {
            fields.set("at_work", busy);
        }
        whose(one, &mut fields);
        out.push(told(cite, (raw, "value"), (kinds::MEASURED, Says::Info), fields, at));
    }
}

/// The reading as a number: one that is up is 1, one that is down 0, and no limit is more than any.
fn number(reading: &Reading) -> Option<Value> {
    match value(&reading.value)? {
        Value::Bool(up) => Some(Value::Int(i64::from(up))),
        Value::Text(text) if text == "unlimited" => Some(Value::Float(NO_LIMIT)),
        Value::Text(text) => text.parse().ok().map(Value::Int),
        number => Some(number),
    }
}

fn is(reading: &Reading, probe: &str, name: &str) -> bool {
    reading.probe == probe && reading.name == name
}

/// Whether the GPU of a reading is at work; `None` where nothing tells.
fn at_work(readings: &[(&RawValue, Reading)], one: &Reading) -> Option<bool> {
    let index = one.of.get("index")?;
    let same = |other: &&Reading| is(other, "gpu", "utilization") && other.of.get("index") == Some(index);
    let share = readings.iter().map(|(_, other)| other).find(same)?.value.as_f64()?;
    Some(share >= AT_WORK)
}
