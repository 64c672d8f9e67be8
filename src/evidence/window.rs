//! When and where the job ran: what happened at another time or on another node did not kill it.
//!
//! The job's own log tells when it began and how it ended, its ranks where it ran, the scheduler's records all three.
//! Rows of other witnesses (a kernel's log, a controller's) outside of that are *context*: told, but no causes. Without a
//! job in sight everything stays eligible, and so does what clocks can't place.

use std::collections::BTreeSet;

use diag_parsers::{Clock, Stamp, hostlist, time};
use serde::Serialize;

use super::clock::SECOND;
use super::{Placed, Row, RowId, Says, Settled, Table, parts};

/// What goes wrong this much before a job begins can still be its cause: a prolog, a container that starts.
const BEFORE: i64 = 600 * SECOND;

/// What is seen this much after the last words of a job can still belong to it: a node that is noticed late.
const AFTER: i64 = 600 * SECOND;

/// Two zones are at most 26 hours apart.
const ANY_ZONE: i64 = 26 * 3600 * SECOND;

/// What the controller says when a job gets its nodes, and when its batch step has ended.
const ALLOCATED: &str = "slurmctld.allocated";
const COMPLETED: &str = "slurmctld.completed";

/// Most hosts of a list that are looked at: more than the largest clusters have.
const MOST_HOSTS: usize = 20_000;

/// Families of rows that processes of a job and their launchers print.
const JOB: [&str; 13] = [
    "torch.",
    "nccl.",
    "python.",
    "elastic.",
    "gloo.",
    "cuda.",
    "progress.",
    "launcher.",
    "jax.",
    "process.",
    "openmpi.",
    "ofi.",
    "ucx.",
];

/// Why a row is no cause of what happened to the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aside {
    /// It was over before the job began.
    Before,
    /// It came when the job had ended.
    After,
    /// It happened on a node that the job did not have.
    OtherNode,
    /// It is told of another job.
    OtherJob,
    /// It befell a process that the job did not lose.
    OtherProcess,
    /// It was over, or the job took further steps long after it, before the job went wrong.
    Over,
}

/// When and where the job ran, as far as known.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// Its id.
    pub job: Option<String>,
    /// Microseconds on the axis of the incident.
    pub begins: Option<Placed>,
    /// Microseconds on the axis of the incident.
    pub ends: Option<Placed>,
    /// From its first word of trouble to its last.
    pub death: Option<(i64, i64)>,
    /// Whether it began where another attempt had ended, so that what came before killed that one.
    pub follows: bool,
    /// How far clocks may be apart beyond what rows tell of themselves, in microseconds: zones that nothing settles.
    pub doubt: i64,
    /// All nodes that it had; empty where they are not all known.
    pub nodes: BTreeSet<String>,
}

/// Whether a source holds what a job printed.
pub(super) fn is_of_job(table: &Table) -> Vec<bool> {
    let mut of_job = vec![false; table.sources.len()];
    let mut of_host = vec![false; table.sources.len()];
    for row in &table.rows {
        of_job[row.source] |= is_printed_by_job(row);
        of_host[row.source] |= row.kind.starts_with("kernel.");
    }
    of_job.into_iter().zip(of_host).map(|(job, host)| job && !host).collect()
}

/// Whether a row is of a family that processes of a job and their launchers print.
pub(super) fn is_printed_by_job(row: &Row) -> bool {
    JOB.iter().any(|head| row.kind.starts_with(head))
}

/// Works out the job's window and marks what is outside of it.
pub(super) fn derive(table: &mut Table) {
    let of_job = is_of_job(table);
    if !of_job.contains(&true) && table.asked.is_none() {
        return;
    }
    let unsettled = |lane: &super::Lane| matches!(lane.settled, Settled::Assumed | Settled::Contradictory);
    let doubt = if table.clocks.iter().any(unsettled) { ANY_ZONE } else { 0 };
    let window = Window { doubt, ..window(table, &of_job) };
    for id in 0..table.rows.len() {
        let row = &table.rows[id];
        if !of_job[row.source] && row.parents.is_empty() {
            table.rows[id].aside = aside(&window, row);
        }
    }
    table.job.window = window;
}

