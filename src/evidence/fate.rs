//! Which failures the run survived: it made further steps, or ended well.

use diag_parsers::Says;

use super::Table;

/// Steps that a run must make after a fault before the fault counts as survived.
///
/// One is not enough: ranks that are already past the fault print the step they are in.
const FURTHER_STEPS: usize = 2;

/// Marks the rows that the run survived.
pub(super) fn derive(table: &mut Table) {
    let ends: Vec<(usize, u64)> = of(table, Says::Success);
    let trail: Vec<(usize, u64)> = table.trail.iter().map(|advance| (advance.source, advance.line)).collect();
    for row in &mut table.rows {
        if !matches!(row.says, Says::Failure | Says::Teardown | Says::Warning) {
            continue;
        }
        let after = |list: &[(usize, u64)]| {
            list.iter().filter(|(source, line)| *source == row.source && *line > row.last_line).count()
        };
        row.survived = after(&ends) > 0 || after(&trail) >= FURTHER_STEPS;
    }
    wake_of_success(table, &ends);
}

/// What is only torn down behind a good end, with no failure before or after it, is the noise of leaving.
fn wake_of_success(table: &mut Table, ends: &[(usize, u64)]) {
    let failed = |table: &Table, source| {
        table.rows.iter().any(|row| row.source == source && row.says == Says::Failure && !row.survived)
    };
    let sources: Vec<usize> =
        (0..table.sources.len()).filter(|s| ends.iter().any(|(end, _)| end == s) && !failed(table, *s)).collect();
    for row in table.rows.iter_mut().filter(|row| row.says == Says::Teardown && sources.contains(&row.source)) {
        row.survived = true;
    }
}

fn of(table: &Table, says: Says) -> Vec<(usize, u64)> {
    table.rows.iter().filter(|row| row.says == says).map(|row| (row.source, row.last_line)).collect()
}
