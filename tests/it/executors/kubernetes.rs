//! A real API server, scheduler and controllers; a stand-in for kubelets runs what containers say as processes here.

use std::time::{Duration, Instant};

use diag::exec::{End, FanOut, Kubernetes, KubernetesSettings, Limits};
use diag::kubernetes::Access;
use serde_json::json;

use super::contracts;
use super::stage::{Stage, all_gone, node, odd_sleep, run, script, task};
use crate::kubernetes::control_plane::{ControlPlane, wait};

const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";

fn settings(plane: &ControlPlane) -> KubernetesSettings {
    let access = Access { config: Some(plane.config("runner")), context: None, patience: Duration::from_secs(10) };
    let (namespace, image) = ("default".to_owned(), "example/tests:1".to_owned());
    KubernetesSettings { access, namespace, image, gpus: 0, host_network: false, start: Duration::from_secs(40) }
}

fn executor(settings: KubernetesSettings) -> FanOut<Kubernetes> {
    FanOut::new(Kubernetes::new(settings).unwrap(), Limits { per_target: 4, ..Limits::default() })
}

fn end(settings: KubernetesSettings, target: &str) -> End {
    let executor = executor(settings);
    Stage { executor: &executor, target: node(target) }.one(script("true")).end
}

fn nothing_is_left(plane: &ControlPlane) {
    let ours = |path: &str| {
        plane.items(path).iter().filter(|item| item["metadata"]["name"].as_str().unwrap().starts_with("diag-")).count()
    };
    assert_eq!((ours(JOBS), ours("/api/v1/namespaces/default/pods")), (0, 0));
}

#[test]
#[ignore = "needs kube-apiserver and etcd: ./test runs it where they are"]
fn kubernetes_keeps_all_contracts_and_leaves_nothing_behind() {
    let plane = ControlPlane::up(2);
    let executor = executor(settings(&plane));
    contracts::hold(&Stage { executor: &executor, target: node("gpu-001") });
    // Each waits for the other.
    let pair = ["gpu-001", "gpu-002"].map(|name| (node(name), script("date +%s%N; sleep 1")));
    let rans = run(&executor, task(vec![pair.to_vec()]));
    let times: Vec<u64> = rans.iter().map(|ran| ran.stdout.text.trim().parse().unwrap_or_default()).collect();
    assert!(times[0] > 0 && times[0].abs_diff(times[1]) < 2_000_000_000, "{rans:?}");
    nothing_is_left(&plane);
}

#[test]
#[ignore = "needs kube-apiserver and etcd: ./test runs it where they are"]
fn kubernetes_says_why_a_part_can_not_run() {
    let plane = ControlPlane::up(2);
    let unplaced = end(settings(&plane), "gpu-099");
    assert!(matches!(&unplaced, End::Unreachable(why) if why.contains("affinity")), "{unplaced:?}");
    let greedy = end(KubernetesSettings { gpus: 16, ..settings(&plane) }, "gpu-001");
    assert!(matches!(&greedy, End::CannotRun(why) if why.contains("Insufficient")), "{greedy:?}");
    let missing = end(KubernetesSettings { image: "missing:1".to_owned(), ..settings(&plane) }, "gpu-001");
    assert!(matches!(&missing, End::CannotRun(why) if why.contains("ImagePullBackOff")), "{missing:?}");
    let mut narrow = settings(&plane);
    narrow.access.config = Some(plane.config("narrow"));
    let refused = end(narrow, "gpu-001");
    assert!(matches!(&refused, End::Refused(why) if why.contains("forbidden")), "{refused:?}");
    assert!(matches!(end(settings(&plane), "GPU_1"), End::CannotRun(_)));
    plane.ask("PATCH", "/api/v1/nodes/gpu-002", Some(&json!({ "spec": { "unschedulable": true } })));
    let cordoned = end(KubernetesSettings { gpus: 8, ..settings(&plane) }, "gpu-002");
    assert_eq!(cordoned, End::Exit(0), "a node that is kept from jobs is looked at");
    // A dead node is one failed target, and the other part of its group does not begin.
    plane.silence("gpu-002");
    let quick = KubernetesSettings { start: Duration::from_secs(10), ..settings(&plane) };
    let executor = executor(quick);
    let began = Instant::now();
    let alone = vec![(node("gpu-001"), script("echo well"))];
    let pair = ["gpu-001", "gpu-002"].map(|name| (node(name), script("echo ran"))).to_vec();
    let rans = run(&executor, task(vec![alone, pair]));
    assert_eq!((&rans[0].end, rans[0].stdout.text.as_str()), (&End::Exit(0), "well\n"), "{rans:?}");
    assert!(matches!(rans[1].end, End::CannotRun(_)) && rans[1].stdout.text.is_empty(), "{rans:?}");
    assert!(matches!(rans[2].end, End::Unreachable(_)), "{rans:?}");
    assert!(began.elapsed() < Duration::from_secs(90), "{:?}", began.elapsed());
}

#[test]
#[ignore = "needs kube-apiserver and etcd: ./test runs it where they are"]
fn kubernetes_what_a_killed_run_leaves_is_swept() {
    let plane = ControlPlane::up(1);
    let left = |name: &str, until: u64| {
        let job = json!({ "apiVersion": "batch/v1", "kind": "Job",
            "metadata": { "name": name, "labels": { "app.kubernetes.io/managed-by": "diag" },
                "annotations": { "diag/until": until.to_string() } },
            "spec": { "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "diag", "image": "x",
                "command": ["sleep", odd_sleep(900)] }] } } } });
        plane.ask("POST", JOBS, Some(&job));
    };
    left("diag-old-0", 1000);
    left("diag-new-0", 9_999_999_999);
    left("other", 1000);
    assert_eq!(end(settings(&plane), "gpu-001"), End::Exit(0));
    let names = || plane.items(JOBS).iter().map(|job| job["metadata"]["name"].clone()).collect::<Vec<_>>();
    wait("the old one is gone", Duration::from_secs(30), || names() == ["diag-new-0", "other"]);
    for name in ["diag-new-0", "other"] {
        plane.ask("DELETE", &format!("{JOBS}/{name}?propagationPolicy=Foreground"), None);
    }
    wait("all are gone", Duration::from_secs(30), || names().is_empty());
    all_gone(&odd_sleep(900));
}

#[test]
#[ignore = "needs kube-apiserver and etcd: ./test runs it where they are"]
fn kubernetes_carries_what_is_typed() {
    let plane = ControlPlane::up(2);
    let folder = tempfile::tempdir().unwrap();
    let set = format!("folder={}", folder.path().display());
    let test = |words: &[&str]| {
        let done = std::process::Command::new(env!("CARGO_BIN_EXE_diag"))
            .args(["test", "--via", "k8s", "--k8s-image", "example/tests:1", "--nodes", "gpu-[001-002]"])
            .args(words)
            .env("KUBECONFIG", plane.config("runner"))
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        (text, done.status.code().unwrap_or(-1))
    };
    let (text, _) = test(&["memlock"]);
    assert!(text.contains(" 0 could not run") && text.contains("gpu-001") && text.contains("gpu-002"), "{text}");
    // Its rights are to run Jobs, and not to see whose pods run where: nobody tells, and nobody has agreed.
    let storage = ["storage", "--set", "mib=4", "--set", &set];
    let (text, code) = test(&storage);
    assert!(code == 2 && text.contains("does not say that they are idle"), "{text}");
    let (text, code) = test(&[&storage[..], &["--yes"]].concat());
    assert!(code == 0 && text.contains("2 passed"), "{text}");
    nothing_is_left(&plane);
}
