//! Collapsing events to distinct facts, so that memory follows facts and not the size of a log.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::LazyLock;

use diag_parsers::{Event, Fields, Name, Says, Stamp, Value, Volatile};
use foldhash::quality::RandomState;

use super::names::is_oneself;
use super::{Advance, Row};

/// Most distinct facts kept of a document; further ones are counted with their like on the same rank.
const MOST_ROWS: usize = 200_000;

/// Most bytes kept of a document, beside the first facts of each rank; lines may be as long as 16 KiB.
const MOST_BYTES: usize = 48 << 20;

/// What a row takes beside its text, roughly, in bytes.
const ROW_BYTES: usize = 400;

/// Most steps kept of a run.
const MOST_STEPS: usize = 100_000;

/// Columns that say who wrote a line.
const WHO: [&str; 7] = ["rank", "local_rank", "label", "node", "pid", "actor", "pod"];

/// One for the whole process, so that parts of a document agree; by chance, so that no log can aim at two facts that
/// look alike.
static HASHING: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// The distinct facts of one document, or of a part of it.
#[derive(Debug, Default)]
pub struct Ledger {
    rows: Vec<Row>,
    /// What makes each row distinct.
    keys: Vec<u64>,
    known: HashMap<u64, Known, foldhash::fast::RandomState>,
    kept: usize,
    trail: Vec<(u64, i64)>,
    /// What began the attempt that is being read.
    mark: Option<u64>,
    volatile: Volatile,
    lines: u64,
}

/// A row that is known, and how often it was told since; that stands with the key, for rows are large and many.
#[derive(Debug)]
struct Known {
    /// Its index.
    row: usize,
    again: u64,
    last_line: u64,
    last_at: Option<Stamp>,
}

impl Ledger {
    /// An empty ledger; `volatile` names the fields of a kind that don't make another fact.
    pub fn new(volatile: Volatile) -> Self {
        Self { volatile, ..Self::default() }
    }

    /// Takes an event.
    pub fn absorb(&mut self, event: Event) {
        if event.says == Says::Progress {
            self.step(event.line, event.fields.int("step"));
        }
        let key = self.key(&event);
        let mark = mark(event.kind, &event.fields, event.at);
        match self.known.get_mut(&key) {
            Some(known) if event.says == Says::Progress => join(&mut self.rows[known.row], row(event)),
            Some(known) => known.repeat(event),
            None => self.push(key, Row { attempt: self.mark, ..row(event) }),
        }
        self.mark = mark.or(self.mark);
    }

    /// Takes what a later part of the same document holds; its lines count from `lines` further on.
    pub fn merge(&mut self, mut later: Self, lines: u64) {
        later.count();
        // A crowded ledger makes keys of another sort.
        let crowded = later.crowded();
        for (line, step) in later.trail {
            self.step(line + lines, Some(step));
        }
        for (mut row, key) in later.rows.into_iter().zip(later.keys) {
            row.line += lines;
            row.last_line += lines;
            let moved = row.attempt.is_none() && self.mark.is_some();
            row.attempt = row.attempt.or(self.mark);
            let key = match crowded || moved || self.crowded() {
                true => hash_of(row.kind, row.says, &row.fields, &self.volatile, self.crowded(), row.attempt),
                false => key,
            };
            match self.known.get_mut(&key) {
                Some(known) => {
                    let told = &mut self.rows[known.row];
                    known.count(told);
                    join(told, row);
                }
                None => self.push(key, row),
            }
        }
        self.mark = later.mark.or(self.mark);
    }

    /// Says who wrote the document, for rows that don't tell it themselves. A host is not believed where the document
    /// tells of another one.
    pub fn written_by(&mut self, fields: &Fields) {
        let oneself = |row: &Row| row.node().is_some_and(is_oneself);
        let other = |row: &Row, node: &str| {
            row.node().is_some_and(|told| !is_oneself(told) && told.split('.').next() != Some(node))
        };
        let foreign = fields.text("node").is_some_and(|node| self.rows.iter().any(|row| other(row, node)));
        for (name, value) in fields.iter().filter(|(name, _)| *name != "node" || !foreign) {
            for row in &mut self.rows {
                if name == "node" && oneself(row) {
                    row.fields.remove(name);
                }
                row.fields.set_if_absent(name, value.clone());
            }
        }
    }

