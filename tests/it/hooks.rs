//! Hooks say by their exit code whether a job may run, within their time, whatever the node and its users do.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::probing::fake_nvml;

/// A node with a policy, a state, and GPUs with faults.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn with(faults: &str) -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(site.at("faults"), faults).unwrap();
        site.policy("");
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn policy(&self, more: &str) {
        let state = self.at("state");
        let record = self.at("log/hook.jsonl");
        let text =
            format!("state = {state:?}\nrecord = {record:?}\nclean = false\ndecisive = [\"gpu.answers\"]\n{more}");
        fs::write(self.at("hook.toml"), text).unwrap();
    }

    fn run(&self, verb: &str, variables: &[(&str, &str)]) -> Output {
        let hook = PathBuf::from(env!("CARGO_BIN_EXE_diag-hook"));
        let mut command = Command::new(hook);
        command.arg(verb).arg("--config").arg(self.at("hook.toml")).stdin(Stdio::null());
        command.env_clear().env("DIAG_NVML", fake_nvml()).env("FAKE_NVML", self.at("faults"));
        command.envs(variables.iter().copied()).output().unwrap()
    }

    fn code(&self, verb: &str, variables: &[(&str, &str)]) -> Option<i32> {
        self.run(verb, variables).status.code()
    }

    fn last_record(&self) -> serde_json::Value {
        let text = fs::read_to_string(self.at("log/hook.jsonl")).unwrap();
        serde_json::from_str(text.lines().last().unwrap()).unwrap()
    }
}

const GPU_3: [(&str, &str); 3] = [("SLURM_JOB_ID", "4711"), ("SLURM_JOB_UID", "1001"), ("SLURM_JOB_GPUS", "3")];
const GPU_0: [(&str, &str); 3] = [("SLURM_JOB_ID", "4712"), ("SLURM_JOB_UID", "1001"), ("SLURM_JOB_GPUS", "0-1")];

