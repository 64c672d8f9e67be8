//! A case as its journal tells it: a fold over its lines, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{Began, Ending, Entry};
use crate::case::Line;
use crate::error::Error;
use crate::exec::{End, Ran};
use crate::plan::{Answers, Plan, Step};
use crate::policy::Consent;
use crate::scheduler::{self, Scheduler};
use crate::verdict::Outcome;
use crate::verify::{Check, check};

/// What a journal comes to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Case {
    /// How the run that goes on began.
    pub began: Option<Began>,
    /// When the first run began, in seconds since 1970.
    pub since: i64,
    /// When the last line was written.
    pub now: i64,
    /// What was read last.
    pub read: Option<Reading>,
    /// Whether an answer came after that.
    pub stale: bool,
    /// What a person answered.
    pub answers: Answers,
    /// Questions that nobody was there to answer.
    pub unanswered: BTreeSet<String>,
    /// What a person agreed to.
    pub consents: Vec<Consent>,
    /// Steps that are not done, and why.
    pub refused: BTreeMap<String, String>,
    /// Steps that need a yes that nobody was there to give.
    pub wanted: BTreeMap<String, String>,
    /// What came of the tasks of each step, in order.
    pub done: BTreeMap<String, Vec<Vec<Ran>>>,
    /// What was begun and has not ended.
    pub open: Option<Open>,
    /// What the scheduler said, and after how many tasks.
    pub scheduler: Option<(Scheduler, usize)>,
    /// How many tasks were run that do more than look.
    pub acted: usize,
    /// How many tasks were run.
    pub run: usize,
    /// How it ended, where it did.
    pub ended: Option<Ending>,
    /// What was fixed: how often its lines had been seen before, when, and for how long it must stay quiet.
    pub fixed: Option<Fixed>,
}

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What it comes to.
    pub outcome: Outcome,
    /// The same in a sentence.
    pub headline: String,
    /// What is to be done.
    pub plans: Vec<Plan>,
    /// Whether it was read after a fix, to see whether it stays quiet.
    pub afterwards: bool,
}

/// What was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// The line of its intent.
    pub line: u64,
    /// The step.
    pub step: String,
    /// Which of its tasks.
    pub task: usize,
}

/// What was fixed.
#[derive(Debug, Clone, PartialEq)]
pub struct Fixed {
    /// When, in seconds since 1970.
    pub at: i64,
    /// How long it must stay quiet, in seconds.
    pub quiet_s: u64,
    /// How often the lines had been seen, by cause and clue.
    pub seen: BTreeMap<String, u64>,
    /// Whether somebody came back to look.
    pub again: bool,
}

impl Case {
    /// What a journal comes to.
    ///
    /// # Errors
    /// A line that this build does not know.
    pub fn of(lines: &[Line]) -> Result<Self, Error> {
        let mut case = Self::default();
        for line in lines {
            let entry = entry(line)?;
            case.take(line.number, &line.at, entry);
        }
        Ok(case)
    }

    /// Takes in a further line.
    pub fn take(&mut self, number: u64, at: &str, entry: Entry) {
        self.now = at.parse::<jiff::Timestamp>().map_or(self.now, jiff::Timestamp::as_second);
        match entry {
            Entry::Began(began) => self.begin(began),
            Entry::Torn(_) => {}
            Entry::Read { outcome, headline, plans } => {
                let afterwards = self.fixed.as_ref().is_some_and(|fixed| fixed.again);
                self.read = Some(Reading { outcome, headline, plans, afterwards });
                self.stale = false;
            }
            Entry::Answered { id, value } => {
                self.unanswered.remove(&id);
                self.answers.insert(id, value);
                self.stale = true;
            }
            Entry::Agreed { step, consent } => {
                self.wanted.remove(&step);
                self.consents.push(consent);
            }
            Entry::Refused { step, why, .. } => drop(self.refused.insert(step, why)),
            Entry::Wanted { step, why } => drop(self.wanted.insert(step, why)),
            Entry::Unanswered { id } => drop(self.unanswered.insert(id)),
            Entry::Intent { step, task, .. } => {
                self.use_up(&step, task);
                self.open = Some(Open { line: number, step, task });
            }
            Entry::Result { intent, ran } => self.result(intent, ran),
            Entry::Settled { intent, again } => self.settle(intent, again),
            Entry::Concluded(ending) => self.conclude(ending),
        }
    }

