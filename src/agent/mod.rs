//! Works on a case until it is proven well or an honest stop: what is next follows from the journal alone.

mod built;
mod counsel;
mod driver;
mod entry;
mod facts;
mod fate;
pub mod handover;
mod next;
mod replay;
mod state;
#[cfg(test)]
mod tests;
mod waiting;

pub use built::JOURNAL_ONLY;
pub use counsel::{Cited, Counsel, Heard, Menu, Offer, Pick, Summary, Topic};
pub use driver::{Driver, World, rest};
pub use entry::{Began, Ending, Entry, Manner, One, Want};
pub use facts::{Fact, facts};
pub use next::{Move, next};
pub use replay::{Told, replay};
pub use state::{Case, Reading, entry};
pub use waiting::{Waiting, waiting};
