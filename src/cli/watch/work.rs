//! `diag watch run`: works on what waits, so many at a time, the oldest first.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use diag_parsers::hostlist;

use super::keep::{Keeper, Kept};
use super::look::{Ended, Look};
use super::post::Mail;
use super::{State, gather, now};
use crate::cli::EXIT_HEALTHY;
use crate::config::Config;
use crate::error::Error;
use crate::history::{self, Mark, What};
use crate::report::guard;
use crate::spool::{Lines, Record, Spool};
use crate::verdict::Outcome;
use crate::watch::ended::{Row, Worth};
use crate::watch::notice::Book;
use crate::watch::{Board, Entry, Found, Subject};

/// How to work.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Go on when nothing waits, as a service does.
    #[arg(long)]
    stay: bool,
    /// Go into a session of its own, and return.
    #[arg(long, hide = true)]
    detach: bool,
    /// This is such a process.
    #[arg(long, hide = true)]
    own_session: bool,
    #[command(flatten)]
    state: State,
}

/// How often it looks round.
const TICK: Duration = Duration::from_millis(100);

/// How often the controller is asked.
const ASK: Duration = Duration::from_secs(2);

/// Seconds after which a job that has not come to its end is judged by its exit code.
const PATIENCE: i64 = 120;

/// How often a look at the same thing may come to nothing.
const TRIES: u32 = 2;

/// Most nodes of a trigger that enter the history.
const MOST_NODES: usize = 4096;

/// How often one is begun, where the worker itself was ended meanwhile.
const BEGINS: u32 = 5;

/// Runs it.
pub(super) fn run(args: &Args, config: &Config, named: Option<&Path>) -> Result<u8, Error> {
    if args.detach {
        return detach(args, named);
    }
    if args.own_session {
        nix::unistd::setsid().map_err(|error| Error::new("watch.worker", "diag watch run", error.to_string()))?;
    }
    let spool = args.state.spool()?;
    work(&spool, config, named, args.stay)?;
    Ok(EXIT_HEALTHY)
}

/// Begins the worker as a process that leads no group, so that it can have a session of its own, and leaves it alone.
fn detach(args: &Args, named: Option<&Path>) -> Result<u8, Error> {
    let failed = |error: std::io::Error| Error::new("watch.worker", "diag watch run", error.to_string());
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    if let Some(file) = named {
        command.arg("--config").arg(file);
    }
    command.args(["watch", "run", "--own-session"]);
    if let Some(state) = &args.state.state {
        command.arg("--state").arg(state);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map_err(failed)?;
    Ok(EXIT_HEALTHY)
}

/// Works until nothing waits; a further worker that comes meanwhile goes away again.
pub(super) fn work(spool: &Spool, config: &Config, named: Option<&Path>, stay: bool) -> Result<(), Error> {
    loop {
        let Some(_held) = spool.work()? else { return Ok(()) };
        Worker::new(spool, config, named)?.run(stay);
        drop(_held);
        // Whoever put something into the queue while the lock was held has begun nobody.
        if spool.idle() {
            return Ok(());
        }
    }
}

struct Worker<'a> {
    spool: &'a Spool,
    config: &'a Config,
    waiting: BTreeMap<String, Entry>,
    running: Vec<Look>,
    /// Cases that are planned for.
    planning: Vec<Kept>,
    keeper: Keeper,
    book: Book,
    mail: Mail,
    history: Lines,
    asked: Option<Instant>,
}

impl<'a> Worker<'a> {
    fn new(spool: &'a Spool, config: &'a Config, named: Option<&Path>) -> Result<Self, Error> {
        let records = spool.records();
        let mut book = Book::default();
        let mut over = std::collections::BTreeSet::new();
        for record in &records {
            match record {
                Record::Looked { id, at, subject, key, found, .. } => {
                    over.insert(id.clone());
                    if found.outcome != Outcome::Healthy {
                        book.take(key, subject, found, *at, &config.watch);
                    }
                }
                Record::Told { key, at, count } => book.told(key, *count, *at),
                Record::Left { id, .. } | Record::Failed { id, .. } | Record::Dropped { id, .. } => {
                    over.insert(id.clone());
                }
                Record::Sent { .. } | Record::GivenUp { .. } => {}
            }
        }
        // What a worker before was ended in: what it had written down is done, the rest is begun again.
        for entry in spool.left() {
            if over.contains(&entry.id) { spool.done(&entry) } else { spool.put_back(&entry)? }
        }
        let history = Lines::new(&spool.root().with_file_name(history::FILE));
        let keeper = Keeper::new(spool.root().parent().unwrap_or(spool.root()), named)?;
        let mail = Mail::new(spool, &config.notify)?;
        let (waiting, running, planning) = (BTreeMap::new(), Vec::new(), Vec::new());
        Ok(Self { spool, config, waiting, running, planning, keeper, book, mail, history, asked: None })
    }

