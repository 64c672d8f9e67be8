//! What NCCL's watch network (RAS) tells as JSON: `SET FORMAT json`, from 2.28.7 on; one sample or several.
//!
//! Counts are of operations that a rank launched, per kind (`src/ras/client_support.cc`, 2.28.9-1; send and receive are
//! not counted). What follows is told in the words of the text form, so that evidence is the same from both. Of several
//! samples the last counts, and a rank that went on from the first to the last is not late.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::MAX_LINE;
use crate::event::{Event, Fields, Name, Problem, Says};
use crate::record::Record;
use crate::time;

/// The reader of samples.
pub struct Samples;

const REPORT: Name = "nccl.ras_report";
const MISSING: Name = "nccl.ras_missing_rank";
const MANY: Name = "nccl.ras_many";
const OUTLIER: Name = "nccl.ras_outlier";

/// Most samples of a document.
const MOST_SAMPLES: usize = 1000;

/// Share of the ranks of a communicator that may be late, as NCCL's own report has it: one in so many.
const LATE_OF: usize = 2;

#[derive(Deserialize)]
struct Sample<'a> {
    #[serde(default, borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    communicators: Vec<Comm<'a>>,
}

#[derive(Deserialize)]
struct Comm<'a> {
    #[serde(default)]
    hash: String,
    #[serde(default)]
    size: i64,
    #[serde(default, borrow)]
    ranks: Vec<&'a RawValue>,
    #[serde(default, borrow)]
    missing_ranks: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Member {
    rank: i64,
    #[serde(default)]
    host: String,
    #[serde(default)]
    pid: i64,
    #[serde(default)]
    cuda_dev: i64,
    #[serde(default)]
    collective_counts: BTreeMap<String, i64>,
}

/// A process and its device: the same in all communicators.
type Seat = (String, i64, i64);

impl Member {
    fn seat(&self) -> Seat {
        (self.host.clone(), self.pid, self.cuda_dev)
    }

    fn count(&self, kind: &str) -> i64 {
        self.collective_counts.get(kind).copied().unwrap_or_default()
    }
}

impl Record for Samples {
    fn kinds(&self) -> &'static [Name] {
        &[REPORT, MISSING]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        match kind {
            REPORT => Some("the job's watch network was asked"),
            MISSING => Some("a rank did not answer the job's watch network"),
            _ => None,
        }
    }

    fn recognises(&self, head: &[u8], _: &str) -> bool {
        let holds = |word: &str| memchr::memmem::find(head, word.as_bytes()).is_some();
        head.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
            && holds("\"communicators\"")
            && holds("\"nccl_version\"")
    }

    fn read(&self, data: &[u8], _: &str, out: &mut Vec<Event>) -> Vec<Problem> {
        let Ok(text) = std::str::from_utf8(data) else {
            return vec![Problem { line: 0, what: "is no UTF-8".to_owned() }];
        };
        let mut samples = Vec::new();
        let mut problems = Vec::new();
        for sample in serde_json::Deserializer::from_str(text).into_iter::<Sample<'_>>().take(MOST_SAMPLES) {
            match sample {
                Ok(sample) => samples.push(sample),
                Err(error) => {
                    problems.push(Problem { line: error.line() as u64, what: format!("is no sample of RAS: {error}") });
                    break;
                }
            }
        }
        if let Some(last) = samples.last() {
            tell(text, last, samples.first().filter(|_| samples.len() > 1), out);
        }
        problems
    }
}

/// Members of a communicator that can be read, each with its text.
fn members<'a>(list: &[&'a RawValue]) -> Vec<(&'a RawValue, Member)> {
    list.iter().filter_map(|raw| Some((*raw, serde_json::from_str(raw.get()).ok()?))).collect()
}

/// Kind of operation, communicator and rank to how many were launched.
type Counts = BTreeMap<(String, String, i64), i64>;

fn counts(sample: &Sample<'_>) -> Counts {
    let mut all = Counts::new();
    for comm in &sample.communicators {
        for (_, member) in members(&comm.ranks) {
            for (kind, count) in member.collective_counts {
                all.insert((comm.hash.clone(), kind, member.rank), count);
            }
        }
    }
    all
}

