//! Which matches are roots, which are consequences, and in which order they are told.

use std::collections::{BTreeSet, HashSet};

use diag_parsers::Says;

use super::condition::{kind_fits, row_fits};
use super::matching::{Match, candidates};
use crate::evidence::{Row, RowId, RowSet, Table};
use crate::playbook::{Echo, On, Order};
use crate::verdict::Confidence;

/// A match with what it explains.
#[derive(Debug, Clone)]
pub struct Ranked<'p> {
    /// The match.
    pub found: Match<'p>,
    /// Rows of trouble that need no other explanation.
    pub explained: RowSet,
    /// Indices of the matches that it explains.
    pub consequences: Vec<usize>,
    /// Whether nothing explains it.
    pub root: bool,
}

/// Sorts matches, the answer first, and tells roots from consequences.
pub(super) fn rank<'p>(matches: Vec<Match<'p>>, table: &Table) -> Vec<Ranked<'p>> {
    let mut all: Vec<Ranked<'p>> = matches.into_iter().map(|found| ranked(found, table)).collect();
    let broken = all.iter().any(|ranked| is_broken(ranked, table));
    all.sort_by(|a, b| order(a, b, broken, table));
    let explains = edges(&all, table);
    let reached: Vec<BTreeSet<usize>> = (0..all.len()).map(|from| reach(from, &explains)).collect();
    for (at, ranked) in all.iter_mut().enumerate() {
        ranked.root = is_root(at, &reached);
    }
    for from in (0..all.len()).filter(|from| all[*from].root).collect::<Vec<_>>() {
        let reached: Vec<usize> = reached[from].iter().copied().filter(|to| !all[*to].root).collect();
        for to in &reached {
            let more = all[*to].explained.clone();
            all[from].explained.extend(more);
        }
        all[from].consequences = reached;
    }
    all
}

fn ranked<'p>(found: Match<'p>, table: &Table) -> Ranked<'p> {
    let explained = explained(&found, table);
    Ranked { found, explained, consequences: Vec::new(), root: true }
}

/// Surer first, then what is more than the wake of something, then what explains more, then what came first.
///
/// Where hardware is `broken`, what a program did to a GPU that is well comes after it.
fn order(a: &Ranked<'_>, b: &Ranked<'_>, broken: bool, table: &Table) -> std::cmp::Ordering {
    // What was derived from other rows says nothing that they do not say.
    let told = |row: &&RowId| table.rows[**row].parents.is_empty();
    let weight =
        |ranked: &Ranked<'_>| ranked.explained.iter().filter(told).map(|row| table.rows[*row].count).sum::<u64>();
    let place = |ranked: &Ranked<'_>| {
        let row = &table.rows[ranked.found.anchor()];
        (row.source, row.line)
    };
    let wake = |ranked: &Ranked<'_>| ranked.found.needed().all(|row| table.rows[row].says == Says::Teardown);
    (b.found.confidence.cmp(&a.found.confidence))
        .then((broken && is_program(a, table)).cmp(&(broken && is_program(b, table))))
        .then(wake(a).cmp(&wake(b)))
        .then(weight(b).cmp(&weight(a)))
        .then(place(a).cmp(&place(b)))
}

/// Whether a finding is that a GPU, its memory or its links are broken, as the host's own log tells.
fn is_broken(ranked: &Ranked<'_>, table: &Table) -> bool {
    ranked.found.needed().any(|row| HARDWARE.contains(&table.rows[row].kind))
}

/// Whether a finding is what a program's kernels did to a GPU.
fn is_program(ranked: &Ranked<'_>, table: &Table) -> bool {
    ranked.found.needed().all(|row| table.rows[row].kind == PROGRAM)
}