    /// Says how many lines the document has.
    pub fn ends_at(&mut self, lines: u64) {
        self.lines = lines;
    }

    /// How many lines the document has; 0 where nobody said.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The facts, in the order of their first occurrence, and the steps of the run.
    pub fn into_rows(mut self, source: usize) -> (Vec<Row>, Vec<Advance>) {
        self.count();
        let mut rows = self.rows;
        rows.iter_mut().for_each(|row| row.source = source);
        rows.sort_by_key(|row| row.line);
        let trail = self.trail.into_iter().map(|(line, step)| Advance { source, line, step }).collect();
        (rows, trail)
    }

    /// Notes a step when it is a new one; a much smaller one means that the run was started again.
    fn step(&mut self, line: u64, step: Option<i64>) {
        let Some(step) = step else { return };
        let restart = |last: i64| step < last / 2;
        if self.trail.last().is_none_or(|(_, last)| step > *last || restart(*last)) && self.trail.len() < MOST_STEPS {
            self.trail.push((line, step));
        }
    }

    fn push(&mut self, key: u64, row: Row) {
        self.kept += row.text.len() + ROW_BYTES;
        self.known.insert(key, Known { row: self.rows.len(), again: 0, last_line: row.last_line, last_at: None });
        self.rows.push(row);
        self.keys.push(key);
    }

    /// Brings the rows up to how often they were told.
    fn count(&mut self) {
        self.known.values_mut().for_each(|known| known.count(&mut self.rows[known.row]));
    }

    /// Whether so much is kept that further facts are only counted with their like.
    fn crowded(&self) -> bool {
        self.rows.len() >= MOST_ROWS || self.kept >= MOST_BYTES
    }

    fn key(&self, event: &Event) -> u64 {
        hash_of(event.kind, event.says, &event.fields, &self.volatile, self.crowded(), self.mark)
    }
}

/// Kinds of event behind which a job is started anew, with the field that tells one such start from another.
const ANEW: [(Name, &str); 2] = [("elastic.restart", "left"), ("slurm.requeued", "job")];

/// Lines of one start come together, one an agent or step (microseconds).
const ONE_START: i64 = 600_000_000;

/// What tells the attempt that begins behind an event from others; the agents of a job all print the same.
pub(super) fn mark(kind: Name, fields: &Fields, at: Option<Stamp>) -> Option<u64> {
    let (_, field) = ANEW.iter().find(|(known, _)| *known == kind)?;
    let mut hasher = HASHING.build_hasher();
    kind.hash(&mut hasher);
    fields.int(field).hash(&mut hasher);
    if kind == "slurm.requeued" {
        at.map(|at| at.micros / ONE_START).hash(&mut hasher);
    }
    Some(hasher.finish())
}

/// What makes a fact distinct: its kind, its attempt and its fields, without volatile ones; of a step, only who made it.
fn hash_of(kind: Name, says: Says, fields: &Fields, volatile: &Volatile, crowded: bool, attempt: Option<u64>) -> u64 {
    let mut hasher = HASHING.build_hasher();
    (kind, attempt).hash(&mut hasher);
    let volatile = volatile.get(kind);
    for (name, value) in fields.iter() {
        let counts = match says {
            _ if crowded => name == "rank",
            Says::Progress => name != "pid" && WHO.contains(&name),
            _ => !volatile.is_some_and(|list| list.contains(&name)),
        };
        if counts {
            name.hash(&mut hasher);
            hash_value(value, &mut hasher);
        }
    }
    hasher.finish()
}

fn hash_value(value: &Value, hasher: &mut impl Hasher) {
    match value {
        Value::Bool(b) => b.hash(hasher),
        Value::Int(n) => n.hash(hasher),
        Value::Float(x) => x.to_bits().hash(hasher),
        Value::Text(text) => text.hash(hasher),
        Value::Ranks(list) => list.hash(hasher),
    }
}

fn row(event: Event) -> Row {
    Row {
        kind: event.kind,
        says: event.says,
        source: 0,
        line: event.line,
        offset: event.offset,
        text: event.text,
        at: event.at,
        fields: event.fields,
        count: 1,
        last_line: event.line,
        last_at: event.at,
        parents: Vec::new(),
        survived: false,
        placed: None,
        aside: None,
        attempt: None,
        filled: Vec::new(),
    }
}

