//! The lines around one that is cited, read again from where it stands: as a stream, so that memory follows the excerpt and
//! not the log, and no further than needed.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use diag_parsers::{Event, Scanner};
use memchr::{memchr, memchr_iter};

use super::documents::{self, Source, Wanted};
use super::open::{Meter, Raw};
use super::unpack::{self, Balance, Intake, Stream, Taken};
use crate::error::Error;

/// Bytes read at a time.
const STEP: usize = 256 << 10;

/// Longest part of a line that is kept, in bytes.
const LONGEST: usize = 16 << 10;

/// Some lines of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// Number of the first one, from 1.
    pub first: u64,
    /// The lines, without their ends; what is no UTF-8 is replaced.
    pub lines: Vec<Cut>,
    /// Whether the document ends behind them.
    pub ends: bool,
}

/// A line, cut where it is longer than anybody reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut {
    /// Its start.
    pub text: String,
    /// Bytes that are left out behind it.
    pub left_out: u64,
}

/// Lines of the document that a reading of the same inputs called `name`, by their numbers; what of them does not exist is
/// left out. Ends early, with whatever was found, once `stop` is set.
///
/// # Errors
/// No such document, or what can't be read.
pub fn excerpt(inputs: &[String], name: &str, lines: Range<u64>, stop: &AtomicBool) -> Result<Excerpt, Error> {
    let (sources, _) = documents::find(Wanted::inputs(inputs), None);
    let mut wrong = None;
    for source in sources.iter().filter(|source| holds(&source.name, name)) {
        match from(source, name, lines.clone(), stop) {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            Err(error) => wrong = Some(error),
        }
    }
    let gone = || {
        Error::new("input.missing", name, "is not there any more, or has another name now")
            .with_way_on("read the inputs again")
    };
    Err(wrong.unwrap_or_else(gone))
}

/// Whether a document is a source, or a member of it.
fn holds(source: &str, name: &str) -> bool {
    name.strip_prefix(source).is_some_and(|rest| rest.is_empty() || rest.starts_with('!'))
}

fn from(source: &Source, name: &str, lines: Range<u64>, stop: &AtomicBool) -> Result<Option<Excerpt>, Error> {
    let meter = Meter::default();
    // Not the digest: it would be that of a part.
    let source = Source { digest: None, ..source.clone() };
    let raw = Raw::open(&source, &meter)?;
    let done = Cell::new(false);
    let balance = Balance::default();
    let at = Stream { name: &source.name, depth: 0, file: raw.file(), balance: &balance };
    let mut search = Search { name, lines, stop, done: &done, found: None, wrong: None };
    unpack::stream(&at, &mut Halting { from: raw, done: &done, stop }, &mut search);
    match (search.found, search.wrong) {
        (None, Some(error)) => Err(error),
        (found, _) => Ok(found),
    }
}

/// Ends a stream when what was looked for is found.
struct Halting<'a, R> {
    from: R,
    done: &'a Cell<bool>,
    stop: &'a AtomicBool,
}

impl<R: Read> Read for Halting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.done.get() || self.stop.load(Ordering::Relaxed) { Ok(0) } else { self.from.read(buffer) }
    }
}

/// Looks for one document among those of a source.
struct Search<'a> {
    name: &'a str,
    lines: Range<u64>,
    stop: &'a AtomicBool,
    done: &'a Cell<bool>,
    found: Option<Excerpt>,
    wrong: Option<Error>,
}

impl Intake for Search<'_> {
    fn text(&mut self, name: &str, text: &mut dyn Read) -> Taken {
        if self.done.get() || name != self.name {
            return Taken::default();
        }
        let mut picked = Picked::new(self.lines.clone());
        let broken = picked.read(text, self.stop).err();
        self.found = Some(picked.finish());
        self.done.set(true);
        Taken { broken, ..Taken::default() }
    }

    fn record(&mut self, _: &str, _: &[u8], _: Vec<Event>) {}

    fn scanner(&self) -> Option<&Scanner> {
        None
    }

    fn remark(&mut self, remark: Error) {
        if remark.place == self.name {
            self.wrong.get_or_insert(remark);
        }
    }
}

/// The lines that are picked from a stream.
struct Picked {
    wanted: Range<u64>,
    /// The number of the line that comes next, from 1.
    next: u64,
    open: Vec<u8>,
    dropped: u64,
    lines: VecDeque<Cut>,
    ends: bool,
}

impl Picked {
    fn new(wanted: Range<u64>) -> Self {
        let wanted = wanted.start.max(1)..wanted.end;
        Self { wanted, next: 1, open: Vec::new(), dropped: 0, lines: VecDeque::new(), ends: false }
    }

