//! Dumps of PyTorch's flight recorder: which collectives a rank enqueued, started and completed.
//!
//! Schema 2.0 to 2.10 (`torch/csrc/distributed/c10d/FlightRecorder.hpp`), pickled or as JSON, whole or with active
//! operations only. A collective counts as completed where its state says so, or where the counter of its group has
//! passed it: Gloo never sets the state. The counters of a group that does point-to-point follow those, so there they
//! tell nothing.

mod dump;
mod json;
mod name;
mod pickled;

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Event, Fields, Name, Problem, Says, Value};
use crate::pickle::{self, Pickle};
use crate::record::Record;
use crate::stamp::{Clock, Stamp};
use crate::{MAX_FIELD, MAX_LINE};
use dump::{Detail, Dump, Entry, Place, short};

/// The reader of dumps.
pub struct Dumps;

const DUMP: Name = "flight_recorder.dump";
const GROUP: Name = "flight_recorder.group";
const PENDING: Name = "flight_recorder.pending";
const COLLECTIVE: Name = "flight_recorder.collective";
const P2P: Name = "flight_recorder.p2p_pending";

/// Operations told of a group beside the one that waits: so many before and behind it.
const AROUND: usize = 2;

/// Most peers of a group with which messages are told to be under way.
const MOST_PEERS: usize = 16;

/// Most groups of a dump that are told.
const MOST_GROUPS: usize = 4096;

/// How a form gives the rest of an entry.
type Details<'d> = &'d dyn Fn(usize) -> Detail;

impl Record for Dumps {
    fn kinds(&self) -> &'static [Name] {
        &[DUMP, GROUP, PENDING, COLLECTIVE, P2P]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        match kind {
            DUMP => Some("the flight recorder of a rank was dumped"),
            GROUP => Some("how far a rank has come in a process group"),
            PENDING => Some("the flight recorder shows a collective that did not complete"),
            COLLECTIVE => Some("the flight recorder shows a collective"),
            P2P => Some("the flight recorder shows a send or receive that did not complete"),
            _ => None,
        }
    }

    fn recognises(&self, head: &[u8], _: &str) -> bool {
        let holds = |word: &str| memchr::memmem::find(head, word.as_bytes()).is_some();
        if pickle::begins(head) {
            return holds("version") && (holds("pg_config") || holds("pg_status") || holds("entries"));
        }
        let object = head.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        object
            && (holds("\"pg_config\"") || holds("\"collective_seq_id\""))
            && (holds("\"entries\"") || holds("\"pg_status\""))
    }

    fn read(&self, data: &[u8], name: &str, out: &mut Vec<Event>) -> Vec<Problem> {
        let problem = |what: String| vec![Problem { line: 0, what }];
        let (rank, node) = name::of(name);
        if pickle::begins(data) {
            let pickle = match Pickle::read(data) {
                Ok(pickle) => pickle,
                Err(what) => return problem(format!("is no dump that can be read: {what}")),
            };
            tell(&pickled::read(&pickle), Writer { rank, node, details: &|at| pickled::detail(&pickle, at) }, out);
        } else {
            let text = match std::str::from_utf8(data) {
                Ok(text) => text,
                Err(error) => return problem(format!("is no UTF-8: {error}")),
            };
            match json::read(text) {
                Ok((dump, text)) => tell(&dump, Writer { rank, node, details: &|at| text.detail(at) }, out),
                Err(what) => return problem(format!("is no dump that can be read: {what}")),
            }
        }
        match rank {
            Some(_) => Vec::new(),
            None => problem("is a flight-recorder dump whose name does not end with a rank".to_owned()),
        }
    }
}

/// Whose dump is told, and in what form it was.
struct Writer<'d> {
    rank: Option<i64>,
    node: Option<&'d str>,
    details: Details<'d>,
}

/// What a dump tells of a group.
#[derive(Default)]
struct Told<'d, 'a> {
    desc: &'d str,
    members: &'d [i64],
    place: Option<&'d Place>,
    collectives: Vec<&'d Entry<'a>>,
    p2p: Vec<&'d Entry<'a>>,
}

