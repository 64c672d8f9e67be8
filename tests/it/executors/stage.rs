//! An executor on a stage, and shorthand for what it is asked to do.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use diag::exec::{Executor, Ran, Told};
use diag::plan::{Access, Group, Part, Script, Step, Target, Task, What, Work};
use diag::playbook::schema::{Risk, Status};
use diag::policy::{Approved, Decision, Facts, Limits, Policy, Said, built_in, judge};
use tokio_util::sync::CancellationToken;

/// An executor, and a target that it reaches. Whatever it runs runs on this machine, seen in /proc.
pub(crate) struct Stage<'a> {
    pub(crate) executor: &'a dyn Executor,
    pub(crate) target: Target,
}

/// Work with room and time enough.
pub(crate) fn work(what: What) -> Work {
    let timeout = Duration::from_secs(30);
    Work { what, env: BTreeMap::new(), timeout, output_cap: 1 << 20, access: Access::default() }
}

pub(crate) fn script(text: &str) -> Work {
    work(What::Script(Script::sh(text)))
}

pub(crate) fn argv(words: &[&str]) -> Work {
    work(What::Argv(words.iter().map(|word| (*word).to_owned()).collect()))
}

pub(crate) fn node(name: &str) -> Target {
    Target::Node(name.parse().unwrap())
}

pub(crate) fn task(groups: Vec<Vec<(Target, Work)>>) -> Task {
    let group = |parts: Vec<(Target, Work)>| Group {
        parts: parts.into_iter().map(|(target, work)| Part { target, work }).collect(),
    };
    Task {
        id: "contract".to_owned(),
        title: "What an executor promises".to_owned(),
        risk: Risk::Observe,
        disturbs: String::new(),
        groups: groups.into_iter().map(group).collect(),
    }
}

pub(crate) fn approved(task: Task) -> Approved<Task> {
    let said =
        Said { approve: Some(Risk::Destructive), on_busy: true, named: vec![task.id.clone()], ..Said::default() };
    let step = Step::alone(task);
    let facts = Facts::of(Status::Stable, step.nodes.clone());
    let policy = Policy {
        limits: Limits { nodes_per_hour: 1_000_000, many: 1_000_000, ..Limits::default() },
        ..built_in().unwrap()
    };
    match judge(&step, &facts, &policy, &said) {
        Decision::Allowed(mut tasks, _) => tasks.remove(0),
        other => panic!("it was approved: {other:?}"),
    }
}

/// Tells nobody.
pub(crate) struct Nobody;

impl Told for Nobody {}

/// Notes what it is told, and when.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) said: Mutex<Vec<(Instant, String)>>,
}

impl Told for Notes {
    fn began(&self, part: usize, _target: &Target) {
        self.said.lock().unwrap().push((Instant::now(), format!("{part} began")));
    }

    fn printed(&self, part: usize, _target: &Target, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        self.said.lock().unwrap().push((Instant::now(), format!("{part} printed {text}")));
    }

    fn ended(&self, part: usize, _ran: &Ran) {
        self.said.lock().unwrap().push((Instant::now(), format!("{part} ended")));
    }
}

pub(crate) fn run(executor: &dyn Executor, task: Task) -> Vec<Ran> {
    diag::exec::run(executor, &approved(task), &CancellationToken::new(), &Nobody).unwrap()
}

/// Runs a task that is stopped after a while.
pub(crate) fn run_and_stop(executor: &dyn Executor, task: Task, after: Duration) -> Vec<Ran> {
    let stop = CancellationToken::new();
    let later = stop.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(after);
        later.cancel();
    });
    let rans = diag::exec::run(executor, &approved(task), &stop, &Nobody).unwrap();
    thread.join().unwrap();
    rans
}

impl Stage<'_> {
    /// Runs one part.
    pub(crate) fn one(&self, work: Work) -> Ran {
        let mut rans = run(self.executor, task(vec![vec![(self.target.clone(), work)]]));
        assert_eq!(rans.len(), 1);
        rans.remove(0)
    }
}

/// Processes whose command line holds a word, on all "nodes".
pub(crate) fn processes_with(word: &str) -> Vec<String> {
    let folders = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let lines = folders.filter_map(|folder| {
        let own = folder.file_name()?.to_str()?.parse::<u32>().ok()? == std::process::id();
        let line = fs::read(folder.join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        (!own && line.contains(word)).then_some(line)
    });
    lines.collect()
}

/// A number of seconds that no other sleep of this machine has, to find it again by.
pub(crate) fn odd_sleep(nth: u32) -> String {
    format!("{}.{nth}", 4000 + std::process::id() % 1000)
}

/// Waits until none of these processes is left.
pub(crate) fn all_gone(word: &str) {
    let ends = Instant::now() + Duration::from_secs(20);
    while !processes_with(word).is_empty() {
        assert!(Instant::now() < ends, "left behind: {:?}", processes_with(word));
        std::thread::sleep(Duration::from_millis(50));
    }
}
