//! Performs moves: the journal is written before and after, the policy asked each time, and no move decided here.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::built::{self, Built};
use super::counsel::{Counsel, Menu, Topic};
use super::entry::{Began, Ending, Entry, Manner, Want};
use super::facts::{Fact, facts};
use super::fate::in_words;
use super::handover;
use super::next::{Move, next};
use super::replay::tell;
use super::state::Case;
use crate::breaker::{Answer, Breaker};
use crate::case::{Journal, Line, Pages};
use crate::error::Error;
use crate::exec::{End, Executor, Ran, Told};
use crate::plan::{Answers, NodeName, Plan, Question, Repair, Stage, Step, Task, Witness};
use crate::playbook::schema::Status;
use crate::playbook::test::Judged;
use crate::policy::{self, Approved, Asked, Consent, Facts, Held, Occupied, Policy, Said};
use crate::scheduler::{self, Scheduler};
use crate::verdict::Outcome;

/// What the driver needs of the world beside an executor.
pub trait World {
    /// The time, in seconds since 1970 (UTC).
    fn now(&self) -> i64;
    /// Reads the evidence, and plans; `live`: not as it was kept in the case, but as it is now.
    ///
    /// # Errors
    /// It can't be read.
    fn read(&mut self, answers: &Answers, live: bool) -> Result<(Outcome, String, Vec<Plan>), Error>;
    /// Asks a person; `None`: nobody is there.
    fn ask(&mut self, question: &Question) -> Option<String>;
    /// The model that may be asked, by its name.
    fn model(&self) -> Option<String> {
        None
    }
    /// Asks a model what it picks of what the rules leave open, or what it tells of the end.
    ///
    /// # Errors
    /// Why it is of no help: the rules go on alone.
    fn consult(&mut self, _menu: &Menu, _facts: &[Fact]) -> Result<Counsel, String> {
        Err("no model is asked here".to_owned())
    }
    /// Lets time pass, in seconds, unless it is stopped.
    fn rest(&mut self, seconds: u64, stop: &CancellationToken) {
        rest(seconds, stop);
    }
    /// Asks a person whether a step may be done; `None`: nobody is there.
    fn agree(&mut self, step: &Step, asked: &Asked) -> Option<bool>;
    /// Whether a person says no to a step that needs no yes, and is held back.
    fn declines(&mut self, _step: &Step) -> bool {
        false
    }
    /// Why they said no.
    fn because(&self) -> String {
        "a person said no".to_owned()
    }
    /// Says what happens.
    fn tell(&mut self, what: &str);
    /// Watches something that is about to run in so many parts.
    fn watch(&mut self, title: &str, parts: usize) -> Box<dyn Told>;
    /// Who the person is.
    fn who(&self) -> String;
}

/// Lets time pass, in seconds, unless it is stopped.
pub fn rest(seconds: u64, stop: &CancellationToken) {
    const NAP: Duration = Duration::from_millis(200);
    let naps = Duration::from_secs(seconds).as_millis() / NAP.as_millis();
    for _ in 0..naps {
        if stop.is_cancelled() {
            return;
        }
        std::thread::sleep(NAP);
    }
}

/// A case that is worked on.
pub struct Driver<'a> {
    journal: Journal,
    case: Case,
    executor: &'a dyn Executor,
    breaker: Option<Breaker>,
    stop: CancellationToken,
    /// What this process has planned itself.
    built: Built,
}

impl<'a> Driver<'a> {
    /// Opens a case and goes on with it.
    ///
    /// # Errors
    /// Another diag works on it, or its journal is damaged or can't be written.
    pub fn open(
        journal: (Journal, Pages),
        began: Began,
        executor: &'a dyn Executor,
        breaker: Option<Breaker>,
        world: &mut dyn World,
    ) -> Result<Self, Error> {
        let (journal, pages) = journal;
        let case = Case::of(&pages.lines)?;
        let (stop, built) = (CancellationToken::new(), Built::default());
        let mut driver = Self { journal, case, executor, breaker, stop, built };
        if let Some(torn) = pages.torn {
            world.tell(
                "diag was ended while it wrote a line of the journal: that line is gone, and nothing was begun on it",
            );
            driver.write(Entry::Torn(torn), world)?;
        }
        let began = driver.rebuild(began, world)?;
        driver.write(Entry::Began(Box::new(began)), world)?;
        Ok(driver)
    }

