//! What runs beside the screen: the same driver as that of `diag fix`, whose person sits at the screen.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};

use tokio_util::sync::CancellationToken;

use super::Args;
use super::session::{Message, Setting};
use crate::agent::{Manner, World, handover};
use crate::cli::fix::{self, Evidence, Job};
use crate::cli::plan::{self as planning, What};
use crate::error::Error;
use crate::exec::{End, Ran, Told};
use crate::plan::{Answers, Plan, Question, Step, Target};
use crate::policy::{Asked, Policy};
use crate::triage::{Event, News, Reply};
use crate::verdict::Outcome;

/// The two ends of what is said between what runs and the screen.
pub(super) struct Line {
    /// To the screen.
    pub(super) tell: SyncSender<Message>,
    /// What the person says.
    pub(super) replies: Receiver<Reply>,
}

/// Works on a case to its end. `root`: the case, where there is one already; `cause`: only the finding of this cause.
pub(super) fn work(setting: &Setting<'_>, root: Option<PathBuf>, cause: Option<String>, line: Line) {
    let tell = line.tell.clone();
    let ended = carry_out(setting, root, cause, line).map_err(|error| told(&error));
    let _ = tell.send(Message::Event(Event::News(News::Ended(ended))));
}

/// The case to work on; made of the inputs where there is none, which the screen is told.
pub(super) fn case(args: &Args, root: Option<PathBuf>, tell: &SyncSender<Message>) -> Result<PathBuf, Error> {
    if let Some(root) = root {
        return Ok(root);
    }
    let quiet = What { quiet: true, ..args.what.clone() };
    let root = fix::case_folder(&quiet, args.case.as_deref())?;
    let _ = tell.send(Message::Event(Event::Made(root.display().to_string())));
    Ok(root)
}

fn carry_out(setting: &Setting<'_>, root: Option<PathBuf>, cause: Option<String>, line: Line) -> Result<String, Error> {
    let Setting { args, library, policy, site } = setting;
    let root = case(args, root, &line.tell)?;
    let before = fix::last_began(&root)?;
    let who = args.terms.how.scheduler();
    let mut what = What { inputs: vec![root.display().to_string()], quiet: true, who, ..args.what.clone() };
    // As `diag resume`: what was looked at is looked at again.
    let inputs = match before {
        Some(began) => {
            what.narrow = serde_json::from_value(began.narrow).unwrap_or_default();
            what.cause = cause.or(began.cause);
            began.inputs
        }
        None => {
            what.cause = cause.or(what.cause);
            fix::absolute(&args.what.inputs)
        }
    };
    let (given, how) = (planning::answers(&what.set)?, &args.terms.how);
    let evidence = Evidence { what: &what, library, root: &root, given, how };
    let tell = line.tell.clone();
    let mut person = Person { evidence, policy, line };
    let (terms, nodes) = (&args.terms, args.terms.nodes()?);
    let job = Job { what: &what, terms, root: &root, inputs, nodes, library, site, manner: Manner::GoOn };
    let mut stopper = |token: CancellationToken| drop(tell.send(Message::Stopper(token)));
    let (case, ending) = fix::carry_out(&job, &mut person, &mut stopper)?;
    person.say(News::Told(fix::summary(&case, &ending, &root)));
    Ok(handover::ending(&ending))
}

/// An error in a line.
pub(super) fn told(error: &Error) -> String {
    let way_on = if error.way_on.is_empty() { String::new() } else { format!(" ({})", error.way_on) };
    format!("{error} [{}]{way_on}", error.code)
}

/// Writes what is handed over; what is told of that.
pub(super) fn hand_over(args: &Args, root: Option<PathBuf>, page: &str, tell: &SyncSender<Message>) -> String {
    let written = case(args, root, tell).and_then(|root| fix::write_page(&root, page));
    written.map_or_else(|error| told(&error), |file| format!("written: {}", file.display()))
}

/// The person at the screen.
struct Person<'a> {
    evidence: Evidence<'a>,
    policy: &'a Policy,
    line: Line,
}

impl Person<'_> {
    fn say(&self, news: News) {
        let _ = self.line.tell.send(Message::Event(Event::News(news)));
    }

    /// Asks, and waits for what the person says; nothing where nobody is there any more.
    fn wait(&self, news: News) -> Reply {
        // What was said to something else is no answer to this.
        while self.line.replies.try_recv().is_ok() {}
        self.say(news);
        self.line.replies.recv().unwrap_or(Reply::Nobody)
    }
}

impl World for Person<'_> {
    fn now(&self) -> i64 {
        jiff::Timestamp::now().as_second()
    }

    fn read(&mut self, answers: &Answers, live: bool) -> Result<(Outcome, String, Vec<Plan>), Error> {
        let planned = self.evidence.read(answers, live)?;
        let says = planned.plans.iter().map(|plan| planning::says(plan, self.policy)).collect();
        self.say(News::Plans(planned.plans.clone(), says));
        Ok((planned.report.outcome, planned.report.headline, planned.plans))
    }

    fn ask(&mut self, question: &Question) -> Option<String> {
        match self.wait(News::Answer(question.clone())) {
            Reply::Answer(answer) => Some(answer),
            Reply::Agree(_) | Reply::Nobody => None,
        }
    }

    fn agree(&mut self, step: &Step, asked: &Asked) -> Option<bool> {
        match self.wait(News::Agree(Box::new(step.clone()), asked.clone())) {
            Reply::Agree(yes) => Some(yes),
            Reply::Answer(_) | Reply::Nobody => None,
        }
    }

    fn tell(&mut self, what: &str) {
        self.say(News::Told(what.to_owned()));
    }

    fn watch(&mut self, title: &str, parts: usize) -> Box<dyn Told> {
        self.say(News::Begins(title.to_owned(), parts));
        Box::new(Watch { tell: self.line.tell.clone(), dropped: AtomicU64::new(0) })
    }

    fn who(&self) -> String {
        fix::who()
    }
}

/// Tells the screen how a run goes.
struct Watch {
    tell: SyncSender<Message>,
    /// Bytes that came faster than the screen takes them.
    dropped: AtomicU64,
}

impl Watch {
    fn say(&self, news: News) {
        let _ = self.tell.send(Message::Event(Event::News(news)));
    }
}

impl Told for Watch {
    fn began(&self, part: usize, target: &Target) {
        self.say(News::Began(part, target.to_string()));
    }

    /// What is printed waits for nobody: a program that prints without end must not hold the run.
    fn printed(&self, part: usize, _target: &Target, bytes: &[u8]) {
        let message = Message::Event(Event::News(News::Printed(part, bytes.to_vec())));
        if let Err(TrySendError::Full(_)) = self.tell.try_send(message) {
            self.dropped.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
    }

    fn ended(&self, part: usize, ran: &Ran) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            self.say(News::Dropped(dropped));
        }
        self.say(News::PartEnded(part, ran.end.to_string(), ran.end == End::Exit(0)));
    }
}
