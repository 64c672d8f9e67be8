//! From inputs to a case: their bytes as they are, or, where secrets are to be masked, the text in them.

use std::io::Read;
use std::time::SystemTime;

use diag_parsers::{Event, Scanner};

use super::cluster::Held;
use super::documents::{self, Place, Source, Wanted};
use super::open::{Meter, Raw};
use super::unpack::{self, Balance, Intake, Stream, Taken};
use crate::case::{Draft, Facts};
use crate::error::Error;
use crate::redact::{Masked, Masker};

/// Bytes that an archive may unpack to in a case whatever its size; a bomb would fill the disk.
const MOST_UNPACKED: u64 = 1 << 30;

/// What came of collecting.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Files that were kept.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Secrets that were masked.
    pub masked: u64,
    /// What is not in the case, and why.
    pub left_out: Vec<Error>,
}

/// Brings what was fetched, and what the inputs name, into a case. With a masker, archives and compressed files are unpacked for it, and what is
/// no text is left out, as nobody can tell what secrets it holds.
///
/// # Errors
/// The case can't be written.
pub fn gather(
    held: Vec<Held>,
    inputs: &[String],
    draft: &mut Draft,
    masker: Option<&Masker>,
    meter: &Meter,
) -> Result<Gathered, Error> {
    let (sources, wrong) = documents::find(Wanted { held, inputs, fence: None }, Some(draft.root()));
    meter.expect(&sources);
    let mut sink = Sink { draft, masker, done: Gathered::default(), failed: None };
    for error in wrong {
        sink.leave_out(error);
    }
    for source in &sources {
        match masker {
            None => sink.raw(source, meter),
            Some(_) => sink.masked(source, meter),
        }
        if let Some(error) = sink.failed {
            return Err(error);
        }
    }
    Ok(sink.done)
}

struct Sink<'a> {
    draft: &'a mut Draft,
    masker: Option<&'a Masker>,
    done: Gathered,
    /// Why the case can't be written, once it can't.
    failed: Option<Error>,
}

impl Sink<'_> {
    fn leave_out(&mut self, error: Error) {
        self.draft.leave_out(&error);
        self.done.left_out.push(error);
    }

    /// Keeps bytes as they come.
    fn keep(&mut self, facts: Facts, bytes: &mut dyn Read) {
        match self.draft.keep(facts, bytes) {
            Ok(size) => {
                self.done.files += 1;
                self.done.bytes += size;
            }
            Err(error) if error.code == "case.unwritable" => self.failed = Some(error),
            Err(error) => self.leave_out(error),
        }
    }

    fn raw(&mut self, source: &Source, meter: &Meter) {
        match Raw::open(source, meter) {
            Ok(mut raw) => {
                let facts = Facts { name: label(&source.name), modified: modified(source) };
                self.keep(facts, &mut raw);
                if let Some(error) = raw.altered() {
                    self.leave_out(error);
                }
            }
            Err(error) => self.leave_out(error),
        }
    }

    fn masked(&mut self, source: &Source, meter: &Meter) {
        let name = label(&source.name);
        match Raw::open(source, meter) {
            Ok(mut raw) => {
                let balance = Balance::bounded(MOST_UNPACKED);
                let at = Stream { name: &name, depth: 0, file: raw.file(), balance: &balance };
                unpack::stream(&at, &mut raw, self);
            }
            Err(error) => self.leave_out(error),
        }
    }

    fn mask(&mut self, name: &str, text: &mut dyn Read) {
        let Some(masker) = self.masker else { return };
        let mut masked = Masked::new(masker, text);
        self.keep(Facts { name: name.to_owned(), modified: None }, &mut masked);
        self.draft.masked(masked.count());
        self.done.masked += masked.count();
    }
}

impl Intake for Sink<'_> {
    fn text(&mut self, name: &str, text: &mut dyn Read) -> Taken {
        let mut counted = Counted { from: text, bytes: 0, broken: None };
        self.mask(name, &mut counted);
        Taken { bytes: counted.bytes, broken: counted.broken, ..Taken::default() }
    }

    fn record(&mut self, name: &str, data: &[u8], _events: Vec<Event>) {
        self.mask(name, &mut &*data);
    }

    fn scanner(&self) -> Option<&Scanner> {
        None
    }

    fn remark(&mut self, remark: Error) {
        // Of a text that is kept, most are notes on the reading; that its end is missing is a fact of the incident.
        let missing = ["input.truncated", "input.damaged", "input.unreadable"].contains(&remark.code);
        if missing || !self.draft.holds(&remark.place) {
            self.leave_out(remark);
        }
    }
}

/// Counts bytes; a stream that breaks ends there, and what came before is kept.
struct Counted<'a> {
    from: &'a mut dyn Read,
    bytes: u64,
    broken: Option<std::io::Error>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.broken.is_some() {
            return Ok(0);
        }
        match self.from.read(buffer) {
            Ok(count) => {
                self.bytes += count as u64;
                Ok(count)
            }
            Err(error) => {
                self.broken = Some(error);
                Ok(0)
            }
        }
    }
}

/// The name of a file in a case: as it was typed, without what leads to a place on this machine.
fn label(name: &str) -> String {
    if name == "-" {
        return "stdin".to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// When a file was last written, in UTC.
fn modified(source: &Source) -> Option<String> {
    let Place::File(path, _) = &source.at else { return None };
    let time: SystemTime = std::fs::metadata(path).ok()?.modified().ok()?;
    jiff::Timestamp::try_from(time).ok().map(|time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_tells_nothing_of_the_machine() {
        for (name, want) in [
            ("logs/rank-3.log", "logs/rank-3.log"),
            ("./logs//x", "logs/x"),
            ("/var/log/syslog", "var/log/syslog"),
            ("../../x/../y.log", "y.log"),
            ("-", "stdin"),
        ] {
            assert_eq!(label(name), want);
        }
    }
}
