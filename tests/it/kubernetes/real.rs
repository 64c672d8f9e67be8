//! A real API server, scheduler and controllers; containers run as processes of this machine, by a stand-in for kubelets.

use std::time::Duration;

use serde_json::{Value, json};

use super::control_plane::{ControlPlane, wait};
use super::{complaint, diag};

const SOON: Duration = Duration::from_secs(60);

fn job(name: &str, gpus: u32, code: &str) -> Value {
    json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": name },
        "spec": { "backoffLimit": 6, "completions": 2, "parallelism": 2, "template": { "spec": {
            "restartPolicy": "OnFailure",
            "containers": [{ "name": "trainer", "image": "example/train:1", "command": ["python3", "-c", code],
                "env": [{ "name": "TOKEN", "value": "s3cret" }],
                "resources": { "limits": { "nvidia.com/gpu": gpus.to_string() } } }] } } } })
}

fn analyze(plane: &ControlPlane, who: &str, target: &str) -> Value {
    let done = diag(&["analyze", "--k8s", target, "--format", "json", "-q"], &plane.config(who));
    serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)))
}

fn codes(report: &Value) -> Vec<&str> {
    report["notes"].as_array().unwrap().iter().map(|note| note["code"].as_str().unwrap()).collect()
}

#[test]
#[ignore = "needs kube-apiserver and etcd: ./test runs it where they are"]
fn kubernetes_a_real_cluster_is_read() {
    let plane = ControlPlane::up(2);
    plane.ask("POST", "/api/v1/namespaces", Some(&json!({ "metadata": { "name": "research" } })));
    plane.ask("POST", "/api/v1/namespaces", Some(&json!({ "metadata": { "name": "queue" } })));
    let code = "import sys, time\nprint('step 10 loss 2.5', flush=True)\ntime.sleep(0.5)\n\
        print(\"OSError: [Errno 28] No space left on device: '/scratch/ckpt/step-500.pt'\", flush=True)\nsys.exit(1)";
    plane.ask("POST", "/apis/batch/v1/namespaces/research/jobs", Some(&job("train", 8, code)));
    plane.ask("POST", "/apis/batch/v1/namespaces/queue/jobs", Some(&job("big", 16, "")));
    let restarts = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap_or(0);
    let pods = || plane.items("/api/v1/namespaces/research/pods");
    wait("both pods loop", SOON, || pods().iter().filter(|pod| restarts(pod) > 0).count() == 2);
    let unschedulable =
        || plane.items("/api/v1/namespaces/queue/events").iter().any(|event| event["reason"] == "FailedScheduling");
    wait("the scheduler has said no", SOON, unschedulable);

    let report = analyze(&plane, "viewer", "research");
    assert_eq!(report["findings"][0]["cause"], "disk-full", "{report}");
    let names: Vec<Value> = pods().iter().map(|pod| pod["metadata"]["name"].clone()).collect();
    assert_eq!(report["findings"][0]["culprit"]["pods"], json!(names), "{report}");
    assert_eq!(codes(&report), [""; 0], "{report}");

    let one = names[0].as_str().unwrap();
    let report = analyze(&plane, "viewer", &format!("research/{one}"));
    assert_eq!(report["findings"][0]["cause"], "disk-full", "{report}");
    assert_eq!(report["findings"][0]["culprit"]["pods"], json!([one]), "{report}");

    let report = analyze(&plane, "narrow", "research");
    assert_eq!(report["findings"][0]["cause"], "disk-full", "{report}");
    assert!(codes(&report).iter().all(|code| *code == "k8s.forbidden") && !codes(&report).is_empty(), "{report}");

    let report = analyze(&plane, "viewer", "queue");
    assert_eq!(report["findings"][0]["cause"], "k8s-unschedulable", "{report}");

    let said = complaint(&diag(&["analyze", "--k8s", "nosuch"], &plane.config("viewer")));
    assert!(said.contains("[k8s.empty]"), "{said}");

    let untrusted = std::fs::read_to_string(plane.config("viewer")).unwrap();
    let line = untrusted.split("certificate-authority: ").nth(1).unwrap().split('}').next().unwrap();
    let other = plane.config("untrusted");
    std::fs::write(&other, untrusted.replace(&format!(", certificate-authority: {line}"), "")).unwrap();
    let said = complaint(&diag(&["analyze", "--k8s", "research", "--k8s-timeout", "3"], &other));
    assert!(said.contains("[k8s.unreachable]") && said.contains("ertificate"), "{said}");

    plane.silence("gpu-001");
    let ready = |node: &Value| {
        node["status"]["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["type"] == "Ready" && one["status"] == "True")
    };
    wait("the node is lost", SOON, || plane.items("/api/v1/nodes").iter().any(|node| !ready(node)));
    let report = analyze(&plane, "viewer", "research");
    let causes: Vec<&Value> = report["findings"].as_array().unwrap().iter().map(|finding| &finding["cause"]).collect();
    assert!(causes.contains(&&json!("k8s-node-notready")), "{report}");
}
