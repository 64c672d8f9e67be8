//! Rows of `kubectl get pods`, with or without header, namespace and the wide columns.
//!
//! Shape: kubernetes v1.31 `pkg/printers/internalversion/printers.go` (`printPod`).

use std::sync::LazyLock;

use regex::Regex;
use regex::bytes;

use super::events;
use super::message::Said;
use super::reasons;
use super::subject::Subject;
use crate::event::{Event, Name, Says};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// Rows of pods.
#[derive(Debug)]
pub struct Pods;

impl Grammar for Pods {
    fn kinds(&self) -> &'static [Name] {
        reasons::KINDS
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        reasons::about(kind)
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[
            "CrashLoopBackOff",
            "ImagePullBackOff",
            "ErrImagePull",
            "ErrImageNeverPull",
            "InvalidImageName",
            "OOMKilled",
            "CreateContainer",
            "ContainerCannotRun",
            "RunContainerError",
            "StartError",
            "Evicted",
            "Init:",
            "Error  ",
            "Pending  ",
            "Running  ",
            "Completed  ",
            "Terminating  ",
            "Unknown  ",
            "NodeLost",
            "ContainerCreating",
            "UnexpectedAdmissionError",
            "OutOf",
            "NodeAffinity",
            "NodeShutdown",
            "Preempting",
            "DeadlineExceeded",
            "TopologyAffinityError",
            "ExitCode:",
            "PodInitializing",
        ]
    }

    fn speaks_for(&self) -> Option<Name> {
        Some("kubernetes")
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.str();
        let Some(row) = Row::read(&text) else { return };
        let said = row.says();
        out.push(row.subject().event(cursor, &cursor.line, said));
    }
}

/// A row: who, how many of its containers are ready, what it does.
#[derive(Debug, Clone)]
pub(super) struct Row {
    name: String,
    namespace: Option<String>,
    node: Option<String>,
    ready: i64,
    all: i64,
    status: String,
    restarts: i64,
    /// Seconds since it was made.
    age: i64,
}

/// A pod that still starts after so many seconds is stuck: the kubelet gives volumes and images two minutes a try, and pulls
/// of the largest images and set-ups of a driver take a few.
const STUCK: i64 = 900;

const SHAPE: &str = r"^\s*(?:(?P<namespace>[a-z0-9][a-z0-9-]*)\s+)?(?:pod/)?(?P<name>[a-z0-9][a-z0-9.-]*)\s+(?P<ready>[0-9]{1,4})/(?P<all>[0-9]{1,4})\s+(?P<status>[A-Z][A-Za-z0-9:./-]*)\s+(?P<restarts>[0-9]+)(?: \([^)]*\))?\s+(?P<age>[0-9][0-9a-z]*|<invalid>|<unknown>)(?:\s+(?P<ip>[0-9a-f][0-9a-f.:]+|<none>)\s+(?P<node>[\w.-]+))?(?:\s{2,}\S.*)?\s*$";

static TEXT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(SHAPE).ok());

static BYTES: LazyLock<Option<bytes::Regex>> = LazyLock::new(|| bytes::Regex::new(SHAPE).ok());

/// Whether a line is a row of pods.
pub(super) fn is_row(raw: &[u8]) -> bool {
    may_be_row(raw) && BYTES.as_ref().is_some_and(|shape| shape.is_match(raw))
}

/// Whether a line begins as a row does; most lines fail here, long before a regex would see it: how many containers are
/// ready is told as `0/1`, behind one or two names.
pub(super) fn may_be_row(raw: &[u8]) -> bool {
    let ready = |word: &[u8]| {
        let slash = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
        slash > 0 && word.get(slash) == Some(&b'/') && word.get(slash + 1).is_some_and(u8::is_ascii_digit)
    };
    // Some characters beyond ASCII are blanks to the regex.
    let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b || !byte.is_ascii();
    let named = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-./".contains(byte);
    let run = |text: &[u8], of: &dyn Fn(&u8) -> bool| text.iter().take_while(|byte| of(byte)).count();
    let mut rest = &raw[run(raw, &blank)..];
    for _ in 0..2 {
        let name = run(rest, &named);
        let behind = name + run(&rest[name..], &blank);
        if name == 0 || behind == name {
            return false;
        }
        rest = &rest[behind..];
        if ready(rest) {
            return true;
        }
    }
    false
}

impl Row {
    pub(super) fn read(text: &str) -> Option<Self> {
        let found = TEXT.as_ref()?.captures(text)?;
        let get = |name: &str| found.name(name).map(|part| part.as_str().to_owned());
        let number = |name: &str| found.name(name).and_then(|part| part.as_str().parse().ok());
        Some(Self {
            name: get("name")?,
            namespace: get("namespace"),
            node: get("node").filter(|node| node != "<none>"),
            ready: number("ready")?,
            all: number("all")?,
            status: get("status")?,
            restarts: number("restarts")?,
            age: get("age").as_deref().and_then(events::seconds).unwrap_or(0),
        })
    }

