//! What waits, as those see it who put something in. The folder may belong to somebody who owns nothing else of the spool:
//! a SlurmUser that is not root, beside a worker that is.
#![expect(clippy::disallowed_methods, reason = "a world room: reads and writes its own folder")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{LARGEST, Lines, Record, files};
use crate::error::Error;
use crate::watch::Entry;

/// The folder of what waits.
#[derive(Debug, Clone)]
pub struct Queue {
    folder: PathBuf,
}

impl Queue {
    /// The queue of a spool, for putting into it. Nothing else of the spool has to be ours.
    ///
    /// # Errors
    /// It can't be made, or belongs to somebody else, or others may write into it.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let folder = root.join("queue");
        if !folder.is_dir() {
            own(root, 0o711)?;
        }
        own(&folder, 0o700)?;
        Ok(Self { folder })
    }

    /// Whether the rest of the spool is another's, and so is the work.
    #[must_use]
    pub fn of_another(&self) -> bool {
        let root = self.folder.parent().and_then(|root| fs::metadata(root).ok());
        let me = nix::unistd::geteuid().as_raw();
        me != 0 && root.is_some_and(|root| root.uid() != me)
    }

    /// Puts something in; of more than so many the oldest give way, which is written down.
    ///
    /// # Errors
    /// It can't be written.
    pub fn put(&self, entry: &Entry, most: u64) -> Result<(), Error> {
        files::put(&self.file(&entry.id), entry)?;
        let mut names = self.names();
        let over = names.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
        for name in names.drain(..over) {
            let Some(gone) = self.read(&name) else { continue };
            // Only who took it away has dropped it.
            if fs::remove_file(self.file(&name)).is_ok() {
                self.dropped().add(&Record::Dropped { id: gone.id, at: entry.at, subject: gone.subject.named() })?;
            }
        }
        Ok(())
    }

    /// What gave way.
    #[must_use]
    pub fn dropped(&self) -> Lines {
        Lines::new(&self.folder.join("dropped.jsonl"))
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }

    pub(super) fn read(&self, name: &str) -> Option<Entry> {
        files::read::<Entry>(&self.file(name), LARGEST).filter(|entry| entry.id == name)
    }

    pub(super) fn names(&self) -> Vec<String> {
        files::names(&self.folder)
    }
}

/// Makes a folder that is ours alone to write into, or sees that it is.
pub(super) fn own(path: &Path, mode: u32) -> Result<(), Error> {
    let failed = |why: String| {
        Error::new("watch.state", path.display().to_string(), why)
            .with_way_on("name another folder: [policy] state in diag.toml, or --state")
    };
    if !path.is_dir() {
        fs::create_dir_all(path).map_err(|error| failed(error.to_string()))?;
        // Somebody else may have made it in between.
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode));
    }
    let about = fs::symlink_metadata(path).map_err(|error| failed(error.to_string()))?;
    let me = nix::unistd::geteuid().as_raw();
    if !about.is_dir() || (about.uid() != me && me != 0) {
        return Err(failed("it belongs to somebody else".to_owned()));
    }
    if about.mode() & 0o022 != 0 {
        return Err(failed("others may write into it".to_owned()));
    }
    Ok(())
}
