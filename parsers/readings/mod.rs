//! What `diag probe` and the hooks of `diag` read of a node: the documents they write, as evidence.
//!
//! Shapes, all ours: `diag.readings/1` (`diag probe --format json`), one document or several; `diag.nodes/1` (the same of many
//! nodes by `--nodes`), in which a node that could not be looked at tells of itself; `diag.hook/1`, a line a run of a hook. A reading that is bad or degraded makes an event of its own kind, `probe.<probe>.<name>`
//! (`probe.gpu.lost` where a GPU has fallen off the bus; `what` and `why` are the sentence that says so). One that could not
//! be taken makes `probe.unknown` or `probe.cannot_run` whatever it was of, so that no clue can take silence for proof; a
//! look in which nothing at all was read makes `probe.nothing_read`. Neither is health: both ask for an explanation.
//! Numbers that are alike on nodes of one type make `probe.measured` as well, also where they are well.

mod kinds;
mod measured;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use crate::document::{self, Place};
use crate::event::{Event, Fields, Name, Problem, Says, Value};
use crate::record::Record;
use crate::stamp::Stamp;
use crate::{MAX_FIELD, MAX_LINE, time};

/// The reader of these documents.
#[derive(Debug)]
pub struct Looks;

/// Most places from which a damaged document is read on: each may cost a walk to its end.
const MOST_BROKEN: usize = 16;

/// One document: a look at a node, or a run of a hook.
#[derive(Deserialize)]
struct Look<'a> {
    schema: String,
    #[serde(default)]
    node: String,
    #[serde(default)]
    time: String,
    #[serde(default)]
    hook: String,
    #[serde(default)]
    job: Option<i64>,
    #[serde(default)]
    decision: String,
    #[serde(default)]
    reason: String,
    #[serde(default, borrow)]
    readings: Vec<&'a RawValue>,
    #[serde(default, borrow)]
    nodes: Vec<&'a RawValue>,
}

/// What came of looking at one of many nodes.
#[derive(Deserialize)]
struct OneOfMany<'a> {
    node: String,
    #[serde(default)]
    why: Option<String>,
    #[serde(default, borrow)]
    look: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Reading {
    probe: String,
    name: String,
    #[serde(default)]
    of: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    value: Json,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    expected: Option<String>,
    verdict: String,
    #[serde(default)]
    why: Option<String>,
    #[serde(default)]
    rule: Option<String>,
}

impl Record for Looks {
    fn kinds(&self) -> &'static [Name] {
        kinds::ALL
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        kinds::about(kind)
    }

    fn recognises(&self, head: &[u8], _: &str) -> bool {
        document::has_schema(head, &["diag.readings/", "diag.nodes/", "diag.hook/"])
    }

    fn read(&self, data: &[u8], _: &str, out: &mut Vec<Event>) -> Vec<Problem> {
        let Ok(text) = std::str::from_utf8(data) else {
            return vec![Problem { line: 0, what: "is no UTF-8".to_owned() }];
        };
        let mut place = Place::of(text);
        let mut problems = Vec::new();
        let mut rest = text;
        while problems.len() < MOST_BROKEN {
            let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
            let broken = loop {
                match stream.next() {
                    Some(Ok(raw)) => look(&mut |value: &RawValue, key: &str| place.line_of(value.get(), key), raw, out),
                    Some(Err(error)) => break Some(error.to_string()),
                    None => break None,
                }
            };
            let Some(what) = broken else { break };
            rest = rest.get(stream.byte_offset()..).unwrap_or_default().trim_start();
            problems.push(Problem { line: place.line_of(rest, "").0, what: format!("is no reading of diag: {what}") });
            // A line that a full disk has cut: the next run's stands behind it.
            rest = rest.split_once('\n').map_or("", |(_, next)| next);
        }
        problems
    }
}

/// What stands in a field of a journal's entry: a run of a hook, cited by the entry's line.
pub(crate) fn in_entry(text: &str, line: u64, offset: u64, cited: &[u8]) -> Vec<Event> {
    let mut out = Vec::new();
    let cited = String::from_utf8_lossy(&cited[..cited.len().min(MAX_LINE)]).into_owned();
    if let Ok(raw) = serde_json::from_str::<&RawValue>(text) {
        look(&mut |_: &RawValue, _: &str| (line, offset, cited.clone()), raw, &mut out);
    }
    out
}

/// Where a key of a value stands: line from 1, offset in bytes, the line.
type Cite<'c> = &'c mut dyn FnMut(&RawValue, &str) -> (u64, u64, String);

