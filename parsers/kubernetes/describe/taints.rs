//! Taints of a node that does not answer, where its description was cut before the conditions that say so.
//!
//! The control plane sets `node.kubernetes.io/unreachable` while the condition `Ready` is `Unknown` and `…/not-ready` while it is
//! `False` (kubernetes v1.13 to v1.34 `pkg/controller/nodelifecycle/node_lifecycle_controller.go`). A pod's tolerations name both too, on
//! lines that begin otherwise.

use super::{reasons, subject};
use crate::event::{Event, Name, Says};
use crate::grammar::Grammar;
use crate::kubernetes::message::Said;
use crate::line::{Cursor, Line};

/// Taints without conditions.
#[derive(Debug)]
pub struct Taints;

/// Most taints of a node that are looked at.
const MOST: usize = 16;

/// Taints that stand as long as a node does not answer.
const SILENT: [&str; 2] = ["node.kubernetes.io/unreachable:", "node.kubernetes.io/not-ready:"];

impl Grammar for Taints {
    fn kinds(&self) -> &'static [Name] {
        reasons::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["Taints:  ", "Taints:\t"]
    }

    fn speaks_for(&self) -> Option<Name> {
        Some("kubernetes")
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        if !cursor.line.raw.trim_ascii_start().starts_with(b"Taints:") || conditions_follow(cursor) {
            return;
        }
        let more =
            cursor.following().take(MOST).take_while(|line| line.raw.starts_with(b" ") || line.raw.starts_with(b"\t"));
        let lines: Vec<Line<'_>> = std::iter::once(cursor.line.clone()).chain(more).collect();
        let told = SILENT.iter().find_map(|taint| lines.iter().find_map(|line| Some((line, of(&line.str(), taint)?))));
        let Some((line, taint)) = told else { return };
        let mut said = Said::new(reasons::NODE, Says::Failure);
        said.fields.set("what", "Ready");
        said.fields.set("why", taint);
        out.push(subject(cursor, "").event(cursor, line, said));
    }
}

/// `node.kubernetes.io/unreachable:NoExecute`, of a line that has it.
fn of(text: &str, taint: &str) -> Option<String> {
    let at = text.find(taint)?;
    text[at..].split_whitespace().next().map(str::to_owned)
}

/// Whether the same description goes on to the condition that tells more.
fn conditions_follow(cursor: &Cursor<'_>) -> bool {
    let inside = |line: &Line<'_>| !super::begins(line.raw) && super::COMMAND.find(line.raw).is_none();
    let ready = |line: Line<'_>| line.raw.starts_with(b" ") && line.raw.trim_ascii_start().starts_with(b"Ready ");
    cursor.following().take_while(inside).any(ready)
}
