//! Whom a statement is about.

use super::WITNESS;
use super::message::Said;
use crate::event::{Event, Fields, Says};
use crate::line::{Cursor, Line};

/// The object of a statement, as far as the text around it tells.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Subject {
    pub(super) pod: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) node: Option<String>,
    pub(super) container: Option<String>,
    /// An object that is neither pod nor node: `job/train`.
    pub(super) object: Option<String>,
    /// Whether all containers of the pod run and are ready now.
    pub(super) ready: Option<bool>,
    /// How often its containers were started again.
    pub(super) restarts: i64,
}

/// Restarts after which a pod that is ready at the moment is not taken for healed.
const MANY_RESTARTS: i64 = 3;

/// What a pod that runs well has behind it: the rest (memory, eviction, probes) may come again.
const PASSES: [&str; 8] = [
    "kubernetes.image_pull",
    "kubernetes.volume_mount",
    "kubernetes.claim_unbound",
    "kubernetes.sandbox",
    "kubernetes.unschedulable",
    "kubernetes.probe_failed",
    "kubernetes.container_start",
    "kubernetes.queue_quota",
];

/// What it has behind it unless it keeps coming.
const COMES_AGAIN: [&str; 3] = ["kubernetes.crash_loop", "kubernetes.container_ended", "kubernetes.node_not_ready"];

impl Subject {
    /// Reads `pod/train-0`, `Pod` and a name, or any other kind.
    pub(super) fn of(kind: &str, name: &str) -> Self {
        let name = Some(name.to_owned()).filter(|name| !name.is_empty());
        match kind.to_ascii_lowercase().as_str() {
            "pod" | "pods" | "po" => Self { pod: name, ..Self::default() },
            "node" | "nodes" | "no" => Self { node: name, ..Self::default() },
            kind => Self { object: name.map(|name| format!("{kind}/{name}")), ..Self::default() },
        }
    }

    /// Adds what `other` knows and this does not.
    pub(super) fn or(mut self, other: Self) -> Self {
        self.pod = self.pod.or(other.pod);
        self.namespace = self.namespace.or(other.namespace);
        self.node = self.node.or(other.node);
        self.container = self.container.or(other.container);
        self.object = self.object.or(other.object);
        self.ready = self.ready.or(other.ready);
        self.restarts = self.restarts.max(other.restarts);
        self
    }

    fn fill(&self, fields: &mut Fields) {
        let texts = [
            ("pod", &self.pod),
            ("namespace", &self.namespace),
            ("node", &self.node),
            ("container", &self.container),
            ("object", &self.object),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                fields.set_if_absent(name, value.as_str());
            }
        }
    }

    /// What a statement says of the run, given how the pod is now.
    fn weight(&self, said: &Said) -> Says {
        let well = self.ready == Some(true);
        let passed = PASSES.contains(&said.kind) || COMES_AGAIN.contains(&said.kind) && self.restarts < MANY_RESTARTS;
        match said.says {
            Says::Failure | Says::Teardown if well && passed => Says::Warning,
            // A probe that fails while the container is not ready is why it is not.
            Says::Warning if self.ready == Some(false) && said.kind == "kubernetes.probe_failed" => Says::Failure,
            says => says,
        }
    }

    /// The statement as fields, with whom it is about.
    pub(super) fn told(&self, said: Said) -> (Said, Fields) {
        let says = self.weight(&said);
        let mut fields = said.fields.clone();
        self.fill(&mut fields);
        fields.set_if_absent("witness", WITNESS);
        (Said { says, ..said }, fields)
    }

    /// The statement as an event on a line.
    pub(super) fn event(&self, cursor: &Cursor<'_>, line: &Line<'_>, said: Said) -> Event {
        let (said, fields) = self.told(said);
        Event::on(cursor, line, said.kind, said.says, fields)
    }
}
