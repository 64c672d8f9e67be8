//! What Slurm's commands and slurmrestd print as JSON: jobs of `squeue`, `sacct` and `scontrol`, nodes of `sinfo` and `scontrol`.
//!
//! Shapes: slurm-20-11 (`openapi/v0.0.36`) to slurm-25-05 (`data_parser/v0.0.43`). From v0.0.39 on a number may be
//! `{"set": true, "infinite": false, "number": 7}` and a state a list of words; from v0.0.40 on `meta` stands last.

use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::ending::{self, Ending};
use super::reason::Outage;
use super::{ran, states, waiting};
use crate::document::{self, Place};
use crate::event::{Event, Fields, Name, Problem, Says};
use crate::record::Record;
use crate::stamp::{Clock, Stamp};

/// The reader of these documents.
#[derive(Debug)]
pub struct Answers;

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(default, borrow)]
    jobs: Option<Vec<&'a RawValue>>,
    #[serde(default, borrow)]
    nodes: Option<Vec<&'a RawValue>>,
    #[serde(default, borrow)]
    sinfo: Option<Vec<&'a RawValue>>,
}

const WITNESS: &str = "slurm json";

/// Names that stand in the first 64 KiB of such a document and in no other.
const MARKS: [&str; 8] = [
    "\"openapi\\/",
    "\"openapi/",
    "\"data_parser\\/",
    "\"data_parser/",
    "\"job_state\"",
    "\"derived_exit_code\"",
    "\"slurmd_start_time\"",
    "\"reason_changed_at\"",
];

impl Record for Answers {
    fn kinds(&self) -> &'static [Name] {
        ending::KINDS
    }

    fn about(&self, _: &str) -> Option<&'static str> {
        None
    }

    fn recognises(&self, head: &[u8], _: &str) -> bool {
        let listed = ["\"jobs\"", "\"nodes\"", "\"sinfo\"", "\"meta\""];
        document::is_object_with(head, &listed)
            && document::is_object_with(head, &MARKS)
            && !document::is_object_with(head, &["\"openapi\":"])
    }

    fn read(&self, data: &[u8], _: &str, out: &mut Vec<Event>) -> Vec<Problem> {
        let (text, answer): (&str, Answer<'_>) = match document::json(data, "answer of Slurm") {
            Ok(read) => read,
            Err(problem) => return vec![problem],
        };
        let mut place = Place::of(text);
        answer.jobs.iter().flatten().for_each(|raw| job(&mut place, raw, out));
        if answer.jobs.as_ref().is_some_and(|jobs| jobs.len() == 1) {
            // Somebody asked about this one: that it failed is no everyday fact.
            let failed = out.iter_mut().filter(|event| ending::is_unexplained(event.kind));
            failed.for_each(|event| event.says = Says::Failure);
        }
        answer.nodes.iter().flatten().for_each(|raw| node(&mut place, raw, out));
        answer.sinfo.iter().flatten().for_each(|raw| group(&mut place, raw, out));
        Vec::new()
    }
}

/// A job of the controller or of the accounting, with its steps.
fn job(place: &mut Place<'_>, raw: &RawValue, out: &mut Vec<Event>) {
    let Ok(job) = serde_json::from_str::<Json>(raw.get()) else { return };
    let Some(id) = number(&job["job_id"]) else { return };
    let state = state(if job["job_state"].is_null() { &job["state"]["current"] } else { &job["job_state"] });
    let mut fields = Fields::default();
    fields.set("job", id);
    fields.set("witness", ending::WITNESS);
    if state == "PENDING" {
        let words = job["state_description"].as_str().filter(|text| !text.is_empty());
        let reason = words.or_else(|| job["state_reason"].as_str()).or_else(|| job["state"]["reason"].as_str());
        let Some((kind, told)) = reason.and_then(waiting::read) else { return };
        told.iter().for_each(|(name, value)| fields.set(name, value.clone()));
        return out.push(place.event(raw, reason.unwrap_or_default(), kind, fields, None));
    }
    if let Some(node) = job["failed_node"].as_str().filter(|node| !node.is_empty()) {
        fields.set("node", node);
    }
    out.extend(
        when(&job, id, &state)
            .map(|told| Event { says: Says::Info, ..place.event(raw, "job_id", ran::kind(), told, None) }),
    );
    let at = stamp(&job["time"]["end"]).or_else(|| stamp(&job["end_time"]));
    let end = Ending::of(&state).map(|end| end.with_exit(exit(&job["exit_code"])));
    if let Some((kind, end)) = end.as_ref().and_then(|end| Some((end.kind(false)?, end))) {
        let mut fields = fields.clone();
        end.fill(kind, &mut fields);
        if let Some(node) = job["nodes"].as_str().and_then(ending::only_host).filter(|_| ending::is_its_nodes(kind)) {
            fields.set_if_absent("node", node);
        }
        out.push(place.event(raw, word(&state), kind, fields, at));
    }
    for step in job["steps"].as_array().into_iter().flatten() {
        let state = self::state(&step["state"]);
        let end = Ending::of(&state).map(|end| end.with_exit(exit(&step["exit_code"])));
        let Some((kind, end)) = end.as_ref().and_then(|end| Some((end.kind(true)?, end))) else { continue };
        let mut fields = fields.clone();
        end.fill(kind, &mut fields);
        out.push(place.event(raw, word(&state), kind, fields, stamp(&step["time"]["end"]).or(at)));
    }
}

