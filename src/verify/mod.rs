//! What runs prove: readings of tests and what is expected of them, the verdict of a test before a fix and after it, and which
//! node of many is bad.

pub mod book;
pub mod expect;
pub mod isolate;
mod nccl_table;
pub mod reads;
pub mod repair;
mod run;
mod verdict;

pub use expect::Judgement;
pub use run::{Check, Seen, Whole, check, places, run};
pub use verdict::{Proven, Verdict, verdict};
