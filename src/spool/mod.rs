//! What waits, what was done, and what is still to be sent: a folder that survives being killed at any instant. A *world* room
//! that touches nothing but its own folder.
//!
//! ```text
//! DIR/
//!   queue/<id>.json     what waits; each file is there whole or not at all
//!   queue/dropped.jsonl what gave way there
//!   working/<id>.json   what is looked at now; found there by a new worker, it goes back into the queue
//!   outbox/<id>.json    letters that are still to be delivered
//!   reports/            reports that could not be placed beside a job's output, the newest 2,000; the one folder that others may enter
//!   log.jsonl           what was heard, found and told, a line each; begun anew at 16 MiB, the one before is kept
//!   worker.lock         held by the one that works
//! ```
#![expect(clippy::disallowed_methods, reason = "a world room: reads and writes its own folder")]

mod files;
mod lines;
mod pending;
mod queue;
mod record;
mod reports;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

pub use lines::Lines;
pub use pending::{Incident, Pending, Pointer};
pub use queue::Queue;
pub use record::{Letter, Record};

use crate::error::Error;
use crate::watch::Entry;

/// The most that is read of one file of the folder, in bytes.
const LARGEST: u64 = 4 << 20;

/// The folder.
#[derive(Debug, Clone)]
pub struct Spool {
    root: PathBuf,
    queue: Queue,
}

/// Held by the one that works; gone when its process is.
#[derive(Debug)]
pub struct Working(#[allow(dead_code, reason = "a lock is held by being there")] File);

impl Spool {
    /// Opens the folder, or makes it.
    ///
    /// # Errors
    /// It can't be made, or belongs to somebody else, or others may write into it.
    pub fn open(root: &Path) -> Result<Self, Error> {
        for (name, mode) in [("", 0o711), ("working", 0o700), ("outbox", 0o700), ("reports", 0o711)] {
            queue::own(&root.join(name), mode)?;
        }
        Ok(Self { root: root.to_owned(), queue: Queue::open(root)? })
    }

    /// What waits, for those who put something in.
    #[must_use]
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Keeps a report that has no other place, for this owner (user and group) or the process's own; returns where it stands.
    ///
    /// # Errors
    /// It can't be written, or as many of this name stand there as there may be.
    pub fn report(&self, name: &str, text: &str, owner: Option<(u32, u32)>) -> std::io::Result<PathBuf> {
        reports::put(&self.root.join("reports"), name, text, owner, reports::MOST)
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What waits, the oldest first.
    #[must_use]
    pub fn waiting(&self) -> Vec<Entry> {
        self.queue.names().iter().filter_map(|name| self.queue.read(name)).collect()
    }

    /// Brings what is known of the queue up to what stands there: what is new is read, what is gone is forgotten.
    pub fn refresh(&self, known: &mut BTreeMap<String, Entry>) {
        let names: BTreeSet<String> = self.queue.names().into_iter().collect();
        known.retain(|id, _| names.contains(id));
        for name in names {
            if !known.contains_key(&name)
                && let Some(entry) = self.queue.read(&name)
            {
                known.insert(name, entry);
            }
        }
    }

    /// How many wait, and how many are looked at.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.queue.names().len(), self.names("working").len())
    }

    /// Takes one out of the queue to look at it. `false`: somebody else did, or dropped it.
    #[must_use]
    pub fn take(&self, entry: &Entry) -> bool {
        fs::rename(self.queue.file(&entry.id), self.file("working", &entry.id)).is_ok()
            && self.write("working", &entry.id, entry).is_ok()
    }

    /// Puts one that was taken back, as it is now.
    ///
    /// # Errors
    /// It can't be written.
    pub fn put_back(&self, entry: &Entry) -> Result<(), Error> {
        // By way of our own folder: no file is opened in one that may be somebody else's.
        self.write("working", &entry.id, entry)?;
        let back = fs::rename(self.file("working", &entry.id), self.queue.file(&entry.id));
        back.map_err(|error| Error::new("watch.state", self.root.display().to_string(), error.to_string()))
    }

    /// That nothing more is to be done about one.
    pub fn done(&self, entry: &Entry) {
        let _ = fs::remove_file(self.file("working", &entry.id));
    }

    /// What a worker left that was ended while it looked; the one that works now goes on with it.
    #[must_use]
    pub fn left(&self) -> Vec<Entry> {
        self.names("working").iter().filter_map(|name| self.read("working", name)).collect()
    }

    /// Whether nothing is to be done; what can't be read is nothing.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.waiting().is_empty() && self.names("working").is_empty()
    }

    /// Becomes the one that works; `None` where there is one.
    ///
    /// # Errors
    /// The folder has no locks.
    pub fn work(&self) -> Result<Option<Working>, Error> {
        let path = self.root.join("worker.lock");
        let failed = |why: String| Error::new("watch.state", path.display().to_string(), why);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| failed(error.to_string()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Working(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error.to_string())),
        }
    }

    /// Puts a letter into the outbox; one of the same id is the same letter. Of more than so many the oldest are dropped.
    ///
    /// # Errors
    /// It can't be written.
    pub fn post(&self, letter: &Letter, most: usize) -> Result<usize, Error> {
        self.write("outbox", &letter.id, letter)?;
        let names = self.names("outbox");
        let over = names.len().saturating_sub(most);
        names.iter().take(over).for_each(|name| drop(fs::remove_file(self.file("outbox", name))));
        Ok(over)
    }

    /// The letters that are still to be delivered, the oldest first.
    #[must_use]
    pub fn letters(&self) -> Vec<Letter> {
        self.names("outbox").iter().filter_map(|name| self.read("outbox", name)).collect()
    }

    /// Writes a letter anew: when it is tried next.
    ///
    /// # Errors
    /// It can't be written.
    pub fn repost(&self, letter: &Letter) -> Result<(), Error> {
        self.write("outbox", &letter.id, letter)
    }

    /// That a letter was delivered, or is given up.
    pub fn posted(&self, letter: &Letter) {
        let _ = fs::remove_file(self.file("outbox", &letter.id));
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> Lines {
        Lines::new(&self.root.join("log.jsonl"))
    }

    /// All that was written down, what gave way first.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let mut records = self.queue.dropped().read();
        records.append(&mut self.log().read());
        records
    }

    /// A small state of a watcher's own, by its name.
    #[must_use]
    pub fn state<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.read("", name)
    }

    /// Keeps such a state.
    ///
    /// # Errors
    /// It can't be written.
    pub fn keep<T: serde::Serialize>(&self, name: &str, state: &T) -> Result<(), Error> {
        self.write("", name, state)
    }

    fn file(&self, folder: &str, name: &str) -> PathBuf {
        self.root.join(folder).join(format!("{name}.json"))
    }

    fn write<T: serde::Serialize>(&self, folder: &str, name: &str, what: &T) -> Result<(), Error> {
        files::put(&self.file(folder, name), what)
    }

    fn read<T: serde::de::DeserializeOwned>(&self, folder: &str, name: &str) -> Option<T> {
        files::read(&self.file(folder, name), LARGEST)
    }

    fn names(&self, folder: &str) -> Vec<String> {
        files::names(&self.root.join(folder))
    }
}

#[cfg(test)]
mod tests;
