//! A look that runs: a process of its own, with a deadline.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::examine::Spec;
use crate::watch::{Entry, Found};

/// Most bytes that a look may say.
const MOST: u64 = 8 << 20;

/// A look.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) entry: Entry,
    pub(super) spec: Spec,
    pub(super) began: Instant,
    child: Child,
    out: File,
    deadline: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Ended {
    /// It found something, or nothing.
    Found(Box<Found>),
    /// It came to nothing, and another may do better.
    Failed(String),
    /// It took too long.
    Late(String),
}

impl Look {
    /// Begins. Nothing of this process's environment goes along: secrets stay here.
    pub(super) fn begin(entry: Entry, spec: Spec, deadline: u64) -> io::Result<Self> {
        let mut input = tempfile::tempfile()?;
        serde_json::to_writer(&mut input, &spec)?;
        input.flush()?;
        input.rewind()?;
        let out = tempfile::tempfile()?;
        let child = Command::new(std::env::current_exe()?)
            .args(["--config", "none", "watch", "examine"])
            .env_clear()
            .envs(std::env::var_os("TZ").map(|zone| ("TZ", zone)))
            .current_dir("/")
            .stdin(input)
            .stdout(out.try_clone()?)
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self { entry, spec, began: Instant::now(), child, out, deadline: Duration::from_secs(deadline) })
    }

    /// What came of it, once it has ended or its time is over.
    pub(super) fn ended(&mut self) -> Option<Ended> {
        match self.child.try_wait() {
            Ok(Some(status)) if status.success() => Some(self.read()),
            Ok(Some(status)) => Some(Ended::Failed(format!("the look ended with {status}"))),
            Ok(None) if self.began.elapsed() < self.deadline => None,
            Ok(None) => {
                self.kill();
                Some(Ended::Late(format!("it took longer than {} s", self.deadline.as_secs())))
            }
            Err(error) => Some(Ended::Failed(error.to_string())),
        }
    }

    /// What it said. Where it ran with the rights of a user this is as much as that user's word.
    fn read(&mut self) -> Ended {
        let mut bytes = Vec::new();
        let read = self.out.rewind().and_then(|()| (&self.out).take(MOST).read_to_end(&mut bytes));
        let found = read.map_err(|error| error.to_string());
        let found = found.and_then(|_| serde_json::from_slice::<Found>(&bytes).map_err(|error| error.to_string()));
        found.map_or_else(
            |why| Ended::Failed(format!("what it said can't be read: {why}")),
            |found| Ended::Found(Box::new(found)),
        )
    }

    fn kill(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
        // A process that hangs in the kernel is not waited for.
        let _ = self.child.try_wait();
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}
