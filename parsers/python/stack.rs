//! Stacks of running processes: `faulthandler` and `py-spy dump`.

use super::frame;
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// Stacks that tell where a process was.
pub struct Stacks;

const STACK: Name = "python.stack";

/// Frames of a stack that are read.
const MOST_FRAMES: usize = 60;

/// Functions of `torch.distributed` in which a rank waits for others.
const COLLECTIVES: [&str; 12] = [
    "all_reduce",
    "barrier",
    "broadcast",
    "all_gather",
    "_all_gather_base",
    "reduce_scatter",
    "_reduce_scatter_base",
    "all_to_all",
    "recv",
    "send",
    "wait",
    "all_gather_into_tensor",
];

impl Grammar for Stacks {
    fn kinds(&self) -> &'static [Name] {
        &[STACK]
    }

    fn about(&self, _: &str) -> Option<&'static str> {
        Some("a process was asked where it is")
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["(most recent call first)"]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let mut top = None;
        let mut waits = false;
        for line in cursor.stream().take(MOST_FRAMES) {
            let text = line.str();
            let Some((file, number, mut func)) = frame(&text) else { break };
            if func.is_empty() {
                func = text.rsplit(" in ").next().unwrap_or_default().trim().to_owned();
            }
            waits |= COLLECTIVES.contains(&func.as_str()) && file.contains("distributed");
            top.get_or_insert((file, number, func, line.clone()));
        }
        let Some((file, number, func, line)) = top else { return };
        let mut fields = Fields::default();
        fields.set("file", file);
        fields.set("line_no", number);
        fields.set("func", func);
        fields.set("in_collective", waits);
        out.push(Event::on(cursor, &line, STACK, Says::Info, fields));
    }
}
