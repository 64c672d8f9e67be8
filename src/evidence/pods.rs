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

/// What is said of containers that ran, or were to.
const OF_CONTAINERS: [&str; 4] =
    ["kubernetes.container_ended", "kubernetes.crash_loop", "kubernetes.oom_killed", "kubernetes.container_crashed"];

/// Rows that say how a pod went on.
const PULLED: &str = "kubernetes.image_there";
const SCHEDULED: &str = "kubernetes.scheduled";
const STARTED: &str = "kubernetes.started";
const NODE_NOT_READY: &str = "kubernetes.node_not_ready";
const NODE_READY: &str = "kubernetes.node_ready";
const GANG_READY: &str = "kubernetes.gang_ready";
const UNSCHEDULABLE: &str = "kubernetes.unschedulable";
const VOLUME: &str = "kubernetes.volume_mount";
const NOW_WELL: [&str; 2] = ["kubernetes.ready", "kubernetes.completed"];

const PROBE: &str = "kubernetes.probe_failed";

/// `failureThreshold`'s default: so often in a row, and the kubelet restarts the container.
const PROBE_TRIES: i64 = 3;

/// Marks what pods have survived, and says whose the other lines of a document are that describes one pod.
pub(super) fn derive(table: &mut Table) {
    the_only_pod(table);
    given_nodes(table);
    survived(table);
    nodes(table);
    gangs(table);
    failing_probes(table);
}

/// A list of events says once which node a pod was given, and then names the pod alone.
fn given_nodes(table: &mut Table) {
    let mut given: HashMap<(usize, String), Option<String>> = HashMap::new();
    for row in table.of_kind(SCHEDULED).iter().map(|id| &table.rows[*id]) {
        let (Some(pod), Some(node)) = (row.fields.text("pod"), row.node()) else { continue };
        let known = given.entry((row.source, pod.to_owned())).or_insert_with(|| Some(node.to_owned()));
        if known.as_deref() != Some(node) {
            *known = None;
        }
    }
    if given.is_empty() {
        return;
    }
    for row in table.rows.iter_mut().filter(|row| row.node().is_none() && row.parents.is_empty()) {
        if !row.kind.starts_with("kubernetes.") || BEFORE_NODE.contains(&row.kind) {
            continue;
        }
        let Some(pod) = row.fields.text("pod").map(str::to_owned) else { continue };
        if let Some(Some(node)) = given.get(&(row.source, pod)) {
            row.fields.set("node", node.as_str());
        }
    }
}

fn survived(table: &mut Table) {
    let marks: Vec<&str> = [PULLED, SCHEDULED, STARTED].into_iter().chain(NOW_WELL).collect();
    let named: BTreeSet<usize> = table.rows.iter().filter(|row| names_an_object(row)).map(|row| row.source).collect();
    let mut news: HashMap<Whose<'_>, Vec<RowId>> = HashMap::new();
    for id in marks.iter().flat_map(|kind| table.of_kind(kind)) {
        if let Some(whose) = whose(&table.rows[*id], &named) {
            news.entry(whose).or_default().push(*id);
        }
    }
    let healed = |row: &Row| {
        let ids = whose(row, &named).and_then(|whose| news.get(&whose));
        let mut told = ids.into_iter().flatten().map(|id| &table.rows[*id]);
        told.clone().any(|news| goes_on(row, news)) || (row.kind == VOLUME && has_its_volumes(row, &mut told))
    };
    let over: Vec<RowId> = (0..table.rows.len()).filter(|id| healed(&table.rows[*id])).collect();
    over.into_iter().for_each(|id| table.rows[id].survived = true);
}

/// Whose row it is.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Whose<'t> {
    Pod(&'t str),
    /// The pod of a document that is no more than the list of one pod's events.
    OfDocument(usize),
}

/// Whose a row is; `named` are the documents in which an object is named.
fn whose<'t>(row: &'t Row, named: &BTreeSet<usize>) -> Option<Whose<'t>> {
    let of_a_list = || row.fields.get("ago").is_some() && !named.contains(&row.source);
    let pod = row.fields.text("pod").map(Whose::Pod);
    pod.or_else(|| of_a_list().then_some(Whose::OfDocument(row.source)))
}

fn names_an_object(row: &Row) -> bool {
    ["pod", "object"].iter().any(|name| row.fields.get(name).is_some())
}

/// Nodes that answered again.
fn nodes(table: &mut Table) {
    let ready: Vec<RowId> = table.of_kind(NODE_READY).to_vec();
    let over = |row: &Row| {
        // what a table of nodes or a condition says is of the present
        let told_when = row.fields.get("ago").is_some() || row.at.is_some();
        told_when
            && row.fields.text("node").is_some()
            && ready.iter().map(|id| &table.rows[*id]).any(|news| same(row, news, "node") && is_behind(row, news))
    };
    let over: Vec<RowId> = table.of_kind(NODE_NOT_READY).iter().copied().filter(|id| over(&table.rows[*id])).collect();
    over.into_iter().for_each(|id| table.rows[id].survived = true);
}

/// Whether `news` came after `row`: by their times, or else by their places in one document.
fn is_behind(row: &Row, news: &Row) -> bool {
    match seconds(row, news) {
        Some(later) => later > 0.0,
        None => row.source == news.source && row.last_line < news.last_line,
    }
}

