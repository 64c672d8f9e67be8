//! Conditions of a node that its monitors set, beside those of the kubelet.
//!
//! Shapes: node-problem-detector 0.8 `config/*.json` (what holds is trouble), Azure's rules for it on nodes with GPUs, NVSentinel
//! (`…IsNotHealthy`, and DCGM's name for what it found in the message), Oracle's of oci-hpc-oke (`…HasIssues`), the node monitoring agent of Amazon EKS (`…Ready`, and what does not hold is trouble; its reasons name
//! an Xid: `NvidiaXID79Error`), and Google's device plug-in (container-engine-accelerators, `XidCriticalError`, whose reason is the set
//! of Xids: `{"79":true}`).

use super::WITNESS;
use super::message::Said;
use crate::dcgm;
use crate::event::{Name, Says};
use crate::health;
use crate::slurm::reason::Outage;

/// Conditions that are trouble while they hold, and what they are about.
const PROBLEMS: [(&str, Name); 21] = [
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
    ("XIDErrors", health::FAILED),
    ("XIDHardwareErrors", health::FAILED),
    ("GPUClockThrottling", health::FAILED),
    ("UnhealthyNvidiaDevicePlugin", "kubernetes.device_plugin"),
    ("KubeletProblem", health::FAILED),
    ("ContainerRuntimeProblem", health::FAILED),
    ("FilesystemCorruptionProblem", health::FAILED),
    ("UnhealthyNvidiaDCGMServices", health::FAILED),
];

/// Of Oracle's rules for node-problem-detector, whose reasons end in `HasIssues` where something was found.
const ISSUES: [(&str, Name); 14] = [
    ("GpuEcc", health::MEMORY),
    ("GpuRowRemap", health::MEMORY),
    ("GpuBadPages", health::MEMORY),
    ("GpuCount", health::LOST),
    ("GpuBus", health::LOST),
    ("GpuPcie", health::PCIE),
    ("NodeHasPcieErrors", health::PCIE),
    ("GpuFabricMgr", health::FABRIC),
    ("GpuImex", health::FABRIC),
    ("NvlinkSpeed", health::NVLINK),
    ("RdmaLink", health::IB_LINK),
    ("RdmaLinkFlapping", health::IB_LINK),
    ("GpuXid", health::FAILED),
    ("DcgmiHealth", health::FAILED),
];

/// Of the node monitoring agent of EKS.
const READY: [(&str, Name); 5] = [
    ("NetworkingReady", "kubernetes.network_not_ready"),
    ("AcceleratedHardwareReady", health::FAILED),
    ("StorageReady", health::FAILED),
    ("KernelReady", health::FAILED),
    ("ContainerRuntimeReady", health::FAILED),
];

/// The kind of an Xid that a device plug-in heard of.
pub(super) const XID: Name = "kubernetes.device_xid";

/// The condition in which Google's device plug-in keeps the Xids it heard of since the node started.
const XIDS: &str = "XidCriticalError";

/// What a condition of a node says, given the reason and message behind it.
pub(super) fn of(condition: &str, status: &str, text: &str) -> Option<Said> {
    let listed = |all: &[(&str, Name)]| all.iter().find(|(known, _)| *known == condition).map(|(_, kind)| *kind);
    if condition == XIDS && status == "True" {
        let mut said = Said::new(XID, Says::Failure);
        said.fields.set("xid", first_number(text)?);
        return Some(said);
    }
    let kind = match status {
        "False" => listed(&READY)?,
        "True" => {
            let issue = || listed(&ISSUES).unwrap_or(health::FAILED);
            let by_reason = || text.contains("HasIssues").then(issue);
            let named = text.contains("IsNotHealthy") || (text.contains("DCGM_FR_") && !is_advice_to_ignore(text));
            let unhealthy = || named.then_some(health::FAILED);
            listed(&PROBLEMS).or_else(by_reason).or_else(unhealthy)?
        }
        _ => return None,
    };
    Some(sorted(kind, condition, text))
}

/// Whether NVSentinel found something that nobody needs to do anything about.
fn is_advice_to_ignore(text: &str) -> bool {
    let advice = text.split_once("RecommendedAction").or_else(|| text.split_once("Recommended Action"));
    advice.is_some_and(|(_, advice)| {
        let advice = advice.trim_start_matches([':', '=', ' ']);
        advice.starts_with("IGNORE") || advice.starts_with("NONE")
    })
}

/// What a check says that failed, sorted by what it complains of.
pub(super) fn sorted(kind: Name, condition: &str, text: &str) -> Said {
    let mut said = Said::new(kind, Says::Failure);
    // DCGM's name for what it found says more than the sentence beside it
    let named = text.contains("DCGM_FR_").then(|| health::sort(condition, text));
    if let Some(named) = named.filter(|named| kind == health::FAILED && *named != health::FAILED) {
        said.kind = named;
        if let [gpu] = dcgm::gpus(text).as_slice() {
            said.fields.set("gpu", format!("GPU {gpu}"));
        }
    } else if kind == health::FAILED {
        // one that names an Xid, or what is wrong
        let outage = Outage { node: "", why: text, since: None };
        if outage.is_specific() {
            let (kind, _, fields) = outage.told(WITNESS);
            return Said { kind, says: Says::Failure, fields };
        }
        said.kind = health::sort(condition, text);
    }
    said.fields.set("test", condition);
    said.fields.set("what", text);
    said.fields.set("why", text);
    said
}

/// The number that begins a set of them in JSON: `{"79":true}`.
fn first_number(text: &str) -> Option<i64> {
    let rest = text.split_once("{\"")?.1;
    rest.split_once('"')?.0.parse().ok()
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
        let memory =
            "HardwareFailure [DCGM_FR_FAULTY_MEMORY] GPU memory failure on GPU 0 - RecommendedAction: CONTACT_SUPPORT";
        assert_eq!(kind("GpuMemoryError", "True", memory), Some("health.memory"));
        let warm = "ThermalThrottling [DCGM_FR_CLOCK_THROTTLE_THERMAL] GPU is warm - RecommendedAction: IGNORE";
        assert_eq!(kind("GpuThermal", "True", warm), None);
        assert_eq!(kind("GpuCount", "True", "GpuCountHasIssues Healthcheck:: 7 GPUs"), Some("health.lost"));
        assert_eq!(kind("GpuCount", "False", "GpuCountHasNoIssues"), None);
        assert_eq!(kind("GPUClockThrottling", "True", "GPUClockThrottling"), Some("health.throttled"));
        assert_eq!(kind("Mine", "True", "because"), None);
        assert_eq!(kind("XidCriticalError", "True", r#"{"79":true}: 7c1e0a52"#), Some("kubernetes.device_xid"));
        assert_eq!(kind("XidCriticalError", "False", r#"{"79":true}"#), None);
    }
}
