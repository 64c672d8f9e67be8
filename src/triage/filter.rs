//! Which facts are shown: words that all have to be there, each in a column or anywhere.

use super::incident::Incident;
use crate::evidence::Row;

/// A filter as it was typed: `kind:torch rank:0-7 time-out`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter(Vec<Wish>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    Kind(String),
    Node(String),
    Source(String),
    /// Ranks from and to.
    Rank(i64, i64),
    /// The number of a finding, from 1.
    Finding(usize),
    /// The id of a cited line, in lower case.
    Id(String),
    Text(String),
}

impl Filter {
    /// What was typed. What is no column is text.
    pub(super) fn of(typed: &str) -> Self {
        Self(typed.split_whitespace().map(wish).collect())
    }

    /// Whether a fact fits.
    pub(super) fn takes(&self, row: &Row, incident: &Incident) -> bool {
        self.0.iter().all(|wish| fits(wish, row, incident))
    }
}

fn wish(word: &str) -> Wish {
    let low = word.to_lowercase();
    let text = || Wish::Text(low.clone());
    match low.split_once(':') {
        Some(("kind", rest)) => Wish::Kind(rest.to_owned()),
        Some(("node", rest)) => Wish::Node(rest.to_owned()),
        Some(("source", rest)) => Wish::Source(rest.to_owned()),
        Some(("rank", rest)) => ranks(rest).map_or_else(text, |(from, to)| Wish::Rank(from, to)),
        Some(("finding", rest)) => rest.parse().map_or_else(|_| text(), Wish::Finding),
        _ if low.strip_prefix('e').is_some_and(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())) => {
            Wish::Id(low)
        }
        _ => text(),
    }
}

/// `3`, `0-7`.
fn ranks(text: &str) -> Option<(i64, i64)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    Some((from.parse().ok()?, to.parse().ok()?))
}

fn fits(wish: &Wish, row: &Row, incident: &Incident) -> bool {
    let source = || &incident.table.sources[row.source];
    let cited = || incident.cited(source(), row.line);
    match wish {
        Wish::Kind(kind) => has(row.kind, kind),
        Wish::Node(node) => row.node().is_some_and(|own| has(own, node)),
        Wish::Source(name) => has(source(), name),
        Wish::Rank(from, to) => row.rank().is_some_and(|rank| (*from..=*to).contains(&rank)),
        Wish::Finding(number) => cited().is_some_and(|cited| cited.findings.iter().any(|at| at + 1 == *number)),
        Wish::Id(id) => cited().is_some_and(|cited| cited.id.eq_ignore_ascii_case(id)),
        Wish::Text(text) => has(&row.text, text) || has(row.kind, text),
    }
}

/// Whether a text holds a word, whatever their case.
fn has(text: &str, low: &str) -> bool {
    // Most text of logs is ASCII: no copy of it is made then.
    if text.is_ascii() && low.is_ascii() {
        return low.is_empty()
            || text.as_bytes().windows(low.len()).any(|part| part.eq_ignore_ascii_case(low.as_bytes()));
    }
    text.to_lowercase().contains(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_column_is_text() {
        assert_eq!(wish("rank:0-7"), Wish::Rank(0, 7));
        assert_eq!(wish("rank:all"), Wish::Text("rank:all".to_owned()));
        assert_eq!(wish("E12"), Wish::Id("e12".to_owned()));
        assert_eq!(wish("Error:"), Wish::Text("error:".to_owned()));
        assert_eq!(wish("e"), Wish::Text("e".to_owned()));
        assert!(has("GPU 서버", "서버") && has("NVRM: Xid", "xid") && !has("x", "xx") && has("", ""));
    }
}
