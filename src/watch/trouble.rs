//! What an object of Kubernetes tells of having failed: words of its status alone, as kubelets and controllers write them.
//!
//! Shapes: kubernetes v1.31 `staging/src/k8s.io/api/core/v1/types.go`, `batch/v1/types.go`; training-operator v1.8, jobset v0.8
//! and trainer v2.0 end their jobs by the same condition, `Failed`.

use jiff::Timestamp;
use serde_json::Value;

/// A failure of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// What happened, in words by which the same is known again: `trainer OOMKilled 137`.
    pub(super) sign: String,
    /// When, in seconds since 1970 (UTC).
    pub(super) at: i64,
    /// What kind of trouble it is.
    pub(super) kind: Kind,
}

/// Kinds of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something failed.
    Failed,
    /// No node has a place for it, since then.
    Unplaced,
    /// All that belongs to it failed, and is over.
    Over,
}

/// Reasons for which a container waits, and will not begin by waiting (kubernetes v1.31 `pkg/kubelet/images/types.go`,
/// `pkg/kubelet/container/sync_result.go`, `pkg/kubelet/kuberuntime`).
const STUCK: [&str; 8] = [
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
];

/// Why a pod that nobody wanted to end is deleted all the same (`DisruptionTarget`): its node is lost, or ends it.
const LOST: [&str; 2] = ["DeletionByTaintManager", "TerminationByKubelet"];

/// Longest word of a status that is kept, in bytes.
const LONGEST: usize = 64;

/// What a pod tells.
pub(super) fn of_pod(pod: &Value) -> Vec<Trouble> {
    let status = &pod["status"];
    let phase = status["phase"].as_str().unwrap_or_default();
    let wanted = !pod["metadata"]["deletionTimestamp"].is_null() && !lost(status);
    if wanted || phase == "Succeeded" {
        return Vec::new();
    }
    let began = began(pod);
    let keys = ["initContainerStatuses", "containerStatuses"];
    let containers = keys.iter().filter_map(|key| status[*key].as_array()).flatten();
    let mut found: Vec<Trouble> = containers.flat_map(|one| of_container(one, began)).collect();
    let reason = status["reason"].as_str().map(word).unwrap_or_default();
    if phase == "Failed" && (found.is_empty() || !reason.is_empty()) {
        let sign = if reason.is_empty() { "Failed".to_owned() } else { reason };
        found.push(Trouble { sign, at: last(status).max(began), kind: Kind::Failed });
    }
    if phase == "Pending" {
        let unplaced = condition(status, "PodScheduled", "False").filter(|one| one["reason"] == "Unschedulable");
        let since = unplaced.map(|one| time(&one["lastTransitionTime"]).unwrap_or(began));
        found.extend(since.map(|at| Trouble { sign: "Unschedulable".to_owned(), at, kind: Kind::Unplaced }));
    }
    found
}

/// What an object tells that owns pods.
pub(super) fn of_owner(owner: &Value) -> Option<Trouble> {
    let status = &owner["status"];
    let failed = condition(status, "Failed", "True")?;
    let at = time(&failed["lastTransitionTime"]).unwrap_or_else(|| last(status));
    Some(Trouble { sign: "Failed".to_owned(), at, kind: Kind::Over })
}

fn of_container(one: &Value, began: i64) -> Vec<Trouble> {
    let name = word(one["name"].as_str().unwrap_or_default());
    let ends = [&one["state"]["terminated"], &one["lastState"]["terminated"]];
    let bad = |end: &&&Value| end["exitCode"].as_i64().is_some_and(|code| code != 0) || end["reason"] == "OOMKilled";
    let trouble = |end: &&Value| {
        let (reason, code) = (word(end["reason"].as_str().unwrap_or_default()), end["exitCode"].as_i64().unwrap_or(0));
        let at = time(&end["finishedAt"]).unwrap_or(began);
        Trouble { sign: format!("{name} {reason} {code}"), at, kind: Kind::Failed }
    };
    let mut found: Vec<Trouble> = ends.iter().filter(bad).map(trouble).collect();
    let waits = one["state"]["waiting"]["reason"].as_str().unwrap_or_default();
    if found.is_empty() && STUCK.contains(&waits) {
        let at = time(&ends[1]["finishedAt"]).unwrap_or(began);
        found.push(Trouble { sign: format!("{name} {waits}"), at, kind: Kind::Failed });
    }
    found
}

fn lost(status: &Value) -> bool {
    let target = condition(status, "DisruptionTarget", "True");
    status["reason"] == "NodeLost" || target.is_some_and(|one| LOST.iter().any(|reason| one["reason"] == *reason))
}

fn condition<'a>(status: &'a Value, kind: &str, stands: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|one| one["type"] == kind && one["status"] == stands)
}

