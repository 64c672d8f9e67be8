//! The literals that must occur in every match of a pattern.
//!
//! The scanner looks for these before it runs a regex; finding none in a line proves that the pattern
//! can't match there.

use regex_syntax::hir::{Hir, HirKind};

/// Alternatives of which one must occur.
pub type Choice = Vec<Vec<u8>>;

/// More alternatives than this are no help to a scanner.
const MAX_CHOICE: usize = 24;

/// Reads the pattern; returns each choice that every match must satisfy.
///
/// # Errors
/// The regex parser's message.
pub fn required(pattern: &str) -> Result<Vec<Choice>, String> {
    let hir = regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(pattern)
        .map_err(|error| error.to_string())?;
    let mut all = Vec::new();
    walk(&hir, &mut all);
    Ok(all)
}

/// The choice to search for: the one whose shortest alternative is longest.
pub fn best(choices: &[Choice]) -> Option<&Choice> {
    choices.iter().max_by_key(|choice| (shortest(choice), usize::MAX - choice.len()))
}

fn shortest(choice: &Choice) -> usize {
    choice.iter().map(Vec::len).min().unwrap_or(0)
}

fn walk(hir: &Hir, out: &mut Vec<Choice>) {
    match hir.kind() {
        HirKind::Literal(literal) => out.push(vec![literal.0.to_vec()]),
        HirKind::Capture(capture) => walk(&capture.sub, out),
        HirKind::Repetition(repeat) if repeat.min >= 1 => walk(&repeat.sub, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| walk(part, out)),
        HirKind::Alternation(branches) => out.extend(either(branches)),
        _ => {}
    }
}

/// The best choice of each branch, joined; nothing where a branch has none.
fn either(branches: &[Hir]) -> Option<Choice> {
    let mut joined = Choice::new();
    for branch in branches {
        let mut choices = Vec::new();
        walk(branch, &mut choices);
        joined.extend(best(&choices)?.iter().cloned());
    }
    (joined.len() <= MAX_CHOICE).then_some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor(pattern: &str) -> Vec<String> {
        let choices = required(pattern).unwrap();
        let best = best(&choices).cloned().unwrap_or_default();
        best.iter().map(|l| String::from_utf8_lossy(l).into_owned()).collect()
    }

    #[test]
    fn the_longest_required_literal_is_the_anchor() {
        assert_eq!(anchor(r"ab(?P<n>\d+) failed with (x|y)?"), [" failed with "]);
        assert_eq!(anchor(r"(?:alpha|beta)\d"), ["alpha", "beta"]);
        assert_eq!(anchor(r"(?:long-one|\d) tail"), [" tail"]);
        assert!(anchor(r"\d+").is_empty());
    }
}
