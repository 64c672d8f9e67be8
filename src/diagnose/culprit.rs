//! Who is to blame for what was found.

use std::collections::HashSet;

use diag_parsers::{Value, hostlist};

use super::matching::Match;
use super::outcome::values;
use crate::evidence::{Table, gpu, is_oneself};
use crate::verdict::Culprit;

/// Who is to blame; the flag says that every known rank is hit alike, so that none is.
pub fn culprit(found: &Match<'_>, table: &Table) -> (Culprit, bool) {
    let from = &found.playbook.culprit;
    let told = |paths: &Option<Vec<String>>, column: &str| texts(found, table, paths.as_deref(), column);
    let mut ranks = ranks(found, table);
    let host = |name: String| table.job.names.get(&name).cloned().unwrap_or(name);
    let mut nodes: Vec<String> = told(&from.nodes, "node").iter().flat_map(|text| hosts(text)).map(host).collect();
    if let Some(own) = hosts_of(&ranks, table).filter(|own| tellers_only(found, table, &nodes, own)) {
        nodes = own;
    }
    let mut gpus = match from.gpus {
        None if of_reporter(found, table) => Vec::new(),
        _ => apart(told(&from.gpus, "gpu")),
    };
    let everyone = are_all(&ranks, &nodes, found, table);
    if everyone {
        ranks.clear();
        if nodes.len() > 1 {
            nodes.clear();
        }
        // Every rank has a GPU with some index on its node: of all of them that names none.
        gpus.retain(|gpu| gpu.parse::<u32>().is_err());
    }
    nodes.retain(|node| !is_placeholder(node) && (!is_oneself(node) || is_slurms_name(found, table, node)));
    nodes.sort();
    nodes.dedup();
    let culprit = Culprit { ranks, nodes, gpus, pods: told(&from.pods, "pod"), jobs: told(&from.jobs, "job") };
    (culprit, everyone)
}

/// Whether the GPU beside the first clue is but that of the process which printed it: NCCL puts its index before each line,
/// and before those of its plugins, whatever the line is about. Playbooks of faults of a GPU ask for it.
fn of_reporter(found: &Match<'_>, table: &Table) -> bool {
    let by_nccl = |kind: &str| kind.starts_with("nccl.") || kind.starts_with("ofi.");
    found.picked(first(found)).iter().all(|row| by_nccl(table.rows[*row].kind))
}

/// The hosts of ranks, where each one's is known.
fn hosts_of(ranks: &[i64], table: &Table) -> Option<Vec<String>> {
    let hosts: Option<Vec<String>> = ranks.iter().map(|rank| table.job.hosts.get(rank).cloned()).collect();
    hosts.filter(|hosts| !hosts.is_empty())
}

/// Whether the nodes are but those of whoever tells of the ranks: they stand in the column of who wrote a line, and none
/// is a host of these ranks.
fn tellers_only(found: &Match<'_>, table: &Table, nodes: &[String], own: &[String]) -> bool {
    let named =
        |path: &String| path.split('|').any(|one| !one.ends_with(".node")) && !values(found, table, path).is_empty();
    let paths = found.playbook.culprit.nodes.as_deref().unwrap_or_default();
    !nodes.is_empty() && !paths.iter().any(named) && !nodes.iter().any(|node| own.contains(node))
}

/// What stands at the paths of a playbook, else in a column of its first clue; each text once.
fn texts(found: &Match<'_>, table: &Table, paths: Option<&[String]>, column: &str) -> Vec<String> {
    let default = [format!("{}.{column}", first(found))];
    let mut all: Vec<String> = Vec::new();
    for value in paths.unwrap_or(&default).iter().flat_map(|path| values(found, table, path)) {
        match value {
            Value::Ranks(list) => all.extend(list.iter().map(ToString::to_string)),
            value => all.push(value.to_string()),
        }
    }
    let mut seen = HashSet::new();
    all.retain(|text| !text.is_empty() && seen.insert(text.clone()));
    all
}

/// The first clue of a match.
fn first<'m>(found: &Match<'m>) -> &'m str {
    found.bound.keys().next().copied().unwrap_or_default()
}

