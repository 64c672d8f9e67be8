//! Rows of `sacct` and `squeue`, one a job or step, in any order of columns: how jobs ended, and why they wait.
//!
//! A row is known by its words, with or without its heading: a job's number, a state, an exit code, times. The heading
//! is only asked where the number does not stand first.

use super::ending::{self, Ending};
use super::table::Heading;
use super::waiting;
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::Cursor;
use crate::stamp::Stamp;
use crate::time;

/// Lines above a row in which its heading is looked for.
const REACH: usize = 200;

/// Rows that tell how a job ended.
#[derive(Debug)]
pub struct Ended;

impl Grammar for Ended {
    fn kinds(&self) -> &'static [Name] {
        ending::KINDS
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        ending::about(kind)
    }

    fn anchors(&self) -> &'static [&'static str] {
        ending::ANCHORS
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = String::from_utf8_lossy(cursor.line.raw);
        let Some(cells) = Cells::of(&text) else { return };
        let Some(end) = cells.ending() else { return };
        let job = cells.job().or_else(|| job_under_heading(cursor, &text));
        if job.is_none() && !is_under_heading_without_job(cursor) {
            return;
        }
        let Some(kind) = end.kind(job.is_some_and(|job| job.step)) else { return };
        let mut fields = Fields::default();
        if let Some(job) = job {
            fields.set("job", job.number);
        }
        fields.set("witness", ending::WITNESS);
        end.fill(kind, &mut fields);
        let nodes = || heading_of_jobs(cursor)?.cell(&text, "nodelist").and_then(ending::only_host).map(str::to_owned);
        if let Some(node) = Some(kind).filter(|kind| ending::is_its_nodes(kind)).and_then(|_| nodes()) {
            fields.set("node", node);
        }
        // whoever leaves the number out asked for one job
        let alone = job.is_none_or(|job| alone(cursor, job.number));
        let says = if ending::is_unexplained(kind) && alone { Says::Failure } else { Says::Warning };
        let mut event = Event::on(cursor, &cursor.line, kind, says, fields);
        event.at = cells.times().into_iter().max_by_key(|at| at.micros).or(event.at);
        out.push(event);
    }
}

/// Rows that tell why a job waits.
#[derive(Debug)]
pub struct Waiting;

impl Grammar for Waiting {
    fn kinds(&self) -> &'static [Name] {
        waiting::KINDS
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        waiting::about(kind)
    }

    fn anchors(&self) -> &'static [&'static str] {
        waiting::ANCHORS
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = String::from_utf8_lossy(cursor.line.raw);
        let Some(reason) = reason(&text) else { return };
        let Some((kind, mut fields)) = waiting::read(reason) else { return };
        let cells = Cells::of(&text).filter(|cells| cells.waits());
        let Some(cells) = cells else { return };
        let Some(job) = cells.job().or_else(|| job_under_heading(cursor, &text)) else { return };
        fields.set("job", job.number);
        fields.set("witness", "squeue");
        out.push(Event::on(cursor, &cursor.line, kind, Says::Warning, fields));
    }
}

/// The reason of a waiting job: in parentheses at the end of the row, or a cell of its own.
fn reason(text: &str) -> Option<&str> {
    let text = text.trim_end().trim_end_matches('|').trim_end();
    if text.ends_with(')')
        && let Some(at) = text.find(" (").map(|at| at + 1).or_else(|| text.rfind("|(").map(|at| at + 1))
    {
        return text.get(at..);
    }
    let mut cells =
        if text.contains('|') { text.split('|').collect::<Vec<_>>() } else { text.split_whitespace().collect() };
    cells.reverse();
    cells.into_iter().find(|cell| waiting::read(cell).is_some())
}

/// A job, or a step of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Job {
    number: i64,
    step: bool,
}

/// Most digits of a job's number: it has 32 bits.
const MOST_DIGITS: usize = 10;

