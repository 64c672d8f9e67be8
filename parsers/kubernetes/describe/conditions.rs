//! The table of a node's conditions without the description it stood in: `kubectl describe node | sed -n '/Conditions/,/Addresses/p'`.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::{Record, begins, node, reasons, subject};
use crate::event::{Event, Name};
use crate::grammar::Grammar;
use crate::kubernetes::events;
use crate::kubernetes::message::Said;
use crate::kubernetes::subject::Subject;
use crate::line::{Cursor, Line};

static HEADING: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"LastHeartbeatTime "));

/// Conditions of a node that nothing but a command line names.
#[derive(Debug)]
pub struct CutConditions;

impl Grammar for CutConditions {
    fn kinds(&self) -> &'static [Name] {
        reasons::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        // only conditions of nodes have a heartbeat
        &["LastHeartbeatTime  ", "HasIssues", "XidCriticalError ", "NodeStatusUnknown  "]
    }

    fn speaks_for(&self) -> Option<Name> {
        Some("kubernetes")
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let raw = cursor.line.raw;
        let header = raw.trim_ascii_start().starts_with(b"Type ");
        let above = |raw: &[u8]| begins(raw) || (!header && HEADING.find(raw).is_some());
        if cursor.raw_before(above, super::REACH).next().is_some() {
            return;
        }
        let record = if header {
            Record::read_conditions(std::iter::once(cursor.line.clone()).chain(cursor.following()))
        } else {
            Record::of_condition(cursor.line.clone())
        };
        let named = subject(cursor, "");
        let named = if named == Subject::default() { Subject { node: beside(cursor), ..named } } else { named };
        let mut tell = |line: &Line<'_>, subject: &Subject, said: Said| out.push(subject.event(cursor, line, said));
        node(&record, &named, &mut tell);
    }
}

/// Lines behind a table of conditions in which the events of the node stand: addresses, capacity, its pods come before them.
const REACH: usize = 256;

/// The node of which events behind the table tell a new state; none where another description begins first.
fn beside(cursor: &Cursor<'_>) -> Option<String> {
    let own = cursor.following().take(REACH).take_while(|line| !begins(line.raw));
    let mut told = own.filter_map(|line| events::node_of_status(&line.str()).map(str::to_owned));
    let node = told.next()?;
    told.all(|other| other == node).then_some(node)
}
