//! What Slurm's own commands tell of nodes and jobs: `sacct`, `squeue`, `sinfo`, `scontrol`, `seff`, as text and as JSON.

mod controller;
pub(crate) mod ending;
mod flux;
mod fragment;
pub(crate) mod health;
mod json;
mod load;
pub(crate) mod ran;
pub(crate) mod reason;
mod rows;
mod scontrol;
mod seff;
mod sinfo;
pub(crate) mod states;
mod table;
pub(crate) mod waiting;

pub use controller::OutOfMemory;
pub use flux::Drains;
pub use fragment::Fragments;
pub use health::Checks;
pub use json::Answers;
pub use load::Load;
pub use ran::{Accounted, Records};
pub use rows::{Ended, Waiting};
pub use scontrol::{Jobs, Nodes};
pub use seff::Summary;
pub use sinfo::{BareReasons, Reasons};
pub use states::States;
