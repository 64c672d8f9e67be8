//! Files, folders and archives to documents, and documents to events. A *world* room.
//!
//! An input is what its content says, whatever its name. Compressed streams and archives are read as they come, in
//! blocks of a few megabytes, so memory does not follow the size of an input. Several threads read files and scan
//! blocks; what they find is put together in the order of the inputs and lines, so it does not depend on them. A case folder is read by its index; `gather`
//! fills one.
#![expect(clippy::disallowed_methods, reason = "a world room: opens files")]

mod archive;
mod blocks;
pub mod cluster;
mod crew;
mod decode;
mod documents;
mod excerpt;
mod fence;
mod gather;
mod kind;
mod margin;
mod open;
mod order;
mod remarks;
mod span;
mod unpack;
mod witness;

use diag_parsers::{Event, Scanner, Tally};

use crate::error::Error;
pub use documents::Wanted;
pub use excerpt::{Cut, Excerpt, excerpt};
pub use fence::Fence;
pub use gather::{Gathered, gather};
pub use open::Meter;
pub use remarks::gather as few;
pub use witness::Witness;

/// How events are kept: what takes those of a part of a document, and how parts are joined.
pub struct Keep<'a, S> {
    /// Begins a part.
    pub new: &'a (dyn Fn() -> S + Sync),
    /// Takes an event of the part; those of a part come in the order of lines.
    pub take: fn(&mut S, Event),
    /// Joins a later part of the same document, whose lines count from this many lines further on.
    pub append: fn(&mut S, S, u64),
}

impl<S> std::fmt::Debug for Keep<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keep")
    }
}

/// A log that was read.
#[derive(Debug)]
pub struct Document<S> {
    /// Name for people: the path as given, the path within a folder, or `archive.tar!member`.
    pub name: String,
    /// Who wrote it, as far as its name tells.
    pub witness: Witness,
    /// Bytes, decompressed and decoded.
    pub bytes: u64,
    /// Lines, events, complaints that no format knows.
    pub tally: Tally,
    /// Its events.
    pub events: S,
}

/// All that the inputs held.
#[derive(Debug)]
pub struct Harvest<S> {
    /// The logs, in the order of the inputs; those of folders in natural order.
    pub documents: Vec<Document<S>>,
    /// What could not be read, or not as it should be.
    pub remarks: Vec<Error>,
    /// Whether all of it is one case, so that the same comes out wherever it is read.
    pub case: bool,
}

/// Reads what is wanted.
pub fn read<S: Send>(wanted: Wanted<'_>, scanner: &Scanner, keep: &Keep<'_, S>, meter: &Meter) -> Harvest<S> {
    let case = wanted.held.is_empty() && documents::is_case(wanted.inputs);
    let (sources, mut remarks) = documents::find(wanted, None);
    meter.expect(&sources);
    let (mut documents, found) = crew::read(&sources, scanner, keep, meter);
    remarks.extend(found);
    witness::name(&mut documents);
    Harvest { documents, remarks: remarks::gather(remarks), case }
}
