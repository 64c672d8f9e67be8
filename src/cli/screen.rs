//! What the screen is like: its width, and whether it takes colours.

use std::io::IsTerminal as _;

/// Columns of text that goes to a file or a pipe.
const PIPED: usize = 100;

/// Most columns that are used: longer lines are hard to read.
const MOST: usize = 160;

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Color {
    /// On a terminal that takes it, unless NO_COLOR is set; CLICOLOR_FORCE colours a pipe as well.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Columns of the screen; of a pipe what `COLUMNS` says.
pub(super) fn width(file: bool) -> usize {
    let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let told = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let width = if file {
        None
    } else if std::io::stdout().is_terminal() {
        terminal()
    } else {
        told()
    };
    width.filter(|width| *width > 0).map_or(PIPED, |width: usize| width.min(MOST))
}

/// Whether to colour what goes to standard output, or to a file.
pub(super) fn colour(wanted: Color, file: bool) -> bool {
    match wanted {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if file || anstyle_query::no_color() => false,
        Color::Auto => {
            anstyle_query::clicolor_force()
                || (std::io::stdout().is_terminal()
                    && anstyle_query::term_supports_color()
                    && anstyle_query::clicolor() != Some(false))
        }
    }
}
