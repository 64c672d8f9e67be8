//! Files that are there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::fcntl::OFlag;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Puts a file there.
///
/// # Errors
/// It can't be written.
pub(super) fn put<T: Serialize>(path: &Path, what: &T) -> Result<(), Error> {
    write(path, what).map_err(|error| Error::new("watch.state", path.display().to_string(), error.to_string()))
}

/// Names in a folder, without their end, in order; drafts are none.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names
        .filter(|name| !name.starts_with('.'))
        .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
        .collect();
    names.sort();
    names
}

/// Writes a draft, brings it onto the disk, and puts it in the file's place.
fn write<T: Serialize>(path: &Path, what: &T) -> io::Result<()> {
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    let draft = path.with_file_name(format!(".{}.{nth}.draft", std::process::id()));
    let bytes = serde_json::to_vec(what)?;
    let open = || OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft);
    let written = open().and_then(|mut file| {
        file.write_all(&bytes)?;
        file.sync_data()?;
        fs::rename(&draft, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

/// Reads one; what is none, or damaged, is as if it were not there.
pub(super) fn read<T: DeserializeOwned>(path: &Path, most: u64) -> Option<T> {
    let mut open = OpenOptions::new();
    let file: File = open.read(true).custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits()).open(path).ok()?;
    let about = file.metadata().ok().filter(|about| about.is_file() && about.len() <= most)?;
    let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or(0));
    file.take(most).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}