    /// What the row says of its pod.
    fn says(&self) -> Said {
        let well = self.ready == self.all;
        let mut said = match self.status.as_str() {
            "Running" if well => Said::new(reasons::READY, Says::Info),
            // It came up and went down again.
            "Running" if self.restarts > 0 => Said::new(reasons::NOT_READY, Says::Failure),
            "Completed" | "Succeeded" => Said::new(reasons::COMPLETED, Says::Info),
            status => reasons::of_state(status).unwrap_or_else(|| self.waits()),
        };
        said.fields.set_if_absent("why", self.status.as_str());
        said.fields.set("restarts", self.restarts);
        said
    }

    /// A pod that has a node and does not run yet; one without a node may rightly be in a queue for days.
    fn waits(&self) -> Said {
        let starts =
            self.status.starts_with("Init:") || matches!(&*self.status, "PodInitializing" | "ContainerCreating");
        if starts && self.age >= STUCK {
            return Said::new(reasons::STUCK, Says::Teardown);
        }
        Said::new(reasons::PENDING, Says::Info)
    }

    fn subject(&self) -> Subject {
        Subject {
            pod: Some(self.name.clone()),
            namespace: self.namespace.clone(),
            node: self.node.clone(),
            ..Subject::default()
        }
    }
}

/// The pod that an event with this reason is about: the only one of a table, or the only one in that state.
pub(super) fn the_one(rows: &[Row], reason: &str) -> Option<Subject> {
    let mut alike = rows.iter().filter(|row| row.status == reason);
    match (rows, alike.next(), alike.next()) {
        ([row], ..) | (_, Some(row), None) => Some(row.subject()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Catalogue, Scanner, lint};

    fn read(log: &str) -> Vec<(&'static str, Says, String, String)> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let text = |event: &Event, name: &str| event.fields.text(name).unwrap_or_default().to_owned();
        let events = lint::read(&scanner, log);
        events.iter().map(|event| (event.kind, event.says, text(event, "pod"), text(event, "node"))).collect()
    }

    #[test]
    fn a_pod_that_starts_for_long_is_stuck() {
        let log = "plugin-0   0/1     Init:0/1            0   41m\n\
                   plugin-1   0/1     PodInitializing     0   2d\n\
                   plugin-2   0/1     ContainerCreating   0   14m\n\
                   plugin-3   0/1     Pending             0   9d\n";
        let kinds: Vec<_> = read(log).into_iter().map(|(kind, says, ..)| (kind, says)).collect();
        let (stuck, waits) = (("kubernetes.start_stuck", Says::Teardown), ("kubernetes.pending", Says::Info));
        assert_eq!(kinds, [stuck, stuck, waits, waits]);
    }

    #[test]
    fn rows_tell_of_their_pods() {
        let log = "NAME       READY   STATUS             RESTARTS      AGE   IP           NODE      NOMINATED NODE   READINESS GATES\n\
                   train-0    1/1     Running            0             9m    10.0.4.18    gpu-018   <none>           <none>\n\
                   train-1    0/1     CrashLoopBackOff   6 (2m ago)    9m    10.0.4.19    gpu-019   <none>           <none>\n\
                   train-2    0/1     Init:0/1           0             9m    <none>       gpu-020   <none>           <none>\n\
                   train-3    0/2     Running            3 (9s ago)    9m    10.0.4.20    gpu-021   <none>           <none>\n";
        let row = |kind, says, pod: &str, node: &str| (kind, says, pod.to_owned(), node.to_owned());
        assert_eq!(
            read(log),
            [
                row("kubernetes.ready", Says::Info, "train-0", "gpu-018"),
                row("kubernetes.crash_loop", Says::Teardown, "train-1", "gpu-019"),
                row("kubernetes.pending", Says::Info, "train-2", "gpu-020"),
                row("kubernetes.not_ready", Says::Failure, "train-3", "gpu-021"),
            ]
        );
        assert!(read("step 3/10  Running  4 9m of Error  s").is_empty());
    }

    #[test]
    fn an_event_is_about_the_only_pod_above_it() {
        let log = "NAME      READY   STATUS                     RESTARTS   AGE\n\
                   train-0   0/1     UnexpectedAdmissionError   0          11s\n\
                   train-1   1/1     Running                    0          11s\n\
                   \x20 Warning  UnexpectedAdmissionError  102s  kubelet  Allocate failed due to not enough cpus available to satisfy request, which is unexpected\n";
        let told = read(log);
        let kinds: Vec<_> = told.iter().map(|(kind, _, pod, _)| (*kind, pod.as_str())).collect();
        assert_eq!(
            kinds,
            [
                ("kubernetes.admission_refused", "train-0"),
                ("kubernetes.ready", "train-1"),
                ("kubernetes.admission_error", "train-0")
            ]
        );
    }
}
