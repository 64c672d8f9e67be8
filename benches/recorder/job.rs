//! A seeded job of ranks in groups (tensor, pipeline and data parallel), which goes wrong in its last step.
//!
//! All steps before ran well, so only the last one is played: every host enqueues a whole step, every GPU takes its
//! operations in order, and one ends when all its members have come to it with the same operation, size and type.

use std::collections::BTreeMap;

/// How many ranks there are along each dimension; rank = (data · pipeline + stage) · tensor + tensor's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) tensor: usize,
    pub(crate) pipeline: usize,
    pub(crate) data: usize,
}

impl Layout {
    pub(crate) fn world(self) -> usize {
        self.tensor * self.pipeline * self.data
    }
}

/// What goes wrong, at an operation of the last step (counted within the step).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing: the last step ends.
    None,
    /// The host of a rank enqueues nothing from there on.
    Absent,
    /// The same, and the rank leaves no dump.
    Undumped,
    /// The GPU of a rank does not finish an operation that its peers finish.
    Stuck,
    /// A rank calls another operation there.
    Op,
    /// A rank brings another number of elements.
    Size,
    /// A rank brings another type.
    Dtype,
    /// Nothing goes wrong, but the dump of a rank was taken a step before those of the others.
    Early,
}

/// What an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    AllReduce,
    AllGather,
    ReduceScatter,
    Broadcast,
    /// To a global rank.
    Send(usize),
    /// From a global rank.
    Recv(usize),
}

/// An operation of a rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Op {
    /// Index into [`Job::groups`].
    pub(crate) group: usize,
    pub(crate) call: Call,
    /// Number among the collectives, or among the sends and receives, of its group on this rank.
    pub(crate) seq: i64,
    /// Number among the messages of this pair, for sends and receives.
    pub(crate) pair: i64,
    pub(crate) numel: i64,
    pub(crate) dtype: &'static str,
}

/// A process group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) desc: &'static str,
    pub(crate) members: Vec<usize>,
}

/// A job, played to its end.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) groups: Vec<Group>,
    /// Groups of each rank.
    pub(crate) of: Vec<Vec<usize>>,
    steps: i64,
    /// Operations of the last step by rank.
    pub(crate) last: Vec<Vec<Op>>,
    /// Of those, how many were enqueued and how many ended, by rank; −1 where a rank's dump is of the step before.
    pub(crate) enqueued: Vec<usize>,
    pub(crate) ended: Vec<usize>,
    pub(crate) early: Option<usize>,
    pub(crate) undumped: Option<usize>,
    /// Who is to blame.
    pub(crate) culprit: Option<usize>,
}

/// Microbatches of a step.
const MICROBATCHES: usize = 4;

impl Job {
    /// Plays a job of `steps` steps in which `fault` befalls `rank` at operation `at` of the last one.
    pub(crate) fn play(layout: Layout, steps: i64, fault: Fault, rank: usize, at: usize) -> Self {
        let (groups, of) = groups(layout);
        let world = layout.world();
        let last: Vec<Vec<Op>> = (0..world).map(|rank| step(layout, &groups, &of[rank], rank, steps - 1)).collect();
        let mut job = Self {
            enqueued: last.iter().map(Vec::len).collect(),
            ended: vec![0; world],
            early: (fault == Fault::Early).then_some(rank),
            undumped: (fault == Fault::Undumped).then_some(rank),
            culprit: (!matches!(fault, Fault::None | Fault::Early)).then_some(rank),
            groups,
            of,
            steps,
            last,
        };
        let at = at.min(job.last[rank].len() - 1);
        let mut stuck = None;
        match fault {
            Fault::None | Fault::Early => {}
            Fault::Absent | Fault::Undumped => job.enqueued[rank] = at,
            Fault::Stuck => stuck = Some((rank, at)),
            Fault::Op => job.last[rank][at].call = Call::Broadcast,
            Fault::Size => job.last[rank][at].numel += 8,
            Fault::Dtype => job.last[rank][at].dtype = "Float",
        }
        job.run(stuck);
        job
    }

    /// The first operation of the last step at or after `from` that is a collective of a group with this description,
    /// or a send for `p2p`.
    pub(crate) fn find(&self, rank: usize, desc: &str, from: usize) -> Option<usize> {
        let fits = |op: &Op| match op.call {
            Call::Send(_) => desc == "p2p",
            Call::Recv(_) => false,
            _ => self.groups[op.group].desc == desc,
        };
        (from..self.last[rank].len()).find(|at| fits(&self.last[rank][*at]))
    }

    fn run(&mut self, stuck: Option<(usize, usize)>) {
        let places: Vec<BTreeMap<Key, usize>> = self
            .last
            .iter()
            .enumerate()
            .map(|(rank, ops)| ops.iter().enumerate().map(|(at, op)| (key(rank, op), at)).collect())
            .collect();
        loop {
            let before: usize = self.ended.iter().sum();
            for rank in 0..self.last.len() {
                while self.ended[rank] < self.enqueued[rank]
                    && stuck != Some((rank, self.ended[rank]))
                    && self.met(rank, &places)
                {
                    self.ended[rank] += 1;
                }
            }
            if self.ended.iter().sum::<usize>() == before {
                return;
            }
        }
    }

