//! Works on a case until it is proven well or an honest stop: what is next follows from the journal alone.

mod driver;
mod entry;
mod fate;
pub mod handover;
mod next;
mod replay;
mod state;
#[cfg(test)]
mod tests;

pub use driver::{Driver, World, rest};
pub use entry::{Began, Ending, Entry, One};
pub use next::{Move, next};
pub use replay::{Told, replay};
pub use state::{Case, Reading, entry};
