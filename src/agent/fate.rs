//! What became of a fix on each of its targets: it may go well on one and fail on another.

use std::collections::BTreeSet;

use super::state::Runs;
use crate::exec::{End, Ran};
use crate::plan::{NodeName, Step, Target};

/// What became of a step's groups, by their places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// How many groups it has.
    pub(super) groups: usize,
    /// All that was run there went well so far.
    pub(super) well: BTreeSet<usize>,
    /// Something may have been done there.
    pub(super) acted: BTreeSet<usize>,
    /// Of one it is not known what became of it.
    pub(super) lost: bool,
    /// The first that did not go well, in words.
    pub(super) why: Option<String>,
}

/// What became of a step by what its tasks came to, in order.
pub(super) fn fate(step: &Step, done: &[Runs]) -> Fate {
    let groups = step.tasks.first().map_or(0, |task| task.groups.len());
    let mut fate = Fate { groups, well: (0..groups).collect(), ..Fate::default() };
    for (task, runs) in step.tasks.iter().zip(done) {
        let all: Vec<usize> = (0..task.groups.len()).collect();
        let mut rest = runs.rans.as_slice();
        for at in if runs.only.is_empty() { &all } else { &runs.only } {
            let parts = task.groups.get(*at).map_or(0, |group| group.parts.len());
            let (own, behind) = rest.split_at(parts.min(rest.len()));
            rest = behind;
            fate.take(*at, own);
        }
    }
    fate
}

impl Fate {
    fn take(&mut self, at: usize, rans: &[Ran]) {
        if rans.iter().any(|ran| ran.end.may_have_acted()) {
            self.acted.insert(at);
        }
        self.lost |= rans.iter().any(|ran| matches!(ran.end, End::Lost(_)));
        // What is lost may have gone well: the test tells.
        if let Some(bad) = rans.iter().find(|ran| !matches!(ran.end, End::Exit(0) | End::Lost(_))) {
            self.well.remove(&at);
            self.why.get_or_insert_with(|| in_words(bad));
        }
    }

    /// The same without those on which it went well.
    pub(super) fn failed(&self) -> Self {
        Self { acted: self.acted.difference(&self.well).copied().collect(), ..self.clone() }
    }

    /// These groups as a task wants them named: none where they are all.
    pub(super) fn some(&self, groups: &BTreeSet<usize>) -> Vec<usize> {
        if groups.len() == self.groups { Vec::new() } else { groups.iter().copied().collect() }
    }

    /// The node that a group is about: where it runs, or, of what runs here for one node each, that node.
    pub(super) fn node<'s>(&self, step: &'s Step, at: usize) -> Option<&'s NodeName> {
        let part = step.tasks.first()?.groups.get(at)?.parts.first()?;
        match &part.target {
            Target::Node(node) => Some(node),
            Target::Here if part.work.env.contains_key("DIAG_NODE") => {
                step.nodes.iter().find(|node| part.work.env.get("DIAG_NODE").is_some_and(|name| name == node.as_str()))
            }
            Target::Here if step.nodes.len() == self.groups => step.nodes.get(at),
            Target::Here => None,
        }
    }
}

/// Where something ended how, with its last words.
pub(super) fn in_words(ran: &Ran) -> String {
    let place = match &ran.target {
        Target::Here => "here".to_owned(),
        Target::Node(node) => node.to_string(),
    };
    let said = ran.stderr.text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let said: String = said.chars().take(120).collect();
    let said = if said.is_empty() { said } else { format!(" ({said})") };
    format!("{place}: {}{said}", ran.end)
}
