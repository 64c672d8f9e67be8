//! The manifest that `diag hook install kubernetes` writes, in a real cluster.

use std::time::Duration;

use serde_json::Value;

use super::control_plane::{ControlPlane, wait};

const MANIFEST: &str = include_str!("../../../packaging/diag-daemonset.yaml");

#[test]
#[ignore = "needs kube-apiserver and etcd: ./test runs it where they are"]
fn kubernetes_the_daemon_set_writes_metrics_of_each_node() {
    let plane = ControlPlane::up(2);
    plane.create("/api/v1/namespaces", "apiVersion: v1\nkind: Namespace\nmetadata: { name: monitoring }\n");
    let taken = plane.create("/apis/apps/v1/namespaces/monitoring/daemonsets?fieldValidation=Strict", MANIFEST);
    assert_eq!(taken["kind"], "DaemonSet", "{taken}");

    let pods = || plane.items("/api/v1/namespaces/monitoring/pods");
    let told =
        |pod: &Value| std::fs::read_to_string(plane.volume(pod, "metrics").join("diag.prom")).unwrap_or_default();
    let both = || pods().len() == 2 && pods().iter().all(|pod| told(pod).contains("diag_"));
    wait("a pod on each node has written its metrics", Duration::from_secs(60), both);
    for pod in pods() {
        assert!(told(&pod).contains("diag_reading_verdict"), "{}", told(&pod));
    }
}
