//! The control group of the daemon that starts jobs: what it may not have, no job gets.

use std::time::Duration;

use super::daemon::slurmd;
use super::expected::Expected;
use super::node::Node;
use super::task::{Out, Probe, whole};
use crate::reading::{Reading, Unit, Verdict};

/// See the module.
pub(super) static PROBE: Probe = Probe {
    id: "cgroup",
    about: "limits of the control group in which jobs are started: memory, processes, processors",
    deadline: Duration::from_secs(1),
    subjects: whole,
    read,
};

const ROOT: &str = "/sys/fs/cgroup";

/// Processes and threads below which a node of eight ranks runs out: a rank of torch has some hundred threads, and systemd's
/// default for a service (`DefaultTasksMax`, 15 % of what the kernel allows) has stopped jobs.
const LEAST_TASKS: u64 = 8192;

fn read(node: &Node, _: &str, _: &Expected, out: Out) {
    let pid = slurmd(node);
    let whose = if pid.is_some() { "slurmd" } else { "self" };
    let pid = pid.unwrap_or_else(|| "self".to_owned());
    // Version 2 has one line, `0::/path`; of version 1 nothing is told.
    let text = node.text(&format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let Some(path) = text.lines().find_map(|line| line.strip_prefix("0::")) else {
        return out(Reading::new("cgroup", "version").found(Verdict::CannotRun, "no control groups of version 2"));
    };
    let judged = whose == "slurmd";
    let about = |name: &str| Reading::new("cgroup", name).of("whose", whose);
    let total = node.text("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    });
    if let (Some(limit), Some(total)) = (least(node, path, "memory.max"), total.map(|kilobytes| kilobytes << 10)) {
        out(about("memory").count(limit, Unit::Bytes).judge(
            !judged || limit >= total / 10 * 9,
            Verdict::Degraded,
            || {
                format!(
                    "jobs get at most {} of {} GiB: the service that starts them is limited",
                    limit >> 30,
                    total >> 30
                )
            },
        ));
    }
    if let Some(limit) = least(node, path, "pids.max") {
        let reading = about("pids").count(limit, Unit::None).expect(format!(">= {LEAST_TASKS}"));
        out(reading.judge(!judged || limit >= LEAST_TASKS, Verdict::Degraded, || {
            format!("all jobs together get at most {limit} processes and threads (TasksMax of the service)")
        }));
    }
    cpus(node, path, about("cpus"), judged, out);
}

fn cpus(node: &Node, path: &str, reading: Reading, judged: bool, out: Out) {
    let list = |path: &str| node.word(path).map(|text| count(&text)).filter(|count| *count > 0);
    let (Some(allowed), Some(online)) =
        (list(&format!("{ROOT}{path}/cpuset.cpus.effective")), list("/sys/devices/system/cpu/online"))
    else {
        return;
    };
    let reading = reading.count(allowed, Unit::None).expect(online.to_string());
    out(reading.judge(!judged || allowed >= online, Verdict::Degraded, || {
        format!("jobs get {allowed} of {online} processors: the service that starts them is limited")
    }));
}

/// The least limit of a group and those above it; `None` where none of them has one.
fn least(node: &Node, path: &str, file: &str) -> Option<u64> {
    let mut limit: Option<u64> = None;
    let mut at = path.trim_end_matches('/');
    loop {
        // `max` is no number.
        if let Some(here) = node.number(&format!("{ROOT}{at}/{file}")) {
            limit = Some(limit.map_or(here, |limit| limit.min(here)));
        }
        match at.rsplit_once('/') {
            Some((above, _)) => at = above,
            None => return limit,
        }
    }
}

/// How many numbers stand in `0-3,8`.
fn count(list: &str) -> u64 {
    let one = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        last.checked_sub(first).map(|more| more + 1)
    };
    list.split(',').filter_map(one).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted() {
        assert_eq!((count("0-3,8"), count(""), count("7-3")), (5, 0, 0));
    }

    #[test]
    fn the_least_limit_on_the_way_up_holds() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("sys/fs/cgroup/system.slice/slurmd.service");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("pids.max"), "max\n").unwrap();
        std::fs::write(folder.join("../pids.max"), "4915\n").unwrap();
        let node = Node::at(root.path());
        assert_eq!(least(&node, "/system.slice/slurmd.service", "pids.max"), Some(4915));
        assert_eq!(least(&node, "/system.slice/slurmd.service", "memory.max"), None);
    }
}
