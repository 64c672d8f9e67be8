//! What is done next, as a pure function of the case: each move can be derived again from the journal.

mod back;

use std::collections::BTreeSet;
use std::fmt;

use super::counsel::{Topic, looks_on, sees};
use super::entry::{Began, Ending, One, Want};
use super::fate::{Fate, fate};
use super::state::{Case, Fixed, Work, key};
use crate::plan::{NodeName, Plan, Question, Repair, Stage, Step, by_hand, span};
use crate::playbook::schema::{Aim, Risk};
use crate::playbook::test::Judged;
use crate::policy::risk;
use crate::scheduler::{self, Scheduler};
use crate::verdict::{Confidence, Outcome as Found};
use crate::verify::{Check, Proven, Verdict, verdict};

/// One move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// Read the evidence, and plan.
    Read,
    /// Ask the scheduler what runs on the nodes.
    Probe,
    /// Ask a model about what the rules leave open.
    Consult(Topic),
    /// Ask a person what the evidence does not tell.
    Ask(Question),
    /// Run a task of a step.
    Run {
        /// What it is for.
        stage: Stage,
        /// The step.
        step: String,
        /// Which of its tasks.
        task: usize,
        /// On which of its groups; none named: on all of them.
        only: Vec<usize>,
    },
    /// A test did not do its work for a reason of its own: change what its declared parameters allow, then run it again.
    Repair {
        /// The step.
        step: String,
        /// What is changed, a group each.
        repairs: Vec<Repair>,
    },
    /// Look after what may have run when diag ended.
    Settle {
        /// The line of its intent.
        line: u64,
        /// Whether it only looks, so that it may be done again.
        again: bool,
    },
    /// The work on one finding is at its end: go on with the next.
    Close(One),
    /// Stop.
    Conclude(Ending),
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("read"),
            Self::Probe => f.write_str("probe the scheduler"),
            Self::Consult(Topic::Order) => f.write_str("consult (order)"),
            Self::Consult(Topic::Value { question, .. }) => write!(f, "consult ({question})"),
            Self::Consult(Topic::Look) => f.write_str("consult (further looks)"),
            Self::Consult(Topic::Summary) => f.write_str("consult (summary)"),
            Self::Ask(question) => write!(f, "ask {}", question.id),
            Self::Run { stage, step, task, only } => {
                let word = match stage {
                    Stage::Confirm => "test",
                    Stage::Fix => "fix",
                    Stage::Verify => "verify",
                    Stage::Undo => "undo",
                    Stage::Return => "give back",
                };
                let nth = if *task == 0 { String::new() } else { format!(", part {}", task + 1) };
                let some = if only.is_empty() { String::new() } else { format!(", on {} of its targets", only.len()) };
                write!(f, "{word} ({step}{nth}{some})")
            }
            Self::Repair { step, repairs } => {
                let why: Vec<&str> = repairs.iter().map(|repair| repair.reason.as_str()).collect();
                write!(f, "repair ({step}: {})", why.join(", "))
            }
            Self::Settle { line, again } => {
                let how = if *again { "only looks, done again" } else { "not repeated" };
                write!(f, "settle line {line}: it may have run; {how}")
            }
            Self::Close(one) => write!(f, "close {}", one.cause),
            Self::Conclude(_) => f.write_str("conclude"),
        }
    }
}

/// The next move of a case.
#[must_use]
pub fn next(case: &Case) -> Move {
    let Some(began) = &case.began else { return Move::Read };
    if let Some(ending) = &case.ended {
        return case.consults(Topic::Summary).unwrap_or_else(|| Move::Conclude(ending.clone()));
    }
    if let Some(open) = &case.open {
        let looks =
            open.step == scheduler::STEP || case.step(&open.step).is_some_and(|step| risk(step) == Risk::Observe);
        return Move::Settle { line: open.line, again: looks };
    }
    let Some(read) = case.read.as_ref().filter(|_| !case.stale) else { return Move::Read };
    if let Some(fixed) = case.fixed.as_ref().filter(|fixed| fixed.again && read.afterwards) {
        return Move::Conclude(quiet(fixed, &read.plans, case.now));
    }
    let Some(plan) = case.plan() else {
        return Move::Conclude(if read.outcome == Found::Healthy { Ending::Healthy } else { Ending::Undetermined });
    };
    if let Some(why) = spent(case, began) {
        return conclude(case, plan, Ending::Spent { why });
    }
    if let Some(consult) = case.consults(Topic::Order) {
        return consult;
    }
    match (Planner { case, work: case.work(), began, plan }.next()) {
        Move::Conclude(ending) if case.has_next() => Move::Close(One { cause: plan.subject.cause.clone(), ending }),
        Move::Conclude(ending) => {
            let further = case.consults(Topic::Look).filter(|_| looks_on(&ending));
            further.unwrap_or_else(|| conclude(case, plan, ending))
        }
        other => other,
    }
}

