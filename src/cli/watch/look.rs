//! A look that runs: a process of its own, with a deadline.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::examine::Spec;
use super::object;
use crate::watch::{Entry, Found};

/// Most bytes that a look may say.
const MOST: u64 = 8 << 20;

/// Most bytes of its complaint that are passed on.
const LONGEST: u64 = 400;

/// A look.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) entry: Entry,
    pub(super) spec: Spec,
    pub(super) began: Instant,
    child: Child,
    out: File,
    err: File,
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
    /// Begins. Nothing of this process's environment goes along, but for what a client of Kubernetes needs: secrets stay here.
    pub(super) fn begin(entry: Entry, spec: Spec, deadline: u64) -> io::Result<Self> {
        let mut input = tempfile::tempfile()?;
        serde_json::to_writer(&mut input, &spec)?;
        input.flush()?;
        input.rewind()?;
        let (out, err) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let child = Command::new(std::env::current_exe()?)
            .args(["--config", "none", "watch", "examine"])
            .env_clear()
            .envs(std::env::var_os("TZ").map(|zone| ("TZ", zone)))
            .envs(spec.cluster.iter().flat_map(|_| object::environment()))
            .current_dir("/")
            .stdin(input)
            .stdout(out.try_clone()?)
            .stderr(err.try_clone()?)
            .process_group(0)
            .spawn()?;
        Ok(Self { entry, spec, began: Instant::now(), child, out, err, deadline: Duration::from_secs(deadline) })
    }

    /// What came of it, once it has ended or its time is over.
    pub(super) fn ended(&mut self) -> Option<Ended> {
        match self.child.try_wait() {
            Ok(Some(status)) if status.success() => Some(self.read()),
            Ok(Some(status)) => Some(Ended::Failed(format!("the look ended with {status}{}", self.complaint()))),
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
        let mut out = BufReader::new(&self.out);
        let read = out.rewind().and_then(|()| out.by_ref().take(MOST).read_until(b'\n', &mut bytes));
        // What follows is the files', for whoever makes a case of them.
        let at = out.stream_position().and_then(|at| (&self.out).seek(SeekFrom::Start(at)));
        let read = read.and_then(|count| at.map(|_| count));
        let found = read.map_err(|error| error.to_string());
        let found = found.and_then(|_| serde_json::from_slice::<Found>(&bytes).map_err(|error| error.to_string()));
        found.map_or_else(
            |why| Ended::Failed(format!("what it said can't be read: {why}")),
            |found| Ended::Found(Box::new(found)),
        )
    }

    /// What it said of why it can't look.
    fn complaint(&mut self) -> String {
        let mut bytes = Vec::new();
        let _ = self.err.rewind().and_then(|()| (&self.err).take(LONGEST).read_to_end(&mut bytes));
        let text = String::from_utf8_lossy(&bytes);
        let first = text.lines().next().unwrap_or_default().trim_start_matches("diag: ");
        if first.is_empty() { String::new() } else { format!(": {first}") }
    }

    /// The bytes of the files, one after the other, once it has ended.
    pub(super) fn kept(&self) -> &File {
        &self.out
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
