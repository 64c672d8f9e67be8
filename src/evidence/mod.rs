//! The evidence table: events collapsed to distinct facts, joined, with derived facts beside them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use diag_parsers::{Fields, Name, Says, Stamp, Value};

mod bandwidths;
mod clock;
pub mod collective;
mod consoles;
mod ends;
mod fate;
mod flapping;
pub mod gpu;
pub mod gpu_fault;
mod interfaces;
mod jobs;
mod leaving;
mod ledger;
mod nameless;
mod names;
mod narrow;
mod oom;
mod over;
mod parts;
mod peers;
mod pods;
mod processes;
mod repeats;
mod snippets;
mod stopped;
mod topology;
mod unknown;
mod victims;
mod window;

pub use clock::{Lane, Placed, Settled};
pub use ledger::Ledger;
pub use names::{is_oneself, without_domain};
pub use narrow::{Dropped, Moment, Narrow};
pub use parts::{Part, parts};
pub use window::{Aside, Window, context};

/// The first line of a source that prints a time: the source began no later.
pub const BEGAN: Name = "source.began";

/// The last line of a source that prints a time.
pub const ENDED: Name = "source.ended";

/// Kinds of row that no format makes: facts derived from others.
pub const DERIVED_KINDS: &[&str] = &[
    "collective.behind",
    "collective.absent",
    "collective.alone",
    "collective.mismatch",
    "collective.stuck_together",
    "collective.no_record",
    "network.astray",
    "network.flapping",
    "collective.unheard",
    "collective.undumped",
    "collective.outdated",
    "collective.fewer",
    "collective.comes_last",
    "collective.uneven",
    "network.common_end",
    "network.slower",
    "rank.first_failure",
    "rank.aborted",
    "rank.left",
    "launcher.stopped",
    "rendezvous.crowded",
    "rendezvous.rank_twice",
    BEGAN,
    ENDED,
    "gpu_fault.lost",
    "gpu_fault.memory",
    "gpu_fault.memory_note",
    "gpu_fault.gsp_silent",
    "gpu_fault.link",
    "gpu_fault.link_note",
    "gpu_fault.program",
    "gpu_fault.other",
    "gpu_fault.other_note",
    "pcie.storm",
    "host_memory.storm",
    "host_memory.no_victim",
    "peers.slow_clock",
    "peers.low_power",
    "peers.narrow_link",
    "peers.slow_port",
    "peers.small_mtu",
    "peers.large_mtu",
    "peers.interface_down",
    "peers.small_shm",
    "peers.read_only",
    "peers.no_slurmd",
    "peers.no_munge",
    "peers.small_memlock",
];

/// Index of a row in its table.
pub type RowId = usize;

/// A set of rows; they are looked up by the hundred thousand.
pub type RowSet = HashSet<RowId, foldhash::fast::RandomState>;

/// A distinct fact: an event, however often it was printed, or something derived from others.
#[derive(Debug, Clone)]
pub struct Row {
    /// `<format>.<event>`, or the name of a derived fact.
    pub kind: Name,
    /// What it says about the run.
    pub says: Says,
    /// Index into [`Table::sources`].
    pub source: usize,
    /// Line of the first occurrence, from 1.
    pub line: u64,
    /// Where the first occurrence begins, in bytes from the start of the unpacked document.
    pub offset: u64,
    /// The first occurrence word for word.
    pub text: String,
    /// Time of the first occurrence.
    pub at: Option<Stamp>,
    /// Typed fields and columns.
    pub fields: Fields,
    /// How often it was printed.
    pub count: u64,
    /// Line of the last occurrence.
    pub last_line: u64,
    /// Time of the last occurrence.
    pub last_at: Option<Stamp>,
    /// The rows it was derived from; empty for events.
    pub parents: Vec<RowId>,
    /// Whether the run went on well after it.
    pub survived: bool,
    /// Where it stands on the axis of the incident, where that is known.
    pub placed: Option<Placed>,
    /// Why it is no cause: it happened when or where the job was not.
    pub aside: Option<Aside>,
    /// What began the attempt that it is of, where a launcher or scheduler started the job anew.
    pub attempt: Option<u64>,
    /// Columns that its line does not tell, and that other rows do.
    pub filled: Vec<Name>,
}

/// Columns that are filled in from other rows.
const FILLED: [Name; 4] = ["rank", "node", "job", "pod"];

/// More ranks than any job has: a larger number in a log is none.
const MOST_RANKS: i64 = 1 << 20;

impl Row {
    /// The global rank, where it is one that a job can have.
    pub fn rank(&self) -> Option<i64> {
        self.fields.int("rank").filter(|rank| (0..MOST_RANKS).contains(rank))
    }

    /// The host.
    pub fn node(&self) -> Option<&str> {
        self.fields.text("node")
    }

