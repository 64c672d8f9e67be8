//! Tables in memory, SQL over them, Parquet out of them: the one place that knows polars.
//!
//! SQL reads the tables that it is given and nothing else: the table functions of polars that open files are not built in.

use std::fmt;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use polars_core::frame::DataFrame;
use polars_core::prelude::{AnyValue, Column, DataType, NamedFrom, PolarsError, Series};
use polars_io::parquet::write::ParquetWriter;
use polars_lazy::frame::IntoLazy;
use polars_sql::SQLContext;

/// The values of a column, one a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Whole numbers.
    Int(Vec<Option<i64>>),
    /// Numbers with a fraction.
    Float(Vec<Option<f64>>),
    /// Truths.
    Bool(Vec<Option<bool>>),
    /// Text.
    Text(Vec<Option<String>>),
}

/// A table.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// What SQL calls it.
    pub name: String,
    /// Its columns, all of one length, by name.
    pub columns: Vec<(String, Cells)>,
}

/// A value of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A truth.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text; dates, lists and all else in the words of polars.
    Text(String),
}

/// What is wrong with a table or a query, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<PolarsError> for Error {
    fn from(error: PolarsError) -> Self {
        let text = error.to_string();
        // What follows is the plan of the query, or advice for Python.
        let first = text.split("\n\n").next().unwrap_or(&text).trim();
        Self(first.strip_prefix("sql parser error: ").unwrap_or(first).to_owned())
    }
}

/// Tables that SQL can ask.
pub struct Store {
    context: SQLContext,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({:?})", self.context.get_tables())
    }
}

impl Store {
    /// A store of these tables.
    ///
    /// # Errors
    /// A table has two columns of one name, or columns of different lengths.
    pub fn new(sheets: Vec<Sheet>) -> Result<Self, Error> {
        let context = SQLContext::new();
        for sheet in sheets {
            let columns = sheet.columns.into_iter().map(|(name, cells)| column(&name, cells)).collect();
            let frame = DataFrame::new_infer_height(columns)?;
            context.register(&sheet.name, frame.lazy());
        }
        Ok(Self { context })
    }

    /// Answers one statement of SQL.
    ///
    /// # Errors
    /// It is no SQL, asks for what is not there, or can't be computed.
    pub fn query(&mut self, sql: &str) -> Result<Answer, Error> {
        let hook = std::panic::take_hook();
        // Odd SQL makes polars panic here and there; its report would only be in the way.
        std::panic::set_hook(Box::new(|_| {}));
        let answer = catch_unwind(AssertUnwindSafe(|| self.context.execute(sql).and_then(|plan| plan.collect())));
        std::panic::set_hook(hook);
        match answer {
            Ok(frame) => Ok(Answer { frame: frame? }),
            Err(_) => Err(Error("this is more than the SQL engine can do".to_owned())),
        }
    }
}

fn column(name: &str, cells: Cells) -> Column {
    let name = name.into();
    match cells {
        Cells::Int(values) => Series::new(name, values),
        Cells::Float(values) => Series::new(name, values),
        Cells::Bool(values) => Series::new(name, values),
        Cells::Text(values) => Series::new(name, values),
    }
    .into()
}

/// What came out of a query.
#[derive(Debug, Clone)]
pub struct Answer {
    frame: DataFrame,
}

impl Answer {
    /// Names of the columns.
    pub fn columns(&self) -> Vec<String> {
        self.frame.columns().iter().map(|column| column.name().to_string()).collect()
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.frame.height()
    }

    /// The values of a row.
    pub fn row(&self, row: usize) -> Vec<Cell> {
        self.frame.columns().iter().map(|column| column.get(row).map_or(Cell::Null, |value| cell(&value))).collect()
    }

    /// Whether a column holds numbers.
    pub fn is_number(&self, column: usize) -> bool {
        self.frame.columns().get(column).is_some_and(|column| is_number(column.dtype()))
    }

    /// Writes it as Parquet (zstd).
    ///
    /// # Errors
    /// The writer fails.
    pub fn parquet(&mut self, to: impl Write) -> Result<(), Error> {
        ParquetWriter::new(to).finish(&mut self.frame)?;
        Ok(())
    }
}

fn is_number(kind: &DataType) -> bool {
    kind.is_primitive_numeric()
}

fn cell(value: &AnyValue<'_>) -> Cell {
    match value {
        AnyValue::Null => Cell::Null,
        AnyValue::Boolean(truth) => Cell::Bool(*truth),
        AnyValue::String(text) => Cell::Text((*text).to_owned()),
        AnyValue::StringOwned(text) => Cell::Text(text.to_string()),
        AnyValue::Float32(_) | AnyValue::Float64(_) => value.extract().map_or(Cell::Null, Cell::Float),
        other => match other.extract::<i64>() {
            Some(number) if is_number(&other.dtype()) => Cell::Int(number),
            _ => Cell::Text(other.to_string()),
        },
    }
}

#[cfg(test)]
mod tests;
