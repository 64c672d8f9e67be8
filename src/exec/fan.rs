//! Fans the parts of a task out over a transport, within limits, and accounts for each of them.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio_util::sync::CancellationToken;

use super::gate::Gate;
use super::keep::Room;
use super::local::Local;
use super::outcome::{End, Ran};
use super::{Executor, Told};
use crate::plan::{Group, Part, Target, Task};
use crate::policy::Approved;

/// How much at a time.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most parts that run at a time.
    pub at_once: usize,
    /// Most parts that run at a time on one target.
    pub per_target: usize,
    /// Most bytes of output that are kept of all parts together.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { at_once: 64, per_target: 1, output: 128 << 20 }
    }
}

/// One part on its way.
pub struct Job<'a> {
    /// Its place among all parts of the task.
    pub index: usize,
    /// What to do, and where.
    pub part: &'a Part,
    /// To be passed before it begins.
    pub gate: &'a Gate,
    /// For its output.
    pub room: &'a Room,
    /// Once this is cancelled it is to end soon.
    pub stop: &'a CancellationToken,
    /// Whoever wants to know.
    pub told: &'a dyn Told,
}

/// Something that comes later, and may be awaited on another thread.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Carries out one part on one target. It keeps the time itself; [`FanOut`] gives up on one that does not.
pub trait Transport: Send + Sync {
    /// `local`, `ssh`, …
    fn name(&self) -> &'static str;

    /// The longest that a part may take beside its work: to be reached, and to be ended.
    fn overhead(&self) -> Duration;

    /// Runs one part to its end.
    fn part<'a>(&'a self, job: Job<'a>) -> Later<'a, Ran>;
}

/// An executor that takes each part to its target by itself.
#[derive(Debug)]
pub struct FanOut<T> {
    transport: T,
    local: Local,
    limits: Limits,
}

impl<T: Transport> FanOut<T> {
    /// Fans out over a transport; what is to be done here is done here, whatever the transport.
    pub fn new(transport: T, limits: Limits) -> Self {
        Self { transport, local: Local::default(), limits }
    }

    /// How nodes are reached.
    pub const fn transport(&self) -> &T {
        &self.transport
    }

    fn transport_to(&self, target: &Target) -> &dyn Transport {
        if matches!(target, Target::Here) { &self.local } else { &self.transport }
    }

    async fn guarded(&self, job: Job<'_>) -> (usize, Ran) {
        let (index, part) = (job.index, job.part);
        let transport = self.transport_to(&part.target);
        let patience = part.work.timeout + transport.overhead();
        let ran = tokio::time::timeout(patience, transport.part(job)).await;
        let given_up = || format!("{} did not come back within {patience:?}", transport.name());
        (index, ran.unwrap_or_else(|_| Ran::without_output(part.target.clone(), End::Lost(given_up()))))
    }
}

impl<T: Transport> Executor for FanOut<T> {
    fn name(&self) -> &'static str {
        self.transport.name()
    }

    fn run<'a>(
        &'a self,
        task: &'a Approved<Task>,
        stop: &'a CancellationToken,
        told: &'a dyn Told,
    ) -> Later<'a, Vec<Ran>> {
        Box::pin(async move {
            let gates: Vec<Gate> = task.groups.iter().map(|group| Gate::new(group.parts.len())).collect();
            let room = Room::new(self.limits.output);
            let mut board = Board::new(&task.groups, self.limits, told);
            let mut flying = FuturesUnordered::new();
            loop {
                if stop.is_cancelled() {
                    board.call_off();
                }
                for (group, index, part) in board.next() {
                    let job = Job { index, part, gate: &gates[group], room: &room, stop, told };
                    flying.push(self.guarded(job));
                }
                tokio::select! {
                    done = flying.next() => match done {
                        Some((index, ran)) => gates[board.land(index, ran)].shut(|| board.why(index)),
                        None => break,
                    },
                    () = stop.cancelled(), if !stop.is_cancelled() => {}
                }
            }
            drop(flying);
            board.rans()
        })
    }
}

