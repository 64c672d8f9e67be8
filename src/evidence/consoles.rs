//! Whose words stand behind a prompt: a captured session names its host there, and the lines of most tools don't.

use std::collections::BTreeMap;

use diag_parsers::console::program;

use super::{Row, Table};

/// A command that was typed at a prompt.
const COMMAND: &str = "console.command";

/// Programs that start others elsewhere, or tell of other hosts: what they print need not be of the host of the prompt.
const ELSEWHERE: [&str; 32] = [
    "ssh",
    "pdsh",
    "clush",
    "ansible",
    "ceph",
    "mmdsh",
    "kubectl",
    "oc",
    "helm",
    "docker",
    "podman",
    "srun",
    "salloc",
    "sbatch",
    "sattach",
    "mpirun",
    "mpiexec",
    "prun",
    "prterun",
    "aprun",
    "jsrun",
    "flux",
    "qsub",
    "bsub",
    "horovodrun",
    "deepspeed",
    "ray",
    "tail",
    "cat",
    "grep",
    "less",
    "head",
];

/// Of those, the ones that start processes on their own host unless they are told others.
const HERE_UNLESS_TOLD: [&str; 4] = ["mpirun", "mpiexec", "horovodrun", "deepspeed"];

/// Options by which they are told others.
const HOSTS: [&str; 6] = [" -H", "-host", "hostfile", "machinefile", " -f ", "rankfile"];

/// How the names of programs begin that start a job where they are typed.
const STARTS: [&str; 8] = ["python", "torchrun", "bash", "accelerate", "mpirun", "mpiexec", "horovodrun", "deepspeed"];

/// Slurm's commands: of what they print, only their complaints are of the host of the prompt.
const CLIENTS: [&str; 12] = [
    "sinfo", "squeue", "scontrol", "sacct", "sacctmgr", "sdiag", "sstat", "sprio", "sshare", "scancel", "sbatch",
    "srun",
];

/// What a command of Slurm says when it can't reach the daemons from its host.
const COMPLAINTS: [&str; 3] = ["slurm.controller_unreachable", "slurm.accounting_unreachable", "slurm.auth_failed"];

/// The head of a report that a tool gathered on one host.
const REPORT: &str = "console.report";

/// The head over what syslog shows on every terminal.
const WALL: &str = "console.wall";

/// Lines behind such a head that are of its host: syslog writes one head over each.
const UNDER_WALL: u64 = 1;

/// A prompt behind which the log of a pod was asked for.
const POD_ASKED: &str = "console.pod_asked";

/// Fills in the node of rows of a report, or behind a prompt, that tell none themselves, and the pod whose log they are.
pub(super) fn derive(table: &mut Table) {
    reports(table);
    walls(table);
    pods(table);
    let mut prompts: BTreeMap<usize, Vec<(u64, String, String)>> = BTreeMap::new();
    for row in table.of_kind(COMMAND).iter().map(|id| &table.rows[*id]) {
        if let (Some(host), Some(command)) = (row.fields.text("host"), row.fields.text("command")) {
            prompts.entry(row.source).or_default().push((row.line, host.to_owned(), command.to_owned()));
        }
    }
    for row in table.rows.iter_mut().filter(|row| row.node().is_none() && row.parents.is_empty()) {
        let Some(prompts) = prompts.get(&row.source).filter(|_| row.kind != COMMAND) else { continue };
        let before = prompts.partition_point(|(line, ..)| *line < row.line);
        let Some((_, host, command)) = before.checked_sub(1).and_then(|at| prompts.get(at)) else { continue };
        if is_of_host(command, row) {
            row.fields.set("node", host.as_str());
        }
    }
}

/// Behind such a prompt stands the pod's log, up to the next prompt.
fn pods(table: &mut Table) {
    let mut prompts: BTreeMap<usize, Vec<(u64, Option<String>)>> = BTreeMap::new();
    for kind in [COMMAND, POD_ASKED] {
        for row in table.of_kind(kind).iter().map(|id| &table.rows[*id]) {
            prompts.entry(row.source).or_default().push((row.line, row.fields.text("named").map(str::to_owned)));
        }
    }
    prompts.values_mut().for_each(|list| list.sort());
    for row in table.rows.iter_mut().filter(|row| row.fields.get("pod").is_none() && row.parents.is_empty()) {
        let Some(prompts) = prompts.get(&row.source) else { continue };
        let before = prompts.partition_point(|(line, _)| *line < row.line);
        if let Some((_, Some(pod))) = before.checked_sub(1).and_then(|at| prompts.get(at)) {
            row.fields.set("pod", pod.as_str());
        }
    }
}

/// A document with one such head is that host's.
fn reports(table: &mut Table) {
    let mut hosts: BTreeMap<usize, Option<String>> = BTreeMap::new();
    for row in table.of_kind(REPORT).iter().map(|id| &table.rows[*id]) {
        let host = row.fields.text("host").map(str::to_owned);
        let known = hosts.entry(row.source).or_insert_with(|| host.clone());
        if *known != host {
            *known = None;
        }
    }
    for row in table.rows.iter_mut().filter(|row| row.node().is_none() && row.parents.is_empty()) {
        if let Some(Some(host)) = hosts.get(&row.source) {
            row.fields.set("node", host.as_str());
        }
    }
}

