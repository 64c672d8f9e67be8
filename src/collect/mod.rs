//! Files, folders and archives to documents, and documents to events. A *world* room.
#![expect(clippy::disallowed_methods, reason = "a world room: opens files")]

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use diag_parsers::{Block, Depth, Event, Scanner, Tally};

use crate::error::Error;

/// Something that can be read as a log.
#[derive(Debug, Clone)]
pub struct Document {
    /// Name for people: the path as given, or the path within a folder or archive.
    pub name: String,
    path: PathBuf,
}

/// What was read of a document.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// Bytes, decompressed.
    pub bytes: u64,
    /// Lines, events, complaints that no format knows.
    pub tally: Tally,
}

/// The documents that the inputs name, and what could not be opened.
pub fn documents(inputs: &[String]) -> (Vec<Document>, Vec<Error>) {
    let mut found = Vec::new();
    let mut troubles = Vec::new();
    for input in inputs {
        visit(Path::new(input), &mut found, &mut troubles);
    }
    (found, troubles)
}

fn visit(path: &Path, found: &mut Vec<Document>, troubles: &mut Vec<Error>) {
    if path.is_dir() {
        let Ok(entries) = fs::read_dir(path) else { return };
        let mut inside: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        inside.sort();
        inside.iter().for_each(|path| visit(path, found, troubles));
    } else if path.exists() {
        found.push(Document { name: path.display().to_string(), path: path.to_owned() });
    } else {
        troubles.push(Error::new("input.missing", path.display().to_string(), "there is no such file or folder"));
    }
}

/// Reads a document; hands each event to `sink` in the order of the lines.
///
/// # Errors
/// What could not be read; events before it have been handed over.
pub fn read(document: &Document, scanner: &Scanner, sink: &mut dyn FnMut(Event)) -> Result<Reading, Error> {
    let mut data = Vec::new();
    fs::File::open(&document.path)
        .and_then(|mut file| file.read_to_end(&mut data))
        .map_err(|error| Error::new("input.unreadable", &document.name, error.to_string()))?;
    let block = Block { data: &data, offset: 0, first_line: 1 };
    let tally = scanner.scan(block, data.len(), Depth::Every, sink);
    Ok(Reading { bytes: data.len() as u64, tally })
}
