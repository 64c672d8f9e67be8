//! A way for bytes to a shell somewhere and back.

use std::future::Future;

use super::shell::Stream;

/// A shell that listens. Gone without a trace here when it is dropped.
pub(super) trait Wire: Send {
    /// Puts bytes on their way to the shell's standard input; they go while [`Wire::next`] is awaited.
    fn send(&mut self, bytes: &[u8]);

    /// Ends the shell's standard input, once all that was sent is on its way.
    fn hang_up(&mut self);

    /// The next thing that comes back, bytes in `into`. May be dropped at any time without a loss.
    fn next(&mut self, into: &mut Vec<u8>) -> impl Future<Output = Came> + Send;
}

/// What comes back over a wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// Bytes of one of the streams.
    Bytes(Stream),
    /// Nothing more will come. The status of the program that was the wire, where it had one.
    Closed(Option<i32>),
}