/// Rows that the match accounts for: its own, its echoes, and what is torn down after it.
fn explained(found: &Match<'_>, table: &Table) -> RowSet {
    let mut own: RowSet = found.bound.values().flatten().chain(&found.alike).copied().collect();
    let parents: Vec<RowId> = own.iter().flat_map(|row| table.rows[*row].parents.clone()).collect();
    own.extend(parents);
    let mut echoes = heard(&found.playbook.echoes, table, found.anchor(), found.needed());
    if wakes_everything(found) {
        elsewhere(found, table).iter().for_each(|row| _ = echoes.remove(row));
    }
    own.extend(echoes);
    // What is torn down in one job's log follows from that job's failure; a cluster's log may tell of another's.
    if !of_many(&table.rows[found.anchor()]) {
        own.extend(table.torn_down());
    }
    own
}

/// Whether a match says that all that follows is its wake, and tells of one thing among several: a GPU, a node.
fn wakes_everything(found: &Match<'_>) -> bool {
    let all = found.playbook.echoes.iter().any(|echo| echo.kinds.iter().any(|kind| kind == "*"));
    all && !found.playbook.about.is_empty()
}

/// The rows by which the same cause is told of another thing: no wake of this one.
fn elsewhere(found: &Match<'_>, table: &Table) -> Vec<RowId> {
    let first = found.playbook.needs.values().next();
    let mut rows = first.map(|clue| candidates(clue, table)).unwrap_or_default();
    let parents: Vec<RowId> = rows.iter().flat_map(|row| table.rows[*row].parents.clone()).collect();
    rows.extend(parents);
    rows
}

/// The rows that echo a cause which stands at `anchor` and is told by the rows `needed`.
pub fn heard(echoes: &[Echo], table: &Table, anchor: RowId, needed: impl Iterator<Item = RowId>) -> RowSet {
    let mut cause =
        Cause { anchor: &table.rows[anchor], ranks: BTreeSet::new(), pods: BTreeSet::new(), places: HashSet::new() };
    for row in needed.map(|row| &table.rows[row]) {
        cause.ranks.extend(row.rank());
        cause.pods.extend(row.fields.text("pod"));
        cause.places.insert((row.source, row.line));
    }
    let mut all = RowSet::default();
    let hardware = hardware(table);
    for echo in echoes {
        let named = |kind: &str| echo.kinds.iter().any(|pattern| pattern != "*" && kind_fits(pattern, kind));
        let breaks_hardware = HARDWARE.iter().any(|kind| named(kind));
        for kind in table.kinds().filter(|kind| echo.kinds.iter().any(|pattern| kind_fits(pattern, kind))) {
            let named = named(kind);
            if kind == KILLED && !named {
                continue;
            }
            all.extend(table.of_kind(kind).iter().copied().filter(|id| {
                let row = &table.rows[*id];
                (named || cause.is_one_story(row) && (breaks_hardware || !hardware.contains(id)))
                    && cause.is_echoed(echo, row)
                    && row_fits(table, *id, &echo.filter)
            }));
        }
    }
    all
}

/// What an echo is measured against.
struct Cause<'t> {
    anchor: &'t Row,
    ranks: BTreeSet<i64>,
    pods: BTreeSet<&'t str>,
    places: HashSet<(usize, u64)>,
}

/// The field of rows by a witness that tells of many jobs and nodes, such as a controller's log.
const WITNESS: &str = "witness";

/// How long a host's own log tells of the wake of a cause, in seconds: longer than a driver's time-outs, resets and the
/// end of the processes that waited.
const WAKE: f64 = 3600.0;

/// Whether a row is what a host says of itself, whatever runs on it.
fn of_host(row: &Row) -> bool {
    ["kernel.", "filesystem.", "probe.", "gpu_fault."].iter().any(|head| row.kind.starts_with(head))
}

/// Faults of a GPU, its memory or its links. No program, file system or scheduler brings them about: `*` leaves them
/// alone, and causes that break hardware name them.
const HARDWARE: [&str; 4] = ["gpu_fault.lost", "gpu_fault.memory", "gpu_fault.link", "gpu_fault.gsp_silent"];

