//! Who is who: ranks, hosts, processes, and how many of them there are.

use std::collections::{BTreeMap, BTreeSet};

use diag_parsers::{Name, Says, Value};

use super::names::without_domain;
use super::{MOST_RANKS, Row, Table, consoles, processes, snippets};

/// Works out the job's size, ranks and hosts, and fills columns in from them.
pub(super) fn derive(table: &mut Table) {
    table.job.world_size = largest(table, "world_size").max(largest(table, "nranks"));
    processes::derive(table);
    snippets::derive(table);
    let tasks = ranks_of_tasks(table);
    nodes_of_labels(table);
    ranks_of_labels(table);
    ranks_of_local(table);
    rank_of_the_only_exit(table);
    node_of_the_only_exit(table);
    node_of_a_killed_step(table);
    node_of_the_batch_step(table);
    let job = &mut table.job;
    job.ranks.extend(tasks);
    for row in &table.rows {
        let Some(rank) = row.rank() else { continue };
        job.ranks.insert(rank);
        if let Some(node) = row.node() {
            job.hosts.entry(rank).or_insert_with(|| node.to_owned());
        }
    }
    host_of_the_silent_rank(table);
    ranks_of_only_workers(table);
    nodes_of_ranks(table);
    the_only_node(table);
}

fn largest(table: &Table, field: &str) -> Option<i64> {
    table.rows.iter().filter_map(|row| row.fields.int(field)).filter(|n| (1..MOST_RANKS).contains(n)).max()
}

/// What srun tells of a task whose own process a fault ended. A launcher's process does not run into one: its worker does,
/// and it reports that and exits.
const RAN_ITSELF: Name = "slurm.task_crashed";

/// The tasks that srun names are ranks where a node has several of them: a launcher is started once a node.
///
/// Returns all of them, also those that were only ended with the step: they are ranks of the job as well.
fn ranks_of_tasks(table: &mut Table) -> BTreeSet<i64> {
    let mut tasks: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
    for row in &table.rows {
        let (Some(node), Some(list)) = (row.node(), row.fields.get("tasks").and_then(Value::ranks)) else { continue };
        tasks.entry(node).or_default().extend(list);
    }
    let several = tasks.values().any(|list| list.len() > 1);
    let all = tasks.into_values().flatten().filter(|task| several && (0..MOST_RANKS).contains(task)).collect();
    for row in table.rows.iter_mut().filter(|row| row.rank().is_none() && (several || row.kind == RAN_ITSELF)) {
        if let Some(&[task]) = row.fields.get("tasks").and_then(Value::ranks) {
            row.fields.set("rank", task);
        }
    }
    all
}

/// `srun -l` labels a line with the number of its task, and srun names the node of a task that ended badly.
fn nodes_of_labels(table: &mut Table) {
    let mut nodes: BTreeMap<(usize, i64), Option<String>> = BTreeMap::new();
    for row in &table.rows {
        let (Some(node), Some(tasks)) = (row.node(), row.fields.get("tasks").and_then(Value::ranks)) else { continue };
        for task in tasks {
            let told = nodes.entry((row.source, *task)).or_insert_with(|| Some(node.to_owned()));
            if told.as_deref() != Some(node) {
                *told = None;
            }
        }
    }
    for row in table.rows.iter_mut().filter(|row| row.node().is_none()) {
        let Some(label) = row.fields.int("label") else { continue };
        if let Some(Some(node)) = nodes.get(&(row.source, label)) {
            row.fields.set("node", node.as_str());
        }
    }
}

/// Families of rows in which a process says why it ends.
const SAYS_WHY: [&str; 4] = ["python.", "gloo.", "cuda.", "process."];

/// Whether a process brought its exit code about itself: it was not killed or told to stop.
fn own(code: i64) -> bool {
    !matches!(code, 0 | -15 | -9 | -2 | 137 | 143)
}

