//! Playbooks: what proves a cause, what it brings about, what to do. Data, read and checked here.

mod load;
pub mod schema;
mod template;

pub use load::{Library, Shelved, built_in};
pub use schema::{Playbook, Set};
pub use template::{Piece, Template, sentences};
