//! Gathers the playbooks into one JSON file without their cases, so that the program starts without reading TOML.
#![expect(clippy::disallowed_methods, reason = "a build script reads and writes files")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::{Map, Value, json};

/// Folders under `playbooks/` that hold something else than causes.
const OTHER: [&str; 7] = ["sets", "catalogue", "echoes", "intents", "policy", "repairs", "tests"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("playbooks");
    println!("cargo:rerun-if-changed={}", root.display());
    let mut playbooks = Vec::new();
    for area in sorted(&root)?.iter().filter(|path| path.is_dir()) {
        println!("cargo:rerun-if-changed={}", area.display());
        let name = area.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !OTHER.contains(&name.as_str()) {
            for mut playbook in tables(area)?.into_values() {
                strip(&mut playbook);
                playbooks.push(json!({"area": name, "playbook": playbook}));
            }
        }
    }
    let sets: Vec<Value> = tables(&root.join("sets"))?.into_values().collect();
    let mut echoes: Vec<Value> = tables(&root.join("echoes"))?.into_values().collect();
    echoes.iter_mut().for_each(strip);
    let mut tests: Vec<Value> = tables(&root.join("tests"))?.into_values().collect();
    tests.iter_mut().for_each(strip);
    let mut intents: Vec<Value> = tables(&root.join("intents"))?.into_values().collect();
    intents.iter_mut().for_each(strip);
    let catalogue = tables(&root.join("catalogue"))?;
    let mut repairs: Vec<Value> = tables(&root.join("repairs"))?.into_values().collect();
    repairs.iter_mut().for_each(strip);
    fs::write(Path::new(&env::var("OUT_DIR")?).join("repairs.json"), serde_json::to_vec(&repairs)?)?;
    let policy = tables(&root.join("policy"))?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("policy.json"), serde_json::to_vec(&policy)?)?;
    let library = json!({"playbooks": playbooks, "echoes": echoes, "sets": sets, "tests": tests, "intents": intents, "catalogue": catalogue});
    fs::write(Path::new(&env::var("OUT_DIR")?).join("library.json"), serde_json::to_vec(&library)?)?;
    Ok(())
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    Ok(paths)
}

/// The TOML files of a folder by name.
fn tables(folder: &Path) -> Result<Map<String, Value>, Box<dyn Error>> {
    let mut all = Map::new();
    for path in sorted(folder)?.iter().filter(|path| path.extension().is_some_and(|end| end == "toml")) {
        let text = fs::read_to_string(path)?;
        let value: Value = toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        all.insert(path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), value);
    }
    Ok(all)
}

fn strip(playbook: &mut Value) {
    if let Some(table) = playbook.as_object_mut() {
        table.remove("case");
        table.remove("cases");
    }
}
