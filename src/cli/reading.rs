//! From what a person names to the evidence table.

use diag_parsers::{Fields, Scanner};

use super::progress;
use crate::collect::cluster::{self, Held, Target};
use crate::collect::{self, Document, Harvest, Keep, Meter, Wanted, Witness};
use crate::error::Error;
use crate::evidence::{Ledger, Table};
use crate::report::{Input, Note};

/// All inputs as one table, with what was read and what was not.
#[derive(Debug)]
pub(super) struct Reading {
    /// The evidence.
    pub(super) table: Table,
    /// What was read.
    pub(super) inputs: Vec<Input>,
    /// What was not, or not as it should be.
    pub(super) notes: Vec<Note>,
    /// Whether it is one case: then all that is said of it is the same everywhere and at any time.
    pub(super) case: bool,
}

/// Reads a live cluster, if one is named, and all inputs; shows on a terminal how far it is.
pub(super) fn read(
    cluster: Option<&Target>,
    inputs: &[String],
    quiet: bool,
    scanner: &Scanner,
) -> Result<Reading, Error> {
    let (held, refused) = cluster.map(cluster::fetch).transpose()?.unwrap_or_default();
    let wanted = Wanted { held, ..Wanted::inputs(inputs) };
    progress::with(quiet, |meter| measured(wanted, refused, scanner, meter))
}

/// Reads texts that were fetched, and files, without a word on the screen; `refused`: what could not be fetched.
pub(super) fn quietly(
    held: Vec<Held>,
    refused: Vec<Error>,
    files: &[String],
    scanner: &Scanner,
) -> Result<Reading, Error> {
    let wanted = Wanted { held, ..Wanted::inputs(files) };
    progress::with(true, |meter| measured(wanted, refused, scanner, meter))
}

/// Reads what is wanted; what could not be fetched for it is told with what could not be read.
pub(super) fn measured(
    wanted: Wanted<'_>,
    refused: Vec<Error>,
    scanner: &Scanner,
    meter: &Meter,
) -> Result<Reading, Error> {
    let volatile = scanner.catalogue().volatile();
    let keep = Keep { new: &|| Ledger::new(volatile.clone()), take: Ledger::absorb, append: Ledger::merge };
    let named = wanted.inputs.join(" ");
    let Harvest { documents, remarks, case } = collect::read(wanted, scanner, &keep, meter);
    let remarks = collect::few([refused, remarks].concat());
    if documents.is_empty() {
        let nothing = || Error::new("input.none", named, "nothing to read here");
        return Err(remarks.into_iter().next().unwrap_or_else(nothing));
    }
    let notes = remarks.iter().map(note).collect();
    let read = documents.iter().map(input).collect();
    let mut ledgers = Vec::new();
    for mut document in documents {
        document.events.ends_at(document.tally.lines);
        document.events.written_by(&columns(&document.witness));
        ledgers.push((document.name, document.events));
    }
    Ok(Reading { table: Table::new(ledgers), inputs: read, notes, case })
}

/// Who wrote a document, as columns.
fn columns(witness: &Witness) -> Fields {
    let mut columns = Fields::default();
    let numbers = [("rank", witness.rank), ("local_rank", witness.local_rank), ("label", witness.label)];
    for (name, value) in numbers.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        columns.set(name, value);
    }
    if let Some(node) = &witness.node {
        columns.set("node", node.as_str());
    }
    columns
}

fn note(remark: &Error) -> Note {
    let way_on = if remark.way_on.is_empty() { String::new() } else { format!(" ({})", remark.way_on) };
    Note { source: remark.place.clone(), code: remark.code.to_owned(), what: remark.reason.clone() + &way_on }
}

fn input(document: &Document<Ledger>) -> Input {
    let tally = document.tally;
    Input {
        source: document.name.clone(),
        bytes: document.bytes,
        lines: tally.lines,
        events: tally.events,
        not_understood: tally.unknown as f64 / tally.lines.max(1) as f64,
    }
}
