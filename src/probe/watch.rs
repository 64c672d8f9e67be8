//! Running probes so that none can hold the node: each lane in a process of its own, each task with its deadline.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use diag_raw::forked::Forked;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::expected::Expected;
use super::node::Node;
use super::task::{self, Task};
use super::worker::{self, ARGUMENT, Order, Said};
use crate::reading::{Reading, Verdict};

/// Processes that were left and had not ended yet.
static LEFT: Mutex<Vec<Process>> = Mutex::new(Vec::new());

/// Name of the reading that tells of the run of a probe itself.
const RUN: &str = "run";

/// What is looked at, and for how long.
#[derive(Debug)]
pub(super) struct Look<'a> {
    /// The node.
    pub(super) node: &'a Node,
    /// What is expected of it.
    pub(super) expected: &'a Expected,
    /// How long all may take together.
    pub(super) deadline: Duration,
}

/// Tasks that one process does in turn.
struct Lane {
    tasks: Vec<Task>,
    /// The one that runs, or would begin next.
    at: usize,
    /// When it began; `None` between two.
    began: Option<Instant>,
    child: Option<Process>,
    /// Which process of the lane speaks: words of one that was given up are not heard.
    turn: usize,
}

/// A process of a lane.
enum Process {
    /// This program, started anew.
    Started(Child),
    /// A copy of this process.
    Copied(i32),
}

/// A word of a worker; `None` when it has ended.
struct Word {
    lane: usize,
    turn: usize,
    said: Option<Said>,
}

/// Runs lanes side by side and returns all that was read, in the order of the tasks.
///
/// What does not answer in time is unknown. The time kept is `look.deadline`, whatever hangs: processes that can't be
/// killed are left behind.
pub(super) fn run(look: &Look, lanes: Vec<Vec<Task>>) -> Vec<Reading> {
    bury();
    let ends = Instant::now() + look.deadline;
    let (speaks, hears) = mpsc::channel();
    let lanes = lanes.into_iter().filter(|tasks| !tasks.is_empty());
    let lanes = lanes.map(|tasks| Lane { tasks, at: 0, began: None, child: None, turn: 0 }).collect();
    let mut watch = Watch { look, lanes, readings: Vec::new(), speaks };
    // All are begun before the first thread listens: only a process of one thread can be copied.
    let begun: Vec<Option<Box<dyn Read + Send>>> = (0..watch.lanes.len()).map(|lane| watch.begin(lane)).collect();
    for (lane, out) in begun.into_iter().enumerate() {
        watch.hear(lane, out);
    }
    watch.listen(&hears, ends);
    watch.finish()
}

struct Watch<'a> {
    look: &'a Look<'a>,
    lanes: Vec<Lane>,
    /// With lane and task.
    readings: Vec<(usize, usize, Reading)>,
    speaks: Sender<Word>,
}

