//! Calls that no safe crate offers: the tail of the kernel's log, the state of the clock, the fabric of a GPU, a
//! copy of a process, the least priority.

pub mod clock;
pub mod fabric;
pub mod forked;
pub mod idle;
pub mod kernel_log;