/// Where one rank alone left with an error code, what nobody owns up to is its doing; but not what was raised as
/// often as others may have raised it, whom torchrun ended before they could leave (it looks every 0.1 s in v2.7, every 5 s in
/// v1.12).
fn rank_of_the_only_exit(table: &mut Table) {
    let code = |row: &super::Row| row.fields.int("exit_code").or_else(|| row.fields.int("exitcode"));
    let failed: BTreeSet<i64> =
        table.rows.iter().filter(|row| code(row).is_some_and(own)).filter_map(super::Row::rank).collect();
    let raised = |row: &super::Row| row.says == Says::Failure && SAYS_WHY.iter().any(|head| row.kind.starts_with(head));
    let (1, Some(rank)) = (failed.len(), failed.first().copied()) else { return };
    if table.rows.iter().any(|row| raised(row) && row.rank().is_some_and(|other| other != rank)) {
        return;
    }
    let ended = table.of_kind("elastic.sigterm").len() as u64;
    let raised_once = |row: &super::Row| row.kind == "python.exception" || row.kind.starts_with("cuda.");
    let of_others = |row: &super::Row| raised_once(row) && row.count > 1 && row.count <= 1 + ended;
    for row in table.rows.iter_mut().filter(|row| raised(row) && !of_others(row)) {
        row.fields.set("rank", rank);
    }
}

/// Where srun tells of one task alone that died of itself, and of no other host, what nobody owns up to was said there.
fn node_of_the_only_exit(table: &mut Table) {
    let code = |row: &super::Row| row.fields.int("exit_code");
    let died = |row: &&super::Row| match row.kind {
        "slurm.task_crashed" | "slurm.task_aborted" => true,
        _ => row.kind == "slurm.task_exit" && code(row).is_some_and(own),
    };
    let tasks = |row: &super::Row| row.fields.get("tasks").and_then(Value::ranks).map_or(0, <[i64]>::len);
    let dead: Vec<&super::Row> = table.rows.iter().filter(died).collect();
    let (&[row], Some(node)) = (dead.as_slice(), dead.first().and_then(|row| row.node())) else { return };
    if tasks(row) != 1 || table.rows.iter().filter_map(super::Row::node).any(|other| other != node) {
        return;
    }
    let (source, node) = (row.source, node.to_owned());
    let unowned = |row: &&mut super::Row| row.source == source && row.node().is_none() && row.rank().is_none();
    for row in table.rows.iter_mut().filter(unowned).filter(|row| row.says == Says::Failure) {
        row.fields.set("node", node.as_str());
    }
}

/// slurmstepd names the first node of a step. Where srun tells of tasks on that one alone, a step that died of SIGKILL died
/// there, and that host's kernel may know why.
fn node_of_a_killed_step(table: &mut Table) {
    for id in table.of_kind("slurm.cancelled").to_vec() {
        let row = &table.rows[id];
        let (Some("Killed"), Some(node)) = (row.fields.text("signal"), row.fields.text("printed_by")) else { continue };
        let mut told =
            table.rows.iter().filter(|other| other.source == row.source).filter_map(super::Row::node).peekable();
        if told.peek().is_some() && told.all(|other| other == node) {
            let node = node.to_owned();
            table.rows[id].fields.set("node", node);
        }
    }
}

/// A batch script runs on one node, and its slurmstepd names that one where it tells of the end of the job: what else it
/// tells without a name was there too.
fn node_of_the_batch_step(table: &mut Table) {
    let of_batch = |row: &super::Row| row.fields.text("step") == Some("batch");
    for id in table.of_kind("slurm.oom_kill").to_vec() {
        let row = &table.rows[id];
        let Some(job) = row.fields.int("job").filter(|_| row.node().is_none() && of_batch(row)) else { continue };
        let ends = table.rows.iter().filter(|end| end.fields.int("job") == Some(job));
        let script = ends.filter(|end| end.fields.text("scope") == Some("JOB"));
        let nodes: BTreeSet<&str> = script.filter_map(|end| end.fields.text("printed_by")).collect();
        if let Some(node) = nodes.first().filter(|_| nodes.len() == 1).map(ToString::to_string) {
            table.rows[id].fields.set("node", node);
        }
    }
}

