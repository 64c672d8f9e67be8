//! What is looked at: the evidence, the report, the plans, and the journal as far as it has come.

use std::collections::BTreeMap;

use crate::agent::Case;
use crate::case::Line;
use crate::evidence::Table;
use crate::plan::tell::Says;
use crate::plan::{Plan, Step};
use crate::playbook::test::Judged;
use crate::report::{Evidence, Report};

/// Where an incident comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// What was named.
    pub name: String,
    /// The case folder, where there is one.
    pub root: Option<String>,
    /// How nodes are reached: `ssh`, `slurm`, …
    pub via: String,
}

/// All that is known of an incident.
#[derive(Debug)]
pub struct Incident {
    /// Where it comes from.
    pub source: Source,
    /// The evidence.
    pub table: Table,
    /// What is told of it.
    pub report: Report,
    /// What can be done, for each finding.
    pub plans: Vec<Plan>,
    /// What the policy says of each step of these.
    pub says: Vec<Says>,
    /// The journal.
    journal: Vec<Line>,
    /// What that comes to.
    case: Option<Case>,
    /// Lines that the report cites, by source and line: the id, and the findings that cite it, from 0.
    cited: BTreeMap<(String, u64), Cited>,
}

/// How a line is cited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cited {
    /// `E1`.
    pub(super) id: String,
    /// By which findings, from 0.
    pub(super) findings: Vec<usize>,
}

impl Incident {
    /// Puts it together.
    #[must_use]
    pub fn new(source: Source, table: Table, report: Report, plans: Vec<Plan>, says: Vec<Says>) -> Self {
        let cited = cited(&report);
        Self { source, table, report, plans, says, journal: Vec::new(), case: None, cited }
    }

    /// Takes in the journal as it is now.
    pub fn take_journal(&mut self, journal: Vec<Line>) {
        self.case = Case::of(&journal).ok().filter(|_| !journal.is_empty());
        self.journal = journal;
    }

    pub(super) fn journal(&self) -> &[Line] {
        &self.journal
    }

    pub(super) fn case(&self) -> Option<&Case> {
        self.case.as_ref()
    }

    pub(super) fn cited(&self, source: &str, line: u64) -> Option<&Cited> {
        self.cited.get(&(source.to_owned(), line))
    }

    /// How far a step has come: a word, and why.
    pub(super) fn standing(&self, plan: &Plan, step: &Step) -> Option<(&'static str, String)> {
        let views = self.case.as_ref()?.each();
        let view =
            views.iter().rev().find(|view| view.plan().is_some_and(|own| own.subject.cause == plan.subject.cause))?;
        let work = view.work();
        if view.open.as_ref().is_some_and(|open| open.step == step.id) {
            return Some(("runs, or ran when diag ended", String::new()));
        }
        if let Some(check) = step.rubric.as_ref().and_then(|_| view.check(step)) {
            let word = match check.judged {
                Judged::Pass => "passed",
                Judged::Fail => "failed",
                Judged::CannotRun => "could not run",
            };
            return Some((word, check.why.first().cloned().unwrap_or_default()));
        }
        if let Some(runs) = work.done.get(&step.id) {
            let ends: Vec<String> = runs.iter().flat_map(|runs| &runs.rans).map(|ran| ran.end.to_string()).collect();
            return Some(("done", words(&ends)));
        }
        let refused = work.refused.get(&step.id).map(|why| ("not done", why.clone()));
        refused.or_else(|| work.wanted.get(&step.id).map(|want| ("needs a yes", want.why.clone())))
    }
}

fn cited(report: &Report) -> BTreeMap<(String, u64), Cited> {
    let mut cited: BTreeMap<(String, u64), Cited> = BTreeMap::new();
    let mut cite = |evidence: &Evidence, finding: Option<usize>| {
        let own = cited.entry((evidence.source.clone(), evidence.line)).or_default();
        if own.id.is_empty() {
            own.id.clone_from(&evidence.id);
        }
        own.findings.extend(finding.filter(|finding| !own.findings.contains(finding)));
    };
    for (at, finding) in report.findings.iter().enumerate() {
        finding.evidence.iter().for_each(|evidence| cite(evidence, Some(at)));
        finding.chain.iter().for_each(|link| cite(&link.example, Some(at)));
    }
    report.unexplained.iter().chain(&report.context).for_each(|evidence| cite(evidence, None));
    cited
}

/// How parts ended: `exit 0`, `exit 0 and 7 more`.
fn words(ends: &[String]) -> String {
    match ends {
        [] => String::new(),
        [one] => one.clone(),
        [first, rest @ ..] if rest.iter().all(|end| end == first) => format!("{first} on all {}", ends.len()),
        [first, rest @ ..] => format!("{first}, and {} others", rest.len()),
    }
}