/// What waits, what runs, and what came of the rest.
struct Board<'a> {
    groups: &'a [Group],
    limits: Limits,
    told: &'a dyn Told,
    /// The group and the part of each index.
    parts: Vec<(usize, &'a Part)>,
    /// Index of each group's first part.
    first: Vec<usize>,
    waiting: VecDeque<usize>,
    running: usize,
    busy: HashMap<&'a Target, usize>,
    rans: Vec<Option<Ran>>,
}

impl<'a> Board<'a> {
    fn new(groups: &'a [Group], limits: Limits, told: &'a dyn Told) -> Self {
        let (mut parts, mut first) = (Vec::new(), Vec::new());
        for (nth, group) in groups.iter().enumerate() {
            first.push(parts.len());
            parts.extend(group.parts.iter().map(|part| (nth, part)));
        }
        let rans = parts.iter().map(|_| None).collect();
        let waiting = (0..groups.len()).collect();
        let mut board = Self { groups, limits, told, parts, first, waiting, running: 0, busy: HashMap::new(), rans };
        board.refuse_what_never_fits();
        board
    }

    fn refuse_what_never_fits(&mut self) {
        for group in 0..self.groups.len() {
            let needs = needs(&self.groups[group]);
            let most = needs.values().copied().max().unwrap_or(0);
            let size = self.groups[group].parts.len();
            let why = if size > self.limits.at_once {
                format!("{size} parts have to start together, and the limit is {} at a time", self.limits.at_once)
            } else if most > self.limits.per_target {
                format!("{most} parts have to start on one target, and the limit is {}", self.limits.per_target)
            } else {
                continue;
            };
            self.skip(group, &End::CannotRun(why));
        }
        self.waiting.retain(|group| self.rans[self.first[*group]].is_none());
    }

    /// What may start now.
    fn next(&mut self) -> Vec<(usize, usize, &'a Part)> {
        let mut starts = Vec::new();
        let mut at = 0;
        while at < self.waiting.len() && self.running < self.limits.at_once {
            let group = self.waiting[at];
            let needs = needs(&self.groups[group]);
            let free = |(target, count): (&&Target, &usize)| {
                self.busy.get(*target).copied().unwrap_or(0) + count <= self.limits.per_target
            };
            let size = self.groups[group].parts.len();
            if self.running + size > self.limits.at_once || !needs.iter().all(free) {
                at += 1;
                continue;
            }
            self.waiting.remove(at);
            self.running += size;
            needs.into_iter().for_each(|(target, count)| *self.busy.entry(target).or_default() += count);
            let first = self.first[group];
            starts.extend((first..first + size).map(|index| (group, index, self.parts[index].1)));
        }
        starts
    }

    /// A part is done; returns its group.
    fn land(&mut self, index: usize, ran: Ran) -> usize {
        let (group, part) = self.parts[index];
        self.running -= 1;
        if let Some(count) = self.busy.get_mut(&part.target) {
            *count -= 1;
        }
        self.told.ended(index, &ran);
        self.rans[index] = Some(ran);
        group
    }

    /// What waits will not begin.
    fn call_off(&mut self) {
        for group in std::mem::take(&mut self.waiting) {
            self.skip(group, &End::Cancelled { begun: false });
        }
    }

    fn skip(&mut self, group: usize, end: &End) {
        for (nth, part) in self.groups[group].parts.iter().enumerate() {
            let index = self.first[group] + nth;
            let ran = Ran::without_output(part.target.clone(), end.clone());
            self.told.ended(index, &ran);
            self.rans[index] = Some(ran);
        }
    }

    /// Why the others of a group can't begin.
    fn why(&self, index: usize) -> String {
        let end = self.rans[index].as_ref().map_or_else(String::new, |ran| ran.end.to_string());
        format!("{}, which it needs, did not start: {end}", self.parts[index].1.target)
    }

    fn rans(self) -> Vec<Ran> {
        let lost = |part: &Part| Ran::without_output(part.target.clone(), End::Lost("it did not come back".to_owned()));
        self.rans.into_iter().zip(self.parts).map(|(ran, (_, part))| ran.unwrap_or_else(|| lost(part))).collect()
    }
}

/// How many parts of a group each target is to run.
fn needs(group: &Group) -> HashMap<&Target, usize> {
    let mut needs = HashMap::new();
    group.parts.iter().for_each(|part| *needs.entry(&part.target).or_default() += 1);
    needs
}
