//! Whose word a file is.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::{INDEX, JOURNAL};
use crate::error::Error;

/// Why a file, or a folder, may hold the word of somebody else; nothing where nobody could have written there but whoever asks,
/// or root. The bits of the group are also those of an access list (acl(5), its mask).
#[must_use]
pub fn foreign(about: &Metadata) -> Option<&'static str> {
    let me = nix::unistd::geteuid().as_raw();
    match about.uid() {
        _ if about.is_symlink() => Some("it is a link"),
        owner if owner != me && owner != 0 => Some("it belongs to somebody else"),
        _ if about.mode() & 0o022 != 0 => Some("others may write to it"),
        _ => None,
    }
}

/// The folder of a case, and its journal, opened with these flags: each looked at as it was opened, so that nobody puts another
/// in its place in between.
///
/// # Errors
/// Somebody else could have written one of them (`journal.foreign`); the journal can't be opened.
pub(super) fn own_journal(case: &Path, flags: OFlag) -> Result<(File, io::Result<File>), Error> {
    // With a slash at its end, a link would be followed.
    let root: PathBuf = case.components().collect();
    let folder = own_folder(&root)?;
    // By the names in it files are witnesses.
    if let Ok(about) = fs::symlink_metadata(root.join(INDEX)) {
        believed(&root.join(INDEX), &about)?;
    }
    let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let journal = openat(&folder, JOURNAL, flags, Mode::S_IRUSR | Mode::S_IWUSR).map(File::from);
    match journal.map_err(io::Error::from) {
        Ok(journal) => {
            let about = journal.metadata().map_err(|error| unreadable(&root.join(JOURNAL), &error))?;
            believed(&root.join(JOURNAL), &about)?;
            Ok((folder, Ok(journal)))
        }
        Err(error) => Ok((folder, Err(error))),
    }
}

fn own_folder(root: &Path) -> Result<File, Error> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_DIRECTORY;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits()).open(root);
    // Of a link nothing is opened.
    let about = opened.as_ref().map_or_else(|_| fs::symlink_metadata(root), File::metadata);
    about.map_err(|error| unreadable(root, &error)).and_then(|about| believed(root, &about))?;
    opened.map_err(|error| unreadable(root, &error))
}

fn believed(path: &Path, about: &Metadata) -> Result<(), Error> {
    let Some(why) = foreign(about) else { return Ok(()) };
    let why = format!("what this case says is not acted upon: {why}");
    Err(Error::new("journal.foreign", path.display().to_string(), why).with_way_on(
        "`diag fix CASE --case NEW` begins anew from its evidence; of a case of yours, name the folder itself, and chmod go-w it",
    ))
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::new("journal.unreadable", path.display().to_string(), error.to_string())
}
