//! Real faults on real hosts, driven through `diag fix`: the node is named, a test proves it, what helps is done under approval
//! and proven by the same test, and nobody else is touched.
//!
//! Needs root, ip and tc, sshd and Slurm, so this is run by `./test`, which says so where it can't:
//! `cargo test staged_faults -- --ignored --nocapture` prints the figures; `DIAG_STAGED=mtu` stages that fault alone.

mod faults;
mod held;
mod hosts;
mod power;
mod returned;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use diag::agent::{Case, Ending};
use diag::case::pages;
use diag::exec::{End, Ran};
use diag::plan::{Plan, Stage, Step, Target, What};
use diag::playbook::test::Judged;
use diag::verify;

use faults::{FAULTS, Fault, IMPOSTOR, SWEPT, Want};
use hosts::{HOSTS, Hosts, name, said};

/// Clusters at a time. Nearly all of a case is waiting.
const AT_ONCE: usize = 5;

/// What an unattended run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    /// A test failed before, and passes after.
    Fixed,
    /// The scheduler keeps jobs off what only hands can mend, and says so.
    Contained,
    /// It stopped, and said what is missing.
    Stopped,
    /// A node that was well is not as it was.
    Harmed,
}

impl Came {
    fn of(ending: &Ending, touched: usize) -> Self {
        match ending {
            _ if touched > 0 => Self::Harmed,
            Ending::Fixed { .. } | Ending::Quiet => Self::Fixed,
            Ending::Contained { .. } => Self::Contained,
            _ => Self::Stopped,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Fixed => "fixed and proven",
            Self::Contained => "kept off, proven",
            Self::Stopped => "honest stop",
            Self::Harmed => "HARMED",
        }
    }
}

/// How a case went, as it is measured.
struct Went {
    came: Came,
    end: String,
    fix: Duration,
    all: Duration,
    /// Tasks that were run.
    rounds: usize,
    /// Nodes that were well and are not as they were, or that somebody logged in to.
    touched: Vec<String>,
    /// What is not as it has to be.
    wrong: Option<String>,
}

/// One fault on a cluster of its own.
struct Scene<'a> {
    fault: &'a Fault,
    hosts: Hosts,
    inputs: Vec<String>,
}

fn fail<T>(what: impl Into<String>) -> Result<T, String> {
    Err(what.into())
}

