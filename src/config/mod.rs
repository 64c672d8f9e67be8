//! `diag.toml`: what a site, a person and a project set once instead of typing it. Pure: texts in, settings out; `cli` finds
//! the files. Of settings that several files make, the last file's counts, and each knows where it stands.

mod file;
mod layers;

pub use file::{Bmc, Brain, Config, Hook, Inventory, Library, NodeType, Notify, Policy, Tools, Transport};
pub use layers::{Layer, Origin, Site, Standing, read};
