//! What NCCL's Inspector writes: a JSON object for each collective of a process (`ext-profiler/inspector`, format v4.0).
//!
//! A collective ends for all ranks at once, so whoever comes last has the shortest time in it, and the highest bandwidth:
//! the others wait for it. One event a communicator, operation and size tells the median of a rank.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::MAX_LINE;
use crate::event::{Event, Fields, Name, Problem, Says};
use crate::record::Record;

/// The reader of dumps.
pub struct Dumps;

const COLLECTIVE: Name = "nccl.inspector";

/// Most kinds of collective of a process that are told.
const MOST_KINDS: usize = 256;

/// Most times kept of a kind, in number: later ones take the place of earlier ones.
const MOST_TIMES: usize = 4096;

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    header: Header<'a>,
    #[serde(default, borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    coll_perf: Perf<'a>,
}

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(default, borrow)]
    id: Cow<'a, str>,
    rank: i64,
    #[serde(default)]
    n_ranks: i64,
}

#[derive(Deserialize, Default)]
struct Metadata<'a> {
    #[serde(default, borrow)]
    hostname: Cow<'a, str>,
    #[serde(default)]
    pid: i64,
}

#[derive(Deserialize)]
struct Perf<'a> {
    #[serde(borrow)]
    coll: Cow<'a, str>,
    #[serde(default)]
    coll_sn: i64,
    #[serde(default)]
    coll_msg_size_bytes: i64,
    #[serde(default)]
    coll_exec_time_us: f64,
    #[serde(default)]
    coll_busbw_gbs: f64,
}

/// A communicator, the rank in it, an operation and its size in bytes.
type Key = (String, i64, String, i64);

/// What a rank did of one kind.
struct Kind {
    fields: Fields,
    times: Vec<(f64, f64)>,
    seen: usize,
    last: i64,
    line: u64,
    offset: usize,
}

impl Record for Dumps {
    fn kinds(&self) -> &'static [Name] {
        &[COLLECTIVE]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        (kind == COLLECTIVE).then_some("how long a rank was in collectives of a kind, as NCCL's Inspector measured it")
    }

    fn recognises(&self, head: &[u8], _: &str) -> bool {
        let holds = |word: &str| memchr::memmem::find(head, word.as_bytes()).is_some();
        head.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
            && ["\"coll_perf\"", "\"inspector_output_format_version\"", "\"coll_sn\""].into_iter().all(holds)
    }

    fn read(&self, data: &[u8], _: &str, out: &mut Vec<Event>) -> Vec<Problem> {
        let Ok(text) = std::str::from_utf8(data) else {
            return vec![Problem { line: 0, what: "is no UTF-8".to_owned() }];
        };
        let mut kinds: BTreeMap<Key, Kind> = BTreeMap::new();
        let mut problems = Vec::new();
        let mut entries = serde_json::Deserializer::from_str(text).into_iter::<Entry<'_>>();
        let (mut line, mut counted) = (1, 0);
        loop {
            let blank = |from: usize| text[from..].len() - text[from..].trim_start().len();
            let at = entries.byte_offset() + blank(entries.byte_offset());
            let Some(entry) = entries.next() else { break };
            line += memchr::memchr_iter(b'\n', &text.as_bytes()[counted..at]).count() as u64;
            counted = at;
            match entry {
                Ok(entry) => note(&mut kinds, &entry, line, at),
                // The last object of a process that was killed is cut.
                Err(error) if error.is_eof() => break,
                Err(error) => {
                    problems.push(Problem { line: error.line() as u64, what: format!("is no collective: {error}") });
                    break;
                }
            }
        }
        out.extend(kinds.into_values().map(|kind| event(text, kind)));
        problems
    }
}

