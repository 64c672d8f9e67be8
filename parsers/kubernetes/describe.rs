//! `kubectl describe`: whom its lines are about, and the states and conditions that it tells.
//!
//! Shape: kubernetes v1.6 to v1.34 `staging/src/k8s.io/kubectl/pkg/describe/describe.go`.

mod conditions;
mod record;
mod taints;

use std::sync::LazyLock;

pub use conditions::CutConditions;
use memchr::memchr2_iter;
use memchr::memmem::Finder;
use record::{Container, Record, State};
pub use taints::Taints;

use super::message::{self, Said};
use super::reasons;
use super::subject::Subject;
use super::{monitors, pods};
use crate::event::{Event, Name, Says};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// Descriptions of pods, nodes and jobs.
#[derive(Debug)]
pub struct Described;

impl Grammar for Described {
    fn kinds(&self) -> &'static [Name] {
        reasons::KINDS
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        reasons::about(kind)
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["Name:  ", "Name:\t"]
    }

    fn speaks_for(&self) -> Option<Name> {
        Some("kubernetes")
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        if !begins(cursor.line.raw) {
            return;
        }
        let record = Record::read(std::iter::once(cursor.line.clone()).chain(cursor.following()));
        let subject = record.subject();
        let mut tell = |line: &Line<'_>, subject: &Subject, said: Said| out.push(subject.event(cursor, line, said));
        for container in &record.containers {
            states(container, &subject, &mut tell);
        }
        pod(&record, &subject, &mut tell);
        node(&record, &subject, &mut tell);
        job(&record, &subject, &mut tell);
        deployment(&record, &subject, &mut tell);
    }
}

/// States of containers without the description they stood in.
#[derive(Debug)]
pub struct CutStates;

impl Grammar for CutStates {
    fn kinds(&self) -> &'static [Name] {
        reasons::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["State:  ", "State:\t"]
    }

    fn speaks_for(&self) -> Option<Name> {
        Some("kubernetes")
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let is_state = |raw: &[u8]| {
            let text = raw.trim_ascii_start();
            raw.starts_with(b" ") && (text.starts_with(b"State:") || text.starts_with(b"Last State:"))
        };
        // the first of them reads the others too
        let whole = cursor.block.data;
        if whole.len() > SMALL || !is_state(cursor.line.raw) || cursor.preceding().any(|line| is_state(line.raw)) {
            return;
        }
        if whole.split(|byte| *byte == b'\n').any(begins) {
            return;
        }
        let record = Record::read_states(std::iter::once(cursor.line.clone()).chain(cursor.following()));
        let mut tell = |line: &Line<'_>, subject: &Subject, said: Said| out.push(subject.event(cursor, line, said));
        let about = subject(cursor, "");
        for container in &record.containers {
            states(container, &about, &mut tell);
        }
    }
}

/// Largest text, in bytes, that may be a piece of a description.
const SMALL: usize = 64 << 10;

/// Takes a statement about somebody on a line.
type Tell<'t, 'a> = dyn FnMut(&Line<'a>, &Subject, Said) + 't;

/// What the states of a container say: how it is, and how it ended before.
fn states<'a>(container: &Container<'a>, subject: &Subject, tell: &mut Tell<'_, 'a>) {
    let name = Some(container.name.clone()).filter(|name| !name.is_empty());
    let subject = Subject { container: name, ..subject.clone() };
    for state in &container.states {
        let said = state_says(state);
        let Some((line, reason)) = &state.reason else { continue };
        // Up to Kubernetes 1.1 a container that ended well had that reason too.
        if state.exit_code == Some(0) && reason == "Error" {
            continue;
        }
        for mut said in said {
            said.fields.set("reason", reason.as_str());
            if let Some(code) = state.exit_code.filter(|_| said.kind != "kubernetes.crash_loop") {
                reasons::with_exit_code(&mut said, code);
            }
            if state.last {
                said.fields.set("previous", true);
            }
            let message = state.message.as_ref().filter(|_| said.fields.remove("by_message").is_some());
            tell(message.map_or(line, |(line, _)| line), &subject, said);
        }
    }
}

