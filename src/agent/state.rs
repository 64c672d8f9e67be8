//! A case as its journal tells it: a fold over its lines, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::counsel::{Heard, Summary, Topic};
use super::entry::{Began, Ending, Entry, Manner, One, Want};
use crate::case::Line;
use crate::error::Error;
use crate::exec::{End, Ran};
use crate::plan::{Answers, Marks, Plan, Repair, Stage, Step, Target, Task};
use crate::playbook::schema::Aim;
use crate::playbook::test::Judged;
use crate::policy::Consent;
use crate::scheduler::{self, Scheduler, Who};
use crate::verdict::{Confidence, Outcome};
use crate::verify::repair::{merge, repairs};
use crate::verify::{Check, check, places};

/// What a journal comes to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Case {
    /// How the run that goes on began.
    pub began: Option<Began>,
    /// When the run began, in seconds since 1970.
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
    /// What a person agreed to in this run.
    pub consents: Vec<Consent>,
    /// Digests of what a person said no to, in whichever run.
    pub noes: BTreeSet<String>,
    /// What was done about each finding that is worked on, in order.
    pub works: Vec<Work>,
    /// Findings on which the work has come to an end; the next one is worked on.
    pub closed: Vec<One>,
    /// Whether to look at all findings again once what is open is looked after.
    reopen: bool,
    /// What was begun and has not ended.
    pub open: Option<Open>,
    /// What the scheduler said, and after how many tasks.
    pub scheduler: Option<(Scheduler, usize)>,
    /// How many tasks were run that do more than look.
    pub acted: usize,
    /// How many tasks were run.
    pub run: usize,
    /// How long they took, on all nodes together.
    pub used: Duration,
    /// How it ended, where it did.
    pub ended: Option<Ending>,
    /// What was fixed: how often its lines had been seen before, when, and for how long it must stay quiet.
    pub fixed: Option<Fixed>,
    /// What a model said.
    pub heard: Heard,
    /// By which marks this case keeps nodes off.
    pub marks: Marks,
}

/// What was done about one finding.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Work {
    /// Steps that are not done, and why.
    pub refused: BTreeMap<String, String>,
    /// Steps that need a yes that nobody was there to give.
    pub wanted: BTreeMap<String, Want>,
    /// What came of the tasks of each step, in order.
    pub done: BTreeMap<String, Vec<Runs>>,
    /// What was changed of tests that did not do their work for reasons of their own, in order.
    pub repaired: BTreeMap<String, Vec<Repair>>,
    /// Groups of tests that are to be run again for that.
    pub again: BTreeMap<String, Vec<usize>>,
    /// It ended with nodes that are kept off, and somebody came back: whether they are mended is tested.
    pub back: bool,
}

/// What came of a task.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Runs {
    /// On which of its groups it was run; none named: on all of them.
    pub only: Vec<usize>,
    /// One a part.
    pub rans: Vec<Ran>,
}

static NOTHING: Work = Work {
    refused: BTreeMap::new(),
    wanted: BTreeMap::new(),
    done: BTreeMap::new(),
    repaired: BTreeMap::new(),
    again: BTreeMap::new(),
    back: false,
};

