//! The wrapper that carries out a part on any machine with a POSIX shell, and what is heard of it.
//!
//! One text goes to the standard input of `sh -s`, whatever the transport. Two streams come back, in which the wrapper
//! says by its mark that it is ready and how the command ended. When its standard input says so, or ends because the
//! connection is gone, it ends the command with all that it started.

mod hearing;
mod marks;
mod order;
mod talk;

pub(super) use hearing::{Hearing, Stream};
pub(super) use order::{Order, Watch};
pub(super) use talk::{Terms, carry_out};

/// Tells the wrapper to begin.
pub(super) const GO: &[u8] = b"go\n";

/// Tells the wrapper to end the command. Any line would.
pub(super) const STOP: &[u8] = b"stop\n";
