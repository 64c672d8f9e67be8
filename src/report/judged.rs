//! Several jobs or attempts, each judged by itself; which of them is told first.

use diag_parsers::{Catalogue, Says};

use super::clock::Times;
use super::compose::{Ids, Teller};
use super::{Finding, PartFacts};
use crate::diagnose::{Ranked, weigh};
use crate::evidence::Part;
use crate::playbook::Playbook;
use crate::verdict::Outcome;

/// A job or attempt, and what came of it.
pub(super) struct Judged<'a> {
    pub(super) part: &'a Part<'a>,
    pub(super) outcome: Outcome,
    pub(super) ranked: Vec<Ranked<'a>>,
}

impl<'a> Judged<'a> {
    pub(super) fn of(part: &'a Part<'a>, playbooks: &[&'a Playbook]) -> Self {
        let (outcome, ranked) = weigh(&part.table, playbooks);
        Self { part, outcome, ranked }
    }

    /// Whether it got anywhere: an attempt that was only begun says nothing of how the job ended.
    fn ran(&self) -> bool {
        let table = &self.part.table;
        table.trail.len() > 1 || table.rows.iter().any(|row| row.says == Says::Success)
    }
}

/// The part that is told: the last one whose end is known, a failure before a good end of another job.
pub(super) fn first(judged: &[Judged<'_>]) -> usize {
    let healthy = |one: &Judged<'_>| one.outcome == Outcome::Healthy && one.ran();
    let last_of = |at: usize| judged.iter().skip(at + 1).all(|later| later.part.job != judged[at].part.job);
    let last = |fits: &dyn Fn(usize) -> bool| (0..judged.len()).rev().find(|at| fits(*at));
    let diagnosed = |at: usize| judged[at].outcome == Outcome::Diagnosed;
    // Of each job, the last attempt decides whether it ended well.
    let well = judged.iter().enumerate().all(|(at, one)| !last_of(at) || healthy(one));
    let end = judged.len().saturating_sub(1);
    if well {
        return end;
    }
    let over =
        |at: usize| judged.iter().skip(at + 1).any(|later| later.part.job == judged[at].part.job && healthy(later));
    let died = |at: usize| diagnosed(at) && !over(at);
    last(&died).or_else(|| last(&|at| judged[at].outcome == Outcome::Undetermined && !over(at))).unwrap_or(end)
}

/// What came of each part, and the first finding of each but the one that is told.
pub(super) fn others(
    judged: &[Judged<'_>],
    main: usize,
    catalogue: &Catalogue,
    ids: &mut Ids,
) -> Vec<(PartFacts, Option<Finding>)> {
    let one = |(at, one): (usize, &Judged<'_>)| {
        let times = Times::of(&one.part.table);
        let mut teller = Teller::new(one.part, catalogue, &times, ids);
        let root = one.ranked.iter().find(|ranked| ranked.root);
        let finding = root.map(|root| teller.finding(root, &one.ranked));
        let facts = PartFacts {
            name: one.part.name.clone(),
            outcome: one.outcome,
            told: at == main,
            cause: finding.as_ref().map(|finding| finding.cause.clone()),
            title: finding.as_ref().map(|finding| finding.title.clone()),
            culprit: finding.as_ref().map(|finding| finding.culprit.clone()),
            evidence: finding.as_ref().and_then(|finding| finding.evidence.first().cloned()),
        };
        (facts, finding.filter(|_| one.outcome == Outcome::Diagnosed))
    };
    judged.iter().enumerate().map(one).collect()
}
