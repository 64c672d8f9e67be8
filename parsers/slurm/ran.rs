//! When and where jobs ran: `scontrol show job|step`, `sacct`, JSON; and what is kept free for whom: `scontrol show reservation`.
//!
//! Shapes: slurm-25-05 `src/api/job_info.c`, `job_step_info.c`, `reservation_info.c`, `src/sacct/print.c`.

use super::ending;
use super::reason;
use super::rows;
use super::table::Heading;
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// A job's time and nodes. Fields: `job`, `starts`, `ends` (times), `nodes` (a hostlist), as far as told.
const RAN: Name = "slurm.job_ran";
/// Nodes that are kept for somebody. Fields: `name`, `node` (a hostlist), `flags`.
const RESERVED: Name = "slurm.reserved";

/// The kinds that are made here.
pub(crate) const KINDS: &[Name] = &[RAN, RESERVED];

pub(crate) fn about(kind: &str) -> Option<&'static str> {
    Some(match kind {
        RAN => "when a job ran, and on which nodes",
        RESERVED => "nodes are reserved, for maintenance or a project",
        _ => return None,
    })
}

/// Lines of a record that are looked at each way.
const REACH: usize = 40;

/// Most rows of a table.
const MOST_ROWS: usize = 4096;

/// A job's time and nodes as an event's fields; none where neither is told.
pub(crate) fn fields(job: i64, starts: Option<&str>, ends: Option<&str>, nodes: Option<&str>) -> Option<Fields> {
    let time =
        |text: Option<&str>| text.filter(|text| text.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned);
    let list =
        nodes.map(str::trim).filter(|list| !list.is_empty() && !list.starts_with('(') && !list.starts_with("None"));
    let told = [("starts", time(starts)), ("ends", time(ends)), ("nodes", list.map(str::to_owned))];
    told.iter().any(|(_, value)| value.is_some()).then(|| {
        let mut fields = Fields::default();
        fields.set("job", job);
        for (name, value) in told {
            if let Some(value) = value {
                fields.set(name, value);
            }
        }
        fields.set("witness", ending::WITNESS);
        fields
    })
}

/// The name of the kind, for readers of other forms.
pub(crate) fn kind() -> Name {
    RAN
}

/// Records of `scontrol show`, on several lines or (`-o`) on one.
#[derive(Debug)]
pub struct Records;

impl Grammar for Records {
    fn kinds(&self) -> &'static [Name] {
        KINDS
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        about(kind)
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["StartTime=20"]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let record = record(cursor);
        let told = |key: &str| record.iter().find_map(|(_, text)| value(text, key)).filter(|value| *value != "(null)");
        if let Some(name) = told("ReservationName") {
            let mut fields = Fields::default();
            fields.set("name", name);
            for (field, key) in [("node", "Nodes"), ("flags", "Flags")] {
                if let Some(value) = told(key) {
                    fields.set(field, value);
                }
            }
            fields.set("witness", ending::WITNESS);
            fields.set("idle", true);
            let mut event = Event::on(cursor, &cursor.line, RESERVED, Says::Info, fields);
            event.at = told("StartTime").and_then(reason::stamp).or(event.at);
            return out.push(event);
        }
        let number = |text: &str| text.split(['.', '_', '+']).next().and_then(|job| job.parse::<i64>().ok());
        let (job, step) = match (told("JobId").and_then(number), told("StepId").and_then(number)) {
            (Some(job), _) => (job, false),
            (None, Some(job)) => (job, true),
            _ => return,
        };
        // The end of a job that runs is the one that is planned.
        let over = !step && told("JobState").is_some_and(|state| !["RUNNING", "PENDING", "SUSPENDED"].contains(&state));
        let waits = told("JobState") == Some("PENDING");
        let starts = told("StartTime").filter(|_| !waits);
        let told = fields(job, starts, told("EndTime").filter(|_| over), told("NodeList").filter(|_| !waits));
        out.extend(told.map(|fields| Event::on(cursor, &cursor.line, RAN, Says::Info, fields)));
    }
}

/// The lines of the record around the cursor, the cursor's first.
fn record<'a>(cursor: &Cursor<'a>) -> Vec<(Line<'a>, String)> {
    let text = |line: &Line<'a>| String::from_utf8_lossy(line.raw).into_owned();
    let first = text(&cursor.line);
    let is_head = |text: &str| ["JobId=", "StepId=", "ReservationName="].iter().any(|key| text.starts_with(key));
    let mut lines = vec![(cursor.line.clone(), first.clone())];
    if !is_head(&first) {
        for line in cursor.preceding().take(REACH) {
            let text = text(&line);
            let (head, beyond) = (is_head(&text), text.trim().is_empty());
            if beyond {
                break;
            }
            lines.push((line, text));
            if head {
                break;
            }
        }
    }
    for line in cursor.following().take(REACH) {
        let text = text(&line);
        if !text.starts_with(char::is_whitespace) || text.trim().is_empty() {
            break;
        }
        lines.push((line, text));
    }
    lines
}