fn note(kinds: &mut BTreeMap<Key, Kind>, entry: &Entry<'_>, line: u64, offset: usize) {
    let (header, perf) = (&entry.header, &entry.coll_perf);
    let key = (header.id.to_string(), header.rank, perf.coll.to_string(), perf.coll_msg_size_bytes);
    if kinds.len() >= MOST_KINDS && !kinds.contains_key(&key) {
        return;
    }
    let kind = kinds.entry(key).or_insert_with(|| {
        let mut fields = Fields::default();
        fields.set("comm", header.id.as_ref());
        fields.set("comm_rank", header.rank);
        fields.set("comm_size", header.n_ranks);
        fields.set("node", entry.metadata.hostname.as_ref());
        fields.set("pid", entry.metadata.pid);
        fields.set("op", perf.coll.as_ref());
        fields.set("bytes", perf.coll_msg_size_bytes);
        Kind { fields, times: Vec::new(), seen: 0, last: 0, line, offset }
    });
    let time = (perf.coll_exec_time_us, perf.coll_busbw_gbs);
    match kind.times.get_mut(kind.seen % MOST_TIMES) {
        Some(old) => *old = time,
        None => kind.times.push(time),
    }
    kind.seen += 1;
    kind.last = kind.last.max(perf.coll_sn);
}

/// The middle one of some numbers.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

fn event(text: &str, kind: Kind) -> Event {
    let mut fields = kind.fields;
    fields.set("times", kind.seen as i64);
    fields.set("last", kind.last);
    fields.set("median_us", median(kind.times.iter().map(|(time, _)| *time).collect()) as i64);
    fields.set("busbw_mbs", (median(kind.times.iter().map(|(_, busbw)| *busbw).collect()) * 1000.0) as i64);
    let start = memchr::memrchr(b'\n', &text.as_bytes()[..kind.offset]).map_or(0, |at| at + 1);
    let whole = text[start..].lines().next().unwrap_or_default();
    let end = (0..=MAX_LINE.min(whole.len())).rev().find(|at| whole.is_char_boundary(*at)).unwrap_or(0);
    let text = whole[..end].to_owned();
    Event { kind: COLLECTIVE, says: Says::Info, line: kind.line, offset: kind.offset as u64, text, at: None, fields }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(rank: i64, sn: i64, time: i64) -> String {
        format!(
            r#"{{"header":{{"id":"0x7f01","rank":{rank},"n_ranks":4,"nnodes":1}},"metadata":{{"inspector_output_format_version":"v4.0","git_rev":"","rec_mechanism":"profiler_plugin","dump_timestamp_us":1795690000000000,"hostname":"gpu-17","pid":4121}},"coll_perf":{{"coll":"AllReduce","coll_sn":{sn},"coll_msg_size_bytes":1048576,"coll_exec_time_us":{time},"coll_timing_source":"kernel_gpu","coll_algobw_gbs":1.5,"coll_busbw_gbs":2.25}}}}"#
        ) + "\n"
    }

    #[test]
    fn the_median_of_each_kind_is_told_with_its_first_line() {
        let text: String = (1..=5).map(|sn| entry(2, sn, if sn == 3 { 90_000 } else { 100 + sn })).collect();
        let mut out = Vec::new();
        assert!(Dumps.recognises(text.as_bytes(), "x"));
        assert_eq!(Dumps.read(text.as_bytes(), "x", &mut out), []);
        let [event] = out.as_slice() else { panic!("{out:?}") };
        let number = |name: &str| event.fields.int(name).unwrap();
        assert_eq!((number("comm_rank"), number("times"), number("median_us"), number("busbw_mbs")), (2, 5, 104, 2250));
        assert_eq!((event.line, event.text.as_str()), (1, text.lines().next().unwrap()));
    }

    #[test]
    fn a_cut_end_is_no_problem_and_rubbish_is_one() {
        let text = entry(0, 1, 5) + &entry(0, 2, 5)[..40];
        let mut out = Vec::new();
        assert_eq!((Dumps.read(text.as_bytes(), "x", &mut out), out.len()), (Vec::new(), 1));
        let mut out = Vec::new();
        assert_eq!(Dumps.read((entry(0, 1, 5) + "{\"header\":[]}").as_bytes(), "x", &mut out).len(), 1);
    }
}