/// The end, with those of the findings before this one.
fn conclude(case: &Case, plan: &Plan, ending: Ending) -> Move {
    if case.closed.is_empty() {
        return Move::Conclude(ending);
    }
    let mut of = case.closed.clone();
    of.push(One { cause: plan.subject.cause.clone(), ending });
    Move::Conclude(Ending::Each { of })
}

/// What of rounds, minutes and minutes of nodes is used up.
fn spent(case: &Case, began: &Began) -> Option<String> {
    let minutes = (case.now - case.since) / 60;
    if case.run >= began.rounds {
        return Some(format!("{} tasks were run, and no more are allowed (--rounds)", case.run));
    }
    if case.used.as_secs() / 60 >= began.node_minutes {
        return Some(format!(
            "its tasks have used {} minutes of nodes, and no more are allowed (--node-minutes)",
            case.used.as_secs() / 60
        ));
    }
    let over = u64::try_from(minutes).unwrap_or(0) >= began.minutes;
    over.then(|| format!("{} minutes are over (--minutes)", began.minutes))
}

/// Whether a step stays within the nodes that the person named.
pub(super) fn within(began: &Began, step: &Step) -> bool {
    let named = &began.nodes;
    named.is_empty() || step.nodes.iter().all(|node| named.iter().any(|name| name == node.as_str()))
}

/// Whether the lines of what was fixed stayed away.
fn quiet(fixed: &Fixed, plans: &[Plan], now: i64) -> Ending {
    for plan in plans {
        for (clue, count) in &plan.subject.seen {
            // Of what was not worked on, nothing was promised.
            let Some(before) = fixed.seen.get(&key(plan, clue)).copied() else { continue };
            if *count > before {
                let why = format!("{} of {} came again: {before} lines before, {count} now", clue, plan.subject.cause);
                return Ending::NotQuiet { why };
            }
        }
    }
    let left = fixed.at + i64::try_from(fixed.quiet_s).unwrap_or(i64::MAX) - now;
    if left <= 0 {
        return Ending::Quiet;
    }
    Ending::Inconclusive { why: format!("quiet so far, and it has to stay so for {left} s more: come back then") }
}

struct Planner<'a> {
    case: &'a Case,
    work: &'a Work,
    began: &'a Began,
    plan: &'a Plan,
}

/// Where a fix stands.
enum Standing {
    /// This is next.
    Next(Move),
    /// It is over, and the next fix may be tried.
    Over,
}

