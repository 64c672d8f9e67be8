//! Runs a test on nodes, once what it risks is agreed to.

use indexmap::IndexMap;
use tokio_util::sync::CancellationToken;

use super::{Args, agreed, level, told};
use crate::agent::rest;
use crate::cli::phase::Phase;
use crate::cli::plan as planning;
use crate::cli::session::Session;
use crate::cli::transport::{self, Via};
use crate::error::Error;
use crate::exec::{End, Executor, FanOut, Limits, Local, Ran};
use crate::plan::{NodeName, Repair, Task, stage};
use crate::playbook::schema::Risk;
use crate::playbook::test::{Judged, Rubric, TestBook};
use crate::policy::Said;
use crate::verify::reads::Readings;
use crate::verify::{self, Judgement, Whole, expect};

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
    /// What was changed before it did its work, or did not.
    pub(super) repairs: Vec<Repair>,
}

impl Result {
    pub(super) fn well(&self) -> bool {
        self.judgement.judged == Judged::Pass
    }
}

/// Whoever runs tests in this session.
pub(super) struct Runner {
    session: Session,
    here: bool,
    /// Asks a person.
    agree: fn(&str) -> bool,
    /// Folders of the nodes in which tools are looked for.
    tools: Option<String>,
}

impl Runner {
    pub(super) fn new(args: &Args, stop: &CancellationToken) -> std::result::Result<Self, Error> {
        let limits = Limits { per_target: 64, ..Limits::default() };
        let here = args.how.via == Via::Local;
        // Whoever plays all the nodes on one machine plays them at the same time.
        let executor: Box<dyn Executor> =
            if here { Box::new(FanOut::new(Local::default(), limits)) } else { transport::executor(&args.how, true)? };
        let policy = planning::policy(args.policy.as_deref())?;
        let said = Said { approve: level(args), on_busy: args.on_busy, ..Said::default() };
        let session = Session::new(executor, policy, args.how.scheduler(), said).stopped_by(stop);
        let agree = if args.alone { |_: &str| false } else { agreed };
        Ok(Self { session, here, agree, tools: args.how.tools.clone() })
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
        let rubric = book.rubric();
        let mut planned = stage::task(book, params, runs, self.here);
        self.tools.iter().for_each(|folders| planned.look_in(folders));
        let (task, rans, repairs) = self.run_and_repair(&rubric, &planned)?;
        let mut rest = rans.as_slice();
        let mut results = Vec::new();
        for (at, (nodes, group)) in runs.iter().zip(&task.groups).enumerate() {
            let (own, others) = rest.split_at(nodes.len().min(rest.len()));
            rest = others;
            let Whole { judgement, mute, .. } = verify::run(&rubric, &group.parts, own);
            let repairs = repairs.iter().filter(|repair| repair.group == at).cloned().collect();
            results.push(Result { nodes: nodes.clone(), judgement, mute, repairs });
        }
        let mut all: Vec<&mut Judgement> = results.iter_mut().map(|result| &mut result.judgement).collect();
        expect::relative(&rubric, &mut all, before);
        Ok(results)
    }

    /// Runs a task; what could not do its work for a reason of its own is repaired and run again. The task as it was run last,
    /// what came of it, and what was changed.
    fn run_and_repair(
        &self,
        rubric: &Rubric,
        planned: &Task,
    ) -> std::result::Result<(Task, Vec<Ran>, Vec<Repair>), Error> {
        let mut repairs: Vec<Repair> = Vec::new();
        let mut rans = self.run_some(planned, rubric, &repairs, &[])?;
        loop {
            let task = planned.repaired(&repairs, &rubric.repairs.params);
            let more = verify::repair::repairs(rubric, &task, &rans, &repairs, true);
            if more.is_empty() {
                return Ok((task, rans, repairs));
            }
            more.iter().for_each(|repair| told(&repair.said));
            rest(more.iter().map(Repair::wait_s).max().unwrap_or(0), self.session.stop());
            let groups: Vec<usize> = more.iter().map(|repair| repair.group).collect();
            repairs.extend(more);
            let again = self.run_some(planned, rubric, &repairs, &groups)?;
            verify::repair::merge(planned, &mut rans, &groups, again);
        }
    }

    /// Runs some groups of a task, or all, once what it risks is agreed to.
    fn run_some(
        &self,
        planned: &Task,
        rubric: &Rubric,
        repairs: &[Repair],
        groups: &[usize],
    ) -> std::result::Result<Vec<Ran>, Error> {
        let approved = self.session.approve(planned.clone(), self.agree)?;
        let task = approved.repaired(repairs, &rubric.repairs.params).only(groups);
        let phase = Phase::new(&planned.id, task.groups.iter().map(|group| group.parts.len()).sum(), false);
        let rans = self.session.run(&task, &phase)?;
        drop(phase);
        if rans.iter().any(|ran| matches!(ran.end, End::Cancelled { .. })) {
            return Err(Error::new("test.stopped", &planned.id, "the run was stopped"));
        }
        Ok(rans)
    }
}
