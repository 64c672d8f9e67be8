//! What a job will be allowed: locked memory, open files, shared memory.

use std::time::Duration;

use super::daemon::slurmd;
use super::expected::Expected;
use super::node::Node;
use super::task::{Out, Probe, whole};
use crate::reading::{Reading, Verdict};

/// See the module.
pub(super) static PROBE: Probe = Probe {
    id: "limits",
    about: "locked memory and open files of a job's daemon",
    deadline: Duration::from_secs(1),
    subjects: whole,
    read,
};

/// Files that a large job opens: a few for each peer of each rank.
const LEAST_FILES: u64 = 4096;

fn read(node: &Node, _: &str, _: &Expected, out: Out) {
    // Jobs get the limits of the daemon that starts them; without one those of this process stand in.
    let (whose, limits) = match slurmd(node).and_then(|pid| node.text(&format!("/proc/{pid}/limits")).ok()) {
        Some(limits) => ("slurmd", limits),
        None => match node.text("/proc/self/limits") {
            Ok(limits) => ("self", limits),
            Err(error) => {
                let reading = Reading::new("limits", "memlock");
                return out(reading.found(Verdict::CannotRun, format!("limits can't be read: {error}")));
            }
        },
    };
    let has_adapter = node.has("/sys/class/infiniband") && !node.list("/sys/class/infiniband").is_empty();
    let soft = |name: &str| limits.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    if let Some(said) = soft("Max locked memory") {
        let enough = said == "unlimited" || !has_adapter;
        out(Reading::new("limits", "memlock").of("whose", whose).text(said).expect("unlimited").judge(
            enough,
            Verdict::Bad,
            || format!("memory locks are limited to {said} bytes: no RDMA job can register its buffers"),
        ));
    }
    if let Some(said) = soft("Max open files") {
        let enough = said.parse::<u64>().map_or(said == "unlimited", |files| files >= LEAST_FILES);
        out(Reading::new("limits", "nofile").of("whose", whose).text(said).expect(format!(">= {LEAST_FILES}")).judge(
            enough || whose == "self",
            Verdict::Degraded,
            || format!("only {said} open files are allowed to a process of a job"),
        ));
    }
}