/// When and where a job ran; of one that runs, the end is the planned one.
fn when(job: &Json, id: i64, state: &str) -> Option<Fields> {
    let time = |told: [&Json; 2]| told.into_iter().find_map(stamp).map(|at| at.to_string());
    let starts = time([&job["time"]["start"], &job["start_time"]]);
    let ends = time([&job["time"]["end"], &job["end_time"]]).filter(|_| state != "RUNNING");
    ran::fields(id, starts.as_deref(), ends.as_deref(), job["nodes"].as_str())
}

/// A node of the controller.
fn node(place: &mut Place<'_>, raw: &RawValue, out: &mut Vec<Event>) {
    let Ok(node) = serde_json::from_str::<Json>(raw.get()) else { return };
    let Some(name) = node["name"].as_str() else { return };
    let state = format!("{}+{}", state(&node["state"]), flags(&node["state_flags"]));
    outage(place, raw, (name, &state), (node["reason"].as_str(), &node["reason_changed_at"]), out);
}

/// Nodes of sinfo that are alike.
fn group(place: &mut Place<'_>, raw: &RawValue, out: &mut Vec<Event>) {
    let Ok(group) = serde_json::from_str::<Json>(raw.get()) else { return };
    let list = group["nodes"]["nodes"].as_array().into_iter().flatten().filter_map(Json::as_str).collect::<Vec<_>>();
    if list.is_empty() {
        return;
    }
    let reason = &group["reason"];
    let why = reason.as_str().or_else(|| reason["description"].as_str());
    let state = state(&group["node"]["state"]);
    outage(place, raw, (&list.join(","), &state), (why, &reason["time"]), out);
}

type Told<'a> = (Option<&'a str>, &'a Json);

fn outage(place: &mut Place<'_>, raw: &RawValue, (node, state): (&str, &str), told: Told<'_>, out: &mut Vec<Event>) {
    if !states::is_out(state) {
        return;
    }
    match told.0.filter(|why| !why.is_empty() && *why != "none") {
        Some(why) => {
            let (kind, says, fields) = Outage { node, why, since: None }.told(WITNESS);
            let mut event = place.event(raw, why, kind, fields, stamp(told.1));
            event.says = says;
            out.push(event);
        }
        None => {
            let first = word(state.split('+').next().unwrap_or_default()).to_owned();
            let told = states::told(WITNESS, node, state);
            out.extend(told.map(|(kind, fields)| place.event(raw, &first, kind, fields, None)));
        }
    }
}

/// The first word of a state.
fn word(state: &str) -> &str {
    state.split(' ').next().unwrap_or_default()
}

/// A state: one word, or a list of them.
fn state(value: &Json) -> String {
    value.as_str().map_or_else(|| flags(value), str::to_ascii_uppercase)
}

fn flags(value: &Json) -> String {
    let words: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    words.join("+").to_ascii_uppercase()
}

/// A number, plain or with `set`.
fn number(value: &Json) -> Option<i64> {
    value.as_i64().or_else(|| value["number"].as_i64().filter(|_| value["set"].as_bool() != Some(false)))
}

/// An exit code: a wait status (v0.0.38 of the controller), or its parts.
fn exit(value: &Json) -> Option<(i64, i64)> {
    if let Some(status) = value.as_i64() {
        return Some((status >> 8 & 0xff, status & 0x7f));
    }
    let signal = &value["signal"];
    let signal = [&signal["id"], &signal["signal_id"], signal].into_iter().find_map(number);
    let status = number(&value["return_code"]);
    (status.is_some() || signal.is_some()).then(|| (status.unwrap_or(0), signal.unwrap_or(0)))
}

/// Seconds since 1970; 0 is never.
fn stamp(value: &Json) -> Option<Stamp> {
    let seconds = number(value).filter(|seconds| *seconds > 0)?;
    Some(Stamp { micros: seconds.checked_mul(1_000_000)?, clock: Clock::Utc })
}