/// A task label of `srun -l` is a rank where there are as many labels as ranks, or nothing else tells ranks.
fn ranks_of_labels(table: &mut Table) {
    let labels: BTreeSet<i64> = table.rows.iter().filter_map(|row| row.fields.int("label")).collect();
    if labels.is_empty() {
        return;
    }
    let labelled = || table.rows.iter().filter(|row| row.fields.int("label").is_some());
    let agree = labelled().all(|row| row.rank().is_none_or(|rank| Some(rank) == row.fields.int("label")));
    let local = labelled().any(|row| row.fields.int("local_rank").is_some());
    let whole = table.job.world_size.is_none_or(|size| labels.iter().all(|label| *label < size));
    // A task of srun that is an agent of torchrun is a host; a rank only where each has one worker.
    let single = table.job.world_size.is_some_and(|size| usize::try_from(size) == Ok(labels.len()));
    let hosts = !single && labelled().any(|row| row.kind.starts_with("elastic."));
    if agree && !local && !hosts && whole && labels.len() > 1 {
        copy(table, "label");
    }
}

/// torchrun's local rank is the global one on a job of one node.
fn ranks_of_local(table: &mut Table) {
    let nodes: BTreeSet<&str> = table.rows.iter().filter_map(super::Row::node).collect();
    let label = table.rows.iter().any(|row| row.fields.int("label").is_some());
    let locals: BTreeSet<i64> = table.rows.iter().filter_map(|row| row.fields.int("local_rank")).collect();
    let agree = table.rows.iter().all(|row| match (row.rank(), row.fields.int("local_rank")) {
        (Some(rank), Some(local)) => rank == local,
        _ => true,
    });
    let fits = table.job.world_size.is_none_or(|size| locals.iter().all(|local| *local < size) && size <= 16);
    // What one program spawned is its whole job.
    let spawned = table.rows.iter().any(|row| row.fields.get("spawned").is_some() || row.kind == "process.exit_status");
    if nodes.len() <= 1 && !label && agree && fits && (locals.len() > 1 || spawned) {
        copy(table, "local_rank");
    }
}

fn copy(table: &mut Table, from: &str) {
    for row in table.rows.iter_mut().filter(|row| row.rank().is_none()) {
        if let Some(rank) = row.fields.int(from) {
            row.fields.set("rank", Value::Int(rank));
        }
    }
}

fn nodes_of_ranks(table: &mut Table) {
    for row in table.rows.iter_mut().filter(|row| row.node().is_none()) {
        if let Some(host) = row.rank().and_then(|rank| table.job.hosts.get(&rank)) {
            row.fields.set("node", host.as_str());
        }
    }
}

/// The ranks below the job's size that no host is known of, where each of the others has a host of its own. Of one rank alone
/// that is believed where the size is told: its host may have further ones.
fn homeless(table: &Table) -> Option<Vec<i64>> {
    let job = &table.job;
    let size = job.ranks.last().map_or(0, |rank| rank + 1).max(job.world_size.unwrap_or_default());
    let own: BTreeSet<&String> = job.hosts.values().collect();
    let believed = own.len() == job.hosts.len() && (own.len() > 1 || job.world_size == Some(size));
    let few = size <= 1 + job.hosts.len() as i64;
    (believed && few).then(|| (0..size).filter(|rank| !job.hosts.contains_key(rank)).collect())
}

/// The host that is left over for the one rank that says nothing, where each of the others has a host of its own.
fn host_of_the_silent_rank(table: &mut Table) {
    let Some(&[rank]) = homeless(table).as_deref() else { return };
    let taken = |node: &str| table.job.hosts.values().any(|host| host == node);
    let launchers = table.rows.iter().filter(|row| row.kind.starts_with("elastic.")).filter_map(Row::node);
    let nodes: BTreeSet<&str> = launchers.collect();
    let mut left = nodes.into_iter().filter(|node| !taken(node));
    if let (Some(host), None) = (left.next(), left.next()) {
        let host = host.to_owned();
        table.job.hosts.insert(rank, host);
    }
}

/// torchrun tells a worker by its number on the host; where each rank has a host of its own, that is the host's rank.
fn ranks_of_only_workers(table: &mut Table) {
    if homeless(table).is_none_or(|ranks| !ranks.is_empty()) {
        return;
    }
    let workers: BTreeMap<String, i64> = table.job.hosts.iter().map(|(rank, host)| (host.clone(), *rank)).collect();
    for id in table.of_kind("elastic.exit").to_vec() {
        let row = &mut table.rows[id];
        let first = row.rank().is_none() && row.fields.int("local_rank") == Some(0);
        if let Some(rank) = row.node().filter(|_| first).and_then(|node| workers.get(node)) {
            row.fields.set("rank", *rank);
        }
    }
}

