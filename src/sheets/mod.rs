//! The evidence as plain tables, for questions that no playbook asks.
//!
//! A table has one row a distinct fact, so it is as large as the evidence and not as the logs. It knows nothing of the
//! engine that answers the questions. To add a column: one line in a list below, which also documents it.

mod evidence;
mod report;

use std::collections::BTreeSet;

use diag_parsers::Value;

use crate::evidence::Table;
use crate::report::Report;

/// A value of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Not told.
    Null,
    /// A truth.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    Text(String),
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// [`Cell::Bool`].
    Bool,
    /// [`Cell::Int`].
    Int,
    /// [`Cell::Float`].
    Float,
    /// [`Cell::Text`].
    Text,
}

impl Kind {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOLEAN",
            Self::Int => "BIGINT",
            Self::Float => "DOUBLE",
            Self::Text => "VARCHAR",
        }
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name in SQL.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
    /// What they mean.
    pub about: String,
    /// The values, one a row; empty in a mere description.
    pub cells: Vec<Cell>,
}

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// Its name in SQL.
    pub name: &'static str,
    /// What a row is.
    pub about: &'static str,
    /// Its columns.
    pub columns: Vec<Column>,
}

/// How a column is made of something: its name, kind, meaning, and value.
type Maker<T> = (&'static str, Kind, &'static str, fn(&T) -> Cell);

fn columns<T>(makers: &[Maker<T>], rows: &[T]) -> Vec<Column> {
    let column = |(name, kind, about, make): &Maker<T>| Column {
        name: (*name).to_owned(),
        kind: *kind,
        about: (*about).to_owned(),
        cells: rows.iter().map(make).collect(),
    };
    makers.iter().map(column).collect()
}

/// All tables; of the fields that only some kinds of event have, those that `wanted` names are columns of `evidence`.
pub fn all(table: &Table, report: &Report, wanted: &BTreeSet<String>) -> Vec<Sheet> {
    vec![evidence::sheet(table, report, wanted), report::findings(report), report::inputs(report)]
}

/// The tables without rows, for who wants to know what is there.
pub fn schema() -> Vec<Sheet> {
    vec![evidence::schema(), report::findings_schema(), report::inputs_schema()]
}

/// The fields that rows of the evidence have, beside the columns that all have.
pub fn fields(table: &Table) -> Vec<Column> {
    evidence::fields(table, None)
}

/// The names that a query mentions, outside of quoted text.
pub fn mentioned(sql: &str) -> BTreeSet<String> {
    let outside: String = sql.split('\'').step_by(2).collect::<Vec<_>>().join(" ");
    let words = outside.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

fn text(text: Option<&str>) -> Cell {
    text.map_or(Cell::Null, |text| Cell::Text(text.to_owned()))
}

fn int(number: u64) -> Cell {
    Cell::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn cell(value: Option<&Value>, kind: Kind) -> Cell {
    match (value, kind) {
        (None, _) => Cell::Null,
        (Some(Value::Int(number)), Kind::Int) => Cell::Int(*number),
        (Some(Value::Int(number)), Kind::Float) => Cell::Float(*number as f64),
        (Some(Value::Float(number)), Kind::Float) => Cell::Float(*number),
        (Some(Value::Bool(truth)), Kind::Bool) => Cell::Bool(*truth),
        (Some(value), Kind::Text) => Cell::Text(value.to_string()),
        (Some(_), _) => Cell::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_quotes_are_no_names() {
        let words = mentioned("SELECT Xid, e.peer FROM evidence e WHERE text LIKE '%step it''s%' AND xid=79");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(words, ["79", "and", "e", "evidence", "from", "like", "peer", "select", "text", "where", "xid"]);
    }

    #[test]
    fn every_column_has_a_name_of_its_own_and_a_meaning() {
        for sheet in schema() {
            let names: BTreeSet<&String> = sheet.columns.iter().map(|column| &column.name).collect();
            assert_eq!(names.len(), sheet.columns.len(), "{}", sheet.name);
            assert!(sheet.columns.iter().all(|column| !column.about.is_empty()));
        }
    }
}
