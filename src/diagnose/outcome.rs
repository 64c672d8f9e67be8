//! What the matches come to: the outcome, the fixes that apply.

use std::borrow::Cow;

use diag_parsers::{Says, Value};

use super::matching::{Match, find};
use super::ranking::{Ranked, rank};
use crate::evidence::Table;
use crate::playbook::Playbook;
use crate::playbook::schema::{FixFile, TestFile};
use crate::verdict::{Confidence, Outcome};

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
