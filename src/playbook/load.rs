//! Getting playbooks: those built in, and those in a folder.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde::Deserialize;

use super::schema::{Playbook, Set};
use crate::error::Error;

/// Playbooks as gathered by the build script, without their cases.
const BUILT_IN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/library.json"));

/// All playbooks, sets and catalogues.
#[derive(Debug, Default, Deserialize)]
pub struct Library {
    /// Causes with the area they belong to.
    pub playbooks: Vec<Shelved>,
    /// Symptoms that people type.
    pub sets: Vec<Set>,
    /// Tables for `diag explain`, by name.
    pub catalogue: IndexMap<String, serde_json::Value>,
}

/// A playbook and the area it stands in.
#[derive(Debug, Clone, Deserialize)]
pub struct Shelved {
    /// Folder: `network`, `gpu`, …
    pub area: String,
    /// The playbook.
    pub playbook: Playbook,
}

impl Library {
    /// The playbook of a cause.
    pub fn get(&self, id: &str) -> Option<&Playbook> {
        self.playbooks.iter().map(|shelved| &shelved.playbook).find(|playbook| playbook.id == id)
    }

    /// Adds playbooks; one of a known cause replaces it.
    pub fn add(&mut self, more: Vec<Shelved>) {
        for shelved in more {
            self.playbooks.retain(|known| known.playbook.id != shelved.playbook.id);
            self.playbooks.push(shelved);
        }
    }
}

/// The built-in playbooks.
///
/// # Errors
/// A playbook that does not have the shape of [`Playbook`]; the tests keep such a build from being made.
pub fn built_in() -> Result<Library, Error> {
    serde_json::from_slice(BUILT_IN).map_err(|error| {
        Error::new("playbook.invalid", "built-in playbooks", error.to_string()).with_way_on("run `diag playbook check`")
    })
}

/// The playbooks of a folder, with their cases: `FOLDER/*.toml` and `FOLDER/<area>/*.toml`.
///
/// # Errors
/// One error a file that can't be read.
pub fn read_folder(folder: &Path) -> (Vec<(PathBuf, Shelved)>, Vec<Error>) {
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    let mut folders = vec![folder.to_owned()];
    folders.extend(entries(folder).into_iter().filter(|path| path.is_dir() && !other(path)));
    for folder in folders {
        for path in entries(&folder).into_iter().filter(|path| path.extension().is_some_and(|end| end == "toml")) {
            match read_file(&path) {
                Ok(shelved) => found.push((path, shelved)),
                Err(error) => wrong.push(error),
            }
        }
    }
    if found.is_empty() && wrong.is_empty() {
        wrong.push(Error::new("playbook.none", folder.display().to_string(), "no playbook (*.toml) in this folder"));
    }
    (found, wrong)
}

fn other(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "sets" || name == "catalogue" || name == "tests")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(list) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = list.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

fn read_file(path: &Path) -> Result<Shelved, Error> {
    let place = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| Error::new("playbook.unreadable", &place, error.to_string()))?;
    let playbook: Playbook = toml::from_str(&text).map_err(|error| Error::new("playbook.invalid", &place, error.to_string()))?;
    let area = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    Ok(Shelved { area, playbook })
}
