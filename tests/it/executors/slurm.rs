//! Nodes by Slurm, in a real one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use diag::exec::slurm::{Settings, Slurm};
use diag::exec::{End, Limits};

use super::contracts;
use super::stage::{Stage, all_gone, node, odd_sleep, run, run_and_stop, script, task};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/slurm.sh");

/// A Slurm with nodes `node1` to `node<n>`; torn down when it goes.
pub(crate) struct Cluster(tempfile::TempDir);

impl Cluster {
    pub(crate) fn up(nodes: usize) -> Self {
        let cluster = Self(tempfile::tempdir_in("/tmp").unwrap());
        fs::set_permissions(cluster.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for hook in ["prolog", "epilog"] {
            fs::write(cluster.at(hook), "#!/bin/sh\nexit 0\n").unwrap();
            fs::set_permissions(cluster.at(hook), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let done = Command::new(SCRIPT).arg("up").arg(cluster.0.path()).arg(nodes.to_string()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        cluster
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn ask(&self, program: &str, args: &[&str]) -> String {
        let done = Command::new(program).args(args).env("SLURM_CONF", self.at("slurm.conf")).output().unwrap();
        assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).trim().to_owned()
    }

    fn settings(&self) -> Settings {
        Settings { config: Some(self.at("slurm.conf")), job: None, ..Settings::default() }
    }

    fn executor(&self) -> Slurm {
        Slurm::new(self.settings(), Limits::default())
    }

    /// Waits until nothing is queued or running.
    fn idle(&self) {
        let ends = Instant::now() + Duration::from_secs(20);
        while !self.ask("squeue", &["-h"]).is_empty() {
            assert!(Instant::now() < ends, "left: {}", self.ask("squeue", &[]));
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = Command::new(Path::new(SCRIPT)).arg("down").arg(self.0.path()).status();
    }
}

#[test]
#[ignore = "needs root and Slurm: ./test runs it"]
fn slurm_keeps_all_contracts_and_leaves_nothing_queued() {
    let cluster = Cluster::up(1);
    contracts::hold(&Stage { executor: &cluster.executor(), target: node("node1") });
    cluster.idle();
}

#[test]
#[ignore = "needs root and Slurm: ./test runs it"]
fn slurm_keeps_all_contracts_within_an_allocation() {
    let cluster = Cluster::up(1);
    let said = cluster.ask("salloc", &["--no-shell", "-N1"]);
    let job = said.split_whitespace().rfind(|word| word.chars().all(|c| c.is_ascii_digit())).unwrap().to_owned();
    let executor = Slurm::new(Settings { job: Some(job), ..cluster.settings() }, Limits::default());
    contracts::hold(&Stage { executor: &executor, target: node("node1") });
    assert_eq!(cluster.ask("squeue", &["-h", "-o", "%T"]), "RUNNING", "the allocation is not ours to end");
    assert_eq!(cluster.ask("squeue", &["-h", "-s"]).lines().filter(|line| line.contains("diag-")).count(), 0);
}

#[test]
#[ignore = "needs root and Slurm: ./test runs it"]
fn slurm_runs_one_step_for_many_nodes_and_a_dead_one_fails_alone() {
    let cluster = Cluster::up(6);
    cluster.ask("scontrol", &["update", "nodename=node3", "state=down", "reason=test"]);
    cluster.ask("scontrol", &["update", "nodename=node4", "state=drain", "reason=test"]);
    let names = ["node6", "node1", "node3", "node2", "node4", "elsewhere", "node5"];
    let work = || {
        script("echo $SLURMD_NODENAME $SLURM_JOB_ID; case $SLURMD_NODENAME in node2) exit 7;; node5) kill -9 $$;; esac")
    };
    let rans = run(&cluster.executor(), task(names.iter().map(|name| vec![(node(name), work())]).collect()));
    let ends: Vec<&End> = rans.iter().map(|ran| &ran.end).collect();
    assert!(matches!(ends[2], End::Unreachable(_)) && matches!(ends[5], End::Unreachable(_)), "{rans:?}");
    assert!(matches!(ends[4], End::CannotRun(why) if why.contains("drained")), "{rans:?}");
    assert_eq!(
        [ends[0], ends[1], ends[3], ends[6]],
        [&End::Exit(0), &End::Exit(0), &End::Exit(7), &End::Signal(9)],
        "{rans:?}"
    );
    let told: Vec<Vec<&str>> = rans.iter().map(|ran| ran.stdout.text.split_whitespace().collect()).collect();
    let jobs: Vec<&str> = [0, 1, 3, 6].iter().map(|at| told[*at][1]).collect();
    assert!(jobs.iter().all(|job| *job == jobs[0]), "one job for all: {rans:?}");
    [0, 1, 3, 6].iter().for_each(|at| assert_eq!(told[*at][0], names[*at], "{rans:?}"));
    cluster.idle();
}

#[test]
#[ignore = "needs root and Slurm: ./test runs it"]
fn slurm_ends_what_takes_too_long_and_keeps_the_rest() {
    let cluster = Cluster::up(3);
    let sleep = odd_sleep(950);
    let mut work = script(&format!("echo out; [ $SLURMD_NODENAME = node2 ] || sleep {sleep}"));
    work.timeout = Duration::from_secs(3);
    let parts = ["node1", "node2", "node3"].iter().map(|name| vec![(node(name), work.clone())]).collect();
    let rans = run(&cluster.executor(), task(parts));
    let ends: Vec<&End> = rans.iter().map(|ran| &ran.end).collect();
    assert_eq!(ends, [&End::TimedOut, &End::Exit(0), &End::TimedOut], "{rans:?}");
    assert!(rans.iter().all(|ran| ran.stdout.text == "out\n"), "{rans:?}");
    all_gone(&sleep);
    cluster.idle();
}

#[test]
#[ignore = "needs root and Slurm: ./test runs it"]
fn slurm_pairs_start_together_and_never_on_somebodys_node() {
    let cluster = Cluster::up(3);
    let when = |word: &str| script(&format!("echo {word}; date +%s%N"));
    let pair = |a: &str, b: &str| vec![(node(a), when("server")), (node(b), when("client"))];
    let rans = run(&cluster.executor(), task(vec![pair("node1", "node2")]));
    let times: Vec<u64> = rans.iter().map(|ran| ran.stdout.text.lines().nth(1).unwrap().parse().unwrap()).collect();
    assert!(times[0].abs_diff(times[1]) < 1_000_000_000, "{times:?}");
    cluster.ask("sbatch", &["-w", "node3", "-N1", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 300"]);
    let ends = Instant::now() + Duration::from_secs(20);
    while cluster.ask("squeue", &["-h", "-t", "RUNNING"]).is_empty() {
        assert!(Instant::now() < ends, "the job does not start");
        std::thread::sleep(Duration::from_millis(200));
    }
    let rans = run(&cluster.executor(), task(vec![pair("node1", "node3"), vec![(node("node2"), when("alone"))]]));
    assert!(matches!(&rans[1].end, End::CannotRun(why) if why.contains("somebody")), "{rans:?}");
    assert!(matches!(&rans[0].end, End::CannotRun(why) if why.contains("did not start")), "{rans:?}");
    assert_eq!((&rans[2].end, rans[0].stdout.text.as_str()), (&End::Exit(0), ""), "{rans:?}");
    let stopped = run_and_stop(
        &cluster.executor(),
        task(vec![vec![(node("node1"), script("sleep 100"))]]),
        Duration::from_secs(4),
    );
    assert_eq!(stopped[0].end, End::Cancelled { begun: true }, "{stopped:?}");
    cluster.ask("scancel", &["--user=root"]);
    cluster.idle();
}

#[test]
#[ignore = "needs root and Slurm: ./test runs it"]
fn slurm_is_asked_before_a_test_puts_load_on_a_node() {
    let cluster = Cluster::up(2);
    cluster.ask("sbatch", &["-w", "node1", "-N1", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 300"]);
    let ends = Instant::now() + Duration::from_secs(20);
    while cluster.ask("squeue", &["-h", "-t", "RUNNING"]).is_empty() {
        assert!(Instant::now() < ends, "the job does not start");
        std::thread::sleep(Duration::from_millis(200));
    }
    let folder = tempfile::tempdir().unwrap();
    let set = format!("folder={}", folder.path().display());
    let test = |nodes: &str, words: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_diag"))
            .args(["test", "storage", "--via", "slurm", "--set", "mib=4", "--set", &set, "--nodes", nodes])
            .args(words)
            .env("SLURM_CONF", cluster.at("slurm.conf"))
            .env_remove("SLURM_JOB_ID")
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        (text, done.status.code().unwrap_or(-1))
    };
    let (text, code) = test("node[1-2]", &["--yes"]);
    let told = text.contains("somebody's job runs there (node1: job ") && text.contains(" of root)");
    assert!(code == 2 && told && !text.contains("fsync_ms"), "{text}");
    let (text, code) = test("node2", &[]);
    assert!(code == 0 && text.contains("fsync_ms"), "an idle node needs no question: {text}");
    // Within an allocation of one's own, the nodes are nobody else's.
    cluster.ask("scancel", &["--user=root"]);
    cluster.idle();
    let said = cluster.ask("salloc", &["--no-shell", "-N2"]);
    let job = said.split_whitespace().rfind(|word| word.chars().all(|c| c.is_ascii_digit())).unwrap().to_owned();
    let (text, code) = test("node[1-2]", &["--allocation", &job]);
    assert!(code == 0 && text.contains("2 passed"), "{text}");
    let (text, code) = test("node[1-2]", &["--yes"]);
    assert!(code == 2 && text.contains(&format!("job {job} of root")), "{text}");
}
