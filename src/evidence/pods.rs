//! What pods have behind them: what was said of a pod before it came up after all, and whose log stands beside its description.

use std::collections::{BTreeSet, HashMap};

use diag_parsers::Says;

use super::{Row, RowId, Table};

/// What a pod meets before it runs; a container that starts has it behind it.
const BEFORE_START: [&str; 7] = [
    "kubernetes.image_pull",
    "kubernetes.volume_mount",
    "kubernetes.sandbox",
    "kubernetes.network_not_ready",
    "kubernetes.container_start",
    "kubernetes.runtime_missing",
    "kubernetes.driver_stuck",
];

/// What it meets before it has a node.
const BEFORE_NODE: [&str; 3] = ["kubernetes.unschedulable", "kubernetes.claim_unbound", "kubernetes.queue_quota"];

/// Rows that say how a pod went on.
const PULLED: &str = "kubernetes.image_there";
const SCHEDULED: &str = "kubernetes.scheduled";
const STARTED: &str = "kubernetes.started";
const NOW_WELL: [&str; 2] = ["kubernetes.ready", "kubernetes.completed"];

/// Marks what pods have survived, and says whose the other lines of a document are that describes one pod.
pub(super) fn derive(table: &mut Table) {
    survived(table);
    the_only_pod(table);
}

fn survived(table: &mut Table) {
    let marks: Vec<&str> = [PULLED, SCHEDULED, STARTED].into_iter().chain(NOW_WELL).collect();
    let mut news: HashMap<&str, Vec<RowId>> = HashMap::new();
    for id in marks.iter().flat_map(|kind| table.of_kind(kind)) {
        if let Some(pod) = table.rows[*id].fields.text("pod") {
            news.entry(pod).or_default().push(*id);
        }
    }
    let healed = |row: &Row| {
        let later = |id: &RowId| goes_on(row, &table.rows[*id]);
        row.fields.text("pod").and_then(|pod| news.get(pod)).is_some_and(|ids| ids.iter().any(later))
    };
    let over: Vec<RowId> = (0..table.rows.len()).filter(|id| healed(&table.rows[*id])).collect();
    over.into_iter().for_each(|id| table.rows[id].survived = true);
}

/// Whether `news` of a pod shows that it has `row` behind it.
fn goes_on(row: &Row, news: &Row) -> bool {
    let told = |names: &[&str]| names.contains(&row.kind);
    let right = match news.kind {
        PULLED => row.kind == "kubernetes.image_pull" && same(row, news, "image"),
        SCHEDULED => told(&BEFORE_NODE),
        STARTED => (told(&BEFORE_START) && same(row, news, "container")) || told(&BEFORE_NODE),
        _ => told(&BEFORE_START) || told(&BEFORE_NODE),
    };
    right && is_later(row, news)
}

/// Whether two rows don't differ in a field that both have.
fn same(a: &Row, b: &Row, field: &str) -> bool {
    a.fields.text(field).zip(b.fields.text(field)).is_none_or(|(a, b)| a == b)
}

/// Whether `news` came after the last time `row` was told: by their times, by their ages in one table, or because it tells
/// of the present.
fn is_later(row: &Row, news: &Row) -> bool {
    if let (Some(a), Some(b)) = (row.last_at.or(row.at), news.last_at.or(news.at)) {
        return a.since(b).is_some_and(|ahead| ahead < 0.0);
    }
    match (row.fields.int("ago"), news.fields.int("ago")) {
        (Some(a), Some(b)) if row.source == news.source => b < a,
        _ => row.source == news.source && NOW_WELL.contains(&news.kind),
    }
}

/// A document that describes one pod, and holds other lines, holds that pod's log.
fn the_only_pod(table: &mut Table) {
    let mut pods: HashMap<usize, BTreeSet<String>> = HashMap::new();
    let described = |row: &&Row| row.fields.text("witness") == Some("kubernetes");
    for row in table.rows.iter().filter(described) {
        if let Some(pod) = row.fields.text("pod") {
            pods.entry(row.source).or_default().insert(pod.to_owned());
        }
    }
    let of_a_log =
        |row: &Row| row.fields.get("witness").is_none() && row.parents.is_empty() && row.says != Says::Progress;
    for row in table.rows.iter_mut().filter(|row| of_a_log(row)) {
        if let Some(pod) = pods.get(&row.source).filter(|pods| pods.len() == 1).and_then(BTreeSet::first) {
            row.fields.set_if_absent("pod", pod.as_str());
        }
    }
}
