//! Why a node is out of service: the reasons that schedulers' daemons set themselves, and those of people and health checks.

use crate::event::{Event, Fields, Name, Says};
use crate::line::{Cursor, Line};
use crate::stamp::Stamp;
use crate::time;

/// The kinds of event that a node's reason makes.
pub(crate) const KINDS: &[Name] = &[
    SILENT, STUCK, SCRIPT, LESSENED, XID, GPU, GPU_SICK, FABRIC, MEMORY, POWER, BUS, LINK, STORAGE, FULL, UNPROVIDED,
    PLANNED, DRAINED,
];

const SILENT: Name = "slurm.node_silent";
const STUCK: Name = "slurm.node_stuck";
const SCRIPT: Name = "slurm.node_script_failed";
const LESSENED: Name = "slurm.node_lessened";
const XID: Name = "slurm.node_xid";
const GPU: Name = "slurm.node_gpu";
const GPU_SICK: Name = "slurm.node_gpu_sick";
const FABRIC: Name = "slurm.node_fabric";
const MEMORY: Name = "slurm.node_memory";
const POWER: Name = "slurm.node_power";
const BUS: Name = "slurm.node_bus";
const LINK: Name = "slurm.node_link";
const STORAGE: Name = "slurm.node_storage";
const FULL: Name = "slurm.node_full";
/// The cloud behind a node gives no machine for it.
const UNPROVIDED: Name = "slurm.node_not_provided";
const PLANNED: Name = "slurm.node_planned";
const DRAINED: Name = "slurm.node_drained";

/// Reasons as slurmctld and slurmd set them (slurm-20-11 to 25-05 `src/slurmctld/ping_nodes.c`, `node_mgr.c`, `proc_req.c`,
/// `src/slurmd/slurmstepd/step_terminate_monitor.c`), by how they begin.
const KNOWN: [(&str, Name); 21] = [
    ("Not responding", SILENT),
    ("Node unexpectedly re", SILENT),
    // what was to come up did not, within ResumeTimeout
    ("ResumeTimeout reached", SILENT),
    ("reboot timed out", SILENT),
    ("Kill task failed", STUCK),
    ("Prolog error", SCRIPT),
    ("Epilog error", SCRIPT),
    ("Prolog/Epilog failur", SCRIPT),
    ("batch job complete f", SCRIPT),
    // Flux's own (flux-core v0.66 `src/modules/job-manager/plugins/perilog.c`, `src/modules/job-exec/job-exec.c`)
    ("prolog failed for job", SCRIPT),
    ("prolog timed out", SCRIPT),
    ("epilog failed for job", SCRIPT),
    ("epilog timed out", SCRIPT),
    ("unkillable user proce", STUCK),
    // AWS ParallelCluster's (aws-parallelcluster-node 3.9 `src/slurm_plugin/resume.py`, `clustermgtd.py`)
    ("(Code:", UNPROVIDED),
    ("Failure when resumin", UNPROVIDED),
    ("Static node maintena", SILENT),
    ("Scheduler health che", SILENT),
    ("Node failing ec2_hea", SILENT),
    ("gres/", LESSENED),
    // RealMemory, TmpDisk, CPUs, Cores, socket*core*thread count
    ("Low ", LESSENED),
];

