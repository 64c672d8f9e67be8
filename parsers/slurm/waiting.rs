//! Why a job waits: the reasons that squeue and scontrol tell of pending jobs.
//!
//! Reasons: slurm-25-05 `src/common/job_state_reason.c`; slurmctld's own words: `src/slurmctld/job_scheduler.c`.

use crate::event::{Fields, Name};

/// The kinds that a reason makes.
pub(crate) const KINDS: &[Name] = &[HELD, NEVER, NODES_OUT];

const HELD: Name = "sacct.launch_held";
const NEVER: Name = "squeue.never";
const NODES_OUT: Name = "squeue.nodes_out";

pub(crate) fn about(kind: &str) -> Option<&'static str> {
    Some(match kind {
        HELD => "a job waits, held, because a node could not start it",
        NEVER => "a job waits that can never start as it was asked for",
        NODES_OUT => "a job waits for nodes or a partition that are out of service",
        _ => return None,
    })
}

/// Words by which a line with such a reason is found.
pub(crate) const ANCHORS: &[&str] = &[
    "launch failed requeued held",
    "JobLaunchFailure",
    "ReqNodeNotAvail",
    "BadConstraints",
    "NeverSatisfied",
    "PartitionTimeLimit",
    "PartitionNodeLimit",
    "PartitionDown",
    "PartitionInactive",
    "InvalidAccount",
    "InvalidQOS",
    "AccountNotAllowed",
    "QOSNotAllowed",
    "PerJob",
    "AssociationTimeLimit",
    "QOSTimeLimit",
    "QOSMin",
    "AssociationResourceLimit",
    "QOSResourceLimit",
    "NodeDown",
    "JobHoldMaxRequeue",
    "MaxMemPerLimit",
    "ReservationDeleted",
    "ReservationInvalid",
];

/// Reasons by how they begin. That nodes are down, drained or needed by others (`Nodes required for job are …`) is what a queue
/// is for.
const KNOWN: [(&str, Name); 22] = [
    ("launch failed requeued held", HELD),
    ("launch_failed_requeued_held", HELD),
    ("JobLaunchFailure", HELD),
    // after MaxBatchRequeue starts that failed (slurm-25-11 src/common/job_state_reason.c, as those of reservations)
    ("JobHoldMaxRequeue", HELD),
    ("BadConstraints", NEVER),
    ("DependencyNeverSatisfied", NEVER),
    ("PartitionTimeLimit", NEVER),
    ("PartitionNodeLimit", NEVER),
    ("InvalidAccount", NEVER),
    ("InvalidQOS", NEVER),
    ("AccountNotAllowed", NEVER),
    ("QOSNotAllowed", NEVER),
    ("AssociationTimeLimit", NEVER),
    ("QOSTimeLimit", NEVER),
    ("QOSMin", NEVER),
    ("MaxMemPerLimit", NEVER),
    ("ReservationDeleted", NEVER),
    ("ReservationInvalid", NEVER),
    ("PartitionDown", NODES_OUT),
    ("PartitionInactive", NODES_OUT),
    ("NodeDown", NODES_OUT),
    ("ReqNodeNotAvail", NODES_OUT),
];

/// Planned work, which is no fault: `ReqNodeNotAvail, Reserved for maintenance`.
const PLANNED: [&str; 2] = ["Reserved for maintenance", "May be reserved for other job"];

/// What a reason tells, with the nodes it names; scontrol writes `_` for blanks.
pub(crate) fn read(reason: &str) -> Option<(Name, Fields)> {
    let told = reason.trim().trim_matches(['(', ')']);
    let reason = told.replace('_', " ");
    let begins = |word: &str| reason.starts_with(&word.replace('_', " "));
    let one_job = || reason.contains("PerJob") && (reason.starts_with("QOSMax") || reason.starts_with("AssocMax"));
    let known = KNOWN.iter().find(|(word, _)| begins(word)).map(|(_, kind)| *kind);
    let kind = known.or_else(|| one_job().then_some(NEVER))?;
    if PLANNED.iter().any(|word| reason.contains(word)) {
        return None;
    }
    let mut fields = Fields::default();
    if let Some(nodes) = told.split_once("UnavailableNodes:").map(|(_, nodes)| nodes.trim()).filter(|n| !n.is_empty()) {
        fields.set("node", nodes);
    }
    fields.set("why", reason);
    Some((kind, fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_apart() {
        let kind = |reason| read(reason).map(|(kind, _)| kind);
        assert_eq!(kind("(launch failed requeued held)"), Some(HELD));
        assert_eq!(kind("launch_failed_requeued_held"), Some(HELD));
        assert_eq!(kind("(QOSMaxCpuPerJobLimit)"), Some(NEVER));
        assert_eq!(kind("(QOSMaxJobsPerUserLimit)"), None, "that one starts when another ends");
        assert_eq!(kind("(Priority)"), None);
        assert_eq!(kind("(JobHoldMaxRequeue)"), Some(HELD));
        assert_eq!(kind("(ReservationDeleted)"), Some(NEVER));
        assert_eq!(kind("(ReservationInvalid)"), Some(NEVER));
        assert_eq!(kind("(MaxMemPerLimit)"), Some(NEVER));
        assert_eq!(kind("(ReqNodeNotAvail, Reserved for maintenance)"), None);
        let (kind, fields) = read("(ReqNodeNotAvail, UnavailableNodes:gpu-[008-009])").unwrap();
        assert_eq!((kind, fields.text("node")), (NODES_OUT, Some("gpu-[008-009]")));
    }
}