/// A state's reason, and what its message adds.
fn state_says(state: &State<'_>) -> Vec<Said> {
    let Some((_, reason)) = &state.reason else { return Vec::new() };
    let by_message = state.message.iter().flat_map(|(_, text)| message::read(text)).map(|mut said| {
        said.fields.set("by_message", true);
        said
    });
    let mut all: Vec<Said> = by_message.collect();
    // The message says more precisely what the reason names.
    all.extend(reasons::of_state(reason).filter(|said| all.iter().all(|other| other.kind != said.kind)));
    all
}

/// What the pod as a whole says: evicted, running, waiting.
fn pod<'a>(record: &Record<'a>, subject: &Subject, tell: &mut Tell<'_, 'a>) {
    if subject.pod.is_none() {
        return;
    }
    let told =
        record.message.as_ref().map(|(line, text)| (line, message::read(text))).filter(|(_, said)| !said.is_empty());
    match (told, &record.reason) {
        (Some((line, said)), _) => said.into_iter().for_each(|said| tell(line, subject, said)),
        (None, Some((line, reason))) => {
            reasons::of_state(reason).into_iter().for_each(|said| tell(line, subject, said));
        }
        (None, None) => {}
    }
    if let (Some((line, _)), Some(ready)) = (&record.status, subject.ready) {
        let kind = if ready { reasons::READY } else { reasons::PENDING };
        tell(line, subject, Said::new(kind, Says::Info));
    }
}

/// What the conditions of a node say.
fn node<'a>(record: &Record<'a>, subject: &Subject, tell: &mut Tell<'_, 'a>) {
    if subject.pod.is_some() || (subject.node.is_none() && !record.is_node()) {
        return;
    }
    for (line, condition) in &record.conditions {
        let (kind, says) = match (condition.kind.as_str(), condition.status.as_str()) {
            ("Ready", "False" | "Unknown") => (reasons::NODE, Says::Failure),
            ("MemoryPressure" | "DiskPressure" | "PIDPressure" | "OutOfDisk", "True") => {
                (reasons::PRESSURE, Says::Failure)
            }
            (kind, status) => {
                if let Some(said) = monitors::of(kind, status, &condition.rest) {
                    tell(line, subject, said);
                }
                continue;
            }
        };
        let mut all = message::read(&condition.rest);
        all.retain(|said| said.kind != kind);
        let mut own = Said::new(kind, says);
        own.fields.set(if kind == reasons::NODE { "what" } else { "resource" }, condition.kind.as_str());
        own.fields.set("why", condition.rest.as_str());
        all.insert(0, own);
        all.into_iter().for_each(|said| tell(line, subject, said));
    }
}

/// A deployment that has too few pods, or gave up waiting for them.
fn deployment<'a>(record: &Record<'a>, subject: &Subject, tell: &mut Tell<'_, 'a>) {
    if subject.object.as_deref().is_none_or(|object| !object.starts_with("deployment/")) {
        return;
    }
    let too_few = |kind: &str| ["Available", "Progressing", "ReplicaFailure"].contains(&kind);
    for (line, condition) in record.conditions.iter().filter(|(_, condition)| too_few(&condition.kind)) {
        if (condition.status == "True") == (condition.kind == "ReplicaFailure") {
            let mut said = Said::new(reasons::NOT_READY, Says::Failure);
            said.fields.set("why", condition.rest.as_str());
            tell(line, subject, said);
        }
    }
}

/// A job whose pods failed.
fn job<'a>(record: &Record<'a>, subject: &Subject, tell: &mut Tell<'_, 'a>) {
    if let Some((line, failed)) = record.failed.as_ref().filter(|(_, failed)| *failed > 0) {
        let mut said = Said::new(reasons::JOB_FAILED, Says::Teardown);
        said.fields.set("failed", *failed);
        tell(line, subject, said);
    }
}

/// Whether a line begins the description of an object.
fn begins(raw: &[u8]) -> bool {
    raw.strip_prefix(b"Name:").is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_whitespace))
}

/// Lines before an event that are looked at, …
const REACH: usize = 1024;

/// … and bytes: a description, of a node even, and the events of an hour behind it.
const REACH_BYTES: usize = 64 << 10;