/// When it was begun, as far as that is known.
fn began(object: &Value) -> i64 {
    let start = time(&object["status"]["startTime"]);
    start.or_else(|| time(&object["metadata"]["creationTimestamp"])).unwrap_or(0)
}

/// When anything of its state changed last.
fn last(status: &Value) -> i64 {
    let conditions = status["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    conditions.iter().filter_map(|one| time(&one["lastTransitionTime"])).max().unwrap_or(0)
}

fn time(value: &Value) -> Option<i64> {
    value.as_str()?.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

/// A word of a status, or as much of it as is one.
fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "-._/".contains(*c)).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn signs(pod: &Value) -> Vec<(String, i64)> {
        of_pod(pod).into_iter().map(|one| (one.sign, one.at)).collect()
    }

    fn container(state: &Value, before: &Value) -> Value {
        json!({ "metadata": { "creationTimestamp": "1970-01-01T00:00:07Z" }, "status": { "phase": "Running",
            "containerStatuses": [{ "name": "trainer", "state": state, "lastState": before }] } })
    }

    #[test]
    fn containers_that_ended_badly_are_trouble_with_their_time_and_others_are_not() {
        let end = |reason: &str, code: i64| json!({ "terminated": { "reason": reason, "exitCode": code, "finishedAt": "1970-01-01T00:01:00Z" } });
        let none = json!({});
        assert_eq!(signs(&container(&end("OOMKilled", 137), &none)), [("trainer OOMKilled 137".to_owned(), 60)]);
        assert_eq!(signs(&container(&end("Completed", 0), &none)), []);
        assert_eq!(
            signs(&container(&json!({ "running": {} }), &end("Error", 1))),
            [("trainer Error 1".to_owned(), 60)]
        );
        let waits = |reason: &str| json!({ "waiting": { "reason": reason } });
        assert_eq!(
            signs(&container(&waits("CrashLoopBackOff"), &end("Error", 1))),
            [("trainer Error 1".to_owned(), 60)]
        );
        assert_eq!(
            signs(&container(&waits("CrashLoopBackOff"), &end("Completed", 0))),
            [("trainer CrashLoopBackOff".to_owned(), 60)]
        );
        assert_eq!(signs(&container(&waits("ImagePullBackOff"), &none)), [("trainer ImagePullBackOff".to_owned(), 7)]);
        assert_eq!(signs(&container(&waits("ContainerCreating"), &none)), []);
    }

    #[test]
    fn a_pod_that_somebody_deletes_is_no_failure_and_one_whose_node_is_lost_is() {
        let end = json!({ "terminated": { "reason": "Error", "exitCode": 143, "finishedAt": "1970-01-01T00:01:00Z" } });
        let mut pod = container(&end, &json!({}));
        pod["metadata"]["deletionTimestamp"] = json!("1970-01-01T00:00:50Z");
        assert_eq!(signs(&pod), []);
        pod["status"]["conditions"] =
            json!([{ "type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler" }]);
        assert_eq!(signs(&pod), []);
        pod["status"]["conditions"][0]["reason"] = json!("DeletionByTaintManager");
        assert_eq!(signs(&pod).len(), 1);
    }

    #[test]
    fn pods_without_containers_tell_by_phase_and_conditions() {
        let of = |status: Value| signs(&json!({ "metadata": {}, "status": status }));
        let evicted = json!({ "phase": "Failed", "reason": "Evicted", "startTime": "1970-01-01T00:00:09Z" });
        assert_eq!(of(evicted), [("Evicted".to_owned(), 9)]);
        let unplaced = |reason: &str| {
            json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "False", "reason": reason,
                "lastTransitionTime": "1970-01-01T00:00:05Z" }] })
        };
        assert_eq!(of(unplaced("Unschedulable")), [("Unschedulable".to_owned(), 5)]);
        assert_eq!(of(unplaced("SchedulingGated")), []);
        let job = |kind: &str| {
            of_owner(
                &json!({ "status": { "conditions": [{ "type": kind, "status": "True", "reason": "BackoffLimitExceeded",
                "lastTransitionTime": "1970-01-01T00:00:05Z" }] } }),
            )
        };
        assert_eq!((job("Failed").map(|one| one.at), job("Complete")), (Some(5), None));
    }

    #[test]
    fn words_of_a_status_are_words() {
        let hostile = json!({ "metadata": {}, "status": { "phase": "Failed", "reason": "a\u{1b}[2J; rm -rf /\n".to_owned() + &"x".repeat(500) } });
        let sign = &signs(&hostile)[0].0;
        assert!(sign.starts_with("a2Jrm-rf/x") && sign.len() == LONGEST, "{sign}");
    }
}