fn tell(text: &str, sample: &Sample<'_>, before: Option<&Sample<'_>>, out: &mut Vec<Event>) {
    if let Some(raw) = sample.timestamp {
        let mut report = event(text, raw, REPORT, Says::Info, Fields::default());
        report.at = time::read(raw.get().trim_matches('"'));
        out.push(report);
    }
    let before = before.map(counts);
    // The largest communicator is the job's: its ranks are global.
    let Some(job) = sample.communicators.iter().max_by_key(|comm| comm.size) else { return };
    let everyone = members(&job.ranks).into_iter().chain(members(&job.missing_ranks));
    let global: BTreeMap<Seat, i64> = everyone.map(|(_, member)| (member.seat(), member.rank)).collect();
    let gaps: Vec<Gap<'_>> = sample.communicators.iter().filter_map(|comm| gap(comm, before.as_ref())).collect();
    // Whoever waits in one communicator is held up there, and late in others for that reason.
    let waiting: BTreeSet<Seat> = gaps.iter().flat_map(|gap| &gap.many).map(|(_, member)| member.seat()).collect();
    for (raw, member) in sample.communicators.iter().flat_map(|comm| members(&comm.missing_ranks)) {
        out.push(event(text, raw, MISSING, Says::Warning, fields(&member, &global)));
    }
    for Gap { comm, few, many, kind, reached } in &gaps {
        let causes: Vec<_> = few.iter().filter(|(_, member)| !waiting.contains(&member.seat())).collect();
        if causes.is_empty() {
            continue;
        }
        let mut told = Fields::default();
        told.set("comm", comm.hash.as_str());
        told.set("many", many.len() as i64);
        told.set("operation", *reached);
        out.extend(many.first().map(|(raw, _)| event(text, raw, MANY, Says::Info, told)));
        for (raw, member) in causes {
            let mut fields = fields(member, &global);
            fields.set("comm", comm.hash.as_str());
            fields.set("operation", member.count(kind));
            out.push(event(text, raw, OUTLIER, Says::Info, fields));
        }
    }
}