/// The object that a row of events is about: that of the description it stands in, or of the command or the table of a
/// single pod before it; of several pods the one whose state is the event's reason.
pub(super) fn subject(cursor: &Cursor<'_>, reason: &str) -> Subject {
    // Thousands of lines around a row have no mark: what they lack together is not looked for in each.
    let furthest = cursor.line.start.saturating_sub(REACH_BYTES);
    let above = &cursor.block.data[furthest..cursor.line.start];
    let commands = COMMAND.find(above).is_some() || DESCRIBE.find(above).is_some();
    let headed = |raw: &[u8]| raw.first() == Some(&b'N') && (begins(raw) || raw.starts_with(b"NAME "));
    let starts = std::iter::once(0).chain(memchr2_iter(b'\n', b'\r', above).map(|end| end + 1));
    if !commands && !starts.map(|start| &above[start..]).any(|rest| headed(rest) || pods::may_be_row(rest)) {
        return Subject::default();
    }
    let marks = |raw: &[u8]| headed(raw) || (commands && prompt(raw).is_some()) || pods::is_row(raw);
    let mut told: Vec<pods::Row> = Vec::new();
    for line in cursor.raw_before(marks, REACH).take_while(|line| line.start >= furthest) {
        if begins(line.raw) {
            let until = cursor.line.number;
            let record = Record::read(record_from(cursor, line).take_while(|line| line.number < until));
            return if told.is_empty() { record.subject() } else { pods::the_one(&told, reason).unwrap_or_default() };
        }
        if let Some(named) = prompt(line.raw) {
            return named.or(pods::the_one(&told, reason).unwrap_or_default());
        }
        match pods::Row::read(&line.str()) {
            Some(row) => told.push(row),
            // A header: the table ends here.
            None => break,
        }
    }
    pods::the_one(&told, reason).unwrap_or_default()
}

/// A line before the cursor and all after it.
fn record_from<'a>(cursor: &Cursor<'a>, line: Line<'a>) -> impl Iterator<Item = Line<'a>> + use<'a> {
    let from = Cursor { block: cursor.block, line: line.clone() };
    let rest = from.following();
    std::iter::once(line).chain(rest)
}

static COMMAND: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"kubectl "));
static DESCRIBE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b" describe "));

/// Shorter names under which many call the client, and that of OpenShift.
const ALIASES: [&str; 3] = ["k ", "kc ", "oc "];

/// What a command line says to the client; of a short name only with the verb right behind it, for it may be a word of a text.
fn arguments(text: &str) -> Option<&str> {
    if let Some((_, rest)) = text.split_once("kubectl ") {
        return Some(rest);
    }
    let command = text.rsplit_once(['$', '#', '>']).map_or(text, |(_, command)| command).trim_start();
    let rest = ALIASES.iter().find_map(|alias| command.strip_prefix(alias))?;
    rest.starts_with("describe ").then_some(rest)
}

/// Flags behind which a value stands as a word of its own: `-l app=train` names no object.
const VALUED: [&str; 12] = [
    "-n",
    "--namespace",
    "-l",
    "--selector",
    "-f",
    "--filename",
    "-o",
    "--output",
    "-c",
    "--container",
    "--context",
    "--field-selector",
];

/// The words of a command that are neither flags nor their values.
fn operands<'w>(words: &'w [&'w str]) -> impl Iterator<Item = &'w &'w str> {
    let mut before = "";
    words.iter().take_while(|word| !["|", "||", "&&", ";", ">"].contains(word)).filter(move |word| {
        let value = VALUED.contains(&std::mem::replace(&mut before, word));
        !value && word.starts_with(|first: char| first.is_ascii_alphanumeric())
    })
}

/// The object that a command line names: `$ kubectl describe pod train-0 -n research`.
fn prompt(raw: &[u8]) -> Option<Subject> {
    COMMAND.find(raw).or_else(|| DESCRIBE.find(raw))?;
    let text = String::from_utf8_lossy(raw);
    let words: Vec<&str> = arguments(&text)?.split_whitespace().collect();
    let verb = words.iter().position(|word| matches!(*word, "describe" | "get" | "logs" | "events" | "apply"))?;
    let namespace =
        words.windows(2).find(|pair| matches!(pair[0], "-n" | "--namespace")).map(|pair| pair[1].to_owned());
    let mut names = operands(&words[verb + 1..]);
    let (kind, name) = match (names.next().copied(), names.next().copied()) {
        (Some(pair), _) if pair.contains('/') => pair.split_once('/')?,
        (Some(kind), Some(name)) if words[verb] == "describe" => (kind, name),
        _ => ("", ""),
    };
    let kinds = ["pod", "pods", "po", "node", "nodes", "no", "job", "jobs"];
    let named = if kinds.contains(&kind) { Subject::of(kind, name) } else { Subject::default() };
    Some(Subject { namespace, ..named })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Catalogue, Scanner, lint};

    const POD: &str = "Name:             train-0
