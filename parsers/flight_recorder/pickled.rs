//! The pickled form, as the watchdog writes it.

use super::dump::{Counters, Detail, Dump, Entry, Group, Place, of_program, ranks};
use crate::pickle::{Pickle, Value};

/// Most sizes, types and frames that are looked at of one operation.
const MOST_SHOWN: usize = 64;

/// Most operations of a dump; the ring of a process has 2,000, and 20,000 where somebody asked for more.
const MOST_ENTRIES: usize = 1 << 20;

/// The dump in a pickle.
pub(super) fn read<'p>(pickle: &'p Pickle<'p>) -> Dump<'p> {
    let root = pickle.root();
    let pairs = |key: &str| pickle.pairs(pickle.get(root, key));
    let groups = pairs("pg_config").map(|(name, config)| {
        let members = ranks(text(pickle.get(config, "ranks")));
        let desc = text(pickle.get(config, "desc")).to_owned();
        Group { name: name.to_owned(), desc, members, place: Place::default() }
    });
    let status = pairs("pg_status").filter_map(|(id, status)| {
        let count = |key| pickle.get(status, key).map_or(-1, int);
        let counters =
            Counters { enqueued: count("last_enqueued_collective"), completed: count("last_completed_collective") };
        Some((id.parse().ok()?, counters))
    });
    let entries = pickle.items(pickle.get(root, "entries")).take(MOST_ENTRIES).enumerate();
    Dump {
        version: text(pickle.get(root, "version")).to_owned(),
        groups: groups.collect(),
        status: status.collect(),
        entries: entries.map(|(at, one)| entry(pickle, one, at)).collect(),
    }
}

/// An operation; all keys are looked at once, for there are many operations.
fn entry<'p>(pickle: &'p Pickle<'p>, one: &'p Value<'p>, at: usize) -> Entry<'p> {
    let mut entry = Entry { at, ..Entry::default() };
    for (key, value) in pickle.pairs(Some(one)) {
        match key {
            "pg_id" => entry.pg_id = int(value),
            "process_group" => {
                let mut group = pickle.items(Some(value)).map(|part| text(Some(part)));
                entry.group = (group.next().unwrap_or_default(), group.next().unwrap_or_default());
            }
            // 2.0 calls it `seq_id`.
            "collective_seq_id" | "seq_id" => entry.seq = int(value),
            "profiling_name" => entry.name = text(Some(value)),
            "state" => entry.completed = text(Some(value)) == "completed",
            "retired" => entry.retired = *value == Value::Bool(true),
            "is_p2p" => entry.is_p2p = *value == Value::Bool(true),
            "time_created_ns" => entry.created = int(value),
            _ => {}
        }
    }
    entry
}

/// The rest of an operation.
pub(super) fn detail(pickle: &Pickle<'_>, at: usize) -> Detail {
    let Some(one) = pickle.items(pickle.get(pickle.root(), "entries")).nth(at) else { return Detail::default() };
    let sizes: Vec<Vec<i64>> = pickle
        .items(pickle.get(one, "input_sizes"))
        .take(MOST_SHOWN)
        .map(|tensor| pickle.items(Some(tensor)).take(MOST_SHOWN).map(int).collect())
        .collect();
    let dtypes: Vec<&str> =
        pickle.items(pickle.get(one, "input_dtypes")).take(MOST_SHOWN).map(|name| text(Some(name))).collect();
    let numel = |sizes: &Vec<i64>| sizes.iter().fold(1_i64, |all, one| all.saturating_mul(*one));
    let mut frames = pickle.items(pickle.get(one, "frames")).take(MOST_SHOWN);
    let frame = frames.find(|frame| of_program(text(pickle.get(frame, "filename"))));
    Detail {
        state: text(pickle.get(one, "state")).to_owned(),
        numel: sizes.iter().map(numel).fold(0, i64::saturating_add),
        sizes: format!("{sizes:?}"),
        dtypes: dtypes.join(", "),
        frame: frame.map(|frame| {
            let part = |key| text(pickle.get(frame, key)).to_owned();
            (part("filename"), pickle.get(frame, "line").map_or(0, int), part("name"))
        }),
        place: Place::default(),
    }
}

fn text<'p>(value: Option<&Value<'p>>) -> &'p str {
    match value {
        Some(Value::Text(text)) => text,
        _ => "",
    }
}

fn int(value: &Value<'_>) -> i64 {
    match value {
        Value::Int(number) => *number,
        Value::Text(text) => text.parse().unwrap_or(-1),
        _ => -1,
    }
}
