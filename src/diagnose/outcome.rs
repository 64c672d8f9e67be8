//! What the matches come to: the outcome, the culprit, the fixes that apply.

use std::borrow::Cow;
use std::collections::HashSet;

use diag_parsers::{Says, Value, hostlist};

use super::matching::{Match, find};
use super::ranking::{Ranked, rank};
use crate::evidence::{Table, gpu};
use crate::playbook::Playbook;
use crate::playbook::schema::{FixFile, TestFile};
use crate::verdict::{Confidence, Culprit, Outcome};

/// Which causes fit a table, the answer first, and what that makes of the run.
pub fn weigh<'p>(table: &Table, playbooks: &[&'p Playbook]) -> (Outcome, Vec<Ranked<'p>>) {
    let ranked = rank(playbooks.iter().flat_map(|playbook| find(playbook, table)).collect(), table);
    let outcome = outcome(ranked.iter().find(|ranked| ranked.root), table);
    (outcome, if outcome == Outcome::Healthy { Vec::new() } else { ranked })
}

fn outcome(first: Option<&Ranked<'_>>, table: &Table) -> Outcome {
    let sure = first.is_some_and(|root| root.found.confidence >= Confidence::Likely);
    let open = table.troubles().next().is_some() || first.is_some_and(|root| is_open(root, table));
    match (sure, open) {
        (true, _) => Outcome::Diagnosed,
        (false, true) => Outcome::Undetermined,
        (false, false) => Outcome::Healthy,
    }
}

/// Whether a finding rests on readings of a node that are not as they should be, where no run shows that they do no harm.
fn is_open(root: &Ranked<'_>, table: &Table) -> bool {
    let read = |row: usize| ["probe.", "peers."].iter().any(|start| table.rows[row].kind.starts_with(start));
    root.found.needed().any(read) && !table.rows.iter().any(|row| row.says == Says::Success)
}

/// Who is to blame; the flag says that every known rank is hit alike, so that none is.
pub fn culprit(found: &Match<'_>, table: &Table) -> (Culprit, bool) {
    let from = &found.playbook.culprit;
    let first = found.bound.keys().next().copied().unwrap_or_default();
    let texts = |paths: &Option<Vec<String>>, column: &str| -> Vec<String> {
        let default = vec![format!("{first}.{column}")];
        let mut all: Vec<String> = Vec::new();
        for path in paths.as_ref().unwrap_or(&default) {
            for value in values(found, table, path) {
                let list = match value {
                    Value::Ranks(list) => list.iter().map(ToString::to_string).collect(),
                    value => vec![value.to_string()],
                };
                all.extend(list.into_iter().filter(|text| !text.is_empty()));
            }
        }
        let mut seen = HashSet::new();
        all.retain(|text| seen.insert(text.clone()));
        all
    };
    let mut ranks: Vec<i64> = texts(&from.ranks, "rank").iter().filter_map(|rank| rank.parse().ok()).collect();
    if from.ranks.is_none() {
        ranks.extend(torn(found, table));
    }
    ranks.sort_unstable();
    ranks.dedup();
    // A line that names two ranks blames those two, also where the job has no others that are known of.
    let named = from.ranks.as_ref().is_some_and(|paths| !paths.iter().any(|path| path.ends_with(".rank")));
    let compared = ranks.len() == 2
        && table.job.world_size.is_none()
        && from.ranks.iter().flatten().any(|path| path.split('|').any(|one| tells_of_several(found, table, one)));
    let host = |name: String| table.job.names.get(&name).cloned().unwrap_or(name);
    let mut nodes: Vec<String> = texts(&from.nodes, "node").iter().flat_map(|text| hosts(text)).map(host).collect();
    let all = ranks.len() >= table.job.size() || nodes.is_empty() && is_one_host(&ranks, table);
    let everyone = !named && !compared && ranks.len() > 1 && all;
    if everyone {
        ranks.clear();
        if nodes.len() > 1 {
            nodes.clear();
        }
    }
    let mut gpus = apart(texts(&from.gpus, "gpu"));
    // Every rank has a GPU with some index on its node: of all of them that names none.
    if everyone {
        gpus.retain(|gpu| gpu.parse::<u32>().is_err());
    }
    nodes.retain(|node| !is_placeholder(node) && (!is_oneself(node) || is_slurms_name(found, table, node)));
    nodes.sort();
    nodes.dedup();
    let culprit = Culprit { ranks, nodes, gpus, pods: texts(&from.pods, "pod"), jobs: texts(&from.jobs, "job") };
    (culprit, everyone)
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
    let first = found.bound.keys().next().copied().unwrap_or_default();
    let said = |id: usize| {
        let fields = &table.rows[id].fields;
        Some((fields.text("type")?, fields.text("message")?))
    };
    let whole: Vec<_> = found.picked(first).iter().filter_map(|id| said(*id)).take(MOST_TORN).collect();
    let alike = |(kind, text): (&str, &str)| {
        let begins = |other: &str| text.starts_with(other) || other.starts_with(text);
        !text.is_empty() && whole.iter().any(|(other, message)| *other == kind && begins(message))
    };
    let rows = table.of_kind(EXCEPTION).iter().filter(|_| !whole.is_empty());
    rows.filter(|id| said(**id).is_some_and(alike)).filter_map(|id| table.rows[*id].rank()).collect()
}

/// An exception of a Python program.
const EXCEPTION: &str = "python.exception";

/// Whether a name is what every host calls itself: it names none.
fn is_oneself(name: &str) -> bool {
    let address = name.parse::<std::net::IpAddr>();
    name.eq_ignore_ascii_case("localhost")
        || name.starts_with("localhost.")
        || address.is_ok_and(|address| address.is_loopback() || address.is_unspecified())
}

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

/// The values at `clue.field` in the picked rows of a match.
///
/// `told.node|killed.node`: the first that tells anything.
pub fn values(found: &Match<'_>, table: &Table, path: &str) -> Vec<Value> {
    if let Some((first, others)) = path.split_once('|') {
        let told = values(found, table, first);
        return if told.is_empty() { values(found, table, others) } else { told };
    }
    let Some((clue, field)) = path.split_once('.') else { return Vec::new() };
    found.picked(clue).iter().filter_map(|row| table.value(*row, field)).map(Cow::into_owned).collect()
}

/// Whether a fix is offered for a finding.
pub fn offered(fix: &FixFile, found: &Match<'_>) -> bool {
    called_for(&fix.when, &fix.unless, found)
}

/// Whether a test can tell something of a finding, by the clues that are there.
pub fn tested(test: &TestFile, found: &Match<'_>) -> bool {
    called_for(&test.when, &test.unless, found)
}

fn called_for(when: &[String], unless: &[String], found: &Match<'_>) -> bool {
    let present = |clue: &String| found.bound.contains_key(clue.as_str());
    (when.is_empty() || when.iter().any(present)) && !unless.iter().any(present)
}
