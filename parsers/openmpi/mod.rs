//! Blocks of help that Open MPI prints: a few sentences, wrapped anywhere, then `Key: value` lines.
//!
//! Shapes: Open MPI 1.3 to 4.1 `opal/mca/btl/openib/help-mpi-btl-openib.txt`: `[pp retry exceeded]`, `[of error event]`,
//! `[init-fail-no-mem]`; Open MPI 4.1 `opal/mca/base/help-mca-base.txt`, openpmix v4.2 `src/mca/base/help-pmix-mca-base.txt`:
//! `[find-available:not-valid]`; Open MPI 1.6 to 2.1 `orte/mca/errmgr/base/help-errmgr-base.txt`: `[node-died]`. Each event stands on the line that names the other end, the event, or the limit.

#[cfg(test)]
mod tests;

use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// A block of help.
#[derive(Debug)]
pub struct Help;

const RETRY: Name = "openmpi.ib_retry_exceeded";
const EVENT: Name = "openmpi.network_event";
const MEMLOCK: Name = "openmpi.memlock";
const ALLOCATION: Name = "openmpi.allocation_failed";
/// A plug-in that was asked for is not there. Fields: `node`, `framework`, `component`.
const COMPONENT: Name = "openmpi.component_missing";

/// The framework through which all messages go: without the component that was asked for, MPI does not start.
const MESSAGES: &str = "pml";
const PML: Name = "openmpi.pml_unusable";

/// The launcher's daemon on a host is gone. Field: `peer`.
const DAEMON: Name = "openmpi.daemon_lost";

/// Frameworks by which processes and their launcher find each other; a missing transport is often not needed at all.
const LAUNCH: [&str; 16] = [
    "psec",
    "pmix",
    "pmdl",
    "ess",
    "plm",
    "gds",
    "ptl",
    "bfrops",
    "psquash",
    "pcompress",
    "preg",
    "schizo",
    "oob",
    "odls",
    "grpcomm",
    "rml",
];

/// Lines of a block.
const MOST_LINES: usize = 60;

impl Grammar for Help {
    fn kinds(&self) -> &'static [Name] {
        &[RETRY, EVENT, MEMLOCK, ALLOCATION, COMPONENT, PML, DAEMON]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        Some(match kind {
            RETRY => "The adapter resent a packet until the retry budget ran out.",
            EVENT => "The OpenFabrics stack told of an event of the adapter.",
            MEMLOCK => "Memory can't be locked or registered: the limit is too low.",
            ALLOCATION => "The adapter's driver could not allocate, though as much memory may be locked as one likes.",
            COMPONENT => "A plug-in that Open MPI or PMIx needs is not there, or can't be loaded.",
            PML => {
                "The library for messages that was asked for (PML) can't be used: it did not load, or found no device."
            }
            DAEMON => "A launcher lost its daemon on a node: the node, or its network, is gone.",
            _ => return None,
        })
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[
            "The InfiniBand retry count between two MPI",
            "stack has reported a network error event",
            "BTL failed to initialize while trying",
            "BTL failed to register while trying",
            "A requested component was not found",
            "has lost communication with its daemon located on",
        ]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let block = Block::of(cursor);
        let text = cursor.line.str();
        let mut fields = block.fields();
        let framework = block.get("framework").unwrap_or_default();
        let (kind, at) = match () {
            () if text.contains("requested component") && framework == MESSAGES => (PML, "component"),
            () if text.contains("requested component") => (COMPONENT, "component"),
            () if text.contains("lost communication") => (DAEMON, "hostname"),
            () if text.contains("retry count") => (RETRY, "peer host"),
            () if text.contains("error event") => (EVENT, "error number"),
            () if block.get("memlock limit") == Some("unlimited") => (ALLOCATION, "memlock limit"),
            () => (MEMLOCK, "memlock limit"),
        };
        if kind == MEMLOCK {
            fields.set("why", "Cannot allocate memory");
        }
        if kind == COMPONENT && !LAUNCH.contains(&framework) {
            return;
        }
        let line = block.line(at).unwrap_or(&cursor.line);
        out.push(Event::on(cursor, line, kind, Says::Failure, fields));
    }
}

/// The `Key: value` lines of a block.
struct Block<'a>(Vec<(String, String, Line<'a>)>);

impl<'a> Block<'a> {
    fn of(cursor: &Cursor<'a>) -> Self {
        let mut lines = Vec::new();
        for line in cursor.stream().take(MOST_LINES) {
            let text = line.str().trim().to_owned();
            if text.starts_with("-----") {
                break;
            }
            let Some((key, value)) = text.split_once(':') else { continue };
            let key = key.trim().to_ascii_lowercase();
            if KEYS.iter().any(|(known, _)| *known == key) {
                lines.push((key, value.trim().to_owned(), line));
            }
        }
        Self(lines)
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _, _)| known == key).map(|(_, value, _)| value.as_str())
    }

    fn line(&self, key: &str) -> Option<&Line<'a>> {
        self.0.iter().find(|(known, _, _)| known == key).map(|(_, _, line)| line)
    }

    fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        for (key, column) in KEYS {
            if let Some(value) =
                self.get(key).filter(|value| !value.is_empty() && !value.contains(' ') || column == "what")
            {
                fields.set_if_absent(column, value);
            }
        }
        fields
    }
}

/// Keys of the blocks, and the columns they are.
const KEYS: [(&str, Name); 12] = [
    ("local host", "node"),
    ("host", "node"),
    ("framework", "framework"),
    ("component", "component"),
    ("peer host", "peer"),
    ("peer name", "peer"),
    ("hostname", "peer"),
    ("local device", "hca"),
    ("device", "hca"),
    ("error number", "what"),
    ("function", "call"),
    ("memlock limit", "limit"),
];
