//! Events that two sources saw: what they tell of how far apart their clocks are.

use std::collections::HashMap;

use crate::evidence::{RowId, Table};

/// One thing that happened, as two programs print it.
struct Pair {
    /// The kind of the one that notices first.
    first: &'static str,
    second: &'static str,
    /// Fields that must be equal: of the first, of the second.
    same: &'static [(&'static str, &'static str)],
    /// Seconds from the first to the second, as a rule and at most.
    typical: f64,
    most: f64,
}

const fn pair(
    first: &'static str,
    second: &'static str,
    same: &'static [(&'static str, &'static str)],
    most: f64,
) -> Pair {
    Pair { first, second, same, typical: 0.5, most }
}

/// What is seen by two programs. torchrun looks at its workers each 0.1 s and waits up to 30 s for those it stops
/// (elastic/multiprocessing/api.py); slurmctld ends a job within its timer of 30 s (`KillWait`).
const PAIRS: [Pair; 8] = [
    pair("kernel.oom_killed", "elastic.exit", &[("victim_pid", "pid")], 40.0),
    pair("kernel.segfault", "elastic.exit", &[("pid", "pid")], 40.0),
    pair("kernel.oom_killed", "slurm.oom_kill", &[("node", "node")], 60.0),
    pair("kernel.oom_killed", "slurm.task_oom", &[("node", "node")], 60.0),
    pair("slurmctld.time_limit", "slurm.time_limit", &[("job", "job")], 60.0),
    pair("slurmctld.preempted", "slurm.preempted", &[("job", "job")], 60.0),
    pair("slurmctld.job_lost", "slurm.node_failure", &[("job", "job")], 60.0),
    pair("slurmctld.cancelled", "slurm.cancelled", &[("job", "job")], 60.0),
];

/// Families whose lines are copied from one log into another: the kernel's ring buffer into the journal, syslog.
const COPIED: [&str; 2] = ["kernel.", "slurmctld."];

/// Most sources in which one event is looked for.
const MOST_SEEN: usize = 8;

/// An event in two sources: the rows, and how many seconds later the second saw it.
pub(super) struct Seen {
    pub(super) first: RowId,
    pub(super) second: RowId,
    pub(super) typical: f64,
    pub(super) most: f64,
}

/// All events that two sources saw.
pub(super) fn events(table: &Table) -> Vec<Seen> {
    let mut seen: Vec<Seen> = PAIRS.iter().flat_map(|pair| told_by_both(table, pair)).collect();
    seen.extend(copies(table));
    seen
}

fn told_by_both(table: &Table, pair: &Pair) -> Vec<Seen> {
    let key = |row: RowId, second: bool| -> Option<Vec<String>> {
        let field = |names: &(&str, &str)| if second { names.1.to_owned() } else { names.0.to_owned() };
        pair.same.iter().map(|names| table.value(row, &field(names)).map(|value| value.to_string())).collect()
    };
    let mut firsts: HashMap<Vec<String>, Vec<RowId>> = HashMap::new();
    for row in table.of_kind(pair.first).iter().copied().filter(|row| table.rows[*row].at.is_some()) {
        if let Some(key) = key(row, false) {
            firsts.entry(key).or_default().push(row);
        }
    }
    let mut seconds: HashMap<Vec<String>, Vec<RowId>> = HashMap::new();
    for row in table.of_kind(pair.second).iter().copied().filter(|row| table.rows[*row].at.is_some()) {
        if let Some(key) = key(row, true).filter(|key| firsts.contains_key(key)) {
            seconds.entry(key).or_default().push(row);
        }
    }
    // Where one side tells it several times, which goes with which is not clear.
    let alone = |rows: &[RowId]| (rows.len() == 1).then(|| rows[0]);
    let both = seconds.iter().filter_map(|(key, rows)| Some((alone(&firsts[key])?, alone(rows)?)));
    both.filter(|(first, second)| differ(table, *first, *second) && same_host(table, *first, *second))
        .map(|(first, second)| Seen { first, second, typical: pair.typical, most: pair.most })
        .collect()
}

fn differ(table: &Table, a: RowId, b: RowId) -> bool {
    table.rows[a].source != table.rows[b].source
}

fn same_host(table: &Table, a: RowId, b: RowId) -> bool {
    match (table.rows[a].node(), table.rows[b].node()) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    }
}

/// The same message in two logs: all that it tells is the same, and its host is known or it has a process id in it.
fn copies(table: &Table) -> Vec<Seen> {
    let mut known: HashMap<String, Vec<RowId>> = HashMap::new();
    for (id, row) in table.rows.iter().enumerate() {
        let copied = COPIED.iter().any(|head| row.kind.starts_with(head));
        let own = row.node().is_some() || row.fields.iter().any(|(name, _)| name.ends_with("pid"));
        if row.at.is_none() || row.count != 1 || !copied || !own {
            continue;
        }
        let mut told: Vec<String> = row
            .fields
            .iter()
            .filter(|(name, _)| *name != "rank")
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        told.sort();
        known.entry(format!("{} {}", row.kind, told.join("\u{1f}"))).or_default().push(id);
    }
    let mut seen = Vec::new();
    for rows in known.into_values().filter(|rows| (2..=MOST_SEEN).contains(&rows.len())) {
        let apart = rows.iter().skip(1).filter(|row| differ(table, rows[0], **row));
        seen.extend(apart.map(|row| Seen { first: rows[0], second: *row, typical: 0.0, most: 0.0 }));
    }
    seen
}
