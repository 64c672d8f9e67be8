//! Runs what was approved: on this machine, or on nodes by ssh, Slurm or Kubernetes. A *world* room.

#![expect(clippy::disallowed_methods, reason = "a world room: starts programs, here and on nodes")]

mod dry;
mod fan;
mod gate;
#[cfg(feature = "k8s")]
mod k8s;
mod keep;
mod local;
mod outcome;
mod process;
mod runtime;
mod shell;
pub mod slurm;
pub mod ssh;
mod wire;

pub use dry::Dry;
pub use fan::{FanOut, Job, Later, Limits, Transport};
pub use gate::Gate;
#[cfg(feature = "k8s")]
pub use k8s::{Kubernetes, Settings as KubernetesSettings};
pub use keep::Room;
pub use local::Local;
pub use outcome::{End, Kept, Ran};
pub use runtime::{asked_to_stop, run};
use tokio_util::sync::CancellationToken;

use crate::plan::{Target, Task};
use crate::policy::Approved;

/// A way to reach nodes.
pub trait Executor: Send + Sync {
    /// `local`, `ssh`, `slurm`, `k8s`, `dry`.
    fn name(&self) -> &'static str;

    /// Runs all parts of a task; one [`Ran`] for each, in the order of the parts, whatever happens: a dead host is one
    /// failed target. Ends soon after `stop`, and leaves nothing behind.
    fn run<'a>(
        &'a self,
        task: &'a Approved<Task>,
        stop: &'a CancellationToken,
        told: &'a dyn Told,
    ) -> Later<'a, Vec<Ran>>;
}

/// Whoever wants to know how a run goes: the line of progress, the journal, a screen.
pub trait Told: Send + Sync {
    /// A part has begun.
    fn began(&self, _part: usize, _target: &Target) {}
    /// A part has printed; bytes as they came.
    fn printed(&self, _part: usize, _target: &Target, _bytes: &[u8]) {}
    /// A part has ended.
    fn ended(&self, _part: usize, _ran: &Ran) {}
}
