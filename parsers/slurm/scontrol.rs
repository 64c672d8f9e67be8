//! `scontrol show node` and `scontrol show job`: records of `Key=Value`, on several lines or (`-o`) on one.
//!
//! Shape: slurm-25-05 `src/api/node_info.c`, `src/api/job_info.c`.

use super::ending::{self, Ending};
use super::reason::{self, Outage};
use super::{states, waiting};
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// Lines of a record that are looked at each way.
pub(super) const REACH: usize = 40;

pub(super) const WITNESS: &str = "scontrol";

/// `scontrol show node`.
#[derive(Debug)]
pub struct Nodes;

impl Grammar for Nodes {
    fn kinds(&self) -> &'static [Name] {
        reason::KINDS
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        reason::about(kind)
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["NodeName="]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let first = cursor.line.whole();
        let record = first.trim_start().strip_prefix("NodeName=");
        let Some(node) = record.and_then(|rest| rest.split_whitespace().next()) else {
            return;
        };
        let mut stated = value(&first, "State").map(|state| (cursor.line.clone(), state.to_owned()));
        let mut told = why(&first).map(|why| (cursor.line.clone(), why));
        for line in cursor.following().take(REACH) {
            let text = line.whole();
            if is_beyond(&text) {
                break;
            }
            if let (None, Some(state)) = (&stated, value(&text, "State")) {
                stated = Some((line.clone(), state.to_owned()));
            }
            if let (None, Some(why)) = (&told, why(&text)) {
                told = Some((line, why));
            }
        }
        // one that has no line of the state was filtered: slurmctld clears the reason when a node goes back into service
        let told = told.filter(|(_, (why, _))| !["none", "(null)"].contains(&why.to_ascii_lowercase().as_str()));
        match (stated, told) {
            (Some((_, state)), _) if !states::is_out(&state) || states::is_in_maintenance(&state) => {}
            (_, Some((line, (why, since)))) => {
                let outage = Outage { node, why: &why, since: since.and_then(|at| reason::stamp(&at)) };
                out.push(outage.event(cursor, &line, WITNESS));
            }
            (Some((place, state)), None) => out.extend(states::event(cursor, &place, WITNESS, node, &state)),
            (None, None) => {}
        }
    }
}

/// Whether a line belongs to no record that began above: the lines of one are indented, empty but for blanks, or, where the
/// blanks were lost in copying, begin with a key. One that begins a record may be indented, too, where all of them are.
pub(super) fn is_beyond(text: &str) -> bool {
    let key = text.trim_start().split_once('=').map(|(key, _)| key);
    let key = key.filter(|key| key.chars().all(|c| c.is_ascii_alphanumeric()));
    let begins = key.is_some_and(|key| ["NodeName", "JobId", "PartitionName", "ReservationName"].contains(&key));
    begins || !text.trim().is_empty() && !text.starts_with(char::is_whitespace) && key.is_none()
}

/// The value of a key that has no blanks in it.
pub(super) fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// `Reason=Kill task failed [root@2026-05-04T03:12:41]`: the reason, and when it was given.
pub(super) fn why(text: &str) -> Option<(String, Option<String>)> {
    let at = text.find("Reason=")?;
    let told = &text[at + "Reason=".len()..];
    let (reason, set) = told.split_once(" [").unwrap_or((told, ""));
    let since = set.split(']').next().and_then(|set| set.rsplit_once('@')).map(|(_, at)| at.to_owned());
    Some((reason.trim().to_owned(), since)).filter(|(reason, _)| !reason.is_empty())
}

/// `scontrol show job`: how jobs ended, and why they wait.
#[derive(Debug)]
pub struct Jobs;

impl Grammar for Jobs {
    fn kinds(&self) -> &'static [Name] {
        ending::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["JobState="]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.whole();
        let Some(state) = value(&text, "JobState") else { return };
        let record = Record::around(cursor, &text);
        let Some(job) = record.value("JobId").and_then(|job| job.parse::<i64>().ok()) else { return };
        let exit = record.value("ExitCode").and_then(|code| ending::exit_code(&code));
        let told = if state == "PENDING" {
            value(&text, "Reason").and_then(waiting::read)
        } else {
            Ending::of(state).map(|end| end.with_exit(exit)).and_then(|end| {
                let kind = end.kind(false)?;
                let mut fields = Fields::default();
                end.fill(kind, &mut fields);
                Some((kind, fields))
            })
        };
        let Some((kind, mut fields)) = told else { return };
        fields.set("job", job);
        if let Some(node) = record.value("FailedNode").filter(|node| node != "(null)") {
            fields.set("node", node);
        } else if ending::is_its_nodes(kind)
            && let Some(node) = record.value("NodeList").as_deref().and_then(ending::only_host)
        {
            fields.set("node", node);
        }
        fields.set("witness", ending::WITNESS);
        let says = if ending::is_unexplained(kind) && alone(cursor, job) { Says::Failure } else { Says::Warning };
        let mut event = Event::on(cursor, &cursor.line, kind, says, fields);
        event.at = record.value("EndTime").and_then(|at| reason::stamp(&at)).or(event.at);
        out.push(event);
    }
}

/// Whether the records around tell of no other job.
fn alone(cursor: &Cursor<'_>, number: i64) -> bool {
    let other = |raw: &[u8]| {
        let job = value(&String::from_utf8_lossy(raw), "JobId").and_then(|job| job.parse::<i64>().ok());
        job.is_some_and(|job| job != number)
    };
    !cursor.bytes_before().take(2 * REACH).any(other) && !cursor.following().take(2 * REACH).any(|line| other(line.raw))
}

