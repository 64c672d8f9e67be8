//! Puts something into the queue, and sees to it that somebody works.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::Config;
use crate::error::Error;
use crate::spool::{Queue, Spool};
use crate::watch::{Entry, Subject};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Puts it into the queue.
pub(super) fn put(queue: &Queue, subject: Subject, config: &Config) -> Result<(), Error> {
    let now = jiff::Timestamp::now();
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    let id = format!("{:014}-{}-{nth}", now.as_millisecond(), std::process::id());
    let entry = Entry { id, at: now.as_second(), tries: 0, subject };
    queue.put(&entry, config.watch.queue)
}

/// Begins a worker where none works: in a session of its own, holding nothing of ours, so that nobody waits for it.
pub(super) fn wake(spool: &Spool, state: Option<&Path>, config: Option<&Path>) -> Result<(), Error> {
    if spool.work()?.is_none() {
        return Ok(());
    }
    let failed = |error: std::io::Error| Error::new("watch.worker", "diag watch run", error.to_string());
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    if let Some(file) = config {
        command.arg("--config").arg(whole(file));
    }
    command.args(["watch", "run", "--detach"]);
    if let Some(state) = state {
        command.arg("--state").arg(whole(state));
    }
    // slurmctld ends the group of its script when that has ended: this one is not of it.
    command.process_group(0).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map(|_| ()).map_err(failed)
}

/// A path that holds from any folder; `none` of --config names no file.
pub(super) fn whole(path: &Path) -> PathBuf {
    if path == Path::new("none") {
        path.to_owned()
    } else {
        std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
    }
}