    fn read(&mut self, text: &mut dyn Read, stop: &AtomicBool) -> io::Result<()> {
        let mut step = vec![0; STEP];
        while self.next < self.wanted.end && !stop.load(Ordering::Relaxed) {
            match text.read(&mut step) {
                Ok(0) => {
                    if !self.open.is_empty() || self.dropped > 0 {
                        self.close();
                    }
                    self.ends = true;
                    return Ok(());
                }
                Ok(count) => self.take(&step[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn take(&mut self, mut bytes: &[u8]) {
        if self.next < self.wanted.start {
            let ahead = self.wanted.start - self.next;
            let last = usize::try_from(ahead - 1).ok().and_then(|nth| memchr_iter(b'\n', bytes).nth(nth));
            let Some(last) = last else {
                self.next += memchr_iter(b'\n', bytes).count() as u64;
                return;
            };
            self.next = self.wanted.start;
            bytes = &bytes[last + 1..];
        }
        while self.next < self.wanted.end && !bytes.is_empty() {
            let end = memchr(b'\n', bytes);
            let line = &bytes[..end.unwrap_or(bytes.len())];
            let room = LONGEST.saturating_sub(self.open.len()).min(line.len());
            self.open.extend_from_slice(&line[..room]);
            self.dropped += (line.len() - room) as u64;
            let Some(end) = end else { return };
            self.close();
            bytes = &bytes[end + 1..];
        }
    }

    /// The line that was open has come to its end.
    fn close(&mut self) {
        if self.open.last() == Some(&b'\r') {
            self.open.pop();
        }
        if self.next >= self.wanted.start {
            let text = String::from_utf8_lossy(&self.open).into_owned();
            self.lines.push_back(Cut { text, left_out: self.dropped });
        }
        self.open.clear();
        self.dropped = 0;
        self.next += 1;
    }

    fn finish(self) -> Excerpt {
        Excerpt { first: self.wanted.start, lines: self.lines.into(), ends: self.ends }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn numbered(count: usize) -> String {
        (1..=count).map(|number| format!("line {number} of it\n")).collect()
    }

    fn pick(inputs: &[String], name: &str, lines: Range<u64>) -> (u64, Vec<String>, bool) {
        let found = excerpt(inputs, name, lines, &AtomicBool::new(false)).unwrap();
        (found.first, found.lines.into_iter().map(|line| line.text).collect(), found.ends)
    }

    #[test]
    fn lines_are_found_by_their_number_in_files_streams_and_archives() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let text = numbered(200_000);
        std::fs::write(path("plain.log"), &text).unwrap();
        let mut packed = flate2::write::GzEncoder::new(
            std::fs::File::create(path("a.log.gz")).unwrap(),
            flate2::Compression::fast(),
        );
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap();
        let mut tar = tar::Builder::new(std::fs::File::create(path("b.tar")).unwrap());
        for name in ["other.log", "in/it.log"] {
            let mut head = tar::Header::new_gnu();
            head.set_size(text.len() as u64);
            head.set_mode(0o600);
            head.set_cksum();
            tar.append_data(&mut head, name, text.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap();
        let names = [path("plain.log"), path("a.log.gz"), path("b.tar!in/it.log")];
        for name in &names {
            let files = names.iter().map(|name| name.split('!').next().unwrap().to_owned()).collect();
            for inputs in [vec![folder.path().display().to_string()], files] {
                let want = vec!["line 149999 of it".to_owned(), "line 150000 of it".to_owned()];
                assert_eq!(pick(&inputs, name, 149_999..150_001), (149_999, want, false), "{name}");
                let end = vec!["line 199999 of it".to_owned(), "line 200000 of it".to_owned()];
                assert_eq!(pick(&inputs, name, 199_999..200_010), (199_999, end, true), "{name}");
                assert_eq!(pick(&inputs, name, 0..2).1, ["line 1 of it"], "{name}");
            }
        }
        let inputs = [folder.path().display().to_string()];
        let error = excerpt(&inputs, &path("b.tar!none"), 1..2, &AtomicBool::new(false)).unwrap_err();
        assert_eq!(error.code, "input.missing");
    }

    #[test]
    fn a_line_of_megabytes_costs_no_more_than_what_is_kept_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.log").display().to_string();
        std::fs::write(&path, format!("one\r\n{}\nthree", "x".repeat(3 << 20))).unwrap();
        let found = excerpt(std::slice::from_ref(&path), &path, 1..10, &AtomicBool::new(false)).unwrap();
        assert_eq!(found.lines[0].text, "one");
        assert_eq!((found.lines[1].text.len(), found.lines[1].left_out), (LONGEST, (3 << 20) - LONGEST as u64));
        assert_eq!((found.lines[2].text.as_str(), found.ends), ("three", true));
    }
}