/// Most ranks that one node has.
const MOST_ON_A_NODE: i64 = 16;

/// Where all processes that are known stand on one node, everything else does too.
fn the_only_node(table: &mut Table) {
    let world = table.job.world_size.unwrap_or_default().max(table.job.ranks.last().map_or(0, |rank| rank + 1));
    let (Some(node), true) = (common_node(table), world <= MOST_ON_A_NODE) else { return };
    for row in table.rows.iter_mut().filter(|row| row.node().is_none() && row.parents.is_empty()) {
        row.fields.set("node", node.as_str());
    }
    for rank in &table.job.ranks {
        table.job.hosts.entry(*rank).or_insert_with(|| node.clone());
    }
}

/// The node of all processes that tell theirs, or of several that a launcher tells of. A node that is named for
/// itself, a failed one say, or for one process that failed on it, is one of many; and so it is where slurmstepd writes
/// from another one.
fn common_node(table: &Table) -> Option<String> {
    let mut node: Option<&str> = None;
    let mut told_of: BTreeSet<i64> = BTreeSet::new();
    let mut own = false;
    for row in &table.rows {
        let typed = consoles::started_at(row);
        let Some(name) = typed.or(row.node()) else { continue };
        if node.is_some_and(|known| !without_domain(known).eq_ignore_ascii_case(without_domain(name))) {
            return None;
        }
        node = Some(name);
        let by_launcher = row.kind.starts_with("slurm.") || row.kind.starts_with("launcher.");
        let tasks = row.fields.get("tasks").and_then(Value::ranks).unwrap_or_default();
        told_of.extend(tasks.iter().copied().chain(row.rank()));
        let process = typed.is_some() || ["rank", "pid"].iter().any(|field| row.fields.get(field).is_some());
        if !process && tasks.is_empty() {
            return None;
        }
        own |= !by_launcher;
    }
    let same = |name: &str| node.is_some_and(|node| without_domain(node).eq_ignore_ascii_case(without_domain(name)));
    let alone = table.rows.iter().filter_map(|row| row.fields.text("printed_by")).all(same);
    node.filter(|_| alone && (own || told_of.len() > 1)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use crate::evidence::of_log;

    fn known(rank: i64, host: &str) -> String {
        format!("[rank{rank}]: {host}:4121:4121 [0] NCCL INFO NCCL_IB_TIMEOUT set by environment to 22.\n")
    }

    fn exit(host: &str) -> String {
        format!(
            "{host}: E0504 03:12:44.1 4121 torch/distributed/elastic/multiprocessing/api.py:986] failed (exitcode: 3) local_rank: 0 (pid: 412) of binary: /usr/bin/python3\n"
        )
    }

    #[test]
    fn a_worker_is_the_rank_of_its_host_where_each_has_one() {
        let rank = |log: String| {
            let table = of_log(&log);
            table.of_kind("elastic.exit").first().and_then(|id| table.rows[*id].rank())
        };
        assert_eq!(rank(known(0, "gpu-17") + &known(1, "gpu-18") + &exit("gpu-18")), Some(1));
        assert_eq!(rank(known(0, "gpu-17") + &known(11, "gpu-18") + &exit("gpu-18")), None, "gpu-18 has eight");
        assert_eq!(rank(known(3, "gpu-17") + &exit("gpu-17")), None);
    }

    #[test]
    fn the_host_that_is_left_over_is_the_silent_ranks() {
        let host = |log: String, rank: i64| of_log(&log).job.hosts.get(&rank).cloned();
        let others = known(0, "gpu-17") + &known(2, "gpu-19");
        assert_eq!(host(others.clone() + &exit("gpu-18"), 1).as_deref(), Some("gpu-18"));
        assert_eq!(host(others + &exit("gpu-18") + &exit("gpu-20"), 1), None, "two are left");
        assert_eq!(host(known(1, "gpu-17") + &exit("gpu-18"), 0), None, "gpu-17 may have both");
    }
}
