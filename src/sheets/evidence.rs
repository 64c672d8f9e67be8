//! The table of facts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diag_parsers::{Clock, Name, Says, Value};

use super::{Cell, Column, Kind, Maker, Sheet, cell, columns, int, text};
use crate::evidence::{Row, RowId, Table};
use crate::report::Report;

const NAME: &str = "evidence";
const ABOUT: &str = "one row a distinct fact, however often it was printed";

/// A row, and what is known of it beside.
struct Fact<'a> {
    id: RowId,
    row: &'a Row,
    source: &'a str,
    cited: Option<&'a str>,
}

/// The columns that all rows have.
fn makers<'a>() -> [Maker<Fact<'a>>; 23] {
    [
        ("id", Kind::Int, "number of the row, from 1", |fact| int(fact.id as u64 + 1)),
        ("cited", Kind::Text, "the number by which the report cites it: E1, E2, …", |fact| text(fact.cited)),
        ("source", Kind::Text, "the input", |fact| text(Some(fact.source))),
        ("line", Kind::Int, "line of the first occurrence, from 1", |fact| int(fact.row.line)),
        ("offset", Kind::Int, "where that line begins, in bytes of the unpacked text, without margins", |fact| {
            int(fact.row.offset)
        }),
        ("time", Kind::Text, "time of the first occurrence, as far as it was printed", |fact| {
            fact.row.at.map_or(Cell::Null, |at| Cell::Text(at.to_string()))
        }),
        ("clock", Kind::Text, "utc, local, yearless, time-of-day, monotonic: times compare within one", |fact| {
            text(fact.row.at.map(|at| clock(at.clock)))
        }),
        ("micros", Kind::Int, "that time in microseconds, since 1970, midnight or boot", |fact| {
            fact.row.at.map_or(Cell::Null, |at| Cell::Int(at.micros))
        }),
        ("node", Kind::Text, "host", |fact| text(fact.row.node())),
        ("rank", Kind::Int, "global rank", |fact| cell(fact.row.fields.get("rank"), Kind::Int)),
        ("gpu", Kind::Text, "PCI address or index of the GPU", |fact| cell(fact.row.fields.get("gpu"), Kind::Text)),
        ("adapter", Kind::Text, "network adapter", |fact| cell(fact.row.fields.get("hca"), Kind::Text)),
        ("pod", Kind::Text, "pod", |fact| cell(fact.row.fields.get("pod"), Kind::Text)),
        ("job", Kind::Text, "job id", |fact| cell(fact.row.fields.get("job"), Kind::Text)),
        ("kind", Kind::Text, "<format>.<event>; `diag playbook list` and `explain` tell of them", |fact| {
            text(Some(fact.row.kind))
        }),
        ("says", Kind::Text, "failure, teardown, warning, info, progress or success", |fact| {
            text(Some(says(fact.row.says)))
        }),
        ("count", Kind::Int, "how often it was printed", |fact| int(fact.row.count)),
        ("last_line", Kind::Int, "line of the last occurrence", |fact| int(fact.row.last_line)),
        ("last_time", Kind::Text, "time of the last occurrence", |fact| {
            fact.row.last_at.map_or(Cell::Null, |at| Cell::Text(at.to_string()))
        }),
        ("survived", Kind::Bool, "whether the run went on well after it", |fact| Cell::Bool(fact.row.survived)),
        ("text", Kind::Text, "the line word for word", |fact| text(Some(&fact.row.text))),
        ("fields", Kind::Text, "all fields as JSON; each is a column as well, by its name", |fact| json(fact.row)),
        ("parents", Kind::Text, "of a fact that follows from others: their ids", |fact| parents(fact.row)),
    ]
}

pub(super) fn schema() -> Sheet {
    Sheet { name: NAME, about: ABOUT, columns: columns(&makers(), &[]) }
}

pub(super) fn sheet(table: &Table, report: &Report, wanted: &BTreeSet<String>) -> Sheet {
    let cited = citations(report);
    let fact = |(id, row): (RowId, &'_ Row)| -> Fact<'_> {
        let source = table.sources.get(row.source).map_or("", String::as_str);
        Fact { id, row: &table.rows[id], source, cited: cited.get(&(source, row.line, row.kind)).copied() }
    };
    let facts: Vec<Fact<'_>> = table.rows.iter().enumerate().map(fact).collect();
    let mut columns = columns(&makers(), &facts);
    columns.extend(fields(table, Some(wanted)));
    Sheet { name: NAME, about: ABOUT, columns }
}

/// The ids by which the report cites lines.
fn citations(report: &Report) -> HashMap<(&str, u64, &str), &str> {
    let evidence = report.findings.iter().flat_map(|finding| &finding.evidence).chain(&report.unexplained);
    evidence.map(|one| ((one.source.as_str(), one.line, one.kind.as_str()), one.id.as_str())).collect()
}

/// The fields that rows have beside the columns of all, by name; `wanted` ones with their values.
pub(super) fn fields(table: &Table, wanted: Option<&BTreeSet<String>>) -> Vec<Column> {
    let mut kinds: BTreeMap<Name, (Kind, usize)> = BTreeMap::new();
    for (name, value) in table.rows.iter().flat_map(|row| row.fields.iter()) {
        let known = kinds.entry(name).or_insert((kind(value), 0));
        known.0 = both(known.0, kind(value));
        known.1 += 1;
    }
    let common = makers();
    kinds.retain(|name, _| common.iter().all(|(column, ..)| column != name));
    let chosen =
        kinds.into_iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted.contains(&name.to_lowercase())));
    let column = |(name, (kind, rows)): (Name, (Kind, usize))| Column {
        name: name.to_owned(),
        kind,
        about: format!("field of {rows} rows"),
        cells: match wanted {
            Some(_) => table.rows.iter().map(|row| cell(row.fields.get(name), kind)).collect(),
            None => Vec::new(),
        },
    };
    chosen.map(column).collect()
}

fn kind(value: &Value) -> Kind {
    match value {
        Value::Bool(_) => Kind::Bool,
        Value::Int(_) => Kind::Int,
        Value::Float(_) => Kind::Float,
        Value::Text(_) | Value::Ranks(_) => Kind::Text,
    }
}

/// The kind of a column that holds both.
fn both(one: Kind, other: Kind) -> Kind {
    match (one, other) {
        _ if one == other => one,
        (Kind::Int, Kind::Float) | (Kind::Float, Kind::Int) => Kind::Float,
        _ => Kind::Text,
    }
}

fn clock(clock: Clock) -> &'static str {
    match clock {
        Clock::Utc => "utc",
        Clock::Local => "local",
        Clock::Yearless => "yearless",
        Clock::TimeOfDay => "time-of-day",
        Clock::Monotonic => "monotonic",
    }
}

fn says(says: Says) -> &'static str {
    match says {
        Says::Failure => "failure",
        Says::Teardown => "teardown",
        Says::Warning => "warning",
        Says::Info => "info",
        Says::Progress => "progress",
        Says::Success => "success",
    }
}

fn json(row: &Row) -> Cell {
    let fields = row.fields.iter().map(|(name, value)| (name.to_owned(), serde_json::json!(value)));
    Cell::Text(serde_json::Value::Object(fields.collect()).to_string())
}

fn parents(row: &Row) -> Cell {
    let ids: Vec<String> = row.parents.iter().map(|id| (id + 1).to_string()).collect();
    text(Some(ids.join(",").as_str()).filter(|ids| !ids.is_empty()))
}
