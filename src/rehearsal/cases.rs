//! Running the cases of a playbook.

use std::collections::BTreeSet;
use std::path::Path;

use diag_parsers::{Block, Depth, Scanner, Value};
use indexmap::IndexMap;

use crate::collect::{self, Keep, Meter};
use crate::diagnose::{Ranked, culprit, offered, weigh};
use crate::error::Error;
use crate::evidence::{Ledger, Table};
use crate::playbook::Playbook;
use crate::playbook::schema::{Case, Expect};
use crate::verdict::Culprit;

/// A case whose logs are read.
#[derive(Debug)]
pub struct Prepared<'c> {
    /// The case.
    pub case: &'c Case,
    table: Table,
}

/// Reads the logs of a case; `samples` is the folder that `from` is relative to.
///
/// # Errors
/// Logs that can't be read.
pub fn prepare<'c>(case: &'c Case, scanner: &Scanner, samples: &Path) -> Result<Prepared<'c>, Error> {
    let mut ledgers = inline(&case.logs, scanner);
    if let Some(from) = &case.from {
        let folder = samples.join(from.trim_start_matches("sample-logs/")).join("logs");
        let volatile = scanner.catalogue().volatile();
        let keep = Keep { new: &|| Ledger::new(volatile.clone()), take: Ledger::absorb, append: Ledger::merge };
        let harvest = collect::read(&[folder.display().to_string()], scanner, &keep, &Meter::default());
        if let Some(error) = harvest.remarks.into_iter().next() {
            return Err(error);
        }
        ledgers.extend(harvest.documents.into_iter().map(|document| (document.name, document.events)));
    }
    Ok(Prepared { case, table: Table::new(ledgers) })
}

/// Reads logs that stand in a file of ours.
pub(super) fn inline(logs: &IndexMap<String, String>, scanner: &Scanner) -> Vec<(String, Ledger)> {
    let read = |(name, text): (&String, &String)| {
        let mut ledger = Ledger::new(scanner.catalogue().volatile());
        let block = Block { data: text.as_bytes(), offset: 0, first_line: 1 };
        scanner.scan(block, text.len(), Depth::Every, &mut |event| ledger.absorb(event));
        (name.clone(), ledger)
    };
    logs.iter().map(read).collect()
}

/// What is wrong with a case, all playbooks at work; one sentence each.
pub fn run(prepared: &Prepared<'_>, id: &str, playbooks: &[&Playbook]) -> Vec<String> {
    let (outcome, ranked) = weigh(&prepared.table, playbooks);
    let mine: Vec<&Ranked<'_>> = ranked.iter().filter(|r| r.root && r.found.playbook.id == id).collect();
    let expect = &prepared.case.expect;
    let mut wrong = found(expect, &mine, &prepared.table);
    if let Some(want) = expect.outcome.filter(|want| *want != outcome) {
        wrong.push(format!("outcome should be {want:?}, is {outcome:?}"));
    }
    let first = ranked.first().map(|first| first.found.playbook.id.as_str());
    if let Some(want) = expect.first.filter(|want| *want != (first == Some(id))) {
        wrong.push(format!(
            "should {}be first; first is {}",
            if want { "" } else { "not " },
            first.unwrap_or("nothing")
        ));
    }
    if let Some(one) = mine.first().filter(|_| !expect.found.is_empty()) {
        details(expect, one, &ranked, &prepared.table, &mut wrong);
    }
    wrong
}

fn found(expect: &Expect, mine: &[&Ranked<'_>], table: &Table) -> Vec<String> {
    if mine.len() != expect.found.len() {
        return vec![format!("should be found {} times, is {} times", expect.found.len(), mine.len())];
    }
    let fits = |want: &IndexMap<String, Value>, ranked: &Ranked<'_>| {
        want.iter()
            .all(|(field, value)| ranked.found.needed().any(|row| table.value(row, field).as_ref() == Some(value)))
    };
    let missing = expect.found.iter().filter(|want| !mine.iter().any(|ranked| fits(want, ranked)));
    missing.map(|want| format!("no finding with {want:?}")).collect()
}

fn details(expect: &Expect, one: &Ranked<'_>, all: &[Ranked<'_>], table: &Table, wrong: &mut Vec<String>) {
    let found = &one.found;
    let mut differ = |what: &str, want: String, got: String| {
        if want != got {
            wrong.push(format!("{what} should be {want}, is {got}"));
        }
    };
    if let Some(want) = expect.confidence {
        differ("confidence", format!("{want:?}"), format!("{:?}", found.confidence));
    }
    if let Some(want) = &expect.cites {
        differ("cited clues", format!("{want:?}"), format!("{:?}", found.bound.keys().collect::<Vec<_>>()));
    }
    let fixes: Vec<&String> = found.playbook.fix.iter().filter(|fix| offered(fix, found)).map(|fix| &fix.id).collect();
    if let Some(want) = &expect.fixes {
        differ("fixes", format!("{want:?}"), format!("{fixes:?}"));
    }
    if let Some(want) = &expect.first_fix {
        differ("first fix", want.clone(), fixes.first().map(ToString::to_string).unwrap_or_default());
    }
    if let Some(want) = &expect.culprit {
        let got = named_only(want, culprit(found, table).0);
        differ("culprit", format!("{want:?}"), format!("{got:?}"));
    }
    if let Some(want) = &expect.consequences {
        let mut got: Vec<&str> = one.consequences.iter().map(|at| all[*at].found.playbook.id.as_str()).collect();
        got.sort_unstable();
        differ("consequences", format!("{want:?}"), format!("{got:?}"));
    }
    if let Some(want) = &expect.unexplained {
        let left: BTreeSet<&str> =
            table.troubles().filter(|row| !one.explained.contains(row)).map(|row| table.rows[row].kind).collect();
        differ("unexplained", format!("{want:?}"), format!("{:?}", Vec::from_iter(left)));
    }
}

/// The culprit, for the kinds that a case names.
fn named_only(want: &Culprit, mut got: Culprit) -> Culprit {
    if want.ranks.is_empty() {
        got.ranks.clear();
    }
    for (want, got) in [
        (&want.nodes, &mut got.nodes),
        (&want.gpus, &mut got.gpus),
        (&want.pods, &mut got.pods),
        (&want.jobs, &mut got.jobs),
    ] {
        if want.is_empty() {
            got.clear();
        }
    }
    got
}
