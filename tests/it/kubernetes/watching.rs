//! `diag watch k8s`: what fails in a cluster is looked at by itself.

use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::control_plane::{ControlPlane, wait};
use super::server::{Answer, Server, empty, refuse};
use crate::watching::{Act, Receiver};

const SOON: Duration = Duration::from_secs(60);

/// A folder for the state of a watcher, and its settings.
struct Watcher {
    folder: tempfile::TempDir,
    config: std::path::PathBuf,
}

impl Watcher {
    fn new(config: std::path::PathBuf, settings: &str) -> Self {
        let watcher = Self { folder: tempfile::tempdir().unwrap(), config };
        std::fs::write(watcher.folder.path().join("diag.toml"), settings).unwrap();
        watcher
    }

    fn diag(&self, args: &[&str]) -> Command {
        let mut diag = Command::new(env!("CARGO_BIN_EXE_diag"));
        diag.arg("--config").arg(self.folder.path().join("diag.toml")).arg("watch").args(args);
        diag.arg("--state").arg(self.folder.path().join("state")).env("KUBECONFIG", &self.config).env("NO_PROXY", "*");
        diag.env("HOME", "/nonexistent").env_remove("KUBERNETES_SERVICE_HOST").stdin(Stdio::null());
        diag
    }

    fn once(&self, args: &[&str]) -> Output {
        self.diag(&[&["k8s", "--once"], args].concat()).output().unwrap()
    }

    fn start(&self, args: &[&str]) -> Running {
        let mut diag = self.diag(&[&["k8s", "--settle", "2"], args].concat());
        Running(diag.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn status(&self) -> Value {
        let done = self.diag(&["status", "--format", "json"]).output().unwrap();
        serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)))
    }

    /// What was looked at, and what was found in it.
    fn looked(&self) -> Vec<(String, String)> {
        let log = std::fs::read_to_string(self.folder.path().join("state/watch/log.jsonl")).unwrap_or_default();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let looked = lines.filter(|record| record["is"] == "looked" || record["is"] == "failed");
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        looked.map(|record| (text(&record["subject"]), text(&record["found"]["cause"]))).collect()
    }
}

/// Ended when it goes.
struct Running(Child);

