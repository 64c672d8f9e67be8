//! Horovod's stall inspector: which ranks did not submit a tensor that others wait for.
//!
//! Shape: `horovod/common/stall_inspector.cc` (v0.21 to v0.28): a line `Missing ranks:`, then `1: [tensor, …]` a rank.

use crate::event::{Event, Fields, Name, Says, Value};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// The list of missing ranks.
pub struct MissingRanks;

const MISSING: Name = "launcher.horovod_missing";

/// Most ranks of a list that are read.
const MOST: usize = 4096;

impl Grammar for MissingRanks {
    fn kinds(&self) -> &'static [Name] {
        &[MISSING]
    }

    fn about(&self, _: &str) -> Option<&'static str> {
        Some("Horovod names the ranks that did not submit a tensor")
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["Missing ranks:"]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        if cursor.line.str().trim() != "Missing ranks:" {
            return;
        }
        let ranks: Vec<i64> = cursor.following().take(MOST).map_while(|line| missing(&line, &cursor.line)).collect();
        if ranks.is_empty() {
            return;
        }
        let mut fields = Fields::default();
        fields.set("missing", Value::Ranks(ranks));
        out.push(Event::on(cursor, &cursor.line, MISSING, Says::Failure, fields));
    }
}

/// `1: [tensor, …]`; its number may have been taken for the label of a launcher.
fn missing(line: &Line<'_>, above: &Line<'_>) -> Option<i64> {
    let text = line.str();
    let text = text.trim();
    if text.starts_with('[') && line.context.label != above.context.label {
        return line.context.label;
    }
    text.split_once(": [")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use crate::lint;
    use crate::{Catalogue, Scanner, Value};

    fn missing(log: &str) -> Vec<Option<Value>> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let events = lint::read(&scanner, log);
        events.iter().filter(|event| event.kind == super::MISSING).map(|e| e.fields.get("missing").cloned()).collect()
    }

    #[test]
    fn the_list_is_read_with_and_without_a_launchers_tag() {
        let plain = "Missing ranks:\n1: [Allreduce_0, Allreduce_1]\n3: [Allreduce_0]\nstep 3\n";
        assert_eq!(missing(plain), [Some(Value::Ranks(vec![1, 3]))]);
        let tagged = "[0]<stderr>:Missing ranks:\n[0]<stderr>:1: [Allreduce_0]\n[0]<stderr>:2: [Allreduce_0]\n";
        assert_eq!(missing(tagged), [Some(Value::Ranks(vec![1, 2]))]);
    }

    #[test]
    fn a_heading_alone_says_nothing() {
        assert!(missing("Missing ranks:\nnone today\n").is_empty());
    }
}
