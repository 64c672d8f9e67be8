//! Playbooks in a folder, with their cases.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::playbook::{Playbook, Shelved};

/// The playbooks of a folder, with their cases: `FOLDER/*.toml` and `FOLDER/<area>/*.toml`.
///
/// # Errors
/// One error a file that can't be read.
pub(super) fn read(folder: &Path) -> (Vec<(PathBuf, Shelved)>, Vec<Error>) {
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
    let text =
        std::fs::read_to_string(path).map_err(|error| Error::new("playbook.unreadable", &place, error.to_string()))?;
    let playbook: Playbook =
        toml::from_str(&text).map_err(|error| Error::new("playbook.invalid", &place, error.to_string()))?;
    let area = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    Ok(Shelved { area, playbook })
}