/// Words (in lower case) by which people and health checks (mej/nhc 1.4 `scripts/*.nhc`, sites' own) say what is wrong; the
/// first that is there counts.
const TOPICS: [(&str, Name); 53] = [
    ("fallen off", GPU),
    ("fell off", GPU),
    ("nvlink", GPU),
    ("nvidia-smi", GPU_SICK),
    ("nvsmi", GPU_SICK),
    ("dcgm", GPU_SICK),
    ("uncorrectable", GPU),
    ("row remap", GPU),
    ("gpu ecc", GPU),
    ("gpu_ecc", GPU),
    ("fabricmanager", FABRIC),
    ("fabric manager", FABRIC),
    ("check_fs_mount", STORAGE),
    ("not mounted", STORAGE),
    ("stale file", STORAGE),
    ("check_fs_free", FULL),
    ("check_fs_used", FULL),
    ("check_fs_ifree", FULL),
    ("no space left", FULL),
    ("disk full", FULL),
    // slurmd's own among them: SlurmdSpoolDir
    ("is full", FULL),
    ("check_hw_ib", LINK),
    ("check_hw_eth", LINK),
    ("ib port", LINK),
    ("infiniband", LINK),
    ("link down", LINK),
    ("link is down", LINK),
    ("link flap", LINK),
    ("port down", LINK),
    ("ib cable", LINK),
    ("dimm", MEMORY),
    ("memory error", MEMORY),
    ("bad memory", MEMORY),
    ("machine check", MEMORY),
    ("mce ", MEMORY),
    ("edac", MEMORY),
    ("psu", POWER),
    ("power supply", POWER),
    ("fan fail", POWER),
    ("overheat", POWER),
    ("pcie", BUS),
    ("maint", PLANNED),
    ("reboot", PLANNED),
    ("upgrad", PLANNED),
    ("update", PLANNED),
    ("firmware", PLANNED),
    ("reserv", PLANNED),
    ("schedul", PLANNED),
    ("decommission", PLANNED),
    // a site's own check of a file system, by its name; work on one has the words above
    ("beegfs", STORAGE),
    ("lustre", STORAGE),
    ("gpfs", STORAGE),
    ("nfs", STORAGE),
];

/// What a kind means, in one sentence.
pub(crate) fn about(kind: &str) -> Option<&'static str> {
    Some(match kind {
        SILENT => "a node is out of service because it does not answer",
        STUCK => "a node is drained because a task on it could not be killed",
        SCRIPT => "a node is drained because a prolog or epilog failed on it",
        LESSENED => "a node is drained because it has less than its configuration says",
        XID => "a node is out of service for an error that the driver reported",
        GPU => "a node is out of service for a fault of a GPU",
        GPU_SICK => "a node is out of service because a check of its GPUs failed",
        FABRIC => "a node is out of service because the fabric between its GPUs is not ready",
        MEMORY => "a node is out of service for a fault of its memory or processor",
        POWER => "a node is out of service for a fault of its power or cooling",
        BUS => "a node is out of service for a fault of its PCIe bus",
        LINK => "a node is out of service for a fault of a network link",
        STORAGE => "a node is out of service because a file system is missing on it",
        FULL => "a node is out of service because a file system of it is full",
        UNPROVIDED => "a node is out of service because the cloud gives no machine for it",
        PLANNED => "a node is out of service for planned work",
        DRAINED => "a node is out of service, for a reason that a person or a check gave",
        _ => return None,
    })
}

/// Xids that programs bring about, and those that follow from another one: a node that is kept off for them has a cautious check.
const OF_PROGRAMS: [i64; 4] = [13, 31, 43, 45];

/// The kind of a reason.
fn kind(why: &str) -> Name {
    let own = KNOWN.iter().find(|(begin, _)| why.starts_with(begin)).map(|(_, kind)| *kind);
    let lower = why.to_ascii_lowercase();
    let numbered = || xid(why).filter(|number| !OF_PROGRAMS.contains(number)).map(|_| XID);
    // a GPU has memory of its own
    let fits = |kind: Name| kind != MEMORY || !lower.contains("gpu");
    let by_topic = || TOPICS.iter().find(|(word, kind)| lower.contains(word) && fits(kind)).map(|(_, kind)| *kind);
    let told = || numbered().or_else(by_topic);
    // slurmctld's own words end there; what a site's prolog adds says what it found
    match own {
        Some(SCRIPT) => told().filter(|kind| *kind != PLANNED).or(own),
        own => own.or_else(told),
    }
    .unwrap_or(DRAINED)
}

