//! What is decided while nobody looks: which ended job is worth a look, in which order, what is told of it, and how often.
//! Pure; `spool` keeps what waits, `cli` asks, looks and tells.

mod announcement;
pub mod ended;
mod entry;
mod found;
mod limits;
mod name;
pub mod notice;
pub mod quiet;
mod trouble;
mod workloads;

pub use announcement::announcement;
pub use entry::{Entry, Object, Subject};
pub use found::{Board, Cited, Found, Kept, of_a_machine};
pub use limits::Limits;
pub use name::beside;
pub use workloads::{Patience, Workloads};
