//! What PBS (OpenPBS, PBS Professional, Torque) tells of nodes and jobs: `pbsnodes`, `qstat -f`.
//!
//! Shapes: OpenPBS v20 to v23 `src/cmds/pbsnodes.c`, `src/cmds/qstat.c`; Torque 6 `src/cmds/pbsnodes.c`. What they tell is
//! told in the words of Slurm's records, so that playbooks know one set of kinds.

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::document::{self, Place};
use crate::event::{Event, Fields, Name, Problem, Says};
use crate::grammar::Grammar;
use crate::line::Cursor;
use crate::record::Record;
use crate::slurm::ending::{self, Ending};
use crate::slurm::reason::{self, Outage};
use crate::slurm::{states, waiting};

const WITNESS: &str = "pbs";

/// Lines of a record that are looked at each way.
const REACH: usize = 60;

/// Words of a node's state.
const STATES: [&str; 16] = [
    "free",
    "offline",
    "down",
    "stale",
    "state-unknown",
    "job-exclusive",
    "resv-exclusive",
    "job-sharing",
    "job-busy",
    "busy",
    "provisioning",
    "wait-provisioning",
    "initializing",
    "maintenance",
    "sleep",
    "unresolvable",
];

/// Whether a state says that the node takes no job, and whether it is so because the node does not answer.
fn out(state: &str) -> Option<bool> {
    let words: Vec<&str> = state.split(',').map(str::trim).collect();
    let known = words.iter().all(|word| STATES.contains(word));
    let has = |names: &[&str]| words.iter().any(|word| names.contains(word));
    (known && has(&["offline", "down", "state-unknown", "maintenance", "stale"]))
        .then(|| has(&["down", "state-unknown", "stale"]) && !has(&["offline", "maintenance"]))
}

/// What is told of a node: for the reason that is given, or because it does not answer.
fn told(node: &str, state: &str, comment: Option<&str>) -> Option<(Name, Says, Fields)> {
    let silent = out(state)?;
    match comment.map(str::trim).filter(|comment| is_reason(comment)) {
        Some(why) => Some(Outage { node, why, since: None }.told(WITNESS)),
        None if silent => states::told(WITNESS, node, "DOWN*").map(|(kind, fields)| (kind, Says::Warning, fields)),
        None => None,
    }
}

/// Whether words behind a state are a reason, and not the numbers of a table.
fn is_reason(comment: &str) -> bool {
    let letters = |word: &str| word.bytes().filter(u8::is_ascii_alphabetic).count();
    comment.split_whitespace().any(|word| letters(word) >= 3 && !word.contains('/'))
}

/// `pbsnodes -a`, `pbsnodes NODE`: a name, then `key = value` lines.
#[derive(Debug)]
pub struct Nodes;

impl Grammar for Nodes {
    fn kinds(&self) -> &'static [Name] {
        reason::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["state = "]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = String::from_utf8_lossy(cursor.line.raw).into_owned();
        let Some(state) = value(&text, "state") else { return };
        let above = cursor.bytes_before().take(REACH).map(|raw| String::from_utf8_lossy(raw).into_owned());
        let Some(name) = above.take_while(|line| !line.trim().is_empty()).find(|line| is_name(line)) else { return };
        let below = cursor.following().take(REACH).take_while(|line| !line.raw.trim_ascii().is_empty());
        let said = below.map(|line| (String::from_utf8_lossy(line.raw).into_owned(), line));
        let comment = said.filter_map(|(text, line)| {
            ["comment", "note"].iter().find_map(|key| value(&text, key)).map(|why| (why.to_owned(), line))
        });
        let comment = comment.into_iter().next();
        let why = comment.as_ref().map(|(why, _)| why.as_str());
        let Some((kind, says, fields)) = told(name.trim(), state, why) else { return };
        let line = comment.as_ref().map_or(&cursor.line, |(_, line)| line);
        out.push(Event::on(cursor, line, kind, says, fields));
    }
}

/// The value of `     key = value`.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.trim_start().strip_prefix(key)?.strip_prefix(" = ").map(str::trim_end)
}

/// A name at the beginning of its line, with nothing behind.
fn is_name(line: &str) -> bool {
    let line = line.trim_end();
    !line.is_empty() && line.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.[]".contains(&b))
}

/// `pbsnodes -l`, `-aS`: a name, a state and what follows, on one line.
#[derive(Debug)]
pub struct Listed;

impl Grammar for Listed {
    fn kinds(&self) -> &'static [Name] {
        reason::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["offline", "state-unknown", "  down"]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = String::from_utf8_lossy(cursor.line.raw).into_owned();
        let Some((node, rest)) = text.split_once(char::is_whitespace).filter(|(node, _)| is_host(node)) else { return };
        let rest = rest.trim_start();
        let (state, comment) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        if let Some((kind, says, fields)) = told(node, state.trim_end(), Some(comment)) {
            out.push(Event::on(cursor, &cursor.line, kind, says, fields));
        }
    }
}

