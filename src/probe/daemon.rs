//! The daemons without which a node starts no job: slurmd, and what it may do they may do; munged, by which Slurm's daemons know
//! each other.

use super::node::Node;

/// A daemon.
pub(super) struct Daemon {
    /// Its name, as of its process.
    name: &'static str,
    /// Where it writes its number.
    pid_files: &'static [&'static str],
    /// Where its program is, on a node that has it.
    programs: &'static [&'static str],
}

/// slurm.conf's default, and those of the packages.
pub(super) static SLURMD: Daemon = Daemon {
    name: "slurmd",
    pid_files: &["/var/run/slurmd.pid", "/run/slurm/slurmd.pid", "/run/slurmd/slurmd.pid"],
    programs: &[
        "/usr/sbin/slurmd",
        "/usr/local/sbin/slurmd",
        "/opt/slurm/sbin/slurmd",
        "/opt/slurm/current/sbin/slurmd",
    ],
};

/// munged(8), and where builds of a site's own put it.
pub(super) static MUNGED: Daemon = Daemon {
    name: "munged",
    pid_files: &["/var/run/munge/munged.pid", "/run/munge/munged.pid"],
    programs: &["/usr/sbin/munged", "/usr/local/sbin/munged", "/opt/munge/sbin/munged"],
};

impl Daemon {
    /// Whether this node has the program.
    pub(super) fn installed(&self, node: &Node) -> bool {
        self.programs.iter().any(|program| node.has(program))
    }

    /// Its process: by its file, else by looking at all processes.
    pub(super) fn process(&self, node: &Node) -> Option<String> {
        let is = |pid: &String| node.word(&format!("/proc/{pid}/comm")).as_deref() == Some(self.name);
        let told = self.pid_files.iter().filter_map(|file| node.number(file)).map(|pid| pid.to_string()).find(is);
        told.or_else(|| node.processes().find(is))
    }
}

/// Most ancestors that are looked at.
const MOST: usize = 8;

/// The process of slurmd: an ancestor of ours where a hook runs.
pub(super) fn slurmd(node: &Node) -> Option<String> {
    let is = |pid: &String| node.word(&format!("/proc/{pid}/comm")).as_deref() == Some(SLURMD.name);
    ancestors(node).into_iter().find(is).or_else(|| SLURMD.process(node))
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
