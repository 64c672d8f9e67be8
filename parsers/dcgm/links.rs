//! `dcgmi nvlink -s`: a letter a link, below a heading for each GPU.

use crate::console;
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// The states of all links.
///
/// Shape: DCGM 2.4 to 4.x, `dcgmi/Nvlink.cpp`: `U` up, `D` down, `X` disabled, `_` not supported.
#[derive(Debug)]
pub struct Links;

const INACTIVE: Name = "nvlink.inactive";

/// Most lines: 16 GPUs, 18 switches.
const MOST_LINES: usize = 80;

impl Grammar for Links {
    fn kinds(&self) -> &'static [Name] {
        &[INACTIVE]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        (kind == INACTIVE).then_some("A GPU has fewer active NVLinks than it should have.")
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["NvLink Link Status"]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let mut gpu = None;
        for line in cursor.following().take(MOST_LINES) {
            let text = line.whole();
            let text = text.trim();
            if let Some(id) = text.strip_prefix("gpuId ").and_then(|id| id.strip_suffix(':')) {
                gpu = Some(format!("GPU {id}"));
            } else if text == "NvSwitches:" || text.starts_with("Key:") {
                break;
            } else if let Some(gpu) = gpu.take().filter(|_| is_states(text) && text.contains('D')) {
                let mut fields = Fields::default();
                fields.set("gpu", gpu);
                fields.set("active", text.split(' ').filter(|state| *state == "U").count() as i64);
                if let Some(node) = console::host(cursor) {
                    fields.set("node", node);
                }
                out.push(Event::on(cursor, &line, INACTIVE, Says::Warning, fields));
            }
        }
    }
}

/// Whether a line is nothing but states.
fn is_states(text: &str) -> bool {
    !text.is_empty() && text.split(' ').all(|state| matches!(state, "U" | "D" | "X" | "_"))
}
