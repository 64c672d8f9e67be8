//! The loop on a stage: a scripted executor, a scripted person, a real journal.
#![allow(clippy::disallowed_methods, reason = "tests cut journals")]

mod advised;
mod forged;
mod held;
mod many;
mod returned;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::case::{Journal, Line, pages};
use crate::error::Error;
use crate::exec::{End, Executor, Later, Ran, Told as Watch};
use crate::plan::{
    Access, Answers, Group, NodeName, Part, Plan, Question, SCHEMA, Script, Stage, Step, Subject, Target, Task, What,
    Witness, Work,
};
use crate::playbook::repair::Repairs;
use crate::playbook::schema::{Aim, Risk, Status, Verify};
use crate::playbook::test::{Expectation, Prints, Read, Rubric, Shape};
use crate::policy::{Approved, Asked, built_in};
use crate::verdict::{Confidence, Culprit, Outcome};

const NODE: &str = "gpu-17";

fn node() -> NodeName {
    NODE.parse().unwrap()
}

fn task(id: &str, risk: Risk, target: Target, what: What) -> Task {
    let timeout = Duration::from_secs(5);
    let work = Work { what, env: BTreeMap::new(), timeout, output_cap: 4096, access: Access::default() };
    let groups = vec![Group { parts: vec![Part { target, work }] }];
    Task { id: id.into(), title: id.into(), risk, disturbs: String::new(), groups }
}

fn argv(words: &str) -> What {
    What::Argv(words.split(' ').map(str::to_owned).collect())
}

fn step(stage: Stage, of: &str, after: Option<&str>, task: Task) -> Step {
    Step { stage, of: of.into(), after: after.map(str::to_owned), nodes: vec![node()], ..Step::alone(task) }
}

/// No errors are wanted.
fn rubric() -> Rubric {
    let read = Read { about: String::new(), unit: String::new(), text: false, optional: false, by: None };
    let rule =
        Expectation { read: "errors".into(), equals: Some(diag_parsers::Value::Int(0)), ..Expectation::default() };
    let (shape, prints, reads) = (Shape::One, Prints::Lines, [("errors".to_owned(), read)].into_iter().collect());
    Rubric { shape, prints, exit_tells: false, reads, expect: vec![rule], repairs: Repairs::default() }
}

/// A test, a fix, the test again, and the fix taken back.
fn plan(fix: &str, undo: &str, risk: Risk, aim: Aim) -> Plan {
    let test = |id: &str| {
        let script = Script::sh("echo \"diag: errors=$(cat errors)\"");
        task(id, Risk::Observe, Target::Node(node()), What::Script(script))
    };
    let mut steps = vec![
        step(Stage::Confirm, "count", None, test("confirm-count")),
        step(Stage::Fix, "mend", None, task("fix-mend", risk, Target::Here, argv(fix))),
    ];
    if aim == Aim::Repair {
        steps.push(step(Stage::Verify, "count", Some("fix-mend"), test("verify-mend-count")));
    }
    steps[1].aim = aim;
    for step in steps.iter_mut().filter(|step| step.of == "count") {
        step.rubric = Some(rubric());
    }
    steps.push(step(Stage::Undo, "mend", Some("fix-mend"), task("undo-mend", risk, Target::Here, argv(undo))));
    Plan {
        schema: SCHEMA.into(),
        subject: Subject {
            cause: "some-cause".into(),
            title: "Some cause".into(),
            confidence: Confidence::Confirmed,
            culprit: Culprit { nodes: vec![NODE.into()], ..Culprit::default() },
            status: Status::Test,
            witnesses: vec![Witness::Kernel, Witness::Job],
            seen: vec![("needed".into(), 3)],
            identity: Vec::new(),
        },
        questions: Vec::new(),
        steps,
        verify: Verify::default(),
    }
}

