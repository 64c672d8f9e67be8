//! What failed is looked at by itself: told beside its output and by webhook, in bounded load, and whatever is killed when.
//!
//! Slurm is played by scripts here; `cluster.rs` does the same in a real one.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;

/// What a receiver does with a letter.
#[derive(Clone, Copy)]
pub(crate) enum Act {
    /// Answers with this status.
    Status(u16),
    /// Sends it elsewhere.
    Elsewhere,
    /// Accepts, and says nothing.
    Mute,
}

/// A receiver of webhooks that plays a script; the last act is played again and again.
pub(crate) struct Receiver {
    pub(crate) port: u16,
    got: Arc<Mutex<Vec<(String, String)>>>,
}

impl Receiver {
    pub(crate) fn new(script: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&got);
        thread::spawn(move || {
            for (at, stream) in listener.incoming().enumerate() {
                let (act, seen) = (script[at.min(script.len() - 1)], Arc::clone(&seen));
                thread::spawn(move || serve(stream.unwrap(), act, port, &seen));
            }
        });
        Self { port, got }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/in", self.port)
    }

    /// Heads and bodies of what came.
    pub(crate) fn got(&self) -> Vec<(String, String)> {
        self.got.lock().unwrap().clone()
    }

    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.got().iter().map(|(_, body)| serde_json::from_str(body).unwrap()).collect()
    }
}

