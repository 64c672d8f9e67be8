//! Why a node is out of service: the reasons that Slurm's daemons set themselves, and those of people and health checks.

use crate::event::{Event, Fields, Name, Says};
use crate::line::{Cursor, Line};

/// The kinds of event that a node's reason makes.
pub(super) const KINDS: &[Name] = &[SILENT, STUCK, SCRIPT, DRAINED];

const SILENT: Name = "slurm.node_silent";
const STUCK: Name = "slurm.node_stuck";
const SCRIPT: Name = "slurm.node_script_failed";
const DRAINED: Name = "slurm.node_drained";

/// Reasons as slurmctld and slurmd set them (slurm-25-05 `src/slurmctld/ping_nodes.c`, `node_mgr.c`, `proc_req.c`,
/// `src/slurmd/slurmstepd/step_terminate_monitor.c`), by how they begin; the rest is said by people and health checks.
const KNOWN: [(&str, Name); 6] = [
    ("Not responding", SILENT),
    ("Node unexpectedly re", SILENT),
    ("Kill task failed", STUCK),
    ("Prolog error", SCRIPT),
    ("Epilog error", SCRIPT),
    ("batch job complete f", SCRIPT),
];

pub(super) fn about(kind: &str) -> Option<&'static str> {
    Some(match kind {
        SILENT => "a node is out of service because it does not answer",
        STUCK => "a node is drained because a task on it could not be killed",
        SCRIPT => "a node is drained because a prolog or epilog failed on it",
        DRAINED => "a node is out of service, for a reason that a person or a check gave",
        _ => return None,
    })
}

/// The event of a node (or a hostlist) that is out of service for `why`.
pub(super) fn event(cursor: &Cursor<'_>, line: &Line<'_>, witness: &'static str, node: &str, why: &str) -> Event {
    let kind = KNOWN.iter().find(|(begin, _)| why.starts_with(begin)).map_or(DRAINED, |(_, kind)| *kind);
    let mut fields = Fields::default();
    fields.set("node", node);
    fields.set("why", why);
    fields.set("witness", witness);
    Event::on(cursor, line, kind, Says::Warning, fields)
}
