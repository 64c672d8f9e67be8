//! The least priority: work that waits for everybody else's.
#![allow(unsafe_code, reason = "setpriority and ioprio_set are offered by no safe crate that is used here")]

use std::io;

/// `IOPRIO_WHO_PROCESS` of ioprio_set(2).
const WHO_PROCESS: libc::c_int = 1;
/// `IOPRIO_CLASS_IDLE`, shifted to where the class stands (`IOPRIO_CLASS_SHIFT`, linux/ioprio.h).
const CLASS_IDLE: libc::c_int = 3 << 13;
/// The lowest of nice(2).
const NICEST: libc::c_int = 19;

/// Gives this process the processor and the disk only where nobody else wants them.
///
/// # Errors
/// Where the kernel, or a sandbox, refuses.
pub fn idle() -> io::Result<()> {
    // SAFETY: changes the priority of this process; takes numbers only.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICEST) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the same for the disk; a kernel without it says so.
    if unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, CLASS_IDLE) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
