//! What both forms of a dump hold: groups, counters, entries.

/// A dump of one process.
#[derive(Debug, Default)]
pub(super) struct Dump<'a> {
    /// Version of the schema: `2.10`.
    pub(super) version: String,
    /// Groups, as the process configured them.
    pub(super) groups: Vec<Group>,
    /// Counters by the id of a group, which is the process's own.
    pub(super) status: Vec<(i64, Counters)>,
    /// Recorded operations, oldest first.
    pub(super) entries: Vec<Entry<'a>>,
}

/// A process group.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) desc: String,
    /// Global ranks.
    pub(super) members: Vec<i64>,
    pub(super) place: Place,
}

/// How far a group has come; −1 where not known.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counters {
    pub(super) enqueued: i64,
    pub(super) completed: i64,
}

/// An operation.
#[derive(Debug, Default)]
pub(super) struct Entry<'a> {
    pub(super) pg_id: i64,
    /// Name and description of its group.
    pub(super) group: (&'a str, &'a str),
    pub(super) seq: i64,
    /// `<library>:<operation>`.
    pub(super) name: &'a str,
    pub(super) completed: bool,
    /// Whether the watchdog has taken it off its list.
    pub(super) retired: bool,
    pub(super) is_p2p: bool,
    /// Nanoseconds since 1970, by the host's clock.
    pub(super) created: i64,
    /// Where the form keeps the rest of it.
    pub(super) at: usize,
}

impl Entry<'_> {
    /// The operation without its library.
    pub(super) fn op(&self) -> &str {
        self.name.rsplit(':').next().unwrap_or(self.name)
    }

    /// Direction and peer (its place in the group) of `send 1->2` and `recv 2<-1`.
    pub(super) fn message(&self) -> Option<(bool, usize)> {
        let op = self.op();
        let (send, peer) = match op.split_once("->") {
            Some((_, peer)) => (true, peer),
            None => (false, op.split_once("<-")?.1),
        };
        Some((send, peer.trim().parse().ok()?))
    }

    /// Whether it ended well, and can't have without all ranks of its group.
    ///
    /// When a communicator is aborted, torch finds its operations completed; the watchdog does not retire them.
    pub(super) fn proves_all_came(&self) -> bool {
        let rooted = ["broadcast", "reduce", "scatter", "gather"].contains(&self.op());
        self.completed && self.retired && !self.is_p2p && !rooted
    }
}

/// What is only needed of an operation that is told.
#[derive(Debug, Default)]
pub(super) struct Detail {
    pub(super) state: String,
    /// Sizes of the inputs: `[[8192, 1, 5120]]`.
    pub(super) sizes: String,
    /// Elements of all inputs.
    pub(super) numel: i64,
    /// Types of the inputs.
    pub(super) dtypes: String,
    /// File, line and function that called it, where stacks were recorded.
    pub(super) frame: Option<(String, i64, String)>,
    /// Nothing where the form has no lines.
    pub(super) place: Place,
}

/// Where something stands: line from 1, offset in bytes, the text there.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) offset: u64,
    pub(super) text: String,
}

/// `[0, 1, 2]` as numbers; no more than a job has.
pub(super) fn ranks(text: &str) -> Vec<i64> {
    let numbers = text.trim_matches(['[', ']', ' ']).split(',').filter_map(|number| number.trim().parse().ok());
    numbers.filter(|rank| (0..1 << 20).contains(rank)).take(1 << 20).collect()
}

/// At most so many bytes of a text, cut at a character.
pub(super) fn short(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

/// A frame that belongs to the program and not to torch or Python.
pub(super) fn of_program(file: &str) -> bool {
    !["/torch/", "/lib/python", "importlib", "<frozen"].iter().any(|part| file.contains(part))
}
