//! `--since`, `--until`, `--node`, `--job`: only that part is looked at, and what is left out is said.

use std::process::{Command, Output};

fn analyze(logs: &[(&str, &str)], args: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in logs {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut diag = Command::new(env!("CARGO_BIN_EXE_diag"));
    diag.args(["analyze", ".", "--format", "json"]).args(args).current_dir(folder.path()).output().unwrap()
}

/// Causes, nodes and jobs of all findings, and the remark on what is left out.
fn told(logs: &[(&str, &str)], args: &[&str]) -> (Vec<String>, String) {
    let out = analyze(logs, args).stdout;
    let report: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let list = |value: &serde_json::Value| {
        value.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect::<Vec<_>>().join(",")
    };
    let finding = |finding: &serde_json::Value| {
        let culprit = &finding["culprit"];
        format!("{} {} {}", finding["cause"].as_str().unwrap(), list(&culprit["nodes"]), list(&culprit["jobs"]))
    };
    let mut findings: Vec<String> = report["findings"].as_array().unwrap().iter().map(finding).collect();
    findings.sort();
    let note = report["notes"].as_array().unwrap().iter().find(|note| note["code"] == "input.narrowed");
    (findings, note.map_or_else(String::new, |note| note["what"].as_str().unwrap().to_owned()))
}

const KERNELS: [(&str, &str); 2] = [
    (
        "kern-a.log",
        "2026-05-04T03:12:41+00:00 gpu-17 kernel: NVRM: Xid (PCI:0000:3b:00): 79, pid=2027, GPU has fallen off the bus.\n",
    ),
    (
        "kern-b.log",
        "2026-05-04T09:12:41+00:00 gpu-18 kernel: NVRM: Xid (PCI:0000:5e:00): 79, pid=2041, GPU has fallen off the bus.\n",
    ),
];

const LOST_17: &str = "gpu-fell-off-bus gpu-17 ";
const LOST_18: &str = "gpu-fell-off-bus gpu-18 ";

#[test]
fn a_time_leaves_out_what_was_before_or_after_it() {
    let noon = "2026-05-04T06:00:00Z";
    assert_eq!(told(&KERNELS, &[]), (vec![LOST_17.to_owned(), LOST_18.to_owned()], String::new()));
    let (findings, note) = told(&KERNELS, &["--since", noon]);
    assert_eq!(findings, [LOST_18]);
    assert!(note.contains("before that time"), "{note}");
    let (findings, note) = told(&KERNELS, &["--until", noon]);
    assert_eq!(findings, [LOST_17]);
    assert!(note.contains("after that time"), "{note}");
}

#[test]
fn a_node_leaves_out_what_others_tell_of() {
    let (findings, note) = told(&KERNELS, &["--node", "gpu-[18-19]"]);
    assert_eq!(findings, [LOST_18]);
    assert!(note.contains("of other hosts"), "{note}");
    let unknown = analyze(&KERNELS, &["--node", "gpu-99"]);
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert_eq!(unknown.status.code(), Some(2));
    assert!(said.contains("gpu-99") && said.contains("gpu-17, gpu-18"), "{said}");
}

#[test]
fn a_job_leaves_out_the_others() {
    let logs = [
        (
            "slurm-71204.out",
            "[rank0]: step 1 loss 2.5\nslurmstepd: error: *** JOB 71204 ON gpu-17 CANCELLED AT 2026-05-04T03:12:41 DUE TO TIME LIMIT ***\n",
        ),
        (
            "slurm-71300.out",
            "[rank0]: step 1 loss 2.5\nslurmstepd: error: Detected 1 oom_kill event in StepId=71300.0. Some of the step tasks have been OOM Killed.\n",
        ),
    ];
    let (findings, _) = told(&logs, &["--job", "71300"]);
    assert_eq!(findings, ["host-oom  71300"]);
    let (findings, _) = told(&logs, &["--job", "71204"]);
    assert_eq!(findings, ["slurm-time-limit  71204"]);
    assert_eq!(analyze(&logs, &["--job", "99"]).status.code(), Some(2));
}

#[test]
fn times_the_wrong_way_round_are_answered() {
    let wrong = analyze(&KERNELS, &["--since", "2026-05-04 06:00", "--until", "2026-05-04 03:00"]);
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(said.contains("the other way round"), "{said}");
}
