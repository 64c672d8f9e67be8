//! Where cases are in which something waits for a person's yes: a folder of pointers, a file a case. What waits there stands in
//! the case's own journal; a pointer decides nothing.
//!
//! ```text
//! STATE/approvals/<name>.json   where a case is, and of what a watcher knows it
//! STATE/cases/<id>/             cases that a watcher made
//! ```
#![expect(clippy::disallowed_methods, reason = "a world room: reads and writes its own folder")]

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{LARGEST, files, queue};
use crate::case::foreign;
use crate::error::Error;

/// Where a case is in which something waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pointer {
    /// Its folder.
    pub case: PathBuf,
    /// When it was put there, in seconds since 1970.
    pub at: i64,
    /// Of what a watcher knows it, where one made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<Incident>,
}

/// What a watcher saw so often.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// By what a repetition is known.
    pub key: String,
    /// What it was seen of, the first ones.
    pub of: Vec<String>,
    /// How often.
    pub count: u64,
    /// When last, in seconds since 1970.
    pub last: i64,
}

/// The folder.
#[derive(Debug, Clone)]
pub struct Pending {
    state: PathBuf,
}

impl Pending {
    /// Opens the folder below that of diag's state, or makes it.
    ///
    /// # Errors
    /// It can't be made, or belongs to somebody else, or others may write into it.
    pub fn open(state: &Path) -> Result<Self, Error> {
        let folder = state.join("approvals");
        queue::own(&folder, 0o700)?;
        // Root believes no pointer of somebody else.
        let failed = |why: String| Error::new("approvals.foreign", folder.display().to_string(), why);
        let about = fs::symlink_metadata(&folder).map_err(|error| failed(error.to_string()))?;
        foreign(&about).map_or(Ok(()), |why| Err(failed(why.to_owned())))?;
        Ok(Self { state: state.to_owned() })
    }

    /// Where a watcher puts cases.
    ///
    /// # Errors
    /// It can't be made, or belongs to somebody else, or others may write into it.
    pub fn cases(&self) -> Result<PathBuf, Error> {
        let cases = self.state.join("cases");
        queue::own(&cases, 0o700)?;
        Ok(cases)
    }

    /// All pointers with their names, in the order of these.
    #[must_use]
    pub fn all(&self) -> Vec<(String, Pointer)> {
        let names = files::names(&self.folder());
        names.into_iter().filter_map(|name| Some((name.clone(), files::read(&self.file(&name), LARGEST)?))).collect()
    }

    /// Puts a pointer there, in the place of one of that name.
    ///
    /// # Errors
    /// It can't be written.
    pub fn put(&self, name: &str, pointer: &Pointer) -> Result<(), Error> {
        files::put(&self.file(name), pointer)
    }

    /// A pointer by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Pointer> {
        files::read(&self.file(name), LARGEST)
    }

    /// Takes a pointer away.
    pub fn drop(&self, name: &str) {
        let _ = fs::remove_file(self.file(name));
    }

    fn folder(&self) -> PathBuf {
        self.state.join("approvals")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder().join(format!("{name}.json"))
    }
}
