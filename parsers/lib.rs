//! Log bytes to typed events.
