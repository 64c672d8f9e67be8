//! Which job a log is of, for its lines that don't tell.

use std::collections::BTreeSet;

use diag_parsers::Value;

use super::{Table, parts, window};

/// Fills the job in on rows of logs that one job printed, where a line of the log or its name tells the job's id.
pub(super) fn derive(table: &mut Table) {
    let of_job = window::is_of_job(table);
    // What witnesses of many jobs tell is of each its own.
    let of_many: BTreeSet<usize> =
        table.rows.iter().filter(|row| row.fields.get("witness").is_some()).map(|row| row.source).collect();
    let owners = parts::owners(table).into_iter().enumerate();
    let owners: Vec<Option<Value>> = owners
        .map(|(source, job)| job.filter(|_| of_job[source] || !of_many.contains(&source)))
        .map(|job| job.map(|job| job.parse().map_or(Value::Text(job), Value::Int)))
        .collect();
    for row in table.rows.iter_mut().filter(|row| row.parents.is_empty() && row.fields.get("witness").is_none()) {
        if let Some(job) = &owners[row.source] {
            row.fields.set_if_absent("job", job.clone());
        }
    }
}
