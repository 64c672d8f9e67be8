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
    let pairs = |key: &str| match pickle.get(root, key) {
        Some(Value::Dict(pairs)) => pairs.as_slice(),
        _ => &[],
    };
    let groups = pairs("pg_config").iter().map(|(name, config)| {
        let config = pickle.at(*config);
        let members = ranks(text(pickle.get(config, "ranks")));
        let desc = text(pickle.get(config, "desc")).to_owned();
        Group { name: text(Some(pickle.at(*name))).to_owned(), desc, members, place: Place::default() }
    });
    let status = pairs("pg_status").iter().filter_map(|(id, status)| {
        let count = |key| pickle.get(pickle.at(*status), key).map_or(-1, int);
        let counters =
            Counters { enqueued: count("last_enqueued_collective"), completed: count("last_completed_collective") };
        Some((text(Some(pickle.at(*id))).parse().ok()?, counters))
    });
    let entries = pickle.items(pickle.get(root, "entries")).take(MOST_ENTRIES).enumerate();
    Dump {
        version: text(pickle.get(root, "version")).to_owned(),
        groups: groups.collect(),
        status: status.collect(),
        entries: entries.map(|(at, one)| entry(pickle, one, at)).collect(),
    }
}

fn entry<'p>(pickle: &'p Pickle<'p>, one: &'p Value<'p>, at: usize) -> Entry<'p> {
    let number = |key| pickle.get(one, key).map(int);
    let mut group = pickle.items(pickle.get(one, "process_group")).map(|part| text(Some(part)));
    Entry {
        pg_id: number("pg_id").unwrap_or_default(),
        group: (group.next().unwrap_or_default(), group.next().unwrap_or_default()),
        seq: number("collective_seq_id").or_else(|| number("seq_id")).unwrap_or_default(),
        name: text(pickle.get(one, "profiling_name")),
        completed: text(pickle.get(one, "state")) == "completed",
        retired: pickle.get(one, "retired") == Some(&Value::Bool(true)),
        is_p2p: pickle.get(one, "is_p2p") == Some(&Value::Bool(true)),
        created: number("time_created_ns").unwrap_or_default(),
        at,
    }
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