fn tell(dump: &Dump<'_>, writer: Writer<'_>, out: &mut Vec<Event>) {
    let mut fields = writer.fields();
    fields.set("version", short(&dump.version, MAX_FIELD));
    fields.set("entries", dump.entries.len() as i64);
    let text = format!("flight-recorder dump of version {}: {} entries", dump.version, dump.entries.len());
    let place = dump.groups.first().map(|group| &group.place).filter(|place| place.line > 0);
    out.push(writer.event(DUMP, Says::Info, fields, place, &text));
    for (name, told) in groups(dump).iter().take(MOST_GROUPS) {
        group(dump, name, told, &writer, out);
    }
}

fn groups<'d, 'a>(dump: &'d Dump<'a>) -> BTreeMap<&'d str, Told<'d, 'a>> {
    let mut all: BTreeMap<&str, Told<'_, '_>> = BTreeMap::new();
    for group in &dump.groups {
        let told = Told { desc: &group.desc, members: &group.members, place: Some(&group.place), ..Told::default() };
        all.insert(&group.name, told);
    }
    for entry in &dump.entries {
        let told = all.entry(entry.group.0).or_default();
        if told.desc.is_empty() {
            told.desc = entry.group.1;
        }
        if entry.is_p2p { told.p2p.push(entry) } else { told.collectives.push(entry) }
    }
    // Gloo writes its groups under an empty name; where there is one, it is the one that the entries are of.
    if all.len() == 2
        && let Some(nameless) = all.remove("")
        && let Some(told) = all.values_mut().next()
    {
        told.members = nameless.members;
        told.place = nameless.place;
    }
    all
}

fn group(dump: &Dump<'_>, name: &str, told: &Told<'_, '_>, writer: &Writer<'_>, out: &mut Vec<Event>) {
    let of_group = |id: i64| dump.status.iter().find(|(other, _)| *other == id).map(|(_, counters)| *counters);
    let counters = told.collectives.first().and_then(|entry| of_group(entry.pg_id)).filter(|_| told.p2p.is_empty());
    let passed = counters.map_or(-1, |counters| counters.completed);
    let open = |entry: &&&Entry<'_>| !entry.completed && entry.seq > passed;
    let waits = told.collectives.iter().filter(open).min_by_key(|entry| entry.seq);
    let last = told.collectives.iter().map(|entry| entry.seq).max();
    let enqueued = counters.map(|counters| counters.enqueued).max(last);
    let states = told.collectives.iter().filter(|entry| entry.proves_all_came()).map(|entry| entry.seq).max();
    // Gloo counts what timed out as completed.
    let counted = told.collectives.iter().any(|entry| !entry.name.starts_with("gloo:")).then_some(passed);
    let ended = states.or(counted.filter(|passed| *passed >= 0));
    let first = told.collectives.iter().chain(&told.p2p).next();
    let mut fields = writer.fields();
    fields.set("group", short(name, MAX_FIELD));
    fields.set("desc", short(told.desc, MAX_FIELD));
    if !told.members.is_empty() {
        fields.set("members", Value::Ranks(told.members.to_vec()));
    }
    if told.desc == "default_pg" && !told.members.is_empty() {
        fields.set("world_size", told.members.len() as i64);
    }
    for (field, value) in [
        ("enqueued", enqueued),
        ("completed", (passed >= 0).then_some(passed)),
        ("ended", ended),
        ("seq", waits.map(|entry| entry.seq)),
        ("pg_id", first.map(|entry| entry.pg_id)),
    ] {
        if let Some(value) = value {
            fields.set(field, value);
        }
    }
    let text = format!("group {name} ({}): enqueued {}, completed {passed}", told.desc, enqueued.unwrap_or(-1));
    out.push(writer.event(GROUP, Says::Info, fields, told.place, &text));
    around(told, waits.copied(), writer, out);
    messages(told, writer, out);
}

