//! Playbooks with one constraint taken away: a case must notice.

use crate::playbook::schema::Clue;
use crate::playbook::{Echo, EchoGroup, On, Order, Playbook};

/// A playbook, or a group of echoes, that lacks one constraint.
#[derive(Debug)]
pub struct Mutant<T = Playbook> {
    /// What was taken away.
    pub without: String,
    /// What is left.
    pub changed: T,
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
    for (without, change) in echo_changes(&playbook.echoes) {
        add(&mut all, playbook, without, |p| change(&mut p.echoes));
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

/// All mutants of a group of echoes.
pub fn group_mutants(group: &EchoGroup) -> Vec<Mutant<EchoGroup>> {
    let mut all = Vec::new();
    for (without, change) in echo_changes(&group.echoes) {
        add(&mut all, group, without, |group| change(&mut group.echoes));
    }
    all
}

fn add<T: Clone>(all: &mut Vec<Mutant<T>>, of: &T, without: String, change: impl Fn(&mut T)) {
    let mut changed = of.clone();
    change(&mut changed);
    all.push(Mutant { without, changed });
}

type EchoChange = Box<dyn Fn(&mut Vec<Echo>)>;

/// The words of a list of echoes, each as a change that takes it away: kinds, groups, conditions, on whom, when.
fn echo_changes(echoes: &[Echo]) -> Vec<(String, EchoChange)> {
    let mut all: Vec<(String, EchoChange)> = Vec::new();
    for (at, echo) in echoes.iter().enumerate() {
        for kind in echo.kinds.clone() {
            all.push((format!("echoes: {kind}"), Box::new(move |list| list[at].kinds.retain(|known| *known != kind))));
        }
        for name in echo.groups.clone() {
            all.push((
                format!("echoes: group {name}"),
                Box::new(move |list| list[at].groups.retain(|known| *known != name)),
            ));
        }
        let of = echo.kinds.join(", ");
        for field in echo.filter.keys().cloned().collect::<Vec<_>>() {
            all.push((
                format!("echoes: {of}: where.{field}"),
                Box::new(move |list| drop(list[at].filter.shift_remove(&field))),
            ));
        }
        if echo.on != On::Any {
            all.push((format!("echoes: {of}: on"), Box::new(move |list| list[at].on = On::Any)));
        }
        if echo.order != Order::After {
            all.push((format!("echoes: {of}: order"), Box::new(move |list| list[at].order = Order::After)));
        }
    }
    all
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