/// `71204`, `71204_3`, `71204_[1-8%4]`, `71204+1`, `71204.batch`, `71204.0`.
fn job(cell: &str) -> Option<Job> {
    let cell = cell.trim();
    let digits = cell.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = (cell.get(..digits)?.parse().ok().filter(|_| digits <= MOST_DIGITS)?, &cell[digits..]);
    let step = |text: &str| {
        text.strip_prefix('.')
            .is_some_and(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'+'))
    };
    match rest.as_bytes().first() {
        None => Some(Job { number, step: false }),
        Some(b'.') => step(rest).then_some(Job { number, step: true }),
        Some(b'_' | b'+') => {
            let tail = rest.bytes().skip(1).take_while(|b| b.is_ascii_digit() || b"[]-,%:.".contains(b)).count();
            let after = rest.get(1 + tail..)?;
            let step = rest.contains('.') && !rest.contains('[');
            after.bytes().all(|b| b.is_ascii_alphabetic()).then_some(Job { number, step })
        }
        _ => None,
    }
}

/// The number of a job, not of a step: of an array, the number that its tasks share.
pub(super) fn whole_job(cell: &str) -> Option<i64> {
    job(cell).filter(|job| !job.step).map(|job| job.number)
}

/// The job of a row under a heading that is some lines above.
fn job_under_heading(cursor: &Cursor<'_>, row: &str) -> Option<Job> {
    let heading = heading_of_jobs(cursor)?;
    job(heading.cell(row, "jobid").or_else(|| heading.cell(row, "jobidraw"))?)
}

/// The nearest heading above a row that names a column of jobs.
fn heading_of_jobs(cursor: &Cursor<'_>) -> Option<Heading> {
    let mut below: Option<&[u8]> = None;
    for raw in cursor.bytes_before().take(REACH) {
        if names_jobs(raw) {
            let below = below.map(String::from_utf8_lossy);
            if let Some(heading) = Heading::read(&String::from_utf8_lossy(raw), below.as_deref()) {
                return Some(heading);
            }
        }
        below = Some(raw);
    }
    None
}

/// Whether a line may head a column of jobs. Lossy text would hold the word just where the bytes do.
fn names_jobs(raw: &[u8]) -> bool {
    let word = |at: usize| raw.get(at..at + 5).is_some_and(|word| word.eq_ignore_ascii_case(b"jobid"));
    memchr::memchr2_iter(b'j', b'J', raw).any(word)
}

/// Whether the table that a row stands in is one of sacct's that has no column of jobs: `sacct -j 71204 -o state,elapsed`.
fn is_under_heading_without_job(cursor: &Cursor<'_>) -> bool {
    let is_rule = |raw: &[u8]| raw.contains(&b'-') && raw.iter().all(|b| b"- \r\n".contains(b));
    let mut above = cursor.bytes_before().take(REACH).skip_while(|raw| !is_rule(raw));
    let Some(rule) = above.next().map(String::from_utf8_lossy) else { return false };
    let heading = above.next().and_then(|raw| Heading::read(&String::from_utf8_lossy(raw), Some(&rule)));
    let beside = ["exitcode", "elapsed", "nodelist", "start", "end"];
    heading.is_some_and(|heading| {
        heading.has("state") && !heading.has("jobid") && beside.iter().any(|name| heading.has(name))
    })
}

/// Lines around a row in which other jobs are looked for.
const AROUND: usize = 40;

/// Whether the rows around tell of no other job that did better: then somebody asked about this one, or all failed alike, and
/// that it failed is no everyday fact.
fn alone(cursor: &Cursor<'_>, number: i64) -> bool {
    let better = |raw: &[u8]| {
        let text = String::from_utf8_lossy(raw);
        Cells::of(&text).is_some_and(|cells| {
            cells.job().is_some_and(|job| job.number != number)
                && !cells.ending().and_then(|end| end.kind(false)).is_some_and(ending::is_unexplained)
        })
    };
    !cursor.bytes_before().take(AROUND).any(better) && !cursor.following().take(AROUND).any(|line| better(line.raw))
}