/// Groups of pods that start together: a group waits until there is room for all, and says so in the meantime.
fn gangs(table: &mut Table) {
    let ready: Vec<RowId> = table.of_kind(GANG_READY).to_vec();
    let over: Vec<RowId> = table
        .of_kind(UNSCHEDULABLE)
        .iter()
        .copied()
        .filter(|id| {
            let row = &table.rows[*id];
            let of_a_gang = row.fields.text("why").is_some_and(|why| why.contains("gang") || why.contains("pod group"));
            let mut ready = ready.iter().map(|id| &table.rows[*id]);
            of_a_gang && ready.any(|news| same(row, news, "object") && is_behind(row, news))
        })
        .collect();
    over.into_iter().for_each(|id| table.rows[id].survived = true);
}

/// Liveness and startup probes that failed as often as ends a container, of a pod that did not come up since: more than the
/// warning that one failed probe is.
fn failing_probes(table: &mut Table) {
    let ends = |row: &Row| row.fields.text("probe").is_some_and(|probe| probe != "Readiness");
    let mut tries: HashMap<(String, String), (i64, Vec<RowId>)> = HashMap::new();
    for id in table.of_kind(PROBE).iter().copied().filter(|id| ends(&table.rows[*id]) && !table.rows[*id].survived) {
        let row = &table.rows[id];
        let text = |name: &str| row.fields.text(name).unwrap_or_default().to_owned();
        let (count, rows) = tries.entry((text("pod"), text("probe"))).or_default();
        *count += row.fields.int("times").unwrap_or(1).max(i64::try_from(row.count).unwrap_or(1));
        rows.push(id);
    }
    let well: BTreeSet<&str> = NOW_WELL
        .iter()
        .flat_map(|kind| table.of_kind(kind))
        .filter_map(|id| table.rows[*id].fields.text("pod"))
        .collect();
    let failing = |(pod, _): &(String, String), count: i64| count >= PROBE_TRIES && !well.contains(pod.as_str());
    let rows: Vec<RowId> =
        tries.iter().filter(|(key, (count, _))| failing(key, *count)).flat_map(|(_, (_, rows))| rows.clone()).collect();
    rows.into_iter().for_each(|id| table.rows[id].says = Says::Failure);
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

/// Whether a pod had its volumes when one of them was said not to mount: the kubelet pulls images and starts containers once
/// all are there. What it says later is of its keeping them up to date, and of an end in which what they are made of went
/// first. A pod that was given a node since is another one of that name.
fn has_its_volumes(row: &Row, told: &mut dyn Iterator<Item = &Row>) -> bool {
    let told = told.filter(|news| [PULLED, SCHEDULED, STARTED].contains(&news.kind));
    let before = told.filter_map(|news| Some((seconds(row, news)?, news.kind))).filter(|(later, _)| *later < 0.0);
    let last = before.max_by(|a, b| a.0.total_cmp(&b.0));
    last.is_some_and(|(_, kind)| kind != SCHEDULED)
}

/// Whether two rows don't differ in a field that both have.
fn same(a: &Row, b: &Row, field: &str) -> bool {
    a.fields.text(field).zip(b.fields.text(field)).is_none_or(|(a, b)| a == b)
}

/// Whether `news` came after the last time `row` was told, or tells of the present. A pod is given a node once: what kept it waiting
/// stands before that, in the same second too.
fn is_later(row: &Row, news: &Row) -> bool {
    match seconds(row, news) {
        Some(later) => later > 0.0 || (later == 0.0 && news.kind == SCHEDULED),
        None => row.source == news.source && NOW_WELL.contains(&news.kind),
    }
}

/// Seconds from the last time that `a` was told to that of `b`: by their times, or by their ages in one table.
fn seconds(a: &Row, b: &Row) -> Option<f64> {
    if let (Some(a), Some(b)) = (a.last_at.or(a.at), b.last_at.or(b.at)) {
        return b.since(a);
    }
    let ages = a.fields.int("ago").zip(b.fields.int("ago")).filter(|_| a.source == b.source);
    ages.map(|(a, b)| (a - b) as f64)
}

/// A document that describes one pod, and holds other lines, holds that pod's log.
fn the_only_pod(table: &mut Table) {
    let mut pods: HashMap<usize, BTreeSet<String>> = HashMap::new();
    let mut ailing: HashMap<usize, BTreeSet<String>> = HashMap::new();
    let described = |row: &&Row| row.fields.text("witness") == Some("kubernetes");
    for row in table.rows.iter().filter(described) {
        if let Some(pod) = row.fields.text("pod") {
            pods.entry(row.source).or_default().insert(pod.to_owned());
            if matches!(row.says, Says::Failure | Says::Teardown) {
                ailing.entry(row.source).or_default().insert(pod.to_owned());
            }
        }
    }
    let of_a_log =
        |row: &Row| row.fields.get("witness").is_none() && row.parents.is_empty() && row.says != Says::Progress;
    // a list of events without a column of objects is that of one object, and so is a message that somebody copied
    let of_its_events = |row: &Row| {
        let of_a_pod =
            BEFORE_START.contains(&row.kind) || BEFORE_NODE.contains(&row.kind) || OF_CONTAINERS.contains(&row.kind);
        of_a_pod
            && matches!(row.fields.text("witness"), None | Some("kubernetes"))
            && row.fields.get("object").is_none()
    };
    let only = |pods: &HashMap<usize, BTreeSet<String>>, source: usize| {
        pods.get(&source).filter(|pods| pods.len() == 1).and_then(BTreeSet::first).cloned()
    };
    for row in &mut table.rows {
        let pod = match (of_its_events(row), of_a_log(row)) {
            // beside a table of many pods they are of the one that fails
            (true, _) => only(&pods, row.source).or_else(|| only(&ailing, row.source)),
            (false, true) => only(&pods, row.source),
            _ => None,
        };
        if let Some(pod) = pod {
            row.fields.set_if_absent("pod", pod.as_str());
        }
    }
}
