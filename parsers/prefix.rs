//! What launchers, schedulers and loggers put in front of a line, peeled off in layers.
//!
//! Each layer gives context (rank, node, pod, time) and leaves a shorter line. Layers come in any order and
//! number: `12: [default3]:[rank11]:2026-05-04 03:12:41 …`.

use core::net::Ipv4Addr;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::event::{Fields, Value};
use crate::stamp::{Clock, Stamp};
use crate::time;

mod system_log;

use system_log::Sure;

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
    /// Job, as slurmd's log tells it of a line by slurmstepd (`[50.batch]`).
    pub job: Option<i64>,
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
        let numbers = [
            ("rank", self.rank),
            ("local_rank", self.local_rank),
            ("label", self.label),
            ("pid", self.pid),
            ("job", self.job),
        ];
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

    /// Whether nothing tells who wrote the line.
    pub fn is_nameless(&self) -> bool {
        self.same_stream(&Self::default())
    }

    /// Whether two lines come from one writer, as far as their prefixes tell.
    pub fn same_stream(&self, other: &Self) -> bool {
        let key = |c: &Self| (c.rank, c.local_rank, c.label, c.pid);
        key(self) == key(other) && self.pod == other.pod && self.actor == other.actor
    }
}

/// Most layers that are peeled; deeper nesting is text.
const MOST_LAYERS: usize = 8;

/// Bytes that a layer takes off the start of a line; none where it does not apply.
type Layer = fn(&[u8], &mut Context) -> Option<usize>;

/// The layers, each tried in turn until none applies, and with which sorts of byte they begin.
const LAYERS: [(u8, Layer); 25] = [
    (DIGIT, notebook_tag),
    (OPEN, number_tag),
    (OPEN, rank_tag),
    (OPEN, sglang_tag),
    (OPEN, bracket_tag),
    (DIGIT | BLANK, task_label),
    (OPEN, mpi_tag),
    (OTHER, actor_tag),
    (OPEN, pod_tag),
    (DIGIT | UPPER | LOWER | OTHER, compose_tag),
    (OTHER, build_mark),
    (BLANK | OTHER, quote_mark),
    (DIGIT | LOWER | UPPER, host_tag),
    (DIGIT, system_log::kmsg),
    (OTHER, system_log::priority),
    (DIGIT | LOWER, system_log::decoded),
    (UPPER | OTHER, system_log::archived),
    (OPEN | DIGIT | UPPER | LOWER | BLANK | OTHER, stamp),
    (LOWER, cri_stream),
    (OPEN, system_log::caller),
    (OPEN | UPPER, named_stamp),
    (OPEN, horovod_tag),
    (ANY, bar),
    (BLANK | OTHER, column_stamp),
    (OPEN, step_tag),
];

/// Sorts of byte: most layers need not be asked.
const OPEN: u8 = 1;
const BLANK: u8 = 1 << 1;
const DIGIT: u8 = 1 << 2;
const UPPER: u8 = 1 << 3;
const LOWER: u8 = 1 << 4;
const OTHER: u8 = 1 << 5;
const ANY: u8 = OPEN | BLANK | DIGIT | UPPER | LOWER | OTHER;

/// The sort of a byte.
fn sort(byte: u8) -> u8 {
    match byte {
        b'[' => OPEN,
        b' ' => BLANK,
        b'0'..=b'9' => DIGIT,
        b'A'..=b'Z' => UPPER,
        b'a'..=b'z' => LOWER,
        _ => OTHER,
    }
}

/// Peels all prefixes; returns the context and how many bytes they take.
pub fn peel(line: &[u8]) -> (Context, usize) {
    let mut context = Context::default();
    let mut at = 0;
    for _ in 0..MOST_LAYERS {
        let rest = &line[at..];
        let Some(begins) = rest.first().map(|byte| sort(*byte)) else { break };
        let layers = LAYERS.iter().filter(|(sorts, _)| sorts & begins != 0);
        let Some(taken) = layers.map(|(_, layer)| layer).find_map(|layer| layer(rest, &mut context)) else { break };
        at += taken;
        at += blank_one(&line[at..]);
    }
    if context.at.is_none() {
        context.at = bracketed_glog(&line[at..]);
    }
    (context, at)
}

