//! Runs a test on nodes, once what it risks is agreed to.

use indexmap::IndexMap;
use tokio_util::sync::CancellationToken;

use super::{Args, agreed, level};
use crate::cli::phase::Phase;
use crate::cli::plan as planning;
use crate::cli::session::Session;
use crate::cli::transport::{self, Via};
use crate::error::Error;
use crate::exec::{End, Executor, FanOut, Limits, Local};
use crate::plan::{NodeName, stage};
use crate::playbook::schema::Risk;
use crate::playbook::test::{Judged, TestBook};
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
        Ok(Self { session, here, agree: if args.alone { |_| false } else { agreed } })
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
        let task = self.session.approve(stage::task(book, params, runs, self.here), self.agree)?;
        let phase = Phase::new(&book.id, runs.iter().map(Vec::len).sum(), false);
        let rans = self.session.run(&task, &phase)?;
        drop(phase);
        if rans.iter().any(|ran| matches!(ran.end, End::Cancelled { .. })) {
            return Err(Error::new("test.stopped", &book.id, "the run was stopped"));
        }
        let rubric = book.rubric();
        let mut rest = rans.as_slice();
        let mut results = Vec::new();
        for (nodes, group) in runs.iter().zip(&task.groups) {
            let (own, others) = rest.split_at(nodes.len().min(rest.len()));
            rest = others;
            let Whole { judgement, mute, .. } = verify::run(&rubric, &group.parts, own);
            results.push(Result { nodes: nodes.clone(), judgement, mute });
        }
        let mut all: Vec<&mut Judgement> = results.iter_mut().map(|result| &mut result.judgement).collect();
        expect::relative(&rubric, &mut all, before);
        Ok(results)
    }
}
