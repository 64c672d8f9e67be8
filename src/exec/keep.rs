//! What is kept of an output, and how much may be kept in all.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::outcome::Kept;

/// Bytes that all outputs of a run may still take together, so that memory does not grow with the number of targets.
#[derive(Debug)]
pub struct Room(AtomicUsize);

impl Room {
    /// Room for so many bytes.
    #[must_use]
    pub const fn new(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }

    /// Takes up to so many bytes; returns how many there were.
    fn take(&self, wanted: usize) -> usize {
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left - wanted.min(left)));
        left.map_or(0, |left| wanted.min(left))
    }
}

/// An output as it comes in: its first bytes, and a count of the rest.
#[derive(Debug)]
pub(super) struct Keep<'a> {
    room: &'a Room,
    cap: usize,
    bytes: Vec<u8>,
    dropped: u64,
}

impl<'a> Keep<'a> {
    pub(super) const fn new(cap: usize, room: &'a Room) -> Self {
        Self { room, cap, bytes: Vec::new(), dropped: 0 }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        // Once something is dropped all that follows is, so that what is kept stays one piece.
        let wanted = if self.dropped > 0 { 0 } else { bytes.len().min(self.cap - self.bytes.len()) };
        let taken = self.room.take(wanted);
        self.bytes.extend_from_slice(&bytes[..taken]);
        self.dropped += (bytes.len() - taken) as u64;
    }

    /// The last line that says something, for a reason.
    pub(super) fn last_line(&self) -> String {
        last_line(&self.bytes)
    }

    pub(super) fn kept(self) -> Kept {
        Kept { text: String::from_utf8_lossy(&self.bytes).into_owned(), dropped: self.dropped }
    }
}

/// The last line that says something.
pub(super) fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Keep, Room};

    #[test]
    fn a_cap_and_the_room_of_all_hold_and_what_is_dropped_is_counted() {
        let room = Room::new(10);
        let mut one = Keep::new(6, &room);
        one.add(b"abcd");
        one.add(b"efgh");
        one.add(b"i");
        let mut other = Keep::new(6, &room);
        other.add(b"123456");
        let (one, other) = (one.kept(), other.kept());
        assert_eq!((one.text.as_str(), one.dropped), ("abcdef", 3));
        assert_eq!((other.text.as_str(), other.dropped), ("1234", 2));
    }
}
