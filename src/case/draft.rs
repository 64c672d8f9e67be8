//! Filling a case: each file is written, then the index; what breaks off in between is no case.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::place::Places;
use super::{Collection, Digest, INDEX, Index, LeftOut, MARK, Member, RAW, SUMS, folder};
use crate::error::Error;

/// Largest file that is kept, in bytes; a sparse file claims any size.
const LARGEST: u64 = 64 << 30;

/// Bytes copied at a time. A step that holds nothing but zeros is left out of the copy, as a hole.
const STEP: usize = 256 << 10;

/// Most left-out files that the index names one by one.
const MOST_LEFT_OUT: usize = 10_000;

/// A case that is being filled.
#[derive(Debug)]
pub struct Draft {
    root: PathBuf,
    index: Index,
    number: usize,
    places: Places,
    new: bool,
    /// Open, and locked, as long as the draft lives.
    mark: File,
    more_left_out: u64,
}

/// What is known of a file beside its bytes.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// What a report calls it.
    pub name: String,
    /// When it was last written, in UTC.
    pub modified: Option<String>,
}

impl Draft {
    /// Begins a case in a folder that is new, empty or a case already; the new files come behind those it has.
    ///
    /// # Errors
    /// The folder holds something else, somebody else collects into it, or it can't be written.
    pub fn begin(root: &Path, collection: Collection) -> Result<Self, Error> {
        let failed = |error: io::Error| unwritable(root, &error);
        let index = match state(root).map_err(failed)? {
            State::Case => folder::read_index(root)?,
            State::Free | State::Interrupted => Index::new(),
            State::Foreign => {
                let error = Error::new("case.foreign", place(root), "holds files and is no case; nothing was written");
                return Err(error.with_way_on("name a new or an empty folder with --output"));
            }
        };
        let new = !root.exists();
        private().create(root).map_err(failed)?;
        let mark = mark(root)?;
        let number = index.collections.len() + 1;
        // What an interrupted run left of this collection is listed nowhere.
        let own = root.join(RAW).join(number.to_string());
        if fs::symlink_metadata(&own).is_ok() {
            fs::remove_dir_all(&own).map_err(failed)?;
        }
        real_folder(&root.join(RAW)).and_then(|()| real_folder(&own)).map_err(failed)?;
        let mut draft =
            Self { root: root.to_owned(), index, number, places: Places::default(), new, mark, more_left_out: 0 };
        draft.index.collections.push(collection);
        Ok(draft)
    }

    /// Keeps the bytes of a file.
    ///
    /// # Errors
    /// They can't be read, are too many, or can't be written: the last is told by the code `case.unwritable`.
    pub fn keep(&mut self, facts: Facts, bytes: &mut dyn Read) -> Result<u64, Error> {
        let taken = || Error::new("case.name", &facts.name, "too many files of this name");
        let inside = self.places.find(&facts.name).ok_or_else(taken)?;
        let path = format!("{RAW}/{}/{inside}", self.number);
        let whole = self.root.join(&path);
        let written = whole.parent().map_or(Ok(()), |folder| private().create(folder)).and_then(|()| create(&whole));
        let mut file = written.map_err(|error| unwritable(&whole, &error))?;
        match copy(bytes, &mut file) {
            Ok((size, sha256)) => {
                let Facts { name, modified } = facts;
                let collection = self.number;
                self.index.files.push(Member { name, path, bytes: size, sha256, modified, masked: 0, collection });
                Ok(size)
            }
            Err(broken) => {
                drop(file);
                let _ = fs::remove_file(&whole);
                Err(match broken {
                    Broken::Source(error) => Error::new("input.unreadable", &facts.name, format!("{error}; not kept")),
                    Broken::Large => Error::new("input.large", &facts.name, too_large()),
                    Broken::Target(error) => unwritable(&whole, &error),
                })
            }
        }
    }

    /// Notes how many secrets were masked in the file that was kept last.
    pub fn masked(&mut self, count: u64) {
        if let Some(last) = self.index.files.last_mut() {
            last.masked = count;
        }
    }

    /// Notes that something is not in the case.
    pub fn leave_out(&mut self, remark: &Error) {
        if self.index.left_out.len() >= MOST_LEFT_OUT {
            self.more_left_out += 1;
            return;
        }
        let (name, code, reason) = (remark.place.clone(), remark.code.to_owned(), remark.reason.clone());
        self.index.left_out.push(LeftOut { name, code, reason });
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether a file of this name was the last that was kept.
    pub fn holds(&self, name: &str) -> bool {
        self.index.files.last().is_some_and(|file| file.name == name && file.collection == self.number)
    }

    /// How many files of this collection are kept so far.
    pub fn len(&self) -> usize {
        self.index.files.iter().filter(|file| file.collection == self.number).count()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the index, which makes it a case.
    ///
    /// # Errors
    /// It can't be written.
    pub fn finish(mut self) -> Result<Index, Error> {
        if self.more_left_out > 0 {
            let reason = format!("{} further files were left out", self.more_left_out);
            self.index.left_out.push(LeftOut { name: String::new(), code: "case.more".to_owned(), reason });
        }
        let sums: String = self.index.files.iter().map(|file| format!("{}  {}\n", file.sha256, file.path)).collect();
        let json = serde_json::to_string_pretty(&self.index).unwrap_or_default() + "\n";
        let written = replace(&self.root.join(SUMS), sums.as_bytes())
            .and_then(|()| replace(&self.root.join(INDEX), json.as_bytes()))
            .and_then(|()| fs::remove_file(self.root.join(MARK)));
        match written {
            Ok(()) => Ok(self.index),
            Err(error) => Err(unwritable(&self.root, &error)),
        }
    }

    /// Takes back what this collection wrote, as nothing came of it.
    pub fn give_up(self) {
        let _ = fs::remove_dir_all(self.root.join(RAW).join(self.number.to_string()));
        let _ = fs::remove_file(self.root.join(MARK));
        if self.number == 1 {
            let _ = fs::remove_dir(self.root.join(RAW));
        }
        if self.new {
            let _ = fs::remove_dir(&self.root);
        }
        drop(self.mark);
    }
}

/// What stands where a case is wanted.
enum State {
    Free,
    Case,
    Interrupted,
    Foreign,
}

fn state(root: &Path) -> io::Result<State> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Free),
        Err(error) => return Err(error),
    };
    let names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    let has = |name: &str| names.iter().any(|entry| entry == name);
    Ok(match names.len() {
        0 => State::Free,
        _ if has(INDEX) => State::Case,
        _ if has(MARK) && names.iter().all(|name| [MARK, RAW, SUMS].iter().any(|own| name == own)) => {
            State::Interrupted
        }
        _ => State::Foreign,
    })
}

