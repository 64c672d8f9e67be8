//! Which rank a process is: what it told once holds for its other lines.

use std::collections::BTreeMap;

use diag_parsers::Name;

use super::{Row, Table};

/// A process: its host (empty where none is told) and id.
type Process = (String, i64);

/// The thread that asks the GPU how far a collective is, and ends its process where that fails.
const WATCHDOG: Name = "torch.watchdog_exception";

/// The rank of something; none where two are told.
type Ranks<K> = BTreeMap<K, Option<i64>>;

/// Fills the rank in on lines of processes that told theirs.
pub(super) fn derive(table: &mut Table) {
    ranks_in_groups(table);
    ranks_of_the_first_group(table);
    let mut known = told(table);
    let devices = devices(table);
    services(table, &mut known);
    let alone = by_pid(&known);
    for row in table.rows.iter_mut().filter(|row| row.rank().is_none()) {
        let Some(pid) = process(row) else { continue };
        let rank = match row.node() {
            Some(node) => {
                let process = (node.to_owned(), pid);
                let device = row.fields.text("gpu").and_then(|gpu| gpu.parse().ok());
                known.get(&process).copied().flatten().or_else(|| *devices.get(&(process, device?))?)
            }
            None => alone.get(&pid).copied().flatten(),
        };
        if let Some(rank) = rank {
            row.fields.set("rank", rank);
        }
    }
}

/// The process that a row tells of: the one that printed it, else the one that the kernel or driver names.
fn process(row: &Row) -> Option<i64> {
    let by_driver = || row.fields.text("xid_pid").and_then(|pid| pid.parse().ok());
    row.fields.int("pid").or_else(|| row.fields.int("victim_pid")).or_else(by_driver)
}

/// The rank in a communicator that is smaller than the job's largest is one in a group.
fn ranks_in_groups(table: &mut Table) {
    let world = table.job.world_size;
    for row in &mut table.rows {
        let nranks = row.fields.int("nranks");
        if nranks.is_some()
            && nranks != world
            && let Some(rank) = row.fields.remove("rank")
        {
            row.fields.set("group_rank", rank);
        }
    }
}

/// In the group of all ranks, the default one that is made first, a rank's place is its rank. What C++ throws has no
/// `[rank3]:` in front, and torch up to 2.1 has that nowhere and tells no group: its watchdog is believed there where no
/// line shows that a place in a group is another number than the rank.
fn ranks_of_the_first_group(table: &mut Table) {
    let place = |row: &Row| row.fields.int("group_rank");
    let agree = table.rows.iter().all(|row| row.rank().is_none() || place(row).is_none() || row.rank() == place(row));
    let named = table.rows.iter().any(|row| row.fields.get("pg_id").is_some());
    for row in table.rows.iter_mut().filter(|row| row.rank().is_none()) {
        let Some(rank) = place(row) else { continue };
        let first = match (row.fields.text("pg_id"), row.fields.text("pg_name")) {
            (_, Some(name)) => name == "default_pg",
            (Some(id), None) => id == "0",
            (None, None) => row.kind == WATCHDOG && agree && !named,
        };
        if first {
            row.fields.set("rank", rank);
        }
    }
}

/// Notes that `key` is `rank`, or that it is not clear.
fn note<K: Ord>(ranks: &mut Ranks<K>, key: K, rank: Option<i64>) {
    let slot = ranks.entry(key).or_insert(rank);
    if *slot != rank {
        *slot = None;
    }
}

fn told(table: &Table) -> Ranks<Process> {
    let mut known = BTreeMap::new();
    for row in &table.rows {
        if let (Some(rank), Some(pid)) = (row.rank(), row.fields.int("pid")) {
            note(&mut known, (row.node().unwrap_or_default().to_owned(), pid), Some(rank));
        }
    }
    known
}

/// A process with several GPUs has a rank on each: NCCL puts the number of the device in brackets.
fn devices(table: &Table) -> Ranks<(Process, i64)> {
    let mut known = BTreeMap::new();
    for row in &table.rows {
        let fields = &row.fields;
        if let (Some(rank), Some(pid), Some(device)) = (row.rank(), fields.int("pid"), fields.int("cuda_dev")) {
            note(&mut known, ((row.node().unwrap_or_default().to_owned(), pid), device), Some(rank));
        }
    }
    known
}