impl Place<'_> {
    /// An event on the line of a value in which the deciding word stands.
    fn event(&mut self, raw: &RawValue, word: &str, kind: Name, fields: Fields, at: Option<Stamp>) -> Event {
        let (line, offset, text) = self.line_of(raw.get(), word);
        Event { kind, says: Says::Warning, line, offset, text, at, fields }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(Name, u64, String, Fields)> {
        assert!(Answers.recognises(text.as_bytes(), "x.json"));
        let mut out = Vec::new();
        assert_eq!(Answers.read(text.as_bytes(), "x.json", &mut out), []);
        out.retain(|event| event.kind != ran::kind());
        out.into_iter().map(|event| (event.kind, event.line, event.text, event.fields)).collect()
    }

    #[test]
    fn jobs_of_the_accounting_are_read_in_both_forms() {
        let old = r#"{
  "meta": {"plugin": {"type": "openapi\/dbv0.0.38"}},
  "jobs": [
    {"job_id": 71203, "state": {"current": "COMPLETED"}, "exit_code": {"status": "SUCCESS", "return_code": 0}},
    {"job_id": 71204,
     "state": {
       "current": "NODE_FAIL", "reason": "None"}, "time": {"end": 1777864361}}
  ]}"#;
        let told = read(old);
        assert_eq!(told.len(), 1);
        assert_eq!(
            (told[0].0, told[0].1, told[0].2.trim()),
            ("sacct.node_fail", 7, r#""current": "NODE_FAIL", "reason": "None"}, "time": {"end": 1777864361}}"#)
        );
        let new = r#"{"jobs":[{"job_id":71205,"state":{"current":["FAILED"],"reason":"None"},"exit_code":{"status":["SIGNALED"],
 "return_code":{"set":false,"infinite":false,"number":0},"signal":{"id":{"set":true,"infinite":false,"number":9},"name":"KILL"}},
 "steps":[{"state":["OUT_OF_MEMORY"],"exit_code":{"signal":{"id":{"set":true,"number":125}}}}]}],
 "meta":{"plugin":{"type":"","name":"","data_parser":"data_parser\/v0.0.42"}}}"#;
        let kinds: Vec<Name> = read(new).iter().map(|told| told.0).collect();
        assert_eq!(kinds, ["sacct.killed", "sacct.out_of_memory"]);
    }

    #[test]
    fn jobs_that_wait_and_nodes_that_are_out_are_read() {
        let queue = r#"{"jobs":[{"job_id":71206,"job_state":["PENDING"],"state_reason":"PartitionTimeLimit","state_description":""}]}"#;
        assert_eq!(read(queue)[0].0, "squeue.never");
        let nodes = r#"{"meta":{"plugin":{"type":"openapi\/v0.0.38"}},"nodes":[
{"name":"gpu-017","state":"idle","state_flags":[],"reason":"","reason_changed_at":0},
{"name":"gpu-018","state":"down","state_flags":["NOT_RESPONDING"],"reason":"Not responding","reason_changed_at":1777864361},
{"name":"gpu-019","state":["DOWN","NOT_RESPONDING"],"reason":"","reason_changed_at":{"set":true,"number":0}}]}"#;
        let told = read(nodes);
        assert_eq!((told[0].0, told[0].3.text("node"), told[0].1), ("slurm.node_silent", Some("gpu-018"), 3));
        assert_eq!((told[1].0, told[1].3.text("node")), ("slurm.nodes_silent", Some("gpu-019")));
        let sinfo = r#"{"sinfo":[{"node":{"state":["IDLE","DRAIN"]},"nodes":{"nodes":["gpu-020","gpu-021"]},"reason":{"description":"Kill task failed"}}],"meta":{"plugin":{"data_parser":"data_parser\/v0.0.42"}}}"#;
        assert_eq!(read(sinfo)[0].3.text("node"), Some("gpu-020,gpu-021"));
    }

    #[test]
    fn a_job_tells_when_and_where_it_ran() {
        let text = r#"{"jobs":[{"job_id":71204,"job_state":["FAILED"],"start_time":{"set":true,"number":1777864361},"end_time":{"set":true,"number":1777864421},"nodes":"gpu-[017-018]"}]}"#;
        let mut out = Vec::new();
        assert_eq!(Answers.read(text.as_bytes(), "x.json", &mut out), []);
        let ran = out.iter().find(|event| event.kind == ran::kind()).unwrap();
        let told = ["starts", "ends", "nodes"].map(|name| ran.fields.text(name).unwrap().to_owned());
        assert_eq!(told, ["2026-05-04 03:12:41.000Z", "2026-05-04 03:13:41.000Z", "gpu-[017-018]"]);
    }

    #[test]
    fn what_breaks_off_is_a_problem() {
        let mut out = Vec::new();
        let problems = Answers.read(b"{\"jobs\":[{\"job_state\":\"FAILED\"},", "x", &mut out);
        assert!(out.is_empty() && problems.len() == 1);
    }
}
