//! What a cluster may do to whoever asks it.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::{Answer, Server, empty, refuse};
use super::{complaint, diag};

fn pod(name: &str) -> Value {
    json!({
        "metadata": { "name": name, "namespace": "research", "managedFields": [],
            "ownerReferences": [{ "kind": "Job", "name": "train" }] },
        "spec": { "nodeName": "gpu-018", "containers": [{ "name": "trainer", "env": [{ "name": "TOKEN", "value": "s3cret" }] }] },
        "status": { "phase": "Running", "containerStatuses": [{
            "name": "trainer", "ready": false, "restartCount": 4,
            "state": { "waiting": { "reason": "CrashLoopBackOff" } },
            "lastState": { "terminated": { "reason": "Error", "exitCode": 1 } }
        }] }
    })
}

fn list(items: &[Value]) -> Answer {
    Answer::Json(json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items }))
}

fn groups(groups: &[(&str, &str)]) -> Answer {
    let groups: Vec<Value> = groups
        .iter()
        .map(|(name, version)| json!({ "name": name, "preferredVersion": { "groupVersion": format!("{name}/{version}") } }))
        .collect();
    Answer::Json(json!({ "kind": "APIGroupList", "groups": groups }))
}

/// A cluster with a pod that loops.
fn usual(path: &str) -> Answer {
    match path {
        "/apis" => groups(&[("batch", "v1")]),
        path if path.contains("/log?") => Answer::Text(LOG.to_vec()),
        path if path.contains("/pods?") => list(&[pod("train-0")]),
        "/api/v1/nodes/gpu-018" => Answer::Json(json!({ "kind": "Node", "metadata": { "name": "gpu-018" } })),
        _ => empty(),
    }
}

const LOG: &[u8] = b"2026-05-04T03:12:41.000000000Z step 10 loss 2.5\n\
2026-05-04T03:12:42.000000000Z OSError: [Errno 28] No space left on device: '/scratch/ckpt/step-500.pt'\n";

fn analyze(server: &Server, target: &str) -> (Value, Duration) {
    let began = Instant::now();
    let args = ["analyze", "--k8s", target, "--k8s-timeout", "1", "--format", "json", "-q"];
    let done = diag(&args, &server.config());
    let report =
        serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)));
    (report, began.elapsed())
}

fn codes(report: &Value) -> Vec<&str> {
    report["notes"].as_array().unwrap().iter().map(|note| note["code"].as_str().unwrap()).collect()
}

#[test]
fn the_log_of_the_run_before_tells_why_a_pod_loops() {
    let server = Server::new(|path| {
        assert!(!path.contains("/log?") || path.contains("previous=true"), "{path}: the container waits");
        usual(path)
    });
    let (report, _) = analyze(&server, "research");
    assert_eq!(report["findings"][0]["cause"], "disk-full", "{report}");
    assert_eq!(report["findings"][0]["culprit"]["pods"], json!(["train-0"]));
    assert_eq!(codes(&report), [""; 0]);
}

#[test]
fn what_is_refused_is_a_note_and_the_rest_is_read() {
    let server = Server::new(|path| match path {
        path if path.contains("/nodes") => refuse(403, "nodes is forbidden: User \"u\" cannot list resource"),
        path if path.contains("/log") => {
            refuse(403, "pods \"train-0\" is forbidden: User \"u\" cannot get resource \"pods/log\"")
        }
        "/apis" => refuse(403, "forbidden"),
        _ => usual(path),
    });
    let (report, _) = analyze(&server, "research/train-0");
    assert_eq!(report["findings"][0]["cause"], "k8s-crashloop", "{report}");
    assert_eq!(codes(&report), ["k8s.forbidden"; 3], "{report}");
}

