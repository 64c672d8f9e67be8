//! Whose limit the kernel's OOM killer met: it prints the group of the victim in a line of its own. And where what was read
//! ends before it names a victim.

use diag_parsers::{Fields, Name, Says, Value};

use super::{RowId, Table};

const KILLED: Name = "kernel.oom_killed";
const INVOKED: Name = "kernel.oom_invoked";
const NO_VICTIM: Name = "host_memory.no_victim";

/// Lines that tell the group; those of newer kernels name the victim as well.
const TOLD: [&str; 2] = ["kernel.oom_constraint", "kernel.oom_cgroup"];

/// Most lines between the two: kernels up to 4.18 list all tasks in between.
const NEAR: u64 = 2000;

/// Fields that belong to the victim.
const FIELDS: [&str; 3] = ["job", "pod_uid", "cgroup"];

/// Who the victim is, as both lines tell it.
const VICTIM: &str = "victim_pid";

/// Copies the job, pod or group of the victim to the line that tells of its death.
pub(super) fn derive(table: &mut Table) {
    let killed = table.of_kind(KILLED).to_vec();
    for row in killed {
        let Some(told) = told(table, row) else { continue };
        for name in FIELDS {
            if let Some(value) = table.rows[told].fields.get(name).cloned() {
                table.rows[row].fields.set_if_absent(name, value);
            }
        }
    }
}

/// Tells of an OOM killer whose kill is not in what was read: whoever asks for memory, and the line that tells whose limit
/// was met, stand within the same second of the line that tells of the kill, so that a source without such a line was cut.
pub(super) fn derive_unended(table: &mut Table) {
    let latest = |kind: Name| table.of_kind(kind).iter().copied().rfind(|id| table.rows[*id].aside.is_none());
    let last = latest(TOLD[0]).or_else(|| latest(INVOKED));
    let Some(last) = last.filter(|_| table.of_kind(KILLED).is_empty()) else { return };
    let mut fields = Fields::default();
    if let Some(node) = table.rows[last].node() {
        fields.set("node", node);
    }
    for name in FIELDS.into_iter().chain([VICTIM]) {
        if let Some(value) = table.rows[last].fields.get(name).cloned() {
            fields.set(name, value);
        }
    }
    table.derive(NO_VICTIM, Says::Failure, fields, vec![last]);
}

/// The nearest line before it that tells the group.
fn told(table: &Table, killed: RowId) -> Option<RowId> {
    let row = &table.rows[killed];
    let fits = |id: &RowId| {
        let other = &table.rows[*id];
        let victim = |row: &super::Row| row.fields.get(VICTIM).map(Value::to_string);
        other.source == row.source
            && other.line < row.line
            && row.line - other.line <= NEAR
            && (victim(other).is_none() || victim(other) == victim(row))
    };
    TOLD.iter().flat_map(|kind| table.of_kind(kind)).copied().filter(fits).max_by_key(|id| table.rows[*id].line)
}
