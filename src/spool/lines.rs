//! Records, a line of JSON each, only added to; begun anew at a size, the file before is kept.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// Bytes from which it is begun anew.
const MOST: u64 = 16 << 20;

/// Longest line that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// A file of records.
#[derive(Debug, Clone)]
pub struct Lines {
    path: PathBuf,
}

impl Lines {
    /// The file of that name.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Adds a record; it is on the disk when this returns. One write of one line, so those of two writers never mix; what a
    /// crash tore is ended by the line feed that stands before the next.
    ///
    /// # Errors
    /// It can't be written.
    pub fn add<T: Serialize>(&self, record: &T) -> Result<(), Error> {
        let failed = |why: String| Error::new("state.unwritable", self.path.display().to_string(), why);
        let mut line = serde_json::to_vec(record).map_err(|error| failed(error.to_string()))?;
        line.insert(0, b'\n');
        line.push(b'\n');
        if fs::metadata(&self.path).is_ok_and(|about| about.len() > MOST) {
            let _ = fs::rename(&self.path, self.before());
        }
        let mut open = OpenOptions::new();
        let open = open.append(true).create(true).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
        let added = open.open(&self.path).and_then(|mut file: File| {
            file.write_all(&line)?;
            file.sync_data()
        });
        added.map_err(|error| failed(error.to_string()))
    }

    /// All records, the oldest first; a line that is none is left out.
    #[must_use]
    pub fn read<T: DeserializeOwned>(&self) -> Vec<T> {
        let mut all = Vec::new();
        for path in [self.before(), self.path.clone()] {
            // The folder may be another's, who puts a pipe there.
            let mut open = OpenOptions::new();
            let open = open.read(true).custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
            let Ok(file) = open.open(path) else { continue };
            let mut reader = BufReader::new(file);
            let mut line = Vec::new();
            while reader.by_ref().take(LONGEST).read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                all.extend(serde_json::from_slice(&line).ok());
                line.clear();
            }
        }
        all
    }

    fn before(&self) -> PathBuf {
        self.path.with_extension("jsonl.1")
    }
}
