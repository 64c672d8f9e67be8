//! Playbooks in a folder, with their cases, and the groups of echoes beside them.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::playbook::intent::Lexicon;
use crate::playbook::repair::RepairBook;
use crate::playbook::test::TestBook;
use crate::playbook::{EchoGroup, Library, Playbook, Shelved, expand};

/// The policy of a folder of playbooks: what may be done, and no cause.
pub(super) const POLICY: &str = "policy.toml";

/// What a folder holds.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// Playbooks as written, with their files.
    pub(super) playbooks: Vec<(PathBuf, Shelved)>,
    /// Groups of echoes: those of the folder before the built-in ones.
    pub(super) echoes: Vec<EchoGroup>,
    /// How many of the groups stand in the folder.
    pub(super) own_echoes: usize,
    /// Tests of the folder.
    pub(super) tests: Vec<(PathBuf, TestBook)>,
    /// Those that playbooks can use: the folder's before the built-in ones.
    pub(super) usable: Vec<TestBook>,
    /// Why scripts do not do their work.
    pub(super) repairs: Vec<(PathBuf, RepairBook)>,
    /// Words of languages.
    pub(super) intents: Vec<(PathBuf, Lexicon)>,
    /// One error a file that can't be read.
    pub(super) wrong: Vec<Error>,
}

impl Shelf {
    /// The playbooks with the echoes of the groups that they name, or the first error.
    pub(super) fn expanded(&self) -> Result<Vec<Playbook>, Error> {
        if let Some(error) = self.wrong.first() {
            return Err(error.clone());
        }
        let expanded = |(_, shelved): &(PathBuf, Shelved)| {
            let mut playbook = shelved.playbook.clone();
            expand(&mut playbook, &self.echoes, &self.usable).map(|()| playbook)
        };
        self.playbooks.iter().map(expanded).collect()
    }
}

/// Reads `FOLDER/*.toml`, `FOLDER/<area>/*.toml`, `FOLDER/echoes/*.toml` and `FOLDER/tests/*.toml`; the groups and tests of
/// `built_in` are known without the folder's.
pub(super) fn read(folder: &Path, built_in: &Library) -> Shelf {
    let mut shelf = Shelf::default();
    let mut folders = vec![folder.to_owned()];
    folders.extend(entries(folder).into_iter().filter(|path| path.is_dir() && !other(path)));
    let playbook = |path: &PathBuf| path.file_name().is_none_or(|name| name != POLICY);
    for path in folders.iter().flat_map(|folder| files(folder)).filter(playbook) {
        match read_file::<Playbook>(&path) {
            Ok(playbook) => {
                let area = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
                shelf.playbooks.push((path, Shelved { area, playbook }));
            }
            Err(error) => shelf.wrong.push(error),
        }
    }
    for path in files(&folder.join("echoes")) {
        match read_file::<EchoGroup>(&path) {
            Ok(group) => shelf.echoes.push(group),
            Err(error) => shelf.wrong.push(error),
        }
    }
    for path in files(&folder.join("tests")) {
        match read_file::<TestBook>(&path) {
            Ok(test) => shelf.tests.push((path, test)),
            Err(error) => shelf.wrong.push(error),
        }
    }
    for path in files(&folder.join("repairs")) {
        match read_file::<RepairBook>(&path) {
            Ok(book) => shelf.repairs.push((path, book)),
            Err(error) => shelf.wrong.push(error),
        }
    }
    for path in files(&folder.join("intents")) {
        match read_file::<Lexicon>(&path) {
            Ok(lexicon) => shelf.intents.push((path, lexicon)),
            Err(error) => shelf.wrong.push(error),
        }
    }
    shelf.own_echoes = shelf.echoes.len();
    let more = built_in.echoes.iter().filter(|known| shelf.echoes.iter().all(|group| group.id != known.id)).cloned();
    let more: Vec<EchoGroup> = more.collect();
    shelf.echoes.extend(more);
    shelf.usable = shelf.tests.iter().map(|(_, test)| test.clone()).collect();
    let more = built_in.tests.iter().filter(|known| shelf.tests.iter().all(|(_, test)| test.id != known.id));
    shelf.usable.extend(more.cloned());
    if shelf.playbooks.is_empty() && shelf.tests.is_empty() && shelf.wrong.is_empty() {
        shelf.wrong.push(Error::new(
            "playbook.none",
            folder.display().to_string(),
            "no playbook (*.toml) in this folder",
        ));
    }
    shelf
}

fn other(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        ["sets", "catalogue", "tests", "echoes", "intents", "policy", "repairs"].iter().any(|other| name == *other)
    })
}

fn files(folder: &Path) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|path| path.extension().is_some_and(|end| end == "toml")).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(list) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = list.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

fn read_file<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let place = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|error| Error::new("playbook.unreadable", &place, error.to_string()))?;
    crate::authored::read(&text, &place, "playbook.invalid")
}
