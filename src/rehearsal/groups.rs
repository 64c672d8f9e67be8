//! Whether a group of echoes keeps its word: what it takes of a log, and what it leaves.

use std::collections::BTreeSet;

use diag_parsers::{Catalogue, Scanner};

use super::cases::inline;
use super::lint::unknown_kinds;
use crate::diagnose::heard;
use crate::evidence::Table;
use crate::playbook::{EchoGroup, GroupCase};

/// What is wrong with a case of a group, one sentence each.
pub fn rehearse_group(group: &EchoGroup, case: &GroupCase, scanner: &Scanner) -> Vec<String> {
    let table = Table::new(inline(&case.logs, scanner));
    let cause = table.of_kind(&case.cause);
    let Some(anchor) = cause.first().copied() else {
        return vec![format!("the log tells of no `{}`", case.cause)];
    };
    let mut taken = heard(&group.echoes, &table, anchor, cause.iter().copied());
    let left = table.troubles().filter(|row| !taken.contains(row) && !cause.contains(row));
    let left = left.filter(|row| !table.torn_down().any(|torn| torn == *row));
    let left: BTreeSet<&str> = left.map(|row| table.rows[row].kind).collect();
    taken.retain(|row| !cause.contains(row));
    let taken: BTreeSet<&str> = taken.into_iter().map(|row| table.rows[row].kind).collect();
    let mut wrong = Vec::new();
    for (what, want, got) in [("take", &case.takes, taken), ("leave", &case.leaves, left)] {
        let want: BTreeSet<&str> = want.iter().map(String::as_str).collect();
        if want != got {
            wrong.push(format!("should {what} {want:?}, {what}s {got:?}"));
        }
    }
    wrong
}

/// What is wrong with a group's wording, one sentence each.
pub fn lint_group(group: &EchoGroup, catalogue: &Catalogue, derived: &[&'static str]) -> Vec<String> {
    let mut wrong = unknown_kinds(&group.echoes, catalogue, derived);
    if group.schema != 1 {
        wrong.push(format!("schema {} is unknown; this build reads 1", group.schema));
    }
    if group.case.is_empty() {
        wrong.push("it has no case".to_owned());
    }
    if group.echoes.iter().any(|echo| !echo.groups.is_empty()) {
        wrong.push("a group names no other group".to_owned());
    }
    wrong
}