/// The cells of a row, by bars or by blanks.
struct Cells<'a>(Vec<&'a str>);

/// Least cells of a row.
const LEAST: usize = 3;

impl<'a> Cells<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let cells: Vec<&str> = if text.contains('|') {
            text.split('|').map(str::trim).collect()
        } else {
            text.split_whitespace().collect()
        };
        (cells.len() >= LEAST).then_some(Self(cells))
    }

    fn job(&self) -> Option<Job> {
        job(self.0.first()?)
    }

    /// The end that the state cell tells, if the row looks like one of a table: with an exit code or times beside it.
    fn ending(&self) -> Option<Ending> {
        let by = |at: usize| self.0.get(at + 1).filter(|word| **word == "by").and(self.0.get(at + 2));
        let state = |(at, cell): (usize, &&str)| match by(at) {
            Some(uid) => Ending::of(&format!("{cell} by {uid}")),
            None => Ending::of(cell),
        };
        let end = self.0.iter().enumerate().find_map(state)?;
        let exit = self.0.iter().find_map(|cell| ending::exit_code(cell));
        let sure = exit.is_some() || self.0.iter().any(|cell| is_time(cell) || is_list(cell));
        sure.then_some(end.with_exit(exit))
    }

    /// Whether the row tells of a job that waits.
    fn waits(&self) -> bool {
        self.0.iter().any(|cell| matches!(*cell, "PD" | "PENDING")) || self.0.iter().any(|cell| cell.starts_with('('))
    }

    fn times(&self) -> Vec<Stamp> {
        let full = |cell: &&&str| cell.len() == 19 && cell.as_bytes()[10] == b'T';
        self.0.iter().filter(full).filter_map(|cell| time::read(cell)).collect()
    }
}

/// `00:06:51`, `1-02:00:00`, `2026-05-04T03:12:41`, `9:51`.
fn is_time(cell: &str) -> bool {
    let clock = cell.rsplit(['T', '-']).next().unwrap_or(cell);
    let parts: Vec<&str> = clock.split(':').collect();
    parts.len() >= 2
        && parts.iter().all(|part| !part.is_empty() && part.len() <= 2 && part.bytes().all(|b| b.is_ascii_digit()))
}

/// A host or hostlist: it has a digit and a letter, and nothing that such a list has not.
fn is_list(cell: &str) -> bool {
    cell.starts_with(|c: char| c.is_ascii_alphabetic())
        && cell.bytes().any(|b| b.is_ascii_digit())
        && cell.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.,[]".contains(&b))
}

#[cfg(test)]
mod tests {
    use crate::lint;
    use crate::{Catalogue, Says, Scanner};

    fn read(log: &str) -> Vec<(&'static str, Option<i64>)> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let of_jobs = |event: &crate::Event| event.kind.starts_with("sacct.") || event.kind.starts_with("squeue.");
        let events = lint::read(&scanner, log).into_iter().filter(of_jobs);
        events.map(|event| (event.kind, event.fields.int("job"))).collect()
    }

    #[test]
    fn what_happened_to_a_job_of_one_node_happened_there() {
        let log = "JobID           JobName      State ExitCode        NodeList \n\
                   ------------ ---------- ---------- -------- --------------- \n\
                   71204             train  NODE_FAIL      0:0          gpu-17 \n\
                   71205             evals OUT_OF_ME+    0:125          gpu-19 \n\
                   71206             train  NODE_FAIL      0:0     gpu-[20-21] \n\
                   71207             train  NODE_FAIL      0:0   None assigned \n\
                   71208             train     FAILED      1:0          gpu-22 \n";
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let events = lint::read(&scanner, log).into_iter().filter(|event| event.kind.starts_with("sacct."));
        let told: Vec<_> =
            events.map(|event| (event.fields.int("job"), event.fields.text("node").map(str::to_owned))).collect();
        let (first, second) = (Some("gpu-17".to_owned()), Some("gpu-19".to_owned()));
        let rest = [71206, 71207, 71208].map(|job| (Some(job), None));
        assert_eq!(told, [&[(Some(71204), first), (Some(71205), second)][..], &rest].concat());
    }

