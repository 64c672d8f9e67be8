//! TOML that people write: a mistake is answered with file, line, column and what was meant.

use serde::de::DeserializeOwned;

use crate::error::Error;

/// Reads a file's text as `T`; `place` is its name, `code` that of the error.
///
/// # Errors
/// What does not have the shape of `T`, with `place:line:column`.
pub fn read<T: DeserializeOwned>(text: &str, place: &str, code: &'static str) -> Result<T, Error> {
    toml::from_str(text).map_err(|error| {
        let (line, column) = error.span().map_or((1, 1), |span| line_and_column(text, span.start));
        let reason = error.message().to_owned();
        let way_on = did_you_mean(&reason).map(|name| format!("did you mean `{name}`?")).unwrap_or_default();
        Error::new(code, format!("{place}:{line}:{column}"), reason).with_way_on(way_on)
    })
}

/// Line and column of a byte, from 1.
pub fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

/// Of the names that a reader's message quotes, the known one that is most like the unknown one, which comes first.
fn did_you_mean(message: &str) -> Option<&str> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    closest(unknown, quoted)
}

/// The name most like one that is unknown, if any is like it at all.
pub fn closest<'n>(unknown: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    const LIKE_ENOUGH: f64 = 0.7;
    // In a short word two letters that changed places leave Jaro's measure little that is alike.
    let alike = |name: &str| match strsim::osa_distance(unknown, name) {
        0 | 1 => 1.0,
        _ => strsim::jaro_winkler(unknown, name),
    };
    let known = known.map(|name| (alike(name), name)).filter(|(alike, _)| *alike > LIKE_ENOUGH);
    known.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}
