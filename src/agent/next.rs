//! What is done next, as a pure function of the case: each move can be derived again from the journal.

use std::fmt;

use super::entry::{Began, Ending};
use super::state::{Case, Fixed, key};
use crate::exec::{End, Ran};
use crate::plan::{Plan, Question, Stage, Step, span};
use crate::playbook::schema::{Aim, Risk};
use crate::playbook::test::Judged;
use crate::policy::risk;
use crate::scheduler::{self, Scheduler};
use crate::verdict::{Confidence, Outcome as Found};
use crate::verify::{Check, Verdict, verdict};

/// One move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// Read the evidence, and plan.
    Read,
    /// Ask the scheduler what runs on the nodes.
    Probe,
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
    },
    /// Look after what may have run when diag ended.
    Settle {
        /// The line of its intent.
        line: u64,
        /// Whether it only looks, so that it may be done again.
        again: bool,
    },
    /// Stop.
    Conclude(Ending),
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("read"),
            Self::Probe => f.write_str("probe the scheduler"),
            Self::Ask(question) => write!(f, "ask {}", question.id),
            Self::Run { stage, step, task } => {
                let word = match stage {
                    Stage::Confirm => "test",
                    Stage::Fix => "fix",
                    Stage::Verify => "verify",
                    Stage::Undo => "undo",
                };
                let nth = if *task == 0 { String::new() } else { format!(", part {}", task + 1) };
                write!(f, "{word} ({step}{nth})")
            }
            Self::Settle { line, again } => {
                let how = if *again { "only looks, done again" } else { "not repeated" };
                write!(f, "settle line {line}: it may have run; {how}")
            }
            Self::Conclude(_) => f.write_str("conclude"),
        }
    }
}

/// The next move of a case.
#[must_use]
pub fn next(case: &Case) -> Move {
    let Some(began) = &case.began else { return Move::Read };
    if let Some(ending) = &case.ended {
        return Move::Conclude(ending.clone());
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
        return Move::Conclude(Ending::Spent { why });
    }
    Planner { case, began, plan }.next()
}

/// The rounds or minutes that are used up.
fn spent(case: &Case, began: &Began) -> Option<String> {
    let minutes = (case.now - case.since) / 60;
    if case.run >= began.rounds {
        return Some(format!("{} tasks were run, and no more are allowed (--rounds)", case.run));
    }
    let over = u64::try_from(minutes).unwrap_or(0) >= began.minutes;
    over.then(|| format!("{} minutes are over (--minutes)", began.minutes))
}