impl Planner<'_> {
    fn next(&self) -> Move {
        if let Some(ask) = self.open_question() {
            return ask;
        }
        for step in self.plan.stage(Stage::Confirm).filter(|step| self.may(step)) {
            if let Some(run) = self.test(step) {
                return run;
            }
        }
        let checks: Vec<Check> = self.plan.stage(Stage::Confirm).filter_map(|step| self.case.check(step)).collect();
        let failed = checks.iter().any(|check| check.judged == Judged::Fail);
        let passed = !checks.is_empty() && checks.iter().all(|check| check.judged == Judged::Pass);
        if let Some(wants) = self.wants(Stage::Confirm) {
            return wants;
        }
        for fix in self.plan.stage(Stage::Fix).filter(|step| self.may(step)) {
            // What shows no fault now is not mended; and what is only possible is not acted on unless a test fails.
            let unproven = self.plan.subject.confidence == Confidence::Possible && !failed;
            if (passed && fix.aim == Aim::Repair) || unproven || self.lacks(fix).is_some() {
                continue;
            }
            match self.fix(fix) {
                Standing::Next(next) => return next,
                Standing::Over => {}
            }
        }
        Move::Conclude(self.wanted(|_, want| want.held).unwrap_or_else(|| self.ending(&checks, passed, failed)))
    }

    /// Whether a step can be run and nobody said no. Where a finding is only looked at, nothing else may.
    fn may(&self, step: &Step) -> bool {
        let looks = !self.case.only_looks() || sees(step);
        looks && step.runs() && !self.work.refused.contains_key(&step.id) && within(self.began, step)
    }

    /// What a fix lacks that rests on tests: the first of them that has not passed, and why.
    fn lacks(&self, fix: &Step) -> Option<String> {
        let lacks = |id: &String| match self.plan.step(id).and_then(|step| self.case.check(step)) {
            Some(check) if check.judged == Judged::Pass => None,
            Some(check) => Some(check.why.first().map_or_else(|| id.clone(), |why| format!("{}: {why}", check.test))),
            None => Some(format!("{id} has to pass first, and was not run")),
        };
        fix.proven_by.iter().find_map(lacks)
    }

    /// A question that is open and stands in the way of a step that diag would run.
    fn open_question(&self) -> Option<Move> {
        if self.case.only_looks() {
            return None;
        }
        let questions = &self.plan.questions;
        let open = questions.iter().find(|question| !self.case.unanswered.contains(&question.id));
        if let Some(question) = open {
            return Some(Move::Ask(question.clone()));
        }
        let cause = &self.plan.subject.cause;
        let about = |open: &Question| Topic::Value { cause: cause.clone(), question: open.id.clone() };
        if let Some(consult) = questions.iter().find_map(|open| self.case.consults(about(open))) {
            return Some(consult);
        }
        let runs = self.plan.stage(Stage::Fix).any(|step| self.may(step));
        let asks = || questions.iter().map(|question| format!("{} (--set {}=…)", question.what, question.id)).collect();
        (!questions.is_empty() && !runs).then(|| Move::Conclude(Ending::Asks { questions: asks() }))
    }

    /// A test: its run, and where that could not do its work for a reason of its own, a repair and the run again.
    fn test(&self, step: &Step) -> Option<Move> {
        let again = self.work.again.get(&step.id);
        if again.is_none() && self.work.done.get(&step.id).is_some_and(|done| done.len() >= step.tasks.len()) {
            let repairs = self.case.to_repair(step);
            return (!repairs.is_empty()).then(|| Move::Repair { step: step.id.clone(), repairs });
        }
        self.run_on(step, again.cloned().unwrap_or_default())
    }

    /// The next task of a step, on some of its groups or all, asking the scheduler first where the step does more than look.
    fn run_on(&self, step: &Step, only: Vec<usize>) -> Option<Move> {
        let again = self.work.again.contains_key(&step.id);
        let done = if again { 0 } else { self.work.done.get(&step.id).map_or(0, Vec::len) };
        if done >= step.tasks.len() || self.work.wanted.contains_key(&step.id) {
            return None;
        }
        if risk(step) != Risk::Observe && !step.nodes.is_empty() && self.probes() {
            return Some(Move::Probe);
        }
        Some(Move::Run { stage: step.stage, step: step.id.clone(), task: done, only })
    }

    /// What the scheduler said since anything was done.
    fn seen(&self) -> Option<&Scheduler> {
        self.case.scheduler.as_ref().filter(|(_, acted)| *acted == self.case.acted).map(|(seen, _)| seen)
    }

    /// Whether the scheduler is to be asked: it was not since anything was done, and asking it was not held back.
    fn probes(&self) -> bool {
        let held = self.work.refused.contains_key(scheduler::STEP) || self.work.wanted.contains_key(scheduler::STEP);
        self.seen().is_none() && !held && !self.case.holds()
    }

    /// The steps of a stage that need a yes.
    fn wants(&self, stage: Stage) -> Option<Move> {
        // A test that was only held back keeps nobody from seeing what would come after it.
        let over = |want: &Want| want.held && stage == Stage::Confirm;
        self.wanted(|step, want| step.stage == stage && !over(want)).map(Move::Conclude)
    }

    /// The end that some steps are wanted.
    fn wanted(&self, which: impl Fn(&Step, &Want) -> bool) -> Option<Ending> {
        let wanted = self.plan.steps.iter().filter_map(|step| Some((step, self.work.wanted.get(&step.id)?)));
        let wanted = wanted.filter(|(step, want)| which(step, want));
        let steps: Vec<String> =
            wanted.map(|(step, want)| format!("{}: {} ({})", step.id, step.title, want.why)).collect();
        (!steps.is_empty()).then_some(Ending::Wants { steps })
    }

    fn fix(&self, fix: &Step) -> Standing {
        let done = self.work.done.get(&fix.id).map_or(&[][..], Vec::as_slice);
        let fate = fate(fix, done);
        if !fate.lost && done.len() < fix.tasks.len() && (done.is_empty() || !fate.well.is_empty()) {
            // Where a command of it failed, the next one is not run.
            if let Some(next) = self.run_on(fix, fate.some(&fate.well)) {
                return Standing::Next(next);
            }
            return self.wants(Stage::Fix).map_or(Standing::Over, Standing::Next);
        }
        if fate.well.is_empty() {
            // What certainly did nothing needs no undoing.
            return self.undo(fix, &fate, |_| true);
        }
        if fix.aim == Aim::Contain { self.contained(fix, &fate) } else { self.verified(fix, &fate) }
    }

    /// After a drain: does the scheduler say that no new job comes?
    fn contained(&self, fix: &Step, fate: &Fate) -> Standing {
        if self.probes() {
            return Standing::Next(Move::Probe);
        }
        let nodes: Vec<&str> = fix.nodes.iter().map(|node| node.as_str()).collect();
        let nodes = nodes.join(", ");
        let unsaid = || {
            let why = format!("the scheduler does not say whether new jobs are kept off {nodes}");
            Standing::Next(Move::Conclude(Ending::Inconclusive { why }))
        };
        let Some(seen) = self.seen().filter(|seen| **seen != Scheduler::default()) else { return unsaid() };
        if self.work.back {
            return self.back(fix, &seen.kept_off);
        }
        if fix.nodes.iter().all(|node| seen.kept_off.contains(node)) {
            let after = |what: &str, all: &[String]| match all {
                [] => String::new(),
                all => format!("; {what}: {}", all.join("; ")),
            };
            let (tried, left) = (after("tried without effect", &self.tried()), after("left", &self.left()));
            let why = format!(
                "no new job comes to {nodes}; what is broken there stays so until somebody mends it{tried}{left}"
            );
            return Standing::Next(Move::Conclude(Ending::Contained { why }));
        }
        self.undo(fix, fate, |node| !node.is_some_and(|node| seen.kept_off.contains(node)))
    }

    /// The tests that come after a fix.
    fn verifies(&self, fix: &Step) -> Vec<&Step> {
        let own = |step: &&Step| step.after.as_ref() == Some(&fix.id) && self.may(step);
        self.plan.stage(Stage::Verify).filter(own).collect()
    }

    /// Each of these tests with the same before.
    fn pairs(&self, again: &[&Step]) -> Vec<(Option<Check>, Check)> {
        let before = |step: &Step| {
            let confirm = self.plan.stage(Stage::Confirm).find(|confirm| confirm.of == step.of)?;
            self.case.check(confirm)
        };
        again.iter().filter_map(|step| Some((before(step), self.case.check(step)?))).collect()
    }

    /// The next of the tests that follow something done, until each has run.
    fn test_again(&self, tests: &[&Step]) -> Option<Move> {
        tests.iter().find_map(|step| self.test(step)).or_else(|| self.wants(Stage::Verify))
    }

    /// What tests show that ran before and again.
    fn judged(&self, tests: &[&Step]) -> Proven {
        let pairs = self.pairs(tests);
        let pairs: Vec<(Option<&Check>, &Check)> =
            pairs.iter().map(|(before, after)| (before.as_ref(), after)).collect();
        verdict(&pairs)
    }

    /// After a repair: the tests again, and what they show.
    fn verified(&self, fix: &Step, fate: &Fate) -> Standing {
        let again = self.verifies(fix);
        if let Some(next) = self.test_again(&again) {
            return Standing::Next(next);
        }
        let judged = self.judged(&again);
        match judged.verdict {
            Verdict::NotFixed => {
                let tested: Vec<_> = again.iter().flat_map(|step| &step.nodes).collect();
                let fails: Vec<_> = again.iter().flat_map(|step| self.case.places(step, Judged::Fail)).collect();
                // Where the test passes now, what was done stays.
                self.undo(fix, fate, |node| {
                    node.is_none_or(|node| !tested.contains(&node) || fails.iter().any(|name| name == node.as_str()))
                })
            }
            Verdict::Inconclusive if fate.well.len() < fate.groups => self.undo(fix, &fate.failed(), |_| true),
            Verdict::Inconclusive => Standing::Next(Move::Conclude(Ending::Inconclusive { why: judged.why })),
            Verdict::Fixed if self.was_off(fix) && self.probes() => Standing::Next(Move::Probe),
            Verdict::Fixed => {
                let window = self.plan.verify.quiet.as_ref().and_then(|quiet| span(&quiet.window));
                let quiet_s = window.map_or(0, |window| window.as_secs());
                let why = judged.why + &self.still_off(fix);
                Standing::Next(Move::Conclude(Ending::Fixed { why, quiet_s }))
            }
        }
    }

    /// Whether new jobs were kept off a node of a fix when the scheduler was last asked.
    fn was_off(&self, fix: &Step) -> bool {
        let last = self.case.scheduler.as_ref();
        last.is_some_and(|(seen, _)| fix.nodes.iter().any(|node| seen.kept_off.contains(node)))
    }

    /// What is told of nodes that are well, and that the scheduler keeps off all the same: that is not this fix's to lift.
    fn still_off(&self, fix: &Step) -> String {
        let Some(seen) = self.seen() else { return String::new() };
        let who = self.case.who();
        let off = fix.nodes.iter().filter(|node| seen.kept_off.contains(node));
        let told =
            off.map(|node| format!("; no new job comes to {node} before somebody agrees: {}", by_hand(&who, node)));
        told.collect()
    }

    /// Takes a fix back where it may have done something and did not help, and that can be done; then the next may be tried.
    fn undo(&self, fix: &Step, fate: &Fate, wanted: impl Fn(Option<&NodeName>) -> bool) -> Standing {
        let back: BTreeSet<usize> = fate.acted.iter().copied().filter(|at| wanted(fate.node(fix, *at))).collect();
        let mut undo = self.plan.stage(Stage::Undo).filter(|step| step.after.as_ref() == Some(&fix.id));
        let Some(undo) = undo.find(|step| self.may(step)).filter(|_| !back.is_empty()) else { return Standing::Over };
        let alike = undo.tasks.iter().all(|task| task.groups.len() == fate.groups);
        match self.run_on(undo, if alike { fate.some(&back) } else { Vec::new() }) {
            Some(next) => Standing::Next(next),
            None => self.wants(Stage::Undo).map_or(Standing::Over, Standing::Next),
        }
    }

    /// No step is left.
    fn ending(&self, checks: &[Check], passed: bool, failed: bool) -> Ending {
        let tried = self.plan.stage(Stage::Fix).any(|step| self.work.done.contains_key(&step.id));
        let left = self.left();
        if tried {
            return Ending::NotFixed { why: self.why_not(), left };
        }
        if passed {
            let names: Vec<&str> = checks.iter().map(|check| check.test.as_str()).collect();
            return Ending::NotThere { why: format!("{} passes now, before anything was done", names.join(", ")) };
        }
        if self.plan.subject.confidence == Confidence::Possible && !failed {
            return Ending::Undetermined;
        }
        Ending::Hands { left }
    }

    /// Why what was tried did not help.
    fn why_not(&self) -> String {
        let tried = self.plan.stage(Stage::Fix).filter(|step| self.work.done.contains_key(&step.id));
        tried.filter_map(|fix| self.no_help(fix)).collect::<Vec<_>>().join("; ")
    }

    /// Why a fix did not help: what the tests say afterwards, or how it ended itself.
    fn no_help(&self, fix: &Step) -> Option<String> {
        let after = self.pairs(&self.verifies(fix));
        let fails = after.iter().find(|(_, after)| after.judged == Judged::Fail);
        let test = fails.and_then(|(_, check)| Some(format!("{} fails: {}", check.test, check.why.first()?)));
        test.or_else(|| fate(fix, self.work.done.get(&fix.id)?).why.map(|why| format!("{} failed: {why}", fix.of)))
    }

    /// The repairs that were tried before the node was kept off, and why they did not help: whoever goes there need not try them.
    fn tried(&self) -> Vec<String> {
        let repairs = self.plan.stage(Stage::Fix).filter(|step| step.aim == Aim::Repair);
        repairs.filter_map(|fix| Some(format!("{} ({})", fix.title, self.no_help(fix)?))).collect()
    }

    /// What a person can still do, and why diag does not.
    fn left(&self) -> Vec<String> {
        let why = |step: &Step| {
            let outside = || (!within(self.began, step)).then(|| "not among the nodes that were named".to_owned());
            let looked = || {
                self.case.only_looks().then(|| format!("only looked at: --cause {} takes it", self.plan.subject.cause))
            };
            let refused = self.work.refused.get(&step.id).cloned();
            let why = refused.or_else(|| step.cannot.first().cloned()).or_else(outside).or_else(looked);
            why.map(|why| format!(" ({why})")).unwrap_or_default()
        };
        let open = self.plan.stage(Stage::Fix).filter(|step| !self.work.done.contains_key(&step.id));
        let told = |step: &Step| match self.lacks(step) {
            // What speaks against it stands before it: who reads on may not take it for advice.
            Some(lacks) => format!("{lacks}; so this is not done: {}", step.title),
            None => format!("{}{}", step.title, why(step)),
        };
        open.map(told).collect()
    }
}