    /// Whether all members have come to the operation that a rank is in.
    fn met(&self, rank: usize, places: &[BTreeMap<Key, usize>]) -> bool {
        let op = &self.last[rank][self.ended[rank]];
        let there = |member: usize, alike: &dyn Fn(&Op) -> bool| {
            let Some(at) = places[member].get(&key(rank, op)).copied() else { return false };
            at < self.enqueued[member] && at <= self.ended[member] && alike(&self.last[member][at])
        };
        match op.call {
            Call::Send(peer) | Call::Recv(peer) => there(peer, &|_| true),
            _ => self.groups[op.group].members.iter().all(|member| {
                there(*member, &|other| (other.call, other.numel, other.dtype) == (op.call, op.numel, op.dtype))
            }),
        }
    }

    /// What the dump of a rank holds: operations, and how many of them ended.
    pub(crate) fn recorded(&self, layout: Layout, rank: usize, ring: usize) -> (Vec<Op>, usize) {
        let early = self.early == Some(rank);
        let (mut ops, mut ended) =
            if early { (Vec::new(), 0) } else { (self.last[rank][..self.enqueued[rank]].to_vec(), self.ended[rank]) };
        let mut number = self.steps - 1;
        while ops.len() < ring && number > 0 {
            number -= 1;
            let mut all = step(layout, &self.groups, &self.of[rank], rank, number);
            ended += all.len();
            all.extend(ops);
            ops = all;
        }
        let spare = ops.len().saturating_sub(ring);
        (ops.split_off(spare), ended - spare)
    }
}

/// What an operation and its counterparts on other ranks have in common.
type Key = (usize, i64, usize, usize);

fn key(rank: usize, op: &Op) -> Key {
    match op.call {
        Call::Send(peer) => (op.group, op.pair, rank + 1, peer),
        Call::Recv(peer) => (op.group, op.pair, peer + 1, rank),
        _ => (op.group, op.seq, 0, 0),
    }
}

fn groups(layout: Layout) -> (Vec<Group>, Vec<Vec<usize>>) {
    let Layout { tensor, pipeline, data } = layout;
    let rank = |d: usize, p: usize, t: usize| (d * pipeline + p) * tensor + t;
    let mut all = vec![((0..layout.world()).collect::<Vec<_>>(), "default_pg")];
    for (d, p) in (0..data).flat_map(|d| (0..pipeline).map(move |p| (d, p))) {
        all.push(((0..tensor).map(|t| rank(d, p, t)).collect(), "TENSOR"));
    }
    for (d, t) in (0..data).flat_map(|d| (0..tensor).map(move |t| (d, t))) {
        all.push(((0..pipeline).map(|p| rank(d, p, t)).collect(), "PIPELINE"));
    }
    for (p, t) in (0..pipeline).flat_map(|p| (0..tensor).map(move |t| (p, t))) {
        all.push(((0..data).map(|d| rank(d, p, t)).collect(), "DATA"));
    }
    let mut of = vec![Vec::new(); layout.world()];
    let mut groups = Vec::new();
    for (members, desc) in all.into_iter().filter(|(members, _)| members.len() > 1) {
        members.iter().for_each(|member| of[*member].push(groups.len()));
        groups.push(Group { name: groups.len().to_string(), desc, members });
    }
    (groups, of)
}

/// The operations of a rank in a step: microbatches forward and back through the pipeline, then the gradients of the
/// data-parallel group, then a number over all.
fn step(layout: Layout, groups: &[Group], of: &[usize], rank: usize, number: i64) -> Vec<Op> {
    let group = |desc: &str| of.iter().copied().find(|at| groups[*at].desc == desc);
    let stage = rank / layout.tensor % layout.pipeline;
    let next = (stage + 1 < layout.pipeline).then_some(rank + layout.tensor);
    let previous = (stage > 0).then(|| rank - layout.tensor);
    let mut ops = Vec::new();
    let mut add = |desc: &str, call: Call, numel: i64| {
        ops.extend(group(desc).map(|group| Op { group, call, seq: 0, pair: 0, numel, dtype: "BFloat16" }));
    };
    for (from, to) in [(previous, next), (next, previous)] {
        for _ in 0..MICROBATCHES {
            from.into_iter().for_each(|peer| add("PIPELINE", Call::Recv(peer), 4096));
            add("TENSOR", Call::AllReduce, 8192);
            add("TENSOR", Call::AllReduce, 8192);
            to.into_iter().for_each(|peer| add("PIPELINE", Call::Send(peer), 4096));
        }
    }
    add("DATA", Call::ReduceScatter, 65536);
    add("DATA", Call::AllGather, 16384);
    add("default_pg", Call::AllReduce, 1);
    count(&mut ops, number);
    ops
}

/// Numbers operations by group, and messages by pair and direction, as though all steps before had the same.
fn count(ops: &mut [Op], number: i64) {
    let p2p = |op: &Op| matches!(op.call, Call::Send(_) | Call::Recv(_));
    let lanes: Vec<(usize, bool)> = ops.iter().map(|op| (op.group, p2p(op))).collect();
    let calls: Vec<(usize, Call)> = ops.iter().map(|op| (op.group, op.call)).collect();
    for at in 0..ops.len() {
        let of = |all: usize, before: usize| number * all as i64 + before as i64 + 1;
        let same = |other: &&(usize, bool)| **other == lanes[at];
        ops[at].seq = of(lanes.iter().filter(same).count(), lanes[..at].iter().filter(same).count());
        let same = |other: &&(usize, Call)| **other == calls[at];
        ops[at].pair = of(calls.iter().filter(same).count(), calls[..at].iter().filter(same).count());
    }
}
