//! `diag fix` and the history of nodes: what is told of them from before, and what is entered of what was done.

use std::path::Path;

use super::{fix, history};
use crate::agent::{Case, Ending};
use crate::config::Config;
use crate::history::{FILE, History, Mark, What, add};
use crate::plan::Subject;
use crate::playbook::Library;
use crate::spool::Lines;
use crate::verdict::Outcome;
use crate::watch::{Board, of_a_machine};

/// What is known of the nodes that are blamed, besides what the evidence tells: what they went through before, and where their
/// management controllers are.
pub(super) fn beside(case: &Case, state: Option<&Path>, site: &Config) -> Vec<String> {
    let store = Lines::new(&fix::state(state).join(FILE));
    let known = History::new(history::all(&store, site));
    let mut lines: Vec<String> = Vec::new();
    for view in case.each() {
        let Some(plan) = view.plan() else { continue };
        let told = known.before(&boards(&plan.subject), case.since);
        let more = told.into_iter().chain(history::bmc(&plan.subject.culprit.nodes, site));
        lines.extend(more.filter(|line| !lines.contains(line)).collect::<Vec<_>>());
    }
    lines
}

/// Enters what was wrong with machines, where that was not done when the case was begun, and what came of it.
pub(super) fn enter(case: &Case, root: &Path, state: Option<&Path>, library: &Library) {
    let area = |cause: &str| library.playbooks.iter().find(|one| one.playbook.id == cause).map(|one| one.area.as_str());
    let who = case.began.as_ref().map_or("", |began| began.who.as_str());
    // The whole path: folders of cases may have the same name.
    let name = std::path::absolute(root).unwrap_or_else(|_| root.to_owned()).display().to_string();
    let store = Lines::new(&fix::state(state).join(FILE));
    let known: Vec<Mark> = store.read();
    for (view, ending) in case.each().iter().zip(endings(case)) {
        let Some(plan) = view.plan().filter(|plan| area(&plan.subject.cause).is_some_and(of_a_machine)) else {
            continue;
        };
        let diagnosed = case.read.as_ref().is_some_and(|read| read.outcome == Outcome::Diagnosed || read.afterwards);
        let fault = diagnosed.then_some((What::Fault, case.since));
        let came = outcome(ending).map(|what| (what, case.now));
        let mark = |(what, at): (What, i64)| {
            let one = |board: Board| Mark {
                at,
                what,
                board,
                why: plan.subject.cause.clone(),
                by: format!("fix {name} {who}"),
            };
            boards(&plan.subject).into_iter().map(one).collect::<Vec<_>>()
        };
        let marks: Vec<Mark> = fault.into_iter().chain(came).flat_map(mark).collect();
        // A case that is gone on with is the same case.
        let same = |a: &Mark, b: &Mark| (a.what, &a.board, &a.why, &a.by) == (b.what, &b.board, &b.why, &b.by);
        let entered = |mark: &Mark| known.iter().any(|known| same(known, mark));
        let fresh: Vec<Mark> = marks.into_iter().filter(|mark| !entered(mark)).collect();
        add(&store, &fresh);
    }
}

/// How each finding that was worked on ended.
fn endings(case: &Case) -> Vec<&Ending> {
    match &case.ended {
        Some(Ending::Each { of }) => of.iter().map(|one| &one.ending).collect(),
        other => case.closed.iter().map(|one| &one.ending).chain(other).collect(),
    }
}

const fn outcome(ending: &Ending) -> Option<What> {
    match ending {
        Ending::Fixed { .. } | Ending::Quiet | Ending::Returned { .. } => Some(What::Mended),
        Ending::NotFixed { .. } | Ending::NotQuiet { .. } => Some(What::NotMended),
        Ending::Contained { .. } => Some(What::Drained),
        _ => None,
    }
}

/// The hardware that a plan is about. Numbers of its own are known where they can be of one board only.
fn boards(subject: &Subject) -> Vec<Board> {
    let culprit = &subject.culprit;
    let only = |names: [&str; 2]| {
        let mut values =
            subject.identity.iter().filter(|(name, _)| names.contains(&name.as_str())).map(|(_, value)| value);
        let value = values.next().filter(|_| culprit.gpus.len() == 1)?;
        values.all(|other| other == value).then(|| value.clone())
    };
    let node = (culprit.nodes.len() == 1).then(|| culprit.nodes[0].clone());
    if culprit.gpus.is_empty() {
        return culprit.nodes.iter().map(|node| Board { node: Some(node.clone()), ..Board::default() }).collect();
    }
    let (uuid, serial) = (only(["UUID", "UUID"]), only(["serial number", "board serial number"]));
    let of = |gpu: &String| Board {
        node: node.clone(),
        gpu: Some(gpu.clone()),
        uuid: uuid.clone(),
        serial: serial.clone(),
        port: None,
    };
    culprit.gpus.iter().map(of).collect()
}
