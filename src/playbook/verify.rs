//! When a cause counts as gone: what tests must read afterwards, and which lines must stay away for how long.

use std::fmt;

use diag_parsers::Value;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize};

/// `[verify]` of a playbook.
#[derive(Debug, Clone, Default, PartialEq, DeriveDeserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// Lines that must not come again.
    #[serde(default)]
    pub quiet: Option<Quiet>,
    /// What readings must be; all of them.
    #[serde(default)]
    pub expect: Vec<Expect>,
}

/// Lines that must stay away.
#[derive(Debug, Clone, PartialEq, Eq, DeriveDeserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Quiet {
    /// The clues by whose rows they are known.
    pub clues: Vec<String>,
    /// For how long: `30m`.
    #[serde(rename = "for")]
    pub window: String,
}

/// What a reading of a test must be; all bounds that are given must hold.
#[derive(Debug, Clone, Default, PartialEq, DeriveDeserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The test.
    pub test: String,
    /// The reading.
    pub read: String,
    /// Exactly this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<Value>,
    /// Not smaller than.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Bound>,
    /// Not larger than.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Bound>,
}

/// A bound: a number, or so many times another reading.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Bound {
    /// A number, in the unit of the reading.
    Number(f64),
    /// So many times something else.
    Times(Times),
}

/// So many times something else that was read.
#[derive(Debug, Clone, PartialEq, DeriveDeserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// How many times.
    pub times: f64,
    /// Of what: another reading of the same run.
    pub of: String,
}

struct BoundVisitor;

impl<'de> Visitor<'de> for BoundVisitor {
    type Value = Bound;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or { times = 0.9, of = \"another reading\" }")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Bound, E> {
        Ok(Bound::Number(value as f64))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Bound, E> {
        Ok(Bound::Number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Bound, E> {
        Ok(Bound::Number(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Bound, A::Error> {
        Times::deserialize(MapAccessDeserializer::new(map)).map(Bound::Times)
    }
}

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(BoundVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_a_number_or_a_share_of_another_reading() {
        let read = |text: &str| serde_json::from_str::<Expect>(text).map_err(|error| error.to_string());
        let expect = read(r#"{"test":"t","read":"bw","at_least":{"times":0.9,"of":"rate"},"at_most":7}"#).unwrap();
        assert_eq!(expect.at_least, Some(Bound::Times(Times { times: 0.9, of: "rate".to_owned() })));
        assert_eq!(expect.at_most, Some(Bound::Number(7.0)));
        assert!(read(r#"{"test":"t","read":"bw","at_lest":1}"#).unwrap_err().contains("`at_lest`"));
    }
}