fn serve(mut stream: TcpStream, act: Act, port: u16, seen: &Mutex<Vec<(String, String)>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line).unwrap_or(0) == 0 || line == b"\r\n" {
            break;
        }
        let line = String::from_utf8_lossy(&line).to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head += &line;
    }
    let mut body = vec![0; length];
    if !head.starts_with("post") || reader.read_exact(&mut body).is_err() {
        return;
    }
    seen.lock().unwrap().push((head, String::from_utf8(body).unwrap()));
    let text = match act {
        Act::Status(code) => format!("HTTP/1.1 {code} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        Act::Elsewhere => {
            format!(
                "HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:{port}/elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        }
        Act::Mute => {
            thread::sleep(Duration::from_secs(60));
            return;
        }
    };
    let _ = stream.write_all(text.as_bytes());
}

/// A site with a Slurm that scripts play.
struct Site {
    folder: tempfile::TempDir,
}

const FAILED: &str = "[rank3]: Traceback (most recent call last):\n[rank3]:   File \"train.py\", line 10, in <module>\n\
                      [rank3]:     raise ValueError(\"bad sample\")\n[rank3]: ValueError: bad sample\n";

impl Site {
    fn new(settings: &str) -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        for name in ["bin", "out"] {
            fs::create_dir(site.at(name)).unwrap();
        }
        site.settings(settings);
        let out = site.at("out").display().to_string();
        site.program("squeue", "for arg; do case $arg in --jobs=*) jobs=${arg#--jobs=};; esac; done\nIFS=,\nfor job in $jobs; do echo \"$job|$(id -u)|$(id -g)|$(cat \"$0.$job\" 2>/dev/null || echo FAILED)\"; done");
        site.program(
            "scontrol",
            &format!(
                "echo \"JobId=$3 JobName=train\"; echo '   JobState=FAILED Reason=NonZeroExitCode'; echo '   ExitCode=1:0'; \
                 echo '   WorkDir={out}'; echo \"   StdErr={out}/slurm-$3.out\"; echo \"   StdOut={out}/slurm-$3.out\""
            ),
        );
        site.program("sacct", "exit 1");
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn settings(&self, text: &str) {
        fs::write(self.at("diag.toml"), text).unwrap();
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.at("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn diag(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diag"));
        let path = format!("{}:{}", self.at("bin").display(), std::env::var("PATH").unwrap());
        command.arg("--config").arg(self.at("diag.toml")).arg("watch").args(args);
        command.arg("--state").arg(self.at("state")).env("PATH", path).env("NO_PROXY", "*").stdin(Stdio::null());
        command
    }

    /// As slurmctld starts it.
    fn epilog(&self, job: u64, log: &str) -> Duration {
        fs::write(self.at("out").join(format!("slurm-{job}.out")), log).unwrap();
        let began = Instant::now();
        let mut diag = self.diag(&["slurm"]);
        let uid = nix::unistd::getuid().to_string();
        diag.env("SLURM_JOB_ID", job.to_string()).env("SLURM_JOB_UID", uid).env("SLURM_JOB_NAME", "train");
        let done = diag.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        began.elapsed()
    }

    fn report(&self, job: u64) -> Option<String> {
        fs::read_to_string(self.at("out").join(format!("slurm-{job}.diag.txt"))).ok()
    }

    fn status(&self) -> Value {
        let done = self.diag(&["status", "--format", "json"]).output().unwrap();
        serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)))
    }

    /// Holds the lock of the worker, so that jobs wait.
    fn held(&self) -> File {
        self.status();
        let lock =
            File::options().create(true).truncate(false).write(true).open(self.at("state/watch/worker.lock")).unwrap();
        lock.lock().unwrap();
        lock
    }

    fn worker(&self) -> Child {
        self.diag(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

pub(crate) fn wait(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    let ends = Instant::now() + within;
    while !holds() {
        assert!(Instant::now() < ends, "not within {within:?}: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

const SOON: Duration = Duration::from_secs(60);

fn hooks(url: &str, more: &str) -> String {
    format!("[watch]\ngather = 0\n[notify]\ndeadline = 2\n[notify.hooks.ops]\nurl = \"{url}\"\n{more}")
}

#[test]
fn a_job_that_failed_is_told_beside_its_output_and_by_webhook() {
    let receiver = Receiver::new(vec![Act::Status(200)]);
    let site = Site::new("");
    fs::write(site.at("secret"), "s3cret\n").unwrap();
    site.settings(&hooks(&receiver.url(), "secret_file = \"secret\"\n"));
    site.epilog(4242, &format!("export HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyz012345\n{FAILED}"));
    wait("a report beside the output", SOON, || site.report(4242).is_some());
    let report = site.report(4242).unwrap();
    assert!(report.contains("ValueError: bad sample") && report.contains("job 4242"), "{report}");
    wait("a webhook", SOON, || !receiver.got().is_empty());
    let (head, body) = receiver.got().remove(0);
    let notice: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&notice["schema"], &notice["cause"]), (&"diag.notice/1".into(), &"rank-exception".into()));
    assert_eq!((&notice["of"][0], notice["count"].as_u64()), (&"job 4242".into(), Some(1)));
    assert_eq!(notice["lines"][0]["text"], "[rank3]: ValueError: bad sample");
    assert!(!body.contains("hf_abcdef"), "{body}");
    let value = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"s3cret").unwrap();
    mac.update(format!("{}.{body}", value("x-diag-timestamp:")).as_bytes());
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(value("x-diag-signature:"), format!("sha256={signature}"));
    wait("it is told that it was sent", SOON, || site.status()["sent"] == 1);
}

#[test]
fn a_job_that_did_not_fail_is_left_alone_and_one_that_goes_on_is_waited_for() {
    let site = Site::new("");
    for (job, state) in [(1, "COMPLETED"), (2, "CANCELLED"), (3, "PREEMPTED")] {
        fs::write(site.at(&format!("bin/squeue.{job}")), state).unwrap();
        site.epilog(job, FAILED);
    }
    fs::write(site.at("bin/squeue.4"), "COMPLETING").unwrap();
    site.epilog(4, FAILED);
    wait("three are left alone", SOON, || site.status()["left"] == 3);
    assert_eq!((1..=4).filter_map(|job| site.report(job)).count(), 0);
    fs::write(site.at("bin/squeue.4"), "TIMEOUT").unwrap();
    wait("the fourth has come to its end", SOON, || site.report(4).is_some());
}

/// The lines of a kernel whose GPU is gone.
const FELL_OFF: &str = "2026-11-27T03:10:01.000000+00:00 gpu-17 kernel: NVRM: Xid (PCI:0000:3b:00): 79, pid=2211, \
                        name=python3, GPU has fallen off the bus.\n2026-11-27T03:10:01.100000+00:00 gpu-17 kernel: \
                        NVRM: GPU 0000:3b:00.0: GPU has fallen off the bus.\n";

/// Nothing is run, a wave is one line, a notice says what waits, and what was refused does not come again.
#[test]
fn what_would_be_done_about_a_machine_waits_for_a_person() {
    let receiver = Receiver::new(vec![Act::Status(200)]);
    let site = Site::new("");
    fs::write(site.at("kern.log"), FELL_OFF).unwrap();
    let logs = format!("gather = 0\nlogs = [{:?}]", site.at("kern.log"));
    site.settings(&hooks(&receiver.url(), "").replace("gather = 0", &logs));
    for program in ["ssh", "srun"] {
        site.program(program, &format!("touch {}", site.at("ran").display()));
    }
    let approvals = |words: &[&str]| {
        let done = site.diag(&[]).get_args().take(2).map(std::ffi::OsStr::to_owned).collect::<Vec<_>>();
        let mut command = Command::new(env!("CARGO_BIN_EXE_diag"));
        command.args(done).arg("approvals").args(words).arg("--state").arg(site.at("state")).stdin(Stdio::null());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let list =
        || serde_json::from_str::<Value>(&approvals(&["--format", "json", "--all"])).unwrap()["approvals"].clone();
    site.epilog(1, FAILED);
    wait("what would be done waits", SOON, || list().as_array().is_some_and(|all| all.len() == 1));
    let item = list()[0].clone();
    let id = item["id"].as_str().unwrap().to_owned();
    assert_eq!((&item["cause"], &item["culprit"]["nodes"][0]), (&"gpu-fell-off-bus".into(), &"gpu-17".into()));
    wait("a notice", SOON, || !receiver.got().is_empty());
    assert_eq!(receiver.bodies()[0]["waits"][0], format!("diag approvals show {id}"));
    for job in 2..=4 {
        site.epilog(job, FAILED);
    }
    wait("the others are counted", SOON, || list()[0]["count"] == 4);
    assert_eq!((list().as_array().unwrap().len(), list()[0]["of"].as_array().unwrap().len()), (1, 4));
    assert!(site.status()["notices"].to_string().contains(&id));
    let text = approvals(&["show", &id]);
    assert!(text.contains("kern.log") && text.contains("job 1, job ") && text.contains(" and 1 more"), "{text}");
    let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let case = PathBuf::from(item["case"].as_str().unwrap());
    assert!(
        mode(&case) == 0o700 && mode(&site.at("state/cases")) == 0o700 && mode(&site.at("state/approvals")) == 0o700
    );
    let text = approvals(&["refuse", &id, "--because", "swapped at noon"]);
    assert!(text.contains("refused") && list().as_array().unwrap().is_empty(), "{text}");
    site.epilog(5, FAILED);
    wait("the fifth is looked at", SOON, || site.status()["looked"] == 5);
    assert!(list().as_array().unwrap().is_empty(), "it is not put up again: {}", list());
    assert_eq!(site.at("state/cases").read_dir().unwrap().count(), 1, "and no case is left of it");
    assert!(!site.at("ran").exists(), "nothing was run");
}

#[test]
fn slurmctld_is_not_held() {
    let site = Site::new("");
    // A controller that does not answer is not waited for here.
    site.program("squeue", "sleep 5");
    let times: Vec<Duration> = (1..=9).map(|job| site.epilog(job, FAILED)).collect();
    // Where it waited, none could be as short; how long each takes is the machine's.
    assert!(times.iter().min() < Some(&Duration::from_secs(3)), "{times:?}");
}

#[test]
fn a_wave_of_failures_is_one_notice_and_so_many_looks_at_a_time() {
    let receiver = Receiver::new(vec![Act::Status(200)]);
    let site = Site::new("");
    site.settings(&hooks(&receiver.url(), "").replace("gather = 0", "gather = 3600\nat_once = 2\nqueue = 50"));
    let held = site.held();
    for job in 1..=60 {
        site.epilog(job, FAILED);
    }
    assert_eq!((&site.status()["waiting"], &site.status()["dropped"]), (&50.into(), &10.into()));
    drop(held);
    let mut worker = site.worker();
    let children = format!("/proc/{0}/task/{0}/children", worker.id());
    let mut most = 0;
    wait("all were looked at", Duration::from_secs(240), || {
        most = most.max(fs::read_to_string(&children).unwrap_or_default().split_whitespace().count());
        site.status()["looked"] == 50
    });
    assert!((1..=2).contains(&most), "{most} at a time");
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert_eq!(receiver.got().len(), 0, "it is held back until it can tell how many there are");
    site.settings(&hooks(&receiver.url(), ""));
    let mut worker = site.worker();
    wait("one notice", SOON, || !receiver.got().is_empty());
    worker.wait().unwrap();
    let told = receiver.bodies();
    assert_eq!((told.len(), told[0]["count"].as_u64(), told[0]["of_more"].as_u64()), (1, Some(50), Some(30)));
}

#[test]
fn a_worker_that_is_killed_at_any_instant_loses_nothing_and_repeats_little() {
    let receiver = Receiver::new(vec![Act::Status(200)]);
    let site = Site::new(&hooks(&receiver.url(), ""));
    let held = site.held();
    for job in 1..=12 {
        site.epilog(job, FAILED);
    }
    drop(held);
    // As long as a look takes here: on a machine that builds, seconds.
    let began = Instant::now();
    site.diag(&["status"]).output().unwrap();
    let unit = began.elapsed().max(Duration::from_millis(20));
    for nth in 0..20 {
        let mut worker = site.worker();
        thread::sleep(unit.mul_f64(0.5 + 1.5 * f64::from(nth)));
        worker.kill().unwrap();
        worker.wait().unwrap();
        let status = site.status();
        if status["waiting"] == 0 && status["working"] == 0 {
            break;
        }
    }
    let mut worker = site.worker();
    wait("the rest", SOON, || worker.try_wait().unwrap().is_some());
    let status = site.status();
    let (looked, failed) = (status["looked"].as_u64().unwrap(), status["failed"].as_u64().unwrap());
    assert_eq!(looked + failed, 12, "each is accounted for once: {status}");
    assert!(looked >= 1, "the kills leave time for more and more: {status}");
    assert!((1..=12).filter_map(|job| site.report(job)).count() as u64 >= looked, "{status}");
    assert_eq!(status["notices"][0]["count"].as_u64(), Some(looked), "{status}");
    assert!(!receiver.got().is_empty(), "{status}");
}

#[test]
fn a_receiver_that_fails_hangs_or_sends_elsewhere_holds_nobody() {
    let flaky = Receiver::new(vec![Act::Status(500), Act::Status(503), Act::Status(200)]);
    let mute = Receiver::new(vec![Act::Mute]);
    let elsewhere = Receiver::new(vec![Act::Elsewhere]);
    let plain = Receiver::new(vec![Act::Status(200)]);
    let hook =
        |name: &str, url: &str, form: &str| format!("[notify.hooks.{name}]\nurl = \"{url}\"\nform = \"{form}\"\n");
    let tls = format!("https://127.0.0.1:{}/in", plain.port);
    let all = [
        hook("mute", &mute.url(), "json"),
        hook("elsewhere", &elsewhere.url(), "json"),
        hook("tls", &tls, "json"),
        hook("gone", "http://127.0.0.1:9/in", "json"),
        hook("flaky", &flaky.url(), "slack"),
    ];
    let site = Site::new(&format!("[watch]\ngather = 0\n[notify]\ndeadline = 1\n{}", all.concat()));
    let began = Instant::now();
    site.epilog(7, FAILED);
    wait("the report", SOON, || site.report(7).is_some());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    site.epilog(8, FAILED);
    wait("the next one, whoever hangs", SOON, || site.report(8).is_some());
    wait("the third try was taken", SOON, || site.status()["sent"].as_u64() >= Some(1));
    assert!(flaky.got().len() >= 3);
    let ids: Vec<String> = flaky
        .got()
        .iter()
        .filter_map(|(head, _)| head.lines().find(|line| line.starts_with("x-diag-id")).map(str::to_owned))
        .collect();
    assert_eq!(ids[0], ids[2], "whoever gets it twice knows it");
    assert!(flaky.bodies()[0]["text"].as_str().unwrap().contains("raised an exception"));
    wait("what is elsewhere is given up", SOON, || site.status()["given_up"].as_u64() >= Some(1));
    assert!(elsewhere.got().iter().all(|(head, _)| head.starts_with("post /in")), "nothing was followed");
    let outbox = site.status()["outbox"].to_string();
    assert!(plain.got().is_empty(), "nothing is told in the clear to who should have a certificate");
    for name in ["mute", "tls", "gone"] {
        assert!(outbox.contains(&format!("\"{name}\"")), "{name}: {outbox}");
    }
    assert!(!outbox.contains("127.0.0.1"), "an address opens a door: {outbox}");
    let text = String::from_utf8(site.diag(&["status"]).output().unwrap().stdout).unwrap();
    assert!(text.contains("is given up: it answers 307"), "{text}");
}

#[test]
fn what_cannot_be_placed_beside_the_output_is_kept() {
    let site = Site::new("");
    site.program("scontrol", "echo \"JobId=$3 JobName=train\"; echo '   JobState=FAILED Reason=NonZeroExitCode'; echo '   ExitCode=1:0'; echo '   StdOut=/dev/null'");
    site.epilog(9, FAILED);
    wait("it is looked at", SOON, || site.status()["looked"] == 1);
    let kept = fs::read_to_string(site.at("state/watch/reports/job-9.txt")).unwrap();
    assert!(kept.contains("job 9"), "{kept}");
}

#[test]
fn a_look_that_hangs_is_ended_and_told() {
    let site = Site::new("[watch]\ndeadline = 1\n");
    let pipe = site.at("out/slurm-5.log");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // Playbooks that never come: whoever opens this to read waits.
    let books = site.at("books");
    fs::create_dir(&books).unwrap();
    nix::unistd::mkfifo(&books.join("x.toml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    site.settings(&format!("[watch]\ndeadline = 1\n[library]\nplaybooks = {books:?}\n"));
    site.epilog(5, FAILED);
    wait("it is told", SOON, || site.status()["failed"] == 1);
    assert!(site.status()["complaints"].to_string().contains("longer than 1 s"), "{}", site.status());
}

#[test]
fn logs_that_end_badly_or_fall_silent_are_looked_at_and_no_others() {
    let site = Site::new("[watch]\ngather = 0\n");
    let log = |name: &str, text: &str| fs::write(site.at("out").join(name), text).unwrap();
    let round = || {
        let out = site.at("out").display().to_string();
        let done = site.diag(&["dir", &out, "--once", "--silence", "1"]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    log("before.log", FAILED);
    round();
    log("bad.log", FAILED);
    log("well.log", "step 1 loss 3.2\nstep 2 loss 3.1\n");
    log("notes.txt", FAILED);
    thread::sleep(Duration::from_millis(2100));
    (0..3).for_each(|_| round());
    let there = |name: &str| site.at("out").join(name).exists();
    assert!(there("bad.diag.txt"), "{}", site.status());
    assert!(
        !there("before.diag.txt") && !there("well.diag.txt") && !there("notes.diag.txt") && !there("bad.diag.2.txt")
    );
    assert_eq!(site.status()["looked"], 1, "once, until it grows");
}

/// As `packaging/slurmctld.conf.part` sets it up: root works, and the SlurmUser owns the queue alone.
#[test]
#[ignore = "needs root: ./test runs it"]
fn cluster_a_slurm_user_that_is_not_root_owns_no_more_than_the_queue() {
    const SLURM: &str = "65534";
    let site = Site::new("[watch]\ngather = 0\nqueue = 2\n");
    for (name, owner) in [("state", "0"), ("state/watch", "0"), ("state/watch/queue", SLURM)] {
        let mode = if owner == "0" { "711" } else { "700" };
        let done = Command::new("install").args(["-d", "-m", mode, "-o", owner]).arg(site.at(name)).status().unwrap();
        assert!(done.success());
    }
    fs::set_permissions(site.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let public = site.at("diag");
    crate::install_diag(&public);
    for job in 7..10 {
        fs::write(site.at("out").join(format!("slurm-{job}.out")), FAILED).unwrap();
        let mut epilog = Command::new("setpriv");
        epilog.args(["--reuid", SLURM, "--regid", SLURM, "--clear-groups"]).arg(&public);
        epilog.arg("--config").arg(site.at("diag.toml")).args(["watch", "slurm", "--state"]).arg(site.at("state"));
        let done = epilog.env("SLURM_JOB_ID", job.to_string()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    // Whoever owns the queue leads root's worker nowhere by it.
    fs::write(site.at("victim"), "keep me").unwrap();
    std::os::unix::fs::symlink(site.at("victim"), site.at("state/watch/queue/0.json")).unwrap();
    nix::unistd::mkfifo(&site.at("state/watch/queue/dropped.jsonl.1"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(site.diag(&["run"]).status().unwrap().success());
    let status = site.status();
    assert_eq!((&status["dropped"], &status["looked"]), (&1.into(), &2.into()), "{status}");
    assert!(
        site.report(7).is_none()
            && [8, 9].iter().all(|job| site.report(*job).is_some_and(|text| text.contains("bad sample")))
    );
    assert_eq!(fs::read_to_string(site.at("victim")).unwrap(), "keep me");
}

#[test]
fn what_triggers_and_hooks_tell_of_nodes_is_their_history() {
    let site = Site::new("");
    site.settings(&format!("[watch]\nrecords = [{:?}]\n", site.at("hook-*.jsonl")));
    site.program("scontrol", "echo 'NodeName=gpu-17 State=DOWN Reason=Not responding'");
    let refused = format!(
        "{{\"schema\":\"diag.hook/1\",\"time\":\"{}\",\"node\":\"gpu-17\",\"hook\":\"prolog\",\"decision\":\"refuse\",\
         \"reason\":\"GPU 3: lost\",\"elapsed_ms\":1,\"readings\":[]}}\nno record\n",
        jiff::Timestamp::now()
    );
    fs::write(site.at("hook-gpu-17.jsonl"), refused).unwrap();
    let done = site.diag(&["slurm", "--event", "down", "gpu-[17-18]"]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let history = |name: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diag"));
        command.arg("--config").arg(site.at("diag.toml")).arg("history").arg("--state").arg(site.at("state"));
        let done = command.args((!name.is_empty()).then_some(name)).output().unwrap();
        String::from_utf8(done.stdout).unwrap()
    };
    wait("both nodes are known", SOON, || history("gpu-18").contains("node down"));
    let all = history("");
    assert!(all.contains("gpu-17: node down once, refused to jobs once"), "{all}");
    assert!(history("gpu-17").contains("GPU 3: lost (hook prolog)"), "{}", history("gpu-17"));
    let hostile = site.diag(&["slurm", "--event", "down", "-oProxyCommand=x"]).output().unwrap();
    assert_eq!(hostile.status.code(), Some(2));
}