/// The first send and the first receive of each peer that did not complete.
fn messages(told: &Told<'_, '_>, writer: &Writer<'_>, out: &mut Vec<Event>) {
    let mut seen = BTreeSet::new();
    for entry in told.p2p.iter().filter(|entry| !entry.completed) {
        let message = entry.message();
        if seen.len() >= MOST_PEERS || !seen.insert(message) {
            continue;
        }
        let mut event = writer.operation(P2P, Says::Info, entry, told);
        if let Some((send, peer)) = message {
            event.fields.set("op", if send { "send" } else { "recv" });
            if let Some(rank) = told.members.get(peer) {
                event.fields.set("peer_rank", *rank);
            }
        }
        out.push(event);
    }
}

/// The operation that waits and those around it; the last ones where none waits.
fn around(told: &Told<'_, '_>, waits: Option<&Entry<'_>>, writer: &Writer<'_>, out: &mut Vec<Event>) {
    let mut ordered = told.collectives.clone();
    ordered.sort_by_key(|entry| entry.seq);
    let at = waits.map_or(ordered.len(), |waits| ordered.partition_point(|entry| entry.seq < waits.seq));
    let from = at.saturating_sub(AROUND);
    for entry in ordered.iter().skip(from).take(2 * AROUND + 1) {
        let pending = waits.is_some_and(|waits| std::ptr::eq(waits, *entry));
        let (kind, says) = if pending { (PENDING, Says::Failure) } else { (COLLECTIVE, Says::Info) };
        out.push(writer.operation(kind, says, entry, told));
    }
}

