//! What objects of the API say: events, pods, nodes, and the conditions of everything else.
//!
//! Fields: kubernetes v1.31 `staging/src/k8s.io/api`, kueue v0.12 `apis/kueue/v1beta1/workload_types.go`, volcano v1.11
//! `scheduling/v1beta1`, training-operator v1.8 `kubeflow.org/v1`, jobset v0.8.

use super::events::statements;
use super::message::{self, Said};
use super::subject::Subject;
use super::tree::{Node, Tree};
use super::{monitors, reasons};
use crate::event::Says;

/// A statement of an object.
#[derive(Debug)]
pub(super) struct Told {
    /// Where the value stands that decides.
    pub(super) at: usize,
    pub(super) subject: Subject,
    pub(super) said: Said,
    /// When, as the object writes it.
    pub(super) when: Option<String>,
}

type Tell<'t> = dyn FnMut(Told) + 't;

/// All that an object, or a list of them, says.
pub(super) fn read(tree: &Tree, tell: &mut Tell<'_>) {
    if let Some(items) = tree.get("items") {
        items.items().iter().for_each(|item| read(item, tell));
        return;
    }
    if !tree.items().is_empty() {
        tree.items().iter().for_each(|item| read(item, tell));
        return;
    }
    // A watch wraps objects; so do audit logs and some exporters.
    if let Some(inner) = tree.get("object").filter(|inner| inner.get("kind").is_some()) {
        return read(inner, tell);
    }
    if tree.get("involvedObject").is_some() || tree.get("regarding").is_some() {
        return event(tree, tell);
    }
    let kind = tree.str("kind").unwrap_or_default();
    let named = Subject {
        namespace: text(tree, "metadata.namespace"),
        ..Subject::of(kind, tree.str("metadata.name").unwrap_or_default())
    };
    match kind {
        "Pod" => pod(tree, named, tell),
        "Node" => node(tree, &named, tell),
        _ => conditions(tree, &named, tell),
    }
}

fn text(tree: &Tree, path: &str) -> Option<String> {
    tree.str(path).map(str::to_owned)
}

/// What a piece of a status says whose object nobody knows: conditions, or the state of a container.
pub(super) fn piece(tree: &Tree, last: bool, tell: &mut Tell<'_>) {
    let nobody = Subject::default();
    if let Some(inner) = tree.get("waiting").or_else(|| tree.get("terminated")) {
        return state(inner, &nobody, last, tell);
    }
    let in_map = |key: &str, value: Tree| Tree { at: value.at, value: Node::Map(vec![(key.to_owned(), value)]) };
    let object = in_map("status", in_map("conditions", tree.clone()));
    // Only conditions of nodes have a heartbeat.
    if tree.items().iter().any(|condition| condition.get("lastHeartbeatTime").is_some()) {
        node(&object, &nobody, tell);
    } else {
        conditions(&object, &nobody, tell);
    }
}

/// What the status of a pod that failed says of the pod as a whole.
pub(super) fn failed(status: &Tree, last: bool, tell: &mut Tell<'_>) {
    state(status, &Subject::default(), last, tell);
}

/// An event: core/v1 or events.k8s.io/v1.
fn event(tree: &Tree, tell: &mut Tell<'_>) {
    let Some(about) = tree.get("involvedObject").or_else(|| tree.get("regarding")) else { return };
    let subject = Subject::of(about.str("kind").unwrap_or_default(), about.str("name").unwrap_or_default());
    let by_kubelet = ["reportingComponent", "reportingController"].iter().any(|path| tree.str(path) == Some("kubelet"));
    let host = text(tree, "source.host").or_else(|| text(tree, "deprecatedSource.host"));
    let host = host.or_else(|| text(tree, "reportingInstance").filter(|_| by_kubelet));
    let container =
        about.str("fieldPath").and_then(|path| Some(path.split_once('{')?.1.trim_end_matches('}').to_owned()));
    let subject =
        Subject { node: subject.node.clone().or(host), namespace: text(about, "namespace"), container, ..subject };
    let reason = tree.str("reason").unwrap_or_default();
    let (at, message) = tree.any(&["message", "note"]).or_else(|| tree.any(&["reason"])).unwrap_or((tree.at, ""));
    let stamps = [
        "lastTimestamp",
        "series.lastObservedTime",
        "eventTime",
        "deprecatedLastTimestamp",
        "firstTimestamp",
        "metadata.creationTimestamp",
    ];
    let when = tree.any(&stamps).map(|(_, when)| when.to_owned());
    let times =
        ["series.count", "count", "deprecatedCount"].iter().find_map(|path| tree.int(path)).filter(|times| *times > 1);
    let subject = subject.or(message::subject(message));
    for mut said in statements(tree.str("type").unwrap_or_default(), reason, message) {
        said.fields.set("reason", reason);
        if let Some(times) = times {
            said.fields.set("times", times);
        }
        tell(Told { at, subject: subject.clone(), said, when: when.clone() });
    }
}

