//! Documents that are read as a whole: dumps in which a line tells nothing by itself.
//!
//! Text that no reader of this list recognises is scanned line by line.

use crate::event::{Event, Name, Problem};

/// Largest document that is read as a whole, in bytes: it has to stand in memory.
pub const MOST_BYTES: usize = 256 << 20;

/// A reader of whole documents.
pub trait Record: Sync {
    /// The kinds of event it makes.
    fn kinds(&self) -> &'static [Name];
    /// What a kind means, in one sentence.
    fn about(&self, kind: &str) -> Option<&'static str>;
    /// Whether a document that begins with `head` (64 KiB or all of it) is one of these.
    fn recognises(&self, head: &[u8], name: &str) -> bool;
    /// Reads a document of at most [`MOST_BYTES`]; `name` is the path as a person gave it.
    ///
    /// Each event cites the line in which the deciding value stands. Binary documents have no lines: their events cite
    /// line 1, with a text that renders the deciding entry.
    fn read(&self, data: &[u8], name: &str, out: &mut Vec<Event>) -> Vec<Problem>;
    /// The lines of a log that the document wraps (a journal's messages); they are scanned like those of a log.
    fn wrapped<'a>(&self, _data: &'a [u8]) -> Vec<Wrapped<'a>> {
        Vec::new()
    }
}

/// A line of a log within a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped<'a> {
    /// Number of the document's line that is cited, from 1.
    pub line: u64,
    /// Where that line begins, in bytes.
    pub offset: u64,
    /// That line word for word.
    pub cited: &'a [u8],
    /// The log's line, time and host in front of it as syslog writes them.
    pub text: String,
}

/// A line of a document: number from 1, offset, bytes.
pub(crate) type Place<'a> = (u64, u64, &'a [u8]);

/// The lines of a document.
pub(crate) fn lines(data: &[u8]) -> impl Iterator<Item = Place<'_>> {
    let mut offset = 0;
    data.split(|b| *b == b'\n').enumerate().map(move |(at, line)| {
        let begin = offset;
        offset += line.len() as u64 + 1;
        (at as u64 + 1, begin, line.strip_suffix(b"\r").unwrap_or(line))
    })
}

/// All readers of whole documents.
pub static RECORDS: &[&dyn Record] = &[
    &crate::flight_recorder::Dumps,
    &crate::nccl_ras::Samples,
    &crate::journal::Entries,
    &crate::journal::Dmesg,
    &crate::docker::Logs,
    &crate::slurm::Answers,
    &crate::pbs::Answers,
    &crate::kubernetes::Documents,
    &crate::readings::Looks,
    &crate::sweep::Sweeps,
    &crate::nccl_inspector::Dumps,
    &crate::python::Spied,
];

/// The reader of a document that begins like this.
pub fn of(head: &[u8], name: &str) -> Option<&'static dyn Record> {
    RECORDS.iter().copied().find(|record| record.recognises(head, name))
}
