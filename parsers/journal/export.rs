//! The export format: fields as `NAME=value`, or a name, a length and bytes; an empty line ends an entry.

use super::Place;
use super::entry::Entry;

/// Whether a document begins like an export.
pub(super) fn begins(head: &[u8]) -> bool {
    head.starts_with(b"__CURSOR=") || head.starts_with(b"__REALTIME_TIMESTAMP=")
}

/// The entries of an export, each with the line of its message.
pub(super) fn entries<'a>(data: &'a [u8], take: &mut dyn FnMut(&Entry, Place<'a>)) {
    let mut reader = Reader { data, at: 0, number: 1 };
    let (mut entry, mut cited) = (Entry::default(), None);
    while let Some((place, field)) = reader.field() {
        match field {
            Some((name, value)) => {
                if name == b"MESSAGE" {
                    cited = Some(place);
                }
                entry.set(name, value);
            }
            None => {
                if let Some(place) = cited.take() {
                    take(&entry, place);
                }
                entry = Entry::default();
            }
        }
    }
    if let Some(place) = cited {
        take(&entry, place);
    }
}

struct Reader<'a> {
    data: &'a [u8],
    at: usize,
    number: u64,
}

type Field<'a> = Option<(&'a [u8], &'a [u8])>;

impl<'a> Reader<'a> {
    /// The next field with its line; an empty line is the end of an entry.
    fn field(&mut self) -> Option<(Place<'a>, Field<'a>)> {
        let rest = self.data.get(self.at..).filter(|rest| !rest.is_empty())?;
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        let place = (self.number, self.at as u64, line);
        self.at += end + 1;
        self.number += 1;
        if line.is_empty() {
            return Some((place, None));
        }
        match memchr::memchr(b'=', line) {
            Some(at) => Some((place, Some((&line[..at], &line[at + 1..])))),
            None => Some((place, Some((line, self.bytes()?)))),
        }
    }

    /// A value in bytes behind its length.
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.data.get(self.at..self.at.checked_add(8)?)?;
        let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
        let begin = self.at + 8;
        let value = self.data.get(begin..begin.checked_add(length)?)?;
        self.number += memchr::memchr_iter(b'\n', &self.data[self.at..begin + length]).count() as u64 + 1;
        self.at = begin + length + 1;
        Some(value)
    }
}