/// Makes the mark, and locks it for as long as the file is open.
fn mark(root: &Path) -> Result<File, Error> {
    let path = root.join(MARK);
    let mut open = OpenOptions::new();
    let open = open.write(true).create(true).truncate(false).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
    let file = open.open(&path).map_err(|error| unwritable(&path, &error))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            Err(Error::new("case.busy", place(root), "somebody else collects into this case")
                .with_way_on("wait until that is over"))
        }
        // A file system without locks: two at a time are then not told apart.
        _ => Ok(file),
    }
}

/// Folders and files that only their owner reads: logs hold secrets.
fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
}

/// Makes a folder that is not there; a link in its place is refused.
fn real_folder(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_dir() => Ok(()),
        Ok(_) => Err(io::Error::other(format!("{} is no folder", path.display()))),
        Err(_) => private().create(path),
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Writes beside a file and puts the result in its place.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("part");
    let _ = fs::remove_file(&draft);
    let mut file = create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

/// Why a copy broke off.
enum Broken {
    Source(io::Error),
    Target(io::Error),
    Large,
}

/// Copies bytes to a new file; returns how many there were, and their digest.
fn copy(from: &mut dyn Read, to: &mut File) -> Result<(u64, String), Broken> {
    let mut digest = Digest::default();
    let mut step = vec![0; STEP];
    let mut size = 0;
    let mut hole = false;
    loop {
        let count = fill(from, &mut step).map_err(Broken::Source)?;
        if count == 0 {
            break;
        }
        size += count as u64;
        if size > LARGEST {
            return Err(Broken::Large);
        }
        let bytes = &step[..count];
        digest.update(bytes);
        hole = bytes.iter().all(|byte| *byte == 0);
        if hole {
            to.seek(SeekFrom::Current(count as i64)).map_err(Broken::Target)?;
        } else {
            to.write_all(bytes).map_err(Broken::Target)?;
        }
    }
    if hole {
        to.set_len(size).map_err(Broken::Target)?;
    }
    Ok((size, digest.finish()))
}

/// Reads until the step is full or the source is at its end.
fn fill(from: &mut dyn Read, step: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < step.len() {
        match from.read(&mut step[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Why a file of more than [`LARGEST`] bytes is not kept.
fn too_large() -> String {
    format!("is larger than {} GiB; not kept", LARGEST >> 30)
}

fn place(path: &Path) -> String {
    path.display().to_string()
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    Error::new("case.unwritable", place(path), error.to_string()).with_way_on("name another folder with --output")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collection() -> Collection {
        Collection { at: "2026-11-22T03:00:00Z".into(), diag: "0".into(), inputs: vec!["x".into()], masked: vec![] }
    }

    fn facts(name: &str) -> Facts {
        Facts { name: name.to_owned(), modified: None }
    }

    #[test]
    fn what_breaks_off_is_no_case_and_leaves_the_one_before_whole() {
        let at = tempfile::tempdir().unwrap();
        let root = at.path().join("case");
        let mut draft = Draft::begin(&root, collection()).unwrap();
        draft.keep(facts("a.log"), &mut b"one\n".as_slice()).unwrap();
        assert_eq!(Draft::begin(&root, collection()).unwrap_err().code, "case.busy");
        drop(draft);
        assert_eq!(super::super::standing(&root), super::super::Standing::Unfinished);
        assert_eq!(super::super::read_index(&root).unwrap_err().code, "case.incomplete");

        let mut draft = Draft::begin(&root, collection()).unwrap();
        draft.keep(facts("b.log"), &mut b"two\n".as_slice()).unwrap();
        let index = draft.finish().unwrap();
        let names = |index: &Index| index.files.iter().map(|file| file.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&index), ["b.log"]);

        let mut draft = Draft::begin(&root, collection()).unwrap();
        draft.keep(facts("c.log"), &mut b"three\n".as_slice()).unwrap();
        drop(draft);
        assert_eq!(super::super::read_index(&root).unwrap(), index, "the first collection is as it was");
    }

    #[test]
    fn a_hole_stays_a_hole() {
        let at = tempfile::tempdir().unwrap();
        let root = at.path().join("case");
        let mut draft = Draft::begin(&root, collection()).unwrap();
        let mut sparse = io::repeat(0).take(64 << 20);
        assert_eq!(draft.keep(facts("sparse"), &mut sparse).unwrap(), 64 << 20);
        let index = draft.finish().unwrap();
        let about = fs::metadata(root.join(&index.files[0].path)).unwrap();
        assert_eq!(about.len(), 64 << 20);
        assert!(std::os::unix::fs::MetadataExt::blocks(&about) < 1000);
    }
}