/// A cluster of one node: what it counts, what the scheduler says of it, and all that was run there.
struct Cluster {
    errors: Mutex<i64>,
    state: Mutex<&'static str>,
    helps: bool,
    ran: Mutex<Vec<String>>,
    /// Ends as if diag were killed: the run has happened, and nobody hears of it.
    deaf_at: Option<&'static str>,
    /// How long each part takes.
    took: std::time::Duration,
}

impl Cluster {
    fn new(helps: bool) -> Self {
        let (errors, state, ran) = (Mutex::new(3), Mutex::new("idle"), Mutex::new(Vec::new()));
        Self { errors, state, helps, ran, deaf_at: None, took: std::time::Duration::ZERO }
    }

    fn count(&self, id: &str) -> usize {
        self.ran.lock().unwrap().iter().filter(|ran| *ran == id).count()
    }

    fn say(&self, id: &str, part: &Part) -> Ran {
        let mut ran = Ran::without_output(part.target.clone(), End::Exit(0));
        ran.took = self.took;
        let program = match &part.work.what {
            What::Argv(argv) => argv[0].as_str(),
            What::Script(_) => "script",
        };
        match (program, id) {
            ("script", "confirm-own") => ran.stdout.text = "diag: errors=0\n".to_owned(),
            ("script", _) => ran.stdout.text = format!("diag: errors={}\n", self.errors.lock().unwrap()),
            ("sinfo", _) => {
                let others: String = (1..10).map(|n| format!("gpu-9{n}|idle|gpu\n")).collect();
                ran.stdout.text = format!("{NODE}|{}|gpu\n{others}", self.state.lock().unwrap());
            }
            ("squeue", _) => {}
            (_, "fix-mend") if self.helps => {
                *self.errors.lock().unwrap() = 0;
                *self.state.lock().unwrap() = "drained";
            }
            _ => {}
        }
        ran
    }
}

impl Executor for Cluster {
    fn name(&self) -> &'static str {
        "stage"
    }

    fn run<'a>(&'a self, task: &'a Approved<Task>, _: &'a CancellationToken, _: &'a dyn Watch) -> Later<'a, Vec<Ran>> {
        self.ran.lock().unwrap().push(task.id.clone());
        let parts = task.groups.iter().flat_map(|group| &group.parts);
        let rans = parts.map(|part| self.say(&task.id, part)).collect();
        assert_ne!(self.deaf_at, Some(task.id.as_str()), "killed here");
        Box::pin(std::future::ready(rans))
    }
}

struct Nobody;

impl Watch for Nobody {}

/// A person who says this to whatever is asked, at this time.
struct Person {
    plan: Plan,
    more: Vec<Plan>,
    yes: Option<bool>,
    now: i64,
    asked: RefCell<Vec<String>>,
}

impl Person {
    fn new(plan: Plan, yes: Option<bool>) -> Self {
        Self { plan, more: Vec::new(), yes, now: 1_800_000_000, asked: RefCell::default() }
    }
}

impl World for Person {
    fn now(&self) -> i64 {
        self.now
    }

    fn read(&mut self, _: &Answers, _: bool) -> Result<(Outcome, String, Vec<Plan>), Error> {
        Ok((Outcome::Diagnosed, "Some cause".into(), [vec![self.plan.clone()], self.more.clone()].concat()))
    }

    fn ask(&mut self, _: &Question) -> Option<String> {
        None
    }

    fn rest(&mut self, _: u64, _: &CancellationToken) {}

    fn agree(&mut self, step: &Step, _: &Asked) -> Option<bool> {
        self.asked.borrow_mut().push(step.id.clone());
        self.yes
    }

    fn declines(&mut self, _: &Step) -> bool {
        self.yes == Some(false)
    }

    fn tell(&mut self, _: &str) {}

    fn watch(&mut self, _: &str, _: usize) -> Box<dyn Watch> {
        Box::new(Nobody)
    }

    fn who(&self) -> String {
        "alice@desk".into()
    }
}

