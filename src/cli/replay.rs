//! `diag replay`: the journal of a case, each move derived again from the lines before it.

use std::path::PathBuf;

use super::{EXIT_HEALTHY, EXIT_TROUBLE, delivery};
use crate::agent;
use crate::case::pages;
use crate::error::Error;
use crate::report::guard;

/// Which case.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The case folder.
    #[arg(value_name = "CASE")]
    case: PathBuf,
}

/// Tells the journal. 0: every line is what follows from those before it.
pub(super) fn run(args: &Args) -> Result<u8, Error> {
    let place = args.case.display().to_string();
    let pages = pages(&args.case)?.ok_or_else(|| {
        Error::new("journal.none", &place, "nothing was begun on this case").with_way_on("`diag fix` begins")
    })?;
    let told = agent::replay(&pages.lines)?;
    let mut text = String::new();
    for line in &told {
        let mark = if line.fits { "" } else { "  !! does not follow from the lines before it" };
        text += &format!("{:>4}  {}  {:<34} {}{mark}\n", line.number, line.at, line.derived, guard::plain(&line.what));
    }
    if let Some(torn) = &pages.torn {
        text += &format!("      {} bytes of a line that was not finished; nothing was begun on it\n", torn.bytes);
    }
    let strange = told.iter().filter(|line| !line.fits).count();
    let next = agent::next(&agent::Case::of(&pages.lines)?);
    text += &format!("{} lines, {strange} that do not follow; next: {next}\n", told.len());
    delivery::deliver(text.as_bytes(), None)?;
    Ok(if strange == 0 { EXIT_HEALTHY } else { EXIT_TROUBLE })
}
