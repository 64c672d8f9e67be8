//! Playbooks with one constraint taken away: a case must notice.

use crate::playbook::Playbook;
use crate::playbook::schema::Clue;

/// A playbook that lacks one constraint.
#[derive(Debug)]
pub struct Mutant {
    /// What was taken away.
    pub without: String,
    /// What is left.
    pub playbook: Playbook,
}

type Section = fn(&mut Playbook) -> &mut indexmap::IndexMap<String, Clue>;

const SECTIONS: [(&str, Section); 3] =
    [("needs", |p| &mut p.needs), ("supports", |p| &mut p.supports), ("excludes", |p| &mut p.excludes)];

/// All mutants of a playbook.
pub fn mutants(playbook: &Playbook) -> Vec<Mutant> {
    let mut all = Vec::new();
    for (section, of) in SECTIONS {
        let mut copy = playbook.clone();
        let names: Vec<String> = of(&mut copy).keys().cloned().collect();
        for name in names {
            if section != "needs" || playbook.needs.len() > 1 {
                add(&mut all, playbook, format!("{section}.{name}"), |p| {
                    of(p).shift_remove(&name);
                });
            }
            for (what, change) in clue_changes(&of(&mut copy)[&name]) {
                add(&mut all, playbook, format!("{section}.{name}.{what}"), |p| {
                    if let Some(clue) = of(p).get_mut(&name) {
                        change(clue);
                    }
                });
            }
        }
    }
    for at in 0..playbook.echoes.len() {
        for kind in &playbook.echoes[at].kinds {
            add(&mut all, playbook, format!("echoes: {kind}"), |p| p.echoes[at].kinds.retain(|known| known != kind));
        }
    }
    for (at, fix) in playbook.fix.iter().enumerate() {
        if !fix.when.is_empty() {
            add(&mut all, playbook, format!("fix {}: when", fix.id), |p| p.fix[at].when.clear());
        }
        if !fix.unless.is_empty() {
            add(&mut all, playbook, format!("fix {}: unless", fix.id), |p| p.fix[at].unless.clear());
        }
    }
    all
}

fn add(all: &mut Vec<Mutant>, playbook: &Playbook, without: String, change: impl Fn(&mut Playbook)) {
    let mut copy = playbook.clone();
    change(&mut copy);
    all.push(Mutant { without, playbook: copy });
}

type Change = Box<dyn Fn(&mut Clue)>;

/// The constraints of a clue, each as a change that takes it away.
fn clue_changes(clue: &Clue) -> Vec<(String, Change)> {
    let mut changes: Vec<(String, Change)> = Vec::new();
    for field in clue.filter.keys() {
        let field = field.clone();
        changes.push((format!("where.{field}"), Box::new(move |clue| drop(clue.filter.shift_remove(&field)))));
    }
    for field in clue.same.clone() {
        changes.push((format!("same {field}"), Box::new(move |clue| clue.same.retain(|known| *known != field))));
    }
    for field in clue.other.clone() {
        changes.push((format!("other {field}"), Box::new(move |clue| clue.other.retain(|known| *known != field))));
    }
    let mut flag = |there: bool, name: &str, change: fn(&mut Clue)| {
        if there {
            changes.push((name.to_owned(), Box::new(change)));
        }
    };
    flag(clue.within.is_some(), "within", |clue| clue.within = None);
    flag(clue.before.is_some(), "before", |clue| clue.before = None);
    flag(clue.after.is_some(), "after", |clue| clue.after = None);
    flag(clue.count.is_some(), "count", |clue| clue.count = None);
    flag(!clue.distinct.is_empty(), "distinct", |clue| clue.distinct.clear());
    flag(clue.spread.is_some(), "spread", |clue| clue.spread = None);
    flag(clue.decisive, "decisive", |clue| clue.decisive = false);
    flag(clue.likely, "likely", |clue| clue.likely = false);
    flag(clue.aside, "aside", |clue| clue.aside = false);
    changes
}
