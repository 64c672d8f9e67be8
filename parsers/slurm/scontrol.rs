//! `scontrol show node` and `scontrol show job`: records of `Key=Value`, on several lines or (`-o`) on one.
//!
//! Shape: slurm-25-05 `src/api/node_info.c`, `src/api/job_info.c`.

use super::reason;
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// Lines of a record that are looked at each way.
const REACH: usize = 40;

const WITNESS: &str = "scontrol";

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
        let first = String::from_utf8_lossy(cursor.line.raw).into_owned();
        let Some(node) = first.strip_prefix("NodeName=").and_then(|rest| rest.split_whitespace().next()) else {
            return;
        };
        let (mut state, mut told) = (value(&first, "State").map(str::to_owned), None);
        if let Some(why) = why(&first) {
            told = Some((cursor.line.clone(), why));
        }
        for line in cursor.following().take(REACH) {
            let text = String::from_utf8_lossy(line.raw).into_owned();
            if text.trim().is_empty() || text.starts_with("NodeName=") {
                break;
            }
            state = state.or_else(|| value(&text, "State").map(str::to_owned));
            if let (None, Some(why)) = (&told, why(&text)) {
                told = Some((line, why));
            }
        }
        let out_of_service = |state: String| ["DOWN", "DRAIN", "FAIL", "INVAL"].iter().any(|word| state.contains(word));
        if let Some((line, why)) = told.filter(|_| state.is_some_and(out_of_service)) {
            out.push(reason::event(cursor, &line, WITNESS, node, &why));
        }
    }
}

/// The value of a key that has no blanks in it.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// `Reason=Kill task failed [root@2026-05-04T03:12:41]`.
fn why(text: &str) -> Option<String> {
    let at = text.find("Reason=")?;
    let reason = &text[at + "Reason=".len()..];
    Some(reason.split(" [").next().unwrap_or(reason).trim().to_owned()).filter(|reason| !reason.is_empty())
}

/// `scontrol show job`: jobs whose state tells how they ended.
#[derive(Debug)]
pub struct Jobs;

/// The states that name a cause, and the kinds that sacct's records of them make.
const STATES: [(&str, Name); 3] =
    [("NODE_FAIL", "sacct.node_fail"), ("TIMEOUT", "sacct.time_limit"), ("PREEMPTED", "sacct.preempted")];

const JOB_KINDS: &[Name] = &["sacct.node_fail", "sacct.time_limit", "sacct.preempted"];

impl Grammar for Jobs {
    fn kinds(&self) -> &'static [Name] {
        JOB_KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["JobState="]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = String::from_utf8_lossy(cursor.line.raw).into_owned();
        let Some(state) = value(&text, "JobState") else { return };
        let Some((_, kind)) = STATES.iter().find(|(name, _)| *name == state) else { return };
        let above = || cursor.preceding().take(REACH).find_map(|line| job(&String::from_utf8_lossy(line.raw)));
        let Some(job) = job(&text).or_else(above) else { return };
        let mut fields = Fields::default();
        fields.set("job", job);
        fields.set("witness", WITNESS);
        out.push(Event::on(cursor, &cursor.line, kind, Says::Warning, fields));
    }
}

/// `JobId=71204`.
fn job(text: &str) -> Option<i64> {
    value(text, "JobId")?.parse().ok()
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
        assert!(read("NodeName=gpu-[001-128] Sockets=2 State=UNKNOWN\n").is_empty());
    }

    #[test]
    fn the_state_of_a_job_is_read_on_many_lines_and_on_one() {
        let wide = "JobId=71204 JobName=train\n   UserId=ann(1000) GroupId=ann(1000)\n   JobState=NODE_FAIL Reason=NodeDown Dependency=(null)\n";
        assert_eq!(read(wide), [("sacct.node_fail", None, Some(71204.into()))]);
        let one = "JobId=71204 JobName=train JobState=TIMEOUT Reason=TimeLimit\n";
        assert_eq!(read(one), [("sacct.time_limit", None, Some(71204.into()))]);
        assert!(read("JobId=71204 JobName=train\n   JobState=RUNNING Reason=None\n").is_empty());
    }
}
