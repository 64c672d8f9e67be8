//! Kubernetes: what `kubectl` prints of pods, nodes, jobs and their events, as text, JSON and YAML.
//!
//! All forms come down to the same few statements: an event with a reason and a message, the state of a container, the
//! condition of an object. What a message means is data (`format.toml`); the readers here find whom it is about.

mod alert;
mod describe;
mod devices;
mod events;
mod exporter;
mod json;
mod message;
mod monitors;
mod objects;
pub(crate) mod ours;
mod pods;
mod reasons;
mod sentinel;
pub(crate) mod spec;
mod subject;
mod tables;
mod tree;
mod yaml;

pub use alert::Alerts;
pub use describe::{CutConditions, CutStates, Described, Taints};
pub use devices::Allocatable;
pub use events::Rows;
pub use exporter::Exporter;
pub use json::{Documents, Lines, Objects};
pub use ours::OUR_REASON;
pub use pods::Pods;
pub use sentinel::HealthEvents;
pub use tables::Tables;
pub use yaml::{Manifests, Pieces};

/// The field by which rows say that they tell of many pods.
const WITNESS: &str = "kubernetes";
