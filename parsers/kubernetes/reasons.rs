//! Reasons and states that say by themselves what is wrong, where no message is at hand.

use super::message::Said;
use crate::event::{Name, Says};

/// Kinds that only states make.
pub(super) const KINDS: &[Name] = &[
    OOM,
    ENDED,
    LOOP,
    PULL,
    START,
    EVICTED,
    NOT_READY,
    PENDING,
    STUCK,
    READY,
    NODE,
    PRESSURE,
    ADMISSION,
    DEADLINE,
    EVENT,
    PREEMPTED,
    LOST,
    PROBE,
    VOLUME,
    SANDBOX,
    UNSCHEDULABLE,
    JOB_FAILED,
    EMPTY,
    COMPLETED,
    DEVICE,
    QUOTA,
    DRIVER_UPGRADE,
    SHUTDOWN,
    REFUSED,
    CRASHED,
];

const OOM: Name = "kubernetes.oom_killed";
const ENDED: Name = "kubernetes.container_ended";
pub(super) const LOOP: Name = "kubernetes.crash_loop";
pub(super) const PULL: Name = "kubernetes.image_pull";
const START: Name = "kubernetes.container_start";
const EVICTED: Name = "kubernetes.evicted";
pub(super) const NOT_READY: Name = "kubernetes.not_ready";
pub(super) const PENDING: Name = "kubernetes.pending";
/// It has been starting for longer than images, volumes and a driver take.
pub(super) const STUCK: Name = "kubernetes.start_stuck";
pub(super) const READY: Name = "kubernetes.ready";
pub(super) const COMPLETED: Name = "kubernetes.completed";
pub(super) const NODE: Name = "kubernetes.node_not_ready";
pub(super) const PRESSURE: Name = "kubernetes.node_pressure";
const ADMISSION: Name = "kubernetes.admission_error";
pub(super) const REFUSED: Name = "kubernetes.admission_refused";
const CRASHED: Name = "kubernetes.container_crashed";
const DEADLINE: Name = "kubernetes.deadline";
pub(super) const EVENT: Name = "kubernetes.warning";
const PREEMPTED: Name = "kubernetes.preempted";
const LOST: Name = "kubernetes.node_lost";
const PROBE: Name = "kubernetes.probe_failed";
const VOLUME: Name = "kubernetes.volume_mount";
const SANDBOX: Name = "kubernetes.sandbox";
const UNSCHEDULABLE: Name = "kubernetes.unschedulable";
pub(super) const JOB_FAILED: Name = "kubernetes.job_failed";
pub(super) const EMPTY: Name = "kubernetes.daemonset_empty";
pub(super) const DEVICE: Name = "kubernetes.device_plugin";
const QUOTA: Name = "kubernetes.quota";
const DRIVER_UPGRADE: Name = "kubernetes.driver_upgrade_failed";
const SHUTDOWN: Name = "kubernetes.node_shutdown";

pub(super) fn about(kind: &str) -> Option<&'static str> {
    Some(match kind {
        NOT_READY => "a pod runs and is not ready",
        PENDING => "a pod waits",
        STUCK => "a pod has been starting for long",
        READY => "a pod runs and is ready",
        COMPLETED => "a pod ended well",
        LOST => "pods are given up because their node is lost",
        EVENT => "Kubernetes warns of something",
        EMPTY => "no node takes a daemon set",
        DRIVER_UPGRADE => "the GPU operator could not upgrade a node's driver",
        REFUSED => "the kubelet refused a pod at its node",
        CRASHED => "a container crashed",
        SHUTDOWN => "a node was shut down under a pod",
        _ => return None,
    })
}