/// Most findings that are worked on in one run: beyond it the evidence is to be narrowed first.
const MOST: usize = 4;

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
    /// On which of its groups; none named: on all of them.
    pub only: Vec<usize>,
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
            Entry::Began(began) => self.begin(*began),
            Entry::Torn(_) => {}
            Entry::Read { outcome, headline, plans } => {
                let afterwards = self.fixed.as_ref().is_some_and(|fixed| fixed.again);
                self.read = Some(Reading { outcome, headline, plans, afterwards });
                self.stale = false;
                self.tell_marks();
            }
            Entry::Answered { id, value } => {
                self.unanswered.remove(&id);
                self.answers.say(id, value);
                self.stale = true;
            }
            Entry::Agreed { step, consent } => {
                self.work_mut().wanted.remove(&step);
                self.consents.push(consent);
            }
            Entry::Refused { step, why, digest, .. } => {
                self.noes.extend(digest);
                self.work_mut().refused.insert(step, why);
            }
            Entry::Wanted { step, want } => drop(self.work_mut().wanted.insert(step, want)),
            Entry::Unanswered { id } => drop(self.unanswered.insert(id)),
            Entry::Intent { step, task, only, .. } => {
                self.use_up(&step, task);
                self.open = Some(Open { line: number, step, task, only });
            }
            Entry::Result { intent, ran } => self.result(intent, ran),
            Entry::Repaired { step, repairs } => self.repair(step, repairs),
            Entry::Settled { intent, again } => self.settle(intent, again),
            Entry::Advised { topic, model, picks, why, cited, .. } => {
                if let Some(of) = self.ended.clone().filter(|_| topic == Topic::Summary) {
                    self.heard.summary = Some(Summary { of, model, claims: why, cited });
                }
                self.heed(topic, &picks);
            }
            Entry::Unadvised { .. } => self.heard.failed = true,
            Entry::Closed(one) => self.closed.push(one),
            Entry::Concluded(ending) => self.conclude(ending),
        }
    }

    /// The case as it is once a run begins like this.
    pub(super) fn begun(&self, began: Began) -> Self {
        let mut after = self.clone();
        after.begin(began);
        after
    }

    /// A run begins, or goes on: what nobody was there for is asked again.
    fn begin(&mut self, began: Began) {
        if began.manner == Manner::Afresh && self.open.is_none() && !self.changed() {
            (self.read, self.works) = (None, Vec::new());
        }
        // Others have worked on the nodes since. Where nothing is run, nobody is asked anew.
        if began.manner != Manner::Hold {
            self.scheduler = None;
        }
        self.began = Some(began);
        // A yes counts in the run in which it was given: no journal brings one along.
        self.consents.clear();
        for work in &mut self.works {
            work.wanted.clear();
            work.refused.clear();
        }
        self.come_back();
        // What is still open belongs to the finding that was worked on: it is looked after first.
        self.reopen = self.open.is_some();
        if !self.reopen {
            self.closed.clear();
        }
        self.unanswered.clear();
        self.heard.failed = false;
        self.run = 0;
        self.since = self.now;
        if let Some(fixed) = &mut self.fixed {
            fixed.again = true;
            self.read = None;
        }
        self.ended = None;
    }

    /// Nodes that are kept off may have been mended since: what was tested of that before, and done on it, counts no more.
    fn come_back(&mut self) {
        let after: Vec<Vec<String>> = self.todo().into_iter().map(after_off).collect();
        let off: Vec<bool> = (0..self.works.len()).map(|at| self.is_contained(at)).collect();
        for ((at, work), off) in self.works.iter_mut().enumerate().zip(off) {
            work.back |= off;
            for id in after.get(at).filter(|_| work.back).into_iter().flatten() {
                work.done.remove(id);
                work.repaired.remove(id);
                work.again.remove(id);
            }
        }
    }

    /// Whether it ended with nodes that are kept off until somebody mends them.
    #[must_use]
    pub fn keeps_off(&self) -> bool {
        (0..self.works.len()).any(|at| self.is_contained(at))
    }

    /// Whether the work on the finding at this place ended with nodes that are kept off.
    fn is_contained(&self, at: usize) -> bool {
        let contained = |ending: &Ending| matches!(ending, Ending::Contained { .. });
        match &self.ended {
            Some(Ending::Each { of }) => of.get(at).is_some_and(|one| contained(&one.ending)),
            Some(ending) => at == self.closed.len() && contained(ending),
            None => false,
        }
    }

    /// Whether anything was changed: a fix, or its undoing, may have run.
    fn changed(&self) -> bool {
        let changes = |(plan, work): (&Plan, &Work)| {
            work.done.keys().filter_map(|id| plan.step(id)).any(|step| matches!(step.stage, Stage::Fix | Stage::Undo))
        };
        self.fixed.is_some() || self.todo().into_iter().zip(&self.works).any(changes)
    }

    /// Whether nothing is run.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.began.as_ref().is_some_and(|began| began.manner == Manner::Hold)
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
        self.used += ran.iter().map(|ran| ran.took).sum();
        let looks = open.step == scheduler::STEP
            || self
                .step(&open.step)
                .is_some_and(|step| crate::policy::risk(step) == crate::playbook::schema::Risk::Observe);
        self.acted += usize::from(!looks);
        if open.step == scheduler::STEP {
            self.scheduler = Some((scheduler::read(&self.who(), &ran, &self.nodes()), self.acted));
        } else {
            self.keep(open, ran);
        }
    }

    /// Keeps what came of a task; of one that was run again for a repair, in the place of what came of it before.
    fn keep(&mut self, open: Open, rans: Vec<Ran>) {
        let task = self.step(&open.step).and_then(|step| step.tasks.get(open.task)).cloned();
        self.hear_marks(&open, &rans);
        let work = self.work_mut();
        let runs = work.done.entry(open.step.clone()).or_default();
        match (work.again.remove(&open.step), runs.get_mut(open.task), task) {
            (Some(groups), Some(before), Some(task)) => merge(&task, &mut before.rans, &groups, rans),
            _ => runs.push(Runs { only: open.only, rans }),
        }
    }

    /// Takes by which mark a node is kept off now.
    fn hear_marks(&mut self, open: &Open, rans: &[Ran]) {
        let Some(step) = self.step(&open.step).filter(|step| step.aim == Aim::Contain) else { return };
        let Some(task) = step.tasks.get(open.task).map(|task| task.only(&open.only)) else { return };
        let parts = task.groups.iter().flat_map(|group| &group.parts).zip(rans);
        parts
            .filter(|(part, _)| part.target == Target::Here)
            .for_each(|(part, ran)| self.marks.hear(&part.work, &ran.stdout.text));
        self.tell_marks();
    }

    fn tell_marks(&mut self) {
        if let Some(read) = &mut self.read {
            self.marks.tell(&mut read.plans);
        }
    }

    fn repair(&mut self, step: String, repairs: Vec<Repair>) {
        let groups = repairs.iter().map(|repair| repair.group).collect();
        let work = self.work_mut();
        work.again.insert(step.clone(), groups);
        work.repaired.entry(step).or_default().extend(repairs);
    }

    /// What may have run counts as run, and lost; what only looks is forgotten.
    fn settle(&mut self, intent: u64, again: bool) {
        let Some(open) = self.open.take_if(|open| open.line == intent) else { return };
        if !again {
            self.lose(open);
        }
        if std::mem::take(&mut self.reopen) {
            self.closed.clear();
        }
    }

    fn lose(&mut self, open: Open) {
        let task = self.step(&open.step).and_then(|step| step.tasks.get(open.task)).map(|task| task.only(&open.only));
        let lost = || End::Lost("diag ended while it ran; it was not repeated".to_owned());
        let parts = task.iter().flat_map(|task| &task.groups).flat_map(|group| &group.parts);
        let rans = parts.map(|part| Ran::without_output(part.target.clone(), lost())).collect();
        self.acted += 1;
        self.keep(open, rans);
    }

    fn conclude(&mut self, ending: Ending) {
        if let Some(quiet_s) = ending.quiet_s() {
            let plans = self.read.iter().flat_map(|read| &read.plans);
            let seen = plans.flat_map(|plan| plan.subject.seen.iter().map(|(clue, count)| (key(plan, clue), *count)));
            self.fixed = Some(Fixed { at: self.now, quiet_s, seen: seen.collect(), again: false });
        }
        self.ended = Some(ending);
    }

    /// The plans that are carried out, one after the other: first `own`, then those that are looked at as well.
    #[must_use]
    pub fn todo(&self) -> Vec<&Plan> {
        let mut todo = self.own();
        let all = self.read.iter().flat_map(|read| &read.plans);
        let also: Vec<&Plan> = all.filter(|plan| self.heard.looks.contains(&plan.subject.cause)).collect();
        todo.extend(also.into_iter().filter(|plan| !self.own().contains(plan)));
        todo
    }

    /// The plans that the rules carry out; equally sure ones in the order that was picked for them.
    pub(super) fn own(&self) -> Vec<&Plan> {
        let mut own = self.worth();
        let place = |plan: &&Plan| self.heard.order.iter().position(|cause| *cause == plan.subject.cause);
        for group in own
            .get_mut(self.decided()..)
            .unwrap_or_default()
            .chunk_by_mut(|a, b| a.subject.confidence == b.subject.confidence)
        {
            group.sort_by_key(|plan| place(plan).unwrap_or(usize::MAX));
        }
        own.truncate(MOST);
        own
    }

    /// Whether the finding that is worked on is only looked at.
    pub(super) fn only_looks(&self) -> bool {
        self.closed.len() >= self.own().len()
    }

    /// The plans that are worth it, in the order of the report: that of the first finding, those of others that are likely, and
    /// where nothing is decided, those whose tests can decide.
    pub(super) fn worth(&self) -> Vec<&Plan> {
        let Some(read) = &self.read else { return Vec::new() };
        let tested = |plan: &Plan| read.outcome == Outcome::Undetermined && plan.stage(Stage::Confirm).any(Step::runs);
        let worth = |at: usize, plan: &Plan| at == 0 || plan.subject.confidence > Confidence::Possible || tested(plan);
        let plans = read.plans.iter().enumerate().filter(|(at, plan)| worth(*at, plan));
        plans.map(|(_, plan)| plan).collect()
    }

    /// The plan that is carried out now.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        let todo = self.todo();
        todo.get(self.closed.len()).or(todo.last()).copied()
    }

    /// Whether another plan comes after it.
    #[must_use]
    pub fn has_next(&self) -> bool {
        self.closed.len() + 1 < self.todo().len()
    }

    /// What was done about the finding that is worked on.
    #[must_use]
    pub fn work(&self) -> &Work {
        self.works.get(self.closed.len()).unwrap_or(&NOTHING)
    }

    fn work_mut(&mut self) -> &mut Work {
        let at = self.closed.len();
        if self.works.len() <= at {
            self.works.resize(at + 1, Work::default());
        }
        &mut self.works[at]
    }

    /// The case as it stands for each finding that was worked on.
    #[must_use]
    pub fn each(&self) -> Vec<Self> {
        let view = |at: usize| Self { closed: self.closed[..at].to_vec(), ..self.clone() };
        (0..=self.closed.len()).map(view).collect()
    }

    /// A step of it.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.plan()?.step(id)
    }

    /// Who schedules work on the nodes.
    #[must_use]
    pub fn who(&self) -> Who {
        self.began.as_ref().map(|began| began.scheduler.clone()).unwrap_or_default()
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
        let runs = self.work().done.get(&step.id)?;
        if runs.len() < step.tasks.len() {
            return None;
        }
        let rans: Vec<Ran> = runs.iter().flat_map(|runs| &runs.rans).cloned().collect();
        let mut check = check(&self.as_repaired(step), &rans);
        if check.judged == Judged::CannotRun {
            let before = self.work().repaired.get(&step.id).into_iter().flatten();
            check.why.extend(before.map(|repair| format!("before that {}", repair.said)));
        }
        Some(check)
    }
}