/// The ranks that a match names, in order.
fn ranks(found: &Match<'_>, table: &Table) -> Vec<i64> {
    let paths = found.playbook.culprit.ranks.as_deref();
    let told = texts(found, table, paths, "rank");
    let mut ranks: Vec<i64> = told.iter().filter_map(|rank| rank.parse().ok()).collect();
    if paths.is_none() {
        ranks.extend(torn(found, table));
    }
    ranks.sort_unstable();
    ranks.dedup();
    ranks
}

/// Whether ranks are all that the job has, as far as is known. A line that names two ranks blames those two, also where no
/// others are known of.
fn are_all(ranks: &[i64], nodes: &[String], found: &Match<'_>, table: &Table) -> bool {
    let paths = found.playbook.culprit.ranks.as_deref();
    let named = paths.is_some_and(|paths| !paths.iter().any(|path| path.ends_with(".rank")));
    let several = |path: &String| path.split('|').any(|one| tells_of_several(found, table, one));
    let compared =
        ranks.len() == 2 && table.job.world_size.is_none() && paths.is_some_and(|all| all.iter().any(several));
    let all = ranks.len() >= table.job.size() || nodes.is_empty() && is_one_host(ranks, table);
    ranks.len() > 1 && !named && !compared && all
}

/// Whether a field of a match tells of several ranks at once: who compares two of them names both.
fn tells_of_several(found: &Match<'_>, table: &Table, path: &str) -> bool {
    values(found, table, path).iter().any(|value| value.ranks().is_some_and(|ranks| ranks.len() > 1))
}

/// Whether ranks are all that were heard, and those of one host by their numbers: of the others nothing was read, so that
/// they may say the same.
fn is_one_host(ranks: &[i64], table: &Table) -> bool {
    let (Some(first), Some(last), len) = (ranks.first(), ranks.last(), ranks.len() as i64) else { return false };
    let block = last - first + 1 == len && first % len == 0 && table.job.size() as i64 % len == 0;
    block && table.job.ranks.len() == ranks.len()
}

/// Most exceptions of one match whose torn likenesses are sought.
const MOST_TORN: usize = 8;

/// The ranks that said the same, but in a line that was torn: a launcher passes on what one read brought, and the end of a
/// message may come in another line.
fn torn(found: &Match<'_>, table: &Table) -> Vec<i64> {
    let said = |id: usize| {
        let fields = &table.rows[id].fields;
        Some((fields.text("type")?, fields.text("message")?))
    };
    let whole: Vec<_> = found.picked(first(found)).iter().filter_map(|id| said(*id)).take(MOST_TORN).collect();
    let alike = |(kind, text): (&str, &str)| {
        let begins = |other: &str| text.starts_with(other) || other.starts_with(text);
        !text.is_empty() && whole.iter().any(|(other, message)| *other == kind && begins(message))
    };
    let rows = table.of_kind(EXCEPTION).iter().filter(|_| !whole.is_empty());
    rows.filter(|id| said(**id).is_some_and(alike)).filter_map(|id| table.rows[*id].rank()).collect()
}

/// An exception of a Python program.
const EXCEPTION: &str = "python.exception";

/// Whether somebody wrote it in the place of a name: `<gpu-node>`, `10.0...`.
fn is_placeholder(name: &str) -> bool {
    name.starts_with('<') || name.contains("..")
}

/// Whether Slurm's records of nodes call one so: `NodeName=localhost` is the name of the only node of its cluster.
fn is_slurms_name(found: &Match<'_>, table: &Table, name: &str) -> bool {
    let rows = || found.needed().map(|row| &table.rows[row]);
    rows().any(|row| row.kind.starts_with("slurm.node") && row.node() == Some(name))
}

/// GPUs, each once however it is written: as the first row that names it does.
fn apart(mut gpus: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    gpus.retain(|name| seen.insert(gpu::common(name)));
    gpus
}

/// The hosts of a short hostlist; a long one stays as it is written, which is how people read it.
fn hosts(text: &str) -> Vec<String> {
    const MOST: usize = 8;
    let listed = text.contains(['[', ',']).then(|| hostlist::expand(text, MOST).ok()).flatten();
    listed.unwrap_or_else(|| vec![text.to_owned()])
}
