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

/// What is written of a run: an entry for the journal, and a line of JSON.
#[derive(Debug)]
pub struct Lines {
    entry: Vec<u8>,
    line: Vec<u8>,
}

/// Puts a run into words.
pub fn lines(run: &Run) -> Option<Lines> {
    let mut line = serde_json::to_vec(run).ok()?;
    let entry = entry(run, &line);
    line.push(b'\n');
    Some(Lines { entry, line })
}

/// A run in one line, as it stands in the journal and in slurmd's log; `parsers/hook` reads it.
pub fn message(run: &Run) -> String {
    let reason: String = run.reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let job = run.job.map_or_else(String::new, |job| format!(" of job {job}"));
    let colon = if reason.is_empty() { "" } else { ": " };
    format!("{}{job}: {}{colon}{reason}", run.hook, run.decision)
}

/// Writes a run down. What can't be written is lost: a full disk must hold no job.
pub fn write(lines: &Lines, file: &Path) {
    let Lines { entry, line } = lines;
    journal(entry);
    if let Some(folder) = file.parent() {
        let _ = fs::create_dir_all(folder);
    }
    if fs::metadata(file).is_ok_and(|about| about.len() > MOST_BYTES) {
        let _ = fs::rename(file, file.with_extension("jsonl.1"));
    }
    // One write of one line: records of two hooks never mix.
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(file) {
        let _ = file.write_all(line);
    }
}

/// An entry in journald's native protocol. The run as JSON is a field of its own, which `parsers/journal` reads.
fn entry(run: &Run, json: &[u8]) -> Vec<u8> {
    let priority = if run.decision == "pass" { 6 } else { 4 };
    let head = format!("SYSLOG_IDENTIFIER=diag-hook\nPRIORITY={priority}\nMESSAGE={}\nDIAG_RUN=", message(run));
    // JSON of serde_json holds no line end.
    [head.as_bytes(), json, b"\n"].concat()
}

/// Tells journald, where it runs.
fn journal(entry: &[u8]) {
    if let Ok(socket) = UnixDatagram::unbound() {
        let _ = socket.set_nonblocking(true);
        let _ = socket.send_to(entry, JOURNAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_one_line_whatever_a_reason_holds() {
        let run = Run {
            schema: "diag.hook/1",
            time: "2026-05-04T03:12:41Z",
            node: "gpu-17",
            hook: "prolog",
            job: Some(4711),
            decision: "refuse",
            reason: "GPU 3: a\nMESSAGE=b\u{1b}[2J",
            elapsed_ms: 1,
            readings: Vec::new(),
        };
        assert_eq!(message(&run), "prolog of job 4711: refuse: GPU 3: a MESSAGE=b [2J");
        let entry = String::from_utf8(lines(&run).unwrap().entry).unwrap();
        assert_eq!(entry.lines().count(), 4, "{entry}");
        assert!(entry.contains("\nDIAG_RUN={\"schema\":\"diag.hook/1\""), "{entry}");
    }
}