    fn run(&mut self, stay: bool) {
        loop {
            self.spool.refresh(&mut self.waiting);
            self.ask_states();
            self.begin();
            self.end();
            self.mail.tell(&mut self.book, self.spool, self.config, &self.history);
            let nothing = self.waiting.is_empty() && self.running.is_empty() && self.planning.is_empty();
            if nothing && !stay && !self.mail.waits(&self.book, &self.config.watch) {
                return;
            }
            thread::sleep(TICK);
        }
    }

    /// Asks how the jobs that wait stand, all in one question; those that did not fail are let go.
    fn ask_states(&mut self) {
        let jobs = self.waiting.values().filter_map(|entry| match &entry.subject {
            Subject::Job(job) if job.worth(&self.config.watch.states) != Worth::Look || job.state.is_none() => {
                Some(job.id)
            }
            _ => None,
        });
        let jobs: Vec<u64> = jobs.collect();
        if jobs.is_empty() || self.asked.is_some_and(|at| at.elapsed() < ASK) {
            return;
        }
        let known = gather::states(&jobs);
        self.asked = Some(Instant::now());
        let now = now();
        let leave: Vec<(Entry, String)> =
            self.waiting.values_mut().filter_map(|entry| settle(entry, &known, self.config, now)).collect();
        for (entry, why) in leave {
            self.waiting.remove(&entry.id);
            if self.spool.take(&entry) {
                self.log(&Record::Left { id: entry.id.clone(), at: now, subject: entry.subject.named(), why });
                self.spool.done(&entry);
            }
        }
    }

    /// Begins what may be begun.
    fn begin(&mut self) {
        let free = usize::try_from(self.config.watch.at_once).unwrap_or(1);
        let free = free.saturating_sub(self.running.len() + self.planning.len());
        let ready = self.waiting.values().filter(|entry| ready(entry, self.config)).take(free);
        let ready: Vec<Entry> = ready.cloned().collect();
        for mut entry in ready {
            self.waiting.remove(&entry.id);
            entry.tries += 1;
            if !self.spool.take(&entry) {
                continue;
            }
            if entry.tries > BEGINS {
                self.failed(&entry, "each look at it was ended before it came to its end");
                continue;
            }
            history::add(&self.history, &triggered(&entry.subject, entry.at));
            let spec = gather::spec(&mut entry, self.config);
            if spec.files.is_empty() && spec.held.is_empty() && spec.cluster.is_none() {
                self.failed(&entry, "nothing of it can be read here");
                continue;
            }
            match Look::begin(entry.clone(), spec, self.config.watch.deadline) {
                Ok(look) => self.running.push(look),
                Err(error) => self.failed(&entry, &error.to_string()),
            }
        }
    }

    /// Takes in what has come to an end.
    fn end(&mut self) {
        let mut still = Vec::new();
        for mut look in std::mem::take(&mut self.running) {
            match look.ended() {
                None => still.push(look),
                Some(Ended::Found(found)) => self.found(look, *found),
                Some(Ended::Late(why)) => self.failed(&look.entry, &why),
                Some(Ended::Failed(why)) if look.entry.tries >= TRIES => self.failed(&look.entry, &why),
                Some(Ended::Failed(_)) => drop(self.spool.put_back(&look.entry)),
            }
        }
        self.running = still;
        self.planned();
    }

    /// What was found: where a machine is to blame, a case is kept of it first, in which what would be done waits.
    fn found(&mut self, look: Look, mut found: Found) {
        if found.kept.is_empty() && look.spec.held.is_empty() || !found.of_a_machine() || !look.spec.keep {
            return self.told(&look, found);
        }
        let (key, subject) = (found.key(&look.entry.subject.family()), look.entry.subject.named());
        found.waits = self.keeper.known(&key, &subject, self.config);
        if !found.waits.is_empty() || found.outcome != Outcome::Diagnosed {
            return self.told(&look, found);
        }
        match self.keeper.begin(look, found, self.config) {
            Ok(kept) => self.planning.push(kept),
            Err((look, found)) => self.told(&look, *found),
        }
    }

