//! Numbers that are alike on nodes of one type: whoever stands out among many is told by the others, and by no bound.

use serde_json::value::RawValue;

use super::{Cite, Reading, kinds, told, value, whose};
use crate::event::{Event, Fields, Says, Value};
use crate::stamp::Stamp;

/// What is compared: probe and name.
const MEASURES: [(&str, &str); 9] = [
    ("gpu", "clock.sm"),
    ("gpu", "clock.sm.max"),
    ("gpu", "clock.memory"),
    ("gpu", "power.limit"),
    ("gpu", "pcie.width"),
    ("gpu", "pcie.generation"),
    ("fabric", "rate"),
    ("ethernet", "speed"),
    ("ethernet", "mtu"),
];

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
        let Some(number) = value(&one.value).filter(|_| MEASURES.iter().any(|(probe, name)| is(one, probe, name)))
        else {
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
