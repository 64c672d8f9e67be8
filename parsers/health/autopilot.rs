//! Autopilot's checks: `[[ PCIEBW ]] FAIL`, then the host and a reading a GPU.
//!
//! Shape: autopilot v2.2 `autopilot-daemon/gpu-bw/entrypoint.py`, `gpu-remapped/remapped-rows.sh`, `gpu-power/power-throttle.sh`,
//! `gpu-dcgm/entrypoint.py`.

use super::{FAILED, HOST_BANDWIDTH, KINDS, MEMORY, THROTTLED};
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// A check of autopilot that failed.
#[derive(Debug)]
pub struct Autopilot;

/// Lines behind the verdict, and before it, that may name the host and hold the readings.
const REACH: usize = 6;

/// A bandwidth below this share of the best GPU of the host is what failed.
const SLOW: f64 = 0.8;

impl Grammar for Autopilot {
    fn kinds(&self) -> &'static [Name] {
        KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["[[ PCIEBW ]] FAIL", "[[ REMAPPED ROWS ]] FAIL", "[[ DCGM ]] FAIL", "[GPU POWER] FAIL"]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.str();
        let (test, kind) = match () {
            () if text.contains("PCIEBW") => ("pciebw", HOST_BANDWIDTH),
            () if text.contains("REMAPPED") => ("remapped", MEMORY),
            () if text.contains("POWER") => ("power", THROTTLED),
            () => ("dcgm", FAILED),
        };
        let around: Vec<Line<'_>> = cursor.following().take(REACH).collect();
        let host =
            around.iter().chain(&cursor.preceding().take(1).collect::<Vec<_>>()).find_map(|line| host(&line.str()));
        let push = |line: &Line<'_>, what: String, gpu: Option<usize>, out: &mut Vec<Event>| {
            let mut fields = Fields::default();
            fields.set("test", test);
            fields.set("what", what);
            if let Some(host) = &host {
                fields.set("node", host.as_str());
            }
            if let Some(gpu) = gpu {
                fields.set("gpu", format!("GPU {gpu}"));
            }
            out.push(Event::on(cursor, line, kind, Says::Failure, fields));
        };
        push(&cursor.line, format!("the check {test} failed"), None, out);
        for line in &around {
            let readings = readings(&line.str());
            if readings.is_empty() {
                continue;
            }
            for (gpu, what) in odd(kind, &readings) {
                push(line, what, Some(gpu), out);
            }
            break;
        }
    }
}

/// `Host  gpu-17`.
fn host(text: &str) -> Option<String> {
    let name = text.strip_prefix("Host ")?.trim();
    (!name.is_empty() && !name.contains(' ')).then(|| name.to_owned())
}

/// A line of nothing but numbers, two or more.
fn readings(text: &str) -> Vec<f64> {
    let all: Result<Vec<f64>, _> = text.split_whitespace().map(str::parse).collect();
    all.ok().filter(|list| list.len() > 1 && list.iter().all(|value| value.is_finite())).unwrap_or_default()
}

/// The GPUs whose reading is not like the others', with what is wrong.
fn odd(kind: Name, readings: &[f64]) -> Vec<(usize, String)> {
    let best = readings.iter().copied().fold(0.0, f64::max);
    let wrong = |value: f64| if kind == HOST_BANDWIDTH { value < SLOW * best } else { value > 0.0 };
    let say = |value: f64| match kind {
        HOST_BANDWIDTH => format!("{value} GB/s, where another GPU has {best}"),
        _ => "the check complains of this GPU".to_owned(),
    };
    readings.iter().enumerate().filter(|(_, value)| wrong(**value)).map(|(gpu, value)| (gpu, say(*value))).collect()
}