/// The time in torch's `[E504 03:20:30.005271823 ProcessGroupNCCL.cpp:616]`. The bracket stays: it names the file.
fn bracketed_glog(rest: &[u8]) -> Option<Stamp> {
    let inner = rest.strip_prefix(b"[")?;
    if !matches!(inner.first()?, b'I' | b'W' | b'E' | b'F') || !inner.get(1)?.is_ascii_digit() {
        return None;
    }
    time::leading(inner).map(|(at, _)| at)
}

/// `# ` of a transcript in comments, `> ` of a letter that quotes a log, the indent of either: before a time, else it may mean
/// anything. Blanks alone are taken before the host of syslog only, for what is written below another line is indented, too.
fn quote_mark(line: &[u8], context: &mut Context) -> Option<usize> {
    /// Most marks and blanks.
    const MOST: usize = 12;
    let marks = line.iter().take(MOST).take_while(|b| matches!(**b, b'#' | b'>' | b' ' | b'\t')).count();
    let apart = line[..marks].last().is_some_and(|b| matches!(b, b' ' | b'\t'));
    if context.at.is_some() || !apart {
        return None;
    }
    let mut told = Context::default();
    stamp(&line[marks..], &mut told)?;
    let marked = line[..marks].iter().any(|b| matches!(b, b'#' | b'>'));
    (marked || told.node.is_some()).then_some(marks)
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

/// `[80746] ` of a log that was pasted with numbers, in front of `[rank12]:`.
fn number_tag(line: &[u8], _: &mut Context) -> Option<usize> {
    let (_, len) = number(line.strip_prefix(b"[")?)?;
    line[1 + len..].starts_with(b"] [rank").then_some(len + 3)
}

/// SGLang's `[2026-05-04 03:12:41 TP1] `, `[2026-05-04 03:12:41 DP0 TP2 EP2] `. Where data parallel is the attention
/// alone, the tensor parallel number counts through all ranks: those of the first part stand in front, `DP2 TP4` in that
/// order. Where whole replicas are data parallel, it begins anew in each.
fn sglang_tag(line: &[u8], context: &mut Context) -> Option<usize> {
    let rest = line.strip_prefix(b"[").filter(|rest| rest.first().is_some_and(u8::is_ascii_digit))?;
    let (at, len) = time::leading(rest)?;
    let end = rest.iter().take(len + 40).position(|b| *b == b']').filter(|end| *end > len)?;
    let names = std::str::from_utf8(&rest[len..end]).ok()?;
    let of = |key: &str| names.split(' ').find_map(|part| part.strip_prefix(key)?.parse::<i64>().ok());
    let tensor = of("TP")?;
    context.at.get_or_insert(at);
    let through = of("DP").is_none_or(|data| data == 0 || data == tensor || 2 * data <= tensor);
    if through && of("PP").is_none() {
        context.rank = Some(tensor);
    }
    Some(1 + end + 1)
}

/// `[rank12]:`, `[rank12] ` of older builds, and `[rank 12] ` of programs' own.
fn rank_tag(line: &[u8], context: &mut Context) -> Option<usize> {
    let rest = line.strip_prefix(b"[rank")?;
    let gap = usize::from(rest.first() == Some(&b' '));
    let (rank, len) = number(&rest[gap..])?;
    let tail = rest[gap + len..].strip_prefix(b"]")?;
    context.rank = Some(rank);
    Some(5 + gap + len + 1 + usize::from(tail.first() == Some(&b':')))
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

/// Open MPI's `[1,3]<stderr>:`, and PRRTE's `[prterun-host-123@1,3]<stderr>: `.
fn mpi_tag(line: &[u8], context: &mut Context) -> Option<usize> {
    let name = name_before_at(line.strip_prefix(b"[")?);
    let (_, job) = number(&line[1 + name..])?;
    let rest = line[1 + name + job..].strip_prefix(b",")?;
    let (rank, len) = number(rest)?;
    let stream = rest[len..].strip_prefix(b"]<std")?;
    let end = stream.windows(2).position(|pair| pair == b">:").filter(|at| *at <= 4)?;
    context.rank = Some(rank);
    Some(1 + name + job + 1 + len + 5 + end + 2)
}

/// horovodrun's `[3]<stderr>:`.
fn horovod_tag(line: &[u8], context: &mut Context) -> Option<usize> {
    let (rank, len) = number(line.strip_prefix(b"[")?)?;
    let stream = line[1 + len..].strip_prefix(b"]<std")?;
    let end = stream.windows(2).position(|pair| pair == b">:").filter(|at| *at <= 4)?;
    context.rank = Some(rank);
    Some(1 + len + 5 + end + 2)
}

/// A progress bar that another writer went on behind: ` 20%|█▉   | 375/1881 [3:40:16<14:52:25, 35.55s/it][rank3]:…`, or one
/// that has only its head: `375it [3:40:16, 35.55s/it[rank3]:…`.
fn bar(line: &[u8], _: &mut Context) -> Option<usize> {
    /// Prepared once: this is asked of every line that is looked at.
    static TAG: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"[rank"));
    let end = TAG.find(&line[..line.len().min(400)]).filter(|end| *end > 0)?;
    let whole = line[..end].strip_suffix(b"]");
    let bar = whole.unwrap_or(&line[..end]);
    let rated = |rate: &[u8]| bar.ends_with(rate) || whole.is_some() && memchr::memmem::find(bar, rate).is_some();
    (rated(b"it/s") || rated(b"s/it")).then_some(end)
}