/// A pod: its own end, its containers, its conditions.
fn pod(tree: &Tree, named: Subject, tell: &mut Tell<'_>) {
    let statuses = tree.list("status.containerStatuses");
    let all = || tree.list("status.initContainerStatuses").iter().chain(statuses);
    let runs = |one: &Tree| one.str("ready") == Some("true") && one.find("state.running").is_some();
    let subject = Subject {
        node: text(tree, "spec.nodeName"),
        ready: (!statuses.is_empty()).then(|| statuses.iter().all(runs)),
        restarts: all().filter_map(|one| one.int("restartCount")).max().unwrap_or(0),
        ..named
    };
    let Some(status) = tree.get("status") else { return };
    state(status, &subject, false, tell);
    for one in all() {
        let subject = Subject { container: text(one, "name"), ..subject.clone() };
        for (path, last) in [("state", false), ("lastState", true)] {
            let inner = one.get(path).and_then(|state| state.get("waiting").or_else(|| state.get("terminated")));
            inner.into_iter().for_each(|inner| state(inner, &subject, last, tell));
        }
    }
    conditions(tree, &subject, tell);
    let kind = match (subject.ready, status.str("phase")) {
        (_, Some("Succeeded")) => reasons::COMPLETED,
        (Some(true), _) => reasons::READY,
        _ => reasons::PENDING,
    };
    if let Some((at, _)) = status.any(&["phase"]).filter(|(_, phase)| *phase != "Failed") {
        tell(Told { at, subject, said: Said::new(kind, Says::Info), when: None });
    }
}

/// Reasons of containers that never ran: their message is the runtime's, and not the program's.
const NOT_RUN: [&str; 4] = ["ContainerCannotRun", "StartError", "CreateContainerError", "RunContainerError"];

/// What a state (waiting, terminated, or the pod's as a whole) says: by its message, and by its reason.
fn state(state: &Tree, subject: &Subject, last: bool, tell: &mut Tell<'_>) {
    let mut all: Vec<(usize, Said)> = Vec::new();
    if let Some((at, text)) = state.any(&["message"]) {
        all.extend(message::read(text).into_iter().map(|said| (at, said)));
    }
    if let Some((at, reason)) = state.any(&["reason"])
        && let Some(mut said) = reasons::of_state(reason)
        && all.iter().all(|(_, other)| other.kind != said.kind)
    {
        // the runtime's or the kubelet's own words: why the registry gave nothing, no device, or no process
        let explained = [reasons::PULL, reasons::REFUSED].contains(&said.kind) || NOT_RUN.contains(&reason);
        let words = state.any(&["message"]).filter(|_| explained);
        let at = words.map_or(at, |(line, text)| {
            said.fields.set("why", text);
            line
        });
        all.push((at, said));
    }
    let when = state.any(&["finishedAt"]).map(|(_, when)| when.to_owned());
    for (at, mut said) in all {
        if let Some(code) = state.int("exitCode") {
            reasons::with_exit_code(&mut said, code);
        }
        if let Some(reason) = state.str("reason") {
            said.fields.set("reason", reason);
        }
        if last {
            said.fields.set("previous", true);
        }
        tell(Told { at, subject: subject.clone(), said, when: when.clone() });
    }
}

/// Vendors whose resources are devices of a plug-in; of others the kubelet holds some back for itself.
const VENDORS: [&str; 3] = ["nvidia.com/", "amd.com/", "habana.ai/"];