impl Case {
    /// Where a test comes out like this, where all of it was run.
    pub(super) fn places(&self, step: &Step, wanted: Judged) -> Vec<String> {
        let runs = self.work().done.get(&step.id).map_or(&[][..], Vec::as_slice);
        let rans: Vec<Ran> = runs.iter().flat_map(|runs| &runs.rans).cloned().collect();
        places(&self.as_repaired(step), &rans, wanted)
    }

    /// What was changed of a step; a test after a fix begins with what the same test before it needed.
    pub(super) fn repairs(&self, step: &Step) -> Vec<Repair> {
        let of = |id: &String| self.work().repaired.get(id).into_iter().flatten().cloned();
        let confirms = self.plan().into_iter().flat_map(|plan| plan.stage(Stage::Confirm));
        let first = confirms.filter(|confirm| step.stage == Stage::Verify && confirm.of == step.of);
        first.flat_map(|confirm| of(&confirm.id)).chain(of(&step.id)).collect()
    }

    /// A step as it is run: with what was changed.
    pub(super) fn as_repaired(&self, step: &Step) -> Step {
        let Some(rubric) = &step.rubric else { return step.clone() };
        let repairs = self.repairs(step);
        let task = |task: &Task| task.repaired(&repairs, &rubric.repairs.params);
        Step { tasks: step.tasks.iter().map(task).collect(), ..step.clone() }
    }

    /// What is to be changed of a test that could not do its work, where nothing of it is to be run again yet.
    pub(super) fn to_repair(&self, step: &Step) -> Vec<Repair> {
        let (work, nothing) = (self.work(), Vec::new());
        let first = work.done.get(&step.id).and_then(|all| all.first());
        let Some((rubric, runs)) = step.rubric.as_ref().zip(first) else { return nothing };
        let done = work.repaired.get(&step.id).unwrap_or(&nothing);
        let smaller = step.stage == Stage::Confirm;
        let task = self.as_repaired(step).tasks.into_iter().next();
        task.map_or_else(Vec::new, |task| repairs(rubric, &task, &runs.rans, done, smaller))
    }
}

/// The steps that come after nodes of a plan were kept off: whether they are mended, and what is done on that.
fn after_off(plan: &Plan) -> Vec<String> {
    let offs = plan.stage(Stage::Fix).filter(|fix| fix.aim == Aim::Contain);
    let next = offs.flat_map(|fix| plan.following(fix)).filter(|step| step.stage != Stage::Undo);
    next.flat_map(|step| std::iter::once(step).chain(plan.following(step))).map(|step| step.id.clone()).collect()
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
