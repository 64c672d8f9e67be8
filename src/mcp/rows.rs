//! Single lines of the evidence, chosen by what they are.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::desk::Study;
use super::params::Query;
use crate::report::grid::Grid;
use crate::sheets::{self, Cell, Column};

/// Most rows of an answer.
pub(super) const MOST: u64 = 200;

/// Rows where nothing is said.
const USUAL: u64 = 50;

/// Columns that an answer has.
const COLUMNS: [&str; 11] = ["id", "cited", "source", "line", "time", "node", "rank", "kind", "says", "count", "text"];

/// The rows that a question asks for, and how many fit in all.
pub(super) fn rows(study: &Study, asked: &Query) -> (Vec<Value>, u64) {
    let sheets = sheets::all(&study.table, &study.report, &BTreeSet::new());
    let Some(evidence) = sheets.into_iter().next() else { return (Vec::new(), 0) };
    let columns = &evidence.columns;
    let height = columns.first().map_or(0, |column| column.cells.len());
    let fitting: Vec<usize> = (0..height).filter(|at| fits(columns, *at, asked)).collect();
    let from = usize::try_from(asked.offset).unwrap_or(usize::MAX);
    let told = fitting.iter().skip(from).take(usize::try_from(limit(asked)).unwrap_or(0));
    (told.map(|at| row(columns, *at)).collect(), fitting.len() as u64)
}

/// Most rows that a question asks for.
pub(super) fn limit(asked: &Query) -> u64 {
    asked.limit.unwrap_or(USUAL).clamp(1, MOST)
}

fn cell<'a>(columns: &'a [Column], name: &str, at: usize) -> &'a Cell {
    columns.iter().find(|column| column.name == name).and_then(|column| column.cells.get(at)).unwrap_or(&Cell::Null)
}

fn fits(columns: &[Column], at: usize, asked: &Query) -> bool {
    let text = |name: &str| match cell(columns, name, at) {
        Cell::Text(text) => text.as_str(),
        _ => "",
    };
    let kind = |wanted: &String| match wanted.strip_suffix('*') {
        Some(start) => text("kind").starts_with(start),
        None => text("kind") == wanted,
    };
    let holds = |name: &str, part: &Option<String>| part.as_ref().is_none_or(|part| text(name).contains(part));
    asked.kind.as_ref().is_none_or(kind)
        && asked.says.as_ref().is_none_or(|says| text("says") == says)
        && asked.rank.is_none_or(|rank| *cell(columns, "rank", at) == Cell::Int(rank))
        && holds("source", &asked.source)
        && holds("text", &asked.text)
}

fn row(columns: &[Column], at: usize) -> Value {
    let told = COLUMNS.iter().map(|name| (*name, cell(columns, name, at))).filter(|(_, cell)| **cell != Cell::Null);
    Value::Object(told.map(|(name, cell)| (name.to_owned(), value(cell))).collect())
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Bool(truth) => json!(truth),
        Cell::Int(number) => json!(number),
        Cell::Float(number) => json!(number),
        Cell::Text(text) => json!(text),
    }
}

/// A table as a list of objects, one a row.
pub(super) fn objects(grid: &Grid) -> Vec<Value> {
    let object =
        |row: &Vec<Value>| Value::Object(grid.head.iter().cloned().zip(row.iter().cloned()).collect::<Map<_, _>>());
    grid.rows.iter().map(object).collect()
}
