//! Running the cases of a playbook.

use std::collections::BTreeSet;
use std::path::Path;

use diag_parsers::{Block, Depth, Scanner, Value, record};
use indexmap::IndexMap;

use crate::collect::{self, Keep, Meter, Wanted};
use crate::diagnose::{Match, Ranked, culprit, offered, tested, weigh};
use crate::error::Error;
use crate::evidence::{Ledger, Table};
use crate::plan::{Answers, Known, Site, Who, plan};
use crate::playbook::schema::{Case, Expect};
use crate::playbook::{Piece, Playbook, Template};
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
        let harvest = collect::read(Wanted::inputs(&[folder.display().to_string()]), scanner, &keep, &Meter::default());
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
        let mut events = Vec::new();
        if let Some(reader) = record::of(text.as_bytes(), name) {
            scanner.scan_wrapped(&reader.wrapped(text.as_bytes()), &mut |event| events.push(event));
            reader.read(text.as_bytes(), name, &mut events);
        }
        if !events.is_empty() {
            events.into_iter().for_each(|event| ledger.absorb(event));
            return (name.clone(), ledger);
        }
        let block = Block::whole(text.as_bytes());
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
    let fits = ranked.iter().any(|r| r.found.playbook.id == id);
    if let Some(want) = expect.fits.filter(|want| *want != fits) {
        wrong.push(format!("should {}fit, be it as a consequence", if want { "" } else { "not " }));
    }
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
    wrong.extend(mine.iter().flat_map(|one| unfilled(&one.found, &prepared.table)));
    if let Some(one) = mine.first().filter(|_| !expect.found.is_empty()) {
        unbound(expect, one, &prepared.table, &mut wrong);
        unpicked(expect, one, &mut wrong);
        details(expect, one, &ranked, &prepared.table, &mut wrong);
    }
    wrong
}

fn found(expect: &Expect, mine: &[&Ranked<'_>], table: &Table) -> Vec<String> {
    if mine.len() != expect.found.len() {
        return vec![format!("should be found {} times, is {} times", expect.found.len(), mine.len())];
    }
    let is = |ranked: &Ranked<'_>, field: &str, value: &Value| match field {
        "confidence" => {
            value.text().is_some_and(|text| text.eq_ignore_ascii_case(&format!("{:?}", ranked.found.confidence)))
        }
        _ => ranked.found.needed().any(|row| table.value(row, field).as_deref() == Some(value)),
    };
    let fits = |want: &IndexMap<String, Value>, ranked: &Ranked<'_>| {
        want.iter().all(|(field, value)| is(ranked, field, value))
    };
    let missing = expect.found.iter().filter(|want| !mine.iter().any(|ranked| fits(want, ranked)));
    missing.map(|want| format!("no finding with {want:?}")).collect()
}

/// Texts of its plan in which a hole is left.
fn unfilled(found: &Match<'_>, table: &Table) -> Vec<String> {
    let known =
        Known { answers: &Answers::default(), vouched: &BTreeSet::new(), who: &Who::default(), site: &Site::default() };
    let hole = |text: &String| Template::parse(text).0.iter().any(|piece| matches!(piece, Piece::Field { .. }));
    let texts = plan(found, table, known).texts();
    texts.into_iter().filter(hole).map(|text| format!("its plan has a hole: {text}")).collect()
}

fn unbound(expect: &Expect, one: &Ranked<'_>, table: &Table, wrong: &mut Vec<String>) {
    for (clue, wanted) in &expect.binds {
        let rows = one.found.bound.get(clue.as_str()).map_or(&[][..], Vec::as_slice);
        let holds = |row: &usize, want: &IndexMap<String, Value>| {
            want.iter().all(|(field, value)| table.value(*row, field).as_deref() == Some(value))
        };
        let missing = wanted.iter().filter(|want| !rows.iter().any(|row| holds(row, want)));
        wrong.extend(missing.map(|want| format!("clue `{clue}` binds no row with {want:?}")));
    }
}

fn unpicked(expect: &Expect, one: &Ranked<'_>, wrong: &mut Vec<String>) {
    for (clue, want) in &expect.picks {
        let got = one.found.picked(clue).len();
        if got != *want {
            wrong.push(format!("clue `{clue}` should cite {want} rows, cites {got}"));
        }
    }
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
    let tests: Vec<&String> =
        found.playbook.test.iter().filter(|(_, test)| tested(test, found)).map(|(id, _)| id).collect();
    if let Some(want) = &expect.tests {
        differ("tests", format!("{want:?}"), format!("{tests:?}"));
    }
    if let Some(want) = &expect.fixes {
        differ("fixes", format!("{want:?}"), format!("{fixes:?}"));
    }
    if let Some(want) = &expect.first_fix {
        differ("first fix", want.clone(), fixes.first().map(ToString::to_string).unwrap_or_default());
    }
    if let Some(want) = &expect.culprit {
        let got = culprit(found, table).0;
        let named = Culprit {
            ranks: want.ranks.clone().unwrap_or_else(|| got.ranks.clone()),
            nodes: want.nodes.clone().unwrap_or_else(|| got.nodes.clone()),
            gpus: want.gpus.clone().unwrap_or_else(|| got.gpus.clone()),
            pods: want.pods.clone().unwrap_or_else(|| got.pods.clone()),
            jobs: want.jobs.clone().unwrap_or_else(|| got.jobs.clone()),
        };
        differ("culprit", format!("{named:?}"), format!("{got:?}"));
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
