//! A dump of the flight recorder, as torch writes it: pickled with shared texts and stacks, or as JSON.
//!
//! Keys and order after `torch/csrc/distributed/c10d/FlightRecorderDetail.hpp` (2.11), opcodes after
//! `torch/csrc/jit/serialization/pickler.cpp`.

use std::collections::HashMap;

use super::job::{Call, Job, Layout, Op};

/// In what form a dump is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub(crate) json: bool,
    /// Only operations that did not end.
    pub(crate) active_only: bool,
    /// `2.0` to `2.10`.
    pub(crate) version: &'static str,
    /// Operations that the ring holds.
    pub(crate) ring: usize,
}

/// A value that both forms can hold.
enum Value {
    None,
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Value>),
    Pair(String, String),
    Dict(Vec<(String, Value)>),
    /// Frames: written once, then pointed at; JSON has none.
    Stack,
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn dict(pairs: Vec<(&str, Value)>) -> Value {
    Value::Dict(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Start of the job by the clock, in nanoseconds since 1970.
const BEGAN: i64 = 1_795_690_000_000_000_000;

/// The dump of a rank.
pub(crate) fn write(job: &Job, layout: Layout, rank: usize, form: Form) -> Vec<u8> {
    let (ops, ended) = job.recorded(layout, rank, form.ring);
    let entries: Vec<Value> = ops
        .iter()
        .enumerate()
        .filter(|(at, _)| !form.active_only || *at >= ended)
        .map(|(at, op)| entry(job, rank, op, at, at < ended, form))
        .collect();
    let groups = job.of[rank].iter().map(|at| &job.groups[*at]);
    let config = groups.map(|group| {
        let members = format!("{:?}", group.members);
        let of = dict(vec![("name", text(&group.name)), ("desc", text(group.desc)), ("ranks", text(&members))]);
        (group.name.clone(), of)
    });
    let status = job.of[rank].iter().enumerate().map(|(id, group)| {
        let last = |part: &[Op]| part.iter().rev().find(|op| op.group == *group).map_or(-1, |op| op.seq);
        let number = |number: i64| if form.json { text(&number.to_string()) } else { Value::Int(number) };
        let of = vec![
            ("last_enqueued_collective", number(last(&ops))),
            ("last_started_collective", number(-1)),
            ("last_completed_collective", number(last(&ops[..ended]))),
        ];
        (id.to_string(), dict(of))
    });
    let mut whole = vec![
        ("version", text(form.version)),
        ("comm_lib_version", text("2.28.9")),
        ("pg_config", Value::Dict(config.collect())),
        ("pg_status", Value::Dict(status.collect())),
    ];
    if !(form.json && entries.is_empty()) {
        whole.push(("entries", Value::List(entries)));
    }
    let whole = dict(whole);
    if form.json { json(&whole).into_bytes() } else { pickle(&whole) }
}

fn entry(job: &Job, rank: usize, op: &Op, at: usize, ended: bool, form: Form) -> Value {
    let group = &job.groups[op.group];
    let place = |rank: usize| group.members.iter().position(|member| *member == rank).unwrap_or_default();
    let name = match op.call {
        Call::AllReduce => "nccl:all_reduce".to_owned(),
        Call::AllGather => "nccl:_all_gather_base".to_owned(),
        Call::ReduceScatter => "nccl:_reduce_scatter_base".to_owned(),
        Call::Broadcast => "nccl:broadcast".to_owned(),
        Call::Send(peer) => format!("nccl:send {}->{}", place(rank), place(peer)),
        Call::Recv(peer) => format!("nccl:recv {}<-{}", place(rank), place(peer)),
    };
    let p2p = matches!(op.call, Call::Send(_) | Call::Recv(_));
    let id = job.of[rank].iter().position(|at| *at == op.group).unwrap_or_default() as i64;
    let size = |numel: i64| Value::List(vec![Value::List(vec![Value::Int(numel)])]);
    let out = match op.call {
        Call::AllGather => op.numel * group.members.len() as i64,
        Call::ReduceScatter => op.numel / group.members.len() as i64,
        _ => op.numel,
    };
    let created = BEGAN + at as i64 * 20_000_000 + rank as i64 * 1000;
    let found = if ended { Value::Int(created + 15_000_000) } else { Value::None };
    let (collective, message) = if p2p { (0, op.seq) } else { (op.seq, 0) };
    let mut pairs = vec![
        ("frames", Value::Stack),
        ("record_id", Value::Int(at as i64)),
        ("pg_id", Value::Int(id)),
        ("process_group", Value::Pair(group.name.clone(), group.desc.to_owned())),
    ];
    if form.version != "2.0" {
        pairs.extend([("thread_name", text("python3")), ("thread_id", text("140326510268736"))]);
    }
    pairs.extend([
        ("collective_seq_id", Value::Int(collective)),
        ("p2p_seq_id", Value::Int(message)),
        ("op_id", Value::Int(op.seq)),
        ("profiling_name", Value::Text(name)),
        ("time_created_ns", Value::Int(created)),
        ("input_sizes", size(op.numel)),
        ("input_dtypes", Value::List(vec![text(op.dtype)])),
        ("output_sizes", size(out)),
        ("output_dtypes", Value::List(vec![text(op.dtype)])),
        ("state", text(if ended { "completed" } else { "scheduled" })),
        ("time_discovered_started_ns", Value::None),
        ("time_discovered_completed_ns", found),
        ("retired", Value::Bool(ended)),
        ("timeout_ms", Value::Int(600_000)),
        ("is_p2p", Value::Bool(p2p)),
    ]);
    dict(pairs)
}

/// JSON has no stacks, and 0 for a time that is not known.
fn json(value: &Value) -> String {
    match value {
        Value::None | Value::Stack => "0".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::List(list) => format!("[{}]", list.iter().map(json).collect::<Vec<_>>().join(",")),
        Value::Pair(one, two) => format!("[{one:?},{two:?}]"),
        Value::Dict(pairs) => {
            let shown = pairs.iter().filter(|(_, value)| !matches!(value, Value::Stack));
            let parts: Vec<String> = shown.map(|(key, value)| format!("{key:?}:{}", json(value))).collect();
            format!("{{{}}}", parts.join(","))
        }
    }
}

/// Frames of a call: file, line, function.
const FRAMES: [(&str, i64, &str); 4] = [
    ("/opt/torch/lib/python3.12/site-packages/torch/distributed/distributed_c10d.py", 3068, "all_reduce"),
    ("/opt/torch/lib/python3.12/site-packages/torch/distributed/c10d_logger.py", 83, "wrapper"),
    ("/srv/train/schedule.py", 417, "run"),
    ("/srv/train/train.py", 134, "<module>"),
];

fn pickle(value: &Value) -> Vec<u8> {
    let mut pickler = Pickler { out: vec![0x80, 2], texts: HashMap::new(), stack: None, next: 0 };
    pickler.put(value);
    pickler.out.push(b'.');
    pickler.out
}

struct Pickler {
    out: Vec<u8>,
    /// Place of each text in the memo.
    texts: HashMap<String, u32>,
    /// Places of the stack's frames in the memo.
    stack: Option<Vec<u32>>,
    next: u32,
}

impl Pickler {
    fn put(&mut self, value: &Value) {
        match value {
            Value::None => self.out.push(b'N'),
            Value::Bool(truth) => self.out.push(if *truth { 0x88 } else { 0x89 }),
            Value::Int(number) => self.int(*number),
            Value::Text(text) => self.text(text),
            Value::List(list) => {
                self.out.push(b']');
                self.marked(list.iter(), b'e', |pickler, one| pickler.put(one));
            }
            Value::Pair(one, two) => {
                self.text(one);
                self.text(two);
                self.out.push(0x86);
            }
            Value::Dict(pairs) => {
                self.out.push(b'}');
                self.marked(pairs.iter(), b'u', |pickler, (key, value)| {
                    pickler.text(key);
                    pickler.put(value);
                });
            }
            Value::Stack => self.stack(),
        }
    }

    fn marked<T>(&mut self, items: impl Iterator<Item = T>, end: u8, put: impl Fn(&mut Self, T)) {
        self.out.push(b'(');
        items.for_each(|item| put(self, item));
        self.out.push(end);
    }

    fn int(&mut self, number: i64) {
        match (u8::try_from(number), u16::try_from(number), i32::try_from(number)) {
            (Ok(small), ..) => self.out.extend([b'K', small]),
            (_, Ok(small), _) => {
                self.out.push(b'M');
                self.out.extend(small.to_le_bytes());
            }
            (.., Ok(small)) => {
                self.out.push(b'J');
                self.out.extend(small.to_le_bytes());
            }
            _ => {
                self.out.extend([0x8a, 8]);
                self.out.extend(number.to_le_bytes());
            }
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(at) = self.texts.get(text).copied() {
            return self.memo(at, b'h', b'j');
        }
        self.out.push(b'X');
        self.out.extend((text.len() as u32).to_le_bytes());
        self.out.extend(text.bytes());
        self.texts.insert(text.to_owned(), self.next);
        self.note();
    }

    fn note(&mut self) -> u32 {
        let at = self.next;
        self.next += 1;
        self.memo(at, b'q', b'r');
        at
    }

    fn memo(&mut self, at: u32, short: u8, long: u8) {
        match u8::try_from(at) {
            Ok(at) => self.out.extend([short, at]),
            Err(_) => {
                self.out.push(long);
                self.out.extend(at.to_le_bytes());
            }
        }
    }

    fn stack(&mut self) {
        self.out.extend([b']', b'(']);
        if let Some(first) = self.stack.clone() {
            first.into_iter().for_each(|frame| self.memo(frame, b'h', b'j'));
            return self.out.push(b'e');
        }
        let mut places = Vec::new();
        for (file, line, name) in FRAMES {
            self.put(&dict(vec![("name", text(name)), ("filename", text(file)), ("line", Value::Int(line))]));
            places.push(self.note());
        }
        self.stack = Some(places);
        self.out.push(b'e');
    }
}
