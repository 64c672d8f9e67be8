//! Daemons and kernel modules that GPUs and the fabric need.

use std::time::Duration;

use super::daemon::{self, Daemon};
use super::expected::Expected;
use super::node::Node;
use super::task::{Out, Probe, whole};
use crate::reading::{Reading, Verdict};

/// See the module.
pub(super) static PROBE: Probe = Probe {
    id: "services",
    about: "fabric manager, slurmd, munge, persistence daemon, peer memory module",
    deadline: Duration::from_secs(2),
    subjects: whole,
    read,
};

/// Devices of NVSwitches: where they are, nothing runs without a fabric manager.
const SWITCHES: &str = "/dev/nvidia-nvswitchctl";

fn read(node: &Node, _: &str, expected: &Expected, out: Out) {
    let mut wanted: Vec<(&str, &str)> = Vec::new();
    if node.has(SWITCHES) {
        wanted.push(("nv-fabricmanager", "this node has NVSwitches, and no CUDA program starts without it"));
    }
    wanted.extend(expected.services.iter().map(|name| (name.as_str(), "it is expected here")));
    let running = if wanted.is_empty() { Vec::new() } else { running(node) };
    for (name, why) in wanted {
        // The kernel keeps the first 15 bytes of a name.
        let short = name.get(..15).unwrap_or(name);
        let up = running.iter().any(|comm| comm == short);
        let reading = Reading::new("services", "running").of("service", name).flag(up).expect("true");
        out(reading.judge(up, Verdict::Bad, || format!("{name} does not run: {why}")));
    }
    needed(node, ("slurmd", &daemon::SLURMD), daemon::slurmd(node), out);
    needed(node, ("munge", &daemon::MUNGED), daemon::MUNGED.process(node), out);
    direct(node, out);
}

/// A daemon without which no job starts. One that was stopped or hangs in the kernel holds its port or socket open and answers nobody.
/// That none runs is judged by other nodes: the program may be installed where no job is ever started.
fn needed(node: &Node, (name, daemon): (&'static str, &Daemon), pid: Option<String>, out: Out) {
    let reading = Reading::new("services", name);
    let Some(pid) = pid else {
        if daemon.installed(node) {
            out(reading.flag(false));
        }
        return;
    };
    let state = || {
        let status = node.text(&format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("State:"))?.trim().chars().next()
    };
    // proc_pid_status(5): T stopped by a signal, t by a tracer, Z dead and not yet collected.
    let stuck = state().filter(|state| "TtZ".contains(*state));
    out(reading.flag(true).judge(stuck.is_none(), Verdict::Bad, || {
        format!("{name} runs and answers nobody: its state is {}", stuck.unwrap_or(' '))
    }));
}

/// Adapters of the fabric.
const ADAPTERS: &str = "/sys/class/infiniband";

/// How adapters reach the memory of GPUs: by a module of the driver, or by DMA-BUF, which wants the open kernel modules and
/// Linux 5.12 (NCCL 2.27, `ncclGpuGdrSupport` and `ncclIbDmaBufSupport`).
fn direct(node: &Node, out: Out) {
    let modules = node.text("/proc/modules").unwrap_or_default();
    let loaded =
        |names: &[&str]| modules.lines().any(|line| line.split(' ').next().is_some_and(|m| names.contains(&m)));
    if !loaded(&["nvidia"]) || node.list(ADAPTERS).is_empty() {
        return;
    }
    let peermem = loaded(&["nvidia_peermem", "nv_peer_mem"]);
    let open = node.text("/proc/driver/nvidia/version").is_ok_and(|text| text.contains("Open Kernel Module"));
    let dmabuf = open && node.word("/proc/sys/kernel/osrelease").is_some_and(|release| since_5_12(&release));
    let ways: Vec<&str> =
        [(peermem, "peermem"), (dmabuf, "dma-buf")].iter().filter(|way| way.0).map(|way| way.1).collect();
    let reading =
        Reading::new("services", "peermem").text(if ways.is_empty() { "none".to_owned() } else { ways.join(", ") });
    out(reading.judge(!ways.is_empty(), Verdict::Degraded, || {
        "neither nvidia_peermem nor DMA-BUF: all that GPUs send goes through the memory of the host".to_owned()
    }));
}

fn since_5_12(release: &str) -> bool {
    let mut numbers = release.split(['.', '-']).map_while(|word| word.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(5), Some(12))
}

/// Names of all processes. Only `comm` is read: what needs a process's memory map may hang with it.
fn running(node: &Node) -> Vec<String> {
    node.processes().filter_map(|pid| node.word(&format!("/proc/{pid}/comm"))).collect()
}