    /// Takes in what was planned.
    fn planned(&mut self) {
        let mut still = Vec::new();
        for mut kept in std::mem::take(&mut self.planning) {
            let entry = &kept.look.entry;
            let (key, subject) = (kept.found.key(&entry.subject.family()), entry.subject.named());
            match self.keeper.ended(&mut kept, &key, &subject, self.config) {
                None => still.push(kept),
                Some(waits) => {
                    let found = Found { waits, ..kept.found.clone() };
                    self.told(&kept.look, found);
                }
            }
        }
        self.planning = still;
    }

    /// That a look has come to its end.
    fn told(&mut self, look: &Look, mut found: Found) {
        found.kept.clear();
        let (at, subject) = (now(), look.entry.subject.named());
        if let Some(text) = found.report.take() {
            let placed = self.keep(look, &text);
            found.placed.extend(placed);
        }
        let key = found.key(&look.entry.subject.family());
        let took_ms = u64::try_from(look.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (id, boxed) = (look.entry.id.clone(), Box::new(found.clone()));
        self.log(&Record::Looked { id, at, subject: subject.clone(), key: key.clone(), found: boxed, took_ms });
        if found.outcome != Outcome::Healthy {
            self.book.take(&key, &subject, &found, at, &self.config.watch);
        }
        history::add(&self.history, &faults(&found, &look.entry, at));
        self.spool.done(&look.entry);
    }

    /// A report that has no place beside an output; its job's user may read it.
    fn keep(&self, look: &Look, text: &str) -> Option<String> {
        let name = match &look.entry.subject {
            Subject::Job(job) => format!("job-{}", job.id),
            _ => look.entry.id.clone(),
        };
        let path = self.spool.report(&name, &guard::page(text), look.spec.rights).ok()?;
        Some(path.display().to_string())
    }

    fn failed(&self, entry: &Entry, why: &str) {
        self.log(&Record::Failed {
            id: entry.id.clone(),
            at: now(),
            subject: entry.subject.named(),
            why: why.to_owned(),
        });
        self.spool.done(entry);
    }

    /// What can't be written down is done all the same.
    fn log(&self, record: &Record) {
        let _ = self.spool.log().add(record);
    }
}

/// Takes in what the controller says; why an entry is let go, where it is.
fn settle(entry: &mut Entry, known: &BTreeMap<u64, Row>, config: &Config, now: i64) -> Option<(Entry, String)> {
    let Subject::Job(job) = &mut entry.subject else { return None };
    if let Some(row) = known.get(&job.id) {
        job.take(row);
    } else if now - entry.at < PATIENCE && job.state.is_none() {
        // The controller may be busy, or be started again.
        return None;
    }
    let why = match job.worth(&config.watch.states) {
        Worth::Look => return None,
        Worth::Wait if now - entry.at < PATIENCE => return None,
        Worth::Wait if job.requeued() => "it was put back into the queue, and is going again".to_owned(),
        Worth::Wait => {
            // A job that can't be ended stays in COMPLETING: what is known of it has to do.
            job.state = None;
            match job.worth(&config.watch.states) {
                Worth::Leave(why) => why,
                _ => return None,
            }
        }
        Worth::Leave(why) => why,
    };
    Some((entry.clone(), why))
}

/// Whether a look may begin.
fn ready(entry: &Entry, config: &Config) -> bool {
    match &entry.subject {
        Subject::Job(job) => {
            let over = now() - entry.at >= PATIENCE;
            (job.state.is_some() || over) && job.worth(&config.watch.states) == Worth::Look
        }
        _ => true,
    }
}

/// What the history of nodes takes in: faults of machines that are more than possible.
fn faults(found: &Found, entry: &Entry, at: i64) -> Vec<Mark> {
    if found.outcome != Outcome::Diagnosed || !found.of_a_machine() {
        return Vec::new();
    }
    let (by, why) = (format!("watch {}", entry.subject.named()), found.cause.clone().unwrap_or_default());
    let fault = |board: &Board| Mark { at, what: What::Fault, board: board.clone(), why: why.clone(), by: by.clone() };
    found.boards.iter().map(fault).collect()
}

/// What a trigger of Slurm tells of nodes.
fn triggered(subject: &Subject, at: i64) -> Vec<Mark> {
    let Subject::Nodes { event, nodes } = subject else { return Vec::new() };
    let what = match event.as_str() {
        "up" => What::Returned,
        "drained" => What::Drained,
        _ => What::Fault,
    };
    let mark = |node: String| Mark {
        at,
        what,
        board: Board { node: Some(node), ..Board::default() },
        why: format!("node {event}"),
        by: "strigger".to_owned(),
    };
    hostlist::expand(nodes, MOST_NODES).unwrap_or_default().into_iter().map(mark).collect()
}
