//! `sinfo -R` and `sinfo -Rl`: one line a reason, `REASON USER TIMESTAMP [STATE] NODELIST`.
//!
//! Shape: slurm-25-05 `src/sinfo/opts.c`: `%20E %12U %19H %N`, long `%20E %12U %19H %6t %N`.

use super::reason::{self, Outage};
use crate::event::{Event, Name};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// The table of `sinfo -R`.
#[derive(Debug)]
pub struct Reasons;

/// Most lines of a table that are read.
const MOST: usize = 4096;

impl Grammar for Reasons {
    fn kinds(&self) -> &'static [Name] {
        reason::KINDS
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        reason::about(kind)
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["TIMESTAMP", "REASON  "]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        if !String::from_utf8_lossy(cursor.line.raw).starts_with("REASON ") {
            return;
        }
        let heading = cursor.line.whole();
        let short = heading.split_whitespace().eq(["REASON", "NODELIST"]);
        for line in cursor.following().take(MOST) {
            let text = line.whole();
            let told = if short { pair(&text) } else { record(&text) };
            let Some((why, node, since)) = told else { break };
            let outage = Outage { node, why: &why, since: reason::stamp(since) };
            out.push(outage.event(cursor, &line, "sinfo"));
        }
    }
}

/// A row of that table without its heading, as `grep` and people copy it: known by a reason that Slurm itself gives.
#[derive(Debug)]
pub struct BareReasons;

impl Grammar for BareReasons {
    fn kinds(&self) -> &'static [Name] {
        reason::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[
            "Kill task failed ",
            "Not responding ",
            "Prolog error ",
            "Epilog error ",
            "Low RealMemory ",
            "gres/gpu count ",
        ]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.whole();
        let begins = |anchor: &&str| text.trim_start().starts_with(*anchor);
        let Some(first) = record(&text).filter(|_| self.anchors().iter().any(begins)) else { return };
        // `… 2026-05-04T03:12:41 gpu-006` ends there
        if !text.trim_end().ends_with(&format!("{} {}", first.2, first.1)) {
            return;
        }
        // rows below another are read with that one
        let above = cursor.preceding().next().map(|line| line.whole()).unwrap_or_default();
        if above.starts_with("REASON ") || record(&above).is_some() {
            return;
        }
        for line in std::iter::once(cursor.line.clone()).chain(cursor.following().take(MOST)) {
            let text = line.whole();
            let Some((why, node, since)) = record(&text) else { break };
            let outage = Outage { node, why: &why, since: reason::stamp(since) };
            out.push(outage.event(cursor, &line, "sinfo"));
        }
    }
}

/// The reason and the hostlist of a line that has nothing else (`--Format=reason,nodelist`), apart by blanks.
fn pair(text: &str) -> Option<(String, &str, &str)> {
    let (why, node) = text.trim_end().rsplit_once("  ")?;
    let why = why.trim();
    (!why.is_empty() && !node.contains(' ')).then(|| (why.to_owned(), node, ""))
}

/// The reason, the hostlist and the time of a line.
fn record(text: &str) -> Option<(String, &str, &str)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let stamp = words.iter().position(|word| reason::stamp(word).is_some()).filter(|at| *at >= 2)?;
    let node = words.last().filter(|_| words.len() > stamp + 1)?;
    Some((words[..stamp - 1].join(" "), node, words[stamp]))
}

#[cfg(test)]
mod tests {
    use crate::lint;
    use crate::{Catalogue, Scanner};

    fn read(log: &str) -> Vec<(&'static str, String, String)> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let text = |event: &crate::Event, name: &str| event.fields.text(name).unwrap_or_default().to_owned();
        let events = lint::read(&scanner, log).into_iter().filter(|event| event.kind.starts_with("slurm.node_"));
        events.map(|event| (event.kind, text(&event, "node"), text(&event, "why"))).collect()
    }

    #[test]
    fn both_tables_are_read() {
        let short = "REASON               USER      TIMESTAMP           NODELIST\n\
                     Not responding       slurm     2026-05-04T03:12:41 gpu-[019-020]\n\
                     bad cable, ask Ann   root      2026-05-04T03:12:41 gpu-021\n\
                     done\n";
        assert_eq!(
            read(short),
            [
                ("slurm.node_silent", "gpu-[019-020]".into(), "Not responding".into()),
                ("slurm.node_drained", "gpu-021".into(), "bad cable, ask Ann".into()),
            ]
        );
        let long = "REASON               USER         TIMESTAMP           STATE  NODELIST\n\
                    Kill task failed     root(0)      2026-05-04T03:12:41 drain  gpu-006\n";
        assert_eq!(read(long), [("slurm.node_stuck", "gpu-006".into(), "Kill task failed".into())]);
    }

    #[test]
    fn a_table_of_reasons_and_nodes_alone_is_read() {
        let log = "REASON                                  NODELIST            \n\
                   Low RealMemory                          gpu-[001-003]       \n$ date\n";
        assert_eq!(read(log), [("slurm.node_lessened", "gpu-[001-003]".into(), "Low RealMemory".into())]);
    }

    #[test]
    fn a_row_without_its_heading_is_read_where_slurm_itself_gave_the_reason() {
        let row = "Kill task failed     root      2026-05-04T03:12:41 gpu-006\n";
        assert_eq!(read(row), [("slurm.node_stuck", "gpu-006".into(), "Kill task failed".into())]);
        assert!(read("Kill task failed at 2026-05-04T03:12:41 on gpu-006\n").is_empty());
        assert!(read("ask Ann              root      2026-05-04T03:12:41 gpu-006\n").is_empty());
        let two = format!("{row}ask Ann              root      2026-05-04T03:12:41 gpu-007\n");
        assert_eq!(read(&two).len(), 2);
        let table = format!("REASON               USER      TIMESTAMP           NODELIST\n{row}");
        assert_eq!(read(&table).len(), 1);
    }

    #[test]
    fn an_empty_table_tells_nothing() {
        assert!(read("REASON               USER      TIMESTAMP           NODELIST\n$ sinfo\n").is_empty());
    }
}
