//! Conditions of a node that its monitors set, beside those of the kubelet.
//!
//! Shapes: node-problem-detector 0.8 `config/*.json` (what holds is trouble), Azure's rules for it on nodes with GPUs, NVSentinel
//! (`…IsNotHealthy`), and the node monitoring agent of Amazon EKS (`…Ready`, and what does not hold is trouble; its reasons name
//! an Xid: `NvidiaXID79Error`).

use super::WITNESS;
use super::message::Said;
use crate::event::{Name, Says};
use crate::health;
use crate::slurm::reason::Outage;

/// Conditions that are trouble while they hold, and what they are about.
const PROBLEMS: [(&str, Name); 15] = [
    ("KernelDeadlock", health::FAILED),
    ("CperHardwareErrorFatal", health::FAILED),
    ("CorruptDockerOverlay2", health::FAILED),
    ("ContainerRuntimeUnhealthy", health::FAILED),
    ("KubeletUnhealthy", health::FAILED),
    ("FrequentKubeletRestart", health::FAILED),
    ("FrequentDockerRestart", health::FAILED),
    ("FrequentContainerdRestart", health::FAILED),
    ("ReadonlyFilesystem", "filesystem.shut_down"),
    ("XfsShutdown", "filesystem.shut_down"),
    ("GPUMissing", health::LOST),
    ("NVLinkStatusInactive", health::NVLINK),
    ("IBLinkFlapping", health::IB_LINK),
    ("XIDHardwareErrors", health::FAILED),
    ("UnhealthyNvidiaDCGMServices", health::FAILED),
];

/// Of the node monitoring agent of EKS.
const READY: [(&str, Name); 5] = [
    ("NetworkingReady", "kubernetes.network_not_ready"),
    ("AcceleratedHardwareReady", health::FAILED),
    ("StorageReady", health::FAILED),
    ("KernelReady", health::FAILED),
    ("ContainerRuntimeReady", health::FAILED),
];

/// What a condition of a node says, given the reason and message behind it.
pub(super) fn of(condition: &str, status: &str, text: &str) -> Option<Said> {
    let listed = |all: &[(&str, Name)]| all.iter().find(|(known, _)| *known == condition).map(|(_, kind)| *kind);
    let kind = match status {
        "False" => listed(&READY)?,
        "True" => listed(&PROBLEMS).or_else(|| text.contains("IsNotHealthy").then_some(health::FAILED))?,
        _ => return None,
    };
    let mut said = Said::new(kind, Says::Failure);
    if kind == health::FAILED {
        // one that names an Xid, or what is wrong
        let outage = Outage { node: "", why: text, since: None };
        if outage.is_specific() {
            let (kind, _, fields) = outage.told(WITNESS);
            return Some(Said { kind, says: Says::Failure, fields });
        }
        said.kind = health::sort(condition, text);
    }
    said.fields.set("test", condition);
    said.fields.set("what", text);
    said.fields.set("why", text);
    Some(said)
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn conditions_of_monitors_are_sorted() {
        let kind = |condition, status, text| of(condition, status, text).map(|said| said.kind);
        assert_eq!(kind("AcceleratedHardwareReady", "False", "NvidiaXID79Error"), Some("slurm.node_xid"));
        assert_eq!(kind("AcceleratedHardwareReady", "True", "NvidiaAcceleratedHardwareIsReady"), None);
        assert_eq!(kind("NetworkingReady", "False", "IPAMDNotReady"), Some("kubernetes.network_not_ready"));
        assert_eq!(kind("GPUMissing", "True", "GPUMissing"), Some("health.lost"));
        assert_eq!(kind("GPUMissing", "False", "NoGPUMissing"), None);
        assert_eq!(kind("ReadonlyFilesystem", "True", "FilesystemIsReadOnly"), Some("filesystem.shut_down"));
        assert_eq!(kind("GpuThermalWatch", "True", "GpuThermalWatchIsNotHealthy"), Some("health.throttled"));
        assert_eq!(kind("GpuPowerWatch", "True", "GpuPowerWatchIsNotHealthy"), Some("health.failed"));
        assert_eq!(kind("Mine", "True", "because"), None);
    }
}