impl Writer<'_> {
    fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        if let Some(rank) = self.rank {
            fields.set("rank", rank);
        }
        if let Some(node) = self.node {
            fields.set("node", node);
        }
        fields
    }

    /// An event at a place; where there is none, on line 1 with a text of ours.
    fn event(&self, kind: Name, says: Says, fields: Fields, place: Option<&Place>, text: &str) -> Event {
        let place = place.filter(|place| place.line > 0);
        let (line, offset) = place.map_or((1, 0), |place| (place.line, place.offset));
        let text = place.map_or(short(text, MAX_LINE), |place| place.text.as_str()).to_owned();
        Event { kind, says, line, offset, text, at: None, fields }
    }

    fn operation(&self, kind: Name, says: Says, entry: &Entry<'_>, told: &Told<'_, '_>) -> Event {
        let detail = (self.details)(entry.at);
        let mut fields = self.fields();
        let state = if entry.completed { "completed" } else { &detail.state };
        let texts = [
            ("group", entry.group.0),
            ("desc", told.desc),
            ("op", entry.op()),
            ("state", state),
            ("sizes", &detail.sizes),
            ("dtypes", &detail.dtypes),
        ];
        for (name, text) in texts {
            fields.set(name, short(text, MAX_FIELD));
        }
        fields.set("seq", entry.seq);
        fields.set("numel", detail.numel);
        let mut text = format!(
            "{} #{} in group {} ({}): {}, {} {}",
            entry.name, entry.seq, entry.group.0, told.desc, state, detail.dtypes, detail.sizes
        );
        if let Some((file, line, func)) = &detail.frame {
            fields.set("file", short(file, MAX_FIELD));
            fields.set("line_no", *line);
            fields.set("func", short(func, MAX_FIELD));
            text.push_str(&format!(", called at {file}:{line} in {func}"));
        }
        let mut event = self.event(kind, says, fields, Some(&detail.place), &text);
        event.at = (entry.created > 0).then_some(Stamp { micros: entry.created / 1000, clock: Clock::Utc });
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(data: &[u8], name: &str) -> (Vec<Event>, Vec<Problem>) {
        let mut out = Vec::new();
        let problems = Dumps.read(data, name, &mut out);
        (out, problems)
    }

    /// An entry as JSON.
    fn entry(seq: i64, op: &str, state: &str) -> String {
        format!(
            r#"{{"pg_id":3,"process_group":["7","TP"],"collective_seq_id":{seq},"profiling_name":"nccl:{op}","state":"{state}","is_p2p":false,"input_sizes":[[2,3]],"input_dtypes":["Float"],"time_created_ns":1795347401577581100}}"#
        )
    }

    fn dump(version: &str, entries: &[String]) -> String {
        format!(
            "{{\"version\":\"{version}\",\"pg_config\":{{\"7\":{{\"desc\":\"TP\",\"ranks\":\"[4, 5]\"}}}},\n\"pg_status\":{{\"3\":{{\"last_enqueued_collective\":\"9\",\"last_completed_collective\":\"7\"}}}},\n\"entries\":[\n{}\n]}}",
            entries.join(",\n")
        )
    }

    #[test]
    fn the_first_collective_that_did_not_complete_is_told_with_its_line() {
        for version in ["2.0", "2.4", "2.9", "2.10"] {
            let entries: Vec<String> = (4..10).map(|seq| entry(seq, "all_reduce", "scheduled")).collect();
            let text = dump(version, &entries);
            assert!(Dumps.recognises(text.as_bytes(), "x"));
            let (events, problems) = read(text.as_bytes(), "nccl_trace_rank_gpu-17_5");
            assert_eq!(problems, []);
            let pending: Vec<&Event> = events.iter().filter(|event| event.kind == PENDING).collect();
            let [event] = pending.as_slice() else { panic!("{pending:?}") };
            assert_eq!(
                (event.fields.int("seq"), event.fields.int("rank")),
                (Some(8), Some(5)),
                "counters tell that 7 completed"
            );
            assert_eq!(event.fields.text("node"), Some("gpu-17"));
            assert_eq!((event.fields.text("op"), event.fields.int("numel")), (Some("all_reduce"), Some(6)));
            let line = text.lines().nth(event.line as usize - 1).unwrap();
            assert!(line.contains(&event.text) && event.text.contains("\"collective_seq_id\":8"), "{}", event.text);
            assert_eq!(event.at.unwrap().micros, 1_795_347_401_577_581);
            let group = events.iter().find(|event| event.kind == GROUP).unwrap();
            assert_eq!(group.fields.get("members"), Some(&Value::Ranks(vec![4, 5])));
            assert_eq!((group.fields.int("enqueued"), group.line), (Some(9), 1));
        }
    }

    #[test]
    fn a_dump_of_active_operations_without_any_has_no_entries() {
        let text = r#"{"version":"2.9","nccl_version":"2.27","pg_config":{"0":{"desc":"default_pg","ranks":"[0, 1]"}},"pg_status":{}}"#;
        assert!(Dumps.recognises(text.as_bytes(), "x"));
        let (events, problems) = read(text.as_bytes(), "fr_1");
        let kinds: Vec<&str> = events.iter().map(|event| event.kind).collect();
        assert_eq!((kinds, problems), (vec![DUMP, GROUP], Vec::new()));
    }

    #[test]
    fn a_name_without_a_rank_is_said() {
        let (events, problems) = read(dump("2.9", &[entry(8, "all_reduce", "started")]).as_bytes(), "dump.json");
        assert!(!events.is_empty() && events[0].fields.int("rank").is_none());
        assert!(problems[0].what.contains("does not end with a rank"));
    }

    #[test]
    fn a_pickle_that_calls_something_is_no_dump() {
        let data = b"\x80\x02}(X\x07\x00\x00\x00versioncos\nsystem\n(X\x02\x00\x00\x00idtRu.";
        let (events, problems) = read(data, "fr_0");
        assert!(events.is_empty() && problems[0].what.contains("GLOBAL"), "{problems:?}");
    }

    #[test]
    fn hostile_json_is_bounded() {
        let deep = format!("{{\"entries\":{}{}}}", "[".repeat(1 << 20), "]".repeat(1 << 20));
        let long = format!("{{\"pg_config\":{{}},\"entries\":[{}1]}}", "1,".repeat(1 << 18));
        let huge = dump("2.9", &[entry(i64::MAX, "all_reduce", "started").replace("[2,3]", "[9223372036854775807,9]")]);
        for text in [deep, long, huge, "{\"pg_config\":".to_owned(), "{\"entries\":7,\"pg_status\":3}".to_owned()] {
            let (events, _) = read(text.as_bytes(), "fr_0");
            assert!(events.len() < 10);
        }
    }
}
