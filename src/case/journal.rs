//! The journal of a case: what was decided, begun and ended, one line of JSON each, in order and for ever.
//!
//! ```text
//! {"n":7,"at":"2026-05-04T03:12:41Z","prev":"<sum of line 6>","what":{…},"sum":"<SHA-256 of all before it on this line>"}
//! ```
//!
//! A line is on the disk before [`Journal::append`] returns. What a crash leaves of a line that was being written is told
//! by its checksum, taken away when the journal is opened next, and noted; a line that was changed later, or one that is
//! missing in between, breaks the chain, and such a journal is not continued.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Digest;
use super::owner::own_journal;
use crate::error::Error;

/// Name of the journal in a case folder.
pub const JOURNAL: &str = "journal.jsonl";

/// Largest journal that is read, in bytes.
const LARGEST: u64 = 256 << 20;

/// What stands before the checksum of a line.
const SUM: &str = ",\"sum\":\"";

/// The sum that the first line names as that of the line before.
const NONE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Most characters of a torn line that are kept.
const MOST_KEPT: usize = 200;

/// One line of a journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its number, from 1.
    pub number: u64,
    /// When it was written, as its writer said (UTC, RFC 3339).
    pub at: String,
    /// What it says.
    pub what: Value,
}

/// A journal as it was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pages {
    /// The lines that are whole.
    pub lines: Vec<Line>,
    /// What a crash left of a line behind them; nothing was begun on its account.
    pub torn: Option<Torn>,
}

/// What a crash left of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Torn {
    /// How many bytes.
    pub bytes: u64,
    /// The first of them.
    pub text: String,
}

/// A journal that is open for writing, and locked.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    next: u64,
    last: String,
    broken: bool,
}

#[derive(Serialize)]
struct Draft<'a, T> {
    n: u64,
    at: &'a str,
    prev: &'a str,
    what: &'a T,
}

#[derive(Deserialize)]
struct Written {
    n: u64,
    at: String,
    prev: String,
    what: Value,
}

impl Journal {
    /// Opens the journal of a case for writing, or begins it. What a crash left at its end is taken away; whoever opens
    /// it is told, and should note it. All that acts upon a journal comes by here: it has to be the word of whoever asks.
    ///
    /// # Errors
    /// Somebody else has it open (`case.busy`) or could have written it (`journal.foreign`), it was changed or is damaged
    /// (`journal.damaged`), or can't be written.
    pub fn open(case: &Path) -> Result<(Self, Pages), Error> {
        let path = case.join(JOURNAL);
        let failed = |error: io::Error| unwritable(&path, &error);
        let (folder, file) = own_journal(case, OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_CREAT)?;
        let mut file = file.map_err(failed)?;
        lock(&file, case)?;
        let (pages, good, last) = look(&mut file, &path)?;
        if pages.torn.is_some() {
            file.set_len(good).and_then(|()| file.sync_all()).map_err(failed)?;
        }
        // The name of a new file has to be on the disk as well.
        folder.sync_all().map_err(failed)?;
        let next = pages.lines.len() as u64 + 1;
        Ok((Self { path, file, next, last, broken: false }, pages))
    }

    /// Writes a line; it is on the disk when this returns.
    ///
    /// # Errors
    /// It can't be written. Then nothing more is: whatever would act on it must not.
    pub fn append<T: Serialize>(&mut self, at: &str, what: &T) -> Result<Line, Error> {
        if self.broken {
            return Err(unwritable(&self.path, &io::Error::other("an earlier line could not be written")));
        }
        let draft = Draft { n: self.next, at, prev: &self.last, what };
        let value = serde_json::to_value(what).map_err(|error| unwritable(&self.path, &error.into()))?;
        let mut text = serde_json::to_string(&draft).map_err(|error| unwritable(&self.path, &error.into()))?;
        text.pop();
        let sum = sum(text.as_bytes());
        text.push_str(&format!("{SUM}{sum}\"}}\n"));
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        self.broken = written.is_err();
        written.map_err(|error| unwritable(&self.path, &error))?;
        let line = Line { number: self.next, at: at.to_owned(), what: value };
        self.next += 1;
        self.last = sum;
        Ok(line)
    }
}

/// The journal of a case, to look at; `None` where it has none.
///
/// # Errors
/// It can't be read, or was changed.
pub fn pages(case: &Path) -> Result<Option<Pages>, Error> {
    let path = case.join(JOURNAL);
    // A pipe of that name is not waited for.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    read(OpenOptions::new().read(true).custom_flags(flags.bits()).open(&path), &path)
}