/// The lines of a record, nearest to the one in the middle first.
struct Record(Vec<String>);

impl Record {
    fn around(cursor: &Cursor<'_>, text: &str) -> Self {
        let mut lines = vec![text.to_owned()];
        if value(text, "JobId").is_none() {
            for raw in cursor.bytes_before().take(REACH) {
                lines.push(String::from_utf8_lossy(raw).into_owned());
                if value(&lines[lines.len() - 1], "JobId").is_some() {
                    break;
                }
            }
        }
        let below = cursor.following().take(REACH).map(|line| line.whole());
        lines.extend(below.take_while(|line| !is_beyond(line)));
        Self(lines)
    }

    fn value(&self, key: &str) -> Option<String> {
        self.0.iter().find_map(|line| value(line, key)).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use crate::lint;
    use crate::{Catalogue, Scanner, Value};

    fn read(log: &str) -> Vec<(&'static str, Option<Value>, Option<Value>)> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let told = lint::read(&scanner, log).into_iter().filter(|event| event.fields.get("witness").is_some());
        told.map(|event| (event.kind, event.fields.get("node").cloned(), event.fields.get("job").cloned())).collect()
    }

    #[test]
    fn nodes_out_of_service_are_read_on_many_lines_and_on_one() {
        let wide = "NodeName=gpu-018 Arch=x86_64 CoresPerSocket=32\n   State=IDLE ThreadsPerCore=2\n   Reason=old [root@2026-05-04T03:12:41]\n\n\
                    NodeName=gpu-019 Arch=x86_64 CoresPerSocket=32\n   State=DOWN*+NOT_RESPONDING ThreadsPerCore=2\n   Reason=Not responding [slurm@2026-05-04T03:12:41]\n";
        assert_eq!(read(wide), [("slurm.node_silent", Some("gpu-019".into()), None)]);
        let one = "NodeName=gpu-019 Arch=x86_64 State=IDLE+DRAIN Partitions=gpu Reason=Epilog error [root@2026-05-04T03:12:41]\n";
        assert_eq!(read(one), [("slurm.node_script_failed", Some("gpu-019".into()), None)]);
        let gap = "NodeName=gpu-019 Arch=x86_64\n   State=IDLE+DRAIN ThreadsPerCore=1\n   \n   Reason=Epilog error [root@2026-05-04T03:12:41]\n";
        assert_eq!(read(gap), [("slurm.node_script_failed", Some("gpu-019".into()), None)]);
        let flat = "NodeName=gpu-019 State=IDLE+DRAIN+INVALID_REG\nReason=gres/gpu count reported lower than configured (0 < 1) [slurm@2026-05-04T03:12:41]\nNodeName=gpu-020 State=IDLE\n";
        assert_eq!(read(flat), [("slurm.node_lessened", Some("gpu-019".into()), None)]);
        assert!(
            read("NodeName=gpu-019 State=DOWN+MAINTENANCE+DRAIN Reason=bad DIMM [root@2026-05-04T03:12:41]\n")
                .is_empty()
        );
        let filtered = "NodeName=gpu-019\n   Reason=Kill task failed [root@2026-05-04T03:12:41]\n";
        assert_eq!(read(filtered), [("slurm.node_stuck", Some("gpu-019".into()), None)]);
        assert!(read("NodeName=gpu-019\n   Reason=none\n").is_empty());
        let inset = "    NodeName=gpu-018 Arch=x86_64\n       State=IDLE ThreadsPerCore=2\n    NodeName=gpu-019 Arch=x86_64\n       State=DOWN*\n       Reason=Not responding [slurm@2026-05-04T03:12:41]\n";
        assert_eq!(read(inset), [("slurm.node_silent", Some("gpu-019".into()), None)]);
        assert!(read("NodeName=gpu-[001-128] Sockets=2 State=UNKNOWN\n").is_empty());
        assert_eq!(
            read("NodeName=gpu-019 State=DOWN* ThreadsPerCore=2\n"),
            [("slurm.nodes_silent", Some("gpu-019".into()), None)]
        );
    }

    #[test]
    fn the_state_of_a_job_is_read_on_many_lines_and_on_one() {
        let wide = "JobId=71204 JobName=train\n   UserId=ann(1000) GroupId=ann(1000)\n   JobState=NODE_FAIL Reason=NodeDown Dependency=(null)\n";
        assert_eq!(read(wide), [("sacct.node_fail", None, Some(71204.into()))]);
        let at = |nodes: &str| read(&format!("{wide}   NodeList={nodes}\n"))[0].1.clone();
        assert_eq!((at("gpu-17"), at("gpu-[17-18]"), at("(null)")), (Some("gpu-17".into()), None, None));
        let one = "JobId=71204 JobName=train JobState=TIMEOUT Reason=TimeLimit\n";
        assert_eq!(read(one), [("sacct.time_limit", None, Some(71204.into()))]);
        assert!(read("JobId=71204 JobName=train\n   JobState=RUNNING Reason=None\n").is_empty());
    }

    #[test]
    fn exit_codes_and_reasons_below_the_state_count() {
        let killed = "JobId=71204 JobName=train\n   JobState=FAILED Reason=RaisedSignal:9(Killed)\n   Requeue=1 BatchFlag=1 ExitCode=0:9\n";
        assert_eq!(read(killed), [("sacct.killed", None, Some(71204.into()))]);
        let waits = "JobId=71205 JobName=train\n   JobState=PENDING Reason=ReqNodeNotAvail,_UnavailableNodes:gpu_a1 Dependency=(null)\n";
        assert_eq!(read(waits), [("squeue.nodes_out", Some("gpu_a1".into()), Some(71205.into()))]);
    }
}
