//! Executors against real things: one list of contracts for all of them, and what only one of them can be asked.

mod contracts;
#[cfg(feature = "k8s")]
mod kubernetes;
mod local;
mod scripted;
pub(crate) mod slurm;
mod ssh;
pub(crate) mod sshd;
pub(crate) mod stage;
