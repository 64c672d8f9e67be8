//! `nvidia-smi --query-gpu=… --format=csv`, `--query-remapped-rows`: a line of names, then a line a GPU.

use crate::console;
use crate::event::{Event, Name};
use crate::gpu::{self, Gpu};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// A table with names of properties at its head.
#[derive(Debug)]
pub struct Csv;

/// Properties of which one makes a table worth reading.
const ANCHORS: [&str; 8] = [
    "ecc.errors.uncorrected.",
    "remapped_rows.",
    "retired_pages.",
    "clocks_throttle_reasons.",
    "clocks_event_reasons.",
    "pcie.link.width.",
    "fabric.state",
    "gpu_recovery_action",
];

/// Most GPUs of a table.
const MOST_LINES: usize = 128;

impl Grammar for Csv {
    fn kinds(&self) -> &'static [Name] {
        gpu::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &ANCHORS
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let head = cursor.line.str().into_owned();
        if !ANCHORS.iter().any(|anchor| head.contains(anchor)) {
            return;
        }
        let names: Vec<String> = head.split(',').map(name).collect();
        let is_name = |name: &String| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c))
        };
        // A command line that asks for the properties holds them as well, behind an option.
        if !names.iter().all(is_name) {
            return;
        }
        let mut node = None;
        for line in cursor.following().take(MOST_LINES) {
            let text = line.str().into_owned();
            let values: Vec<&str> = text.split(',').map(str::trim).collect();
            if values.len() != names.len() || text.trim().is_empty() || values.iter().any(|value| is_property(value)) {
                break;
            }
            let gpu = which(&names, &values);
            let mut readings = Gpu::default();
            names.iter().zip(&values).for_each(|(name, value)| readings.note(name, value));
            for (name, value) in names.iter().zip(&values) {
                let Some((kind, says, mut fields)) = readings.judge(name, value) else { continue };
                if let Some(gpu) = &gpu {
                    fields.set("gpu", gpu.as_str());
                }
                if let Some(node) = node.get_or_insert_with(|| console::host(cursor)) {
                    fields.set("node", node.as_str());
                }
                out.push(Event::on(cursor, &line, kind, says, fields));
            }
        }
    }
}

/// Whether a value is the name of a property: the list of all of them has one a line as well.
fn is_property(value: &str) -> bool {
    let word = value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._\"".contains(c));
    word && value.contains(['.', '_']) && value.contains(|c: char| c.is_ascii_lowercase())
}

/// `memory.used [MiB]` without its unit; the width of the link as the other readers call it.
fn name(column: &str) -> String {
    let name = column.split('[').next().unwrap_or_default().trim();
    name.replace("link.width", "link_width")
}

/// What the GPU of a line is called: its address, else its index, else its UUID.
fn which(names: &[String], values: &[&str]) -> Option<String> {
    let column = |wanted: &[&str]| names.iter().position(|name| wanted.contains(&name.as_str())).map(|at| values[at]);
    column(&["pci.bus_id", "gpu_bus_id"])
        .map(str::to_owned)
        .or_else(|| column(&["index"]).map(|index| format!("GPU {index}")))
        .or_else(|| column(&["uuid", "gpu_uuid"]).map(str::to_owned))
}
