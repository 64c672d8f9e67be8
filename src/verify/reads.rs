//! What a test printed: lines `diag: name=value unit`, and the table of nccl-tests. A name that is told twice with different
//! values is an error and never a pass: a node that lies, or a log that a script prints, could hold such a line.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::nccl_table;
use crate::playbook::test::{Prints, Rubric};

/// One value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A number, in the unit that the test declares.
    Number(f64),
    /// A fact.
    Text(String),
}

impl Value {
    /// The number, if it is one.
    #[must_use]
    pub const fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Readings by name; `name@of` where there are several of a name: a size, an adapter, a rail.
pub type Readings = IndexMap<String, Value>;

/// What was printed.
#[derive(Debug, Default)]
pub struct Printed {
    /// Readings that the test declares.
    pub readings: Readings,
    /// The test says that it can't run; why.
    pub cannot: Option<String>,
    /// What is wrong with what it printed.
    pub wrong: Vec<String>,
}

/// Longest value that is taken, and most readings of one run: a node may print anything.
const LONGEST: usize = 200;
const MOST: usize = 4096;

/// Reads what a run of a test printed; `world` nodes took part.
#[must_use]
pub fn read(rubric: &Rubric, text: &str, world: usize) -> Printed {
    let mut printed = Printed::default();
    for line in text.lines() {
        let Some(rest) = line.trim_end().strip_prefix("diag: ") else { continue };
        let Some((name, value)) = rest.split_once('=') else { continue };
        let value: String = value.chars().take(LONGEST).collect();
        if name == "cannot" {
            printed.cannot.get_or_insert(value);
        } else if name != "found" {
            // Where a tool is that is not in the path is for the repair.
            take(rubric, name, &value, &mut printed);
        }
    }
    if rubric.prints == Prints::NcclTests {
        let mut table = Printed::default();
        nccl_table::read(text, world, &mut table);
        printed.cannot = printed.cannot.or(table.cannot);
        table.readings.into_iter().for_each(|(name, value)| printed.put(&name, value));
    }
    printed
}

impl Printed {
    /// Takes a reading. One that is told twice is not believed: a log that a script prints could hold such a line.
    fn put(&mut self, name: &str, value: Value) {
        match self.readings.get(name) {
            Some(known) if *known != value => {
                self.wrong.push(format!("`{name}` is told twice, {known} and {value}: neither is believed"));
            }
            _ => drop(self.readings.insert(name.to_owned(), value)),
        }
    }
}

fn take(rubric: &Rubric, name: &str, value: &str, printed: &mut Printed) {
    let base = base(name);
    let Some(read) = rubric.reads.get(base) else {
        return printed.wrong.push(format!("it printed `{base}`, which it does not declare"));
    };
    if printed.readings.len() >= MOST {
        return;
    }
    if read.text {
        return printed.put(name, Value::Text(value.trim().to_owned()));
    }
    let (number, unit) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    match number.parse::<f64>() {
        Ok(number) if number.is_finite() && (unit.is_empty() || unit == read.unit) => {
            printed.put(name, Value::Number(number));
        }
        Ok(_) if !unit.is_empty() && unit != read.unit => {
            printed.wrong.push(format!("`{base}` came in {unit} and not in {}", read.unit));
        }
        _ => printed.wrong.push(format!("`{base}` is no number")),
    }
}

/// The name of a reading without what it was read of.
#[must_use]
pub fn base(name: &str) -> &str {
    name.split_once('@').map_or(name, |(base, _)| base)
}

/// The arm that a reading is of: an adapter or rail, and not a size.
#[must_use]
pub fn arm(name: &str) -> Option<&str> {
    let (_, of) = name.split_once('@')?;
    (!of.bytes().all(|byte| byte.is_ascii_digit())).then_some(of)
}