#[test]
fn a_call_that_hangs_and_an_answer_that_breaks_off_are_notes() {
    let server = Server::new(|path| match path {
        path if path.contains("research/events") => Answer::Hang,
        path if path.contains("/jobs") => Answer::Cut("{\"items\": [{\"met"),
        path if path.contains("/log") => Answer::Stall("2026-05-04T03:12:41.000000000Z step 1\n"),
        _ => usual(path),
    });
    let (report, took) = analyze(&server, "research");
    assert_eq!(report["findings"][0]["cause"], "k8s-crashloop", "{report}");
    let codes = codes(&report);
    assert!(codes.contains(&"k8s.timeout") && codes.contains(&"k8s.answer"), "{report}");
    let log = report["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .any(|input| input["source"] == "k8s:research/train-0/trainer.previous.log");
    assert!(log, "what came of a log before it stalled is read: {report}");
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn pages_of_a_list_are_followed_and_an_expired_token_is_renewed() {
    let server = Server::new(|path| match path {
        path if path.contains("/pods?") && path.contains("continue=later%2F1") => list(&[pod("train-1")]),
        path if path.contains("/pods?") && path.contains("continue=more") => Answer::Refuse(
            410,
            json!({ "kind": "Status", "reason": "Expired", "message": "The provided continue parameter is too old",
                "metadata": { "continue": "later/1" } }),
        ),
        path if path.contains("/pods?") => {
            Answer::Json(json!({ "metadata": { "continue": "more" }, "items": [pod("train-0")] }))
        }
        _ => usual(path),
    });
    let (report, _) = analyze(&server, "research");
    assert_eq!(report["findings"][0]["culprit"]["pods"], json!(["train-0", "train-1"]), "{report}");
}

#[test]
fn an_expired_token_that_can_not_be_renewed_keeps_what_was_read() {
    let server = Server::new(|path| match path {
        path if path.contains("/pods?") && path.contains("continue=") => {
            refuse(410, "The provided continue parameter is too old")
        }
        path if path.contains("/pods?") => {
            Answer::Json(json!({ "metadata": { "continue": "more" }, "items": [pod("train-0")] }))
        }
        _ => usual(path),
    });
    let (report, _) = analyze(&server, "research");
    assert_eq!(report["findings"][0]["culprit"]["pods"], json!(["train-0"]), "{report}");
    assert_eq!(codes(&report), ["k8s.expired"]);
}

#[test]
fn the_list_of_a_huge_namespace_ends() {
    let asked = Mutex::new(0);
    let server = Server::new(move |path| {
        if path.contains("/pods?") {
            let mut asked = asked.lock().unwrap();
            *asked += 1;
            assert!(*asked <= 40, "goes on for ever");
            let nth = |n: usize| {
                let mut pod = pod(&format!("train-{asked}-{n}"));
                pod["status"] = json!({ "phase": "Succeeded" });
                pod
            };
            let items: Vec<Value> = (0..500).map(nth).collect();
            return Answer::Json(json!({ "metadata": { "continue": format!("page-{asked}") }, "items": items }));
        }
        usual(path)
    });
    let args = ["analyze", "--k8s", "research", "--format", "json", "-q"];
    let done = diag(&args, &server.config());
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(codes(&report), ["k8s.many"], "{report}");
}

fn evicted(name: &str) -> Value {
    json!({ "metadata": { "name": format!("{name}.17ef") },
        "involvedObject": { "kind": "Pod", "name": name, "namespace": "research" },
        "reason": "Evicted", "message": "The node was low on resource: ephemeral-storage. ", "type": "Warning",
        "source": { "component": "kubelet", "host": "gpu-018" }, "lastTimestamp": "2026-05-04T03:12:44Z" })
}

#[test]
fn a_pod_that_is_gone_is_told_by_its_events() {
    let server = Server::new(|path| match path {
        path if path.contains("/pods?") => empty(),
        path if path.contains("research/events") => list(&["train-0", "other-0"].map(evicted)),
        _ => usual(path),
    });
    let (report, _) = analyze(&server, "research/train-0");
    assert_eq!(report["findings"][0]["cause"], "k8s-evicted", "{report}");
    assert_eq!(report["findings"][0]["culprit"]["pods"], json!(["train-0"]), "{report}");
    assert_eq!(codes(&report), ["k8s.missing"], "{report}");
}

#[test]
fn conditions_of_what_is_served_are_read() {
    let server = Server::new(|path| match path {
        "/apis" => groups(&[("batch", "v1"), ("kueue.x-k8s.io", "v1beta1"), ("kubeflow.org", "v1")]),
        path if path.contains("/pods?") => empty(),
        path if path.contains("mpijobs") => refuse(404, "the server could not find the requested resource"),
        path if path.starts_with("/apis/kueue.x-k8s.io/v1beta1/namespaces/research/workloads") => Answer::Json(
            json!({ "metadata": {}, "items": [{ "metadata": { "name": "job-train-7c1e", "namespace": "research" },
                "status": { "conditions": [{ "type": "QuotaReserved", "status": "False", "reason": "Pending",
                    "message": "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor h100, 8 more needed" }] } }] }),
        ),
        _ => usual(path),
    });
    let (report, _) = analyze(&server, "research");
    assert_eq!(report["outcome"], "diagnosed", "{report}");
    assert_eq!(codes(&report), [""; 0], "{report}");
}

#[test]
fn a_namespace_without_anything_is_no_healthy_one() {
    let server = Server::new(|path| if path == "/apis" { groups(&[("batch", "v1")]) } else { empty() });
    let said = complaint(&diag(&["analyze", "--k8s", "reserch"], &server.config()));
    assert!(said.contains("[k8s.empty]"), "{said}");
}

#[test]
fn nobody_answers_or_nobody_is_let_in() {
    for (status, code) in [(500, "k8s.refused"), (401, "k8s.unauthorized")] {
        let server = Server::new(move |_| refuse(status, "etcd is down\u{1b}[2J"));
        let said = complaint(&diag(&["analyze", "--k8s", "research", "--k8s-timeout", "1"], &server.config()));
        assert!(said.contains(code) && !said.contains('\u{1b}'), "{said}");
    }
    let server = Server::new(|_| Answer::Hang);
    let began = Instant::now();
    let said = complaint(&diag(&["analyze", "--k8s", "research", "--k8s-timeout", "1"], &server.config()));
    assert!(said.contains("k8s.timeout"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn a_program_for_logging_in_that_hangs_is_given_up() {
    let server = Server::new(usual);
    let text = std::fs::read_to_string(server.config()).unwrap();
    let exec =
        "{exec: {apiVersion: client.authentication.k8s.io/v1, command: sleep, args: ['60'], interactiveMode: Never}}";
    std::fs::write(server.config(), text.replace("{token: t}", exec)).unwrap();
    let began = Instant::now();
    let said = complaint(&diag(&["analyze", "--k8s", "research", "--k8s-timeout", "1"], &server.config()));
    assert!(said.contains("[k8s.config]"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn of_a_log_that_is_long_start_and_end_are_read() {
    let line = |nth: usize| {
        format!("2026-05-04T03:{:02}:{:02}.000000000Z step {nth}\n", nth / 1000 / 60 + 10, nth / 1000 % 60)
    };
    let server = Server::new(move |path| match path {
        path if path.contains("limitBytes=") => {
            Answer::Text((0..2000).map(line).chain([LINE.to_owned()]).collect::<String>().into_bytes())
        }
        path if path.contains("tailLines=") => {
            Answer::Text((40_000..60_000).map(line).collect::<String>().into_bytes())
        }
        _ => usual(path),
    });
    const LINE: &str = "2026-05-04T03:10:02.000000000Z cut off he";
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("case");
    let done = diag(&["collect", "--k8s", "research", "-o", case.to_str().unwrap()], &server.config());
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    let index: Value = serde_json::from_slice(&std::fs::read(case.join("case.json")).unwrap()).unwrap();
    let files = index["files"].as_array().unwrap();
    let log = files.iter().find(|file| file["name"].as_str().unwrap().ends_with(".previous.log")).unwrap();
    let text = std::fs::read_to_string(case.join(log["path"].as_str().unwrap())).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 22_000);
    assert!(lines.iter().all(|line| line.starts_with("[pod/train-0/trainer] 2026-")), "{}", lines[1999]);
    assert!(lines[1999].ends_with("step 1999") && lines[2000].ends_with("step 40000"));
    assert_eq!(index["left_out"][0]["code"], "k8s.long");
    assert_eq!(index["collections"][0]["inputs"], json!(["--k8s research"]));
    let pods = files.iter().find(|file| file["name"] == "k8s:research/pods.json").unwrap();
    let pods = std::fs::read_to_string(case.join(pods["path"].as_str().unwrap())).unwrap();
    assert!(!pods.contains("s3cret") && !pods.contains("managedFields"), "{pods}");
    let again = diag(&["analyze", case.to_str().unwrap(), "--format", "json", "-q"], &server.config());
    assert!(String::from_utf8_lossy(&again.stdout).contains("k8s-crashloop"), "a case is read as the cluster was");
}
