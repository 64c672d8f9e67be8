//! The hooks in a real Slurm: slurmctld and several slurmd on this machine, installed as the README says.
//!
//! Needs root and Slurm's packages, so these are run by `./test`, which says so where it can't: `cargo test -- --ignored`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::probing::fake_nvml;
use crate::watching::{Act, Receiver};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/slurm.sh");

/// A cluster whose nodes have the faults that we write; torn down when it goes.
struct Slurm {
    folder: tempfile::TempDir,
}

impl Slurm {
    fn up(nodes: usize, policy: &str) -> Self {
        Self::with(&["prolog", "epilog"], nodes, policy)
    }

    fn with(verbs: &[&str], nodes: usize, policy: &str) -> Self {
        let slurm = Self::prepared(verbs, policy);
        slurm.begin(nodes);
        slurm
    }

    /// Everything but its daemons.
    fn prepared(verbs: &[&str], policy: &str) -> Self {
        let slurm = Self { folder: tempfile::tempdir_in("/tmp").unwrap() };
        fs::set_permissions(slurm.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let at = |name: &str| slurm.at(name).display().to_string();
        for verb in verbs {
            let hook = env!("CARGO_BIN_EXE_diag-hook");
            let nvml = fake_nvml().display();
            let (faults, config) = (at("faults"), at("hook.toml"));
            // slurmd tells a health check no place of its configuration, which scontrol looks for.
            let conf = at("slurm.conf");
            let script = format!(
                "#!/bin/sh\nexport DIAG_NVML={nvml} FAKE_NVML={faults}.$SLURMD_NODENAME SLURM_CONF={conf}\nexec {hook} {verb} --config {config}\n"
            );
            fs::write(slurm.at(verb), &script).unwrap();
            fs::set_permissions(slurm.at(verb), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let text = format!(
            "state = {:?}\nshared = {:?}\nrecord = {:?}\ndecisive = [\"gpu.answers\"]\n{policy}",
            at("diag-state"),
            at("shared"),
            at("hook.jsonl")
        );
        fs::write(slurm.at("hook.toml"), text).unwrap();
        slurm
    }

    fn begin(&self, nodes: usize) {
        let done = Command::new(SCRIPT).arg("up").arg(self.folder.path()).arg(nodes.to_string()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// A cluster in which jobs that fail are looked at, as `diag hook install watch` has it.
    fn watched(settings: &str) -> Self {
        let slurm = Self::prepared(&["prolog", "epilog"], "");
        fs::write(slurm.at("diag.toml"), settings).unwrap();
        let at = |name: &str| slurm.at(name).display().to_string();
        let (conf, config, state) = (at("slurm.conf"), at("diag.toml"), at("watch-state"));
        let diag = env!("CARGO_BIN_EXE_diag");
        // slurmctld gives its programs no search path.
        let script =
            format!("#!/bin/sh\nexport SLURM_CONF={conf}\nexec {diag} --config {config} watch slurm --state {state}\n");
        fs::write(slurm.at("epilog-slurmctld"), script).unwrap();
        fs::set_permissions(slurm.at("epilog-slurmctld"), fs::Permissions::from_mode(0o755)).unwrap();
        slurm.begin(2);
        slurm
    }

    /// A folder that belongs to a user who is not root.
    fn home(&self) -> PathBuf {
        let home = self.at("home");
        fs::create_dir(&home).unwrap();
        std::os::unix::fs::chown(&home, Some(NOBODY), None).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        home
    }

    /// Submits a job of that user, whose output stands in that folder.
    fn submit_as_user(&self, home: &Path, script: &str, more: &[&str]) -> String {
        let (out, chdir) = (home.join("slurm-%j.out").display().to_string(), home.display().to_string());
        let fixed = ["--parsable", "--uid=nobody", "--export=NONE", "--chdir", &chdir, "-o", &out];
        self.ask("sbatch", &[&fixed, more, &["--wrap", script]].concat())
    }

    fn watch_status(&self) -> serde_json::Value {
        let mut diag = Command::new(env!("CARGO_BIN_EXE_diag"));
        diag.args(["--config", "none", "watch", "status", "--format", "json", "--state"]).arg(self.at("watch-state"));
        serde_json::from_slice(&diag.output().unwrap().stdout).unwrap()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn fault(&self, node: &str, fault: &str) {
        fs::write(self.at(&format!("faults.{node}")), fault).unwrap();
    }

    fn ask(&self, program: &str, args: &[&str]) -> String {
        let done = Command::new(program).args(args).env("SLURM_CONF", self.at("slurm.conf")).output().unwrap();
        assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// Submits a job that says where it runs, into the file `out/NAME`.
    fn submit(&self, name: &str, args: &[&str]) -> String {
        let out = self.at("out").join(name).display().to_string();
        let chdir = self.folder.path().display().to_string();
        let fixed = ["--parsable", "--chdir", &chdir, "-o", &out, "--wrap", "echo ran on $SLURMD_NODENAME"];
        self.ask("sbatch", &[args, &fixed].concat())
    }

    fn state_of_job(&self, job: &str) -> String {
        let text = self.ask("scontrol", &["show", "job", "--oneliner", job]);
        field(&text, "JobState=")
    }

    fn state_of_node(&self, node: &str) -> String {
        field(&self.ask("scontrol", &["show", "node", "--oneliner", node]), " State=")
    }

    fn reason(&self, node: &str) -> String {
        let text = self.ask("scontrol", &["show", "node", "--oneliner", node]);
        text.split(" Reason=").nth(1).unwrap_or("").to_owned()
    }

    fn output(&self, name: &str) -> String {
        fs::read_to_string(self.at("out").join(name)).unwrap_or_default()
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        let _ = Command::new(SCRIPT).arg("down").arg(self.folder.path()).status();
    }
}

fn field(text: &str, name: &str) -> String {
    text.split(name).nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap_or("").to_owned()
}

/// Waits until something holds.
fn wait(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    let ends = Instant::now() + within;
    while !holds() {
        assert!(Instant::now() < ends, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

const SOON: Duration = Duration::from_secs(60);

/// The user `nobody` of all systems that have these packages.
const NOBODY: u32 = 65534;

fn hooks(receiver: &Receiver, more: &str) -> String {
    format!("[watch]\n{more}\n[notify.hooks.ops]\nurl = \"{}\"\n", receiver.url())
}

#[test]
#[ignore = "needs root and Slurm: ./test runs it"]
fn cluster_a_job_passes_and_one_on_a_broken_node_runs_elsewhere() {
    let slurm = Slurm::up(2, "");
    let well = slurm.submit("well", &["--gres=gpu:8"]);
    wait("a job on a healthy node", SOON, || slurm.state_of_job(&well) == "COMPLETED");
    slurm.fault("node1", "3.lost = 1");
    let job = slurm.submit("moved", &["--gres=gpu:8", "--requeue"]);
    wait("requeued and run elsewhere", Duration::from_secs(150), || slurm.state_of_job(&job) == "COMPLETED");
    assert!(slurm.output("moved").contains("ran on node2"), "{}", slurm.output("moved"));
    let node = slurm.ask("scontrol", &["show", "node", "--oneliner", "node1"]);
    assert!(slurm.state_of_node("node1").contains("DRAIN"), "{node}");
    assert!(node.to_lowercase().contains("reason=prolog"), "{node}");
    let record = fs::read_to_string(slurm.at("hook.jsonl")).unwrap();
    assert!(record.lines().any(|line| line.contains("\"decision\":\"refuse\"") && line.contains("fallen off the bus")));
}

#[test]
#[ignore = "needs root and Slurm: ./test runs it"]
fn cluster_a_hung_probe_holds_a_job_no_longer_than_the_deadline() {
    let slurm = Slurm::up(1, "deadline = 3.0\n");
    slurm.fault("node1", "0.hang = 1");
    let began = Instant::now();
    let job = slurm.submit("held", &["--gres=gpu:1"]);
    wait("the job runs", SOON, || !slurm.output("held").is_empty());
    assert!(began.elapsed() < Duration::from_secs(25), "held for {:?}", began.elapsed());
    wait("the job ends", SOON, || slurm.state_of_job(&job) == "COMPLETED");
    assert!(!slurm.state_of_node("node1").contains("DRAIN"), "unknown is no fault");
}

#[test]
#[ignore = "needs root and Slurm: ./test runs it"]
fn cluster_the_breaker_stops_a_storm_of_eight_nodes() {
    let slurm = Slurm::up(8, "most_nodes = 2\n");
    (1..=8).for_each(|nth| slurm.fault(&format!("node{nth}"), "3.lost = 1"));
    let jobs: Vec<String> =
        (0..8).map(|nth| slurm.submit(&format!("storm{nth}"), &["--gres=gpu:8", "--requeue"])).collect();
    wait("all jobs have run", Duration::from_secs(200), || {
        jobs.iter().all(|job| slurm.state_of_job(job) == "COMPLETED")
    });
    let drained = (1..=8).filter(|nth| slurm.state_of_node(&format!("node{nth}")).contains("DRAIN")).count();
    assert!(drained <= 2, "{drained} of 8 nodes were drained");
    assert!(Path::new(&slurm.at("shared/refused/tripped")).exists());
}

#[test]
#[ignore = "needs root and Slurm: ./test runs it"]
fn cluster_health_check_drains_and_resumes_only_what_it_drained() {
    let slurm = Slurm::with(&["prolog", "epilog", "health-check"], 2, "");
    let drained = |node: &str| slurm.state_of_node(node).contains("DRAIN");
    slurm.fault("node1", "3.lost = 1");
    wait("drained by the health check", SOON, || drained("node1"));
    assert!(slurm.reason("node1").starts_with("diag: GPU 3"), "{}", slurm.reason("node1"));
    let job = slurm.submit("spared", &["--gres=gpu:8"]);
    wait("a job runs elsewhere at once", SOON, || slurm.state_of_job(&job) == "COMPLETED");
    assert!(slurm.output("spared").contains("ran on node2"));
    // What is only degraded would have drained nothing, and keeps nothing.
    slurm.fault("node1", "0.temperature = 86");
    wait("given back when the fault is gone", SOON, || !drained("node1"));
    let looks = || {
        let record = fs::read_to_string(slurm.at("hook.jsonl")).unwrap();
        record.lines().filter(|line| line.contains("\"node\":\"node2\"") && line.contains("health-check")).count()
    };
    slurm.ask("scontrol", &["update", "NodeName=node2", "State=DRAIN", "Reason=maintenance"]);
    let before = looks();
    wait("two more looks at a healthy node", SOON, || looks() >= before + 2);
    assert!(drained("node2") && slurm.reason("node2").starts_with("maintenance"), "an administrator's drain stays");
}

#[test]
#[ignore = "needs root and Slurm: ./test runs it"]
fn cluster_epilog_finds_what_a_job_left() {
    let slurm = Slurm::up(1, "clean = true\n");
    // Memory that nobody unlinks, and a process that has left its session: proctrack/linuxproc does not see it.
    let out = slurm.at("out/untidy").display().to_string();
    let script =
        "head -c 3000000 /dev/zero > /dev/shm/diag-left-$SLURM_JOB_ID; setsid sleep 600 >/dev/null 2>&1 & sleep 1";
    // A user of its own, whom Slurm's package makes: shared memory of users who run something else, as tests beside this one do
    // as nobody, is left alone.
    let fixed = ["--parsable", "--chdir=/tmp", "--uid=slurm", "--export=NONE", "-o", &out, "--wrap", script];
    let job = slurm.ask("sbatch", &fixed);
    wait("the job ends", SOON, || slurm.state_of_job(&job) == "COMPLETED");
    let epilog = || {
        let record = fs::read_to_string(slurm.at("hook.jsonl")).unwrap_or_default();
        record.lines().find(|line| line.contains("\"hook\":\"epilog\"")).map(str::to_owned)
    };
    wait("the epilog has run", SOON, || epilog().is_some());
    let told = epilog().unwrap();
    assert!(told.contains("job.processes") && told.contains("killed"), "{told}");
    assert!(!Path::new(&format!("/dev/shm/diag-left-{job}")).exists(), "{told}");
    assert!(!slurm.state_of_node("node1").contains("DRAIN"), "left-overs that are gone drain nothing");
}

#[test]
#[ignore = "needs root and Slurm: ./test runs it"]
fn cluster_a_users_job_that_fails_is_told_beside_its_output_and_one_that_ends_well_is_not() {
    let receiver = Receiver::new(vec![Act::Status(200)]);
    let slurm = Slurm::watched(&hooks(&receiver, "gather = 0"));
    let home = slurm.home();
    let well = slurm.submit_as_user(&home, "echo step 1 loss 3.1", &[]);
    let bad = slurm.submit_as_user(&home, "python3 -c 'raise ValueError(\"bad sample\")'", &[]);
    let report = home.join(format!("slurm-{bad}.diag.txt"));
    wait("a report beside the output", SOON, || report.exists());
    let about = fs::metadata(&report).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&about), NOBODY);
    let read = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "cat"])
        .arg(&report)
        .output()
        .unwrap();
    let text = String::from_utf8(read.stdout).unwrap();
    assert!(text.contains("ValueError: bad sample") && text.contains(&format!("job {bad}")), "{text}");
    wait("a webhook", SOON, || !receiver.got().is_empty());
    let notice = receiver.bodies().remove(0);
    assert_eq!(
        (&notice["of"][0], &notice["reports"][0]),
        (&format!("job {bad}").into(), &report.display().to_string().into())
    );
    wait("the other is left alone", SOON, || slurm.watch_status()["left"] == 1);
    assert!(!home.join(format!("slurm-{well}.diag.txt")).exists());
    assert_eq!(slurm.watch_status()["looked"], 1);
    // The file that a user names as output is read with the user's rights: this one leads to what is root's alone.
    let secret = slurm.at("secret");
    fs::write(&secret, "Traceback (most recent call last):\nValueError: of-root-alone\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let out = "slurm-$SLURM_JOB_ID";
    let script = format!(
        "ln -s {victim} {out}.diag.txt; ln -s {victim} .{out}.diag.txt.part; rm {out}.out; ln -s {secret} {out}.out; exit 3",
        victim = slurm.at("victim").display(),
        secret = secret.display()
    );
    fs::write(slurm.at("victim"), "keep me").unwrap();
    let trap = slurm.submit_as_user(&home, &script, &[]);
    wait("the trap was looked at", SOON, || slurm.watch_status()["looked"] == 2);
    assert_eq!(fs::read_to_string(slurm.at("victim")).unwrap(), "keep me");
    let placed = home.join(format!("slurm-{trap}.diag.2.txt"));
    let told = fs::read_to_string(&placed).unwrap_or_else(|_| panic!("{}", slurm.watch_status()));
    let log = fs::read_to_string(slurm.at("watch-state/watch/log.jsonl")).unwrap();
    assert!(!told.contains("of-root-alone") && !log.contains("of-root-alone"), "{told}\n{log}");
}

#[test]
#[ignore = "needs root and Slurm: ./test runs it"]
fn cluster_two_hundred_jobs_that_fail_at_once_are_one_notice() {
    let receiver = Receiver::new(vec![Act::Status(200)]);
    let slurm = Slurm::watched(&hooks(&receiver, "gather = 20\nat_once = 2"));
    let home = slurm.home();
    let lines = "echo '[rank3]: Traceback (most recent call last):'; echo '[rank3]: ValueError: bad sample'; exit 1";
    slurm.submit_as_user(&home, lines, &["--array=1-200"]);
    let mut most = 0;
    let mut looked = 0;
    wait("all were looked at", Duration::from_secs(500), || {
        most = most.max(looks(&slurm));
        let status = slurm.watch_status();
        looked = status["looked"].as_u64().unwrap();
        looked + status["dropped"].as_u64().unwrap() + status["failed"].as_u64().unwrap() == 200
    });
    assert!((1..=2).contains(&most), "{most} looks at a time");
    assert_eq!(looked, 200);
    wait("a notice", SOON, || !receiver.got().is_empty());
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(receiver.got().len(), 1, "{:?}", receiver.bodies());
    assert_eq!(slurm.watch_status()["notices"][0]["count"], 200);
    assert!(receiver.bodies()[0]["count"].as_u64().unwrap() > 1);
}

/// Looks that run below this cluster's worker.
fn looks(slurm: &Slurm) -> usize {
    let state = slurm.at("watch-state").display().to_string();
    let worker = fs::read_dir("/proc").unwrap().flatten().find(|entry| {
        let words = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        words.contains("--own-session") && words.contains(&state)
    });
    let Some(worker) = worker else { return 0 };
    let pid = worker.file_name().into_string().unwrap();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let examines =
        |pid: &&str| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().contains("examine");
    children.split_whitespace().filter(examines).count()
}
