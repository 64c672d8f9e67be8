//! Calls that no safe crate offers: the tail of the kernel's log, the state of the clock, the fabric of a GPU.

pub mod clock;
pub mod fabric;
pub mod kernel_log;