fn window(table: &Table, of_job: &[bool]) -> Window {
    let own = || table.rows.iter().filter(|row| of_job[row.source]);
    let told = own().filter_map(|row| row.fields.get("job")).map(ToString::to_string);
    let by_name =
        parts::owners(table).into_iter().zip(of_job).filter(|(_, of_job)| **of_job).filter_map(|(job, _)| job);
    let jobs: BTreeSet<String> = told.chain(by_name).collect();
    let mut window = Window { nodes: hosts(table), ..Window::default() };
    window.job = table.asked.clone().or_else(|| jobs.first().filter(|_| jobs.len() == 1).cloned());
    window.follows = table.begins.is_some();
    window.begins = table.begins.or_else(|| {
        let began = || table.of_kind(super::BEGAN).iter().map(|id| &table.rows[*id]).filter(|row| of_job[row.source]);
        let told: BTreeSet<usize> = began().map(|row| row.source).collect();
        // A source that prints no time may have begun before all others.
        let all = of_job.iter().enumerate().all(|(source, of_job)| !of_job || told.contains(&source));
        began().filter_map(|row| row.placed).min_by_key(|at| at.micros).filter(|_| all)
    });
    let over = |row: &&Row| row.is_trouble() || row.says == Says::Success;
    let last = |row: &Row| Some(Placed { micros: end_of(row)?, ..row.placed? });
    window.ends = own().filter(over).filter_map(last).max_by_key(|at| at.micros);
    let troubles = || own().filter(|row| row.is_trouble()).filter_map(|row| row.placed).map(|at| at.micros);
    window.death = troubles().min().zip(troubles().max());
    recorded(table, &mut window);
    window
}

/// The hosts of all ranks, where all are known.
fn hosts(table: &Table) -> BTreeSet<String> {
    let size = table.job.world_size.and_then(|size| usize::try_from(size).ok());
    match size {
        Some(size) if table.job.hosts.len() >= size => table.job.hosts.values().cloned().collect(),
        _ => BTreeSet::new(),
    }
}

/// What the scheduler's records tell of the job: fields `starts`, `ends` and `nodes` beside `job`, or lines that say so.
fn recorded(table: &Table, window: &mut Window) {
    let tells = |row: &&Row| {
        row.kind == COMPLETED || ["starts", "ends", "nodes"].iter().any(|name| row.fields.get(name).is_some())
    };
    let records: Vec<&Row> = table.rows.iter().filter(tells).collect();
    let job_of = |row: &Row| row.fields.get("job").map(ToString::to_string);
    let ran_on = |row: &Row| row.fields.text("nodes").and_then(|list| hostlist::expand(list, MOST_HOSTS).ok());
    let fits = |row: &Row| {
        let nodes: BTreeSet<String> = ran_on(row).unwrap_or_default().iter().map(|node| table.host(node)).collect();
        !table.job.hosts.is_empty() && table.job.hosts.values().all(|host| nodes.contains(host))
    };
    let jobs: BTreeSet<String> = records.iter().filter_map(|row| job_of(row)).collect();
    let only = |jobs: BTreeSet<String>| jobs.first().cloned().filter(|_| jobs.len() == 1);
    let by_nodes = || only(records.iter().filter(|row| fits(row)).filter_map(|row| job_of(row)).collect());
    let Some(mine) = window.job.clone().or_else(|| only(jobs)).or_else(by_nodes) else { return };
    for row in records.into_iter().filter(|row| job_of(row).as_ref() == Some(&mine)) {
        let nodes: BTreeSet<String> =
            ran_on(row).unwrap_or_default().into_iter().map(|node| table.host(&node)).collect();
        // A record of other nodes than the ranks' is of another cluster, or another run.
        if !nodes.is_empty() && table.job.hosts.values().any(|host| !nodes.contains(host)) {
            return;
        }
        window.job = Some(mine.clone());
        if !nodes.is_empty() {
            window.nodes = nodes;
        }
        let told = |name: &str| placed(table, row, time::read(row.fields.text(name)?)?);
        let said = |kind: &str| row.placed.filter(|_| row.kind == kind);
        window.begins = told("starts").or(said(ALLOCATED)).or(window.begins);
        window.ends = told("ends").or(said(COMPLETED)).or(window.ends);
    }
}