fn wish(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

impl Scene<'_> {
    fn healthy(&self) -> Vec<String> {
        (1..=HOSTS).map(name).filter(|host| host != self.fault.host).collect()
    }

    fn prints(&self) -> Result<Vec<String>, String> {
        self.healthy().iter().map(|host| self.hosts.print(host)).collect()
    }

    /// What a person has in hand: the job's output, the controller's log, the scheduler's word, a look at all nodes.
    fn gather(&mut self) -> Result<(), String> {
        let logs = self.hosts.at("incident");
        fs::create_dir(&logs).map_err(|error| error.to_string())?;
        let mut keep = |file: &str, text: &str| {
            let path = logs.join(file);
            fs::write(&path, text).unwrap();
            self.inputs.push(path.display().to_string());
        };
        keep("job.log", &self.hosts.job("5", self.fault.on_data()).0);
        if !self.fault.leaves_a_job() {
            self.hosts.let_go(self.fault.host);
        }
        let (all, config) = (format!("gpu-[001-{HOSTS:03}]"), self.hosts.at("ssh/config").display().to_string());
        let look = self.hosts.diag(&[
            "probe",
            "--nodes",
            &all,
            "--ssh-config",
            &config,
            "--program",
            hosts::DIAG,
            "--format",
            "json",
        ]);
        keep("nodes.json", &String::from_utf8_lossy(&look.stdout));
        keep("reasons.txt", &said(&self.hosts.on_controller(20, &["sinfo", "-R"])));
        keep("states.txt", &said(&self.hosts.on_controller(20, &["sinfo", "-N", "-l"])));
        keep("slurmctld.log", &fs::read_to_string(self.hosts.at("log/slurmctld.log")).unwrap_or_default());
        Ok(())
    }

    fn fix(&self, case: &str, more: &[&str]) -> (String, Option<i32>) {
        let (case, state) = (self.hosts.at(case).display().to_string(), self.hosts.at("state").display().to_string());
        let config = self.hosts.at("ssh/config").display().to_string();
        let mut words = vec!["fix"];
        words.extend(self.inputs.iter().map(String::as_str));
        words.extend(["--case", &case, "--state", &state, "--via", "ssh", "--ssh-config", &config, "--quiet"]);
        words.extend(more);
        let done = self.hosts.diag(&words);
        (said(&done), done.status.code())
    }

    fn case(&self, name: &str) -> Result<Case, String> {
        let lines = pages(&self.hosts.at(name)).map_err(|error| error.to_string())?.ok_or("no journal")?.lines;
        Case::of(&lines).map_err(|error| error.to_string())
    }

    /// Without a word of agreement nothing is changed, and what would be done is said.
    fn asks_first(&self) -> Result<(), String> {
        let before = self.hosts.print(self.fault.host);
        let (text, code) = self.fix("asks", &[]);
        let case = self.case("asks")?;
        wish(code == Some(1) && text.contains("NEEDS"), || format!("it acts or ends without a yes: {text}"))?;
        let none = case.each().iter().all(|view| {
            let fixes = view.plan().map(|plan| plan.stage(Stage::Fix).map(|step| step.id.clone()).collect::<Vec<_>>());
            fixes.unwrap_or_default().iter().all(|id| !view.work().done.contains_key(id))
        });
        wish(none, || format!("something was done without a yes: {text}"))?;
        let logins = |print: Result<String, String>| {
            print.map(|text| text.lines().rev().skip(1).map(str::to_owned).collect::<Vec<_>>())
        };
        wish(logins(self.hosts.print(self.fault.host)) == logins(before), || {
            "its host was changed without a yes".into()
        })
    }

    /// The same test passes on a host that is well.
    fn passes_elsewhere(&self, plan: &Plan) -> Result<(), String> {
        let well = if self.fault.host == "gpu-001" { "gpu-002" } else { "gpu-001" };
        for step in plan.stage(Stage::Confirm) {
            let check = verify::check(step, &[self.elsewhere(step, well)?]);
            wish(check.judged == Judged::Pass, || format!("{} does not pass on {well}: {:?}", step.id, check.why))?;
        }
        Ok(())
    }

    /// Runs the script of a test on another host.
    fn elsewhere(&self, step: &Step, host: &str) -> Result<Ran, String> {
        let part =
            step.tasks.first().and_then(|task| task.groups.first()?.parts.first()).ok_or("a test of no parts")?;
        let What::Script(script) = &part.work.what else { return fail("a test that is no script") };
        let value = |name: &str, value: &str| if name == "DIAG_NODE" { host.to_owned() } else { value.to_owned() };
        let set = part.work.env.iter().map(|(name, text)| format!("{name}='{}'; export {name}\n", value(name, text)));
        let file = self.hosts.at(&format!("{}.sh", step.id));
        fs::write(&file, set.collect::<String>() + &script.text).map_err(|error| error.to_string())?;
        let done = match part.target {
            Target::Here => self.hosts.on_controller(60, &["sh", &file.display().to_string()]),
            Target::Node(_) => self.hosts.on_host(host, &file),
        };
        let mut ran = Ran::without_output(part.target.clone(), End::Exit(done.status.code().unwrap_or(-1)));
        ran.stdout.text = String::from_utf8_lossy(&done.stdout).into_owned();
        ran.stderr.text = String::from_utf8_lossy(&done.stderr).into_owned();
        Ok(ran)
    }

    /// The right node and cause, and only they.
    fn names(&self, plan: &Plan) -> Result<(), String> {
        let subject = &plan.subject;
        wish(subject.cause == self.fault.cause, || format!("the first finding is {}", subject.cause))?;
        wish(subject.culprit.nodes == [self.fault.host], || format!("it blames {:?}", subject.culprit))
    }

    /// How the work on the first finding ended, held against what has to be.
    fn ends(&self, first: &Case, plan: &Plan, ending: &Ending) -> Result<(), String> {
        let checks = |stage| plan.stage(stage).filter_map(|step| first.check(step)).map(|check| check.judged);
        let failed = checks(Stage::Confirm).any(|judged| judged == Judged::Fail);
        match (self.fault.want, ending) {
            (Want::Fixed, Ending::Fixed { .. }) => {
                wish(failed, || "no test failed on the culprit".into())?;
                let after: Vec<Judged> = checks(Stage::Verify).collect();
                wish(!after.is_empty() && after.iter().all(|judged| *judged == Judged::Pass), || {
                    format!("tests after: {after:?}")
                })
            }
            (Want::Contained, Ending::Contained { .. }) => {
                wish(failed, || "no test failed on the culprit".into())?;
                let state =
                    said(&self.hosts.on_controller(20, &["sinfo", "-h", "-N", "-n", self.fault.host, "-o", "%T %E"]));
                wish(state.starts_with("drain") && state.contains("diag:"), || format!("Slurm says {state}"))?;
                let tried = diag::agent::handover::ending(ending).contains("tried without effect: Turn ");
                wish(tried == self.fault.bmc, || format!("a power cycle was tried without effect: {tried}"))
            }
            (Want::Refused, Ending::Hands { left }) => {
                wish(left.iter().any(|what| what.contains("somebody may stand in between")), || {
                    format!("left to a person: {left:?}")
                })?;
                let looks = |id: &String| plan.step(id).is_some_and(|step| step.stage == Stage::Confirm);
                wish(first.works.iter().all(|work| work.done.keys().all(looks)), || "something was run".into())?;
                self.trusts_as_before()
            }
            (want, ending) => fail(format!("wanted {want:?}, and it is {}", diag::agent::handover::ending(ending))),
        }
    }

    /// What ssh trusts is what it was when the hosts came up.
    fn trusts_as_before(&self) -> Result<(), String> {
        let read = |name: &str| fs::read_to_string(self.hosts.at(name)).map_err(|error| format!("{name}: {error}"));
        let known = read("ssh/known_hosts")?;
        let mut own = Vec::new();
        for host in (1..=HOSTS).map(name) {
            let key = read(&format!("ssh/host.{host}.pub"))?;
            own.extend(key.split_whitespace().nth(1).map(str::to_owned));
        }
        let trusted: Vec<&str> = known.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
        wish(trusted == own, || format!("known_hosts is {known}"))
    }

    /// All that has to hold of a case: who is named, how it ends, what is told, and that the test passes where all is well.
    fn judged(&self, case: &Case, ending: &Ending) -> Result<(), String> {
        let view = case.each().into_iter().next().ok_or("nothing was worked on")?;
        let plan = view.plan().ok_or("nothing is planned")?;
        let first = case.closed.first().map_or(ending, |one| &one.ending);
        self.names(plan)?;
        self.ends(&view, plan, first)?;
        self.tells()?;
        self.passes_elsewhere(plan)?;
        if self.fault.want == Want::Fixed && !self.fault.leaves_a_job() {
            self.hosts.let_go(&format!("gpu-[001-{HOSTS:03}]"));
            let (job, well) = self.hosts.job("2", self.fault.on_data());
            wish(well, || format!("the job does not run afterwards: {job}"))?;
        }
        Ok(())
    }

    /// The hand-over names who and what; the journal tells it all again.
    fn tells(&self) -> Result<(), String> {
        let case = self.hosts.at("case");
        let ticket = fs::read_to_string(case.join("handover.md")).map_err(|error| error.to_string())?;
        wish(ticket.contains(self.fault.host) && ticket.contains(self.fault.cause), || format!("hand-over: {ticket}"))?;
        let replay = self.hosts.diag(&["replay", &case.display().to_string()]);
        wish(replay.status.success(), || format!("replay: {}", said(&replay)))?;
        // What logs in to controllers is written down nowhere.
        let journal = fs::read_to_string(case.join("journal.jsonl")).map_err(|error| error.to_string())?;
        wish(![&journal, &ticket].iter().any(|text| text.contains(hosts::PASSWORD)), || "it tells a password".into())
    }
}

