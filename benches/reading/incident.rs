//! A seeded incident of many witnesses: the log of a job, the kernel log of each of its hosts and the controller's log
//! of a busy cluster. One GPU is lost, its rank goes silent, all others time out ten minutes later.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::logs::Dice;

/// Ranks of a host.
const GPUS: u64 = 8;

/// Lines of a host's kernel log.
const KERNEL_LINES: u64 = 2_000;

/// Other jobs of the cluster.
const OTHER_JOBS: u64 = 20_000;

/// How long the job ran, in seconds.
const RAN: u64 = 36_000;

/// NCCL's bus ids of the GPUs of a host, and the kernel's addresses of them.
const BUSES: [(&str, &str); 8] = [
    ("18000", "0000:18:00"),
    ("2a000", "0000:2a:00"),
    ("3a000", "0000:3a:00"),
    ("5d000", "0000:5d:00"),
    ("9a000", "0000:9a:00"),
    ("ab000", "0000:ab:00"),
    ("ba000", "0000:ba:00"),
    ("db000", "0000:db:00"),
];

/// Writes the folder; `megabytes` is the size of the job's log.
pub(crate) fn write(folder: &Path, hosts: u64, megabytes: u64, seed: u64) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut dice = Dice::new(seed);
    let lost = dice.below(hosts * GPUS);
    job(&mut create(folder, "slurm-71204.out")?, hosts * GPUS, megabytes * 1_000_000, lost, &mut dice)?;
    for host in 0..hosts {
        kernel(&mut create(folder, &format!("gpu-{host:03}.kernel.log"))?, host, lost, &mut dice)?;
    }
    controller(&mut create(folder, "slurmctld.log")?, hosts, &mut dice)
}

fn create(folder: &Path, name: &str) -> io::Result<BufWriter<File>> {
    File::create(folder.join(name)).map(BufWriter::new)
}

/// A time of the fourth of May: hours, minutes, seconds.
fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", 1 + seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn job(out: &mut impl Write, ranks: u64, bytes: u64, lost: u64, dice: &mut Dice) -> io::Result<()> {
    for rank in 0..ranks {
        let (host, gpu) = (rank / GPUS, rank % GPUS);
        let pid = 41_200 + gpu;
        writeln!(
            out,
            "[rank{rank}]: gpu-{host:03}:{pid}:{pid} [{gpu}] NCCL INFO ncclCommInitRankConfig comm 0x55b4098a{rank:04x} rank {rank} nranks {ranks} cudaDev {gpu} nvmlDev {gpu} busId {} commId 0xb9b42cb8fce289f2 - Init COMPLETE",
            BUSES[gpu as usize].0
        )?;
    }
    let mut written = 0;
    while written < bytes {
        let at = written * (RAN - 610) / bytes;
        let line = format!(
            "[rank{}]: 2026-05-04 {},{:03} INFO train: step {} | loss 2.{:04} | grad norm 0.{:03} | tokens/s {}\n",
            dice.below(ranks),
            clock(at),
            dice.below(1000),
            at / 6,
            dice.below(10_000),
            dice.below(1000),
            dice.below(10_000)
        );
        written += line.len() as u64;
        out.write_all(line.as_bytes())?;
    }
    for rank in (0..ranks).filter(|rank| *rank != lost) {
        let at = format!("[rank{rank}]:[E504 {}.{:06} ProcessGroupNCCL.cpp", clock(RAN - 5), dice.below(1_000_000));
        writeln!(
            out,
            "{at}:616] [Rank {rank}] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=3310, OpType=ALLREDUCE, NumelIn=26214400, NumelOut=26214400, Timeout(ms)=600000) ran for 600013 milliseconds before timing out.\n{at}:1785] [PG ID 0 PG GUID 0(default_pg) Rank {rank}] Exception (either an error or timeout) detected by watchdog at work: 3310, last enqueued NCCL work: 3311, last completed NCCL work: 3309."
        )?;
    }
    Ok(())
}

fn kernel(out: &mut impl Write, host: u64, lost: u64, dice: &mut Dice) -> io::Result<()> {
    const EVERYDAY: [&str; 5] = [
        "perf: interrupt took too long (2503 > 2500), lowering kernel.perf_event_max_sample_rate to 79000",
        "mlx5_core 0000:5e:00.0 ib0: Link up",
        "nfs: server nas-2 not responding, still trying",
        "nfs: server nas-2 OK",
        "pcieport 0000:3a:01.1: AER: Corrected error received: 0000:3b:00.0",
    ];
    for line in 0..KERNEL_LINES {
        let at = clock(line * (RAN - 700) / KERNEL_LINES);
        writeln!(
            out,
            "May  4 {at} gpu-{host:03} kernel: {}",
            EVERYDAY[if dice.below(40) > 0 { 0 } else { dice.below(5) as usize }]
        )?;
    }
    if lost / GPUS == host {
        let address = BUSES[(lost % GPUS) as usize].1;
        let at = clock(RAN - 607);
        writeln!(
            out,
            "May  4 {at} gpu-{host:03} kernel: NVRM: Xid (PCI:{address}): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."
        )?;
    }
    Ok(())
}

fn controller(out: &mut impl Write, hosts: u64, dice: &mut Dice) -> io::Result<()> {
    writeln!(
        out,
        "[2026-05-04T00:59:50.000] sched: Allocate JobId=71204 NodeList=gpu-[000-{:03}] #CPUs=8192 Partition=gpu",
        hosts - 1
    )?;
    for job in 0..OTHER_JOBS {
        let at = clock(job * RAN / OTHER_JOBS);
        let (id, node) = (100_000 + job, 400 + dice.below(400));
        writeln!(out, "[2026-05-04T{at}.000] sched: Allocate JobId={id} NodeList=gpu-{node} #CPUs=64 Partition=gpu")?;
        match dice.below(6) {
            0 => writeln!(out, "[2026-05-04T{at}.000] Time limit exhausted for JobId={}", id - 50)?,
            1 => writeln!(out, "[2026-05-04T{at}.000] _job_complete: JobId={} WEXITSTATUS 1", id - 50)?,
            _ => {}
        }
    }
    Ok(())
}
