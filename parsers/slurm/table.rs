//! Tables as Slurm's commands print them: cells apart by `|`, or in columns under a heading.

use std::ops::Range;

/// The heading of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heading {
    /// `-p`, `-P`: names apart by a bar.
    Bars(Vec<String>),
    /// Columns: names, and where they stand.
    Columns(Vec<(String, Range<usize>)>),
}

/// Least columns of a table.
const LEAST: usize = 2;

impl Heading {
    /// Reads a heading; `rule` is the line under it, which may draw the columns (`------ ---`).
    pub(super) fn read(line: &str, rule: Option<&str>) -> Option<Self> {
        if line.contains('|') {
            let names: Vec<String> = line.trim_end().trim_end_matches('|').split('|').map(plain).collect();
            return (names.len() >= LEAST).then_some(Self::Bars(names));
        }
        let places = match rule.filter(|rule| is_rule(rule)) {
            Some(rule) => words(rule),
            None => words(line),
        };
        let name = |place: Range<usize>| Some((plain(line.get(place.start..place.end.min(line.len()))?), place));
        let columns: Vec<(String, Range<usize>)> = places.into_iter().filter_map(name).collect();
        (columns.len() >= LEAST).then_some(Self::Columns(columns))
    }

    /// Whether it has a column.
    pub(super) fn has(&self, name: &str) -> bool {
        self.index(name).is_some()
    }

    fn index(&self, name: &str) -> Option<usize> {
        match self {
            Self::Bars(names) => names.iter().position(|known| known == name),
            Self::Columns(columns) => columns.iter().position(|(known, _)| known == name),
        }
    }

    /// The cell of a row in a column; empty cells are none.
    pub(super) fn cell<'r>(&self, row: &'r str, name: &str) -> Option<&'r str> {
        let at = self.index(name)?;
        let cell = match self {
            Self::Bars(_) => row.split('|').nth(at)?,
            Self::Columns(columns) => column(row, columns, at)?,
        };
        Some(cell.trim()).filter(|cell| !cell.is_empty())
    }
}

/// The words of a row whose place overlaps a column; by number where there are as many as columns, and the rest of the
/// row in the last one.
fn column<'r>(row: &'r str, columns: &[(String, Range<usize>)], at: usize) -> Option<&'r str> {
    let places = words(row);
    if places.len() == columns.len() {
        return row.get(places[at].clone());
    }
    let place = &columns[at].1;
    let first = places.iter().find(|word| word.end > place.start && word.start < place.end)?;
    let end = if at + 1 == columns.len() { row.len() } else { last(&places, place)?.end };
    row.get(first.start..end.max(first.start))
}

fn last<'p>(places: &'p [Range<usize>], place: &Range<usize>) -> Option<&'p Range<usize>> {
    places.iter().rev().find(|word| word.end > place.start && word.start < place.end)
}

/// Where the words of a line stand.
fn words(line: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    let mut start = None;
    for (at, byte) in line.bytes().enumerate() {
        match (byte.is_ascii_whitespace(), start) {
            (false, None) => start = Some(at),
            (true, Some(from)) => {
                places.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    places.extend(start.map(|from| from..line.len()));
    places
}

fn is_rule(line: &str) -> bool {
    line.contains("--") && line.bytes().all(|byte| matches!(byte, b'-' | b' ' | b'\r'))
}

/// A name in lower case without signs: `NODELIST(REASON)` and `NodeList` are alike.
fn plain(name: &str) -> String {
    let name = name.split('(').next().unwrap_or(name);
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_found_by_bars_rules_and_places() {
        let bars = Heading::read("JobID|State|NodeList|", None).unwrap();
        assert_eq!(bars.cell("71204|FAILED||", "nodelist"), None);
        assert_eq!(bars.cell("71204|FAILED||", "state"), Some("FAILED"));
        let rule = "------------ ---------- --------";
        let ruled = Heading::read("       JobID      State ExitCode", Some(rule)).unwrap();
        assert_eq!(ruled.cell("71204        CANCELLED+      0:0", "exitcode"), Some("0:0"));
        assert_eq!(ruled.cell("71204                        0:0", "state"), None);
        let free = Heading::read("             JOBID PARTITION     NAME     USER ST NODELIST(REASON)", None).unwrap();
        let row = "             71204     batch    train      ann PD (launch failed requeued held)";
        assert_eq!(free.cell(row, "nodelist"), Some("(launch failed requeued held)"));
        assert_eq!(free.cell(row, "st"), Some("PD"));
    }

    #[test]
    fn what_is_no_table_has_no_heading() {
        assert_eq!(Heading::read("JobID", None), None);
        assert!(Heading::read("a|b\u{e9}|", None).unwrap().cell("x", "b").is_none());
    }
}
