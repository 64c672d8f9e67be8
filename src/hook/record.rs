//! Each run leaves a line of JSON, so that `diag analyze` can read later what was known when the job began.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use serde::Serialize;

use crate::reading::Reading;

/// Where journald listens for its native protocol (systemd, Native Journal Protocol).
const JOURNAL: &str = "/run/systemd/journal/socket";

/// Bytes from which the record of a node is begun anew; the one before is kept.
const MOST_BYTES: u64 = 16 << 20;

/// One run of a hook.
#[derive(Debug, Serialize)]
pub struct Run<'a> {
    /// Version of the record: `diag.hook/1`.
    pub schema: &'static str,
    /// RFC 3339, in UTC.
    pub time: &'a str,
    /// The node.
    pub node: &'a str,
    /// Which hook.
    pub hook: &'a str,
    /// The job, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<u64>,
    /// `pass`, `pass-loudly`, `refuse`, `held-back`.
    pub decision: &'a str,
    /// Why.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub reason: &'a str,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// What was not ok.
    pub readings: Vec<&'a Reading>,
}

/// Writes a run down. What can't be written is lost: a full disk must hold no job.
pub fn write(run: &Run, file: &Path) {
    let Ok(mut line) = serde_json::to_vec(run) else { return };
    journal(run, &line);
    line.push(b'\n');
    if let Some(folder) = file.parent() {
        let _ = fs::create_dir_all(folder);
    }
    if fs::metadata(file).is_ok_and(|about| about.len() > MOST_BYTES) {
        let _ = fs::rename(file, file.with_extension("jsonl.1"));
    }
    // One write of one line: records of two hooks never mix.
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(file) {
        let _ = file.write_all(&line);
    }
}

/// Tells journald, where it runs.
fn journal(run: &Run, line: &[u8]) {
    let priority = if run.decision == "pass" { 6 } else { 4 };
    let reason: String = run.reason.chars().filter(|c| !c.is_control()).collect();
    let mut entry = format!(
        "SYSLOG_IDENTIFIER=diag-hook\nPRIORITY={priority}\nMESSAGE={} {}{}{reason}\nDIAG_RUN=",
        run.hook,
        run.decision,
        if reason.is_empty() { "" } else { ": " },
    )
    .into_bytes();
    // JSON of serde_json holds no line end.
    entry.extend_from_slice(line);
    entry.push(b'\n');
    if let Ok(socket) = UnixDatagram::unbound() {
        let _ = socket.set_nonblocking(true);
        let _ = socket.send_to(&entry, JOURNAL);
    }
}
