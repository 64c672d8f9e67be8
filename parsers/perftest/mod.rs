//! perftest's tables: `ib_write_bw`, `ib_read_bw`, `ib_send_bw` and their latencies.
//!
//! Shape: perftest 4.5 to 24.10 `src/perftest_parameters.h` (`RESULT_FMT`, `RESULT_FMT_G`, `RESULT_FMT_LAT`).

use crate::console;
use crate::event::{Event, Fields, Name, Says, Value};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// A table of results.
#[derive(Debug)]
pub struct Results;

/// A bandwidth. Fields: `bytes` (a message's size), `gbps` (Gb/s), `hca`, `node`.
const BANDWIDTH: Name = "perftest.bandwidth";
/// A latency. Fields: `bytes`, `usec` (the typical one), `hca`, `node`.
const LATENCY: Name = "perftest.latency";

/// Lines of a table: sizes from 2 to 2^23.
const MOST_ROWS: usize = 32;

/// Lines above a table in which the adapter is told.
const ABOVE: usize = 60;

impl Grammar for Results {
    fn kinds(&self) -> &'static [Name] {
        &[BANDWIDTH, LATENCY]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        Some(match kind {
            BANDWIDTH => "The bandwidth between two adapters was measured.",
            LATENCY => "The latency between two adapters was measured.",
            _ => return None,
        })
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["#bytes"]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let head = cursor.line.str().trim().to_owned();
        let Some(table) = Table::of(&head) else { return };
        let hca = cursor.preceding().take(ABOVE).find_map(|line| {
            let text = line.str().into_owned();
            let (_, rest) = text.split_once("Device ")?;
            Some(rest.trim_start_matches([' ', ':']).split_whitespace().next()?.to_owned())
        });
        let node = console::host(cursor);
        let rows = cursor.following().take(MOST_ROWS).map_while(|line| Some((table.row(&line.str())?, line)));
        // The largest size tells of the link; small ones tell of the processor.
        let Some(((bytes, value), line)) = rows.max_by_key(|((bytes, _), _)| *bytes) else { return };
        let mut fields = Fields::default();
        fields.set("bytes", bytes);
        fields.set(if table.latency { "usec" } else { "gbps" }, Value::Float(value));
        for (name, told) in [("hca", hca), ("node", node)] {
            if let Some(told) = told {
                fields.set(name, told);
            }
        }
        let kind = if table.latency { LATENCY } else { BANDWIDTH };
        out.push(Event::on(cursor, &line, kind, Says::Info, fields));
    }
}

/// What a heading promises.
struct Table {
    latency: bool,
    /// Column of the value.
    column: usize,
    /// Gb/s of one unit of it.
    unit: f64,
}

impl Table {
    fn of(head: &str) -> Option<Self> {
        if !head.starts_with("#bytes") || !head.contains("#iterations") {
            return None;
        }
        if head.contains("t_typical[usec]") {
            return Some(Self { latency: true, column: 4, unit: 1.0 });
        }
        let (_, unit) = head.split_once("BW average[")?;
        let unit = match unit.split(']').next()? {
            "Gb/sec" => 1.0,
            "MB/sec" => 8.0 * 1_048_576.0 / 1e9,
            "MiB/sec" => 8.0 * 1_048_576.0 / 1e9,
            _ => return None,
        };
        Some(Self { latency: false, column: 3, unit })
    }

    /// A message's size and the value of a row.
    fn row(&self, text: &str) -> Option<(i64, f64)> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let bytes = words.first()?.parse().ok()?;
        words.get(1)?.parse::<i64>().ok()?;
        Some((bytes, words.get(self.column)?.parse::<f64>().ok()? * self.unit))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Catalogue, Scanner, lint};

    #[test]
    fn the_largest_size_of_a_table_is_told_in_gigabits() {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let told = |log: &str| {
            let events = lint::read(&scanner, log).into_iter().filter(|event| event.kind.starts_with("perftest."));
            let one = |event: crate::Event| {
                let value = ["gbps", "usec"].iter().find_map(|name| event.fields.get(name)).map(ToString::to_string);
                (
                    event.kind,
                    event.fields.int("bytes").unwrap(),
                    value.unwrap(),
                    event.fields.text("hca").map(str::to_owned),
                )
            };
            events.map(one).collect::<Vec<_>>()
        };
        let log = " Dual-port       : OFF\t\tDevice         : mlx5_2\n #bytes     #iterations    BW peak[Gb/sec]    BW average[Gb/sec]   MsgRate[Mpps]\n 2          5000             0.07               0.07               4.2\n 65536      5000             388.11             387.50             0.739\n---\n";
        assert_eq!(told(log), [("perftest.bandwidth", 65536, "387.5".to_owned(), Some("mlx5_2".to_owned()))]);
        let lat = " #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]    t_stdev[usec]   99% percentile[usec]   99.9% percentile[usec] \n 2       1000          1.71           4.82         1.75              1.77           0.12            1.93                    4.82\n";
        assert_eq!(told(lat), [("perftest.latency", 2, "1.75".to_owned(), None)]);
    }
}