/// Stages a fault and drives it to its end.
fn drive(fault: &Fault) -> Result<Went, String> {
    let began = Instant::now();
    let mut stage = Scene { fault, hosts: Hosts::up()?, inputs: Vec::new() };
    if fault.bmc {
        stage.hosts.bmc(fault.host)?;
    }
    stage.hosts.fault(fault.host, fault.what)?;
    stage.gather()?;
    if ["small-shm", "disk-full"].contains(&fault.what) {
        stage.asks_first()?;
    }
    let before = stage.prints()?;
    let (at, words) = (Instant::now(), [&["--approve", fault.approve], fault.more].concat());
    let (text, _) = stage.fix("case", &words);
    let fix = at.elapsed();
    let after = stage.prints()?;
    let case = stage.case("case").map_err(|why| format!("{why}: {text}"))?;
    let pairs = stage.healthy().into_iter().zip(before.iter().zip(&after));
    let touched: Vec<String> = pairs.filter(|(_, (before, after))| before != after).map(|(host, _)| host).collect();
    let ending = case.ended.clone().ok_or("it did not end")?;
    let wrong = stage.judged(&case, &ending).err().map(|why| format!("{why}\n{text}"));
    let came = Came::of(&of(&ending, fault.cause), touched.len());
    let end = diag::agent::handover::ending(&ending);
    Ok(Went { came, end, fix, all: began.elapsed(), rounds: case.run, touched, wrong })
}