fn began(approve: Option<Risk>) -> Began {
    Began {
        diag: "0".into(),
        who: "alice@desk".into(),
        inputs: Vec::new(),
        cause: None,
        narrow: serde_json::Value::Null,
        approve,
        on_busy: false,
        named: Vec::new(),
        nodes: Vec::new(),
        how: std::collections::BTreeMap::new(),
        scheduler: crate::scheduler::Who::default(),
        brain: None,
        rounds: 40,
        minutes: 60,
        node_minutes: 600,
        policy: built_in().unwrap(),
        manner: Manner::GoOn,
    }
}

fn work(folder: &Path, cluster: &Cluster, person: &mut Person, approve: Option<Risk>) -> Ending {
    let journal = Journal::open(folder).unwrap();
    let mut driver = Driver::open(journal, began(approve), cluster, None, person).unwrap();
    driver.run(person).unwrap()
}

fn lines(folder: &Path) -> Vec<Line> {
    pages(folder).unwrap().unwrap().lines
}

fn mend() -> Plan {
    plan("mend it", "unmend it", Risk::Reversible, Aim::Repair)
}

#[test]
fn a_fix_is_proven_by_a_test_that_failed_before_and_passes_after() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::new(true);
    let ending = work(folder.path(), &cluster, &mut Person::new(mend(), None), Some(Risk::Reversible));
    assert!(matches!(&ending, Ending::Fixed { why, .. } if why.contains("failed before")), "{ending:?}");
    assert_eq!(*cluster.ran.lock().unwrap(), ["confirm-count", "ask-scheduler", "fix-mend", "verify-mend-count"]);
    let told = replay(&lines(folder.path())).unwrap();
    assert!(told.iter().all(|line| line.fits), "{told:#?}");
    let case = Case::of(&lines(folder.path())).unwrap();
    let ticket = handover::ticket(&case, "case");
    assert!(
        ticket.contains("| errors on gpu-17 | 3 | 0 |") && ticket.contains("| count | failed | passed |"),
        "{ticket}"
    );
}

/// Slurm may leave a node down that answers again (ReturnToService=0): that is told, and not lifted.
#[test]
fn what_is_mended_and_still_kept_off_is_told_with_what_a_person_types() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::new(true);
    *cluster.state.lock().unwrap() = "down*";
    let ending = work(folder.path(), &cluster, &mut Person::new(mend(), None), Some(Risk::Reversible));
    let by_hand = "no new job comes to gpu-17 before somebody agrees: scontrol update NodeName=gpu-17 State=RESUME";
    assert!(matches!(&ending, Ending::Fixed { why, .. } if why.ends_with(by_hand)), "{ending:?}");
    let ran = ["confirm-count", "ask-scheduler", "fix-mend", "verify-mend-count", "ask-scheduler"];
    assert_eq!(*cluster.ran.lock().unwrap(), ran);
    assert!(replay(&lines(folder.path())).unwrap().iter().all(|line| line.fits));
}

#[test]
fn what_does_not_help_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::new(false);
    let ending = work(folder.path(), &cluster, &mut Person::new(mend(), None), Some(Risk::Reversible));
    assert!(matches!(ending, Ending::NotFixed { .. }), "{ending:?}");
    assert_eq!((cluster.count("fix-mend"), cluster.count("undo-mend")), (1, 1));
}

#[test]
fn what_shows_no_fault_now_is_not_mended() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::new(true);
    *cluster.errors.lock().unwrap() = 0;
    let ending = work(folder.path(), &cluster, &mut Person::new(mend(), None), Some(Risk::Destructive));
    assert!(matches!(ending, Ending::NotThere { .. }), "{ending:?}");
    assert_eq!(cluster.count("fix-mend"), 0);
}