/// The number behind `Xid`.
fn xid(why: &str) -> Option<i64> {
    let lower = why.to_ascii_lowercase();
    let rest = lower.get(lower.find("xid")? + 3..)?.trim_start_matches([' ', ':', '=', '#', '-']);
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest.get(..digits)?.parse().ok()
}

/// A node (or a hostlist) that is out of service, and why.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outage<'a> {
    /// The hosts, as written; none where only what stands around the line tells it.
    pub(crate) node: &'a str,
    /// The reason, as written.
    pub(crate) why: &'a str,
    /// Since when.
    pub(crate) since: Option<Stamp>,
}

impl Outage<'_> {
    /// What it makes: a kind, what that says, and its fields.
    pub(crate) fn told(&self, witness: &'static str) -> (Name, Says, Fields) {
        let mut fields = Fields::default();
        if !self.node.is_empty() {
            fields.set("node", self.node);
        }
        fields.set("why", self.why);
        if let Some(number) = xid(self.why) {
            fields.set("xid", number);
        }
        fields.set("witness", witness);
        let kind = kind(self.why);
        (kind, if kind == PLANNED { Says::Info } else { Says::Warning }, fields)
    }

    /// Whether the reason tells what is broken, and not only that somebody wanted the node out of service.
    pub(crate) fn is_specific(&self) -> bool {
        ![PLANNED, DRAINED].contains(&kind(self.why))
    }

    /// The event of it on a line.
    pub(crate) fn event(&self, cursor: &Cursor<'_>, line: &Line<'_>, witness: &'static str) -> Event {
        let (kind, says, fields) = self.told(witness);
        let mut event = Event::on(cursor, line, kind, says, fields);
        event.at = self.since.or(event.at);
        event
    }
}

/// `2026-05-04T03:12:41`.
pub(crate) fn stamp(word: &str) -> Option<Stamp> {
    (word.len() == 19 && word.as_bytes().get(10) == Some(&b'T')).then(|| time::read(word)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_apart() {
        for (why, want) in [
            ("gres/gpu count reported lower than configured (7 < 8)", LESSENED),
            ("Low RealMemory (reported:191846 < 100.00% of configured:192000)", LESSENED),
            ("Not responding", SILENT),
            ("NHC: check_fs_mount:  /scratch not mounted", STORAGE),
            ("NHC: check_hw_ib:  No IB port mlx5_0:1 is ACTIVE (LinkUp 400 Gb/sec).", LINK),
            ("Xid 74 -- reseat", XID),
            ("NVLink down on GPU 2", GPU),
            ("check_nvsmi_healthmon: failed", GPU_SICK),
            ("Reboot ASAP", PLANNED),
            ("kernel update", PLANNED),
            ("nvidia-fabricmanager not running", FABRIC),
            ("bad DIMM A5", MEMORY),
            ("GPU ECC, DIMM is good", GPU),
            ("GPU 0 FAULT (memory errors detected)", DRAINED),
            ("PSU 2 failed", POWER),
            ("PCIe width degraded", BUS),
            ("SlurmdSpoolDir is full", FULL),
            ("mlx5_3 port down", LINK),
            ("health_BEEGFS__tcp_c", STORAGE),
            ("Lustre upgrade", PLANNED),
            ("reboot timed out", SILENT),
            ("ResumeTimeout reached", SILENT),
            ("Prolog/Epilog failure", SCRIPT),
            ("Prolog error", SCRIPT),
            ("Prolog error: 571 xid 13 errors", SCRIPT),
            ("Prolog error: 571 xid 79 errors", XID),
            ("Xid 13 again", DRAINED),
            ("Epilog error: NVLink down on GPU 2", GPU),
            ("bad cable, ask Ann", DRAINED),
        ] {
            assert_eq!(kind(why), want, "{why}");
        }
        assert_eq!((xid("GPU3 Xid: 79 again"), xid("xid"), xid("none")), (Some(79), None, None));
    }
}