/// CloudWatch's columns: `  | 2026-05-04T03:12:41.873Z | text`.
fn column_stamp(line: &[u8], context: &mut Context) -> Option<usize> {
    let pad = line.iter().take_while(|b| **b == b' ').count();
    let rest = line[pad..].strip_prefix(b"| ")?;
    let (at, len) = time::leading(rest)?;
    rest[len..].strip_prefix(b" |")?;
    context.at.get_or_insert(at);
    Some(pad + 2 + len + 2)
}

/// slurmstepd's `[50.batch] `, `[50.extern] `, `[50.0] ` in the log of slurmd, behind the time.
fn step_tag(line: &[u8], context: &mut Context) -> Option<usize> {
    context.at?;
    let rest = line.strip_prefix(b"[")?;
    let (job, len) = number(rest)?;
    let step = rest[len..].strip_prefix(b".")?;
    let end = step.iter().take(12).position(|b| *b == b']')?;
    let (name, digits) = (&step[..end], step[..end].iter().all(u8::is_ascii_digit));
    // Six digits are the fraction of a kernel's time.
    let known = [&b"batch"[..], b"extern", b"interactive"].contains(&name) || (digits && (1..=5).contains(&end));
    (known && context.job.is_none()).then(|| {
        context.job = Some(job);
        1 + len + 1 + end + 1
    })
}

/// Length of `prterun-host-123@`.
fn name_before_at(rest: &[u8]) -> usize {
    if !rest.starts_with(b"pr") {
        return 0;
    }
    rest.iter().take(120).position(|b| *b == b'@').map_or(0, |at| at + 1)
}

/// Ray's and vLLM's `(RayTrainWorker pid=12, ip=10.0.0.4) `, `(Worker_TP1 pid=12) `, `(VllmWorker rank=1 pid=12) `.
fn actor_tag(line: &[u8], context: &mut Context) -> Option<usize> {
    let rest = line.strip_prefix(b"(")?;
    let end = rest.iter().take(160).position(|b| *b == b')')?;
    let inner = std::str::from_utf8(&rest[..end]).ok()?;
    let (name, tail) = inner.split_once(" pid=").or_else(|| inner.strip_prefix("pid=").map(|tail| ("", tail)))?;
    let (pid, len) = number(tail.as_bytes())?;
    let (name, rank) = match name.split_once(" rank=") {
        Some((name, rank)) => (name, rank.parse().ok()),
        None => (name, worker_rank(name)),
    };
    if !name.is_empty() {
        context.actor = Some(name.to_owned());
    }
    context.pid = Some(pid);
    context.rank = context.rank.or(rank);
    if let Some(ip) = tail[len..].strip_prefix(", ip=") {
        context.node = Some(ip.split(',').next().unwrap_or(ip).to_owned());
    }
    Some(end + 2)
}

