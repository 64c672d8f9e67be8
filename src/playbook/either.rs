//! Values that are written in one of several ways: one or a list, a value or tests of it, a sentence or commands.
//!
//! Read by hand and not as serde's untagged enums: those try one way after the other, take a list of two numbers for the
//! first two fields of a table, and forget why the right way failed.

use std::fmt;
use std::marker::PhantomData;

use diag_parsers::Value;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize};

use super::schema::Script;

/// One value or several.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// Several.
    Many(Vec<T>),
    /// One.
    One(T),
}

impl<T> OneOrMany<T> {
    /// All of them.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

/// A condition on a field.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Condition {
    /// Bounds and tests.
    Test(Test),
    /// Equal to one of these.
    Equal(OneOrMany<Value>),
}

/// Bounds and tests; all that are given must hold.
#[derive(Debug, Clone, Default, DeriveDeserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// Not smaller than.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// Not larger than.
    #[serde(default)]
    pub at_most: Option<f64>,
    /// None of these.
    #[serde(default)]
    pub not: Option<OneOrMany<Value>>,
    /// Holds one of these texts.
    #[serde(default)]
    pub has: Option<OneOrMany<String>>,
    /// Matches this regex.
    #[serde(default)]
    pub like: Option<String>,
    /// Does not match this regex.
    #[serde(default)]
    pub unlike: Option<String>,
    /// Whether the field is there at all.
    #[serde(default)]
    pub present: Option<bool>,
}

/// How to take a step back: argument lists, a script, or a sentence.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Undo {
    /// A sentence.
    Say(String),
    /// Argument lists.
    Do(Vec<Vec<String>>),
    /// A constant script, where what is put back is told by what the fix kept.
    Script(Script),
}

impl Default for Undo {
    fn default() -> Self {
        Self::Say(String::new())
    }
}

struct OneOrManyVisitor<T>(PhantomData<T>);

/// Scalars that stand for themselves.
macro_rules! scalars {
    ($one:expr) => {
        fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
            $one(value.into_deserializer())
        }
        fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
            $one(value.into_deserializer())
        }
        fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
            $one(value.into_deserializer())
        }
        fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
            $one(value.into_deserializer())
        }
        fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
            $one(value.into_deserializer())
        }
    };
}

fn one<'de, T: Deserialize<'de>, D: Deserializer<'de>>(value: D) -> Result<OneOrMany<T>, D::Error> {
    T::deserialize(value).map(OneOrMany::One)
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrManyVisitor<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or a list of values")
    }

    scalars!(one);

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMany::Many)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OneOrManyVisitor(PhantomData))
    }
}

struct ConditionVisitor;

fn equal<'de, D: Deserializer<'de>>(value: D) -> Result<Condition, D::Error> {
    one(value).map(Condition::Equal)
}

impl<'de> Visitor<'de> for ConditionVisitor {
    type Value = Condition;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list of values, or tests such as { at_least = 1 }")
    }

    scalars!(equal);

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Condition, A::Error> {
        OneOrManyVisitor(PhantomData).visit_seq(list).map(Condition::Equal)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Condition, A::Error> {
        Test::deserialize(MapAccessDeserializer::new(map)).map(Condition::Test)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ConditionVisitor)
    }
}

struct UndoVisitor;

impl<'de> Visitor<'de> for UndoVisitor {
    type Value = Undo;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sentence, a list of commands that are lists of arguments, or a script")
    }

    fn visit_str<E: Error>(self, sentence: &str) -> Result<Undo, E> {
        Ok(Undo::Say(sentence.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Undo, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Undo::Do)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Undo, A::Error> {
        Script::deserialize(MapAccessDeserializer::new(map)).map(Undo::Script)
    }
}

impl<'de> Deserialize<'de> for Undo {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(UndoVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(text: &str) -> Result<Condition, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_of_two_numbers_is_two_values_and_no_range() {
        let Ok(Condition::Equal(values)) = condition("[13, 31]") else { panic!("a list is values") };
        assert_eq!(values.as_slice(), [Value::Int(13), Value::Int(31)]);
    }

    #[test]
    fn an_unknown_test_is_named() {
        let said = condition(r#"{"at_leats": 1}"#).unwrap_err();
        assert!(said.contains("`at_leats`") && said.contains("`at_least`"), "{said}");
    }
}