    /// Whether it tells of a failure or its wake.
    pub fn is_trouble(&self) -> bool {
        matches!(self.says, Says::Failure | Says::Teardown) && !self.survived && self.aside.is_none()
    }

    /// Whether this row came before the other: by line in one source, else by time where the clocks can tell.
    pub fn before(&self, other: &Self) -> Option<bool> {
        if self.source == other.source {
            return Some(self.line < other.line);
        }
        self.placed?.before(other.placed?)
    }

    /// Seconds from the other row to this one, where both have a time that compares.
    pub fn since(&self, other: &Self) -> Option<f64> {
        let printed = || self.at?.since(other.at?).filter(|_| self.source == other.source);
        self.placed.zip(other.placed).map(|(mine, theirs)| mine.since(theirs)).or_else(printed)
    }
}

/// What the evidence tells about the job as a whole.
#[derive(Debug, Clone, Default)]
pub struct Job {
    /// Number of ranks, where told.
    pub world_size: Option<i64>,
    /// Ranks that left a trace.
    pub ranks: BTreeSet<i64>,
    /// Host of a rank.
    pub hosts: BTreeMap<i64, String>,
    /// Host of an address or another of its names, where the evidence ties the two.
    pub names: BTreeMap<String, String>,
    /// When and where it ran.
    pub window: Window,
}

impl Job {
    /// How many ranks the job has, as far as known.
    pub fn size(&self) -> usize {
        let seen = self.ranks.len();
        self.world_size.map_or(seen, |size| seen.max(usize::try_from(size).unwrap_or(seen)))
    }

    /// How many ranks it has at least, those counted that left no trace: ranks begin at 0.
    pub fn counted(&self) -> usize {
        let highest = self.ranks.last().and_then(|rank| usize::try_from(*rank).ok());
        self.size().max(highest.map_or(0, |rank| rank.saturating_add(1)))
    }
}

/// A step of the run that was reached for the first time.
#[derive(Debug, Clone, Copy)]
pub struct Advance {
    /// Index into [`Table::sources`].
    pub source: usize,
    /// Line on which it was told.
    pub line: u64,
    /// The step.
    pub step: i64,
}

/// All facts of an incident.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// Names of the inputs.
    pub sources: Vec<String>,
    /// The facts, events in the order of their first occurrence, then derived ones.
    pub rows: Vec<Row>,
    /// The job.
    pub job: Job,
    /// The steps of the run, as they were first reached.
    pub trail: Vec<Advance>,
    /// How the times of each source came onto one axis.
    pub clocks: Vec<Lane>,
    /// When this attempt began, where an earlier one ended.
    pub begins: Option<Placed>,
    /// The job that is asked for, where one is.
    pub asked: Option<String>,
    /// How many lines each source has; 0 where that is not known.
    lines: Vec<u64>,
    by_kind: HashMap<Name, Vec<RowId>, foldhash::fast::RandomState>,
}

impl Table {
    /// Joins ledgers of documents, in the order given, and derives what follows from them.
    pub fn new(documents: Vec<(String, Ledger)>) -> Self {
        let mut table = Self::default();
        for (name, ledger) in documents {
            let source = table.sources.len();
            table.sources.push(name);
            table.lines.push(ledger.lines());
            let (rows, trail) = ledger.into_rows(source);
            table.trail.extend(trail);
            for row in rows {
                table.add(row);
            }
        }
        table.derive_all();
        table
    }

    /// The rows that `keep` takes, without what was derived from all, and what follows from them; `steps` takes the steps
    /// of the run by source and line.
    pub fn only(
        &self,
        begins: Option<Placed>,
        keep: impl Fn(&Row) -> bool,
        steps: impl Fn(usize, u64) -> bool,
    ) -> Self {
        let mut part = Self {
            sources: self.sources.clone(),
            lines: self.lines.clone(),
            begins,
            asked: self.asked.clone(),
            ..Self::default()
        };
        part.trail = self.trail.iter().filter(|step| steps(step.source, step.line)).copied().collect();
        for row in self.rows.iter().filter(|row| row.parents.is_empty() && keep(row)) {
            let mut row = Row { aside: None, survived: false, ..row.clone() };
            for name in std::mem::take(&mut row.filled) {
                row.fields.remove(name);
            }
            part.add(row);
        }
        part.derive_all();
        part
    }

