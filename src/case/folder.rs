//! Reading a case: what its index lists, and nothing else.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::{INDEX, Index, MARK, Member, SCHEMA, place};
use crate::error::Error;

/// Largest index that is read, in bytes: a million files.
const LARGEST_INDEX: u64 = 512 << 20;

/// A file of a case, ready to be opened.
#[derive(Debug)]
pub struct Kept {
    /// What the index says of it.
    pub member: Member,
    /// Where it is, and how many bytes it has now.
    pub found: Result<(PathBuf, u64), Error>,
}

/// What a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// No case.
    Other,
    /// Somebody collects into it, or did and was interrupted: no case yet.
    Unfinished,
    /// A case.
    Whole,
    /// A case to which somebody adds, or did and was interrupted. What it had before is whole.
    Adding,
}

/// Whether a folder is a case.
pub fn standing(root: &Path) -> Standing {
    let plain = |name: &str| fs::symlink_metadata(root.join(name)).is_ok_and(|about| about.is_file());
    let index = plain(INDEX) && head(&root.join(INDEX)).is_ok_and(|head| head.contains("\"diag.case/"));
    match (index, plain(MARK)) {
        (true, true) => Standing::Adding,
        (true, false) => Standing::Whole,
        (false, true) => Standing::Unfinished,
        (false, false) => Standing::Other,
    }
}

/// The first bytes of a file.
fn head(path: &Path) -> io::Result<String> {
    let mut head = Vec::new();
    File::open(path)?.take(256).read_to_end(&mut head)?;
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// The index of a case.
///
/// # Errors
/// There is none, it is damaged, or a newer version made it.
pub fn read_index(root: &Path) -> Result<Index, Error> {
    let path = root.join(INDEX);
    let name = path.display().to_string();
    let damaged = |what: String| Error::new("case.damaged", &name, what).with_way_on("copy the case again");
    if fs::symlink_metadata(&path).is_err() && fs::symlink_metadata(root.join(MARK)).is_ok() {
        let what = "collecting into this folder was interrupted: it is no whole case";
        return Err(Error::new("case.incomplete", root.display().to_string(), what)
            .with_way_on("run the same `diag collect` again"));
    }
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(LARGEST_INDEX).read_to_string(&mut text));
    read.map_err(|error| damaged(format!("the index of the case can't be read: {error}")))?;
    let index: Index =
        serde_json::from_str(&text).map_err(|error| damaged(format!("the index of the case is damaged: {error}")))?;
    if index.schema != SCHEMA {
        let what = format!("is of version {:?}; this diag reads {SCHEMA:?}", index.schema);
        return Err(Error::new("case.version", &name, what).with_way_on("read it with a newer diag"));
    }
    Ok(index)
}

/// The files of a case, in the order of its index.
pub fn kept(root: &Path, index: Index) -> Vec<Kept> {
    let locate = |member: Member| Kept { found: locate(root, &member), member };
    index.files.into_iter().map(locate).collect()
}

/// Where a file of the index is; a path or a link that leads out of the case is refused.
fn locate(root: &Path, member: &Member) -> Result<(PathBuf, u64), Error> {
    let name = &member.name;
    if !place::stays_inside(&member.path) {
        return Err(Error::new("case.outside", name, "the index names a path outside of the case; not read"));
    }
    let mut path = root.to_owned();
    for part in Path::new(&member.path).components() {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(about) if about.is_symlink() => {
                return Err(Error::new("case.outside", name, "is a link in the case; not read"));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let what = "is missing from the case; not read";
                return Err(Error::new("case.missing", name, what).with_way_on("copy the case again"));
            }
            Err(error) => return Err(Error::new("input.unreadable", name, error.to_string())),
        }
    }
    match fs::symlink_metadata(&path) {
        Ok(about) if about.is_file() => Ok((path, about.len())),
        _ => Err(Error::new("case.outside", name, "is no file in the case; not read")),
    }
}