/// The same, to act upon what it says.
///
/// # Errors
/// Somebody else could have written it (`journal.foreign`); it can't be read, or was changed.
pub fn own_pages(case: &Path) -> Result<Option<Pages>, Error> {
    if !case.exists() {
        return Ok(None);
    }
    let (_, file) = own_journal(case, OFlag::O_RDONLY)?;
    read(file, &case.join(JOURNAL))
}

fn read(opened: io::Result<File>, path: &Path) -> Result<Option<Pages>, Error> {
    match opened {
        Ok(mut file) => look(&mut file, path).map(|(pages, _, _)| Some(pages)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new("journal.unreadable", path.display().to_string(), error.to_string())),
    }
}

/// Whether somebody works on a case now. Looking is no working.
#[must_use]
pub fn is_busy(case: &Path) -> bool {
    let opened = OpenOptions::new().read(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(case.join(JOURNAL));
    opened.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn lock(file: &File, case: &Path) -> Result<(), Error> {
    let place = case.display().to_string();
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(Error::new("case.busy", place, "another diag works on this case")
            .with_way_on("wait until it has ended; `diag replay` shows how far it is")),
        Err(TryLockError::Error(error)) => {
            Err(Error::new("case.unlockable", place, format!("can't be locked ({error}), so two could act at a time"))
                .with_way_on("keep the case on a file system that has locks"))
        }
    }
}

/// Reads a journal: its lines, how many bytes of it are whole, and the sum of its last line.
fn look(file: &mut File, path: &Path) -> Result<(Pages, u64, String), Error> {
    let unreadable = |error: io::Error| Error::new("journal.unreadable", path.display().to_string(), error.to_string());
    let about = file.metadata().map_err(unreadable)?;
    if !about.is_file() || about.len() > LARGEST {
        return Err(unreadable(io::Error::other("is no journal of a case")));
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut bytes)).map_err(unreadable)?;
    parse(&bytes).map_err(|number| {
        let what = format!("line {number} is not as it was written, or one is missing before it");
        Error::new("journal.damaged", path.display().to_string(), what)
            .with_way_on("what was done is no longer certain: begin a new case")
    })
}

/// The lines of a journal, how many bytes are whole, the last sum; or the number of the line that breaks the chain.
fn parse(bytes: &[u8]) -> Result<(Pages, u64, String), u64> {
    let mut pages = Pages::default();
    let mut last = NONE.to_owned();
    let mut good = 0;
    for text in bytes.split_inclusive(|byte| *byte == b'\n') {
        let number = pages.lines.len() as u64 + 1;
        match whole(text, number, &last) {
            Some((line, sum)) => {
                pages.lines.push(line);
                last = sum;
                good += text.len();
            }
            // A sum that is right, its own or that of a line behind it, shows that this was written to the end once.
            None if bytes[good..].split_inclusive(|byte| *byte == b'\n').any(|text| ended(text).is_some()) => {
                return Err(number);
            }
            None => break,
        }
    }
    let rest = &bytes[good..];
    if !rest.is_empty() {
        let text = String::from_utf8_lossy(rest).chars().take(MOST_KEPT).collect();
        pages.torn = Some(Torn { bytes: rest.len() as u64, text });
    }
    Ok((pages, good as u64, last))
}

/// A line that is whole and follows on the one before, and its sum.
fn whole(text: &[u8], number: u64, last: &str) -> Option<(Line, String)> {
    let (body, sum) = ended(text)?;
    let mut json = body.to_vec();
    json.push(b'}');
    let Written { n, at, prev, what } = serde_json::from_slice(&json).ok()?;
    (n == number && prev == last).then_some((Line { number, at, what }, sum))
}

/// The same of a line that was written to its end, which is the line feed.
fn ended(text: &[u8]) -> Option<(&[u8], String)> {
    sealed(text.strip_suffix(b"\n")?)
}

/// What a line says and its sum, where the sum is right.
fn sealed(text: &[u8]) -> Option<(&[u8], String)> {
    let at = text.len().checked_sub(SUM.len() + NONE.len() + 2)?;
    let (body, seal) = text.split_at(at);
    let told = std::str::from_utf8(seal).ok()?.strip_prefix(SUM)?.strip_suffix("\"}")?;
    (sum(body) == told).then(|| (body, told.to_owned()))
}

