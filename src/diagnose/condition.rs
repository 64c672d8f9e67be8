//! Conditions on fields and kinds.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use diag_parsers::Value;
use indexmap::IndexMap;
use regex::Regex;

use crate::evidence::{RowId, Table};
use crate::playbook::schema::{Condition, Test};

/// Whether a kind fits a pattern in which `*` stands for anything.
pub fn kind_fits(pattern: &str, kind: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == kind,
        Some((head, "")) => kind.starts_with(head),
        Some((head, tail)) => {
            kind.starts_with(head) && kind.len() >= head.len() && {
                let rest = &kind[head.len()..];
                (0..=rest.len()).any(|at| rest.is_char_boundary(at) && kind_fits(tail, &rest[at..]))
            }
        }
    }
}

/// Whether a row meets all conditions.
pub(super) fn row_fits(table: &Table, row: RowId, filter: &IndexMap<String, Condition>) -> bool {
    filter.iter().all(|(field, condition)| holds(condition, table.value(row, field).as_deref()))
}

/// Whether a value meets a condition.
pub(super) fn holds(condition: &Condition, value: Option<&Value>) -> bool {
    match condition {
        Condition::Equal(wanted) => value.is_some_and(|value| wanted.as_slice().iter().any(|want| equal(want, value))),
        Condition::Test(test) => passes(test, value),
    }
}

fn passes(test: &Test, value: Option<&Value>) -> bool {
    let Some(value) = value else {
        return test.present == Some(false) || (test.present.is_none() && only_negative(test));
    };
    let number = number(value);
    let text = || value.written();
    test.present != Some(false)
        && test.at_least.is_none_or(|bound| number.is_some_and(|n| n >= bound))
        && test.at_most.is_none_or(|bound| number.is_some_and(|n| n <= bound))
        && test.not.as_ref().is_none_or(|list| !list.as_slice().iter().any(|other| equal(other, value)))
        && test.has.as_ref().is_none_or(|list| list.as_slice().iter().any(|part| text().contains(part.as_str())))
        && test.like.as_ref().is_none_or(|pattern| regex(pattern).is_some_and(|regex| regex.is_match(&text())))
        && test.unlike.as_ref().is_none_or(|pattern| regex(pattern).is_none_or(|regex| !regex.is_match(&text())))
}

/// A test that only says what a value must not be holds where there is none.
fn only_negative(test: &Test) -> bool {
    test.at_least.is_none() && test.at_most.is_none() && test.has.is_none() && test.like.is_none()
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(n) => Some(*n as f64),
        Value::Float(x) => Some(*x),
        _ => None,
    }
}

/// Equal, numbers by value and text whatever its case.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    match (number(a), number(b)) {
        (Some(a), Some(b)) => (a - b).abs() < f64::EPSILON,
        _ => a == b || matches!((a, b), (Value::Text(a), Value::Text(b)) if a.eq_ignore_ascii_case(b)),
    }
}

/// The compiled pattern, one for all: a copy would begin with an empty cache.
fn regex(pattern: &str) -> Option<Arc<Regex>> {
    /// Patterns are long, and looked up once a row.
    type Compiled = HashMap<String, Option<Arc<Regex>>, foldhash::fast::RandomState>;
    static COMPILED: LazyLock<Mutex<Compiled>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = compiled.get(pattern) {
        return known.clone();
    }
    let made = Regex::new(pattern).ok().map(Arc::new);
    compiled.insert(pattern.to_owned(), made.clone());
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        assert!(kind_fits("torch.*", "torch.watchdog_timeout"));
        assert!(kind_fits("*.oom", "cuda.oom"));
        assert!(kind_fits("a.*_x*", "a.b_x"));
        assert!(!kind_fits("torch.*", "nccl.warn"));
        assert!(!kind_fits("torch.a", "torch.ab"));
    }
}