/// The rank in the name of a vLLM worker: the expert-parallel rank counts all workers of the engine, else the
/// only dimension that is named does.
fn worker_rank(name: &str) -> Option<i64> {
    let dimensions = name.strip_prefix("Worker_")?;
    let of = |key: &str| dimensions.split('_').find_map(|part| part.strip_prefix(key)?.parse().ok());
    match dimensions.split('_').count() {
        1 => ["TP", "DP", "PP", "EP"].iter().find_map(|key| of(key)),
        _ => of("EP"),
    }
}

/// docker compose's `trainer-1  | `.
fn compose_tag(line: &[u8], context: &mut Context) -> Option<usize> {
    let name = line.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')).count();
    let pad = line[name..].iter().take_while(|b| **b == b' ').count();
    let numbered =
        name > 2 && line[..name].iter().rev().find(|b| !b.is_ascii_digit()).is_some_and(|b| matches!(b, b'-' | b'_'));
    // `node | result` of health checks that were run on many nodes has the same shape.
    let checked = ["| Healthy", "| ERROR: nhc:", "| ERROR: No results reported"];
    let checked = checked.iter().any(|head| line[name + pad..].starts_with(head.as_bytes()));
    if !numbered || checked || pad == 0 || !line[name + pad..].starts_with(b"| ") || !line[name - 1].is_ascii_digit() {
        return None;
    }
    context.pod = Some(String::from_utf8_lossy(&line[..name]).into_owned());
    Some(name + pad + 1)
}

/// What Kaggle puts before each line that a notebook printed: seconds since its start and a number, `704.7s\t1461\t`.
fn notebook_tag(line: &[u8], _: &mut Context) -> Option<usize> {
    let digits = |at: usize| line.get(at..)?.iter().take(12).position(|b| !b.is_ascii_digit()).filter(|len| *len > 0);
    let point = digits(0)?;
    let seconds = point + 1 + line.get(point).filter(|b| **b == b'.').and_then(|_| digits(point + 1))?;
    let number = seconds + line.get(seconds..)?.starts_with(b"s\t").then_some(2)?;
    let end = number + digits(number)?;
    (line.get(end) == Some(&b'\t')).then_some(end + 1)
}

/// Buildkite's time mark `_bk;t=1778141291971 BEL` (its escape character is gone by now).
fn build_mark(line: &[u8], context: &mut Context) -> Option<usize> {
    let rest = line.strip_prefix(b"_bk;t=")?;
    let digits = rest.iter().take(14).take_while(|b| b.is_ascii_digit()).count();
    let millis: i64 = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
    context.at.get_or_insert(Stamp { micros: millis.checked_mul(1000)?, clock: Clock::Utc });
    Some(6 + digits + usize::from(rest.get(digits) == Some(&7)))
}

/// Words with a digit that stand before a colon and are no host.
const NO_HOSTS: [&str; 22] = [
    "rank", "step", "epoch", "iter", "cuda", "gpu", "eth", "ib", "mlx", "bond", "layer", "task", "group", "stage",
    "slurm", "srun", "nvidia", "python", "level", "test", "line", "pid",
];