/// Members of a communicator that launched fewer operations of a kind than the many.
struct Gap<'a> {
    comm: &'a Comm<'a>,
    few: Vec<(&'a RawValue, Member)>,
    many: Vec<(&'a RawValue, Member)>,
    kind: String,
    reached: i64,
}

fn gap<'a>(comm: &'a Comm<'a>, before: Option<&Counts>) -> Option<Gap<'a>> {
    let all = members(&comm.ranks);
    let kinds: BTreeSet<String> = all.iter().flat_map(|(_, member)| member.collective_counts.keys().cloned()).collect();
    let reached = |kind: &str| all.iter().map(|(_, member)| member.count(kind)).max().unwrap_or_default();
    let went_on = |member: &Member, kind: &str| {
        let key = (comm.hash.clone(), kind.to_owned(), member.rank);
        before.is_some_and(|before| before.get(&key).is_some_and(|old| *old < member.count(kind)))
    };
    let stuck = |kind: &&String| {
        let late = || all.iter().map(|(_, member)| member).filter(|member| member.count(kind) < reached(kind));
        let few = late().count();
        few > 0 && few * LATE_OF < all.len() && !late().any(|member| went_on(member, kind))
    };
    let kind = kinds.iter().find(stuck)?.clone();
    let reached = reached(&kind);
    let (few, many) = all.into_iter().partition(|(_, member)| member.count(&kind) < reached);
    Some(Gap { comm, few, many, kind, reached })
}

fn fields(member: &Member, global: &BTreeMap<Seat, i64>) -> Fields {
    let mut fields = Fields::default();
    fields.set("comm_rank", global.get(&member.seat()).copied().unwrap_or(member.rank));
    fields.set("gpu", member.cuda_dev.to_string());
    fields.set("pid", member.pid);
    fields.set("node", member.host.as_str());
    fields
}

/// An event that cites a value: the first line of it, which is all of it where samples are not indented.
fn event(text: &str, raw: &RawValue, kind: Name, says: Says, fields: Fields) -> Event {
    let offset = (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len());
    let before = &text.as_bytes()[..offset];
    let line = memchr::memchr_iter(b'\n', before).count() as u64 + 1;
    let start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let value = raw.get();
    let whole = if value.contains('\n') { text[start..].lines().next().unwrap_or_default() } else { value };
    let end = (0..=MAX_LINE.min(whole.len())).rev().find(|at| whole.is_char_boundary(*at)).unwrap_or(0);
    Event { kind, says, line, offset: offset as u64, text: whole[..end].to_owned(), at: None, fields }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sample of a job of four, with the counts of its ranks; rank 2 sits alone on another host.
    fn sample(counts: [i64; 4]) -> String {
        let rank = |(rank, count): (usize, i64)| {
            let host = if rank == 2 { "10.0.4.18" } else { "10.0.4.17" };
            format!(
                r#"{{"rank":{rank},"host":"{host}","pid":{},"cuda_dev":{rank},"collective_counts":{{"AllReduce":{count},"Broadcast":3}}}}"#,
                4100 + rank
            )
        };
        let ranks: Vec<String> = counts.into_iter().enumerate().map(rank).collect();
        format!(
            "{{\"nccl_version\":\"2.28.9\",\"communicators_count\":1,\"communicators\":[{{\"hash\":\"0x1\",\"size\":4,\"ranks\":[\n{}],\"missing_ranks\":[]}}]}}\n",
            ranks.join(",\n")
        )
    }

    fn outliers(text: &str) -> Vec<(Option<i64>, Option<i64>, u64)> {
        let mut out = Vec::new();
        assert!(Samples.recognises(text.as_bytes(), "ras.json"));
        assert_eq!(Samples.read(text.as_bytes(), "ras.json", &mut out), []);
        let late = out.iter().filter(|event| event.kind == OUTLIER);
        late.map(|event| (event.fields.int("comm_rank"), event.fields.int("operation"), event.line)).collect()
    }

    #[test]
    fn the_rank_that_launched_fewer_is_told_with_its_line() {
        assert_eq!(outliers(&sample([50, 50, 49, 50])), [(Some(2), Some(49), 4)]);
        assert_eq!(outliers(&sample([50, 50, 50, 50])), []);
    }

    #[test]
    fn a_rank_that_went_on_between_samples_is_not_late() {
        assert_eq!(outliers(&(sample([50, 50, 49, 50]) + &sample([60, 60, 59, 60]))), []);
        assert_eq!(outliers(&(sample([50, 50, 49, 50]) + &sample([50, 50, 49, 50]))), [(Some(2), Some(49), 9)]);
    }

    #[test]
    fn whoever_waits_elsewhere_is_not_late() {
        // A group of ranks 1, 2 and 3, in which 1 and 3 wait for 2.
        let inner = r#"{"hash":"0x2","size":3,"ranks":[
            {"rank":0,"host":"10.0.4.17","pid":4101,"cuda_dev":1,"collective_counts":{"AllGather":9}},
            {"rank":1,"host":"10.0.4.18","pid":4102,"cuda_dev":2,"collective_counts":{"AllGather":8}},
            {"rank":2,"host":"10.0.4.17","pid":4103,"cuda_dev":3,"collective_counts":{"AllGather":9}}]}"#;
        let text =
            sample([50, 49, 50, 50]).replace("\"missing_ranks\":[]}]", &format!("\"missing_ranks\":[]}},{inner}]"));
        let late: Vec<Option<i64>> = outliers(&text).into_iter().map(|(rank, ..)| rank).collect();
        assert_eq!(late, [], "1 waits for 2, and 2 for 1: nobody is to blame by these counts");
        let text =
            sample([50, 49, 49, 50]).replace("\"missing_ranks\":[]}]", &format!("\"missing_ranks\":[]}},{inner}]"));
        let late: Vec<Option<i64>> = outliers(&text).into_iter().map(|(rank, ..)| rank).collect();
        assert_eq!(late, [Some(2)], "told by its rank in the job");
    }

    #[test]
    fn what_is_no_sample_is_a_problem() {
        let mut out = Vec::new();
        let problems = Samples.read(b"{\"nccl_version\":1,\"communicators\":[[[", "x", &mut out);
        assert!(out.is_empty() && problems.len() == 1);
    }
}
