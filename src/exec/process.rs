//! A wire that is a program of this machine: a shell, or one that leads to a shell elsewhere.

use std::future::poll_fn;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::task::{Context, Poll};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncWriteExt as _, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep_until};

use super::shell::Stream;
use super::wire::{Came, Wire};

/// How long is read after the program has gone and nothing came: somebody else may hold its pipes open.
const AFTER: Duration = Duration::from_secs(1);

/// Most bytes read at a time.
const CHUNK: usize = 32 * 1024;

/// A program with pipes, in a process group of its own.
pub(super) struct Process {
    child: Child,
    group: Option<Pid>,
    input: Option<ChildStdin>,
    out: Option<ChildStdout>,
    err: Option<ChildStderr>,
    chunk: Vec<u8>,
    pending: Vec<u8>,
    hang_up: bool,
    gone: Option<(ExitStatus, Instant)>,
}

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// Whatever keeps a program from being started.
    pub(super) fn start(mut command: Command) -> io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Away from the terminal's Ctrl-C: what runs is ended in good order.
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let (input, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        Ok(Self {
            child,
            group,
            input,
            out,
            err,
            chunk: vec![0; CHUNK],
            pending: Vec::new(),
            hang_up: false,
            gone: None,
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let (None, Some(group)) = (self.gone, self.group) {
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Wire for Process {
    fn send(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    fn hang_up(&mut self) {
        self.hang_up = true;
    }

    async fn next(&mut self, into: &mut Vec<u8>) -> Came {
        loop {
            if self.pending.is_empty() && self.hang_up {
                self.input = None;
            }
            if let (None, None, Some((status, _))) = (&self.out, &self.err, self.gone) {
                return Came::Closed(status.code().or_else(|| status.signal().map(|signal| 128 + signal)));
            }
            let Self { child, input, out, err, chunk, pending, gone, .. } = self;
            let give_up = gone.map_or_else(Instant::now, |(_, at)| at + AFTER);
            tokio::select! {
                // What there is to read comes before the end of the wait for it, however late we are.
                biased;
                written = write(input, pending), if input.is_some() && !pending.is_empty() => match written {
                    Ok(count) => drop(pending.drain(..count)),
                    Err(_) => *input = None,
                },
                read = poll_fn(|cx| poll_either(cx, out, err, chunk, into)), if out.is_some() || err.is_some() => {
                    if let Some((_, at)) = gone {
                        *at = Instant::now();
                    }
                    if let Some(stream) = read {
                        return Came::Bytes(stream);
                    }
                }
                status = child.wait(), if gone.is_none() => {
                    *gone = Some((status.unwrap_or_default(), Instant::now()));
                }
                () = sleep_until(give_up), if gone.is_some() => (*out, *err) = (None, None),
            }
        }
    }
}

async fn write(input: &mut Option<ChildStdin>, bytes: &[u8]) -> io::Result<usize> {
    match input {
        Some(input) => input.write(bytes).await,
        None => Ok(0),
    }
}

/// Reads from whichever has something; one that has ended is taken away.
fn poll_either(
    cx: &mut Context<'_>,
    out: &mut Option<ChildStdout>,
    err: &mut Option<ChildStderr>,
    chunk: &mut [u8],
    into: &mut Vec<u8>,
) -> Poll<Option<Stream>> {
    if let Poll::Ready(count) = poll_one(cx, out, chunk, into) {
        return Poll::Ready((count > 0).then_some(Stream::Out));
    }
    poll_one(cx, err, chunk, into).map(|count| (count > 0).then_some(Stream::Err))
}

fn poll_one<R: AsyncRead + Unpin>(
    cx: &mut Context<'_>,
    from: &mut Option<R>,
    chunk: &mut [u8],
    into: &mut Vec<u8>,
) -> Poll<usize> {
    let Some(reader) = from else { return Poll::Pending };
    let mut buffer = ReadBuf::new(chunk);
    let Poll::Ready(read) = Pin::new(reader).poll_read(cx, &mut buffer) else { return Poll::Pending };
    let bytes = buffer.filled();
    into.extend_from_slice(bytes);
    let count = bytes.len();
    if read.is_err() || count == 0 {
        *from = None;
    }
    Poll::Ready(count)
}
