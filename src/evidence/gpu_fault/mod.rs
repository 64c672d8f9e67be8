//! What is wrong with which GPU: the driver's words, weighed by the policy for Xids.
//!
//! A line of the driver is a *sign*. Signs of one GPU in one life of its node are set in relation: a channel that is torn
//! down follows from the fault before it, the switch's links from the GPU that fell off the bus. What is left are faults,
//! one derived row for each GPU and kind; the driver's own verdict (Xid 154) comes along.

mod nvlink5;
mod place;
mod policy;
mod sign;

use std::collections::{BTreeMap, BTreeSet};

use diag_parsers::{Fields, Name, Says, Value, intern};

pub use policy::{Policy, Repeats, Rule, Source, Which};

use super::{RowId, Table};
use sign::Sign;

/// Most signs of one node that may explain others: a log of nothing but Xids must not cost their square.
const MOST_ROOTS: usize = 256;

/// Most rows that a derived fact points at.
const MOST_PARENTS: usize = 64;

/// What makes one fault: node, boot, whether outside of the job's window, GPU and kind.
type Key = (String, usize, bool, String, Name);

/// Derives the faults of GPUs.
pub(super) fn derive(table: &mut Table) {
    let policy = Policy::built_in();
    let signs = sign::signs(table, policy);
    if signs.is_empty() {
        return;
    }
    // What the catalogue says to ignore needs no explanation.
    for sign in signs.iter().filter(|sign| sign.rule.fact.is_none()) {
        table.rows[sign.row].says = Says::Warning;
    }
    let quiet = table.troubles().all(|row| sign::KINDS.contains(&table.rows[row].kind));
    let follows = follows(&signs);
    let mut groups: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for (at, sign) in signs.iter().enumerate().filter(|(at, _)| follows[*at].is_none()) {
        let Some(fact) = &sign.rule.fact else { continue };
        let aside = table.rows[sign.row].aside.is_some();
        groups.entry((sign.node.clone(), sign.boot, aside, sign.gpu.key(), intern(fact))).or_default().push(at);
    }
    let loud = groups.values().any(|group| !signs[group[0]].rule.alone);
    for ((.., fact), group) in groups {
        if signs[group[0]].rule.alone && (loud || !quiet) {
            continue;
        }
        let wake = (0..signs.len()).filter(|at| follows[*at].is_some_and(|root| group.contains(&root)));
        let all: Vec<usize> = group.iter().copied().chain(wake).collect();
        fault(table, fact, &signs, &group, &all);
    }
}

/// Of each sign the one that it follows from, where one does.
fn follows(signs: &[Sign<'_>]) -> Vec<Option<usize>> {
    let mut roots: BTreeMap<(&str, usize), Vec<usize>> = BTreeMap::new();
    for (at, sign) in signs.iter().enumerate().filter(|(_, sign)| sign.explains()) {
        let of_node = roots.entry((&sign.node, sign.boot)).or_default();
        if of_node.len() < MOST_ROOTS {
            of_node.push(at);
        }
    }
    let root = |at: usize| {
        let sign = &signs[at];
        let near = roots.get(&(sign.node.as_str(), sign.boot))?;
        // Of two that could follow from each other the earlier one comes first.
        let first = |root: usize| root < at || !sign.explains() || !sign.covers(&signs[root]);
        near.iter().copied().find(|root| *root != at && signs[*root].covers(sign) && first(*root))
    };
    let direct: Vec<Option<usize>> = (0..signs.len()).map(root).collect();
    // What follows from a consequence follows from its cause.
    (0..signs.len())
        .map(|at| direct[at].map(|root| direct[root].filter(|first| *first != at).unwrap_or(root)))
        .collect()
}

/// Adds the fault that a group of signs tells of, with all that follows from it.
fn fault(table: &mut Table, kind: Name, signs: &[Sign<'_>], group: &[usize], all: &[usize]) {
    let first = &signs[group[0]];
    let mut fields = Fields::default();
    let row = &table.rows[first.row].fields;
    for name in ["gpu", "xid", "what", "pod", "job", "switch", "link", "switch_pci"] {
        if let Some(value) = row.get(name) {
            fields.set(name, value.clone());
        }
    }
    if !first.node.is_empty() {
        fields.set("node", first.node.as_str());
    }
    if let Some(printed) = group.iter().find_map(|at| table.rows[signs[*at].row].fields.text("gpu")) {
        fields.set_if_absent("gpu", printed);
    }
    // Which rank the GPU is, where processes told.
    if let Some(rank) = group.iter().find_map(|at| table.rows[signs[*at].row].rank()) {
        fields.set("rank", rank);
    }
    fields.set("blames", first.rule.blames.as_str());
    let verdict = all.iter().filter_map(|at| signs[*at].verdict.as_deref()).next_back();
    fields.set("action", verdict.unwrap_or(first.action.as_deref().unwrap_or(&first.rule.action)));
    if verdict.is_some() {
        fields.set("verdict", true);
    }
    let xids: BTreeSet<i64> = all.iter().filter_map(|at| signs[*at].xid).collect();
    if xids.len() > 1 {
        let list: Vec<String> = xids.iter().map(ToString::to_string).collect();
        fields.set("xids", Value::Text(list.join(", ")));
    }
    if let Some(processes) = repeats(table, signs, group) {
        fields.set("processes", processes);
    }
    let parents = all.iter().map(|at| signs[*at].row).take(MOST_PARENTS).collect::<Vec<RowId>>();
    let aside = table.rows[first.row].aside;
    if let Some(id) = table.derive(kind, Says::Info, fields, parents) {
        // What stands outside of the job's window tells of a fault that stands there.
        table.rows[id].aside = aside;
    }
}

/// How many processes met the fault on this GPU, where they are so many that the GPU itself is suspected.
fn repeats(table: &Table, signs: &[Sign<'_>], group: &[usize]) -> Option<i64> {
    let rule = signs[group[0]].rule.repeats.as_ref()?;
    let processes: BTreeSet<&str> =
        group.iter().filter_map(|at| table.rows[signs[*at].row].fields.text("xid_pid")).collect();
    let times = || group.iter().filter_map(|at| table.rows[signs[*at].row].at);
    let apart = times().max_by_key(|at| at.micros)?.since(times().min_by_key(|at| at.micros)?)?;
    (processes.len() >= rule.processes && apart <= policy::seconds(&rule.within)?)
        .then(|| i64::try_from(processes.len()).unwrap_or(i64::MAX))
}