fn is_host(word: &str) -> bool {
    is_name(word) && word.bytes().any(|b| b.is_ascii_digit()) && word.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// `qstat -f`, `qstat -xf`: how jobs ended, and that one waits because it could not be started.
#[derive(Debug)]
pub struct Ended;

impl Grammar for Ended {
    fn kinds(&self) -> &'static [Name] {
        ending::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[
            "Exit_status = ",
            "comment = job held, too many failed attempts",
            "comment = Job held, too many failed attempts",
        ]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = String::from_utf8_lossy(cursor.line.raw).into_owned();
        let above = cursor.bytes_before().take(2 * REACH).map(|raw| String::from_utf8_lossy(raw).into_owned());
        let Some(job) = above.filter_map(|line| job(&line)).next() else { return };
        let status = value(&text, "Exit_status").map(|status| status.parse().ok());
        let told = match status {
            Some(status) => status.and_then(ended),
            None => waits(),
        };
        let Some((kind, mut fields)) = told else { return };
        fields.set("job", job);
        fields.set("witness", ending::WITNESS);
        out.push(Event::on(cursor, &cursor.line, kind, Says::Warning, fields));
    }
}

/// `Job Id: 71204.server`, `Job Id: 71204[3].server`.
fn job(text: &str) -> Option<i64> {
    number(text.strip_prefix("Job Id: ")?)
}

/// The number in `71204.server`, `71204[3].server`.
fn number(rest: &str) -> Option<i64> {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest.get(..digits)?.parse().ok()
}

/// An exit status of PBS: the program's; 256 and the signal; below 0 what PBS itself did (`src/include/job.h`, `JOB_EXEC_*`).
fn ended(status: i64) -> Option<(Name, Fields)> {
    let end = match status {
        -29 => Ending::of("TIMEOUT")?,
        -27 | -28 => Ending::of("OUT_OF_MEMORY")?,
        257..=287 => Ending::of("FAILED")?.with_exit(Some((0, status - 256))),
        1..=255 => Ending::of("FAILED")?.with_exit(Some((status, 0))),
        _ => return None,
    };
    let kind = end.kind(false)?;
    let mut fields = Fields::default();
    end.fill(kind, &mut fields);
    Some((kind, fields))
}

/// `pbsnodes -F json`, `qstat -f -F json`.
#[derive(Debug)]
pub struct Answers;

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(default, borrow)]
    nodes: IndexMap<&'a str, &'a RawValue>,
    #[serde(default, borrow, rename = "Jobs")]
    jobs: IndexMap<&'a str, &'a RawValue>,
}

#[derive(Deserialize)]
struct Node {
    #[serde(default)]
    state: String,
    comment: Option<String>,
}

/// A job: what of its attributes tells how it ended or why it waits (`src/cmds/qstat.c`: names as with `-f`).
#[derive(Deserialize)]
struct Job {
    #[serde(rename = "Exit_status")]
    status: Option<i64>,
    comment: Option<String>,
}

impl Record for Answers {
    fn kinds(&self) -> &'static [Name] {
        ending::KINDS
    }

    fn about(&self, _: &str) -> Option<&'static str> {
        None
    }

    fn recognises(&self, head: &[u8], _: &str) -> bool {
        document::is_object_with(head, &["\"pbs_version\""])
            && document::is_object_with(head, &["\"nodes\"", "\"Jobs\""])
    }

    fn read(&self, data: &[u8], _: &str, out: &mut Vec<Event>) -> Vec<Problem> {
        let (text, answer): (&str, Answer<'_>) = match document::json(data, "answer of PBS") {
            Ok(read) => read,
            Err(problem) => return vec![problem],
        };
        let mut place = Place::of(text);
        for (name, raw) in answer.nodes {
            let Ok(node) = serde_json::from_str::<Node>(raw.get()) else { continue };
            let Some((kind, says, fields)) = told(name, &node.state, node.comment.as_deref()) else { continue };
            let word = node.comment.as_deref().unwrap_or(&node.state);
            let (line, offset, text) = place.line_of(raw.get(), word);
            out.push(Event { kind, says, line, offset, text, at: None, fields });
        }
        for (name, raw) in answer.jobs {
            let Ok(job) = serde_json::from_str::<Job>(raw.get()) else { continue };
            let held = job.comment.as_deref().is_some_and(|why| why.to_ascii_lowercase().starts_with(HELD));
            let (told, word) = if held { (waits(), HELD_KEY) } else { (job.status.and_then(ended), "Exit_status") };
            let (Some((kind, mut fields)), Some(number)) = (told, number(name)) else { continue };
            fields.set("job", number);
            fields.set("witness", ending::WITNESS);
            let (line, offset, text) = place.line_of(raw.get(), word);
            out.push(Event { kind, says: Says::Warning, line, offset, text, at: None, fields });
        }
        Vec::new()
    }
}