#[test]
fn a_job_is_kept_from_its_own_broken_gpu_only() {
    let site = Site::with("3.lost = 1");
    for verb in ["prolog", "epilog"] {
        let refused = site.run(verb, &GPU_3);
        assert_eq!(refused.status.code(), Some(1), "{verb}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("GPU 3: the GPU has fallen off the bus"));
        let record = site.last_record();
        assert_eq!(
            (&record["decision"], &record["job"], &record["hook"]),
            (&"refuse".into(), &4711.into(), &verb.into())
        );
        assert_eq!(site.code(verb, &GPU_0), Some(0), "{verb}: GPUs of others are no concern");
    }
    assert_eq!(Site::with("").code("prolog", &GPU_3), Some(0));
}

#[test]
fn a_gpu_that_somebody_holds_is_told_of_before_a_job_and_refuses_nothing() {
    let site = Site::with("0.pid = 4121\n3.pid = 4122");
    let done = site.run("prolog", &GPU_3);
    assert_eq!(done.status.code(), Some(0));
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(told.contains("GPU 3") && told.contains("by process 4122") && !told.contains("4121"), "{told}");
    assert_eq!(site.last_record()["decision"], "pass-loudly");
    let after = String::from_utf8_lossy(&site.run("epilog", &GPU_3).stderr).into_owned();
    assert!(!after.contains("GPU 3"), "after a job its own processes are what epilog looks for: {after}");
}

#[test]
fn a_node_that_hangs_holds_a_job_no_longer_than_the_policy_says() {
    let site = Site::with("0.hang = 1");
    for (unknown, code) in [("open", 0), ("closed", 1)] {
        site.policy(&format!("deadline = 1.5\nunknown = {unknown:?}\n"));
        // The policy that nobody wrote would wait eight seconds.
        let began = Instant::now();
        let done = site.run("prolog", &GPU_0);
        assert!(began.elapsed() < Duration::from_secs(6), "held for {:?}", began.elapsed());
        assert_eq!(done.status.code(), Some(code), "{unknown}");
        assert!(String::from_utf8_lossy(&done.stderr).contains("no answer within"), "it is told loudly");
    }
}

#[test]
fn the_breaker_stops_a_storm() {
    let site = Site::with("3.lost = 1");
    let shared = site.at("shared");
    site.policy(&format!("shared = {shared:?}\nmost_nodes = 2\n"));
    let refused = (1..=8).filter(|nth| {
        let name = format!("gpu-{nth}");
        let variables = [GPU_3.as_slice(), &[("SLURMD_NODENAME", name.as_str())]].concat();
        site.code("prolog", &variables) == Some(1)
    });
    assert_eq!(refused.count(), 2);
    assert_eq!(site.last_record()["decision"], "held-back");
    fs::remove_file(shared.join("refused/tripped")).unwrap();
    let seen = [GPU_3.as_slice(), &[("SLURMD_NODENAME", "gpu-1")]].concat();
    assert_eq!(site.code("prolog", &seen), Some(1), "a person has looked");
}

#[test]
fn hostile_variables_and_broken_policies_hold_no_job() {
    let site = Site::with("");
    let hostile = [
        ("SLURM_JOB_ID", "1; touch /tmp/x"),
        ("SLURM_JOB_UID", "-1"),
        ("SLURM_JOB_GPUS", "0-4294967295"),
        ("SLURMD_NODENAME", "--help ../../../etc/cron.d/x"),
        ("SLURM_JOB_NAME", "\u{1b}[2J$(reboot)"),
    ];
    assert_eq!(site.code("prolog", &hostile), Some(0));
    let name = site.last_record()["node"].as_str().unwrap().to_owned();
    assert!(!name.contains(['/', ' ']) && !name.starts_with('-'), "{name}");
    fs::write(site.at("hook.toml"), "deadline = \"soon\"").unwrap();
    let done = site.run("prolog", &GPU_0);
    assert_eq!(done.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&done.stderr).contains("the default policy holds"));
    assert_eq!(site.code("prologue", &GPU_0), Some(2));
}

#[test]
fn a_state_that_cannot_be_written_refuses_nothing() {
    let site = Site::with("3.lost = 1");
    fs::write(site.at("file"), "").unwrap();
    site.policy(&format!("shared = {:?}\n", site.at("file")));
    let done = site.run("prolog", &GPU_3);
    assert_eq!(done.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&done.stderr).contains("not refused"));
}

/// A pipe that nobody reads stands for a file on a file system that hangs: whoever opens it to write never comes back.
fn pipe(path: &std::path::Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
}

#[test]
fn a_shared_folder_or_a_record_that_hangs_holds_nobody() {
    let site = Site::with("3.lost = 1");
    let shared = site.at("shared");
    site.policy(&format!("deadline = 2.0\nshared = {shared:?}\n"));
    pipe(&shared.join("refused/node-gpu-1"));
    pipe(&site.at("log/hook.jsonl"));
    let variables = [GPU_3.as_slice(), &[("SLURMD_NODENAME", "gpu-1")]].concat();
    let began = Instant::now();
    let done = site.run("prolog", &variables);
    assert!(began.elapsed() < Duration::from_secs(6), "held for {:?}", began.elapsed());
    assert_eq!(done.status.code(), Some(0), "who can't count refuses nothing");
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(told.contains("held-back") && told.contains("does not answer"), "{told}");
}

