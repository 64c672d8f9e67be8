//! What a pod's state says of its part.

use serde_json::Value;

use crate::exec::outcome::End;

/// Where a pod stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Not yet begun; where it stands.
    Waiting(String),
    /// Nobody has a place for it; why. That may pass.
    Unplaced(End),
    /// Its container runs, or has run: there is a log.
    Begun,
    /// It will not begin.
    Never(End),
    /// It is over; how, where that was not its own end.
    Over(String),
}

/// Reasons for which a container is not started, and will not be by waiting (kubernetes v1.31 `pkg/kubelet/images/types.go`,
/// `pkg/kubelet/container/sync_result.go`, `pkg/kubelet/kuberuntime`).
const HOPELESS: [&str; 8] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
];

/// Reasons for which a container has ended without having begun.
const NOT_STARTED: [&str; 2] = ["ContainerCannotRun", "StartError"];

/// Reads a pod.
pub(super) fn read(pod: &Value) -> State {
    let status = &pod["status"];
    let state = &status["containerStatuses"][0]["state"];
    let told = |of: &Value| joined(["reason", "message"].map(|key| plain(of[key].as_str().unwrap_or_default())), ": ");
    if let Some(over) = state.get("terminated") {
        let reason = over["reason"].as_str().unwrap_or_default();
        if NOT_STARTED.contains(&reason) {
            return State::Never(End::CannotRun(told(over)));
        }
        return State::Over(format!("the container ended: {} (exit code {})", told(over), over["exitCode"]));
    }
    if state.get("running").is_some() {
        return State::Begun;
    }
    if status["phase"] == "Failed" {
        // Evicted, refused by the kubelet, or beyond its deadline: it had no container, or has none any more.
        return State::Never(End::CannotRun(told(status)));
    }
    let waiting = &state["waiting"];
    if HOPELESS.contains(&waiting["reason"].as_str().unwrap_or_default()) {
        return State::Never(End::CannotRun(told(waiting)));
    }
    let conditions = status["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let unplaced = conditions.iter().find(|one| one["type"] == "PodScheduled" && one["status"] == "False");
    let stands = || State::Waiting(joined([plain(status["phase"].as_str().unwrap_or("new")), told(waiting)], ", "));
    unplaced.map_or_else(stands, |one| {
        let why = told(one);
        // What the node lacks may be somebody's; a node that takes no pod at all, or is none, can't be reached.
        State::Unplaced(if why.contains("Insufficient") { End::CannotRun(why) } else { End::Unreachable(why) })
    })
}

/// Those of two words that there are.
fn joined(words: [String; 2], between: &str) -> String {
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(between)
}

/// A text of the cluster on one line.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(status: &Value) -> State {
        read(&json!({ "status": status }))
    }

    fn container(state: &Value) -> State {
        of(&json!({ "phase": "Pending", "containerStatuses": [{ "state": state }] }))
    }

    #[test]
    fn what_keeps_a_pod_from_beginning_is_told_with_its_reason() {
        let pull = json!({ "waiting": { "reason": "ImagePullBackOff", "message": "Back-off pulling image \"x\"" } });
        let why = "ImagePullBackOff: Back-off pulling image \"x\"".to_owned();
        assert_eq!(container(&pull), State::Never(End::CannotRun(why)));
        let creating = json!({ "waiting": { "reason": "ContainerCreating" } });
        assert_eq!(container(&creating), State::Waiting("Pending, ContainerCreating".to_owned()));
        assert_eq!(container(&json!({ "running": {} })), State::Begun);
        let scheduled = |message: &str| {
            of(&json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "False",
                "reason": "Unschedulable", "message": message }] }))
        };
        let lacks = "0/8 nodes are available: 1 Insufficient nvidia.com/gpu.";
        assert!(matches!(scheduled(lacks), State::Unplaced(End::CannotRun(why)) if why.ends_with(lacks)));
        let none = "0/8 nodes are available: 8 node(s) didn't match Pod's node affinity.";
        assert!(matches!(scheduled(none), State::Unplaced(End::Unreachable(why)) if why.ends_with(none)));
        let evicted = json!({ "phase": "Failed", "reason": "Evicted", "message": "The node was low on resource" });
        assert!(matches!(of(&evicted), State::Never(End::CannotRun(why)) if why.starts_with("Evicted")));
    }

    #[test]
    fn a_container_that_was_killed_tells_by_whom() {
        let killed = json!({ "terminated": { "reason": "OOMKilled", "exitCode": 137 } });
        assert_eq!(container(&killed), State::Over("the container ended: OOMKilled (exit code 137)".to_owned()));
        let missing =
            json!({ "terminated": { "reason": "StartError", "exitCode": 128, "message": "exec: no such file" } });
        assert!(matches!(container(&missing), State::Never(End::CannotRun(_))));
    }
}
