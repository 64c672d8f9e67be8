//! Who wrote a log, as far as its name tells: by conventions that are safe only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::Document;

/// Who wrote a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Witness {
    /// Global rank: `rank_3.log`, Open MPI's `rank.3/stdout`.
    pub rank: Option<i64>,
    /// Rank on its node: torchrun's `attempt_0/3/stderr.log` (`--log-dir`, torch 1.9 and newer), `local_rank_3.log`.
    pub local_rank: Option<i64>,
    /// Number of a scheduler's task: `task_3.out`.
    pub label: Option<i64>,
    /// Host: `gpu-17.err` beside `gpu-18.err`.
    pub node: Option<String>,
}

static NUMBERED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let word = r"(?P<of>[A-Za-z]+[_.-]?)?(?P<word>rank|task)[_.=-]?(?P<number>[0-9]{1,6})";
    Regex::new(&format!(r"(?i)(?:^|[^A-Za-z0-9]){word}(?:$|[^A-Za-z0-9])")).ok()
});

/// What may stand before `rank` without making another number of it: nothing, or what the file holds.
const OF_RANK: [&str; 14] = [
    "", "global", "world", "log", "stdout", "stderr", "out", "err", "pyspy", "spy", "pystack", "stack", "stacks",
    "dump",
];

static TORCHRUN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:^|[/!])attempt_[0-9]+/(?P<rank>[0-9]{1,4})/(?:stdout|stderr)\.log(?:$|\.)").ok());

/// Words with which clusters begin the names of hosts.
static HOST: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = "gpunode|gpu|node|host|compute|cn|gn|nid|dgx|hgx|a100|h100|h200|b200|mi300";
    Regex::new(&format!(r"(?:^|[/!._-])(?P<host>(?:{words})(?:-[a-z]{{1,12}})?-?(?P<number>[0-9]{{1,6}}))(?:$|[/!._])"))
        .ok()
});

/// The log of a node's daemon, as `SlurmdLogFile` is usually set: `slurmd.%n.log`, `slurmd-%h.log`.
static SLURMD: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:^|[/!])slurmd[._-](?P<host>[A-Za-z][A-Za-z0-9-]*[0-9])\.log(?:$|\.)").ok());

/// More GPUs than one host has: a smaller number behind `gpu` may count GPUs, not hosts.
const MOST_GPUS: i64 = 16;

/// Sets the witness of each document.
pub(super) fn name<S>(documents: &mut [Document<S>]) {
    let names: Vec<&str> = documents.iter().map(|document| document.name.as_str()).collect();
    let witnesses = witnesses(&names);
    for (document, witness) in documents.iter_mut().zip(witnesses) {
        document.witness = witness;
    }
}

fn witnesses(names: &[&str]) -> Vec<Witness> {
    let hosts = hosts(names);
    let mut all: Vec<Witness> = names.iter().map(|name| numbered(name)).collect();
    for (witness, host) in all.iter_mut().zip(hosts) {
        witness.node = host;
    }
    all
}

/// What the numbers in a name tell.
fn numbered(name: &str) -> Witness {
    let mut witness = Witness::default();
    if let Some(found) = TORCHRUN.as_ref().and_then(|layout| layout.captures(name)) {
        witness.local_rank = found["rank"].parse().ok();
        return witness;
    }
    let Some(pattern) = NUMBERED.as_ref() else { return witness };
    for found in pattern.captures_iter(name) {
        // A folder is of a rank where that is all its name says: what it is called may tell of another number.
        let behind = found.name("number").map_or("", |number| &name[number.end()..]);
        if behind.contains(['/', '!']) && !behind.starts_with(['/', '!']) {
            continue;
        }
        let number = found["number"].parse().ok();
        let of = found.name("of").map_or("", |of| of.as_str()).trim_end_matches(['_', '.', '-']).to_ascii_lowercase();
        match (found["word"].to_ascii_lowercase().as_str(), of.as_str()) {
            ("rank", of) if OF_RANK.contains(&of) => witness.rank = number,
            ("rank", "local") => witness.local_rank = number,
            ("task", "") => witness.label = number,
            _ => {}
        }
    }
    witness
}

