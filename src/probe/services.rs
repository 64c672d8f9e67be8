//! Daemons and kernel modules that GPUs and the fabric need.

use std::time::Duration;

use super::expected::Expected;
use super::node::Node;
use super::task::{Out, Probe, whole};
use crate::reading::{Reading, Verdict};

/// See the module.
pub(super) static PROBE: Probe = Probe {
    id: "services",
    about: "fabric manager, persistence daemon, peer memory module",
    deadline: Duration::from_secs(2),
    subjects: whole,
    read,
};

/// Devices of NVSwitches: where they are, nothing runs without a fabric manager.
const SWITCHES: &str = "/dev/nvidia-nvswitchctl";

fn read(node: &Node, _: &str, expected: &Expected, out: Out) {
    let running = running(node);
    let mut wanted: Vec<(&str, &str)> = Vec::new();
    if node.has(SWITCHES) {
        wanted.push(("nv-fabricmanager", "this node has NVSwitches, and no CUDA program starts without it"));
    }
    wanted.extend(expected.services.iter().map(|name| (name.as_str(), "it is expected here")));
    for (name, why) in wanted {
        // The kernel keeps the first 15 bytes of a name.
        let short = name.get(..15).unwrap_or(name);
        let up = running.iter().any(|comm| comm == short);
        let reading = Reading::new("services", "running").of("service", name).flag(up).expect("true");
        out(reading.judge(up, Verdict::Bad, || format!("{name} does not run: {why}")));
    }
    if let Ok(modules) = node.text("/proc/modules")
        && modules.lines().any(|line| line.starts_with("nvidia "))
        && node.has("/sys/class/infiniband")
    {
        let loaded =
            modules.lines().any(|line| line.starts_with("nvidia_peermem ") || line.starts_with("nv_peer_mem "));
        out(Reading::new("services", "peermem").flag(loaded));
    }
}

/// Names of all processes. Only `comm` is read: what needs a process's memory map may hang with it.
fn running(node: &Node) -> Vec<String> {
    node.processes().filter_map(|pid| node.word(&format!("/proc/{pid}/comm"))).collect()
}
