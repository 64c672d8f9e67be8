//! What runs prove: readings of tests and what is expected of them, the verdict of a test before a fix and after it, and which
//! node of many is bad.

pub mod book;
mod check;
pub mod expect;
pub mod isolate;
mod nccl_table;
pub mod reads;
pub mod stage;
mod verdict;

pub use check::{Check, Outcome, Seen, check};
pub use verdict::{Judgement, Verdict, verdict};
