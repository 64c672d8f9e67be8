//! `diag query`: SQL over the evidence, for questions that no playbook asks.

use std::path::PathBuf;

use super::reading;
use super::screen;
use super::{EXIT_HEALTHY, delivery};
use crate::error::Error;
use crate::playbook::Library;
use crate::report::grid::{self, Grid};
use crate::sheets::{self, Column, Sheet};

/// What is worth typing.
const EXAMPLES: &str = "\
Examples:
  diag query CASE \"SELECT node, kind, SUM(count) AS n FROM evidence WHERE says = 'failure' GROUP BY node, kind ORDER BY n DESC\"
  diag query CASE \"SELECT time, node, xid, text FROM evidence WHERE kind LIKE 'kernel.%' ORDER BY micros\"
  diag query logs/ \"SELECT * FROM findings\" --format json
  diag query CASE \"SELECT * FROM evidence\" --parquet evidence.parquet
  diag query --schema CASE             tables, columns, and the fields of this case

Tables: evidence, findings, inputs. SQL as polars has it; it reads these tables and no files.";

/// What to ask, of what, and how to tell.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "diag query [OPTIONS] <CASE|INPUT>... <SQL>\n       diag query --schema [CASE|INPUT]...")]
#[cfg_attr(not(feature = "query"), allow(dead_code, reason = "what asks is not built in"))]
pub(super) struct Args {
    /// A case, or files, folders, globs, archives, `-`; and the query, last.
    #[arg(required_unless_present = "schema", value_name = "INPUT")]
    words: Vec<String>,
    /// Tell which tables and columns there are.
    #[arg(long)]
    schema: bool,
    /// How to tell it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write the answer as a Parquet file.
    #[arg(long, value_name = "FILE")]
    parquet: Option<PathBuf>,
    /// Write the answer as a CSV file.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write to a file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// No progress bar, no notes.
    #[arg(long, short)]
    quiet: bool,
    /// Further playbooks; one of a known cause replaces it.
    #[arg(long, value_name = "DIR", env = "DIAG_PLAYBOOKS")]
    playbooks: Option<PathBuf>,
    /// Further line formats (`*.toml`).
    #[arg(long, value_name = "DIR", env = "DIAG_FORMATS")]
    formats: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For a terminal.
    Text,
    /// For programs: a list of objects.
    Json,
    /// For a spreadsheet.
    Csv,
    /// For a ticket.
    Markdown,
}

/// Answers a question.
pub(super) fn run(args: &Args, library: Library) -> Result<u8, Error> {
    if args.schema {
        return schema(args);
    }
    let (sql, inputs) = args.words.split_last().map_or(("", &[][..]), |(sql, inputs)| (sql.as_str(), inputs));
    if inputs.is_empty() {
        let error = Error::new("usage", "command line", "wants a case (or other inputs) and a query");
        return Err(error.with_way_on("diag query CASE \"SELECT * FROM evidence\"; see `diag query --help`"));
    }
    answer(args, library, inputs, sql)?;
    Ok(EXIT_HEALTHY)
}

/// Which tables and columns there are, and which fields the inputs have.
fn schema(args: &Args) -> Result<u8, Error> {
    let mut sheets = sheets::schema();
    if !args.words.is_empty() {
        let scanner = super::analyze::scanner(args.formats.as_deref())?;
        let reading = reading::read(None, &args.words, args.quiet, &scanner)?;
        if let Some(evidence) = sheets.first_mut() {
            evidence.columns.extend(sheets::fields(&reading.table));
        }
    }
    let row = |sheet: &Sheet, column: &Column| {
        [sheet.name, &column.name, column.kind.name(), &column.about].map(serde_json::Value::from).to_vec()
    };
    let rows = sheets.iter().flat_map(|sheet| sheet.columns.iter().map(move |column| row(sheet, column)));
    let head = ["table", "column", "type", "about"].map(str::to_owned).to_vec();
    let grid = Grid { head, numbers: vec![false; 4], rows: rows.collect(), more: 0 };
    deliver(args, &grid)?;
    Ok(EXIT_HEALTHY)
}

fn deliver(args: &Args, grid: &Grid) -> Result<(), Error> {
    let file = args.output.as_deref();
    let text = match args.format {
        Format::Text => grid::text(grid, screen::width(file.is_some())),
        Format::Json => grid::json(grid),
        Format::Csv => grid::csv(grid),
        Format::Markdown => grid::markdown(grid),
    };
    delivery::deliver(text.as_bytes(), file)
}

#[cfg(not(feature = "query"))]
fn answer(_: &Args, _: Library, _: &[String], _: &str) -> Result<(), Error> {
    Err(not_built())
}

#[cfg(not(feature = "query"))]
pub(super) fn not_built() -> Error {
    Error::new("query.not_built", "diag query", "this diag was built without its SQL engine")
        .with_way_on("build it with: cargo install --path . --features query; `diag query --schema` works without")
}

#[cfg(feature = "query")]
use asking::answer;
#[cfg(all(feature = "query", feature = "mcp"))]
pub(super) use asking::table;

