//! The JSON form: the same keys, without stacks, counters as texts, and no `entries` where there are none.

use std::borrow::Cow;
use std::collections::BTreeMap;

use memchr::memchr_iter;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::dump::{Counters, Detail, Dump, Entry, Group, Place, ranks, short};
use crate::MAX_LINE;

/// A document with the offsets of its lines.
pub(super) struct Text<'a> {
    data: &'a str,
    ends: Vec<usize>,
    entries: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(default, borrow)]
    version: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pg_config: BTreeMap<String, &'a RawValue>,
    #[serde(default)]
    pg_status: BTreeMap<String, Status>,
    #[serde(default, borrow)]
    entries: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Config<'a> {
    #[serde(default, borrow)]
    desc: Cow<'a, str>,
    #[serde(default, borrow)]
    ranks: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default = "unknown", deserialize_with = "number")]
    last_enqueued_collective: i64,
    #[serde(default = "unknown", deserialize_with = "number")]
    last_completed_collective: i64,
}

fn unknown() -> i64 {
    -1
}

#[derive(Deserialize)]
struct Light<'a> {
    #[serde(default, deserialize_with = "number")]
    pg_id: i64,
    #[serde(default, borrow)]
    process_group: Option<(&'a str, &'a str)>,
    #[serde(default, alias = "seq_id", deserialize_with = "number")]
    collective_seq_id: i64,
    #[serde(default, borrow)]
    profiling_name: &'a str,
    #[serde(default, borrow)]
    state: Cow<'a, str>,
    #[serde(default)]
    retired: bool,
    #[serde(default)]
    is_p2p: bool,
    #[serde(default, deserialize_with = "number")]
    time_created_ns: i64,
}

#[derive(Deserialize, Default)]
struct Shapes {
    #[serde(default)]
    state: String,
    #[serde(default)]
    input_sizes: Vec<Vec<i64>>,
    #[serde(default)]
    input_dtypes: Vec<String>,
}

/// A number, or one that is written as a text.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
    }
    Ok(match Either::deserialize(from)? {
        Either::Number(number) => number,
        Either::Text(text) => text.parse().unwrap_or(-1),
    })
}

/// Reads a dump; entries that are none are left out.
pub(super) fn read(data: &str) -> Result<(Dump<'_>, Text<'_>), String> {
    let whole: Whole<'_> = serde_json::from_str(data).map_err(|error| error.to_string())?;
    let ends = memchr_iter(b'\n', data.as_bytes()).collect();
    let text = Text { data, ends, entries: whole.entries };
    let entries = text.entries.iter().enumerate().filter_map(|(at, raw)| entry(raw, at)).collect();
    let groups = whole.pg_config.into_iter().filter_map(|(name, raw)| {
        let config: Config<'_> = serde_json::from_str(raw.get()).ok()?;
        Some(Group { name, desc: config.desc.into_owned(), members: ranks(&config.ranks), place: text.place(raw) })
    });
    let groups = groups.collect();
    let count = |(id, status): (String, Status)| {
        let counters =
            Counters { enqueued: status.last_enqueued_collective, completed: status.last_completed_collective };
        Some((id.parse().ok()?, counters))
    };
    let status = whole.pg_status.into_iter().filter_map(count).collect();
    let version = whole.version.unwrap_or_default().into_owned();
    Ok((Dump { version, groups, status, entries }, text))
}

fn entry(raw: &RawValue, at: usize) -> Option<Entry<'_>> {
    let light: Light<'_> = serde_json::from_str(raw.get()).ok()?;
    Some(Entry {
        pg_id: light.pg_id,
        group: light.process_group.unwrap_or_default(),
        seq: light.collective_seq_id,
        name: light.profiling_name,
        completed: light.state == "completed",
        retired: light.retired,
        is_p2p: light.is_p2p,
        created: light.time_created_ns,
        at,
    })
}

impl<'a> Text<'a> {
    /// Where a value stands: it is a part of the document, so its address tells.
    fn place(&self, raw: &'a RawValue) -> Place {
        let offset = (raw.get().as_ptr() as usize).saturating_sub(self.data.as_ptr() as usize).min(self.data.len());
        let line = self.ends.partition_point(|end| *end < offset);
        // A value that is spread over lines is cited by its first.
        let first = raw.get().lines().next().unwrap_or_default();
        let start = line.checked_sub(1).map_or(0, |before| self.ends[before] + 1);
        let end = self.ends.get(line).copied().unwrap_or(self.data.len());
        let whole = &self.data[start..end];
        let text = if raw.get().len() > first.len() { whole } else { first };
        Place { line: line as u64 + 1, offset: offset as u64, text: short(text, MAX_LINE).to_owned() }
    }

    pub(super) fn detail(&self, at: usize) -> Detail {
        let Some(raw) = self.entries.get(at) else { return Detail::default() };
        let shapes: Shapes = serde_json::from_str(raw.get()).unwrap_or_default();
        let numel = |sizes: &Vec<i64>| sizes.iter().fold(1_i64, |all, one| all.saturating_mul(*one));
        Detail {
            numel: shapes.input_sizes.iter().map(numel).fold(0, i64::saturating_add),
            sizes: format!("{:?}", shapes.input_sizes),
            dtypes: shapes.input_dtypes.join(", "),
            state: shapes.state,
            frame: None,
            place: self.place(raw),
        }
    }
}
