//! The table that `nvidia-smi` prints: two or three lines a GPU, MIG devices in a table of their own.
//!
//! Shape: drivers 390 to 580, which differ in the width of the columns.

use crate::console;
use crate::event::{Event, Fields, Name, Says};
use crate::gpu;
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// The table of GPUs.
#[derive(Debug)]
pub struct Table;

/// Lines of the table: 64 GPUs of five lines, with their MIG devices.
const MOST_LINES: usize = 800;

impl Grammar for Table {
    fn kinds(&self) -> &'static [Name] {
        gpu::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[HEADING, UNREADABLE]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let headed = cursor.line.whole().contains(HEADING);
        if !headed && !is_first_row(cursor) {
            return;
        }
        let mut rows = Rows { cursor, node: None, gpu: None, indices: Vec::new() };
        let first = (!headed).then(|| cursor.line.clone());
        for line in first.into_iter().chain(cursor.following().take(MOST_LINES)) {
            let text = line.whole();
            let Some(start) = text.find(['|', '+']) else { break };
            if text.contains("Processes:") {
                break;
            }
            if text[start..].starts_with('|') {
                rows.row(&line, &text[start..], out);
            }
        }
    }
}

/// The column that all of the tables have in their heading.
const HEADING: &str = "Volatile Uncorr. ECC";

/// NVML's word for a GPU that is gone from the bus (`nvmlErrorString`), in the column of another reading.
const IS_LOST: &str = "GPU is lost";

/// How the row of a GPU ends whose errors can't be read: where somebody shows that row alone, there is no heading.
const UNREADABLE: &str = "ERR! |";

/// Whether the cursor's row names its GPU, and none above has told of the table.
fn is_first_row(cursor: &Cursor<'_>) -> bool {
    let names = |text: &str| text.split_whitespace().any(is_address);
    let mut above = cursor.preceding().take(MOST_LINES).map(|line| line.whole());
    let told = |text: String| text.contains(HEADING) || (text.contains(UNREADABLE) && names(&text));
    names(&cursor.line.whole())
        && !above.by_ref().take_while(|text| text.trim_start().starts_with(['|', '+'])).any(told)
}

struct Rows<'a, 'c> {
    cursor: &'c Cursor<'a>,
    node: Option<Option<String>>,
    /// The GPU whose lines these are.
    gpu: Option<String>,
    /// Index and address of each, for MIG devices.
    indices: Vec<(String, String)>,
}

impl Rows<'_, '_> {
    fn row(&mut self, line: &Line<'_>, text: &str, out: &mut Vec<Event>) {
        let cells: Vec<&str> = text.trim_matches(['|', ' ']).split('|').map(str::trim).collect();
        let Some(first) = cells.first() else { return };
        if let Some(address) = cells.get(1).and_then(|cell| cell.split_whitespace().find(|word| is_address(word))) {
            self.gpu = Some(address.to_owned());
            let index = first.split_whitespace().next().unwrap_or_default();
            self.indices.push((index.to_owned(), address.to_owned()));
            self.errors(line, cells.get(2).copied(), out);
        } else if let Some(count) = mig_errors(&cells) {
            let index = first.split_whitespace().next().unwrap_or_default();
            self.gpu = self.indices.iter().find(|(known, _)| known == index).map(|(_, address)| address.clone());
            self.ecc(line, count, out);
        }
        if cells.contains(&IS_LOST) && self.gpu.is_some() {
            let fields = [("what", IS_LOST.into()), ("reading", "table".into())].into_iter().collect();
            self.push(line, gpu::LOST, Says::Failure, fields, out);
        } else if cells.iter().any(|cell| cell.split_whitespace().any(|word| word == "ERR!")) && self.gpu.is_some() {
            let fields = [("what", "ERR!".into()), ("reading", "table".into())].into_iter().collect();
            self.push(line, gpu::UNREADABLE, Says::Warning, fields, out);
        }
        if let Some(mode) = cells.get(2).and_then(|cell| cell.split('%').nth(1)).map(str::trim)
            && mode.starts_with('E')
        {
            self.push(line, gpu::EXCLUSIVE, Says::Info, [("mode", mode.into())].into_iter().collect(), out);
        }
    }

    /// The column of uncorrected errors: a number, `N/A`, or `Off`.
    fn errors(&mut self, line: &Line<'_>, cell: Option<&str>, out: &mut Vec<Event>) {
        if let Some(count) = cell.and_then(|cell| cell.parse::<i64>().ok()) {
            self.ecc(line, count, out);
        }
    }

    fn ecc(&mut self, line: &Line<'_>, count: i64, out: &mut Vec<Event>) {
        if count > 0 {
            let fields = [("scope", "volatile".into()), ("count", count.into())].into_iter().collect();
            self.push(line, gpu::ECC, Says::Warning, fields, out);
        }
    }

    fn push(&mut self, line: &Line<'_>, kind: Name, says: Says, mut fields: Fields, out: &mut Vec<Event>) {
        if let Some(gpu) = &self.gpu {
            fields.set("gpu", gpu.as_str());
        }
        if let Some(node) = self.node.get_or_insert_with(|| console::host(self.cursor)) {
            fields.set("node", node.as_str());
        }
        out.push(Event::on(self.cursor, line, kind, says, fields));
    }
}

/// `00000000:3B:00.0`, `0000:3B:00.0`.
fn is_address(word: &str) -> bool {
    word.len() >= 12
        && word.matches(':').count() == 2
        && word.contains('.')
        && word.chars().all(|c| c.is_ascii_hexdigit() || ":.".contains(c))
}

/// The errors of a row of MIG devices: `0 7 0 0 | 6MiB / 4864MiB | 14 0 | 1 0 0 0 0`.
fn mig_errors(cells: &[&str]) -> Option<i64> {
    let numbers = |cell: &str| cell.split_whitespace().map(str::parse::<i64>).collect::<Result<Vec<_>, _>>().ok();
    let (ids, units) = (numbers(cells.first()?)?, numbers(cells.get(2)?)?);
    (ids.len() == 4 && units.len() == 2 && cells.len() >= 4).then(|| units[1])
}