    /// Plans anew what a run before has planned, where this one would go on with that. What this diag does not plan so is begun
    /// afresh, unless something was changed already: then it is asked for, step by step.
    fn rebuild(&mut self, began: Began, world: &mut dyn World) -> Result<Began, Error> {
        let after = self.case.begun(began.clone());
        if after.read.is_none() || after.stale || after.holds() {
            return Ok(began);
        }
        self.built = Built::as_written(&world.read(&after.answers, false)?.2)?;
        if self.built.has_all(&after) {
            return Ok(began);
        }
        world.tell(built::OTHER);
        Ok(Began { manner: Manner::Afresh, ..began })
    }

    /// What the case comes to now.
    #[must_use]
    pub const fn case(&self) -> &Case {
        &self.case
    }

    /// The token that stops what runs.
    #[must_use]
    pub fn stopper(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Makes moves until there is an end.
    ///
    /// # Errors
    /// What keeps it from going on: evidence that can't be read, a journal that can't be written.
    pub fn run(&mut self, world: &mut dyn World) -> Result<Ending, Error> {
        loop {
            let step = next(&self.case);
            if let Move::Conclude(ending) = &step {
                if self.case.ended.is_some() {
                    return Ok(ending.clone());
                }
                self.write(Entry::Concluded(ending.clone()), world)?;
                continue;
            }
            self.perform(&step, world)?;
            if self.stop.is_cancelled() {
                let why = "it was stopped; `diag resume` goes on".to_owned();
                return Ok(Ending::Inconclusive { why });
            }
        }
    }

    fn write(&mut self, entry: Entry, world: &dyn World) -> Result<Line, Error> {
        let at = stamp(world.now());
        let line = self.journal.append(&at, &entry)?;
        self.case.take(line.number, &at, entry);
        Ok(line)
    }

    fn perform(&mut self, step: &Move, world: &mut dyn World) -> Result<(), Error> {
        match step {
            Move::Read => self.read(world),
            Move::Probe => {
                let step = scheduler::step(&self.case.who(), &self.case.nodes());
                self.through_policy(&step, (0, &[]), world)
            }
            Move::Consult(topic) => self.consult(topic, world),
            Move::Ask(question) => self.ask(question, world),
            Move::Run { step, task, only, .. } => match self.case.step(step).cloned() {
                Some(step) => self.through_policy(&step, (*task, only), world),
                None => Err(Error::new("journal.version", step, "the plan has no such step")),
            },
            Move::Repair { step, repairs } => self.repair(step, repairs, world),
            Move::Settle { line, again } => {
                if !again {
                    world.tell("what was about to be run when diag ended may have run: it is not repeated, its effect is looked at");
                }
                self.write(Entry::Settled { intent: *line, again: *again }, world).map(|_| ())
            }
            Move::Close(one) => {
                world.tell(&format!("{}: {}", one.cause, handover::ending(&one.ending)));
                self.write(Entry::Closed(one.clone()), world)?;
                if let Some(next) = self.case.plan() {
                    world.tell(&format!("\nnext: {}", next.subject.title));
                }
                Ok(())
            }
            Move::Conclude(_) => Ok(()),
        }
    }

    fn read(&mut self, world: &mut dyn World) -> Result<(), Error> {
        let live = self.case.fixed.is_some();
        let (outcome, headline, plans) = world.read(&self.case.answers, live)?;
        world.tell(&headline);
        self.built = Built::of(plans.clone());
        self.write(Entry::Read { outcome, headline, plans }, world)?;
        let todo: Vec<&str> = self.case.todo().iter().map(|plan| plan.subject.cause.as_str()).collect();
        let plans = self.case.read.iter().flat_map(|read| &read.plans);
        let others: Vec<&str> =
            plans.map(|plan| plan.subject.cause.as_str()).filter(|cause| !todo.contains(cause)).collect();
        if todo.len() > 1 {
            world.tell(&format!(
                "{} findings stand by themselves, and are worked on in this order: {}",
                todo.len(),
                todo.join(", ")
            ));
        }
        if !others.is_empty() {
            world.tell(&format!("not worked on, for it is only possible: {} (--cause takes one)", others.join(", ")));
        }
        Ok(())
    }

    /// Asks a model. What it picks is a place of the menu; what is none, or no help, leaves the rules as they are.
    fn consult(&mut self, topic: &Topic, world: &mut dyn World) -> Result<(), Error> {
        let nothing = || Error::new("journal.version", "menu", "there is nothing to pick");
        let menu = self.case.menu(topic).ok_or_else(nothing)?;
        let model = self.case.began.as_ref().and_then(|began| began.brain.clone()).unwrap_or_default();
        let none = || "it picked what was not offered".to_owned();
        let counsel = world.consult(&menu, &facts(&self.case));
        let counsel = counsel.and_then(|it| menu.words(&it.picks).ok_or_else(none).map(|said| (it, said)));
        let topic = topic.clone();
        // What is told of the end is told with the end.
        let silent = topic == Topic::Summary && counsel.is_ok();
        let entry = match counsel {
            Ok((Counsel { picks, claims: why, cited }, said)) => {
                Entry::Advised { topic, model, picks, said, why, cited }
            }
            Err(why) => Entry::Unadvised { topic, model, why },
        };
        if !silent {
            world.tell(&tell(&entry));
        }
        self.write(entry, world).map(|_| ())
    }

    fn ask(&mut self, question: &Question, world: &mut dyn World) -> Result<(), Error> {
        let id = question.id.clone();
        let entry = match world.ask(question) {
            Some(value) => Entry::Answered { id, value },
            None => Entry::Unanswered { id },
        };
        self.write(entry, world).map(|_| ())
    }

    /// Runs a task of a step, on some of its groups or all, if the policy allows it, or asks.
    fn through_policy(
        &mut self,
        step: &Step,
        (task, only): (usize, &[usize]),
        world: &mut dyn World,
    ) -> Result<(), Error> {
        let policy = self.policy()?;
        let facts = self.facts(step);
        match policy::judge(step, &facts, &policy, &self.said(world.now())).task(task) {
            Ok(_) if self.case.holds() => self.hold(step, &policy, world),
            Ok(_) if !self.is_ours(step, world.now()) => self.wish(step, &built::asked(), &policy, world),
            Ok(one) => {
                if let Some(why) = self.stopped_by_breaker(step, task) {
                    return self.refuse(step, "breaker", why, world);
                }
                let one = match &step.rubric {
                    Some(rubric) => one.repaired(&self.case.repairs(step), &rubric.repairs.params),
                    None => one,
                };
                self.carry_out(step, (task, only), &one.only(only), world)
            }
            Err(Held::Nothing) => Err(Error::new("journal.version", &step.id, "the step has no such task")),
            Err(Held::Refused(rule, why)) => self.refuse(step, &rule, why, world),
            Err(Held::Asks(asked)) => self.wish(step, &asked, &policy, world),
        }
    }

    /// Notes what is changed of a test, and waits where that is all.
    fn repair(&mut self, step: &str, repairs: &[Repair], world: &mut dyn World) -> Result<(), Error> {
        for line in few(repairs.iter().map(|repair| repair.said.clone()).collect()) {
            world.tell(&format!("  {line}"));
        }
        self.write(Entry::Repaired { step: step.to_owned(), repairs: repairs.to_vec() }, world)?;
        let wait = repairs.iter().map(Repair::wait_s).max().unwrap_or(0);
        if wait > 0 {
            world.rest(wait, &self.stop);
        }
        Ok(())
    }

    /// Whether a step is no journal's: this process has planned it, or a person has seen it and said yes.
    fn is_ours(&self, step: &Step, now: i64) -> bool {
        let plan = self.case.plan().filter(|plan| plan.steps.contains(step));
        let agreed = || {
            let digest = step.digest();
            self.case.consents.iter().any(|consent| consent.digest == digest && consent.until > now)
        };
        plan.is_none_or(|plan| self.built.has(plan, step)) || agreed()
    }

    fn refuse(&mut self, step: &Step, by: &str, why: String, world: &mut dyn World) -> Result<(), Error> {
        world.tell(&format!("not done: {}: {why}", step.title));
        let (step, by) = (step.id.clone(), by.to_owned());
        self.write(Entry::Refused { step, by, why, digest: None }, world).map(|_| ())
    }

    /// Leaves a step that needs no yes to whoever goes on.
    fn hold(&mut self, step: &Step, policy: &Policy, world: &mut dyn World) -> Result<(), Error> {
        if world.declines(step) {
            return self.decline(step, world);
        }
        let why = "nothing is run while nobody is there".to_owned();
        let want = Want { why, held: true, ..want(step, policy, world) };
        self.write(Entry::Wanted { step: step.id.clone(), want }, world).map(|_| ())
    }

    /// A person said no.
    fn decline(&mut self, step: &Step, world: &dyn World) -> Result<(), Error> {
        let (by, why, digest) = (world.who(), world.because(), Some(step.digest()));
        self.write(Entry::Refused { step: step.id.clone(), by, why, digest }, world).map(|_| ())
    }

    /// Asks a person for a step.
    fn wish(&mut self, step: &Step, asked: &Asked, policy: &Policy, world: &mut dyn World) -> Result<(), Error> {
        let why = asked.why.join("; ");
        let entry = match world.agree(step, asked) {
            None => {
                let want = Want { why, busy: asked.busy.clone(), ..want(step, policy, world) };
                Entry::Wanted { step: step.id.clone(), want }
            }
            Some(false) => return self.decline(step, world),
            Some(true) if asked.name => {
                let why = format!("it has to be named on the command line: --name {}", step.of);
                Entry::Refused { step: step.id.clone(), by: asked.rule.clone(), why, digest: None }
            }
            Some(true) => {
                let minutes = i64::try_from(policy.limits.consent_minutes).unwrap_or(0);
                let consent = Consent {
                    digest: step.digest(),
                    who: world.who(),
                    until: world.now().saturating_add(minutes * 60),
                    once: asked.once,
                    told_busy: !asked.busy.is_empty(),
                };
                Entry::Agreed { step: step.id.clone(), consent }
            }
        };
        self.write(entry, world).map(|_| ())
    }

    /// The breaker counts each node before it is taken from service; of several tasks of a step, at the first.
    fn stopped_by_breaker(&self, step: &Step, task: usize) -> Option<String> {
        let takes = step.stage == Stage::Fix && policy::action(&step.tasks).takes();
        let breaker = self.breaker.as_ref().filter(|_| takes && task == 0)?;
        step.nodes.iter().find_map(|node| match breaker.ask(node.as_str()) {
            Answer::Go => None,
            Answer::Stop(why) => Some(why),
        })
    }

    fn carry_out(
        &mut self,
        step: &Step,
        (task, only): (usize, &[usize]),
        one: &Approved<Task>,
        world: &mut dyn World,
    ) -> Result<(), Error> {
        world.tell(&step.title);
        let intent = Entry::Intent {
            step: step.id.clone(),
            task,
            only: only.to_vec(),
            digest: one.digest(),
            basis: one.basis().clone(),
            by: self.executor.name().to_owned(),
        };
        // On the disk before anything begins.
        let line = self.write(intent, world)?;
        let watch = world.watch(&step.id, one.groups.iter().map(|group| group.parts.len()).sum());
        let ran = crate::exec::run(self.executor, one, &self.stop, watch.as_ref())?;
        drop(watch);
        self.write(Entry::Result { intent: line.number, ran: ran.clone() }, world)?;
        for line in self.came_out(step, &ran) {
            world.tell(&format!("  {line}"));
        }
        Ok(())
    }

    /// What came of a task: the verdict of a test, who works where, or where something did not go well.
    fn came_out(&self, step: &Step, rans: &[Ran]) -> Vec<String> {
        let bad = || rans.iter().filter(|ran| ran.end != End::Exit(0)).map(in_words).collect::<Vec<_>>();
        if step.id == scheduler::STEP {
            let seen = self.case.scheduler.as_ref().map(|(seen, _)| seen);
            let silent = bad().into_iter().take(1).map(|why| format!("it does not answer: {why}"));
            return few(silent.chain(step.nodes.iter().map(|node| occupied(node, seen))).collect());
        }
        let check = step.rubric.as_ref().and_then(|_| self.case.check(step));
        let (word, lines) = match &check {
            Some(check) => (handover::outcome(Some(check)), check.why.clone()),
            None if bad().is_empty() => ("done", Vec::new()),
            None => ("not all went well", bad()),
        };
        std::iter::once(word.to_owned()).chain(few(lines)).collect()
    }

    fn policy(&self) -> Result<Policy, Error> {
        let began = self.case.began.as_ref();
        began
            .map(|began| began.policy.clone())
            .ok_or_else(|| Error::new("journal.version", "journal", "it has no beginning"))
    }

    fn facts(&self, step: &Step) -> Facts {
        let plan = self.case.plan();
        let mut facts = Facts::of(plan.map_or(Status::Experimental, |plan| plan.subject.status), step.nodes.clone());
        if let Some(plan) = plan {
            facts.witnesses.clone_from(&plan.subject.witnesses);
            let failed = plan
                .stage(Stage::Confirm)
                .filter_map(|step| self.case.check(step))
                .any(|check| check.judged == Judged::Fail);
            // A test that failed on the node just now is a witness of its own.
            if failed && !facts.witnesses.contains(&Witness::Node) {
                facts.witnesses.push(Witness::Node);
            }
        }
        if let Some((seen, _)) = &self.case.scheduler {
            seen.tell(&mut facts);
        }
        if let Some(breaker) = &self.breaker {
            facts.tripped = breaker.tripped();
            let mut others = breaker.recent();
            others
                .retain(|taken| !step.nodes.iter().any(|node| Breaker::is(std::slice::from_ref(taken), node.as_str())));
            facts.hour = others.len();
        }
        facts
    }

    fn said(&self, now: i64) -> Said {
        let began = self.case.began.as_ref();
        Said {
            approve: began.and_then(|began| began.approve),
            on_busy: began.is_some_and(|began| began.on_busy),
            named: began.map(|began| began.named.clone()).unwrap_or_default(),
            consents: self.case.consents.clone(),
            now,
        }
    }
}

/// A yes to exactly this is waited for, as long as the policy lets it.
fn want(step: &Step, policy: &Policy, world: &dyn World) -> Want {
    let (since, hours) = (world.now(), i64::try_from(policy.limits.wait_hours).unwrap_or(0));
    Want { digest: step.digest(), since, until: since.saturating_add(hours.saturating_mul(3600)), ..Want::default() }
}

/// Most lines that are told of one task.
const LINES: usize = 8;

fn few(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(LINES);
    lines.truncate(LINES);
    lines.extend((more > 0).then(|| format!("and {more} more: they stand in the journal")));
    lines
}

fn occupied(node: &NodeName, seen: Option<&Scheduler>) -> String {
    match seen.and_then(|seen| seen.occupied.get(node)) {
        Some(Occupied::Idle) => format!("{node} is idle"),
        Some(Occupied::Drained) => format!("{node} is out of service"),
        Some(Occupied::Busy(job)) => format!("{node} runs {job}"),
        Some(Occupied::Unknown) | None => format!("{node}: the scheduler does not say what runs there"),
    }
}

/// A time as the journal has it.
#[must_use]
pub(super) fn stamp(now: i64) -> String {
    jiff::Timestamp::from_second(now).unwrap_or_default().to_string()
}
