//! The words of a clue.

use super::Changes;
use crate::playbook::schema::{Clue, Condition, OneOrMany, Pick, Test};

/// Each word as a change that takes it away.
pub(super) fn changes(clue: &Clue) -> Changes<Clue> {
    let mut all: Changes<Clue> = Vec::new();
    for without in one_less(&clue.evidence) {
        all.push((format!("evidence {}", without.0), Box::new(move |clue| clue.evidence = without.1.clone())));
    }
    for kind in clue.also.iter().cloned() {
        all.push((format!("also {kind}"), Box::new(move |clue| clue.also.retain(|known| *known != kind))));
    }
    for (field, condition) in &clue.filter {
        let name = field.clone();
        all.push((format!("where.{field}"), Box::new(move |clue| drop(clue.filter.shift_remove(&name)))));
        for (what, weaker) in conditions(condition) {
            let name = field.clone();
            let change = move |clue: &mut Clue| drop(clue.filter.insert(name.clone(), weaker.clone()));
            all.push((format!("where.{field} {what}"), Box::new(change)));
        }
    }
    for field in clue.same.iter().cloned() {
        all.push((format!("same {field}"), Box::new(move |clue| clue.same.retain(|known| *known != field))));
    }
    for field in clue.other.iter().cloned() {
        all.push((format!("other {field}"), Box::new(move |clue| clue.other.retain(|known| *known != field))));
    }
    let distinct: Vec<String> = clue.distinct.keys().cloned().collect();
    for field in distinct {
        all.push((format!("distinct {field}"), Box::new(move |clue| _ = clue.distinct.shift_remove(&field))));
    }
    flags(clue, &mut all);
    all
}

fn flags(clue: &Clue, all: &mut Changes<Clue>) {
    let mut flag = |there: bool, name: &str, change: fn(&mut Clue)| {
        if there {
            all.push((name.to_owned(), Box::new(change)));
        }
    };
    flag(clue.pick != Pick::First, "pick", |clue| clue.pick = Pick::First);
    flag(clue.than.is_some(), "than", |clue| clue.than = None);
    flag(clue.within.is_some(), "within", |clue| clue.within = None);
    flag(clue.before.is_some(), "before", |clue| clue.before = None);
    flag(clue.after.is_some(), "after", |clue| clue.after = None);
    flag(clue.count.is_some(), "count", |clue| clue.count = None);
    flag(clue.spread.is_some(), "spread", |clue| clue.spread = None);
    flag(clue.decisive, "decisive", |clue| clue.decisive = false);
    flag(clue.likely, "likely", |clue| clue.likely = false);
    flag(clue.survived, "survived", |clue| clue.survived = false);
    flag(clue.aside, "aside", |clue| clue.aside = false);
    flag(clue.lasts, "lasts", |clue| clue.lasts = false);
}

/// A condition with one of its values, or one of its tests, taken away; none where it has but one.
fn conditions(condition: &Condition) -> Vec<(String, Condition)> {
    match condition {
        Condition::Equal(values) => {
            one_less(values).into_iter().map(|(what, values)| (what, Condition::Equal(values))).collect()
        }
        Condition::Test(test) => tests(test).into_iter().map(|(what, test)| (what, Condition::Test(test))).collect(),
    }
}

fn tests(test: &Test) -> Vec<(String, Test)> {
    let mut all: Vec<(String, Test)> = Vec::new();
    let words = [
        ("at_least", test.at_least.is_some()),
        ("at_most", test.at_most.is_some()),
        ("not", test.not.is_some()),
        ("has", test.has.is_some()),
        ("like", test.like.is_some()),
        ("unlike", test.unlike.is_some()),
        ("present", test.present.is_some()),
    ];
    if words.iter().filter(|(_, there)| *there).count() > 1 {
        for (word, _) in words.iter().filter(|(_, there)| *there) {
            all.push(((*word).to_owned(), without(test, word)));
        }
    }
    for (what, values) in test.not.iter().flat_map(one_less) {
        all.push((format!("not {what}"), Test { not: Some(values), ..test.clone() }));
    }
    for (what, values) in test.has.iter().flat_map(one_less) {
        all.push((format!("has {what}"), Test { has: Some(values), ..test.clone() }));
    }
    all
}

fn without(test: &Test, word: &str) -> Test {
    let mut test = test.clone();
    match word {
        "at_least" => test.at_least = None,
        "at_most" => test.at_most = None,
        "not" => test.not = None,
        "has" => test.has = None,
        "like" => test.like = None,
        "unlike" => test.unlike = None,
        _ => test.present = None,
    }
    test
}

/// A list without each of its members in turn; none where it has but one.
fn one_less<T: Clone + ToString>(list: &OneOrMany<T>) -> Vec<(String, OneOrMany<T>)> {
    let values = list.as_slice();
    if values.len() < 2 {
        return Vec::new();
    }
    let left = |at: usize| {
        let mut left = values.to_vec();
        left.remove(at);
        (values[at].to_string(), OneOrMany::Many(left))
    };
    (0..values.len()).map(left).collect()
}