/// How the comment of a job begins that could not be started, in lower case.
const HELD: &str = "job held, too many failed attempts";

/// The attribute that holds it.
const HELD_KEY: &str = "comment";

/// What a job that is held tells.
fn waits() -> Option<(Name, Fields)> {
    waiting::read("launch failed requeued held").map(|(kind, _)| (kind, Fields::default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint;
    use crate::{Catalogue, Scanner};

    fn read(log: &str) -> Vec<(Name, String, u64)> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let of_pbs = |event: &Event| matches!(event.fields.text("witness"), Some(WITNESS | ending::WITNESS));
        let who = |event: &Event| {
            let job = event.fields.int("job").map(|job| job.to_string());
            job.or_else(|| event.fields.text("node").map(str::to_owned)).unwrap_or_default()
        };
        let events = lint::read(&scanner, log).into_iter().filter(of_pbs);
        events.map(|event| (event.kind, who(&event), event.line)).collect()
    }

    #[test]
    fn nodes_are_read_from_records_and_from_lists() {
        let records = "x01n0\n     Mom = x01n0.example.org\n     state = free\n\n\
                       x01n1\n     Mom = x01n1.example.org\n     state = offline,resv-exclusive\n     comment = Xid 74, reseat GPUs\n\n\
                       x01n2\n     state = down\n     np = 64\n\nx01n3\n     state = down,offline\n";
        assert_eq!(read(records), [("slurm.node_xid", "x01n1".into(), 8), ("slurm.nodes_silent", "x01n2".into(), 11)]);
        let list = "x01n1       offline,resv-exclusive Xid 74, reseat GPUs\n\
                    x01n2       offline              0     0      0  503gb/503gb   64/64     0/0     4/4 --\n\
                    x01n3       offline,resv-exclusive Checking firmware\n\
                    x01n4       down\n\
                    run3        offline training\n";
        let told = read(list);
        assert_eq!(told[0], ("slurm.node_xid", "x01n1".into(), 1));
        assert_eq!(told[1], ("slurm.node_planned", "x01n3".into(), 3));
        assert_eq!(told[2], ("slurm.nodes_silent", "x01n4".into(), 4));
    }

    #[test]
    fn jobs_tell_how_they_ended() {
        let job = |end: &str| format!("Job Id: 71204.pbs01\n    Job_Name = train\n    {end}\n");
        assert_eq!(read(&job("Exit_status = -29")), [("sacct.time_limit", "71204".into(), 3)]);
        assert_eq!(read(&job("Exit_status = 265")), [("sacct.killed", "71204".into(), 3)]);
        assert_eq!(read(&job("Exit_status = 0")), []);
        let held = "comment = job held, too many failed attempts to run";
        assert_eq!(read(&job(held)), [("sacct.launch_held", "71204".into(), 3)]);
    }

    #[test]
    fn json_is_read() {
        let text = "{\"timestamp\":1777864361,\"pbs_version\":\"23.06\",\"nodes\":{\n\"x01n0\":{\"state\":\"free\"},\n\"x01n1\":{\"state\":\"offline\",\n\"comment\":\"Xid 79\"}}}";
        assert!(Answers.recognises(text.as_bytes(), "x"));
        let jobs = "{\"timestamp\":1777864361,\"pbs_version\":\"23.06\",\"Jobs\":{\n\"71204.pbs01\":{\"Job_Name\":\"train\",\n\"Exit_status\":265},\n\"71205.pbs01\":{\"comment\":\"job held, too many failed attempts to run\"}}}";
        assert!(Answers.recognises(jobs.as_bytes(), "x"));
        let mut out = Vec::new();
        assert_eq!(Answers.read(jobs.as_bytes(), "x", &mut out), []);
        let told: Vec<_> = out.iter().map(|event| (event.kind, event.line, event.fields.int("job"))).collect();
        assert_eq!(told, [("sacct.killed", 3, Some(71204)), ("sacct.launch_held", 4, Some(71205))]);
        let mut out = Vec::new();
        assert_eq!(Answers.read(text.as_bytes(), "x", &mut out), []);
        assert_eq!(
            (out[0].kind, out[0].line, out[0].text.as_str()),
            ("slurm.node_xid", 4, "\"comment\":\"Xid 79\"}}}")
        );
    }
}