fn sum(bytes: &[u8]) -> String {
    let mut digest = Digest::default();
    digest.update(bytes);
    digest.finish()
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    Error::new("journal.unwritable", path.display().to_string(), error.to_string())
        .with_way_on("nothing is done that can't be written down: make room, or name another folder with --case")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(n: u64) -> String {
        format!("2026-05-04T03:12:0{n}Z")
    }

    /// A journal of a few lines, with text that looks like its own form.
    fn written() -> (tempfile::TempDir, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, pages) = Journal::open(folder.path()).unwrap();
        assert_eq!(pages, Pages::default());
        for (n, what) in ["a", "b\n,\"sum\":\"0\"}\n", "gr\u{f6}\u{df}e", "d"].into_iter().enumerate() {
            journal.append(&at(n as u64), &json!({ "text": what })).unwrap();
        }
        let bytes = std::fs::read(folder.path().join(JOURNAL)).unwrap();
        (folder, bytes)
    }

    fn ends(bytes: &[u8]) -> Vec<usize> {
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        lines
            .scan(0, |end, line| {
                Some({
                    *end += line.len();
                    *end
                })
            })
            .collect()
    }

    #[test]
    fn a_journal_cut_at_any_byte_keeps_its_whole_lines_and_goes_on() {
        let (_keep, bytes) = written();
        let all = pages_of(&bytes).lines;
        let ends = ends(&bytes);
        for cut in 0..=bytes.len() {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(JOURNAL), &bytes[..cut]).unwrap();
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let torn = cut > 0 && !ends.contains(&cut);
            let seen = pages(folder.path()).unwrap().unwrap();
            assert_eq!((seen.lines.as_slice(), seen.torn.is_some()), (&all[..whole], torn), "cut at {cut}");
            let (mut journal, _) = Journal::open(folder.path()).unwrap();
            journal.append(&at(9), &json!({ "text": "on" })).unwrap();
            drop(journal);
            let seen = pages(folder.path()).unwrap().unwrap();
            assert_eq!((seen.lines.len(), seen.torn), (whole + 1, None), "cut at {cut}");
        }
    }

    #[test]
    fn a_changed_byte_is_noticed_wherever_it_stands() {
        let (_keep, bytes) = written();
        let before = *ends(&bytes).iter().rev().nth(1).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x01;
            match parse(&changed) {
                Err(_) => {}
                Ok((pages, _, _)) => {
                    assert!(at >= before - 1, "byte {at} was changed, and it is no torn end");
                    assert!(pages.torn.is_some(), "byte {at} was changed unnoticed");
                }
            }
        }
    }

    #[test]
    fn a_line_that_is_gone_or_moved_breaks_the_chain() {
        let (_keep, bytes) = written();
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        assert_eq!(parse(&[lines[0], lines[2], lines[3]].concat()), Err(2));
        assert_eq!(parse(&[lines[1], lines[0]].concat()), Err(1));
        assert_eq!(parse(&[lines[0], lines[0]].concat()), Err(2));
    }

    #[test]
    fn what_a_crash_left_as_zeros_is_torn() {
        let (_keep, bytes) = written();
        let (pages, good, _) = parse(&[bytes.as_slice(), &[0; 300], b"\n"].concat()).unwrap();
        assert_eq!((pages.lines.len(), good, pages.torn.unwrap().bytes), (4, bytes.len() as u64, 301));
    }

    #[test]
    fn two_at_a_time_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::open(folder.path()).unwrap();
        assert_eq!(Journal::open(folder.path()).unwrap_err().code, "case.busy");
        assert!(pages(folder.path()).unwrap().is_some(), "looking is no writing");
        assert!(is_busy(folder.path()));
        drop(journal);
        assert!(!is_busy(folder.path()));
        assert!(Journal::open(folder.path()).is_ok());
    }

    #[test]
    fn a_link_in_the_place_of_a_journal_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other");
        std::fs::write(&other, "keep me").unwrap();
        std::os::unix::fs::symlink(&other, folder.path().join(JOURNAL)).unwrap();
        assert_eq!(Journal::open(folder.path()).unwrap_err().code, "journal.unwritable");
        assert_eq!(std::fs::read_to_string(other).unwrap(), "keep me");
    }

    fn pages_of(bytes: &[u8]) -> Pages {
        parse(bytes).unwrap().0
    }
}
