//! The Job of a part.

use std::time::Duration;

use serde_json::{Value, json};

use super::Settings;

/// The first process of a pod.
const ENTRY: &str = include_str!("entry.sh");

/// By which label our Jobs are found again.
pub(super) const LABEL: &str = "app.kubernetes.io/managed-by=diag";

/// The annotation that tells a pod to begin.
pub(super) const GO: &str = "diag/go";

/// Where the kubelet puts it.
const GATE: &str = "/diag-gate";

/// The container.
pub(super) const CONTAINER: &str = "diag";

/// Longest value of a variable: Linux takes no string beyond 128 KiB (`MAX_ARG_STRLEN`, linux/binfmts.h).
const LONGEST: usize = 96 << 10;

/// Variables that an order is spread over (see `entry.sh`).
const MOST_VARIABLES: usize = 4;

/// A Job that is done is deleted after this many seconds by Kubernetes itself, should nobody else do it.
const LEFT_FOR: u32 = 120;

/// From the deletion of the pod until the kubelet kills it, in seconds: the wrapper's grace, twice.
const TERMINATION: u32 = 10;

/// A pod to be made.
#[derive(Debug, Clone)]
pub(super) struct Pod {
    /// Of the Job.
    pub(super) name: String,
    pub(super) node: String,
    pub(super) settings: Settings,
    /// Whether it waits for others.
    pub(super) gated: bool,
    /// After this Kubernetes ends it.
    pub(super) limit: Duration,
}

impl Pod {
    /// The Job that runs an order; none where the order is too long.
    pub(super) fn job(&self, order: &str, now: u64) -> Option<Value> {
        let pieces = pieces(order)?;
        let mut env: Vec<Value> = pieces
            .iter()
            .enumerate()
            .map(|(nth, piece)| json!({ "name": format!("DIAG_ORDER_{nth}"), "value": literal(piece) }))
            .collect();
        if self.gated {
            env.push(json!({ "name": "DIAG_GATE", "value": format!("{GATE}/go") }));
        }
        let labels = json!({ "app.kubernetes.io/managed-by": "diag", "diag/job": self.name });
        let limit = self.limit.as_secs();
        // Whoever comes later may delete it from then on.
        let until = now + limit + u64::from(LEFT_FOR);
        Some(json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": { "name": self.name, "labels": labels, "annotations": { "diag/until": until.to_string() } },
            "spec": {
                "backoffLimit": 0, "activeDeadlineSeconds": limit, "ttlSecondsAfterFinished": LEFT_FOR,
                "template": { "metadata": { "labels": labels }, "spec": self.spec(&env) }
            }
        }))
    }

    fn spec(&self, env: &[Value]) -> Value {
        let only = json!([{ "key": "metadata.name", "operator": "In", "values": [self.node] }]);
        let gate = json!([{ "path": "go", "fieldRef": { "fieldPath": format!("metadata.annotations['{GO}']") } }]);
        let tolerated = ["node.kubernetes.io/unschedulable", "nvidia.com/gpu"];
        let mut container = json!({
            "name": CONTAINER, "image": self.settings.image, "env": env,
            "command": ["/bin/sh", "-c", literal(ENTRY)],
        });
        if self.settings.gpus > 0 {
            container["resources"] = json!({ "limits": { "nvidia.com/gpu": self.settings.gpus.to_string() } });
        }
        let mut spec = json!({
            "restartPolicy": "Never", "terminationGracePeriodSeconds": TERMINATION,
            "automountServiceAccountToken": false, "enableServiceLinks": false,
            "hostNetwork": self.settings.host_network,
            "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{ "matchFields": only }] } } },
            // A node that is kept from jobs is the very one to be looked at.
            "tolerations": tolerated.map(|key| json!({ "key": key, "operator": "Exists" })),
        });
        if self.gated {
            container["volumeMounts"] = json!([{ "name": "gate", "mountPath": GATE }]);
            spec["volumes"] = json!([{ "name": "gate", "downwardAPI": { "items": gate } }]);
        }
        spec["containers"] = json!([container]);
        spec
    }
}

/// A text that Kubernetes takes for nothing but itself: it puts variables in the place of `$(NAME)`, and `$` in that of `$$`
/// (kubernetes v1.31 `third_party/forked/golang/expansion`).
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// A text in pieces that a variable can hold.
fn pieces(mut text: &str) -> Option<Vec<&str>> {
    let mut all = Vec::new();
    while !text.is_empty() {
        let end = (0..=LONGEST.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let (piece, rest) = text.split_at(end);
        all.push(piece);
        text = rest;
    }
    (all.len() <= MOST_VARIABLES).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::Access;

    fn pod(gpus: u32, gated: bool) -> Pod {
        let access = Access { config: None, context: None, patience: Duration::from_secs(1) };
        let (namespace, image, start) = ("diag".into(), "tests:1".into(), Duration::from_secs(60));
        let settings = Settings { access, namespace, image, gpus, host_network: false, start };
        Pod { name: "diag-0a-0".into(), node: "gpu-017".into(), settings, gated, limit: Duration::from_secs(90) }
    }

    #[test]
    fn a_job_stays_on_its_node_ends_by_itself_and_is_found_again() {
        let job = pod(8, false).job("echo $HOME", 1000).unwrap();
        let spec = &job["spec"]["template"]["spec"];
        let term =
            &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
        assert_eq!(term[0]["matchFields"][0]["values"], json!(["gpu-017"]));
        assert_eq!((&spec["restartPolicy"], &job["spec"]["activeDeadlineSeconds"]), (&json!("Never"), &json!(90)));
        assert_eq!((&job["spec"]["backoffLimit"], &job["spec"]["ttlSecondsAfterFinished"]), (&json!(0), &json!(120)));
        assert_eq!(job["metadata"]["annotations"]["diag/until"], "1210");
        let container = &spec["containers"][0];
        assert_eq!(container["resources"]["limits"]["nvidia.com/gpu"], "8");
        assert_eq!(container["env"], json!([{ "name": "DIAG_ORDER_0", "value": "echo $$HOME" }]));
        let (key, value) = LABEL.split_once('=').unwrap();
        assert_eq!(job["metadata"]["labels"][key], value);
        assert!(spec.get("volumes").is_none());
    }

    #[test]
    fn a_pod_that_waits_for_others_gets_a_file_to_wait_for() {
        let job = pod(0, true).job("x", 0).unwrap();
        let spec = &job["spec"]["template"]["spec"];
        assert_eq!(
            spec["volumes"][0]["downwardAPI"]["items"][0]["fieldRef"]["fieldPath"],
            "metadata.annotations['diag/go']"
        );
        assert!(spec["containers"][0].get("resources").is_none());
    }

    #[test]
    fn a_long_order_is_spread_over_variables_and_a_longer_one_refused() {
        let text = "\u{e9}".repeat(LONGEST);
        let pieces = pieces(&text).unwrap();
        assert!(pieces.iter().all(|piece| piece.len() <= LONGEST) && pieces.concat() == text);
        assert!(pod(0, false).job(&"x".repeat(LONGEST * MOST_VARIABLES + 1), 0).is_none());
    }
}
