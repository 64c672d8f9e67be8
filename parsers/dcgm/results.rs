//! `dcgmi diag -j`: categories, tests, results; pretty or on one line, whole or from the list of categories on.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Finding;
use crate::REACH;
use crate::event::{Event, Name, Says};
use crate::grammar::Grammar;
use crate::health;
use crate::line::Cursor;

/// The results of `dcgmi diag -j`.
#[derive(Debug)]
pub struct Results;

/// Bytes of a document that are read: 8 GPUs with all tests and messages are 60 KiB.
const MOST_BYTES: usize = 4 * REACH;

#[derive(Deserialize)]
struct Category<'a> {
    #[serde(default, borrow)]
    tests: Vec<Test<'a>>,
}

#[derive(Deserialize)]
struct Test<'a> {
    #[serde(default)]
    name: String,
    #[serde(default, borrow)]
    results: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    status: String,
    /// 1.7 to 3.1: `"0,1"`; later `gpu_id`, from 4.0 on `entity_id`.
    #[serde(default)]
    gpu_ids: Option<String>,
    #[serde(default)]
    gpu_id: Option<serde_json::Value>,
    #[serde(default)]
    entity_id: Option<serde_json::Value>,
    #[serde(default)]
    entity_group: Option<String>,
    #[serde(default)]
    warnings: Option<serde_json::Value>,
    #[serde(default)]
    info: Option<serde_json::Value>,
}

impl Grammar for Results {
    fn kinds(&self) -> &'static [Name] {
        health::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["\"test_categories\""]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let data = cursor.block.data;
        let start = cursor.line.start;
        let text = &data[start..data.len().min(start + MOST_BYTES)];
        let Some(key) = memchr::memmem::find(text, b"\"test_categories\"") else { return };
        let Some(list) = memchr::memchr(b'[', &text[key..]).map(|at| key + at) else { return };
        let mut stream = serde_json::Deserializer::from_slice(&text[list..]).into_iter::<Vec<Category<'_>>>();
        let Some(Ok(categories)) = stream.next() else { return };
        for test in categories.iter().flat_map(|category| &category.tests) {
            for raw in &test.results {
                failed(cursor, text, &test.name, raw, out);
            }
        }
    }
}

fn failed(cursor: &Cursor<'_>, text: &[u8], test: &str, raw: &RawValue, out: &mut Vec<Event>) {
    let Ok(outcome) = serde_json::from_str::<Outcome>(raw.get()) else { return };
    if !outcome.status.starts_with("Fail") {
        return;
    }
    let at = (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let within = raw.get().find("\"Fail").unwrap_or_default();
    let line = cursor.line_at(cursor.line.start + at + within);
    let what = outcome.warnings.as_ref().or(outcome.info.as_ref()).map(said).unwrap_or_default();
    Finding { cursor, test, gpus: &outcome.gpus(), what: &what }.push(&line, Says::Failure, out);
}

impl Outcome {
    fn gpus(&self) -> Vec<String> {
        let entity = self.entity_group.as_deref().is_none_or(|group| group == "GPU");
        let number = |value: &serde_json::Value| match value {
            serde_json::Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        let listed = self.gpu_ids.iter().flat_map(|ids| ids.split(',').map(|id| id.trim().to_owned()));
        let single = self.gpu_id.iter().chain(self.entity_id.iter().filter(|_| entity)).map(number);
        listed.chain(single).filter(|id| id.parse::<u16>().is_ok()).collect()
    }
}

/// The sentences in a value: a string, a list of strings, a list of objects with `warning`.
fn said(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(list) => list.iter().map(said).collect::<Vec<_>>().join(" "),
        serde_json::Value::Object(object) => object.get("warning").map(said).unwrap_or_default(),
        _ => String::new(),
    }
}
