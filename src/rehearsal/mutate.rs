//! Playbooks with one constraint taken away: a case, or the lint, must notice.

mod clue;
mod echo;

use indexmap::IndexMap;

use crate::playbook::schema::{Clue, CulpritFrom, FixFile};
use crate::playbook::{EchoGroup, Playbook};

/// A playbook, or a group of echoes, that lacks one constraint.
#[derive(Debug)]
pub struct Mutant<T = Playbook> {
    /// What was taken away.
    pub without: String,
    /// What is left.
    pub changed: T,
}

/// Words that can be taken away: the name of each, and how.
type Changes<T> = Vec<(String, Box<dyn Fn(&mut T)>)>;

type Section = fn(&mut Playbook) -> &mut IndexMap<String, Clue>;

const SECTIONS: [(&str, Section); 3] =
    [("needs", |p| &mut p.needs), ("supports", |p| &mut p.supports), ("excludes", |p| &mut p.excludes)];

type Paths = fn(&mut CulpritFrom) -> &mut Option<Vec<String>>;

const CULPRITS: [(&str, Paths); 5] = [
    ("ranks", |c| &mut c.ranks),
    ("nodes", |c| &mut c.nodes),
    ("gpus", |c| &mut c.gpus),
    ("pods", |c| &mut c.pods),
    ("jobs", |c| &mut c.jobs),
];

/// All mutants of a playbook.
pub fn mutants(playbook: &Playbook) -> Vec<Mutant> {
    let mut changes: Changes<Playbook> = Vec::new();
    for (section, of) in SECTIONS {
        clues(playbook, section, of, &mut changes);
    }
    for (without, change) in echo::changes(&playbook.echoes) {
        changes.push((without, Box::new(move |p| change(&mut p.echoes))));
    }
    culprits(playbook, &mut changes);
    fixes(&playbook.fix, &mut changes);
    tests(playbook, &mut changes);
    for field in playbook.about.iter().cloned() {
        changes.push((format!("about {field}"), Box::new(move |p| p.about.retain(|known| *known != field))));
    }
    let told: Vec<String> = playbook.explain.because.keys().cloned().collect();
    for name in told {
        changes.push((format!("because.{name}"), Box::new(move |p| drop(p.explain.because.shift_remove(&name)))));
    }
    apply(playbook, changes)
}

/// All mutants of a group of echoes.
pub fn group_mutants(group: &EchoGroup) -> Vec<Mutant<EchoGroup>> {
    let mut changes: Changes<EchoGroup> = Vec::new();
    for (without, change) in echo::changes(&group.echoes) {
        changes.push((without, Box::new(move |group| change(&mut group.echoes))));
    }
    apply(group, changes)
}

fn apply<T: Clone>(of: &T, changes: Changes<T>) -> Vec<Mutant<T>> {
    let changed = |change: Box<dyn Fn(&mut T)>| {
        let mut copy = of.clone();
        change(&mut copy);
        copy
    };
    changes.into_iter().map(|(without, change)| Mutant { without, changed: changed(change) }).collect()
}

fn clues(playbook: &Playbook, section: &str, of: Section, changes: &mut Changes<Playbook>) {
    let mut copy = playbook.clone();
    let all = std::mem::take(of(&mut copy));
    for (name, clue) in &all {
        if section != "needs" || all.len() > 1 {
            let name = name.clone();
            changes.push((format!("{section}.{name}"), Box::new(move |p| drop(of(p).shift_remove(&name)))));
        }
        for (what, change) in clue::changes(clue) {
            let (without, name) = (format!("{section}.{name}.{what}"), name.clone());
            let on_clue = move |p: &mut Playbook| {
                if let Some(clue) = of(p).get_mut(&name) {
                    change(clue);
                }
            };
            changes.push((without, Box::new(on_clue)));
        }
    }
}

/// Each path to a culprit; a list that is empty on purpose falls back to the first need.
fn culprits(playbook: &Playbook, changes: &mut Changes<Playbook>) {
    let mut from = playbook.culprit.clone();
    for (column, of) in CULPRITS {
        let Some(paths) = of(&mut from).clone() else { continue };
        if paths.is_empty() {
            changes.push((format!("culprit.{column} = []"), Box::new(move |p| *of(&mut p.culprit) = None)));
        }
        for (at, path) in paths.iter().enumerate() {
            for part in path.split('|') {
                let others: Vec<&str> = path.split('|').filter(|other| *other != part).collect();
                let left = others.join("|");
                let change = move |p: &mut Playbook| {
                    if let Some(paths) = of(&mut p.culprit) {
                        paths[at].clone_from(&left);
                        paths.retain(|path| !path.is_empty());
                    }
                };
                changes.push((format!("culprit.{column} {part}"), Box::new(change)));
            }
        }
    }
}

fn fixes(fixes: &[FixFile], changes: &mut Changes<Playbook>) {
    for (at, fix) in fixes.iter().enumerate() {
        for name in fix.when.iter().cloned() {
            let without = format!("fix {}: when {name}", fix.id);
            changes.push((without, Box::new(move |p| p.fix[at].when.retain(|known| *known != name))));
        }
        for name in fix.unless.iter().cloned() {
            let without = format!("fix {}: unless {name}", fix.id);
            changes.push((without, Box::new(move |p| p.fix[at].unless.retain(|known| *known != name))));
        }
        if let Some(next) = fixes.get(at + 1).filter(|next| !exclude_each_other(fix, next)) {
            let without = format!("fix {} before {}", fix.id, next.id);
            changes.push((without, Box::new(move |p| p.fix.swap(at, at + 1))));
        }
    }
}

fn tests(playbook: &Playbook, changes: &mut Changes<Playbook>) {
    for (id, test) in &playbook.test {
        for name in test.when.iter().cloned() {
            let (without, id) = (format!("test {id}: when {name}"), id.clone());
            changes.push((without, Box::new(move |p| p.test[&id].when.retain(|known| *known != name))));
        }
        for name in test.unless.iter().cloned() {
            let (without, id) = (format!("test {id}: unless {name}"), id.clone());
            changes.push((without, Box::new(move |p| p.test[&id].unless.retain(|known| *known != name))));
        }
    }
}

/// Whether two fixes are never offered together, so that their order means nothing.
fn exclude_each_other(a: &FixFile, b: &FixFile) -> bool {
    let never = |one: &FixFile, other: &FixFile| {
        !one.when.is_empty() && one.when.iter().all(|clue| other.unless.contains(clue))
    };
    never(a, b) || never(b, a)
}