/// NCCL's network thread is called by the rank of its process in the first communicator, the job's as a rule: that
/// serves where the process printed no line of its set-up.
fn services(table: &Table, known: &mut Ranks<Process>) {
    let mut told = BTreeMap::new();
    for row in &table.rows {
        let (Some(service), Some(pid)) = (row.fields.int("service"), row.fields.int("pid")) else { continue };
        let fits = table.job.world_size.is_none_or(|size| service < size);
        note(&mut told, (row.node().unwrap_or_default().to_owned(), pid), fits.then_some(service));
    }
    for (process, rank) in told {
        known.entry(process).or_insert(rank);
    }
}

/// Ranks by process id alone, for lines that name no host; none where two hosts have the id.
fn by_pid(known: &Ranks<Process>) -> Ranks<i64> {
    let mut alone = BTreeMap::new();
    for ((_, pid), rank) in known {
        alone.entry(*pid).and_modify(|slot| *slot = None).or_insert(*rank);
    }
    alone
}

#[cfg(test)]
mod tests {
    use super::WATCHDOG;
    use crate::evidence::of_log;

    /// The rank of each row of a kind, in the order of the lines.
    fn ranks(log: &str, kind: &str) -> Vec<Option<i64>> {
        let table = of_log(log);
        table.of_kind(kind).iter().map(|row| table.rows[*row].rank()).collect()
    }

    #[test]
    fn a_rank_in_a_smaller_communicator_is_none_of_the_job() {
        let log = "\
gpu-18:101:211 [1] NCCL INFO ncclCommSplit comm 0x2003 rank 1 nranks 2 cudaDev 1 nvmlDev 1 busId 19000 parent 0x1003 color 17 key 1- Init COMPLETE
gpu-18:101:211 [1] NCCL INFO ncclCommInitRank comm 0x1003 rank 3 nranks 4 cudaDev 1 nvmlDev 1 busId 19000 commId 0xaaaa - Init COMPLETE
gpu-18:101:300 [1] NCCL WARN Call to ibv_reg_mr failed with error Cannot allocate memory
";
        assert_eq!(ranks(log, "nccl.ib_register_failed"), [Some(3)]);
    }

    #[test]
    fn a_process_with_several_gpus_has_a_rank_on_each() {
        let log = "\
#  Rank  0 Group  0 Pid    100 on     gpu-17 device  0 [0000:18:00] NVIDIA H100 80GB HBM3
#  Rank  1 Group  0 Pid    100 on     gpu-17 device  1 [0000:19:00] NVIDIA H100 80GB HBM3
gpu-17:100:300 [1] misc/ibvwrap.cc:106 NCCL WARN Call to ibv_reg_mr failed with error Cannot allocate memory
";
        assert_eq!(ranks(log, "nccl.ib_register_failed"), [Some(1)]);
    }

    #[test]
    fn the_place_in_the_first_group_is_the_rank() {
        let tell = |who: &str| {
            format!("  what():  [{who}] Process group watchdog thread terminated with exception: CUDA error: x\n")
        };
        assert_eq!(ranks(&tell("PG ID 0 PG GUID 0(default_pg) Rank 3"), WATCHDOG), [Some(3)]);
        assert_eq!(ranks(&tell("PG 0 Rank 3"), WATCHDOG), [Some(3)]);
        assert_eq!(ranks(&tell("PG ID 2 PG GUID 3 Rank 1"), WATCHDOG), [None]);
        assert_eq!(ranks(&tell("PG ID 1 PG GUID 17(TENSOR_MODEL_PARALLEL_GROUP) Rank 1"), WATCHDOG), [None]);
        let old =
            "[E ProcessGroupNCCL.cpp:916] [Rank 1] NCCL watchdog thread terminated with exception: CUDA error: x\n";
        assert_eq!(ranks(old, WATCHDOG), [Some(1)]);
        let elsewhere = "[rank5]:[E ProcessGroupNCCL.cpp:475] [Rank 2] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7, OpType=ALLREDUCE, Timeout(ms)=1800000) ran for 1800401 milliseconds before timing out.\n";
        assert_eq!(ranks(&[elsewhere, old].concat(), WATCHDOG), [None]);
    }

    #[test]
    fn the_network_thread_is_called_by_its_rank() {
        let log = "\
gpu-17:100:300 [0] misc/ibvwrap.cc:106 NCCL WARN Call to ibv_reg_mr failed with error Cannot allocate memory
gpu-17:100:300 [0] proxy.cc:1519 NCCL WARN [Proxy Service 5] Failed to execute operation Connect from rank 5, retcode 2
";
        assert_eq!(ranks(log, "nccl.ib_register_failed"), [Some(5)]);
    }
}