/// pdsh's and clush's `gpu-018: `: a host name that ends in a digit, or an address, in front of everything else.
///
/// Capitals are a host's where a rank's own tag follows. DeepSpeed has pdsh call the host it starts from `localhost`: of that
/// the name tells nothing.
fn host_tag(line: &[u8], context: &mut Context) -> Option<usize> {
    let len = line.iter().take(64).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')).count();
    let rest = line[len..].strip_prefix(b": ")?;
    let name = std::str::from_utf8(&line[..len]).ok()?;
    // Behind a name that goes on after its number stands a time: other words end in a colon as well.
    let dated = || time::leading(rest).is_some();
    let tagged = rest.starts_with(b"[rank");
    if name == "localhost" && (tagged || dated()) {
        return Some(len + 1);
    }
    let numbered = name.ends_with(|c: char| c.is_ascii_digit())
        || (name.contains(|c: char| c.is_ascii_digit()) && name.ends_with(|c: char| c.is_ascii_lowercase()) && dated());
    let lower = !name.contains(|c: char| c.is_ascii_uppercase());
    let begun = name.starts_with(|c: char| c.is_ascii_alphabetic()) && (lower || tagged);
    let named = begun && numbered && !is_word(&name.to_ascii_lowercase()) && name.len() >= 4;
    let hostlike = named || is_address(name);
    if !hostlike || context.node.is_some() || context.at.is_some() {
        return None;
    }
    context.node = Some(name.to_owned());
    Some(len + 1)
}

/// `10.0.4.18`.
fn is_address(name: &str) -> bool {
    name.parse::<Ipv4Addr>().is_ok()
}

/// Whether it is a word of logs with a number behind it. `gpu538` and `gpu01` are hosts: no board is counted like that.
fn is_word(name: &str) -> bool {
    let counted = |rest: &str| rest.len() == 1 || rest.len() == 2 && !rest.starts_with('0');
    NO_HOSTS.iter().any(|word| {
        name.strip_prefix(word).is_some_and(|rest| match *word {
            "nvidia" | "slurm" => true,
            "gpu" => !rest.starts_with('-') && counted(rest),
            _ => !rest.starts_with('-'),
        })
    })
}

/// `[pod/name/container] ` of `kubectl logs --prefix`.
fn pod_tag(line: &[u8], context: &mut Context) -> Option<usize> {
    let rest = line.strip_prefix(b"[pod/")?;
    let end = rest.iter().take(320).position(|b| *b == b']')?;
    let inner = std::str::from_utf8(&rest[..end]).ok()?;
    context.pod = Some(inner.split('/').next().unwrap_or(inner).to_owned());
    Some(5 + end + 1)
}

/// A time stamp at the start of the line; behind one of syslog or journald stand host and program.
fn stamp(line: &[u8], context: &mut Context) -> Option<usize> {
    let (at, len) = time::leading(line)?;
    context.at.get_or_insert(at);
    let sure = if at.clock == Clock::Yearless { Sure::Syslog } else { Sure::Other };
    Some(len + system_log::host(&line[len..], sure, context).unwrap_or(0))
}

/// `stderr F ` behind the time in the logs that CRI's runtimes keep of containers: the stream, and whether it is a line's
/// end (`F`) or a part (`P`).
///
/// Kubernetes 1.33 `pkg/kubelet/kuberuntime/logs/logs.go` (`parseCRILog`).
fn cri_stream(line: &[u8], context: &mut Context) -> Option<usize> {
    context.at?;
    let rest = line.strip_prefix(b"std")?;
    let stream = ["out ", "err "].iter().find_map(|name| rest.strip_prefix(name.as_bytes()))?;
    (stream.starts_with(b"F ") || stream.starts_with(b"P ")).then_some(8)
}

/// A logger's level or name in front of the time: `INFO 05-04 03:12:41 `, `[titan] 2026-…`, `[NeMo W 2026-…`.
fn named_stamp(line: &[u8], context: &mut Context) -> Option<usize> {
    const NAMES: [&str; 12] = [
        "INFO ",
        "WARNING ",
        "ERROR ",
        "DEBUG ",
        "CRITICAL ",
        "INFO:",
        "WARNING:",
        "ERROR:",
        "[titan] ",
        "[NeMo W ",
        "[NeMo I ",
        "[NeMo E ",
    ];
    let name = NAMES.iter().find(|name| line.starts_with(name.as_bytes()))?;
    let (at, len) = time::leading(&line[name.len()..])?;
    context.at.get_or_insert(at);
    let taken = name.len() + len;
    Some(taken + source_place(&line[taken..]))
}