    /// A run begins, or goes on: what nobody was there for is asked again.
    fn begin(&mut self, began: Began) {
        if self.began.is_none() {
            self.since = self.now;
        }
        self.began = Some(began);
        self.wanted.clear();
        self.refused.clear();
        self.unanswered.clear();
        self.run = 0;
        self.since = self.now;
        if let Some(fixed) = &mut self.fixed {
            fixed.again = true;
            self.read = None;
        }
        self.ended = None;
    }

    /// A yes that is good for one time is gone when the first task of its step begins.
    fn use_up(&mut self, step: &str, task: usize) {
        let last = self.step(step).map_or(0, |step| step.tasks.len().saturating_sub(1));
        if let Some(digest) = self.step(step).map(Step::digest).filter(|_| task == last) {
            self.consents.retain(|consent| !(consent.once && consent.digest == digest));
        }
    }

    fn result(&mut self, intent: u64, ran: Vec<Ran>) {
        let Some(open) = self.open.take_if(|open| open.line == intent) else { return };
        self.run += 1;
        let looks = open.step == scheduler::STEP
            || self
                .step(&open.step)
                .is_some_and(|step| crate::policy::risk(step) == crate::playbook::schema::Risk::Observe);
        self.acted += usize::from(!looks);
        if open.step == scheduler::STEP {
            let own = self.began.as_ref().and_then(|began| began.allocation.clone());
            self.scheduler = Some((scheduler::read(&ran, &self.nodes(), own.as_deref()), self.acted));
        } else {
            self.done.entry(open.step).or_default().push(ran);
        }
    }

    /// What may have run counts as run, and lost; what only looks is forgotten.
    fn settle(&mut self, intent: u64, again: bool) {
        let Some(open) = self.open.take_if(|open| open.line == intent) else { return };
        if again {
            return;
        }
        let tasks = self.step(&open.step).and_then(|step| step.tasks.get(open.task));
        let targets: Vec<_> = tasks.iter().flat_map(|task| task.targets()).cloned().collect();
        let lost = || End::Lost("diag ended while it ran; it was not repeated".to_owned());
        let ran = targets.into_iter().map(|target| Ran::without_output(target, lost())).collect();
        self.acted += 1;
        self.done.entry(open.step).or_default().push(ran);
    }

    fn conclude(&mut self, ending: Ending) {
        if let Ending::Fixed { quiet_s, .. } = &ending {
            let plans = self.read.iter().flat_map(|read| &read.plans);
            let seen = plans.flat_map(|plan| plan.subject.seen.iter().map(|(clue, count)| (key(plan, clue), *count)));
            self.fixed = Some(Fixed { at: self.now, quiet_s: *quiet_s, seen: seen.collect(), again: false });
        }
        self.ended = Some(ending);
    }

    /// The plan that is carried out: that of the first finding.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        self.read.as_ref()?.plans.first()
    }

    /// A step of it.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.plan()?.step(id)
    }

    /// All nodes that its steps touch.
    #[must_use]
    pub fn nodes(&self) -> Vec<crate::plan::NodeName> {
        let mut nodes = Vec::new();
        for node in self.plan().iter().flat_map(|plan| &plan.steps).flat_map(|step| &step.nodes) {
            if !nodes.contains(node) {
                nodes.push(node.clone());
            }
        }
        nodes
    }

    /// What came of a test, where all of it was run.
    #[must_use]
    pub fn check(&self, step: &Step) -> Option<Check> {
        let runs = self.done.get(&step.id)?;
        if runs.len() < step.tasks.len() {
            return None;
        }
        let rans: Vec<Ran> = runs.iter().flatten().cloned().collect();
        Some(check(step, &rans))
    }
}

/// The name under which lines of a clue are counted.
pub(super) fn key(plan: &Plan, clue: &str) -> String {
    format!("{}.{clue}", plan.subject.cause)
}

/// The entry of a line.
///
/// # Errors
/// It is none that this build knows.
pub fn entry(line: &Line) -> Result<Entry, Error> {
    serde_json::from_value(line.what.clone()).map_err(|error| {
        Error::new("journal.version", format!("line {}", line.number), error.to_string())
            .with_way_on("a newer diag wrote it: read it with that")
    })
}
