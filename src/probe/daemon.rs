//! The daemon that starts jobs: what it may do, they may do.

use super::node::Node;

/// Its name.
const SLURMD: &str = "slurmd";

/// Where it writes its number: slurm.conf's default, and those of the packages.
const PID_FILES: [&str; 3] = ["/var/run/slurmd.pid", "/run/slurm/slurmd.pid", "/run/slurmd/slurmd.pid"];

/// Where its program is, on a node that jobs are started on.
const PROGRAMS: [&str; 4] =
    ["/usr/sbin/slurmd", "/usr/local/sbin/slurmd", "/opt/slurm/sbin/slurmd", "/opt/slurm/current/sbin/slurmd"];

/// Whether this node has the program.
pub(super) fn installed(node: &Node) -> bool {
    PROGRAMS.iter().any(|program| node.has(program))
}

/// Most ancestors that are looked at.
const MOST: usize = 8;

/// The process of slurmd: an ancestor of ours where a hook runs, else by its file, else by looking at all processes.
pub(super) fn slurmd(node: &Node) -> Option<String> {
    let is = |pid: &String| node.word(&format!("/proc/{pid}/comm")).as_deref() == Some(SLURMD);
    let told = || PID_FILES.iter().filter_map(|file| node.number(file)).map(|pid| pid.to_string()).find(is);
    ancestors(node).into_iter().find(is).or_else(told).or_else(|| node.processes().find(is))
}

/// Processes that this one stems from, the nearest first; none on a captured tree.
fn ancestors(node: &Node) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = "self".to_owned();
    while node.is_here() && found.len() < MOST {
        let Ok(status) = node.text(&format!("/proc/{at}/status")) else { break };
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).map(|word| word.trim().to_owned());
        match parent.filter(|pid| pid != "0") {
            Some(pid) => at = pid,
            None => break,
        }
        found.push(at.clone());
    }
    found
}