/// The host in each name, where several names differ by it.
fn hosts(names: &[&str]) -> Vec<Option<String>> {
    let found: Vec<Option<(String, i64, String)>> = names.iter().map(|name| host(name)).collect();
    let mut alike: BTreeMap<&str, BTreeSet<(&str, i64)>> = BTreeMap::new();
    for (host, number, shape) in found.iter().flatten() {
        alike.entry(shape).or_default().insert((host, *number));
    }
    let several = |shape: &str| {
        alike.get(shape).is_some_and(|hosts| {
            let counts_gpus = hosts.iter().all(|(host, number)| host.starts_with("gpu") && *number < MOST_GPUS);
            hosts.len() > 1 && !counts_gpus
        })
    };
    let differs = |one: &Option<(String, i64, String)>| {
        one.as_ref().filter(|(.., shape)| several(shape)).map(|(host, ..)| host.clone())
    };
    let of_daemon = |name: &&str| Some(SLURMD.as_ref()?.captures(name)?["host"].to_owned());
    names.iter().zip(&found).map(|(name, one)| of_daemon(name).or_else(|| differs(one))).collect()
}

/// The last host in a name, its number, and the name with all numbers and the host left out.
fn host(name: &str) -> Option<(String, i64, String)> {
    let found = HOST.as_ref()?.captures_iter(name).last()?;
    let host = found.name("host")?;
    let around = [&name[..host.start()], "\0", &name[host.end()..]].concat();
    let shape = around.chars().filter(|char| !char.is_ascii_digit()).collect();
    Some((host.as_str().to_owned(), found["number"].parse().ok()?, shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_ranks_by_safe_conventions_only() {
        let rank = |n| Witness { rank: Some(n), ..Witness::default() };
        let local = |n| Witness { local_rank: Some(n), ..Witness::default() };
        let nobody = Witness::default();
        for (name, want) in [
            ("logs/rank_3.log", rank(3)),
            ("logs/rank12.err.gz", rank(12)),
            ("a.tar!out/stderr_rank-7.txt", rank(7)),
            ("out/1/rank.03/stdout", rank(3)),
            ("stacks/pyspy_rank_3.json", rank(3)),
            ("py-spy-rank-3.txt", rank(3)),
            ("run/local_rank_2.log", local(2)),
            ("run_x7/attempt_0/3/stderr.log", local(3)),
            ("bundle.tgz!run_x7/attempt_1/0/stdout.log", local(0)),
            ("task_3.out", Witness { label: Some(3), ..Witness::default() }),
            ("node_rank_1.log", nobody.clone()),
            ("rank-0-is-late/gpu-17.log", nobody.clone()),
            ("rank-0-is-late/rank_3.log", rank(3)),
            ("job/rank-2/stderr", rank(2)),
            ("frank3.log", nobody.clone()),
            ("ranked5x.log", nobody.clone()),
            ("3/stderr.log", nobody.clone()),
            ("slurm-4711.out", nobody.clone()),
        ] {
            assert_eq!(numbered(name), want, "{name}");
        }
    }

    #[test]
    fn names_tell_hosts_only_where_they_differ_by_them() {
        let told =
            |names: &[&str]| hosts(names).into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join(" ");
        for (names, want) in [
            (["node-17/stdout", "node-18/stdout"].as_slice(), "node-17 node-18"),
            (&["gpu-17.err", "gpu-18.err", "x.log"], "gpu-17 gpu-18 "),
            (&["train-4711-0-gpu-17.out", "train-4711-1-gpu-18.out"], "gpu-17 gpu-18"),
            (&["gpu-17.err"], ""),
            (&["gpu-17.err", "gpu-17.out"], " "),
            (&["gpu0.log", "gpu1.log"], " "),
            (&["slurm-4711.out", "slurm-4712.out"], " "),
            (&["train-1.log", "train-2.log"], " "),
            (&["case/slurmd.gpu-007.log", "slurmd.log", "slurmd-2026.log"], "gpu-007  "),
            (&["node-17/attempt_0/0/stderr.log", "node-18/attempt_0/1/stderr.log"], "node-17 node-18"),
        ] {
            assert_eq!(told(names), want, "{names:?}");
        }
    }
}