/// Whether the lines of what was fixed stayed away.
fn quiet(fixed: &Fixed, plans: &[Plan], now: i64) -> Ending {
    for plan in plans {
        for (clue, count) in &plan.subject.seen {
            let before = fixed.seen.get(&key(plan, clue)).copied().unwrap_or(0);
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
            if let Some(run) = self.run(step) {
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
            if (passed && fix.aim == Aim::Repair) || unproven {
                continue;
            }
            match self.fix(fix) {
                Standing::Next(next) => return next,
                Standing::Over => {}
            }
        }
        Move::Conclude(self.ending(&checks, passed, failed))
    }

    /// Whether a step can be run and nobody said no.
    fn may(&self, step: &Step) -> bool {
        step.runs() && !self.case.refused.contains_key(&step.id) && self.allowed_nodes(step)
    }

    /// Whether a step stays within the nodes that the person named.
    fn allowed_nodes(&self, step: &Step) -> bool {
        let named = &self.began.nodes;
        named.is_empty() || step.nodes.iter().all(|node| named.iter().any(|name| name == node.as_str()))
    }

    /// A question that is open and stands in the way of a step that diag would run.
    fn open_question(&self) -> Option<Move> {
        let questions = &self.plan.questions;
        let open = questions.iter().find(|question| !self.case.unanswered.contains(&question.id));
        if let Some(question) = open {
            return Some(Move::Ask(question.clone()));
        }
        let runs = self.plan.stage(Stage::Fix).any(|step| self.may(step));
        let asks = || questions.iter().map(|question| format!("{} (--set {}=…)", question.what, question.id)).collect();
        (!questions.is_empty() && !runs).then(|| Move::Conclude(Ending::Asks { questions: asks() }))
    }

    /// The next task of a step, asking the scheduler first where the step does more than look.
    fn run(&self, step: &Step) -> Option<Move> {
        let done = self.case.done.get(&step.id).map_or(0, Vec::len);
        if done >= step.tasks.len() || self.case.wanted.contains_key(&step.id) {
            return None;
        }
        let fresh = self.case.scheduler.as_ref().is_some_and(|(_, acted)| *acted == self.case.acted);
        if risk(step) != Risk::Observe && !step.nodes.is_empty() && !fresh {
            return Some(Move::Probe);
        }
        Some(Move::Run { stage: step.stage, step: step.id.clone(), task: done })
    }

    /// The steps of a stage that need a yes.
    fn wants(&self, stage: Stage) -> Option<Move> {
        let wanted = self.plan.stage(stage).filter(|step| self.case.wanted.contains_key(&step.id));
        let steps: Vec<String> =
            wanted.map(|step| format!("{}: {} ({})", step.id, step.title, self.case.wanted[&step.id])).collect();
        (!steps.is_empty()).then_some(Move::Conclude(Ending::Wants { steps }))
    }

    fn fix(&self, fix: &Step) -> Standing {
        let runs = self.case.done.get(&fix.id).map_or(&[][..], Vec::as_slice);
        let ended: Vec<&Ran> = runs.iter().flatten().collect();
        let well = |ran: &&Ran| matches!(ran.end, End::Exit(0) | End::Lost(_));
        if !ended.iter().all(well) {
            // What certainly did nothing needs no undoing.
            let acted = ended.iter().any(|ran| ran.end.may_have_acted());
            return if acted { self.undo(fix) } else { Standing::Over };
        }
        let lost = ended.iter().any(|ran| matches!(ran.end, End::Lost(_)));
        if !lost && runs.len() < fix.tasks.len() {
            if let Some(next) = self.run(fix) {
                return Standing::Next(next);
            }
            return self.wants(Stage::Fix).map_or(Standing::Over, Standing::Next);
        }
        if fix.aim == Aim::Contain { self.contained(fix) } else { self.verified(fix) }
    }

    /// After a drain: does the scheduler say that no new job comes?
    fn contained(&self, fix: &Step) -> Standing {
        let Some((seen, _)) = self.case.scheduler.as_ref().filter(|(_, acted)| *acted == self.case.acted) else {
            return Standing::Next(Move::Probe);
        };
        let nodes: Vec<&str> = fix.nodes.iter().map(|node| node.as_str()).collect();
        let nodes = nodes.join(", ");
        if fix.nodes.iter().all(|node| seen.kept_off.contains(node)) {
            let why = format!("no new job comes to {nodes}; what is broken there stays so until somebody mends it");
            return Standing::Next(Move::Conclude(Ending::Contained { why }));
        }
        if *seen == Scheduler::default() {
            let why = format!("the scheduler does not say whether new jobs are kept off {nodes}");
            return Standing::Next(Move::Conclude(Ending::Inconclusive { why }));
        }
        self.undo(fix)
    }

    /// After a repair: the tests again, and what they show.
    fn verified(&self, fix: &Step) -> Standing {
        let again: Vec<&Step> = self
            .plan
            .stage(Stage::Verify)
            .filter(|step| step.after.as_ref() == Some(&fix.id) && self.may(step))
            .collect();
        for step in &again {
            if let Some(run) = self.run(step) {
                return Standing::Next(run);
            }
        }
        if let Some(wants) = self.wants(Stage::Verify) {
            return Standing::Next(wants);
        }
        let before = |step: &Step| {
            let confirm = self.plan.stage(Stage::Confirm).find(|confirm| confirm.of == step.of)?;
            self.case.check(confirm)
        };
        let after: Vec<(Option<Check>, Check)> =
            again.iter().filter_map(|step| Some((before(step), self.case.check(step)?))).collect();
        let pairs: Vec<(Option<&Check>, &Check)> =
            after.iter().map(|(before, after)| (before.as_ref(), after)).collect();
        let judged = verdict(&pairs);
        match judged.verdict {
            Verdict::NotFixed => self.undo(fix),
            Verdict::Inconclusive => Standing::Next(Move::Conclude(Ending::Inconclusive { why: judged.why })),
            Verdict::Fixed => {
                let window = self.plan.verify.quiet.as_ref().and_then(|quiet| span(&quiet.window));
                let quiet_s = window.map_or(0, |window| window.as_secs());
                Standing::Next(Move::Conclude(Ending::Fixed { why: judged.why, quiet_s }))
            }
        }
    }

    /// Takes a fix back that did not help, where that can be done; then the next one may be tried.
    fn undo(&self, fix: &Step) -> Standing {
        let mut undo = self.plan.stage(Stage::Undo).filter(|step| step.after.as_ref() == Some(&fix.id));
        let Some(undo) = undo.find(|step| self.may(step)) else { return Standing::Over };
        match self.run(undo) {
            Some(next) => Standing::Next(next),
            None => self.wants(Stage::Undo).map_or(Standing::Over, Standing::Next),
        }
    }

    /// No step is left.
    fn ending(&self, checks: &[Check], passed: bool, failed: bool) -> Ending {
        let tried = self.plan.stage(Stage::Fix).any(|step| self.case.done.contains_key(&step.id));
        let left = self.left();
        if tried {
            return Ending::NotFixed { left };
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

    /// What a person can still do, and why diag does not.
    fn left(&self) -> Vec<String> {
        let why = |step: &Step| {
            let outside = || (!self.allowed_nodes(step)).then(|| "not among the nodes that were named".to_owned());
            let refused = self.case.refused.get(&step.id).cloned();
            let why = refused.or_else(|| step.cannot.first().cloned()).or_else(outside);
            why.map(|why| format!(" ({why})")).unwrap_or_default()
        };
        let open = self.plan.stage(Stage::Fix).filter(|step| !self.case.done.contains_key(&step.id));
        open.map(|step| format!("{}{}", step.title, why(step))).collect()
    }
}
