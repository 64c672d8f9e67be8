//! The last bytes of the kernel's log, without reading all of it.
#![allow(unsafe_code, reason = "klogctl is offered by no safe crate")]

use std::io;

/// `SYSLOG_ACTION_READ_ALL` of syslog(2): the last messages that fit, without taking them away.
const READ_ALL: libc::c_int = 3;
/// `SYSLOG_ACTION_SIZE_BUFFER` of syslog(2): bytes that the kernel keeps.
const SIZE_BUFFER: libc::c_int = 10;

/// Bytes that the kernel keeps at most.
///
/// # Errors
/// Where the kernel lets only root ask (`kernel.dmesg_restrict`), or offers no log.
pub fn size() -> io::Result<usize> {
    // SAFETY: this action takes no buffer; the kernel ignores pointer and length.
    let got = unsafe { libc::klogctl(SIZE_BUFFER, std::ptr::null_mut(), 0) };
    usize::try_from(got).map_err(|_| io::Error::last_os_error())
}

/// The newest `most` bytes of the log, whole lines of the form `<6>[   12.345678] text`.
///
/// # Errors
/// As [`size`].
pub fn tail(most: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0_u8; most];
    let room = libc::c_int::try_from(most).unwrap_or(libc::c_int::MAX);
    // SAFETY: the buffer is writable for `room` bytes, and the kernel writes no more than that.
    let got = unsafe { libc::klogctl(READ_ALL, buffer.as_mut_ptr().cast(), room) };
    let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
    buffer.truncate(got);
    Ok(buffer)
}