impl Known {
    /// Adds an event that tells the same.
    fn repeat(&mut self, event: Event) {
        self.again += 1;
        self.last_line = event.line;
        self.last_at = event.at.or(self.last_at);
    }

    /// Brings its row up to that.
    fn count(&mut self, row: &mut Row) {
        if self.again > 0 {
            row.count += std::mem::take(&mut self.again);
            row.last_line = self.last_line;
            row.last_at = self.last_at.or(row.last_at);
        }
    }
}

/// Adds a later occurrence of the same fact; of a step, the later one is what counts.
fn join(known: &mut Row, later: Row) {
    known.count += later.count;
    known.last_line = later.last_line;
    known.last_at = later.last_at.or(known.last_at);
    if known.says == Says::Progress {
        known.line = later.line;
        known.offset = later.offset;
        known.text = later.text;
        known.at = later.at.or(known.at);
        known.fields = later.fields;
    }
}

#[cfg(test)]
mod tests {
    use diag_parsers::{Block, Catalogue, Depth, Scanner};

    use super::*;

    /// What is kept of a log of so many lines by eight ranks: training noise, NCCL's notes, steps, and the wake of a
    /// hung collective that is told again and again.
    fn kept(lines: usize) -> (usize, usize, usize) {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let mut log = String::new();
        for line in 0..lines {
            let rank = line % 8;
            let text = match line / 8 % 6 {
                0 => format!(
                    "[rank{rank}]: iteration {line} | consumed samples: {line} | lm loss: 2.{line:06}E+00 | grad norm: 0.{line}"
                ),
                1 => format!(
                    "{rank}: gpu-17:41{rank}:419 [{rank}] NCCL INFO Channel 0{rank}/0 : {rank}[0] -> {line}[1] via P2P/IPC/read"
                ),
                2 => format!(
                    "[rank{rank}]:[E504 03:12:41.{line:06}257 ProcessGroupNCCL.cpp:629] [Rank {rank}] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=12, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=600000) ran for 600{:03} milliseconds before timing out.",
                    line % 1000
                ),
                3 => format!(
                    "{rank}: gpu-17:41{rank}:419 [{rank}] NCCL WARN NET/IB : Got completion from peer 10.0.4.{rank}<{}> with status=12 opcode=0 len=0 vendor err 129 (Send) hca mlx5_{rank}",
                    30_000 + line % 20_000
                ),
                4 => format!(
                    "[rank{rank}]:[E504 03:12:42.{line:06}257 ProcessGroupNCCL.cpp:681] [Rank {rank}] Some NCCL operations have failed or timed out. Due to the asynchronous nature of CUDA kernels, subsequent GPU operations might run on corrupted/incomplete data."
                ),
                _ => format!(
                    "Epoch 3:  {}%|####5     | {line}/100000 [03:21<04:05,  2.24it/s, train_loss=1.{line}]",
                    line % 100
                ),
            };
            log.push_str(&text);
            log.push('\n');
        }
        let mut ledger = Ledger::new(scanner.catalogue().volatile());
        let block = Block::whole(log.as_bytes());
        scanner.scan(block, log.len(), Depth::Every, &mut |event| ledger.absorb(event));
        (ledger.rows.len(), ledger.kept, ledger.rows.iter().map(|row| row.count as usize).sum())
    }

    #[test]
    fn memory_follows_facts_and_not_lines() {
        let ((rows, bytes, events), (more_rows, more_bytes, more_events)) = (kept(2_000), kept(8_000));
        assert!(rows >= 24 && more_events > 3 * events, "{rows} rows, {events} and {more_events} events");
        assert_eq!(rows, more_rows);
        assert!(more_bytes < bytes + 64 * rows, "{bytes} and {more_bytes} bytes");
    }

    #[test]
    fn a_log_of_nothing_but_long_failures_is_kept_within_bounds() {
        let mut ledger = Ledger::default();
        for line in 0..40_000_u64 {
            let fields = [("rank", Value::Int(3)), ("message", Value::Text(line.to_string()))].into_iter().collect();
            let (says, text) = (Says::Failure, "x".repeat(4000));
            ledger.absorb(Event { kind: "python.exception", says, line, offset: 0, text, at: None, fields });
        }
        assert!(ledger.kept < MOST_BYTES + (64 << 10));
        let (rows, _) = ledger.into_rows(0);
        assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), 40_000, "all are counted");
    }
}
