//! Logs of containers: their ends, and the beginnings of long ones.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::Held;
use crate::error::Error;
use crate::kubernetes::{Client, Verb, is_name};

/// Lines from the end of a container's log.
const LINES: usize = 20_000;

/// Bytes from the start of a log that has more lines than that: where it says who it is and how large the job.
const HEAD: usize = 256 << 10;

/// Most bytes of one log, its end.
const MOST_LOG: usize = 8 << 20;

/// Fewest bytes of one log, however many there are.
const LEAST_LOG: usize = 256 << 10;

/// Most bytes of all logs.
const MOST_LOGS: usize = 256 << 20;

/// Most bytes that are looked at for the end of a log.
const MOST_READ: usize = 512 << 20;

/// Logs that are read at a time.
const AT_A_TIME: usize = 8;

/// A run of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pod: String,
    container: String,
    previous: bool,
    /// Whether something is wrong with the pod: its logs come first.
    trouble: bool,
}

/// The runs of a pod that left a log: those that go on or have ended, and of containers that were started again, the one
/// before.
pub(super) fn runs(pod: &Value) -> Vec<Run> {
    let status = &pod["status"];
    let Some(name) = pod["metadata"]["name"].as_str().filter(|name| is_name(name)) else { return Vec::new() };
    let statuses = ["initContainerStatuses", "containerStatuses"];
    let all = || statuses.iter().filter_map(|key| status[*key].as_array()).flatten();
    let again = |one: &Value| one["restartCount"].as_i64().unwrap_or(0) > 0;
    let failed = |one: &Value| one["state"]["terminated"]["exitCode"].as_i64().unwrap_or(0) != 0;
    let well = ["Running", "Succeeded"].contains(&status["phase"].as_str().unwrap_or_default());
    let trouble = !well || all().any(|one| again(one) || failed(one));
    let mut found = Vec::new();
    for one in all() {
        let Some(container) = one["name"].as_str().filter(|name| is_name(name)) else { continue };
        let run = |previous| Run { pod: name.to_owned(), container: container.to_owned(), previous, trouble };
        if again(one) {
            found.push(run(true));
        }
        if one["state"].get("waiting").is_none() {
            found.push(run(false));
        }
    }
    found
}

/// The logs of these runs, those of pods in trouble first and longest.
pub(super) struct Reading<'a> {
    client: &'a Client,
    namespace: &'a str,
    until: Instant,
    share: usize,
    kept: AtomicU64,
    forbidden: AtomicBool,
    unread: AtomicU64,
}

impl<'a> Reading<'a> {
    pub(super) const fn new(client: &'a Client, namespace: &'a str, until: Instant) -> Self {
        let (kept, unread) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { client, namespace, until, share: MOST_LOG, kept, forbidden: AtomicBool::new(false), unread }
    }

    /// Reads them, several at a time; they come in the order of pods and containers.
    pub(super) async fn all(mut self, mut runs: Vec<Run>, remarks: &mut Vec<Error>) -> Vec<Held> {
        runs.sort_by_key(|run| !run.trouble);
        self.share = (MOST_LOGS / runs.len().max(1)).clamp(LEAST_LOG, MOST_LOG);
        let count = runs.len();
        let reading = &self;
        let read = stream::iter(runs).map(|run| async move { reading.one(&run).await }).buffered(AT_A_TIME);
        let all: Vec<(Option<Held>, Option<Error>)> = read.collect().await;
        let unread = self.unread.load(Ordering::Relaxed);
        if unread > 0 {
            let what = format!("{unread} of {count} logs are not read: the time or space for them is used up");
            let remark = Error::new("k8s.many", format!("k8s:{}", self.namespace), what);
            remarks.push(remark.with_way_on("name a pod: --k8s NAMESPACE/POD"));
        }
        let mut held = Vec::new();
        for (log, remark) in all {
            held.extend(log);
            remarks.extend(remark);
        }
        held.sort_by(|a, b| a.name.cmp(&b.name));
        held
    }

    async fn one(&self, run: &Run) -> (Option<Held>, Option<Error>) {
        if self.forbidden.load(Ordering::Relaxed) {
            return (None, None);
        }
        if self.until <= Instant::now() || self.kept.load(Ordering::Relaxed) >= MOST_LOGS as u64 {
            self.unread.fetch_add(1, Ordering::Relaxed);
            return (None, None);
        }
        let end = if run.previous { "previous.log" } else { "log" };
        let name = format!("{}/{}/{}.{end}", self.namespace, run.pod, run.container);
        let (mut text, mut remark) = self.end(run, &name).await;
        if remark.as_ref().is_some_and(|error| error.code == "k8s.forbidden")
            && self.forbidden.swap(true, Ordering::Relaxed)
        {
            remark = None;
        }
        if text.lines >= LINES || text.cut {
            text.kept = [self.start(run, &name, &text.kept).await, text.kept].concat();
            let what = "is long; its start and its end are read";
            remark = remark.or_else(|| Some(Error::new("k8s.long", format!("k8s:{name}"), what)));
        }
        self.kept.fetch_add(text.kept.len() as u64, Ordering::Relaxed);
        let held = Held { name: format!("k8s:{name}"), bytes: prefixed(&text.kept, &run.pod, &run.container) };
        ((!text.kept.is_empty()).then_some(held), remark)
    }

    fn path(&self, run: &Run, part: &str) -> String {
        let Run { pod, container, previous, .. } = run;
        let space = self.namespace;
        format!(
            "/api/v1/namespaces/{space}/pods/{pod}/log?container={container}&timestamps=true&previous={previous}&{part}"
        )
    }