/// The value of a key that has no blanks in it.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// The rows under a heading of `sacct` that has times or nodes.
#[derive(Debug)]
pub struct Accounted;

impl Grammar for Accounted {
    fn kinds(&self) -> &'static [Name] {
        KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["JobID", "JOBID"]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let below = |line: &Line<'_>| String::from_utf8_lossy(line.raw).into_owned();
        let rule = cursor.following().next().map(|line| below(&line));
        let Some(heading) = Heading::read(&below(&cursor.line), rule.as_deref()) else { return };
        let id = ["jobid", "jobidraw"].into_iter().find(|name| heading.has(name));
        let (Some(id), true) = (id, heading.has("start") && (heading.has("end") || heading.has("nodelist"))) else {
            return;
        };
        for line in cursor.following().take(MOST_ROWS) {
            let row = below(&line);
            if row.trim().is_empty() {
                break;
            }
            let Some(job) = heading.cell(&row, id).and_then(rows::whole_job) else { continue };
            let cell = |name: &str| heading.cell(&row, name);
            let told = fields(job, cell("start"), cell("end"), cell("nodelist"));
            out.extend(told.map(|fields| Event::on(cursor, &line, RAN, Says::Info, fields)));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Catalogue, Scanner, lint};

    fn read(log: &str, kind: &str) -> Vec<String> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let told = lint::read(&scanner, log).into_iter().filter(|event| event.kind == kind);
        let text = |event: &crate::Event| {
            let fields = event.fields.iter().filter(|(name, _)| *name != "witness" && *name != "idle");
            fields.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        told.map(|event| text(&event)).collect()
    }

    #[test]
    fn a_record_tells_when_and_where_on_many_lines_and_on_one() {
        let wide = "JobId=71204 JobName=train\n   UserId=ann(1000)\n   JobState=FAILED Reason=NonZeroExitCode\n   \
                    StartTime=2026-05-04T02:00:00 EndTime=2026-05-04T03:12:41 Deadline=N/A\n   NodeList=gpu-[017-018]\n";
        let want = ["job=71204 starts=2026-05-04T02:00:00 ends=2026-05-04T03:12:41 nodes=gpu-[017-018]"];
        assert_eq!(read(wide, super::RAN), want);
        let one = "JobId=71204 JobState=FAILED StartTime=2026-05-04T02:00:00 EndTime=2026-05-04T03:12:41 NodeList=gpu-[017-018]\n";
        assert_eq!(read(one, super::RAN), want);
        let runs =
            "JobId=71204 JobState=RUNNING StartTime=2026-05-04T02:00:00 EndTime=2026-05-05T02:00:00 NodeList=gpu-017\n";
        assert_eq!(read(runs, super::RAN), ["job=71204 starts=2026-05-04T02:00:00 nodes=gpu-017"]);
        let step = "StepId=71204.0 UserId=1000 StartTime=2026-05-04T02:00:03 TimeLimit=UNLIMITED\n   State=RUNNING Partition=gpu NodeList=gpu-017\n";
        assert_eq!(read(step, super::RAN), ["job=71204 starts=2026-05-04T02:00:03 nodes=gpu-017"]);
        assert!(read("JobId=71204 JobState=PENDING StartTime=2026-05-05T02:00:00 EndTime=2026-05-06T02:00:00 NodeList=(null)\n", super::RAN).is_empty());
    }

    #[test]
    fn rows_of_the_accounting_tell_it_of_jobs_and_not_of_steps() {
        let table = "JobID|State|Start|End|NodeList\n\
                     71204|FAILED|2026-05-04T02:00:00|2026-05-04T03:12:41|gpu-[017-018]\n\
                     71204.batch|FAILED|2026-05-04T02:00:00|2026-05-04T03:12:41|gpu-017\n\
                     71205|RUNNING|2026-05-04T02:00:00|Unknown|gpu-019\n\
                     71206|PENDING|Unknown|Unknown|None assigned\n";
        assert_eq!(
            read(table, super::RAN),
            [
                "job=71204 starts=2026-05-04T02:00:00 ends=2026-05-04T03:12:41 nodes=gpu-[017-018]",
                "job=71205 starts=2026-05-04T02:00:00 nodes=gpu-019",
            ]
        );
    }

    #[test]
    fn a_reservation_names_its_nodes() {
        let maint = "ReservationName=firmware StartTime=2026-05-04T02:00:00 EndTime=2026-05-04T08:00:00 Duration=06:00:00\n   \
                     Nodes=gpu-[017-020] NodeCnt=4 CoreCnt=256 Features=(null) PartitionName=(null) Flags=MAINT,SPEC_NODES\n";
        assert_eq!(read(maint, super::RESERVED), ["name=firmware node=gpu-[017-020] flags=MAINT,SPEC_NODES"]);
    }
}
