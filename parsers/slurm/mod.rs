//! What Slurm's own commands tell of nodes and jobs: `sinfo -R`, `scontrol show node|job`.

mod reason;
mod scontrol;
mod sinfo;

pub use scontrol::{Jobs, Nodes};
pub use sinfo::Reasons;