/// Nobody is asked for a fix whose ground is not proven, and no level of approval brings it about.
#[test]
fn a_fix_that_rests_on_a_test_is_done_only_where_that_has_passed() {
    let mut plan = mend();
    let mut own = Step { id: "confirm-own".into(), of: "own".into(), ..plan.steps[0].clone() };
    own.tasks[0].id.clone_from(&own.id);
    plan.steps.insert(1, own);
    for (proof, left) in [
        ("confirm-own", None),
        ("confirm-count", Some("count: gpu-17: errors is 3")),
        ("confirm-other", Some("confirm-other has to pass first, and was not run")),
    ] {
        plan.steps[2].proven_by = vec![proof.to_owned()];
        let (folder, cluster) = (tempfile::tempdir().unwrap(), Cluster::new(true));
        let mut person = Person::new(plan.clone(), Some(true));
        let ending = work(folder.path(), &cluster, &mut person, Some(Risk::Destructive));
        match (&ending, left) {
            (Ending::Fixed { .. }, None) => {}
            (Ending::Hands { left: told }, Some(why)) => assert!(told[0].contains(why), "{told:?}"),
            _ => panic!("{proof}: {ending:?}"),
        }
        assert_eq!(cluster.count("fix-mend"), usize::from(left.is_none()), "{proof}");
        assert!(person.asked.borrow().is_empty(), "{proof}");
    }
}

#[test]
fn where_nobody_is_there_to_agree_it_stops_at_once_and_says_what_it_wants() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::new(true);
    let mut person = Person::new(mend(), None);
    let Ending::Wants { steps } = work(folder.path(), &cluster, &mut person, None) else {
        panic!("it must want a yes")
    };
    assert!(steps[0].starts_with("fix-mend"), "{steps:?}");
    assert_eq!(cluster.count("fix-mend"), 0);
    let ending = work(folder.path(), &cluster, &mut person, Some(Risk::Reversible));
    assert!(matches!(ending, Ending::Fixed { .. }), "resumed with a yes: {ending:?}");
    assert_eq!(cluster.count("confirm-count"), 1, "what was run is not run again");
}

#[test]
fn a_no_is_kept_to() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::new(true);
    let mut person = Person::new(mend(), Some(false));
    let ending = work(folder.path(), &cluster, &mut person, None);
    assert!(matches!(ending, Ending::Hands { .. }), "{ending:?}");
    assert_eq!((cluster.count("fix-mend"), person.asked.borrow().len()), (0, 1));
}

#[test]
fn one_yes_is_asked_for_and_a_yes_that_has_ended_is_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::new(true);
    let mut person = Person::new(mend(), Some(true));
    let ending = work(folder.path(), &cluster, &mut person, None);
    assert!(matches!(ending, Ending::Fixed { .. }));
    assert_eq!(*person.asked.borrow(), ["fix-mend"]);
    // The same up to the yes, gone on with an hour later.
    let all = lines(folder.path());
    let agreed = all.iter().position(|line| matches!(entry(line).unwrap(), Entry::Agreed { .. })).unwrap();
    let later = tempfile::tempdir().unwrap();
    copy(folder.path(), later.path(), agreed + 1, 0);
    person.now += 3600;
    person.asked.borrow_mut().clear();
    work(later.path(), &Cluster::new(true), &mut person, None);
    assert_eq!(*person.asked.borrow(), ["fix-mend"], "half an hour is over");
}

/// The same up to the yes, gone on with at once: a journal brings no yes along, whoever wrote it.
#[test]
fn a_yes_counts_in_the_run_in_which_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let mut person = Person::new(mend(), Some(true));
    work(folder.path(), &Cluster::new(true), &mut person, None);
    let all = lines(folder.path());
    let agreed = all.iter().position(|line| matches!(entry(line).unwrap(), Entry::Agreed { .. })).unwrap();
    let soon = tempfile::tempdir().unwrap();
    copy(folder.path(), soon.path(), agreed + 1, 0);
    let cluster = Cluster::new(true);
    person.yes = None;
    let ending = work(soon.path(), &cluster, &mut person, None);
    assert!(matches!(ending, Ending::Wants { .. }) && cluster.count("fix-mend") == 0, "{ending:?}");
}