/// A time that a field tells, by the clock of its source.
fn placed(table: &Table, row: &Row, at: Stamp) -> Option<Placed> {
    let lane = |lane: &&super::Lane| lane.source == row.source && lane.clock == at.clock;
    let civil = |lane: &&super::Lane| lane.clock == Clock::Local;
    let known = table.clocks.iter().find(lane).or_else(|| table.clocks.iter().find(civil));
    let offset = if at.clock == Clock::Utc { 0 } else { known.map_or(0, |lane| lane.offset) };
    matches!(at.clock, Clock::Utc | Clock::Local).then_some(Placed { micros: at.micros + offset, slack: 0 })
}

/// Why a row of another witness is no cause.
fn aside(window: &Window, row: &Row) -> Option<Aside> {
    let other = |job: &String| row.fields.get("job").is_some_and(|told| told.to_string() != *job);
    if window.job.as_ref().is_some_and(other) || window.job.is_none() && window.is_far(row) {
        return Some(Aside::OtherJob);
    }
    if !window.nodes.is_empty() && row.node().is_some_and(|node| !on_any(node, &window.nodes)) {
        return Some(Aside::OtherNode);
    }
    let (at, last) = (row.placed?, end_of(row)?);
    let grace = window.doubt + if window.follows { 0 } else { BEFORE };
    if window.begins.is_some_and(|begins| last < begins.micros - begins.slack - at.slack - grace) {
        return Some(Aside::Before);
    }
    window
        .ends
        .is_some_and(|ends| at.micros > ends.micros + ends.slack + at.slack + window.doubt + AFTER)
        .then_some(Aside::After)
}

impl Window {
    /// Whether a witness of many jobs tells of one at a time at which this job did not die, where its id is not known.
    fn is_far(&self, row: &Row) -> bool {
        let (Some(_), Some(_), Some((first, last))) = (row.fields.get("witness"), row.fields.get("job"), self.death)
        else {
            return false;
        };
        let near = |at: Placed| (first - BEFORE - self.doubt..=last + AFTER + self.doubt).contains(&at.micros);
        row.placed.is_some_and(|at| !near(at))
    }
}

/// The time of a row's last occurrence.
pub(super) fn end_of(row: &Row) -> Option<i64> {
    let apart = row.last_at.zip(row.at).and_then(|(last, first)| last.since(first)).unwrap_or_default();
    Some(row.placed?.micros + (apart * 1e6) as i64)
}

/// Whether a host, or one of a hostlist, is among these.
fn on_any(node: &str, nodes: &BTreeSet<String>) -> bool {
    if !node.contains(['[', ',']) {
        return nodes.contains(node);
    }
    hostlist::expand(node, MOST_HOSTS).is_ok_and(|list| list.iter().any(|host| nodes.contains(host)))
}

/// The rows that are told as context: what went wrong elsewhere or at another time.
pub fn context(table: &Table) -> impl Iterator<Item = RowId> + '_ {
    // What a controller tells of jobs and nodes is a warning; a host's own warnings are everyday.
    let told_of = |row: &Row| row.says == Says::Warning && row.fields.get("witness").is_some();
    let complains = move |row: &Row| matches!(row.says, Says::Failure | Says::Teardown) || told_of(row);
    (0..table.rows.len()).filter(move |id| table.rows[*id].aside.is_some() && complains(&table.rows[*id]))
}
