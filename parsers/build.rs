//! Gathers every `*/format.toml` into one JSON file without samples, anchors worked out,
//! so that the program starts without reading TOML or analysing regexes.
#![expect(clippy::disallowed_methods, reason = "a build script reads and writes files")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "literals.rs"]
#[allow(dead_code, missing_docs, unreachable_pub)]
mod literals;

#[path = "noise.rs"]
#[allow(dead_code)]
mod noise;

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    println!("cargo:rerun-if-changed={}", root.display());
    let mut folders: Vec<PathBuf> = fs::read_dir(&root)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    let mut formats = Vec::new();
    for file in folders.iter().map(|folder| folder.join("format.toml")).filter(|file| file.is_file()) {
        formats.push(read(&file).map_err(|error| format!("{}: {error}", file.display()))?);
    }
    let target = Path::new(&env::var("OUT_DIR")?).join("formats.json");
    fs::write(target, serde_json::to_vec(&formats)?)?;
    Ok(())
}

fn read(file: &Path) -> Result<serde_json::Value, Box<dyn Error>> {
    let mut format: serde_json::Value = toml::from_str(&fs::read_to_string(file)?)?;
    for envelope in tables(&mut format, "envelope") {
        drop_examples(envelope);
        let pattern = envelope["pattern"].as_str().ok_or("an envelope without `pattern`")?;
        envelope["anchors"] = serde_json::to_value(anchor(pattern)?.0)?;
    }
    for event in tables(&mut format, "event") {
        drop_examples(event);
        let (mut anchors, mut around, mut beside) = (Vec::new(), Vec::new(), Vec::new());
        for pattern in event["pattern"].as_array().ok_or("an event without `pattern`")? {
            let pattern = pattern.as_str().ok_or("a pattern that is no string")?;
            let (literals, surroundings, other) = anchor(pattern).map_err(|error| format!("{pattern}: {error}"))?;
            anchors.push(literals);
            around.push(surroundings);
            beside.push(other);
        }
        event["anchors"] = serde_json::to_value(anchors)?;
        event["around"] = serde_json::to_value(around)?;
        event["beside"] = serde_json::to_value(beside)?;
    }
    Ok(format)
}

fn tables<'a>(format: &'a mut serde_json::Value, name: &str) -> Vec<&'a mut serde_json::Value> {
    match format.get_mut(name) {
        Some(serde_json::Value::Array(list)) => list.iter_mut().collect(),
        Some(serde_json::Value::Object(map)) => map.values_mut().collect(),
        _ => Vec::new(),
    }
}

fn drop_examples(table: &mut serde_json::Value) {
    if let Some(table) = table.as_object_mut() {
        table.remove("sample");
        table.remove("unlike");
    }
}

type Anchor = (Vec<String>, literals::Around, Vec<String>);

/// The literals to look for, what stands around them in a match, and others of which one must occur too.
fn anchor(pattern: &str) -> Result<Anchor, Box<dyn Error>> {
    let choices = literals::required(pattern)?;
    let Some(best) = literals::best(&choices) else { return Ok(Anchor::default()) };
    let texts = |choice: &literals::Choice| choice.iter().map(|bytes| String::from_utf8(bytes.clone())).collect();
    let other: Result<_, _> = literals::beside(&choices, best).map_or(Ok(Vec::new()), texts);
    Ok((texts(best)?, literals::around(pattern, best)?, other.unwrap_or_default()))
}
