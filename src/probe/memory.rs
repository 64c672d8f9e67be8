//! The node's memory: how much there is, what is free, errors of its modules.

use std::time::Duration;

use super::expected::Expected;
use super::node::Node;
use super::task::{Out, Probe, whole};
use crate::reading::{Reading, Unit, Verdict};

/// See the module.
pub(super) static PROBE: Probe = Probe {
    id: "memory",
    about: "memory of the node: size, what is free, errors of its modules",
    deadline: Duration::from_secs(1),
    subjects: whole,
    read,
};

/// Share of the memory below which a job will hardly start.
const LEAST_FREE: f64 = 0.05;

fn read(node: &Node, _: &str, expected: &Expected, out: Out) {
    let Ok(text) = node.text("/proc/meminfo") else {
        return out(Reading::new("memory", "total").found(Verdict::CannotRun, "/proc/meminfo can't be read"));
    };
    let total = bytes(&text, "MemTotal:").unwrap_or(0);
    let reading = Reading::new("memory", "total").count(total, Unit::Bytes);
    out(match expected.memory {
        Some(wanted) => reading.expect(format!(">= {wanted}")).judge(total >= wanted, Verdict::Bad, || {
            format!("{} GiB of memory, {} GiB are expected: a module is missing", total >> 30, wanted >> 30)
        }),
        None => reading,
    });
    if let Some(free) = bytes(&text, "MemAvailable:") {
        #[allow(clippy::cast_precision_loss, reason = "a share")]
        let share = free as f64 / total.max(1) as f64;
        out(Reading::new("memory", "available").count(free, Unit::Bytes).judge(
            share >= LEAST_FREE,
            Verdict::Degraded,
            || format!("only {} MiB of memory are available", free >> 20),
        ));
    }
    hugepages(&text, total, out);
    modules(node, out);
}

/// Pages set aside: programs that do not ask for them can't have that memory.
fn hugepages(text: &str, total: u64, out: Out) {
    let Some(reserved) = number(text, "HugePages_Total:").filter(|count| *count > 0) else { return };
    let size = bytes(text, "Hugepagesize:").unwrap_or(0);
    let free = number(text, "HugePages_Free:").unwrap_or(0);
    out(Reading::new("memory", "hugepages.free").count(free.saturating_mul(size), Unit::Bytes));
    let idle = free.saturating_mul(size) > total / 2;
    let reserved = reserved.saturating_mul(size);
    out(Reading::new("memory", "hugepages.reserved").count(reserved, Unit::Bytes).judge(
        !idle,
        Verdict::Degraded,
        || format!("{} GiB are set aside as huge pages, and nobody uses them", reserved >> 30),
    ));
}

/// Errors that EDAC counted since the boot.
fn modules(node: &Node, out: Out) {
    const CONTROLLERS: &str = "/sys/devices/system/edac/mc";
    let mut sums = [0_u64; 2];
    let controllers = node.list(CONTROLLERS).into_iter().filter(|name| name.starts_with("mc"));
    let mut there = false;
    for controller in controllers {
        there = true;
        for (sum, file) in sums.iter_mut().zip(["ue_count", "ce_count"]) {
            *sum += node.number(&format!("{CONTROLLERS}/{controller}/{file}")).unwrap_or(0);
        }
    }
    if !there {
        return;
    }
    let [uncorrected, corrected] = sums;
    out(Reading::new("memory", "ecc.uncorrected").count(uncorrected, Unit::Total).expect("0").judge(
        uncorrected == 0,
        Verdict::Bad,
        || format!("{uncorrected} uncorrected errors of memory modules since the boot"),
    ));
    out(Reading::new("memory", "ecc.corrected").count(corrected, Unit::Total));
}

fn number(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

/// The kernel writes kilobytes.
fn bytes(text: &str, name: &str) -> Option<u64> {
    Some(number(text, name)? << 10)
}