impl Watch<'_> {
    /// Starts a process for what is left of a lane, and listens to it.
    fn start(&mut self, at: usize) {
        let out = self.begin(at);
        self.hear(at, out);
    }

    fn hear(&self, at: usize, out: Option<Box<dyn Read + Send>>) {
        if let Some(out) = out {
            hear(out, at, self.lanes[at].turn, self.speaks.clone());
        }
    }

    /// Starts a process for what is left of a lane; what it says.
    fn begin(&mut self, at: usize) -> Option<Box<dyn Read + Send>> {
        let lane = &mut self.lanes[at];
        lane.turn += 1;
        lane.began = None;
        let order = Order {
            root: self.look.node.root().to_owned(),
            tasks: lane.tasks[lane.at..].to_vec(),
            expected: self.look.expected.clone(),
        };
        match copy(&order).unwrap_or_else(|| spawn(&order)) {
            Ok((process, out)) => {
                lane.child = Some(process);
                Some(out)
            }
            Err(error) => {
                let why = format!("no process can be started: {error}");
                self.skip_rest(at, Verdict::CannotRun, &why);
                None
            }
        }
    }

    fn listen(&mut self, hears: &Receiver<Word>, ends: Instant) {
        while self.lanes.iter().any(|lane| lane.at < lane.tasks.len()) {
            let now = Instant::now();
            if now >= ends {
                return;
            }
            let wait = self.next_deadline().map_or(ends, |next| next.min(ends)).saturating_duration_since(now);
            match hears.recv_timeout(wait) {
                Ok(word) => self.take(word),
                Err(RecvTimeoutError::Timeout) => self.give_up_late(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn take(&mut self, word: Word) {
        let lane = &mut self.lanes[word.lane];
        if word.turn != lane.turn || lane.at >= lane.tasks.len() {
            return;
        }
        match word.said {
            Some(Said::Begins) => lane.began = Some(Instant::now()),
            Some(Said::Reads(reading)) => self.readings.push((word.lane, lane.at, *reading)),
            Some(Said::Ends) => {
                lane.at += 1;
                lane.began = None;
            }
            None => {
                let how = lane.child.take().and_then(|mut process| process.end());
                let how = how.map_or_else(|| "without a word".to_owned(), |how| format!("with {how}"));
                self.pass_over(word.lane, &format!("the process that looked ended {how}"));
            }
        }
    }

    /// The running task of a lane is unknown; the next ones get a new process.
    fn pass_over(&mut self, at: usize, why: &str) {
        let lane = &mut self.lanes[at];
        if let Some(child) = lane.child.take() {
            leave(child);
        }
        self.readings.push((at, lane.at, unread(&lane.tasks[lane.at], Verdict::Unknown, why)));
        lane.at += 1;
        if lane.at < lane.tasks.len() {
            self.start(at);
        }
    }

    fn skip_rest(&mut self, at: usize, verdict: Verdict, why: &str) {
        let lane = &mut self.lanes[at];
        for (nth, task) in lane.tasks.iter().enumerate().skip(lane.at) {
            self.readings.push((at, nth, unread(task, verdict, why)));
        }
        lane.at = lane.tasks.len();
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.lanes.iter().filter_map(Lane::deadline).min()
    }

    fn give_up_late(&mut self) {
        let now = Instant::now();
        for at in 0..self.lanes.len() {
            if self.lanes[at].deadline().is_some_and(|deadline| deadline <= now) {
                let allowed = self.lanes[at].allowed();
                self.pass_over(at, &format!("no answer within {} s", allowed.as_secs_f32()));
            }
        }
    }

    fn finish(mut self) -> Vec<Reading> {
        let why = format!("no answer within the {} s that all may take", self.look.deadline.as_secs_f32());
        for at in 0..self.lanes.len() {
            self.skip_rest(at, Verdict::Unknown, &why);
            if let Some(child) = self.lanes[at].child.take() {
                leave(child);
            }
        }
        self.readings.sort_by_key(|(lane, task, _)| (*lane, *task));
        self.readings.into_iter().map(|(_, _, reading)| reading).collect()
    }
}

impl Lane {
    fn allowed(&self) -> Duration {
        self.tasks.get(self.at).and_then(|task| task::find(&task.probe)).map_or(Duration::ZERO, |probe| probe.deadline)
    }

    fn deadline(&self) -> Option<Instant> {
        (self.at < self.tasks.len()).then_some(self.began?).map(|began| began + self.allowed())
    }
}

/// A reading that says why there is none.
fn unread(task: &Task, verdict: Verdict, why: &str) -> Reading {
    let reading = Reading::new(&task.probe, RUN).found(verdict, why);
    if task.subject.is_empty() { reading } else { reading.of("subject", &task.subject) }
}

/// A process, and what it says.
type Begun = (Process, Box<dyn Read + Send>);

/// Lets a copy of this process do the work, which costs a tenth of a new one; `None` where that can't be, since other threads run.
fn copy(order: &Order) -> Option<std::io::Result<Begun>> {
    let done = diag_raw::forked::fork(|out| _ = worker::carry_out(order, out));
    let begun = |forked: Forked| (Process::Copied(forked.pid), Box::new(forked.out) as Box<dyn Read + Send>);
    done.map(|forked| forked.map(begun)).transpose()
}

/// Starts this very program as a worker, in a process group of its own.
fn spawn(order: &Order) -> std::io::Result<Begun> {
    let mut command = Command::new("/proc/self/exe");
    command.arg(ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn()?;
    if let Some(mut orders) = child.stdin.take() {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        orders.write_all(&line)?;
    }
    let out = child.stdout.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
    Ok((Process::Started(child), Box::new(out)))
}

/// Passes on what a worker says.
fn hear(out: Box<dyn Read + Send>, lane: usize, turn: usize, speaks: Sender<Word>) {
    thread::spawn(move || {
        for line in BufReader::new(out).lines() {
            let Some(said) = line.ok().and_then(|line| serde_json::from_str(&line).ok()) else { break };
            if speaks.send(Word { lane, turn, said: Some(said) }).is_err() {
                return;
            }
        }
        let _ = speaks.send(Word { lane, turn, said: None });
    });
}

impl Process {
    /// How it ended, where it has.
    fn end(&mut self) -> Option<String> {
        match self {
            Self::Started(child) => child.try_wait().ok().flatten().map(|status| status.to_string()),
            Self::Copied(pid) => match waitpid(Pid::from_raw(*pid), Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(_, code)) => Some(format!("exit status: {code}")),
                Ok(WaitStatus::Signaled(_, signal, _)) => Some(signal.to_string()),
                _ => None,
            },
        }
    }
}

/// Kills a worker and what it started, and waits for none of them: one that hangs in the kernel can't be killed.
fn leave(mut process: Process) {
    let group = match &process {
        Process::Started(child) => i32::try_from(child.id()).ok(),
        Process::Copied(pid) => Some(*pid),
    };
    if let Some(group) = group {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    if process.end().is_none()
        && let Ok(mut left) = LEFT.lock()
    {
        left.push(process);
    }
}

/// Takes note of processes that have ended since: whoever looks every minute must not fill the table of processes.
fn bury() {
    if let Ok(mut left) = LEFT.lock() {
        left.retain_mut(|process| process.end().is_none());
    }
}
