//! Playbooks: what proves a cause, what it brings about, what to do. Data, read and checked here.

mod echo;
mod either;
pub mod intent;
mod load;
mod piece;
pub mod repair;
pub mod schema;
mod template;
pub mod test;
mod used;
mod verify;

pub use echo::{Echo, EchoGroup, GroupCase, On, Order, resolve};
pub use load::{Library, Shelved, built_in, expand};
pub use schema::{Playbook, Set};
pub use template::{Piece, Template, sentences};
pub use used::used;