#[test]
fn a_clock_that_jumps_changes_no_verdict() {
    let site = Site::with("3.lost = 1");
    let shared = site.at("shared");
    site.policy(&format!("shared = {shared:?}\nmost_nodes = 2\n"));
    let refused = shared.join("refused");
    fs::create_dir_all(&refused).unwrap();
    // Two nodes were refused by clocks that go ahead: they count all the same.
    for node in ["node-gpu-8", "node-gpu-9"] {
        let ahead = std::time::SystemTime::now() + Duration::from_secs(90_000);
        fs::File::create(refused.join(node)).unwrap().set_modified(ahead).unwrap();
    }
    assert_eq!(site.code("prolog", &GPU_3), Some(0), "the breaker holds");
    // What was read of the log is told in seconds since the boot, which no clock moves; a state from the future is of another boot.
    fs::remove_dir_all(&refused).unwrap();
    fs::create_dir_all(site.at("state")).unwrap();
    fs::write(site.at("state/state.json"), r#"{"boot":"another","last":9e15,"faults":[]}"#).unwrap();
    assert_eq!(site.code("prolog", &GPU_3), Some(1));
    let state: serde_json::Value = serde_json::from_slice(&fs::read(site.at("state/state.json")).unwrap()).unwrap();
    assert!(state["last"].as_f64().unwrap() < 9e15);
}

#[test]
fn a_state_that_cannot_be_kept_holds_no_job() {
    let site = Site::with("");
    for state in ["/proc/diag-has-no-place-here", "/dev/null/state"] {
        fs::write(site.at("hook.toml"), format!("state = {state:?}\nrecord = {state:?}\nclean = false\n")).unwrap();
        assert_eq!(site.code("prolog", &GPU_3), Some(0), "{state}");
    }
    site.policy("");
    fs::create_dir_all(site.at("state")).unwrap();
    fs::write(site.at("state/state.json"), "\u{0}{{{").unwrap();
    assert_eq!(site.code("prolog", &GPU_3), Some(0), "a damaged state is begun anew");
}

#[test]
fn a_task_is_told_and_never_held() {
    let site = Site::with("");
    let done = site.run("task-prolog", &GPU_3);
    assert_eq!(done.status.code(), Some(0));
    let out = String::from_utf8(done.stdout).unwrap();
    assert!(out.is_empty() || out.starts_with("print diag: "), "{out}");
}

#[test]
fn node_problem_detector_gets_its_codes() {
    assert_eq!(Site::with("").code("node-problem", &[]), Some(0));
    let broken = Site::with("3.lost = 1").run("node-problem", &[]);
    assert_eq!(broken.status.code(), Some(1));
    assert!(String::from_utf8(broken.stdout).unwrap().trim().len() <= 80);
    let site = Site::with("0.hang = 1");
    site.policy("deadline = 1.0\n");
    assert_eq!(site.code("node-problem", &[]), Some(2));
}

#[test]
fn what_is_installed_is_well_formed() {
    let shown = |system: &str| {
        let done = Command::new(env!("CARGO_BIN_EXE_diag")).args(["hook", "install", system]).output().unwrap();
        assert!(done.status.success());
        String::from_utf8(done.stdout).unwrap()
    };
    let slurm = shown("slurm");
    let policy = slurm.split("# hook.toml\n").nth(1).unwrap();
    let policy: diag::hook::policy::Policy = toml::from_str(policy).unwrap();
    assert_eq!(policy, diag::hook::policy::Policy::default(), "the file shows the defaults");
    let npd = shown("npd");
    serde_json::from_str::<serde_json::Value>(npd.split_once('\n').unwrap().1).unwrap();
    for system in ["systemd", "kubernetes", "prometheus"] {
        assert!(shown("all").contains(&shown(system)), "{system}");
    }
    let folder = tempfile::tempdir().unwrap();
    let write = || {
        let mut diag = Command::new(env!("CARGO_BIN_EXE_diag"));
        diag.args(["hook", "install", "slurm", "--write"])
            .arg(folder.path().join("new"))
            .output()
            .unwrap()
            .status
            .code()
    };
    assert_eq!((write(), write()), (Some(0), Some(2)), "what is there is never written over");
    for named in slurm.lines().filter_map(|line| line.trim_start_matches('#').split_once("=/usr/sbin/")) {
        let script = folder.path().join("new").join(named.1);
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&script).unwrap().permissions());
        assert_eq!(mode & 0o111, 0o111, "{script:?} is what slurm.conf names");
    }
}