/// States of a container or pod as `kubectl get` and `describe` tell them, and reasons of the API
/// (kubernetes v1.31 `pkg/kubelet/images/types.go`, `pkg/kubelet/kuberuntime/kuberuntime_container.go`,
/// `pkg/printers/internalversion/printers.go`, `pkg/kubelet/lifecycle/predicate.go`).
const STATES: [(&str, Name, Says); 40] = [
    ("OOMKilled", OOM, Says::Failure),
    ("Error", ENDED, Says::Teardown),
    ("PodFailed", ENDED, Says::Teardown),
    ("ContainerStatusUnknown", ENDED, Says::Teardown),
    ("CrashLoopBackOff", LOOP, Says::Teardown),
    ("ImagePullBackOff", PULL, Says::Failure),
    ("ErrImagePull", PULL, Says::Failure),
    ("ErrImageNeverPull", PULL, Says::Failure),
    ("InvalidImageName", PULL, Says::Failure),
    ("ImageInspectError", PULL, Says::Failure),
    ("RegistryUnavailable", PULL, Says::Failure),
    ("SignatureValidationFailed", PULL, Says::Failure),
    ("CreateContainerConfigError", START, Says::Failure),
    ("CreateContainerError", ENDED, Says::Teardown),
    ("RunContainerError", ENDED, Says::Teardown),
    ("ContainerCannotRun", ENDED, Says::Teardown),
    ("StartError", ENDED, Says::Teardown),
    ("PostStartHookError", ENDED, Says::Teardown),
    ("PreCreateHookError", ENDED, Says::Teardown),
    ("Evicted", EVICTED, Says::Failure),
    ("Preempting", PREEMPTED, Says::Teardown),
    ("PreemptionByScheduler", PREEMPTED, Says::Teardown),
    ("PreemptionByKubeScheduler", PREEMPTED, Says::Teardown),
    ("DeadlineExceeded", DEADLINE, Says::Failure),
    ("UnexpectedAdmissionError", REFUSED, Says::Failure),
    ("TopologyAffinityError", ADMISSION, Says::Failure),
    ("SMTAlignmentError", ADMISSION, Says::Failure),
    ("NodeAffinity", ADMISSION, Says::Failure),
    ("NodeLost", LOST, Says::Teardown),
    ("DeletionByTaintManager", LOST, Says::Teardown),
    ("DeletionByPodGC", LOST, Says::Teardown),
    ("NodeShutdown", SHUTDOWN, Says::Failure),
    ("Shutdown", SHUTDOWN, Says::Failure),
    ("Terminated", SHUTDOWN, Says::Failure),
    ("OutOfcpu", UNSCHEDULABLE, Says::Failure),
    ("OutOfmemory", UNSCHEDULABLE, Says::Failure),
    ("OutOfpods", UNSCHEDULABLE, Says::Failure),
    ("OutOfnvidia.com/gpu", UNSCHEDULABLE, Says::Failure),
    ("BackoffLimitExceeded", JOB_FAILED, Says::Teardown),
    ("Unschedulable", UNSCHEDULABLE, Says::Failure),
];

/// Reasons of events that need no message to be understood (same version, `pkg/kubelet/events/event.go` and the controllers).
const EVENTS: [(&str, Name, Says); 21] = [
    ("Evicted", EVICTED, Says::Failure),
    ("Preempted", PREEMPTED, Says::Teardown),
    ("Preempting", PREEMPTED, Says::Teardown),
    ("NodeNotReady", NODE, Says::Failure),
    ("Unhealthy", PROBE, Says::Warning),
    ("ProbeWarning", PROBE, Says::Warning),
    ("BackOff", LOOP, Says::Teardown),
    ("FailedScheduling", UNSCHEDULABLE, Says::Failure),
    ("FailedScaleUp", UNSCHEDULABLE, Says::Failure),
    ("Unschedulable", UNSCHEDULABLE, Says::Failure),
    ("FailedMount", VOLUME, Says::Failure),
    ("FailedAttachVolume", VOLUME, Says::Failure),
    ("FailedMapVolume", VOLUME, Says::Failure),
    ("FailedCreatePodSandBox", SANDBOX, Says::Failure),
    ("UnexpectedAdmissionError", REFUSED, Says::Failure),
    ("DeadlineExceeded", DEADLINE, Says::Failure),
    ("OOMKilling", OOM, Says::Failure),
    ("SystemOOM", OOM, Says::Failure),
    ("BackoffLimitExceeded", JOB_FAILED, Says::Teardown),
    ("TaintManagerEviction", LOST, Says::Teardown),
    ("NodeControllerEviction", LOST, Says::Teardown),
];

/// What a state says; `Init:` and the like in front of it are peeled, an unknown one says nothing.
pub(super) fn of_state(state: &str) -> Option<Said> {
    let bare = state.trim().rsplit_once("Init:").map_or(state.trim(), |(_, bare)| bare);
    if let Some((kind, number)) = bare.split_once(':') {
        let mut said = Said::new(ENDED, Says::Teardown);
        let number = number.parse::<i64>().ok()?;
        said.fields.set(if kind == "Signal" { "signal" } else { "exit_code" }, number);
        return (kind == "ExitCode" || kind == "Signal").then_some(said);
    }
    let out_of = bare.strip_prefix("OutOf").is_some().then_some(&("", UNSCHEDULABLE, Says::Failure));
    let (_, kind, says) = STATES.iter().find(|(name, ..)| *name == bare).or(out_of)?;
    let mut said = Said::new(kind, *says);
    said.fields.set("why", bare);
    Some(said)
}

/// Exit codes that are those of signals which a defect raises (128 + SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV).
const CRASHES: [i64; 5] = [132, 134, 135, 136, 139];

/// Adds how a container ended to what its state says.
pub(super) fn with_exit_code(said: &mut Said, code: i64) {
    said.fields.set("exit_code", code);
    if said.kind == ENDED && CRASHES.contains(&code) {
        (said.kind, said.says) = (CRASHED, Says::Failure);
    }
}

/// What the reason of an event says.
pub(super) fn of_event(reason: &str, message: &str) -> Option<Said> {
    if reason == "GPUDriverUpgrade" {
        return message.contains("upgrade-failed").then(|| Said::new(DRIVER_UPGRADE, Says::Failure));
    }
    let (_, kind, says) = EVENTS.iter().find(|(name, ..)| *name == reason)?;
    Some(Said::new(kind, *says))
}

/// An event that only warns.
pub(super) fn warning() -> Said {
    Said::new(EVENT, Says::Info)
}