Namespace:        research
Node:             gpu-018/10.0.4.18
Status:           Running
Containers:
  trainer:
    Container ID:   containerd://7c1e
    State:          Waiting
      Reason:       CrashLoopBackOff
    Last State:     Terminated
      Reason:       OOMKilled
      Exit Code:    137
    Ready:          False
    Restart Count:  5
Conditions:
  Type              Status
  Ready             False
  ContainersReady   False
Events:
  Type     Reason   Age                 From     Message
  ----     ------   ----                ----     -------
  Warning  BackOff  3m (x25 over 9m)    kubelet  Back-off restarting failed container trainer in pod train-0_research(7c1e)
";

    fn read(log: &str) -> Vec<(&'static str, u64, Says, Option<String>)> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let who = |event: &Event| event.fields.text("pod").or(event.fields.text("node")).map(str::to_owned);
        lint::read(&scanner, log).iter().map(|event| (event.kind, event.line, event.says, who(event))).collect()
    }

    #[test]
    fn states_are_told_once_with_their_pod() {
        let pod = || Some("train-0".to_owned());
        assert_eq!(
            read(POD),
            [
                ("kubernetes.crash_loop", 9, Says::Teardown, pod()),
                ("kubernetes.oom_killed", 11, Says::Failure, pod()),
                ("kubernetes.pending", 4, Says::Info, pod()),
                ("kubernetes.crash_loop", 22, Says::Teardown, pod()),
            ]
        );
    }

    #[test]
    fn what_a_pod_that_runs_has_behind_it_only_warns() {
        let well = POD
            .replace("Waiting\n      Reason:       CrashLoopBackOff", "Running")
            .replace("OOMKilled", "Error")
            .replace("False", "True")
            .replace("Restart Count:  5", "Restart Count:  1");
        assert!(
            read(&well).iter().all(|(_, _, says, _)| matches!(says, Says::Warning | Says::Info)),
            "{:?}",
            read(&well)
        );
    }

    #[test]
    fn states_are_told_where_the_description_was_cut_down_to_them() {
        let from = POD.find("    Last State").unwrap();
        let cut = &POD[from..POD.find("Conditions").unwrap()];
        assert_eq!(read(cut), [("kubernetes.oom_killed", 2, Says::Failure, None)]);
        let asked = format!("$ kubectl describe pod train-0 | grep -A8 'Last State'\n{cut}");
        assert_eq!(pods(&asked), [Some("train-0".to_owned())]);
    }

    fn pods(log: &str) -> Vec<Option<String>> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let events = lint::read(&scanner, log).into_iter().filter(|event| event.says == Says::Failure);
        events.map(|event| event.fields.text("pod").map(str::to_owned)).collect()
    }

    #[test]
    fn a_node_that_is_silent_is_named() {
        let node = "Name:               gpu-018\nRoles:              <none>\nTaints:             node.kubernetes.io/unreachable:NoSchedule\n\
                    Conditions:\n  Type             Status    LastHeartbeatTime   LastTransitionTime   Reason              Message\n\
                    \x20 ----             ------    -----------------   ------------------   ------              -------\n\
                    \x20 MemoryPressure   Unknown   Mon, 04 May 2026    Mon, 04 May 2026     NodeStatusUnknown   Kubelet stopped posting node status.\n\
                    \x20 Ready            Unknown   Mon, 04 May 2026    Mon, 04 May 2026     NodeStatusUnknown   Kubelet stopped posting node status.\n\
                    Addresses:\n";
        let told = read(node);
        assert!(
            told.contains(&("kubernetes.node_not_ready", 8, Says::Failure, Some("gpu-018".to_owned()))),
            "{told:?}"
        );
    }

    #[test]
    fn a_node_that_is_silent_is_known_by_its_taints_and_by_a_table_of_conditions() {
        let gone = |line| vec![("kubernetes.node_not_ready", line, Says::Failure, Some("gpu-018".to_owned()))];
        let command = "$ kubectl describe node gpu-018 | grep -A2 Taints\n";
        let taints = "Taints:             dedicated=train:NoSchedule\n                    node.kubernetes.io/unreachable:NoExecute\n\
                      Unschedulable:      false\n";
        assert_eq!(read(&format!("{command}{taints}")), gone(3));
        assert_eq!(read(&format!("Name:               gpu-018\n{taints}")), gone(3));
        let cordoned = "Taints:             node.kubernetes.io/unschedulable:NoSchedule\n";
        assert!(read(&format!("{command}{cordoned}")).is_empty());
        let tolerations = "Tolerations:     node.kubernetes.io/not-ready:NoExecute op=Exists for 300s\n";
        assert!(read(tolerations).is_empty());
        let conditions = "Conditions:\n  Type             Status    LastHeartbeatTime   LastTransitionTime   Reason              Message\n\
                          \x20 ----             ------    -----------------   ------------------   ------              -------\n\
                          \x20 PIDPressure      Unknown   Mon, 04 May 2026    Mon, 04 May 2026     NodeStatusUnknown   Kubelet stopped posting node status.\n\
                          \x20 Ready            Unknown   Mon, 04 May 2026    Mon, 04 May 2026     NodeStatusUnknown   Kubelet stopped posting node status.\n\
                          Addresses:\n";
        assert!(read(&format!("$ kubectl describe node gpu-018\n{conditions}")).contains(&gone(6)[0]));
        let picked = "GpuCount       False    GpuCountHasNoIssues    Node has the expected number of GPUs\n\
                      RdmaLink       True     RdmaLinkHasIssues      Healthcheck:: RDMA Link Error\n";
        assert_eq!(read(picked), [("health.ib_link", 2, Says::Failure, None)]);
        let xid = "$ k describe node gpu-018 | grep Xid\n  XidCriticalError     True    Mon, 04 May 2026 03:12:43 +0000   \
                   Mon, 04 May 2026 03:11:57 +0000   {\"79\":true}                  7c1e0a52\n";
        assert_eq!(read(xid), [("kubernetes.device_xid", 2, Says::Failure, Some("gpu-018".to_owned()))]);
    }

    #[test]
    fn a_deployment_is_known_by_the_pods_that_it_updates() {
        let described = "Name:                   serve\nNamespace:              ml\n\
                         Replicas:               1 desired | 1 updated | 1 total | 0 available | 1 unavailable\n\
                         StrategyType:           RollingUpdate\nConditions:\n  Type           Status  Reason\n\
                         \x20 ----           ------  ------\n  Available      False   MinimumReplicasUnavailable\n";
        assert_eq!(read(described), [("kubernetes.not_ready", 8, Says::Failure, None)]);
        assert!(read(&described.replace("False ", "True  ")).is_empty());
        let set = "Name:           serve-7c1e\nNamespace:      ml\nReplicas:       1 current / 1 desired\n";
        assert!(read(set).is_empty());
    }

    #[test]
    fn a_command_line_names_its_object() {
        let of = |line: &str| prompt(line.as_bytes()).map(|subject| (subject.pod, subject.node));
        assert_eq!(of("$ kubectl describe pod train-0 -n ml"), Some((Some("train-0".into()), None)));
        assert_eq!(of("root@x ~# kubectl -n ml describe pods train-0"), Some((Some("train-0".into()), None)));
        assert_eq!(of("$ kubectl describe node -l pool=a100"), Some((None, None)));
        assert_eq!(of("$ kubectl -n ml describe pod -l app=train | tail"), Some((None, None)));
        assert_eq!(of("$ kubectl describe no/gpu-018"), Some((None, Some("gpu-018".into()))));
        assert_eq!(of("$ kubectl get pods"), Some((None, None)));
        assert_eq!(of("[root@x ~]# oc describe node gpu-018 | grep Xid"), Some((None, Some("gpu-018".into()))));
        assert_eq!(of("k describe node gpu-018"), Some((None, Some("gpu-018".into()))));
        assert_eq!(of("the logs describe node gpu-018"), None);
        assert_eq!(of("no command"), None);
    }
}
