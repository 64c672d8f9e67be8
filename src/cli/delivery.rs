//! Bringing a report to where it is wanted: whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Writes to a file, or to standard output. A reader who leaves early is no error.
///
/// # Errors
/// What can't be written.
pub(super) fn deliver(bytes: &[u8], file: Option<&Path>) -> Result<(), Error> {
    let failed = |place: &str, error: &io::Error| {
        let error = Error::new("output.unwritable", place, error.to_string());
        error.with_way_on("name another file with --output")
    };
    match file {
        Some(path) => to_file(path, bytes).map_err(|error| failed(&path.display().to_string(), &error)),
        None => {
            let mut out = io::stdout().lock();
            match out.write_all(bytes).and_then(|()| out.flush()) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed("standard output", &error)),
                _ => Ok(()),
            }
        }
    }
}

/// Writes beside the file and puts the result in its place, so that nobody finds half a report.
fn to_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&path).is_ok_and(|about| !about.is_file()) {
        // A pipe or a device can't be replaced; a folder says so itself.
        return fs::write(&path, bytes);
    }
    let draft = draft(&path)?;
    let written = OpenOptions::new().write(true).create_new(true).open(&draft).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, &path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

/// A name for the draft of a file, beside it.
fn draft(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut draft = std::ffi::OsString::from(".");
    draft.push(name);
    draft.push(format!(".{}.part", std::process::id()));
    Ok(path.with_file_name(draft))
}