fn look(cite: Cite<'_>, raw: &RawValue, out: &mut Vec<Event>) {
    let Ok(look) = serde_json::from_str::<Look<'_>>(raw.get()) else { return };
    if look.schema.starts_with("diag.nodes/") {
        return look.nodes.into_iter().for_each(|raw| one_of_many(cite, raw, out));
    }
    let at = time::read(&look.time);
    let mut common = Fields::default();
    if !look.node.is_empty() {
        common.set("node", cut(&look.node));
    }
    let of_hook = look.schema.starts_with("diag.hook/");
    if of_hook {
        common.set("hook", cut(&look.hook));
        if let Some(job) = look.job {
            common.set("job", job);
        }
        decided(cite, raw, &look, (&common, at), out);
    } else if look.schema.starts_with("diag.readings/") {
        out.push(told(cite, (raw, "node"), (kinds::LOOK, Says::Info), common.clone(), at));
    } else {
        return;
    }
    let readings =
        look.readings.iter().filter_map(|raw| Some((*raw, serde_json::from_str::<Reading>(raw.get()).ok()?)));
    let readings: Vec<(&RawValue, Reading)> = readings.collect();
    for (raw, one) in &readings {
        reading(cite, raw, one, (&common, at), out);
    }
    if of_hook {
        return; // It records only what is not well.
    }
    if readings.iter().all(|(_, one)| ["unknown", "cannot-run"].contains(&one.verdict.as_str())) {
        let mut fields = common.clone();
        fields.set("why", "nothing was read of it");
        out.push(told(cite, (raw, "verdict"), (kinds::NOTHING, Says::Failure), fields, at));
    }
    measured::tell(&readings, cite, (&common, at), out);
}

/// A node that was looked at among many, or why it was not.
fn one_of_many(cite: Cite<'_>, raw: &RawValue, out: &mut Vec<Event>) {
    let Ok(one) = serde_json::from_str::<OneOfMany<'_>>(raw.get()) else { return };
    if let Some(own) = one.look {
        // A look holds no nodes, so this goes no deeper.
        if !own.get().contains("\"diag.nodes/") {
            look(cite, own, out);
        }
        return;
    }
    let why = one.why.unwrap_or_default();
    let (kind, says, way) = unseen(&why);
    let mut fields = Fields::default();
    fields.set("node", cut(&one.node));
    fields.set("reading", "all");
    fields.set("way", way);
    fields.set("why", cut(&why));
    fields.set("what", cut(&why));
    out.push(told(cite, (raw, "why"), (kind, says), fields, None));
}

/// Why nothing was read of a node, by the words with which an executor begins: kind, and which way it failed.
fn unseen(why: &str) -> (Name, Says, &'static str) {
    let has = |word: &str| why.contains(word);
    match () {
        () if why.starts_with("refused: ") && has("host key") => (kinds::NOT_TRUSTED, Says::Failure, "host-key"),
        () if why.starts_with("refused: ") => (kinds::NOT_TRUSTED, Says::Failure, "login"),
        () if why.starts_with("unreachable: ") && has("Connection refused") => {
            (kinds::UNREACHABLE, Says::Failure, "refused")
        }
        // The port is open, and nothing comes from behind it (libssh2's time-out, ours, and that of OpenSSH's `ssh`).
        () if why.starts_with("unreachable: ")
            && ["accepts and does not answer", "did not answer within", "banner exchange"]
                .iter()
                .any(|word| has(word)) =>
        {
            (kinds::UNREACHABLE, Says::Failure, "mute")
        }
        () if why.starts_with("unreachable: ") => (kinds::UNREACHABLE, Says::Failure, "silent"),
        () if ["timed out", "lost while", "stopped"].iter().any(|start| why.starts_with(start)) => {
            (kinds::UNKNOWN, Says::Failure, "hangs")
        }
        () => (kinds::CANNOT_RUN, Says::Info, "cannot-run"),
    }
}

/// What a hook decided of a job or a node.
fn decided(
    cite: Cite<'_>,
    raw: &RawValue,
    look: &Look<'_>,
    (common, at): (&Fields, Option<Stamp>),
    out: &mut Vec<Event>,
) {
    let (kind, says) = match look.decision.as_str() {
        // A witness of the whole cluster: what it says of a node need not concern the job that is asked about.
        "refuse" => (kinds::REFUSED, Says::Warning),
        "held-back" => (kinds::HELD_BACK, Says::Warning),
        "pass-loudly" => (kinds::PASSED_LOUDLY, Says::Info),
        _ => return,
    };
    let mut fields = common.clone();
    fields.set("reason", cut(&look.reason));
    out.push(told(cite, (raw, "decision"), (kind, says), fields, at));
}