    /// The last lines; with what went wrong, if something did.
    async fn end(&self, run: &Run, name: &str) -> (Tail, Option<Error>) {
        let mut tail = Tail::new(self.share);
        let late = || {
            let what = "the time for all calls together is over";
            Error::new("k8s.timeout", format!("k8s:{name}"), what)
        };
        let path = self.path(run, &format!("tailLines={LINES}"));
        let mut answer = match timeout_at(self.until, self.client.open(Verb::Get, &path, None, name)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(refused)) => return (tail, Some(refused.error)),
            Err(_) => return (tail, Some(late())),
        };
        loop {
            match timeout_at(self.until, answer.next(name)).await {
                Ok(Ok(Some(bytes))) => tail.push(&bytes),
                Ok(Ok(None)) => return (tail.finish(), None),
                Ok(Err(error)) => return (tail.finish(), Some(error)),
                Err(_) => return (tail.finish(), Some(late())),
            }
            if tail.read > MOST_READ {
                let what = format!("its last lines have more than {} MiB; not read to the end", MOST_READ >> 20);
                return (tail.finish(), Some(Error::new("k8s.long", format!("k8s:{name}"), what)));
            }
        }
    }

    /// The first lines, up to the first of the end.
    async fn start(&self, run: &Run, name: &str, end: &[u8]) -> Vec<u8> {
        let path = self.path(run, &format!("limitBytes={HEAD}"));
        let Ok(Ok(mut answer)) = timeout_at(self.until, self.client.open(Verb::Get, &path, None, name)).await else {
            return Vec::new();
        };
        let mut text = Vec::new();
        while let Ok(Ok(Some(bytes))) = timeout_at(self.until, answer.next(name)).await {
            text.extend(bytes);
            if text.len() > HEAD {
                break;
            }
        }
        before(text, stamp(end))
    }
}

/// The time of a line, as the kubelet writes it: of fixed width, so that texts compare as times do (kubernetes v1.31
/// `kubelet/types/constants.go`, `RFC3339NanoFixed`).
fn stamp(line: &[u8]) -> &[u8] {
    line.split(|byte| *byte == b' ').next().unwrap_or_default()
}

/// The whole lines that are older than a time.
fn before(mut text: Vec<u8>, time: &[u8]) -> Vec<u8> {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let older = lines.take_while(|line| line.ends_with(b"\n") && stamp(line) < time).map(<[u8]>::len).sum();
    text.truncate(older);
    text
}

/// The end of what comes, by whole lines.
#[derive(Debug)]
struct Tail {
    kept: Vec<u8>,
    most: usize,
    read: usize,
    lines: usize,
    cut: bool,
}

impl Tail {
    const fn new(most: usize) -> Self {
        Self { kept: Vec::new(), most, read: 0, lines: 0, cut: false }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.read += bytes.len();
        self.lines += memchr::memchr_iter(b'\n', bytes).count();
        self.kept.extend_from_slice(bytes);
        if self.kept.len() > 2 * self.most {
            self.trim();
        }
    }

    fn trim(&mut self) {
        let Some(over) = self.kept.len().checked_sub(self.most).filter(|over| *over > 0) else { return };
        let line = memchr::memchr(b'\n', &self.kept[over..]).map_or(over, |end| over + end + 1);
        self.kept.drain(..line);
        self.cut = true;
    }

    fn finish(mut self) -> Self {
        self.trim();
        self
    }
}

/// A log with its pod in front of each line, as `kubectl logs --prefix` prints it.
fn prefixed(log: &[u8], pod: &str, container: &str) -> Vec<u8> {
    let tag = format!("[pod/{pod}/{container}] ").into_bytes();
    let mut text = Vec::with_capacity(log.len() + log.len() / 8);
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        text.extend_from_slice(&tag);
        text.extend_from_slice(line);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_run_before_is_read_where_a_container_was_started_again() {
        let pod = json!({ "metadata": { "name": "train-0" }, "status": { "phase": "Running",
            "initContainerStatuses": [{ "name": "setup", "restartCount": 0, "state": { "terminated": { "exitCode": 0 } } }],
            "containerStatuses": [
                { "name": "trainer", "restartCount": 4, "state": { "waiting": { "reason": "CrashLoopBackOff" } } },
                { "name": "../etc", "restartCount": 0, "state": { "running": {} } }
            ] } });
        let found = runs(&pod);
        let found: Vec<(&str, bool)> = found.iter().map(|run| (run.container.as_str(), run.previous)).collect();
        assert_eq!(found, [("setup", false), ("trainer", true)]);
        assert!(runs(&json!({ "metadata": { "name": "a/b" } })).is_empty());
    }

    #[test]
    fn of_a_long_log_the_end_is_kept_by_whole_lines() {
        let mut tail = Tail::new(10);
        for line in ["first\n", "second\n", "third\n", "4\n"] {
            tail.push(line.as_bytes());
        }
        let tail = tail.finish();
        assert_eq!((tail.kept.as_slice(), tail.lines, tail.cut), (&b"third\n4\n"[..], 4, true));
    }

    #[test]
    fn the_start_ends_where_the_end_begins() {
        let text =
            b"2026-05-04T03:00:01.000000000Z a\n2026-05-04T03:00:02.000000000Z b\n2026-05-04T03:00:03.0000".to_vec();
        let kept = before(text, b"2026-05-04T03:00:02.000000000Z");
        assert_eq!(kept, b"2026-05-04T03:00:01.000000000Z a\n");
    }
}
