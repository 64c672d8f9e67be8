//! What a parser says about a line: an [`Event`] of a kind, with typed fields.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock};

use serde::{Deserialize, Serialize};

use crate::stamp::Stamp;

/// A name of a kind, field or format, kept for the life of the process.
///
/// Names come from format files, never from logs, so their number is bounded.
pub type Name = &'static str;

/// Keeps one copy of `text` for the life of the process and returns it.
pub fn intern(text: &str) -> Name {
    static NAMES: OnceLock<Mutex<BTreeSet<Name>>> = OnceLock::new();
    let names = NAMES.get_or_init(Mutex::default);
    let mut names = names.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(known) = names.get(text) {
        return known;
    }
    let kept: Name = Box::leak(text.to_owned().into_boxed_str());
    names.insert(kept);
    kept
}

/// What an event says about the run it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Says {
    /// Only something that failed prints it: a cause must explain it.
    Failure,
    /// The wake of somebody else's failure (a launcher's SIGTERM, a closed connection).
    Teardown,
    /// A fact worth keeping that needs no explanation.
    Warning,
    /// Context.
    #[default]
    Info,
    /// A training step or iteration: the run was alive and at `step`.
    Progress,
    /// The run, or a part of it, ended well.
    Success,
}

impl Says {
    /// As it is written in format files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Teardown => "teardown",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Progress => "progress",
            Self::Success => "success",
        }
    }
}

/// A typed field of an event.
#[derive(Debug, Clone, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A truth.
    Bool(bool),
    /// A whole number; bytes, ranks, exit codes and durations are such.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text as captured, at most [`crate::MAX_FIELD`] bytes.
    Text(String),
    /// A list of ranks.
    Ranks(Vec<i64>),
}

impl Value {
    /// The number, where it is a whole one.
    #[inline]
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(*n),
            _ => None,
        }
    }

    /// The text, where it is text.
    #[inline]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value as it is written.
    pub fn written(&self) -> Cow<'_, str> {
        self.text().map_or_else(|| Cow::Owned(self.to_string()), Cow::Borrowed)
    }

    /// The list of ranks, where it is one.
    pub fn ranks(&self) -> Option<&[i64]> {
        match self {
            Self::Ranks(list) => Some(list),
            _ => None,
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(b) => write!(f, "{b}"),
            Self::Int(n) => write!(f, "{n}"),
            Self::Float(x) => write!(f, "{x}"),
            Self::Text(text) => f.write_str(text),
            Self::Ranks(list) => f.write_str(&rank_list(list)),
        }
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

/// Ranks as people write them: `0-3,7`.
pub fn rank_list(ranks: &[i64]) -> String {
    let mut sorted = ranks.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut parts: Vec<String> = Vec::new();
    let mut at = 0;
    while at < sorted.len() {
        let first = sorted[at];
        while at + 1 < sorted.len() && sorted[at + 1] == sorted[at] + 1 {
            at += 1;
        }
        let last = sorted[at];
        parts.push(match last - first {
            0 => first.to_string(),
            1 => format!("{first},{last}"),
            _ => format!("{first}-{last}"),
        });
        at += 1;
    }
    parts.join(",")
}

/// The fields of an event or row, in the order they were found; a few, so a list.
///
/// Looked up by the million: inlined, the comparison with a name that is known is one of a few bytes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields {
    list: Vec<(Name, Value)>,
    /// The [`mark`]s of the names in the list: most names that are asked for are not there.
    marks: u64,
}

/// One bit of 64 for a name; of a name that is known when this is compiled, nothing is left to work out.
#[inline]
fn mark(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let at = |place: usize| bytes.get(place).map_or(0, |byte| usize::from(*byte));
    1 << ((7 * bytes.len() + 5 * at(0) + 3 * at(bytes.len() / 2) + at(bytes.len().saturating_sub(1))) % 64)
}

impl Fields {
    /// No fields, and room for some.
    pub(crate) fn with_room(fields: usize) -> Self {
        Self { list: Vec::with_capacity(fields), marks: 0 }
    }

    /// The value of a field.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&Value> {
        if self.marks & mark(name) == 0 {
            return None;
        }
        self.list.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The whole number in a field.
    #[inline]
    pub fn int(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Value::int)
    }

    /// The text in a field.
    #[inline]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::text)
    }

    /// Sets a field, replacing what it held.
    pub fn set(&mut self, name: Name, value: impl Into<Value>) {
        let value = value.into();
        match self.list.iter_mut().find(|(known, _)| *known == name) {
            Some(slot) => slot.1 = value,
            None => self.push(name, value),
        }
    }

    /// Sets a field that has no value yet.
    pub fn set_if_absent(&mut self, name: Name, value: impl Into<Value>) {
        if self.get(name).is_none() {
            self.push(name, value.into());
        }
    }

    fn push(&mut self, name: Name, value: Value) {
        self.marks |= mark(name);
        self.list.push((name, value));
    }

    /// Takes a field away.
    #[inline]
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.get(name)?;
        let at = self.list.iter().position(|(known, _)| *known == name)?;
        let (_, value) = self.list.remove(at);
        self.marks = marks(&self.list);
        Some(value)
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = (Name, &Value)> {
        self.list.iter().map(|(name, value)| (*name, value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

fn marks(list: &[(Name, Value)]) -> u64 {
    list.iter().map(|(name, _)| mark(name)).fold(0, std::ops::BitOr::bitor)
}

impl FromIterator<(Name, Value)> for Fields {
    fn from_iter<I: IntoIterator<Item = (Name, Value)>>(list: I) -> Self {
        let list: Vec<_> = list.into_iter().collect();
        Self { marks: marks(&list), list }
    }
}

/// One statement of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// `<format>.<event>`, for example `nccl.ib_completion_error`.
    pub kind: Name,
    /// What it says about the run.
    pub says: Says,
    /// The line it stands on, from 1, counted by `\n`.
    pub line: u64,
    /// Where the logical line begins, in bytes from the start of the document.
    pub offset: u64,
    /// The logical line word for word (lossy UTF-8, at most [`crate::MAX_LINE`] bytes).
    pub text: String,
    /// The time printed on the line.
    pub at: Option<Stamp>,
    /// What was captured, and what the prefixes told (rank, node, pid, …).
    pub fields: Fields,
}

/// Something a reader could not make sense of, kept for the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Line, from 1; 0 where the whole input is meant.
    pub line: u64,
    /// What is wrong, in one sentence.
    pub what: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_there_until_it_is_taken_away() {
        // Some of these share a mark.
        let names: Vec<Name> = (0..200).map(|number| intern(&format!("field_{number}"))).collect();
        let mut fields: Fields = names[..100].iter().map(|name| (*name, Value::from(1))).collect();
        names[50..150].iter().for_each(|name| fields.set_if_absent(name, 2));
        names[100..].iter().for_each(|name| fields.set(name, 3));
        assert!(names.iter().all(|name| fields.int(name) == Some(if names[..100].contains(name) { 1 } else { 3 })));
        for (taken, name) in names.iter().enumerate() {
            assert!(fields.remove(name).is_some() && fields.remove(name).is_none());
            assert_eq!(fields.iter().count(), names.len() - taken - 1);
            assert!(names[taken + 1..].iter().all(|name| fields.get(name).is_some()));
        }
        assert_eq!(fields, Fields::default());
    }
}