/// The first lines of a journal, and some bytes of the next.
fn copy(from: &Path, to: &Path, count: usize, more: usize) {
    let bytes = std::fs::read(from.join("journal.jsonl")).unwrap();
    let whole: usize = bytes.split_inclusive(|byte| *byte == b'\n').take(count).map(<[u8]>::len).sum();
    std::fs::write(to.join("journal.jsonl"), &bytes[..(whole + more).min(bytes.len())]).unwrap();
}

/// Killed between any two lines, or in the middle of one: what may have been done is never done twice, and it ends as it
/// would have.
#[test]
fn killed_at_any_point_it_goes_on_and_repeats_nothing_that_may_have_run() {
    let folder = tempfile::tempdir().unwrap();
    work(folder.path(), &Cluster::new(true), &mut Person::new(mend(), None), Some(Risk::Reversible));
    let all = lines(folder.path());
    let is_intent = |line: &Line| matches!(entry(line).unwrap(), Entry::Intent { step, .. } if step == "fix-mend");
    let intent = all.iter().position(is_intent).unwrap();
    let mut points = 0;
    for kept in 1..all.len() {
        for more in [0, 1, 40, 200] {
            let again = tempfile::tempdir().unwrap();
            copy(folder.path(), again.path(), kept, more);
            let kept = lines(again.path()).len();
            let cluster = Cluster::new(true);
            let begun = kept > intent;
            if begun {
                // It did run before the kill.
                *cluster.errors.lock().unwrap() = 0;
            }
            let ending = work(again.path(), &cluster, &mut Person::new(mend(), None), Some(Risk::Reversible));
            assert!(matches!(ending, Ending::Fixed { .. }), "after {kept} lines and {more} bytes: {ending:?}");
            assert_eq!(cluster.count("fix-mend"), usize::from(!begun), "after {kept} lines and {more} bytes");
            let told = replay(&lines(again.path())).unwrap();
            assert!(told.iter().all(|line| line.fits), "after {kept} lines and {more} bytes: {told:#?}");
            points += 1;
        }
    }
    assert!(points >= 40, "{points} points");
}

#[test]
fn diag_that_dies_while_something_runs_looks_at_the_effect() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster { deaf_at: Some("fix-mend"), ..Cluster::new(true) };
    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        work(folder.path(), &cluster, &mut Person::new(mend(), None), Some(Risk::Reversible))
    }));
    assert!(died.is_err());
    let cluster = Cluster { deaf_at: None, ..cluster };
    let ending = work(folder.path(), &cluster, &mut Person::new(mend(), None), Some(Risk::Reversible));
    assert!(matches!(ending, Ending::Fixed { .. }), "{ending:?}");
    assert_eq!(cluster.count("fix-mend"), 1);
}

#[test]
fn a_drain_is_seen_to_hold() {
    let drain = |helps| {
        let folder = tempfile::tempdir().unwrap();
        let (fix, undo) =
            ("scontrol update NodeName=gpu-17 State=DRAIN", "scontrol update NodeName=gpu-17 State=RESUME");
        let cluster = Cluster::new(helps);
        let mut person = Person::new(plan(fix, undo, Risk::Reversible, Aim::Contain), None);
        (work(folder.path(), &cluster, &mut person, Some(Risk::Reversible)), cluster.count("undo-mend"))
    };
    assert!(matches!(drain(true), (Ending::Contained { .. }, 0)));
    assert!(matches!(drain(false), (Ending::NotFixed { .. }, 1)), "the scheduler says that it is still in service");
}