    fn derive_all(&mut self) {
        names::derive(self);
        oom::derive(self);
        let told = |row: &Row| FILLED.map(|name| row.fields.get(name).is_some());
        let told: Vec<_> = self.rows.iter().map(told).collect();
        topology::derive(self);
        consoles::derive(self);
        jobs::derive(self);
        names::derive(self);
        gpu::derive(self);
        for (row, told) in self.rows.iter_mut().zip(told) {
            let untold = FILLED.into_iter().zip(told).filter(|(_, told)| !told);
            row.filled = untold.map(|(name, _)| name).filter(|name| row.fields.get(name).is_some()).collect();
        }
        clock::derive(self);
        fate::derive(self);
        window::derive(self);
        leaving::derive(self);
        over::derive(self);
        victims::derive(self);
        oom::derive_unended(self);
        pods::derive(self);
        gpu_fault::derive(self);
        repeats::derive(self);
        peers::derive(self);
        nameless::derive(self);
        ends::derive(self);
        interfaces::derive(self);
        flapping::derive(self);
        bandwidths::derive(self);
        stopped::derive(self);
        collective::derive(self);
        unknown::derive(self);
    }

    /// The one name of a host that may be known by several.
    pub fn host(&self, name: &str) -> String {
        self.job.names.get(name).map_or(name, String::as_str).to_owned()
    }

    /// Adds a row.
    pub fn add(&mut self, row: Row) -> RowId {
        let id = self.rows.len();
        self.by_kind.entry(row.kind).or_default().push(id);
        self.rows.push(row);
        id
    }

    /// Adds a fact derived from others; it stands where its first parent stands.
    ///
    /// Does nothing without parents: what can't be cited is not said.
    pub fn derive(&mut self, kind: Name, says: Says, fields: Fields, parents: Vec<RowId>) -> Option<RowId> {
        let first = self.rows.get(*parents.first()?)?;
        let row = Row {
            kind,
            says,
            source: first.source,
            line: first.line,
            offset: first.offset,
            text: first.text.clone(),
            at: first.at,
            fields,
            count: 1,
            last_line: first.last_line,
            last_at: first.last_at,
            survived: first.survived,
            // It is true when the last of them is: whoever is absent left its last sign long before.
            placed: parents.iter().filter_map(|id| self.rows[*id].placed).max_by_key(|at| at.micros),
            aside: None,
            attempt: first.attempt,
            filled: Vec::new(),
            parents,
        };
        Some(self.add(row))
    }

    /// Rows of a kind, in order.
    pub fn of_kind(&self, kind: &str) -> &[RowId] {
        self.by_kind.get(kind).map_or(&[], Vec::as_slice)
    }

    /// The kinds that occur.
    pub fn kinds(&self) -> impl Iterator<Item = Name> {
        self.by_kind.keys().copied()
    }

    /// Rows that tell of a failure the run did not survive.
    pub fn troubles(&self) -> impl Iterator<Item = RowId> {
        (0..self.rows.len()).filter(|id| self.rows[*id].is_trouble())
    }

    /// Rows that are only the wake of a failure.
    pub fn torn_down(&self) -> impl Iterator<Item = RowId> {
        (0..self.rows.len()).filter(|id| self.rows[*id].says == Says::Teardown && self.rows[*id].aside.is_none())
    }

    /// A column or field of a row, also those that are no field.
    pub fn value(&self, id: RowId, name: &str) -> Option<Cow<'_, Value>> {
        let row = &self.rows[id];
        let of_row = match name {
            "line" => Some(Value::Int(i64::try_from(row.line).unwrap_or(i64::MAX))),
            // What a line counts itself is meant before how often the line was there.
            "count" => {
                let often = || Value::Int(i64::try_from(row.count).unwrap_or(i64::MAX));
                row.fields.get(name).is_none().then(often)
            }
            "source" => Some(Value::Text(self.sources[row.source].clone())),
            "at" => return row.at.map(|at| Cow::Owned(Value::Text(at.to_string()))),
            "kind" => Some(Value::Text(row.kind.to_owned())),
            "says" => Some(Value::Text(row.says.name().to_owned())),
            "text" => Some(Value::Text(row.text.trim().to_owned())),
            _ => None,
        };
        of_row.map(Cow::Owned).or_else(|| row.fields.get(name).map(Cow::Borrowed))
    }
}

/// The table of one log, for the tests of this room.
#[cfg(test)]
fn of_log(log: &str) -> Table {
    of_logs(&[("job.log", log)])
}

#[cfg(test)]
fn of_logs(logs: &[(&str, &str)]) -> Table {
    use diag_parsers::{Block, Catalogue, Depth, Scanner};

    let scanner = Scanner::new(Catalogue::built_in().unwrap());
    let read = |(name, log): &(&str, &str)| {
        let mut ledger = Ledger::new(scanner.catalogue().volatile());
        scanner.scan(Block::whole(log.as_bytes()), log.len(), Depth::Every, &mut |event| ledger.absorb(event));
        ledger.ends_at(log.lines().count() as u64);
        ((*name).to_owned(), ledger)
    };
    Table::new(logs.iter().map(read).collect())
}