/// How the work on a cause ended; of one finding, how it all ended.
fn of(ending: &Ending, cause: &str) -> Ending {
    let Ending::Each { of } = ending else { return ending.clone() };
    let own = of.iter().find(|one| one.cause == cause).or(of.first());
    own.map_or_else(|| ending.clone(), |one| one.ending.clone())
}

/// All of them, some at a time.
fn drive_all(faults: &[&Fault]) -> Vec<(String, Result<Went, String>)> {
    let (next, told) = (Mutex::new(faults.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(faults.len()) {
            scope.spawn(|| {
                loop {
                    let Some(fault) = next.lock().unwrap().next() else { return };
                    let went = std::panic::catch_unwind(|| drive(fault));
                    let went = went.unwrap_or_else(|_| fail("a panic"));
                    told.lock().unwrap().push((fault.what.to_owned(), went));
                }
            });
        }
    });
    told.into_inner().unwrap()
}

#[test]
#[ignore = "needs root, ip, tc, sshd and Slurm: ./test runs it"]
fn staged_faults_end_fixed_and_proven_or_contained_and_harm_nobody() {
    let only = std::env::var("DIAG_STAGED").unwrap_or_default();
    let faults: Vec<&Fault> =
        FAULTS.iter().filter(|fault| only.is_empty() || only.split(',').any(|name| name == fault.what)).collect();
    assert!(!faults.is_empty(), "DIAG_STAGED={only} names no fault");
    let began = Instant::now();
    let told = drive_all(&faults);
    let mut wrong: Vec<String> = Vec::new();
    let mut table = format!(
        "{:<20} {:<17} {:>5} {:>6} {:>6} {:>7}  end\n",
        "fault", "came to", "tasks", "fix/s", "all/s", "touched"
    );
    for (what, went) in &told {
        table += &row(what, went.as_ref());
        let harm = |went: &Went| format!("{:?} are not as they were", went.touched);
        let why = match went {
            Ok(went) => went.wrong.clone().or_else(|| (!went.touched.is_empty()).then(|| harm(went))),
            Err(why) => Some(why.clone()),
        };
        wrong.extend(why.map(|why| format!("{what}: {why}")));
    }
    let counted = |came| told.iter().filter(|(_, went)| went.as_ref().is_ok_and(|went| went.came == came)).count();
    let counts = [Came::Fixed, Came::Contained, Came::Stopped, Came::Harmed]
        .map(|came| format!("{} {}", counted(came), came.words()));
    let took = began.elapsed().as_secs_f64();
    writeln!(
        std::io::stderr(),
        "{table}of {} in {took:.0} s: {}; {} wrong",
        told.len(),
        counts.join(", "),
        wrong.len()
    )
    .unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// A case as a line of the table; a mark where something is not as it has to be, which is told below.
fn row(what: &str, went: Result<&Went, &String>) -> String {
    let Ok(went) = went else { return format!("{what:<20} NOT MEASURED\n") };
    let end: String = went.end.chars().take(60).collect();
    let (came, fix, all) = (went.came.words(), went.fix.as_secs_f64(), went.all.as_secs_f64());
    let mark = if went.wrong.is_some() { "!! " } else { "" };
    format!("{what:<20} {came:<17} {:>5} {fix:>6.1} {all:>6.1} {:>7}  {mark}{end}\n", went.rounds, went.touched.len())
}

/// A relay loses or delays what goes to and from one host: no look at a host tells, and a sweep of pairs names it.
#[test]
#[ignore = "needs root, ip, iperf3, sshd and Slurm: ./test runs it"]
fn staged_paths_that_lose_or_delay_are_found_by_a_sweep() {
    for what in SWEPT {
        let hosts = Hosts::up().unwrap();
        hosts.fault("gpu-005", what).unwrap();
        let (all, config) = (format!("gpu-[001-{HOSTS:03}]"), hosts.at("ssh/config").display().to_string());
        let words = ["test", "net-sweep", "--nodes", &all, "--ssh-config", &config, "--yes", "--set", "seconds=1"];
        let found = hosts.diag(&[&words[..], &["--format", "json"]].concat());
        let sweep = hosts.at("sweep.json");
        fs::write(&sweep, &found.stdout).unwrap();
        swept(what, &hosts, &sweep);
    }
}

/// Somebody in the path who answers for a host with a key of their own is told apart from a host that was installed anew: whatever is
/// agreed to, nothing is changed, and a person is told what it may be.
#[test]
#[ignore = "needs root, ip, sshd and Slurm: ./test runs it"]
fn staged_an_impostor_is_told_and_trusted_by_nobody() {
    let went = drive(&IMPOSTOR).unwrap();
    assert_eq!(went.wrong, None);
    assert_eq!((went.came, went.touched), (Came::Stopped, Vec::new()));
}

/// What the sweep found is evidence: its node fails a test once more, and is drained under approval, and only then.
fn swept(what: &str, hosts: &Hosts, sweep: &Path) {
    let (sweep, config) = (sweep.display().to_string(), hosts.at("ssh/config").display().to_string());
    let states = || said(&hosts.on_controller(20, &["sinfo", "-h", "-N", "-o", "%N %T"]));
    let before = states();
    let run = |case: &str, more: &[&str]| {
        let (case, state) = (hosts.at(case).display().to_string(), hosts.at("state").display().to_string());
        let words = ["fix", &sweep, "--case", &case, "--state", &state, "--ssh-config", &config, "--set", "seconds=1"];
        said(&hosts.diag(&[&words[..], more].concat()))
    };
    let text = run("asks", &[]);
    assert!(text.contains("gpu-005") && text.contains("NEEDS A YES") && states() == before, "{what}: {text}");
    let text = run("case", &["--approve", "reversible"]);
    assert!(text.contains("CONTAINED: no new job comes to gpu-005"), "{what}: {text}");
    let off = |text: &str| text.lines().filter(|line| line.contains("drain")).map(str::to_owned).collect::<Vec<_>>();
    assert!(off(&before).is_empty() && off(&states()).iter().all(|line| line.starts_with("gpu-005 ")), "{}", states());
}

/// A rule that holds traffic back is put back as it was, where taking it off did not help.
#[test]
#[ignore = "needs root, ip, tc, sshd and Slurm: ./test runs it"]
fn staged_a_rule_that_was_taken_off_is_put_back_as_it_was() {
    let hosts = Hosts::up().unwrap();
    hosts.fault("gpu-004", "slow-link").unwrap();
    let book = include_str!("../../../playbooks/network/net-slow.toml");
    let book: diag::playbook::Playbook = toml::from_str(book).unwrap();
    let fix = book.fix.iter().find(|fix| fix.id == "remove-shaper").unwrap();
    let diag::playbook::schema::Undo::Script(undo) = &fix.undo else { panic!("its undo is no script") };
    let run = |text: &str| {
        let file = hosts.at("step.sh");
        fs::write(&file, format!("DIAG_IFACE=eth0\nexport DIAG_IFACE\n{text}")).unwrap();
        said(&hosts.on_host("gpu-004", &file))
    };
    let show = || run("tc qdisc show dev eth0 root");
    let before = show();
    assert!(before.contains("qdisc tbf"), "{before}");
    let told = run(&fix.script.as_ref().unwrap().text);
    assert!(!show().contains("tbf"), "{told}");
    let told = run(&undo.text);
    assert_eq!(show(), before, "{told}");
}

/// What was renewed in known_hosts is put back byte for byte, hashed names too, unless somebody has written to it since; and an entry
/// that stands for other hosts as well is left alone.
#[test]
#[ignore = "needs root, ip, sshd and Slurm: ./test runs it"]
fn staged_a_key_that_was_renewed_is_put_back_as_it_was() {
    let hosts = Hosts::up().unwrap();
    let library = diag::playbook::built_in().unwrap();
    let fix = library.get("node-unreachable").unwrap().fix.iter().find(|fix| fix.id == "renew-host-key").unwrap();
    let diag::playbook::schema::Undo::Script(undo) = &fix.undo else { panic!("its undo is no script") };
    let (config, known) = (hosts.at("ssh/config").display().to_string(), hosts.at("ssh/known_hosts"));
    let run = |text: &str| {
        let file = hosts.at("step.sh");
        fs::write(&file, format!("DIAG_NODE=gpu-006\nDIAG_SSH_CONFIG={config}\n{text}")).unwrap();
        let done = hosts.on_controller(60, &["sh", &file.display().to_string()]);
        (done.status.success(), said(&done))
    };
    let renew = || run(&fix.script.as_ref().unwrap().text);
    let read = || fs::read_to_string(&known).unwrap();
    hosts.fault("gpu-006", "host-key").unwrap();
    let plain = read();
    let shared = plain.replace("gpu-006,", "gpu-006,gpu-007,");
    fs::write(&known, &shared).unwrap();
    let (done, told) = renew();
    assert!(!done && told.contains("is for gpu-007 as well") && read() == shared, "{told}");
    let hash = format!("ssh-keygen -q -H -f '{0}' && rm '{0}.old'\n", known.display());
    for hashed in [false, true] {
        fs::write(&known, &plain).unwrap();
        let _ = hashed.then(|| run(&hash));
        let before = read();
        let (done, told) = renew();
        assert!(done && read() != before && read().lines().count() >= HOSTS, "{told}");
        let reached = hosts.on_controller(20, &["ssh", "-F", &config, "gpu-006", "true"]);
        assert!(reached.status.success(), "{}", said(&reached));
        let renewed = read();
        fs::write(&known, format!("{renewed}other ssh-ed25519 AAAA\n")).unwrap();
        let (done, told) = run(&undo.text);
        assert!(!done && told.contains("somebody else has changed"), "{told}");
        fs::write(&known, renewed).unwrap();
        let (done, told) = run(&undo.text);
        assert!(done && read() == before, "{told}");
    }
}

/// Each fault that the script can stage is staged, so that none is forgotten.
#[test]
fn each_fault_of_the_script_is_staged() {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/cluster/hosts.sh"].iter().collect();
    let text = fs::read_to_string(path).unwrap();
    let body = text.split("\nfault() {").nth(1).unwrap().split("\n}\n").next().unwrap();
    let names = body.lines().filter_map(|line| line.trim().split_once(") ").map(|(name, _)| name));
    let names: Vec<&str> =
        names.filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')).collect();
    assert!(names.len() >= 16, "{names:?}");
    for name in names {
        let staged = |fault: &&Fault| fault.what.split('/').next() == Some(name);
        assert!(
            SWEPT.contains(&name) || name == IMPOSTOR.what || FAULTS.iter().any(|fault| staged(&fault)),
            "{name} is not staged"
        );
    }
}
