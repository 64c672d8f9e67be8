//! From what was read to a report, by all playbooks that look at it.

use diag_parsers::Scanner;

use super::narrow;
use super::reading::Reading;
use crate::diagnose;
use crate::error::Error;
use crate::evidence::Table;
use crate::playbook::{Library, Playbook};
use crate::report::{self, Report, Task};

/// The evidence, and what is told of it.
#[derive(Debug)]
pub(super) struct Study {
    /// The part of the evidence that was asked for.
    pub(super) table: Table,
    /// What is told of it; it does not say how long that took.
    pub(super) report: Report,
    /// Whether all was one case.
    pub(super) case: bool,
}

/// The playbooks that count.
pub(super) fn playbooks(library: &Library) -> Vec<&Playbook> {
    let all = library.playbooks.iter().map(|shelved| &shelved.playbook);
    all.filter(|playbook| diagnose::considered(&["*".to_owned()], playbook)).collect()
}

/// Diagnoses the part of it that is asked for; findings of the causes that `about` names come first.
pub(super) fn study(
    reading: Reading,
    part: &narrow::Args,
    about: &[String],
    library: &Library,
    scanner: &Scanner,
) -> Result<Study, Error> {
    let Reading { table, inputs, mut notes, case } = reading;
    let (table, left_out) = narrow::apply(part, table)?;
    notes.extend(left_out);
    let task = Task { about, playbooks: playbooks(library), catalogue: scanner.catalogue(), inputs, notes };
    let report = report::compose(&table, task);
    Ok(Study { table, report, case })
}