/// A process that the kernel killed for memory: nothing but the use of memory brings it about, so `*` leaves it alone too.
const KILLED: &str = "kernel.oom_killed";

/// What a program's kernels did to a GPU that is well.
const PROGRAM: &str = "gpu_fault.program";

/// The rows that tell of such faults, with those that they follow from.
fn hardware(table: &Table) -> RowSet {
    let faults = HARDWARE.iter().flat_map(|kind| table.of_kind(kind)).copied();
    faults.flat_map(|fault| table.rows[fault].parents.iter().copied().chain([fault])).collect()
}

/// Whether a row is by such a witness.
fn of_many(row: &Row) -> bool {
    row.fields.get(WITNESS).is_some()
}

impl Cause<'_> {
    /// Whether `*` may take a row: nothing follows from the mere order of lines where they tell of many stories. A
    /// witness of many jobs does; so do the logs of other hosts, and one host's own log an hour later.
    fn is_one_story(&self, row: &Row) -> bool {
        !(of_many(row) || of_many(self.anchor) && row.source == self.anchor.source)
            && !(of_host(row) && (self.elsewhere(row) || self.long_after(row)))
    }

    /// Whether a row is of another host than the cause.
    fn elsewhere(&self, row: &Row) -> bool {
        row.node().zip(self.anchor.node()).is_some_and(|(there, here)| there != here)
    }

    /// Whether a row comes so long after the cause that it is no wake of it.
    fn long_after(&self, row: &Row) -> bool {
        of_host(self.anchor) && row.since(self.anchor).is_some_and(|seconds| seconds > WAKE)
    }

    fn is_echoed(&self, echo: &Echo, row: &Row) -> bool {
        let told = row.rank().map(|rank| self.ranks.contains(&rank));
        let on = match echo.on {
            On::Any => true,
            On::Others => told != Some(true),
            On::Pod => row.fields.text("pod").is_none_or(|pod| self.pods.is_empty() || self.pods.contains(pod)),
            On::Node => !self.elsewhere(row),
            // One line is one statement, however many formats know it.
            On::Same => told.unwrap_or(self.ranks.is_empty()) || self.places.contains(&(row.source, row.line)),
        };
        on && (echo.order == Order::Any || row.before(self.anchor) != Some(true))
    }
}

/// `edges[a]` holds each `b` whose needs are all explained by `a`; of two that explain each other only the better one does.
fn edges(all: &[Ranked<'_>], table: &Table) -> Vec<Vec<usize>> {
    let covers = |a: usize, b: usize| {
        a != b
            && all[a].found.confidence >= Confidence::Likely.min(all[b].found.confidence)
            && needs_explained(&all[a], &all[b], table)
    };
    let explains = |a: usize, b: usize| covers(a, b) && (a < b || !covers(b, a));
    (0..all.len()).map(|a| (0..all.len()).filter(|b| explains(a, *b)).collect()).collect()
}

fn needs_explained(cause: &Ranked<'_>, other: &Ranked<'_>, table: &Table) -> bool {
    let known = |row: RowId| cause.explained.contains(&row);
    let by_parents = |row: RowId| {
        let parents = &table.rows[row].parents;
        !parents.is_empty() && parents.iter().all(|parent| known(*parent))
    };
    other.found.needed().all(|row| known(row) || by_parents(row))
}

/// All that `from` explains, directly or through others.
fn reach(from: usize, edges: &[Vec<usize>]) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        open.extend(edges[at].iter().copied().filter(|to| reached.insert(*to)));
    }
    reached
}

/// Whether nothing explains a match but what it explains itself: of such a ring the best-placed member speaks.
fn is_root(at: usize, reached: &[BTreeSet<usize>]) -> bool {
    let mut causes = (0..reached.len()).filter(|from| reached[*from].contains(&at));
    causes.all(|from| reached[at].contains(&from) && at <= from)
}