#[test]
fn a_drain_on_job_output_alone_is_refused_whoever_approves() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan =
        plan("scontrol update NodeName=gpu-17 State=DRAIN", "scontrol show x", Risk::Reversible, Aim::Contain);
    plan.subject.witnesses = vec![Witness::Job];
    // No test says it either.
    plan.steps.remove(0);
    let cluster = Cluster::new(true);
    let ending = work(folder.path(), &cluster, &mut Person::new(plan, Some(true)), Some(Risk::Destructive));
    assert!(matches!(&ending, Ending::Hands { left } if left[0].contains("two kinds of evidence")), "{ending:?}");
    assert_eq!(cluster.count("fix-mend"), 0);
}

#[test]
fn on_somebodys_node_only_a_word_that_says_so_will_do() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::new(true);
    *cluster.state.lock().unwrap() = "allocated";
    let plan = plan("systemctl restart x", "true", Risk::Disruptive, Aim::Repair);
    let mut person = Person::new(plan, None);
    let ending = work(folder.path(), &cluster, &mut person, Some(Risk::Destructive));
    assert!(matches!(&ending, Ending::Wants { steps } if steps[0].contains("somebody's job")), "{ending:?}");
    assert_eq!(cluster.count("fix-mend"), 0);
}

#[test]
fn no_more_is_run_than_was_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::new(true);
    let mut person = Person::new(mend(), None);
    let journal = Journal::open(folder.path()).unwrap();
    let few = Began { rounds: 1, ..began(Some(Risk::Reversible)) };
    let mut driver = Driver::open(journal, few, &cluster, None, &mut person).unwrap();
    assert!(matches!(driver.run(&mut person).unwrap(), Ending::Spent { .. }));
    assert_eq!(cluster.ran.lock().unwrap().len(), 1);
}

#[test]
fn no_more_of_the_nodes_time_is_used_than_was_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::new(true);
    cluster.took = std::time::Duration::from_secs(90);
    let mut person = Person::new(mend(), None);
    let journal = Journal::open(folder.path()).unwrap();
    let few = Began { node_minutes: 2, ..began(Some(Risk::Reversible)) };
    let mut driver = Driver::open(journal, few, &cluster, None, &mut person).unwrap();
    let ending = driver.run(&mut person).unwrap();
    assert!(matches!(&ending, Ending::Spent { why } if why.contains("4 minutes of nodes")), "{ending:?}");
    assert_eq!(cluster.ran.lock().unwrap().len(), 2);
}

#[test]
fn nodes_that_were_not_named_are_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::new(true);
    let mut person = Person::new(mend(), None);
    let journal = Journal::open(folder.path()).unwrap();
    let other = Began { nodes: vec!["gpu-18".into()], ..began(Some(Risk::Reversible)) };
    let mut driver = Driver::open(journal, other, &cluster, None, &mut person).unwrap();
    let ending = driver.run(&mut person).unwrap();
    assert!(matches!(&ending, Ending::Hands { left } if left[0].contains("not among the nodes")), "{ending:?}");
    assert_eq!(cluster.ran.lock().unwrap().len(), 0);
}

#[test]
fn lines_that_come_again_within_the_quiet_window_undo_the_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::new(true);
    let mut plan = mend();
    plan.verify.quiet = Some(crate::playbook::schema::Quiet { clues: vec!["needed".into()], window: "30m".into() });
    let mut person = Person::new(plan, None);
    let approve = Some(Risk::Reversible);
    assert!(matches!(work(folder.path(), &cluster, &mut person, approve), Ending::Fixed { quiet_s: 1800, .. }));
    person.now += 600;
    let early = work(folder.path(), &cluster, &mut person, approve);
    assert!(matches!(&early, Ending::Inconclusive { why } if why.contains("1200 s more")), "{early:?}");
    person.plan.subject.seen = vec![("needed".into(), 4)];
    assert!(matches!(work(folder.path(), &cluster, &mut person, approve), Ending::NotQuiet { .. }));
    person.plan.subject.seen = vec![("needed".into(), 3)];
    person.now += 1800;
    assert_eq!(work(folder.path(), &cluster, &mut person, approve), Ending::Quiet);
    assert_eq!(cluster.count("fix-mend"), 1);
}
