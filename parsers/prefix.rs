//! What launchers, schedulers and loggers put in front of a line, peeled off in layers.
//!
//! Each layer gives context (rank, node, pod, time) and leaves a shorter line. Layers come in any order and
//! number: `12: [default3]:[rank11]:2026-05-04 03:12:41 …`.

use crate::event::{Fields, Value};
use crate::stamp::Stamp;
use crate::time;

/// What the prefixes of a line told.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Context {
    /// Time of the outermost time stamp.
    pub at: Option<Stamp>,
    /// Global rank (`[rank12]:`).
    pub rank: Option<i64>,
    /// Rank on its node (`[default3]:`).
    pub local_rank: Option<i64>,
    /// Task label of `srun -l` or a launcher's tag: a global rank only where one task is one rank.
    pub label: Option<i64>,
    /// Process id.
    pub pid: Option<i64>,
    /// Host name or address.
    pub node: Option<String>,
    /// Pod, as `kubectl logs --prefix` tells it.
    pub pod: Option<String>,
    /// Name of an actor or worker (`RayTrainWorker`, `Worker_TP0`).
    pub actor: Option<String>,
}

impl Context {
    /// Adds what is known as columns, without replacing what the line itself told.
    pub fn fill(&self, fields: &mut Fields) {
        let numbers = [("rank", self.rank), ("local_rank", self.local_rank), ("label", self.label), ("pid", self.pid)];
        for (name, value) in numbers {
            if let Some(value) = value {
                fields.set_if_absent(name, Value::Int(value));
            }
        }
        for (name, value) in [("node", &self.node), ("pod", &self.pod), ("actor", &self.actor)] {
            if let Some(value) = value {
                fields.set_if_absent(name, value.as_str());
            }
        }
    }

    /// Whether two lines come from one writer, as far as their prefixes tell.
    pub fn same_stream(&self, other: &Self) -> bool {
        let key = |c: &Self| (c.rank, c.local_rank, c.label, c.pid);
        key(self) == key(other) && self.pod == other.pod && self.actor == other.actor
    }
}

/// Most layers that are peeled; deeper nesting is text.
const MOST_LAYERS: usize = 8;

type Layer = fn(&[u8], &mut Context) -> Option<usize>;

/// The layers, each tried in turn until none applies.
const LAYERS: [Layer; 7] = [rank_tag, bracket_tag, task_label, mpi_tag, actor_tag, pod_tag, stamp];

/// Peels all prefixes; returns the context and how many bytes they take.
pub fn peel(line: &[u8]) -> (Context, usize) {
    let mut context = Context::default();
    let mut at = blanks(line);
    for _ in 0..MOST_LAYERS {
        let rest = &line[at..];
        let Some(taken) = LAYERS.iter().find_map(|layer| layer(rest, &mut context)) else { break };
        at += taken;
        at += blank_one(&line[at..]);
    }
    (context, at)
}

fn blanks(line: &[u8]) -> usize {
    let _ = line;
    0
}

/// One blank after a prefix belongs to it; more are the text's indentation.
fn blank_one(line: &[u8]) -> usize {
    usize::from(line.first() == Some(&b' '))
}

/// `digits` at the start: value and length.
fn number(line: &[u8]) -> Option<(i64, usize)> {
    let len = line.iter().take_while(|b| b.is_ascii_digit()).count();
    if len == 0 || len > 9 {
        return None;
    }
    std::str::from_utf8(&line[..len]).ok()?.parse().ok().map(|n| (n, len))
}

/// `[rank12]:`, and `[rank12] ` of older builds.
fn rank_tag(line: &[u8], context: &mut Context) -> Option<usize> {
    let rest = line.strip_prefix(b"[rank")?;
    let (rank, len) = number(rest)?;
    let tail = rest[len..].strip_prefix(b"]")?;
    context.rank = Some(rank);
    Some(5 + len + 1 + usize::from(tail.first() == Some(&b':')))
}

/// torchrun's `[default3]:` (the role's name and the local rank).
fn bracket_tag(line: &[u8], context: &mut Context) -> Option<usize> {
    let rest = line.strip_prefix(b"[")?;
    let name = rest.iter().take_while(|b| b.is_ascii_alphabetic() || **b == b'_').count();
    let (rank, len) = number(&rest[name..])?;
    rest[name + len..].strip_prefix(b"]:")?;
    if name == 0 {
        return None;
    }
    context.local_rank = Some(rank);
    Some(1 + name + len + 2)
}

/// `12: ` of `srun --label`.
fn task_label(line: &[u8], context: &mut Context) -> Option<usize> {
    if context.label.is_some() {
        return None;
    }
    let padded = line.iter().take_while(|b| **b == b' ').count();
    let (label, len) = number(&line[padded..])?;
    if len > 6 || !line[padded + len..].starts_with(b":") {
        return None;
    }
    let rest = &line[padded + len + 1..];
    if !rest.is_empty() && !rest.starts_with(b" ") {
        return None;
    }
    context.label = Some(label);
    Some(padded + len + 1)
}

/// Open MPI's `[1,3]<stderr>:`.
fn mpi_tag(line: &[u8], context: &mut Context) -> Option<usize> {
    let rest = line.strip_prefix(b"[")?;
    let (_, job) = number(rest)?;
    let rest = rest[job..].strip_prefix(b",")?;
    let (rank, len) = number(rest)?;
    let stream = rest[len..].strip_prefix(b"]<std")?;
    let end = stream.windows(2).position(|pair| pair == b">:").filter(|at| *at <= 4)?;
    context.rank = Some(rank);
    Some(1 + job + 1 + len + 5 + end + 2)
}

/// Ray's and vLLM's `(RayTrainWorker pid=12, ip=10.0.0.4) `.
fn actor_tag(line: &[u8], context: &mut Context) -> Option<usize> {
    let rest = line.strip_prefix(b"(")?;
    let end = rest.iter().take(160).position(|b| *b == b')')?;
    let inner = std::str::from_utf8(&rest[..end]).ok()?;
    let (name, tail) = inner.split_once(" pid=")?;
    let (pid, len) = number(tail.as_bytes())?;
    context.actor = Some(name.to_owned());
    context.pid = Some(pid);
    if let Some(ip) = tail[len..].strip_prefix(", ip=") {
        context.node = Some(ip.to_owned());
    }
    Some(end + 2)
}

/// `[pod/name/container] ` of `kubectl logs --prefix`.
fn pod_tag(line: &[u8], context: &mut Context) -> Option<usize> {
    let rest = line.strip_prefix(b"[pod/")?;
    let end = rest.iter().take(320).position(|b| *b == b']')?;
    let inner = std::str::from_utf8(&rest[..end]).ok()?;
    context.pod = Some(inner.split('/').next().unwrap_or(inner).to_owned());
    Some(5 + end + 1)
}

/// A time stamp at the start of the line.
fn stamp(line: &[u8], context: &mut Context) -> Option<usize> {
    let (at, len) = time::leading(line)?;
    context.at.get_or_insert(at);
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_peeled_in_any_order() {
        let line = b"3: [default1]:[rank11]:2026-05-04 03:12:41,250 hello";
        let (context, at) = peel(line);
        assert_eq!(&line[at..], b"hello");
        assert_eq!((context.label, context.local_rank, context.rank), (Some(3), Some(1), Some(11)));
        assert!(context.at.is_some());
    }

    #[test]
    fn a_time_of_day_is_no_task_label() {
        let (context, _) = peel(b"12:04:09 hello");
        assert_eq!(context.label, None);
    }
}
