//! A description as a record: who, and what its containers and conditions are.

use super::super::subject::Subject;
use super::begins;
use crate::line::Line;

/// Longest description, in lines.
const MOST_LINES: usize = 4000;

/// The description of an object.
#[derive(Debug, Default)]
pub(super) struct Record<'a> {
    name: String,
    namespace: Option<String>,
    node: Option<String>,
    what: What,
    object: &'static str,
    pub(super) status: Option<(Line<'a>, String)>,
    pub(super) reason: Option<(Line<'a>, String)>,
    pub(super) message: Option<(Line<'a>, String)>,
    pub(super) containers: Vec<Container<'a>>,
    pub(super) conditions: Vec<(Line<'a>, Condition)>,
    /// Pods of a job that failed.
    pub(super) failed: Option<(Line<'a>, i64)>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum What {
    #[default]
    Unknown,
    Pod,
    Node,
    Other,
}

/// A container and its states.
#[derive(Debug, Default)]
pub(super) struct Container<'a> {
    pub(super) name: String,
    pub(super) states: Vec<State<'a>>,
    ready: Option<bool>,
    restarts: i64,
    init: bool,
}

/// What a container does, or how it ended the last time.
#[derive(Debug)]
pub(super) struct State<'a> {
    pub(super) last: bool,
    is: String,
    pub(super) reason: Option<(Line<'a>, String)>,
    pub(super) message: Option<(Line<'a>, String)>,
    pub(super) exit_code: Option<i64>,
}

/// A condition of a node: type, status, and reason and message as printed.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) rest: String,
}

/// Parts of a description that begin with a line of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Head,
    Containers { init: bool },
    Conditions,
    Skipped,
}

/// Lines that only the description of one kind of object has.
const MARKS: [(&str, What, &str); 25] = [
    ("Node", What::Pod, ""),
    ("Containers", What::Pod, ""),
    ("Init Containers", What::Pod, ""),
    ("IP", What::Pod, ""),
    ("IPs", What::Pod, ""),
    ("QoS Class", What::Pod, ""),
    ("Roles", What::Node, ""),
    ("Role", What::Node, ""),
    ("Taints", What::Node, ""),
    ("Unschedulable", What::Node, ""),
    ("PodCIDR", What::Node, ""),
    ("Allocatable", What::Node, ""),
    ("Parallelism", What::Other, "job"),
    ("Completions", What::Other, "job"),
    ("Pods Statuses", What::Other, "job"),
    ("StrategyType", What::Other, "deployment"),
    ("RollingUpdateStrategy", What::Other, "deployment"),
    ("Desired Number of Nodes Scheduled", What::Other, "daemonset"),
    ("Replicas", What::Other, "replicaset"),
    ("StorageClass", What::Other, "persistentvolumeclaim"),
    ("Access Modes", What::Other, "persistentvolumeclaim"),
    ("Provisioner", What::Other, "storageclass"),
    ("API Version", What::Other, "object"),
    ("Resource", What::Other, "resourcequota"),
    ("Pod Template", What::Other, "object"),
];

impl<'a> Record<'a> {
    /// Reads the lines of a description, the first of which names its object.
    pub(super) fn read(lines: impl Iterator<Item = Line<'a>>) -> Self {
        let mut record = Self::default();
        record.take(Section::Head, lines);
        record
    }

    /// Reads how containers are, of a description that was cut down to that: from a line on that says a state.
    pub(super) fn read_states(lines: impl Iterator<Item = Line<'a>>) -> Self {
        let mut record = Self { containers: vec![Container::default()], ..Self::default() };
        record.take(Section::Containers { init: false }, lines);
        record
    }

    /// Reads the conditions of a node without the description they stood in: from their heading on.
    pub(super) fn read_conditions(lines: impl Iterator<Item = Line<'a>>) -> Self {
        let mut record = Self { what: What::Node, ..Self::default() };
        record.take(Section::Conditions, lines);
        record
    }

    /// Reads one condition of a node, that somebody picked out of them.
    pub(super) fn of_condition(line: Line<'a>) -> Self {
        let found = condition(&line.str());
        let conditions = found.map(|found| (line, found)).into_iter().collect();
        Self { what: What::Node, conditions, ..Self::default() }
    }

    /// Whether it describes a node.
    pub(super) fn is_node(&self) -> bool {
        self.what == What::Node
    }

    fn take(&mut self, mut section: Section, lines: impl Iterator<Item = Line<'a>>) {
        for (number, line) in lines.take(MOST_LINES).enumerate() {
            let text = line.str().into_owned();
            let stops = begins(line.raw)
                || text.starts_with("Events:")
                || text.contains("kubectl ")
                || text.starts_with("NAME ");
            if number > 0 && stops {
                break;
            }
            self.line(&mut section, line, &text);
        }
    }

    fn line(&mut self, section: &mut Section, line: Line<'a>, text: &str) {
        let (key, value) = match text.trim().split_once(':') {
            Some((key, value)) => (key.trim(), value.trim()),
            None => (text.trim(), ""),
        };
        if !text.starts_with([' ', '\t']) && text.contains(':') {
            *section = begun(key);
            self.head(line, key, value);
            return;
        }
        // only conditions of nodes have a heartbeat; their heading is often left out with what stands above it
        if text.trim_start().starts_with("Type ") && text.contains("LastHeartbeatTime") {
            *section = Section::Conditions;
            return;
        }
        match *section {
            Section::Containers { init } => self.container(line, text, (key, value), init),
            Section::Conditions => self.conditions.extend(condition(text).map(|found| (line, found))),
            Section::Head | Section::Skipped => {}
        }
    }

    fn head(&mut self, line: Line<'a>, key: &str, value: &str) {
        if let Some((_, what, object)) =
            MARKS.iter().find(|(mark, ..)| *mark == key).filter(|_| self.what == What::Unknown)
        {
            // a replica set says how many are current and desired, a deployment how many are updated
            let deployment = key == "Replicas" && value.contains(" updated ");
            (self.what, self.object) = (*what, if deployment { "deployment" } else { object });
        }
        let value = value.to_owned();
        match key {
            "Name" => self.name = value,
            "Namespace" => self.namespace = Some(value),
            "Node" => {
                self.node =
                    value.split('/').next().map(str::to_owned).filter(|node| !node.is_empty() && node != "<none>")
            }
            "Status" => self.status = Some((line, value)),
            "Reason" => self.reason = Some((line, value)),
            "Message" => self.message = Some((line, value)),
            "Pods Statuses" => self.failed = failed(&value).map(|failed| (line, failed)),
            _ => {}
        }
    }

    fn container(&mut self, line: Line<'a>, text: &str, (key, value): (&str, &str), init: bool) {
        let indent = text.len() - text.trim_start().len();
        if indent <= 2 && value.is_empty() && !key.is_empty() && text.trim_end().ends_with(':') {
            self.containers.push(Container { name: key.to_owned(), init, ..Container::default() });
            return;
        }
        let Some(container) = self.containers.last_mut() else { return };
        match key {
            "State" | "Last State" => {
                let (last, is) = (key == "Last State", value.to_owned());
                container.states.push(State { last, is, reason: None, message: None, exit_code: None });
            }
            "Ready" => container.ready = Some(value == "True"),
            "Restart Count" => container.restarts = value.parse().unwrap_or(0),
            "Reason" | "Message" | "Exit Code" => {
                let Some(state) = container.states.last_mut() else { return };
                match key {
                    "Reason" => state.reason = Some((line, value.to_owned())),
                    "Message" => state.message = Some((line, value.to_owned())),
                    _ => state.exit_code = value.parse().ok(),
                }
            }
            _ => {}
        }
    }

    /// Whom the description is about, and how it is.
    pub(super) fn subject(&self) -> Subject {
        let name = Some(self.name.clone()).filter(|name| !name.is_empty());
        let namespace = self.namespace.clone();
        match self.what {
            What::Node => Subject { node: name, ..Subject::default() },
            What::Unknown if namespace.is_none() => Subject { node: name, ..Subject::default() },
            What::Other => Subject { namespace, ..Subject::of(self.object, &self.name) },
            What::Pod | What::Unknown => Subject {
                pod: name,
                namespace,
                node: self.node.clone(),
                ready: self.ready(),
                restarts: self.containers.iter().map(|container| container.restarts).max().unwrap_or(0),
                ..Subject::default()
            },
        }
    }

    /// Whether all containers run and are ready; unknown where none is described.
    fn ready(&self) -> Option<bool> {
        let main = || self.containers.iter().filter(|container| !container.init);
        let runs = |container: &Container<'_>| {
            container.ready == Some(true)
                && container.states.iter().any(|state| !state.last && state.is.starts_with("Running"))
        };
        main().next().map(|_| main().all(runs))
    }
}

fn begun(key: &str) -> Section {
    match key {
        "Init Containers" => Section::Containers { init: true },
        "Containers" | "Ephemeral Containers" => Section::Containers { init: false },
        "Conditions" => Section::Conditions,
        "Name" | "Status" => Section::Head,
        _ => Section::Skipped,
    }
}

/// `  Ready   Unknown   <times>   NodeStatusUnknown   Kubelet stopped posting node status.`
fn condition(text: &str) -> Option<Condition> {
    let (kind, rest) = text.trim().split_once([' ', '\t'])?;
    let (status, rest) = rest.trim().split_once([' ', '\t']).unwrap_or((rest.trim(), ""));
    let known = ["True", "False", "Unknown"].contains(&status);
    known.then(|| Condition { kind: kind.to_owned(), status: status.to_owned(), rest: after_times(rest).to_owned() })
}

/// What stands behind the last column that holds a time.
fn after_times(rest: &str) -> &str {
    let cells = rest.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
    let last = cells
        .filter(|cell| cell.contains(':') && cell.starts_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit()));
    let stamp = last.filter(|cell| cell.contains(", ") || cell.contains('-')).last();
    stamp.and_then(|cell| rest.rsplit_once(cell)).map_or(rest, |(_, after)| after).trim()
}

/// `0 Active / 0 Succeeded / 1 Failed`.
fn failed(value: &str) -> Option<i64> {
    value.split('/').find_map(|part| part.trim().strip_suffix("Failed")?.trim().parse().ok())
}