fn reading(
    cite: Cite<'_>,
    raw: &RawValue,
    reading: &Reading,
    (common, at): (&Fields, Option<Stamp>),
    out: &mut Vec<Event>,
) {
    let own = reading.kind();
    let (kind, says) = match reading.verdict.as_str() {
        "bad" => (own, Says::Failure),
        "degraded" => (own, Says::Warning),
        // It should have come: a question that only a cause, or a run that went on, answers.
        "unknown" => (kinds::UNKNOWN, Says::Failure),
        "cannot-run" => (kinds::CANNOT_RUN, Says::Info),
        _ => return,
    };
    let mut fields = common.clone();
    fields.set("reading", cut(&format!("{}.{}", reading.probe, reading.name)));
    fields.set("verdict", cut(&reading.verdict));
    whose(reading, &mut fields);
    fields.set("rule", cut(reading.rule.as_deref().unwrap_or("limit")));
    let texts =
        [("unit", &reading.unit), ("expected", &reading.expected), ("why", &reading.why), ("what", &reading.why)];
    texts.into_iter().for_each(|(name, text)| {
        if let Some(text) = text {
            fields.set(name, cut(text));
        }
    });
    if let Some(value) = value(&reading.value) {
        fields.set("value", value);
    }
    if kind == kinds::XID {
        return xids(cite, raw, (kind, says), (fields, at), out);
    }
    out.push(told(cite, (raw, "why"), (kind, says), fields, at));
}

/// A reading of the kernel's log may tell of several Xids of one GPU: an event each, so that each is weighed as a line of the log.
fn xids(
    cite: Cite<'_>,
    raw: &RawValue,
    kind: (Name, Says),
    (fields, at): (Fields, Option<Stamp>),
    out: &mut Vec<Event>,
) {
    /// Most numbers that are taken from one reading.
    const MOST: usize = 64;
    let list = fields.get("value").map(ToString::to_string).unwrap_or_default();
    for xid in list.split(',').filter_map(|word| word.trim().parse::<i64>().ok()).take(MOST) {
        let mut fields = fields.clone();
        fields.set("xid", xid);
        out.push(told(cite, (raw, "why"), kind, fields, at));
    }
}

impl Reading {
    /// The kind where it is not well. A GPU that gives an error for a value tells of itself, whatever was asked.
    fn kind(&self) -> Name {
        let kind = kinds::of(&self.probe, &self.name);
        let refused = self.probe == "gpu" && self.value.is_null() && !["driver", "count"].contains(&self.name.as_str());
        let lost = self.why.as_deref().is_some_and(|why| why.contains("fallen off the bus"));
        match refused || kind == kinds::GPU_ANSWERS {
            true if lost => kinds::GPU_LOST,
            true => kinds::GPU_ANSWERS,
            false => kind,
        }
    }
}

/// What it was read of, in the names that all readers use.
fn whose(reading: &Reading, fields: &mut Fields) {
    for name in ["index", "uuid", "port", "mount", "service", "subject", "inactive"] {
        if let Some(which) = reading.of.get(name) {
            fields.set(name, cut(which));
        }
    }
    let of = |name: &str| reading.of.get(name).map(|which| cut(which));
    if let Some(gpu) = of("gpu").or_else(|| of("index").map(|index| format!("GPU {index}"))) {
        fields.set("gpu", gpu);
    }
    if let Some(device) = ["gpu", "adapter", "drive"].iter().find_map(|role| of(role)) {
        fields.set("pci", device);
    }
    if let Some(adapter) = reading.of.get("port").and_then(|port| port.split('/').next()) {
        fields.set("hca", cut(adapter));
    }
}

fn value(json: &Json) -> Option<Value> {
    match json {
        Json::Bool(flag) => Some(Value::Bool(*flag)),
        Json::Number(number) => {
            let float = number.as_f64()?;
            #[allow(clippy::cast_possible_truncation, reason = "whole, and within the range of doubles that are exact")]
            let whole = (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64);
            Some(whole.map_or(Value::Float(float), Value::Int))
        }
        Json::String(text) => Some(Value::Text(cut(text))),
        _ => None,
    }
}

/// At most [`MAX_FIELD`] bytes.
fn cut(text: &str) -> String {
    let end = (0..=MAX_FIELD.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text[..end].to_owned()
}

/// An event on the line in which a key of a value stands.
fn told(
    cite: Cite<'_>,
    (raw, key): (&RawValue, &str),
    (kind, says): (Name, Says),
    fields: Fields,
    at: Option<Stamp>,
) -> Event {
    let (line, offset, text) = cite(raw, key);
    Event { kind, says, line, offset, text, at, fields }
}
