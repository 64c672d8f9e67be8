//! When a log begins and ends, as its first and last times tell.

use diag_parsers::{Event, Fields, Name, Says, prefix};

/// The first line that prints a time: the log began no later.
pub(super) const BEGAN: Name = "source.began";

/// The last line that prints one.
pub(super) const ENDED: Name = "source.ended";

/// Most lines that are looked at from each end.
const MOST: usize = 200;

/// Most bytes that are looked at from each end.
const MOST_BYTES: usize = 64 << 10;

/// Longest part of a line that is kept.
const LONGEST: usize = 2 << 10;

/// The first time in what a log begins with; lines count from 1.
pub(super) fn first(data: &[u8]) -> Option<Event> {
    let head = &data[..data.len().min(MOST_BYTES)];
    head.split(|byte| *byte == b'\n').take(MOST).enumerate().find_map(|(at, line)| event(BEGAN, line, at as u64 + 1))
}

/// The last time in what a log ends with; lines count from 1 at the start of `data`.
pub(super) fn last(data: &[u8]) -> Option<Event> {
    let from = data.len().saturating_sub(MOST_BYTES);
    let lines = memchr::memchr_iter(b'\n', data).count() as u64 + 1;
    let tail = data[from..].rsplit(|byte| *byte == b'\n').take(MOST);
    tail.enumerate().find_map(|(at, line)| event(ENDED, line, lines - at as u64))
}

fn event(kind: Name, line: &[u8], number: u64) -> Option<Event> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let at = prefix::peel(&line[..line.len().min(LONGEST)]).0.at?;
    let text = String::from_utf8_lossy(line).into_owned();
    Some(Event { kind, says: Says::Info, line: number, offset: 0, text, at: Some(at), fields: Fields::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_last_times_are_found() {
        let log = b"+ train.sh\n2026-05-04 03:00:00 begins\nx\n2026-05-04 03:12:41 ends\nKilled\n";
        let place = |event: Option<Event>| event.map(|event| (event.line, event.text)).unwrap_or_default();
        assert_eq!(place(first(log)), (2, "2026-05-04 03:00:00 begins".to_owned()));
        assert_eq!(place(last(log)), (4, "2026-05-04 03:12:41 ends".to_owned()));
        assert!(first(b"no time\n").is_none() && last(b"").is_none());
    }
}