/// Length of ` [core.py:718]`, where the logger tells the line that logs.
fn source_place(rest: &[u8]) -> usize {
    let Some(inner) = rest.strip_prefix(b" [") else { return 0 };
    let Some(end) = inner.iter().take(80).position(|b| *b == b']') else { return 0 };
    if memchr::memmem::find(&inner[..end], b".py:").is_some() { 2 + end + 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    #[test]
    fn no_layer_begins_with_a_byte_that_it_is_not_asked_for() {
        let parts = "[ ] ( ) < > : | , . ; - _ / @ 12 0 3 rank rank12 default3 pod/a TP1 <std out>: err>: F \
                     pid=4 Worker_TP0 trainer-1 gpu-17 704.7s \t 1461 _bk;t=1778141291971 6,8812,9421180230,-; kern :warn \
                     2026-05-04 03:12:41 May 4 1777864361 2026.05.04 E504 T123 batch [titan] INFO it/s ][rank3] é \x07";
        let mut parts: Vec<&str> = parts.split(' ').collect();
        parts.extend([
            " ",
            "  ",
            ": ",
            "] ",
            ") ",
            "| ",
            "stderr F ",
            "704.7s\t1461\t",
            "[80746] [rank3]",
            "[rank3]:",
            "[1,3]<stderr>:",
            "[2026-05-04 03:12:41 TP1] ",
            "- 1777864361 2026.05.04 gpu-17 ",
            "[3]<stderr>:",
            "<14>",
            "[50.batch] ",
            "10.0.4.18: ",
            "DGX2-1: ",
            "localhost: ",
            "INFO 2026-05-04 03:12:41 ",
            " 20%|## | 3/9 [00:16<00:25, 35.5s/it][rank3]:",
            "2026-05-04 03:12:41 ",
            "# 2026-05-04 03:12:41 ",
            "trainer-1  | x",
            "[default3]:",
            "kern  :warn  : ",
            "  | 2026-05-04T03:12:41.873Z | ",
        ]);
        let (mut dice, mut applied) = (Dice(3), [false; LAYERS.len()]);
        let dated = Context { at: time::read("2026-05-04 03:12:41"), ..Context::default() };
        let mut mixed = || (0..1 + dice.below(7)).map(|_| dice.one(&parts)).collect();
        let mixed: Vec<String> = (0..300_000).map(|_| mixed()).collect();
        for line in parts.iter().map(|part| (*part).to_owned()).chain(mixed) {
            let begins = sort(line.as_bytes()[0]);
            for (number, (sorts, layer)) in LAYERS.iter().enumerate() {
                for context in [Context::default(), dated.clone()] {
                    if layer(line.as_bytes(), &mut context.clone()).is_some() {
                        assert!(sorts & begins != 0, "layer {number}: {line:?}");
                        applied[number] = true;
                    }
                }
            }
        }
        assert!(applied.iter().all(|applied| *applied), "{applied:?}");
    }

    #[test]
    fn slurmstepd_tells_its_job_in_the_log_of_slurmd() {
        let line = b"[2026-05-04T03:12:41.269] [71204.batch] error: x";
        let (context, at) = peel(line);
        assert_eq!((context.job, &line[at..]), (Some(71204), &b"error: x"[..]));
        let kernel = b"2026-05-04T03:12:41 [14711.786065] x";
        assert_eq!(peel(kernel).0.job, None);
    }

    #[test]
    fn the_time_in_torchs_bracket_is_read_and_the_bracket_stays() {
        let line = b"[rank3]:[E504 03:20:30.005271823 ProcessGroupNCCL.cpp:616] [Rank 3] Watchdog";
        let (context, at) = peel(line);
        assert_eq!((context.rank, context.at.is_some(), &line[at..at + 5]), (Some(3), true, &b"[E504"[..]));
        assert_eq!(peel(b"[E ProcessGroupNCCL.cpp:821] [Rank 1]").0.at, None);
    }

    #[test]
    fn sglangs_tensor_parallel_number_is_the_rank_where_it_counts_through() {
        let rank = |who: &str| peel(format!("[2026-05-04 03:12:41 {who}] x").as_bytes()).0.rank;
        assert_eq!(rank("TP3"), Some(3));
        assert_eq!(rank("DP0 TP1"), Some(1));
        assert_eq!(rank("DP2 TP5 EP5"), Some(5));
        assert_eq!(rank("DP3 TP3"), Some(3));
        assert_eq!(rank("DP1 TP0"), None, "a replica of its own");
        assert_eq!(rank("DP3 TP5"), None);
        assert_eq!(rank("PP1 TP0"), None);
    }

    #[test]
    fn a_programs_own_tag_of_its_rank_may_have_a_blank() {
        let (context, at) = peel(b"[rank 12] NCCL WARN x");
        assert_eq!((context.rank, at), (Some(12), 10));
        assert_eq!(peel(b"[rank  12] x").0.rank, None);
        assert_eq!(peel(b"[Rank 12] x").0.rank, None, "torch's place in a group");
    }

    #[test]
    fn layers_are_peeled_in_any_order() {
        let line = b"3: [default1]:[rank11]:2026-05-04 03:12:41,250 hello";
        let (context, at) = peel(line);
        assert_eq!(&line[at..], b"hello");
        assert_eq!((context.label, context.local_rank, context.rank), (Some(3), Some(1), Some(11)));
        assert!(context.at.is_some());
    }

    #[test]
    fn launchers_and_loggers_tell_who_writes() {
        let seen = |line: &str| {
            let (context, at) = peel(line.as_bytes());
            (context.rank, context.node, context.pid, line[at..].to_owned())
        };
        let some = |text: &str| Some(text.to_owned());
        for (line, rank, node, pid, rest) in [
            ("(Worker_DP2_EP2 pid=41) x", Some(2), None, Some(41), "x"),
            ("(Worker_TP1 pid=41) x", Some(1), None, Some(41), "x"),
            ("(Worker_DP1_TP0_EP2 pid=41) x", Some(2), None, Some(41), "x"),
            ("(Worker_PP1_TP0 pid=41) x", None, None, Some(41), "x"),
            ("(VllmWorker rank=3 pid=41) x", Some(3), None, Some(41), "x"),
            ("(RayTrainWorker pid=41, ip=10.0.4.18) x", None, some("10.0.4.18"), Some(41), "x"),
            ("[prterun-gpu-017-99@1,3]<stdout>: x", Some(3), None, None, "x"),
            ("gpu-018: [2026-05-04 03:12:41,250] x", None, some("gpu-018"), None, "x"),
            ("May  4 03:12:41 gpu-017 python3[41]: x", None, some("gpu-017"), Some(41), "x"),
            ("May  4 03:12:41 gpu-017 torchrun[41]:   x", None, some("gpu-017"), Some(41), "  x"),
            ("May  4 03:12:41 gpu-017 0f1e2d3c4b5a[41]: [rank1]: x", Some(1), some("gpu-017"), Some(41), "x"),
            ("May  4 03:12:41 gpu-017 slurmd[41]: x", None, some("gpu-017"), Some(41), "slurmd[41]: x"),
            ("_bk;t=1778141291971\u{7}(APIServer pid=7) x", None, None, Some(7), "x"),
            ("704.7s\t1461\t[rank1]: x", Some(1), None, None, "x"),
            ("10.0.4.18: x", None, some("10.0.4.18"), None, "x"),
            ("DGX2-1: [rank8]: x", Some(8), some("DGX2-1"), None, "x"),
            ("localhost: [rank0]: x", Some(0), None, None, "x"),
            ("localhost: x", None, None, None, "localhost: x"),
            ("RANK0: [rank0]: x", None, None, None, "RANK0: [rank0]: x"),
            ("WARNING1: x", None, None, None, "WARNING1: x"),
            ("# May  4 03:12:41 gpu-017 slurmd[41]: x", None, some("gpu-017"), Some(41), "slurmd[41]: x"),
            ("> > [14711.786065] x", None, None, None, "x"),
            ("    May  4 03:12:41 gpu-017 slurmd[41]: x", None, some("gpu-017"), Some(41), "slurmd[41]: x"),
            ("    2026-05-04 03:12:41 x", None, None, None, "    2026-05-04 03:12:41 x"),
            ("# of ranks: 3", None, None, None, "# of ranks: 3"),
            ("gpu538:   x", None, some("gpu538"), None, "  x"),
            ("gpu01: x", None, some("gpu01"), None, "x"),
            ("trainer-1  | x", None, None, None, "x"),
            ("gpu-18 | ERROR: nhc: x", None, None, None, "gpu-18 | ERROR: nhc: x"),
            ("(Worker_TP1 pid=41) ERROR 05-07 08:11:40 [core.py:962]     raise", Some(1), None, Some(41), "    raise"),
            ("[3]<stderr>:x", Some(3), None, None, "x"),
            ("2026-05-04T03:12:41.250000001Z stderr F [rank3]:   x", Some(3), None, None, "  x"),
            ("2026-05-04T03:12:41.250000001Z stdout P   x", None, None, None, "  x"),
            ("2026-05-04T03:12:41Z stdout of rank 3", None, None, None, "stdout of rank 3"),
            ("  | 2026-05-04T03:12:41.873Z | [rank4]:x", Some(4), None, None, "x"),
            (" 20%|=>   | 375/1881 [3:40:16<14:52:25, 35.55s/it][rank3]:x", Some(3), None, None, "x"),
            ("375it [3:40:16, 35.55s/it[rank3]:x", Some(3), None, None, "x"),
            ("speed in s/it of [rank3]:x", None, None, None, "speed in s/it of [rank3]:x"),
        ] {
            assert_eq!(seen(line), (rank, node, pid, rest.to_owned()), "{line}");
        }
    }

    #[test]
    fn words_before_a_colon_are_no_hosts() {
        for line in [
            "rank0: x",
            "step5: x",
            "slurmstepd-gpu-002: error: x",
            "nvidia-nvswitch3: SXid",
            "ValueError: x",
            "mlx5_0: x",
            "gpu0: x",
            "gpu12: x",
            "1.2.3: x",
        ] {
            assert_eq!(peel(line.as_bytes()).0.node, None, "{line}");
        }
    }

    #[test]
    fn no_start_of_a_line_is_too_odd() {
        const PARTS: [&[u8]; 30] = [
            b"[",
            b"]",
            b":",
            b" ",
            b"rank",
            b"default",
            b"12",
            b"3",
            b",",
            b"<std",
            b"err>:",
            b"(",
            b" pid=",
            b", ip=",
            b")",
            b"[pod/",
            b"/",
            b"_bk;t=",
            b"\x07",
            b"gpu-018",
            b"| ",
            b"May  4 03:12:41",
            b"2026-05-04T03:12:41",
            b"05-04 03:12:41",
            b"05/04/2026 03:12:41",
            b"Mon May  4 03:12:41 2026",
            b"ERROR ",
            b"%|",
            b"\xff\xe2",
            b"Worker_DP2_EP",
        ];
        let mut dice = Dice(7);
        for _ in 0..20_000 {
            let mut line = Vec::new();
            for _ in 0..8 {
                line.extend_from_slice(dice.one(&PARTS));
            }
            assert!(peel(&line).1 <= line.len(), "{}", String::from_utf8_lossy(&line));
        }
    }

    #[test]
    fn a_time_of_day_is_no_task_label() {
        let (context, _) = peel(b"12:04:09 hello");
        assert_eq!(context.label, None);
    }
}
