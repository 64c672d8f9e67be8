//! Runs a test on nodes, once what it risks is agreed to.

use std::cell::Cell;

use indexmap::IndexMap;
use tokio_util::sync::CancellationToken;

use super::{Args, agreed, level};
use crate::cli::phase::Phase;
use crate::cli::transport::{self, Via};
use crate::error::Error;
use crate::exec::{self, End, Executor, FanOut, Limits, Local};
use crate::plan::{NodeName, Step, Task};
use crate::playbook::schema::{Risk, Status};
use crate::playbook::test::{Judged, TestBook};
use crate::policy::{Approved, Decision, Facts, Said, judge};
use crate::verify::expect::{self, Judgement};
use crate::verify::reads::Readings;
use crate::verify::stage;

/// What a person agrees to beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Level {
    /// What only looks.
    Observe,
    /// What uses the machine.
    Load,
}

impl Level {
    pub(super) const fn risk(self) -> Risk {
        match self {
            Self::Observe => Risk::Observe,
            Self::Load => Risk::Load,
        }
    }
}

/// What came of one run of a test.
#[derive(Debug)]
pub(super) struct Result {
    /// Who took part, in order.
    pub(super) nodes: Vec<NodeName>,
    /// What the run says.
    pub(super) judgement: Judgement,
    /// Places of those on whom it could not be run, where that is known.
    pub(super) mute: Vec<usize>,
}

impl Result {
    pub(super) fn well(&self) -> bool {
        self.judgement.judged == Judged::Pass
    }
}

/// Whoever runs tests in this session.
pub(super) struct Runner {
    executor: Box<dyn Executor>,
    here: bool,
    approve: Option<Risk>,
    busy: bool,
    /// A person said yes on the terminal: good for the rounds of this run.
    said_yes: Cell<bool>,
}

impl Runner {
    pub(super) fn new(args: &Args) -> std::result::Result<Self, Error> {
        let limits = Limits { per_target: 64, ..Limits::default() };
        let here = args.how.via == Via::Local;
        // Whoever plays all the nodes on one machine plays them at the same time.
        let executor: Box<dyn Executor> =
            if here { Box::new(FanOut::new(Local::default(), limits)) } else { transport::executor(&args.how, true)? };
        Ok(Self { executor, here, approve: level(args), busy: args.on_busy, said_yes: Cell::new(false) })
    }

    /// Runs a test on each group of nodes at the same time, and judges what came of it; `before`: what others of the same
    /// sweep have read.
    pub(super) fn results(
        &self,
        book: &TestBook,
        params: &IndexMap<String, String>,
        runs: &[Vec<NodeName>],
        before: &[Readings],
    ) -> std::result::Result<Vec<Result>, Error> {
        let task = self.approved(stage::task(book, params, runs, self.here))?;
        let stop = CancellationToken::new();
        let phase = Phase::new(&book.id, runs.iter().map(Vec::len).sum(), false);
        let rans = exec::run(self.executor.as_ref(), &task, &stop, &phase)?;
        drop(phase);
        if rans.iter().any(|ran| matches!(ran.end, End::Cancelled { .. })) {
            return Err(Error::new("test.stopped", &book.id, "the run was stopped"));
        }
        let mut rest = rans.as_slice();
        let mut results = Vec::new();
        for nodes in runs {
            let (own, others) = rest.split_at(nodes.len().min(rest.len()));
            rest = others;
            let judged = own.iter().enumerate();
            let judged = judged.map(|(at, ran)| {
                (expect::judge(book, ran, params, (stage::role(book.shape, at), nodes.len())), &ran.end)
            });
            results.push(one(nodes, judged.collect()));
        }
        let mut all: Vec<&mut Judgement> = results.iter_mut().map(|result| &mut result.judgement).collect();
        expect::relative(book, &mut all, before);
        Ok(results)
    }

    fn approved(&self, task: Task) -> std::result::Result<Approved<Task>, Error> {
        let (risk, disturbs) = (task.risk, task.disturbs.clone());
        let step = Step::alone(task);
        // This machine is a node of which nobody tells whether it is idle.
        let nodes = if step.nodes.is_empty() { "localhost".parse().into_iter().collect() } else { step.nodes.clone() };
        let facts = Facts::of(Status::Stable, nodes);
        let policy = super::super::plan::policy(None)?;
        let mut said = Said { approve: self.approve, on_busy: self.busy, ..Said::default() };
        if self.said_yes.get() {
            said.approve = said.approve.max(Some(risk));
        }
        let asked = match judge(&step, &facts, &policy, &said) {
            Decision::Ask(asked) => asked,
            other => return allowed(other),
        };
        let question =
            format!("{} on {} nodes: it {disturbs}. {} Go on?", step.title, step.nodes.len(), asked.why.join("; "));
        if !agreed(&question) {
            let why = format!("its risk is {risk}, and nobody has agreed to it: {}", asked.why.join("; "));
            let error = Error::new("policy.asks", &step.id, why);
            return Err(error.with_way_on("`--yes` agrees beforehand, `--on-busy` also where somebody's job runs"));
        }
        self.said_yes.set(true);
        said.approve = said.approve.max(Some(risk));
        allowed(judge(&step, &facts, &policy, &said))
    }
}

fn allowed(decision: Decision) -> std::result::Result<Approved<Task>, Error> {
    let refused = |why: String| Err(Error::new("policy.refused", "this test", why));
    match decision {
        Decision::Allowed(mut tasks, _) => tasks.pop().map_or_else(|| refused("nothing is to be done".to_owned()), Ok),
        Decision::Ask(asked) => refused(asked.why.join("; ")),
        Decision::Refused(_, why) => refused(why),
    }
}

/// What the ends of one run say together: who failed, else on whom it could not be run, else that all is well.
fn one(nodes: &[NodeName], ends: Vec<(Judgement, &End)>) -> Result {
    let gone = |end: &End| !matches!(end, End::Exit(_) | End::Signal(_));
    let mute: Vec<usize> = ends.iter().enumerate().filter(|(_, (_, end))| gone(end)).map(|(at, _)| at).collect();
    let worst = |wanted: Judged| ends.iter().position(|(judgement, _)| judgement.judged == wanted);
    // An end that waits for one that is not there has nothing to say.
    let at = if mute.is_empty() { worst(Judged::Fail) } else { mute.first().copied() };
    let at = at.or_else(|| worst(Judged::CannotRun)).unwrap_or(0);
    let mut readings = Readings::new();
    let mut judgement = None;
    for (place, (own, _)) in ends.into_iter().enumerate() {
        readings.extend(own.readings.clone());
        if place == at {
            judgement = Some(own);
        }
    }
    let judgement = judgement.map_or_else(
        || Judgement {
            judged: Judged::CannotRun,
            why: vec!["nothing came back".to_owned()],
            readings: Readings::new(),
            arms: Vec::new(),
        },
        |judgement| Judgement { readings, ..judgement },
    );
    Result { nodes: nodes.to_vec(), judgement, mute }
}
