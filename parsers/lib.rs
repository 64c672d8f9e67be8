//! Log bytes to typed events.
//!
//! A [`Scanner`] walks over the bytes of a document, finds the lines that a format knows, peels the
//! prefixes that launchers put in front of them, and makes [`Event`]s. It opens no file, reads no clock and
//! never fails: what it can't read is counted and reported.
//!
//! A line signature is data (`<format>/format.toml`); a record of several lines is a [`Grammar`],
//! a document that makes sense only as a whole a [`Record`].

pub mod catalogue;
pub mod console;
pub mod dcgm;
#[cfg(test)]
mod dice;
pub mod docker;
pub mod document;
pub mod elastic;
pub mod ethernet;
pub mod event;
pub mod flight_recorder;
mod focus;
mod gpu;
pub mod grammar;
pub mod health;
pub mod hostlist;
mod hot;
mod index;
pub mod infiniband;
pub mod jax;
pub mod journal;
pub mod kernel;
pub mod kubernetes;
pub mod launcher;
pub mod line;
pub mod lint;
pub mod literals;
pub mod lspci;
mod matched;
pub mod nccl_inspector;
pub mod nccl_ras;
mod noise;
pub mod nvbandwidth;
pub mod nvidia_smi;
pub mod openmpi;
pub mod pbs;
pub mod perftest;
pub mod pickle;
pub mod prefix;
pub mod python;
pub mod readings;
pub mod record;
pub mod scale;
pub mod scan;
mod search;
pub mod sel;
pub mod signature;
pub mod slurm;
pub mod stamp;
pub mod sweep;
pub mod systemctl;
pub mod time;
pub mod verbs;

pub use catalogue::{Catalogue, Volatile};
pub use event::{Event, Fields, Name, Problem, Says, Value, intern, rank_list};
pub use grammar::{GRAMMARS, Grammar};
pub use line::{Block, Cursor, Line};
pub use record::{RECORDS, Record, Wrapped};
pub use scan::{Depth, Scanner, Tally};
pub use signature::FormatFile;
pub use stamp::{Clock, Stamp};

/// Longest logical line that is looked at as one; longer ones are seen in pieces.
pub const MAX_LINE: usize = 16 << 10;

/// How far a grammar may look around from its line, in bytes each way: about 640 lines of 400 bytes.
pub const REACH: usize = 256 << 10;

/// Longest captured field, in bytes.
pub const MAX_FIELD: usize = 1 << 10;
