//! Getting playbooks: those built in, and those in a folder.

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
