//! A copy of this process that does one piece of work and ends: without starting a program anew it costs a tenth.
#![allow(unsafe_code, reason = "fork is safe only under conditions that no type can hold")]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A copy at work.
#[derive(Debug)]
pub struct Forked {
    /// Its process, and its group.
    pub pid: i32,
    /// What it says; ends when it does.
    pub out: File,
}

/// Lets a copy of this process do some work; it speaks into a pipe. Standard input, output and error of the copy lead nowhere,
/// so that one which never ends holds no reader of ours.
///
/// `None` where other threads run: a lock that one of them holds would never be opened in the copy.
///
/// # Errors
/// Where the kernel gives no process or no pipe.
#[expect(clippy::disallowed_methods, reason = "counts the threads of this process")]
pub fn fork(work: impl FnOnce(&mut File)) -> io::Result<Option<Forked>> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Ok(None);
    }
    let mut ends = [-1; 2];
    // SAFETY: the array has room for the two descriptors that the kernel writes.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both descriptors are new and belong to nobody else.
    let (out, mut into) = unsafe { (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1])) };
    // SAFETY: no other thread runs, so no lock is held that the copy would wait for.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(out);
            // SAFETY: calls that only change this process; what they can't change stays as it is.
            unsafe {
                libc::setpgid(0, 0);
                let nowhere = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
                for standard in 0..3 {
                    if into.as_raw_fd() != standard && nowhere >= 0 {
                        libc::dup2(nowhere, standard);
                    }
                }
            }
            let done = catch_unwind(AssertUnwindSafe(|| work(&mut into)));
            // SAFETY: ends the copy at once: what the original has to do at its end is none of its business.
            unsafe { libc::_exit(i32::from(done.is_err())) }
        }
        pid => {
            // SAFETY: changes the group of our own child; it does the same, and whoever is first wins.
            unsafe { libc::setpgid(pid, pid) };
            Ok(Some(Forked { pid, out }))
        }
    }
}
