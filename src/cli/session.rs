//! Tasks of no case, as those of `diag test` and `diag probe --nodes`: judged and asked for as those of `diag fix`, with the
//! scheduler asked before anything that does more than look.

use std::cell::RefCell;
use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::exec::{self, Executor, Ran, Told};
use crate::plan::{NodeName, Step, Task};
use crate::playbook::schema::{Risk, Status};
use crate::policy::{Approved, Asked, Facts, Held, Policy, Said, judge, risk};
use crate::scheduler::{self, Scheduler, Who};

/// Whoever runs tasks until a command ends.
pub(super) struct Session {
    pub(super) executor: Box<dyn Executor>,
    pub(super) policy: Policy,
    /// Who schedules work on the nodes.
    pub(super) who: Who,
    said: RefCell<Said>,
    /// Stops what runs.
    stop: CancellationToken,
    /// Nodes to whose jobs a person has said yes.
    told_busy: RefCell<BTreeSet<String>>,
}

/// Watches no run.
pub(super) struct Silent;

impl Told for Silent {}

impl Session {
    /// Begins; `said` is what stands on the command line.
    pub(super) fn new(executor: Box<dyn Executor>, policy: Policy, who: Who, said: Said) -> Self {
        let stop = CancellationToken::new();
        Self { executor, policy, who, said: RefCell::new(said), stop, told_busy: RefCell::default() }
    }

    /// The same, stopped by somebody else as well.
    pub(super) fn stopped_by(self, stop: &CancellationToken) -> Self {
        Self { stop: stop.clone(), ..self }
    }

    /// What stops it.
    pub(super) const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Runs what was approved.
    pub(super) fn run(&self, task: &Approved<Task>, told: &dyn Told) -> Result<Vec<Ran>, Error> {
        exec::run(self.executor.as_ref(), task, &self.stop, told)
    }

    /// Whether a task may be run, asking the scheduler and a person where that is needed. `agree`: puts a question; a yes is
    /// good for as much on the same nodes until the command ends.
    pub(super) fn approve(&self, task: Task, agree: impl FnOnce(&str) -> bool) -> Result<Approved<Task>, Error> {
        let mut step = Step::alone(task);
        if step.nodes.is_empty() {
            // This machine is a node as well.
            step.nodes = vec![here()?];
        }
        let facts = self.facts(&step)?;
        let asked = match judge(&step, &facts, &self.policy, &self.said(&step)).task(0) {
            Err(Held::Asks(asked)) => asked,
            other => return other.map_err(|held| refusal(&step, held)),
        };
        let question = question(&step, &asked);
        if asked.name || !agree(&question) {
            return Err(refusal(&step, Held::Asks(asked)));
        }
        self.told_busy.borrow_mut().extend(asked.busy.into_iter().map(|(node, _)| node));
        let level = Some(risk(&step));
        let before = self.said.borrow().approve;
        self.said.borrow_mut().approve = before.max(level);
        judge(&step, &facts, &self.policy, &self.said(&step)).task(0).map_err(|held| refusal(&step, held))
    }

    fn said(&self, step: &Step) -> Said {
        let mut said = self.said.borrow().clone();
        let told = self.told_busy.borrow();
        said.on_busy |= !told.is_empty() && step.nodes.iter().all(|node| told.contains(node.as_str()));
        said
    }

    /// What is known of the nodes. Somebody's job may have begun there since the last time: it is asked each time.
    fn facts(&self, step: &Step) -> Result<Facts, Error> {
        let mut facts = Facts::of(Status::Stable, step.nodes.clone());
        if risk(step) != Risk::Observe {
            self.ask_scheduler(&step.nodes)?.tell(&mut facts);
        }
        Ok(facts)
    }

    /// What the scheduler says of nodes.
    pub(super) fn ask_scheduler(&self, nodes: &[NodeName]) -> Result<Scheduler, Error> {
        let asks = scheduler::step(&self.who, nodes);
        let known = Facts::of(Status::Stable, nodes.to_vec());
        let task = judge(&asks, &known, &self.policy, &Said::default()).task(0).map_err(|held| refusal(&asks, held))?;
        Ok(scheduler::read(&self.who, &self.run(&task, &Silent)?, nodes))
    }
}

/// This machine, as the scheduler knows it.
pub(super) fn here() -> Result<NodeName, Error> {
    let kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = std::env::var("SLURMD_NODENAME").unwrap_or_else(|_| kernel());
    let short = name.trim().split('.').next().unwrap_or_default();
    let name = if short.is_empty() { "localhost" } else { short };
    name.parse().map_err(|error: crate::plan::NotANode| Error::new("nodes.invalid", "this machine", error.to_string()))
}

/// What a person is asked: what it does, where, why it is asked, and whose jobs run there.
fn question(step: &Step, asked: &Asked) -> String {
    let disturbs = if step.disturbs.is_empty() { String::new() } else { format!(": it {}", step.disturbs) };
    let nodes = match step.nodes.as_slice() {
        [one] => one.to_string(),
        all => format!("{} nodes", all.len()),
    };
    format!("{} on {nodes}{disturbs}. Asked, because {}. Go on?", step.title, because(asked))
}

/// Most jobs that are told in a line.
const JOBS: usize = 4;

/// Why it is asked, with the jobs that run there.
fn because(asked: &Asked) -> String {
    let jobs: Vec<String> = asked.busy.iter().take(JOBS).map(|(node, job)| format!("{node}: {job}")).collect();
    let more = asked.busy.len().saturating_sub(JOBS);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    let jobs = if jobs.is_empty() { String::new() } else { format!(" ({}{more})", jobs.join(", ")) };
    format!("{}{jobs}", asked.why.join("; "))
}

fn refusal(step: &Step, held: Held) -> Error {
    match held {
        Held::Asks(asked) => {
            let why = format!("its risk is {}, and nobody has agreed to it: {}", risk(step), because(&asked));
            let way_on = match (asked.name, asked.busy.is_empty()) {
                (true, _) => "it has to be named on the command line",
                (_, true) => "`--yes` agrees beforehand",
                (_, false) => "leave these nodes out, wait for their jobs to end, or agree by `--yes --on-busy`",
            };
            Error::new("policy.asks", &step.id, why).with_way_on(way_on)
        }
        Held::Refused(_, why) => Error::new("policy.refused", &step.id, why),
        Held::Nothing => Error::new("policy.refused", &step.id, "there is nothing to do"),
    }
}
