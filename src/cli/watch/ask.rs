//! Slurm's programs, asked within a time; an answer has a cap.

use std::io::{Read as _, Seek as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Where Slurm's programs are looked for where there is no search path: slurmctld gives its programs none (`prolog_epilog`).
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/slurm/bin";

/// How long one may take: a controller that is overloaded is not to be waited for.
const WITHIN: Duration = Duration::from_secs(10);

/// Most bytes of an answer.
const MOST: u64 = 4 << 20;

/// What a program says, if it says so within its time and ends well.
pub(super) fn ask(program: &str, args: &[&str]) -> Result<String, String> {
    let out = tempfile::tempfile().map_err(|error| error.to_string())?;
    let to = out.try_clone().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(to).stderr(Stdio::null()).process_group(0).env("LC_ALL", "C");
    if std::env::var_os("PATH").is_none_or(|path| path.is_empty()) {
        command.env("PATH", PATH);
    }
    let mut child = command.spawn().map_err(|error| format!("{program} can't be run: {error}"))?;
    let ends = Instant::now() + WITHIN;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < ends => thread::sleep(Duration::from_millis(5)),
            Ok(None) => {
                let _ = child.kill().and_then(|()| child.wait().map(|_| ()));
                return Err(format!("{program} does not answer"));
            }
            Err(error) => return Err(error.to_string()),
        }
    };
    if !status.success() {
        return Err(format!("{program} ended with {status}"));
    }
    let mut out = out;
    let mut bytes = Vec::new();
    out.rewind().and_then(|()| out.take(MOST).read_to_end(&mut bytes)).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
