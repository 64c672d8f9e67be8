//! Whether the kernel's clock is held to a reference.
#![allow(unsafe_code, reason = "adjtimex is offered by no safe crate")]

use std::io;

/// What the kernel knows of its clock (adjtimex(2), read only).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Discipline {
    /// Whether somebody (chronyd, ntpd, timesyncd, phc2sys) keeps it: `STA_UNSYNC` is not set.
    pub synchronised: bool,
    /// Largest error that the keeper admits, in seconds.
    pub largest_error: f64,
    /// What is still to be corrected, in seconds.
    pub offset: f64,
}

/// Asks the kernel.
///
/// # Errors
/// Where a sandbox forbids the call.
pub fn discipline() -> io::Result<Discipline> {
    // SAFETY: `timex` is a plain structure of integers, for which all zeros is a value.
    let mut about: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `about` is a valid timex; with `modes` zero the kernel only fills it in.
    let state = unsafe { libc::adjtimex(&raw mut about) };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    let fraction = if about.status & libc::STA_NANO != 0 { 1e-9 } else { 1e-6 };
    Ok(Discipline {
        synchronised: state != libc::TIME_ERROR && about.status & libc::STA_UNSYNC == 0,
        #[allow(clippy::cast_precision_loss, reason = "microseconds of a clock's error")]
        largest_error: about.maxerror as f64 * 1e-6,
        #[allow(clippy::cast_precision_loss, reason = "nanoseconds of a clock's offset")]
        offset: about.offset as f64 * fraction,
    })
}