/// What stands under a head of syslog's is of the host that the head names.
fn walls(table: &mut Table) {
    let mut heads: BTreeMap<(usize, u64), String> = BTreeMap::new();
    for row in table.of_kind(WALL).iter().map(|id| &table.rows[*id]) {
        if let Some(host) = row.fields.text("host") {
            heads.insert((row.source, row.line), host.to_owned());
        }
    }
    for row in table.rows.iter_mut().filter(|row| row.node().is_none() && row.parents.is_empty()) {
        let above = (row.source, row.line.saturating_sub(UNDER_WALL));
        if let Some(host) = heads.get(&above) {
            row.fields.set("node", host.as_str());
        }
    }
}

/// Whether what a command starts runs on the host on which it was typed.
fn is_local(command: &str) -> bool {
    let name = program(command).unwrap_or_default();
    let told = || HOSTS.iter().any(|option| command.contains(option));
    !CLIENTS.contains(&name) && (!ELSEWHERE.contains(&name) || (HERE_UNLESS_TOLD.contains(&name) && !told()))
}

/// The host at whose prompt a row tells that a job was started there.
pub(super) fn started_at(row: &Row) -> Option<&str> {
    let command = row.fields.text("command").filter(|_| row.kind == COMMAND)?;
    let starts = program(command).is_some_and(|name| STARTS.iter().any(|begin| name.starts_with(begin)));
    row.fields.text("host").filter(|_| starts && is_local(command))
}

/// Whether a row behind a command tells of the host on which that was typed.
fn is_of_host(command: &str, row: &Row) -> bool {
    if program(command).is_some_and(|name| CLIENTS.contains(&name)) {
        return COMPLAINTS.contains(&row.kind);
    }
    let about_others = row.fields.get("witness").is_some() || row.fields.get("pod").is_some();
    is_local(command) && !about_others
}

#[cfg(test)]
mod tests {
    use crate::evidence::of_log;

    fn nodes(log: &str, kind: &str) -> Vec<Option<String>> {
        let table = of_log(log);
        table.of_kind(kind).iter().map(|row| table.rows[*row].node().map(str::to_owned)).collect()
    }

    #[test]
    fn what_a_tool_prints_is_of_the_host_of_its_prompt() {
        let log = "\
root@gpu-17:~# dmesg
[ 9421.180230] NVRM: Xid (PCI:0000:3b:00): 79, pid=2027, GPU has fallen off the bus.
root@gpu-18:~# dmesg
[ 9423.180230] NVRM: Xid (PCI:0000:3b:00): 79, pid=2041, GPU has fallen off the bus.
";
        assert_eq!(nodes(log, "kernel.xid"), [Some("gpu-17".to_owned()), Some("gpu-18".to_owned())]);
    }

    #[test]
    fn what_syslog_shows_on_terminals_is_of_the_host_of_its_head() {
        let log = "\
Message from syslogd@gpu-17 at May  4 03:12:41 ...
 kernel:[55716.328117] watchdog: BUG: soft lockup - CPU#0 stuck for 27s! [python:1984]

Message from syslogd@gpu-18 at May  4 03:12:49 ...
 kernel:[55724.100117] watchdog: BUG: soft lockup - CPU#9 stuck for 22s! [python:1990]
[55725.180230] NVRM: Xid (PCI:0000:3b:00): 79, pid=2041, GPU has fallen off the bus.
";
        assert_eq!(nodes(log, "kernel.panic"), [Some("gpu-17".to_owned()), Some("gpu-18".to_owned())]);
        assert_eq!(nodes(log, "kernel.xid"), [None]);
    }

    #[test]
    fn a_log_that_was_asked_for_is_of_that_pod() {
        let log = "\
$ kubectl logs nvidia-device-plugin-daemonset-j76n5 -n kube-system
2026/05/04 03:12:41 Failed to initialize NVML: could not load NVML library.
";
        let table = of_log(log);
        let row = table.of_kind("kubernetes.runtime_missing")[0];
        assert_eq!(table.rows[row].fields.text("pod"), Some("nvidia-device-plugin-daemonset-j76n5"));
    }

    #[test]
    fn a_report_of_one_host_is_of_that_host_throughout() {
        let log = "\
uname: Linux gpu-17 5.15.0-91-generic #101-Ubuntu SMP Tue Nov 14 13:30:08 UTC 2023 x86_64 GNU/Linux

[ 9421.180230] NVRM: Xid (PCI:0000:3b:00): 79, pid=2027, GPU has fallen off the bus.
";
        assert_eq!(nodes(log, "kernel.xid"), [Some("gpu-17".to_owned())]);
    }

    #[test]
    fn what_runs_elsewhere_is_not() {
        let log = "\
ann@login-1:~$ srun -n 2 python3 train.py
RuntimeError: CUDA error: no kernel image is available for execution on the device
";
        assert_eq!(nodes(log, "cuda.error"), [None]);
    }

    #[test]
    fn a_command_of_slurm_complains_of_the_way_from_its_host() {
        let log = "\
login-1$ sinfo
sinfo: error: Unable to contact slurm controller (connect failure)
";
        assert_eq!(nodes(log, "slurm.controller_unreachable"), [Some("login-1".to_owned())]);
    }
}