impl Running {
    /// Asks it to end, as kubelets do; what it said on standard error.
    fn end(mut self) -> String {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        let status = self.0.wait().unwrap();
        let mut said = String::new();
        std::io::Read::read_to_string(&mut self.0.stderr.take().unwrap(), &mut said).unwrap();
        assert!(status.success(), "{status}: {said}");
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const LOG: &[u8] = b"2026-05-04T03:12:41.000000000Z step 10 loss 2.5\n\
2026-05-04T03:12:42.000000000Z OSError: [Errno 28] No space left on device: '/scratch/ckpt/step-500.pt'\n";

fn pod(name: &str, owner: &str) -> Value {
    let end =
        json!({ "terminated": { "reason": "Error", "exitCode": 1, "finishedAt": jiff::Timestamp::now().to_string() } });
    json!({ "metadata": { "name": name, "namespace": "research", "uid": format!("uid-{name}"), "resourceVersion": "7",
            "ownerReferences": [{ "apiVersion": "batch/v1", "kind": "Job", "name": owner, "uid": format!("uid-{owner}"), "controller": true }] },
        "spec": { "nodeName": "gpu-018", "containers": [{ "name": "trainer" }] },
        "status": { "phase": "Failed", "message": "it\u{1b}[2Jfailed", "containerStatuses": [{ "name": "trainer", "restartCount": 0, "state": end }] } })
}

fn list(items: &[Value]) -> Answer {
    Answer::Json(
        json!({ "kind": "PodList", "apiVersion": "v1", "metadata": { "resourceVersion": "7" }, "items": items }),
    )
}

/// A cluster of these pods, as far as they are asked for once.
fn cluster(path: &str, pods: &[Value]) -> Answer {
    match path {
        "/apis" => {
            Answer::Json(json!({ "groups": [{ "name": "batch", "preferredVersion": { "groupVersion": "batch/v1" } }] }))
        }
        path if path.contains("watch=true") => Answer::Lines(Vec::new()),
        path if path.contains("/log?") => Answer::Text(LOG.to_vec()),
        path if path.contains("/pods?") => list(pods),
        _ => empty(),
    }
}

#[test]
fn a_job_whose_pods_fail_together_is_one_look_and_one_notice() {
    let pods: Vec<Value> = (0..64).map(|nth| pod(&format!("train-{nth}"), "train")).collect();
    let server = Server::new(move |path| cluster(path, &pods));
    let receiver = Receiver::new(vec![Act::Status(200)]);
    let settings = format!("[watch]\ngather = 0\n[notify.hooks.ops]\nurl = \"{}\"\n", receiver.url());
    let watcher = Watcher::new(server.config(), &settings);
    for _ in 0..2 {
        let done = watcher.once(&["--namespace", "research"]);
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    }
    assert_eq!(watcher.looked(), [("Job research/train".to_owned(), "disk-full".to_owned())]);
    let told = receiver.bodies();
    assert_eq!((told.len(), &told[0]["of"]), (1, &json!(["Job research/train"])));
    assert_eq!(told[0]["culprit"]["pods"].as_array().unwrap().len(), 20, "as many as a notice names: {}", told[0]);
    let report = told[0]["reports"][0].as_str().unwrap();
    let report = std::fs::read_to_string(report).unwrap();
    assert!(report.contains("No space left on device") && !report.contains('\u{1b}'), "{report}");
}

#[test]
fn a_version_that_is_too_old_is_read_anew_and_what_happened_meanwhile_is_heard() {
    let lists = AtomicUsize::new(0);
    let gone = || json!({ "type": "ERROR", "object": { "kind": "Status", "code": 410, "message": "too old resource version" } });
    let server = Server::new(move |path| match path {
        path if path.contains("/api/v1/pods?watch=true") => match lists.load(Ordering::Relaxed) {
            1 => Answer::Lines(vec![gone()]),
            _ => {
                assert!(path.contains("resourceVersion=7&") || path.ends_with("resourceVersion=7"), "{path}");
                Answer::Lines(vec![json!({ "type": "ADDED", "object": pod("eval-0", "eval") })])
            }
        },
        path if path.starts_with("/api/v1/pods?") => {
            let nth = lists.fetch_add(1, Ordering::Relaxed);
            if nth == 0 { list(&[]) } else { list(&[pod("train-0", "train")]) }
        }
        path => cluster(path, &[pod("train-0", "train"), pod("eval-0", "eval")]),
    });
    let watcher = Watcher::new(server.config(), "[watch]\ngather = 0\n");
    let running = watcher.start(&["--all-namespaces"]);
    wait("both are looked at", SOON, || watcher.looked().len() == 2);
    let said = running.end();
    assert_eq!(said, "", "a list that is read anew is nothing to complain of");
    let mut looked = watcher.looked();
    looked.sort();
    assert_eq!(
        looked.iter().map(|(subject, _)| subject.as_str()).collect::<Vec<_>>(),
        ["Job research/eval", "Job research/train"]
    );
}

#[test]
fn a_server_that_refuses_is_told_of_once_and_tried_again() {
    let asked = AtomicUsize::new(0);
    let server = Server::new(move |path| match path {
        path if path.starts_with("/api/v1/pods?limit") && asked.fetch_add(1, Ordering::Relaxed) < 2 => {
            refuse(403, "pods is forbidden: User \"u\" cannot list resource\u{1b}[2J")
        }
        path if path.starts_with("/apis/batch/v1/jobs?") => refuse(500, "etcd is down"),
        path => cluster(path, &[pod("train-0", "train")]),
    });
    let watcher = Watcher::new(server.config(), "[watch]\ngather = 0\n");
    let running = watcher.start(&["--all-namespaces"]);
    wait("it is looked at", SOON, || watcher.looked().len() == 1);
    let said = running.end();
    let times = |text: &str| said.matches(text).count();
    assert_eq!((times("[k8s.forbidden]"), times("[k8s.refused]"), times("\u{1b}")), (1, 1, 0), "{said}");

    let none = Server::new(|_| refuse(401, "no"));
    let done = Watcher::new(none.config(), "").once(&["--all-namespaces"]);
    assert_eq!(done.status.code(), Some(2), "nobody is let in");
    for wrong in [&["--namespace", "a/../b"][..], &[], &["-A", "-n", "a"]] {
        assert_eq!(Watcher::new(none.config(), "").once(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn a_look_at_something_that_is_gone_ends_and_is_told() {
    let server = Server::new(|path| match path {
        path if path.starts_with("/api/v1/pods?") => list(&[pod("train-0", "train")]),
        path => cluster(path, &[]),
    });
    let watcher = Watcher::new(server.config(), "");
    let done = watcher.once(&["--all-namespaces"]);
    assert_eq!(done.status.code(), Some(0));
    let status = watcher.status();
    assert_eq!(status["failed"], 1, "{status}");
    assert!(status["complaints"].to_string().contains("[k8s.empty]"), "{status}");
}

const MANIFEST: &str = include_str!("../../../packaging/diag-watch-k8s.yaml");

/// The account of the manifest with its rights, and a kubeconfig for it.
fn account(plane: &ControlPlane, manifest: &str) -> std::path::PathBuf {
    plane.create("/api/v1/namespaces", "apiVersion: v1\nkind: Namespace\nmetadata: { name: monitoring }\n");
    for part in manifest.split("\n---\n") {
        let kind = part.lines().find_map(|line| line.strip_prefix("kind: ")).unwrap();
        let path = match kind {
            "ServiceAccount" => "/api/v1/namespaces/monitoring/serviceaccounts",
            "ConfigMap" => "/api/v1/namespaces/monitoring/configmaps",
            "ClusterRole" => "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            "ClusterRoleBinding" => "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            // Its image is nowhere; that the server takes it is what is tried.
            "Deployment" => "/apis/apps/v1/namespaces/monitoring/deployments?dryRun=All",
            other => panic!("{other}"),
        };
        let taken = plane.create(path, part);
        assert_eq!(taken["kind"], kind, "{taken}");
    }
    let path = "/api/v1/namespaces/monitoring/serviceaccounts/diag-watch/token";
    let token = plane.ask("POST", path, Some(&json!({ "spec": { "expirationSeconds": 3600 } })));
    let token = token["status"]["token"].as_str().unwrap_or_else(|| panic!("{token}")).to_owned();
    let own = plane.config("watcher");
    std::fs::write(&own, std::fs::read_to_string(plane.config("viewer")).unwrap().replace("viewer-token", &token))
        .unwrap();
    own
}

fn job(name: &str, pods: u32, gpus: u32, image: &str, code: &str) -> Value {
    json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": name },
        "spec": { "backoffLimit": 0, "completions": pods, "parallelism": pods, "template": { "spec": {
            "restartPolicy": "Never", "containers": [{ "name": "trainer", "image": image, "command": ["sh", "-c", code],
                "resources": { "limits": { "nvidia.com/gpu": gpus.to_string() } } }] } } } })
}

#[test]
#[ignore = "needs kube-apiserver and etcd: ./test runs it where they are"]
fn kubernetes_what_fails_is_looked_at_by_itself() {
    let plane = ControlPlane::up(9);
    let manifest = MANIFEST.replace("  # - { apiGroups: [events.k8s.io]", "  - { apiGroups: [events.k8s.io]");
    let receiver = Receiver::new(vec![Act::Status(200)]);
    let hook = format!("[notify.hooks.ops]\nurl = \"{}\"\n", receiver.url());
    let watcher = Watcher::new(account(&plane, &manifest), &format!("[watch]\ngather = 0\nk8s_events = true\n{hook}"));
    plane.ask("POST", "/api/v1/namespaces", Some(&json!({ "metadata": { "name": "research" } })));
    let jobs = "/apis/batch/v1/namespaces/research/jobs";
    let pods = "/api/v1/namespaces/research/pods";
    let running = watcher.start(&["--all-namespaces", "--pending", "5"]);

    // 64 pods that fail together, a job that ends well, one that nobody has a place for.
    let full = "echo 'step 10 loss 2.5'; sleep 1; echo \"OSError: [Errno 28] No space left on device: '/scratch/step-500.pt'\"; exit 1";
    plane.ask("POST", jobs, Some(&job("train", 64, 1, "example/train:1", full)));
    plane.ask("POST", jobs, Some(&job("well", 2, 0, "example/train:1", "echo 'step 10 loss 2.5'")));
    plane.ask("POST", jobs, Some(&job("big", 1, 16, "example/train:1", "")));
    // As kubelets tell it: a pod that was evicted, and one whose container was killed for its memory.
    plane.silence("gpu-900");
    let own = json!({ "nodeName": "gpu-900", "containers": [{ "name": "trainer", "image": "example/train:1" }], "restartPolicy": "Never" });
    for name in ["evicted-0", "hungry-0"] {
        plane.ask("POST", pods, Some(&json!({ "metadata": { "name": name }, "spec": own })));
    }
    let now = jiff::Timestamp::now().to_string();
    let evicted = json!({ "phase": "Failed", "reason": "Evicted", "startTime": now,
        "message": "The node was low on resource: ephemeral-storage. " });
    let end = json!({ "terminated": { "reason": "OOMKilled", "exitCode": 137, "startedAt": now, "finishedAt": now } });
    let hungry = json!({ "phase": "Failed", "startTime": now, "containerStatuses": [{ "name": "trainer", "image": "example/train:1",
        "imageID": "", "ready": false, "restartCount": 0, "state": end }] });
    for (name, status) in [("evicted-0", evicted), ("hungry-0", hungry)] {
        plane.ask("PATCH", &format!("{pods}/{name}/status"), Some(&json!({ "status": status })));
    }
    wait("all are looked at", Duration::from_secs(240), || watcher.looked().len() == 4);
    std::thread::sleep(Duration::from_secs(15));
    let mut looked = watcher.looked();
    looked.sort();
    let causes: Vec<(&str, &str)> = looked.iter().map(|(subject, cause)| (subject.as_str(), cause.as_str())).collect();
    let wanted = [
        ("Job research/big", "k8s-unschedulable"),
        ("Job research/train", "disk-full"),
        ("Pod research/evicted-0", "k8s-evicted"),
        ("Pod research/hungry-0", "host-oom"),
    ];
    assert_eq!(causes, wanted, "{}", watcher.status());
    let told = receiver.bodies();
    let of_train: Vec<&Value> = told.iter().filter(|notice| notice["of"][0] == "Job research/train").collect();
    assert_eq!((of_train.len(), of_train[0]["count"].as_u64()), (1, Some(1)), "one notice of 64 pods");

    // What they are told of it, which is no evidence for anybody.
    let told = || plane.items("/apis/events.k8s.io/v1/namespaces/research/events");
    let ours = |event: &Value| event["reason"] == "DiagFoundCause";
    let of_train: Vec<Value> =
        told().into_iter().filter(|event| ours(event) && event["regarding"]["name"] == "train").collect();
    assert_eq!(of_train.len(), 1, "{:?}", told());
    assert_eq!((&of_train[0]["regarding"]["kind"], &of_train[0]["type"]), (&json!("Job"), &json!("Warning")));
    assert!(of_train[0]["note"].as_str().unwrap().contains("(disk-full)"), "{of_train:?}");
    let said = running.end();
    assert_eq!(said, "", "the rights of the manifest are enough");

    // Who begins anew repeats nothing, and hears what happened meanwhile.
    plane.ask("POST", jobs, Some(&job("later", 1, 0, "missing:1", "")));
    let running = watcher.start(&["--all-namespaces", "--pending", "5"]);
    wait("it is looked at", SOON, || watcher.looked().len() == 5);
    std::thread::sleep(Duration::from_secs(5));
    let looked = watcher.looked();
    assert_eq!(looked.last().map(|(subject, _)| subject.as_str()), Some("Job research/later"), "{looked:?}");
    assert_eq!(looked.len(), 5);
    running.end();
}