    #[test]
    fn rows_of_sacct_are_read_in_any_order_of_columns() {
        let ruled = "       JobID    JobName  Partition    Account  AllocCPUS      State ExitCode \n\
                     ------------ ---------- ---------- ---------- ---------- ---------- -------- \n\
                     71204             train      batch       proj         64  NODE_FAIL      1:0 \n\
                     71204.batch       batch                  proj         64  CANCELLED     0:15 \n\
                     71205             train      batch       proj         64 OUT_OF_ME+    0:125 \n";
        assert_eq!(read(ruled), [("sacct.node_fail", Some(71204)), ("sacct.out_of_memory", Some(71205))]);
        let without = "     State    Elapsed        NodeList \n---------- ---------- --------------- \nOUT_OF_ME+   00:11:06         gpu-017 \n COMPLETED   00:11:05         gpu-017 \n";
        assert_eq!(read(without), [("sacct.out_of_memory", None)]);
        let other = "     State    Elapsed        NodeList \nOUT_OF_ME+   00:11:06         gpu-017 \n";
        assert!(read(other).is_empty());
        let last = "State|ExitCode|NodeList|JobID\nTIMEOUT|0:0|gpu-017|71204\nFAILED|0:9|gpu-017|71206.0\n";
        assert_eq!(read(last), [("sacct.time_limit", Some(71204)), ("sacct.killed", Some(71206))]);
        assert_eq!(read("71204_3|train|batch|PREEMPTED|0:0|gpu-017\n"), [("sacct.preempted", Some(71204))]);
        assert_eq!(read("71204|train|CANCELLED by 1000|0:0\n"), [("sacct.cancelled", Some(71204))]);
        assert_eq!(read("71204  train  CANCELLED by 1000  0:0\n"), [("sacct.cancelled", Some(71204))]);
    }

    #[test]
    fn a_job_that_ended_is_told_at_its_end() {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let row = "71204|train|NODE_FAIL|2026-05-04T02:00:00|2026-05-04T03:12:41|gpu-017\n";
        let at = lint::read(&scanner, row)[0].at.unwrap();
        assert_eq!(at.to_string(), "2026-05-04 03:12:41.000");
    }

    #[test]
    fn jobs_of_which_none_did_better_failed() {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let says = |log: &str| lint::read(&scanner, log).iter().map(|event| event.says).collect::<Vec<_>>();
        let failed = "71204|train|FAILED|1:0|gpu-017\n71205|train|FAILED|1:0|gpu-018\n";
        assert_eq!(says(failed), [Says::Failure, Says::Failure]);
        let mixed = format!("{failed}71206|train|COMPLETED|0:0|gpu-019\n");
        assert_eq!(says(&mixed), [Says::Warning, Says::Warning]);
    }

    #[test]
    fn prose_is_no_row() {
        assert!(
            read("12 tests FAILED in suite\n3 jobs were CANCELLED today\nTIMEOUT waiting for 12 nodes\n").is_empty()
        );
    }

    #[test]
    fn waiting_jobs_tell_why() {
        let queue = "             JOBID PARTITION     NAME     USER ST       TIME  NODES NODELIST(REASON)\n\
                    \x20            71204     batch    train      ann PD       0:00      4 (launch failed requeued held)\n\
                    \x20            71205     batch    train      ann PD       0:00      4 (Priority)\n\
                    \x20            71206     batch    train      ann PD       0:00     99 (PartitionNodeLimit)\n\
                    \x20            71207     batch    train      ann PD       0:00      1 (ReqNodeNotAvail, UnavailableNodes:gpu-008)\n";
        assert_eq!(
            read(queue),
            [("sacct.launch_held", Some(71204)), ("squeue.never", Some(71206)), ("squeue.nodes_out", Some(71207)),]
        );
    }
}