#[cfg(feature = "query")]
mod asking {
    use diag_store::{Answer, Cells, Store};
    use serde_json::Value;

    use super::{Args, Format, Grid, deliver, reading};
    use crate::cli::study::{Study, study};
    use crate::cli::{delivery, narrow};
    use crate::error::Error;
    use crate::playbook::Library;
    use crate::report::grid;
    use crate::sheets::{self, Cell, Column, Kind, Sheet};

    /// Most rows of an answer that a person is shown.
    const MOST_SHOWN: usize = 1000;

    pub(super) fn answer(args: &Args, mut library: Library, inputs: &[String], sql: &str) -> Result<(), Error> {
        crate::cli::add_playbooks(&mut library, args.playbooks.as_deref())?;
        let scanner = crate::cli::analyze::scanner(args.formats.as_deref())?;
        let reading = reading::read(None, inputs, args.quiet, &scanner)?;
        let study = study(reading, &narrow::Args::default(), &["*".to_owned()], &library, &scanner)?;
        let mut answer = asked(study, sql)?;
        write(args, &mut answer)?;
        if args.parquet.is_none() && args.csv.is_none() {
            let most = if args.format == Format::Text { MOST_SHOWN } else { usize::MAX };
            deliver(args, &shown(&answer, most))?;
        }
        Ok(())
    }

    /// The answer as a table of at most so many rows.
    #[cfg(feature = "mcp")]
    pub(in crate::cli) fn table(study: Study, sql: &str, most: usize) -> Result<Grid, Error> {
        asked(study, sql).map(|answer| shown(&answer, most))
    }

    fn asked(Study { table, report, .. }: Study, sql: &str) -> Result<Answer, Error> {
        let sheets = sheets::all(&table, &report, &sheets::mentioned(sql));
        drop(table);
        let known = known(&sheets);
        let wrong =
            |error: diag_store::Error| Error::new("query.invalid", "SQL", error.to_string()).with_way_on(known.clone());
        let mut store = Store::new(sheets.into_iter().map(stored).collect()).map_err(wrong)?;
        store.query(sql).map_err(wrong)
    }

    /// Writes the files that are asked for.
    fn write(args: &Args, answer: &mut Answer) -> Result<(), Error> {
        if let Some(file) = &args.parquet {
            let mut bytes = Vec::new();
            let failed = |error: diag_store::Error| {
                Error::new("output.unwritable", file.display().to_string(), error.to_string())
            };
            answer.parquet(&mut bytes).map_err(failed)?;
            delivery::deliver(&bytes, Some(file))?;
        }
        if let Some(file) = &args.csv {
            delivery::deliver(grid::csv(&shown(answer, usize::MAX)).as_bytes(), Some(file))?;
        }
        Ok(())
    }

    fn shown(answer: &Answer, most: usize) -> Grid {
        let head = answer.columns();
        let numbers = (0..head.len()).map(|column| answer.is_number(column)).collect();
        let rows = (0..answer.rows().min(most)).map(|row| answer.row(row).into_iter().map(value).collect()).collect();
        Grid { head, numbers, rows, more: answer.rows().saturating_sub(most) }
    }

    fn value(cell: diag_store::Cell) -> Value {
        match cell {
            diag_store::Cell::Null => Value::Null,
            diag_store::Cell::Bool(truth) => truth.into(),
            diag_store::Cell::Int(number) => number.into(),
            diag_store::Cell::Float(number) => number.into(),
            diag_store::Cell::Text(text) => text.into(),
        }
    }

    /// The tables and their columns, for who mistyped one.
    fn known(sheets: &[Sheet]) -> String {
        let table = |sheet: &Sheet| {
            let columns: Vec<&str> = sheet.columns.iter().map(|column| column.name.as_str()).collect();
            format!("{}({})", sheet.name, columns.join(", "))
        };
        let tables: Vec<String> = sheets.iter().map(table).collect();
        format!("there is {}; fields of single kinds too: `diag query --schema CASE`", tables.join(", "))
    }

    fn stored(sheet: Sheet) -> diag_store::Sheet {
        let column = |Column { name, kind, cells, .. }: Column| (name, stored_cells(kind, cells));
        diag_store::Sheet { name: sheet.name.to_owned(), columns: sheet.columns.into_iter().map(column).collect() }
    }

    fn stored_cells(kind: Kind, cells: Vec<Cell>) -> Cells {
        match kind {
            Kind::Bool => Cells::Bool(
                cells.into_iter().map(|cell| if let Cell::Bool(b) = cell { Some(b) } else { None }).collect(),
            ),
            Kind::Int => {
                Cells::Int(cells.into_iter().map(|cell| if let Cell::Int(n) = cell { Some(n) } else { None }).collect())
            }
            Kind::Float => Cells::Float(
                cells.into_iter().map(|cell| if let Cell::Float(x) = cell { Some(x) } else { None }).collect(),
            ),
            Kind::Text => Cells::Text(
                cells.into_iter().map(|cell| if let Cell::Text(t) = cell { Some(t) } else { None }).collect(),
            ),
        }
    }
}