/// What is said of a resource of which fewer are healthy than there are.
pub(super) fn missing_devices(name: &str, healthy: i64, all: i64) -> Option<Said> {
    let of_a_plug_in = VENDORS.iter().any(|vendor| name.starts_with(vendor));
    (of_a_plug_in && healthy < all).then(|| {
        let mut said = Said::new(reasons::DEVICE, Says::Failure);
        said.fields.set("why", format!("{healthy} of {all} {name} are healthy"));
        said
    })
}

fn devices(tree: &Tree, named: &Subject, tell: &mut Tell<'_>) {
    let of = |path: &str| tree.find(path).map_or(&[][..], Tree::fields);
    let number = |tree: &Tree| tree.text().and_then(|text| text.parse::<i64>().ok());
    for (name, healthy) in of("status.allocatable") {
        let all = of("status.capacity").iter().find(|(other, _)| other == name).and_then(|(_, all)| number(all));
        let said = number(healthy).zip(all).and_then(|(healthy, all)| missing_devices(name, healthy, all));
        if let Some(said) = said {
            tell(Told { at: healthy.at, subject: named.clone(), said, when: None });
        }
    }
}

/// A node: whether it answers, and what it is short of.
fn node(tree: &Tree, named: &Subject, tell: &mut Tell<'_>) {
    devices(tree, named, tell);
    for condition in tree.list("status.conditions") {
        let (kind, says) =
            match (condition.str("type").unwrap_or_default(), condition.str("status").unwrap_or_default()) {
                ("Ready", "False" | "Unknown") => (reasons::NODE, Says::Failure),
                ("MemoryPressure" | "DiskPressure" | "PIDPressure", "True") => (reasons::PRESSURE, Says::Failure),
                (kind, status) => {
                    let told = [condition.str("reason"), condition.str("message")];
                    let told = told.into_iter().flatten().collect::<Vec<_>>().join(": ");
                    if let Some(said) = monitors::of(kind, status, &told) {
                        let when = text(condition, "lastTransitionTime");
                        // what it is called says most
                        let at = condition.any(&["type"]).map_or(condition.at, |(at, _)| at);
                        tell(Told { at, subject: named.clone(), said, when });
                    }
                    continue;
                }
            };
        let mut said = Said::new(kind, says);
        let (at, why) = condition.any(&["message", "reason", "type"]).unwrap_or((condition.at, ""));
        said.fields.set("why", why);
        said.fields.set("resource", condition.str("type").unwrap_or_default());
        let when = text(condition, "lastTransitionTime");
        for more in message::read(why).into_iter().filter(|more| more.kind != kind) {
            tell(Told { at, subject: named.clone(), said: more, when: when.clone() });
        }
        tell(Told { at, subject: named.clone(), said, when });
    }
}

/// Conditions that are well when they hold; of all others, what holds may be trouble.
const GOOD: [&str; 14] = [
    "Ready",
    "PodScheduled",
    "Initialized",
    "ContainersReady",
    "PodReadyToStartContainers",
    "QuotaReserved",
    "Admitted",
    "Available",
    "Progressing",
    "Complete",
    "Succeeded",
    "Running",
    "Created",
    "Scheduled",
];

/// Conditions that say so when they hold.
const BAD: [&str; 8] = [
    "Failed",
    "FailureTarget",
    "Evicted",
    "Preempted",
    "Unschedulable",
    "DisruptionTarget",
    "ReplicaFailure",
    "Degraded",
];

/// The conditions of a pod, job, workload or pod group.
fn conditions(tree: &Tree, subject: &Subject, tell: &mut Tell<'_>) {
    let list = tree.find("status.conditions").or_else(|| tree.get("conditions"));
    for condition in list.map_or(&[][..], Tree::items) {
        let (kind, status) = (condition.str("type").unwrap_or_default(), condition.str("status").unwrap_or_default());
        let trouble = (GOOD.contains(&kind) && status == "False") || (BAD.contains(&kind) && status == "True");
        if !trouble {
            continue;
        }
        let when = text(condition, "lastTransitionTime");
        let message = condition.any(&["message"]).map(|(at, text)| (at, message::read(text)));
        let reason =
            || condition.any(&["reason"]).map(|(at, reason)| (at, reasons::of_state(reason).into_iter().collect()));
        let Some((at, said)) = message.filter(|(_, said)| !said.is_empty()).or_else(reason) else { continue };
        for said in said {
            tell(Told { at, subject: subject.clone(), said, when: when.clone() });
        }
    }
}
