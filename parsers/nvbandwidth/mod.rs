//! nvbandwidth's tables: the rate between the host and each GPU, or between each two GPUs. The GPUs of one table are
//! compared; what a rate should be depends on the machine.
//!
//! Shape: nvbandwidth v0.4 to v0.10 `testcase.cpp`, `output.cpp` (`memcpy CE CPU(row) -> GPU(column) bandwidth (GB/s)`).

use crate::console;
use crate::event::{Event, Fields, Name, Says, Value};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// A table of rates.
#[derive(Debug)]
pub struct Rates;

/// A GPU has less bandwidth to its host than the others. Fields: `gpu`, `rate`, `rate_best` (GB/s), `what`, `node`.
const HOST: Name = "nvbandwidth.host_low";
/// A GPU has less bandwidth to other GPUs than these have among themselves. The same fields.
const PEER: Name = "nvbandwidth.peer_low";

/// Words of the heading of each table.
const HEAD: &str = "bandwidth (GB/s)";

/// Fewest GPUs that can be compared.
const FEWEST: usize = 3;

/// Share of the middle rate below which a GPU is slow: a link with half its lanes has 0.5, scatter is within a few percent.
const SLOW: f64 = 0.7;

/// Most rows of a table.
const MOST_ROWS: usize = 80;

impl Grammar for Rates {
    fn kinds(&self) -> &'static [Name] {
        &[HOST, PEER]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        Some(match kind {
            HOST => "A GPU has less bandwidth to its host than the GPUs beside it.",
            PEER => "A GPU has less bandwidth to its peers than they have among themselves.",
            _ => return None,
        })
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[HEAD]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let head = cursor.line.str().trim().to_owned();
        if !head.starts_with("memcpy") || !head.ends_with(HEAD) {
            return;
        }
        let rows: Vec<(Line<'_>, Vec<Option<f64>>)> = cursor
            .following()
            .skip(1)
            .take(MOST_ROWS)
            .map_while(|line| Some((line.clone(), row(&line.str())?)))
            .collect();
        let of_host = head.contains("CPU(row)");
        let Some((line, _)) = rows.first() else { return };
        let columns = rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or_default();
        if !of_host && rows.len() != columns {
            return;
        }
        let rates: Vec<Option<f64>> = (0..columns).map(|gpu| rate(&rows, gpu)).collect();
        let mut known: Vec<f64> = rates.iter().flatten().copied().collect();
        known.sort_by(f64::total_cmp);
        let Some(middle) = known.get(known.len() / 2).copied().filter(|_| known.len() >= FEWEST) else { return };
        let node = console::host(cursor);
        for (gpu, rate) in rates.iter().enumerate().filter_map(|(gpu, rate)| Some((gpu, (*rate)?))) {
            if rate >= SLOW * middle {
                continue;
            }
            let mut fields = Fields::default();
            fields.set("gpu", format!("GPU {gpu}"));
            fields.set("rate", Value::Float(rate));
            fields.set("rate_best", Value::Float(middle));
            fields.set("what", format!("{rate:.1} GB/s, others {middle:.1}"));
            if let Some(node) = &node {
                fields.set("node", node.as_str());
            }
            // Between GPUs, the row of the slow one tells most.
            let line = if of_host { line } else { rows.get(gpu).map_or(line, |(line, _)| line) };
            out.push(Event::on(cursor, line, if of_host { HOST } else { PEER }, Says::Warning, fields));
        }
    }
}

/// The cells of ` 0     55.59     N/A`, without the number of the row; none on any other line.
fn row(text: &str) -> Option<Vec<Option<f64>>> {
    let mut words = text.split_ascii_whitespace();
    words.next()?.parse::<usize>().ok()?;
    let cells: Vec<Option<Option<f64>>> = words
        .map(|word| if word == "N/A" { Some(None) } else { word.parse().ok().filter(|_| word.contains('.')).map(Some) })
        .collect();
    (!cells.is_empty()).then(|| cells.into_iter().collect()).flatten()
}

/// The middle of the rates in a column.
fn rate(rows: &[(Line<'_>, Vec<Option<f64>>)], gpu: usize) -> Option<f64> {
    let mut rates: Vec<f64> = rows.iter().filter_map(|(_, cells)| *cells.get(gpu)?).collect();
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use crate::{Catalogue, Scanner, lint};

    fn read(log: &str) -> Vec<(&'static str, String, u64)> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let ours = lint::read(&scanner, log).into_iter().filter(|event| event.kind.starts_with("nvbandwidth."));
        ours.map(|event| (event.kind, event.fields.text("gpu").unwrap().to_owned(), event.line)).collect()
    }

    #[test]
    fn a_gpu_with_half_the_lanes_stands_out() {
        let log = "Running host_to_device_memcpy_ce.\nmemcpy CE CPU(row) -> GPU(column) bandwidth (GB/s)\n           0         1         2         3\n 0     55.59     55.60     25.10     55.59\n\nSUM host_to_device_memcpy_ce 191.88\n";
        assert_eq!(read(log), [("nvbandwidth.host_low", "GPU 2".to_owned(), 4)]);
        assert!(read(&log.replace("25.10", "54.90")).is_empty());
    }

    #[test]
    fn a_gpu_with_slow_links_stands_out_among_its_peers() {
        let log = "memcpy CE GPU(row) -> GPU(column) bandwidth (GB/s)\n           0         1         2         3\n 0       N/A    390.10    195.10    390.02\n 1    390.08       N/A    195.10    390.12\n 2    195.10    195.10       N/A    195.10\n 3    390.10    390.10    195.20       N/A\n";
        assert_eq!(read(log), [("nvbandwidth.peer_low", "GPU 2".to_owned(), 5)]);
    }

    #[test]
    fn two_gpus_are_too_few() {
        assert!(
            read(
                "memcpy CE CPU(row) -> GPU(column) bandwidth (GB/s)\n           0         1\n 0     55.59     25.60\n"
            )
            .is_empty()
        );
    }
}
