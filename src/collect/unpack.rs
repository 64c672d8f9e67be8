//! From an input's bytes to the documents in it: recognised by content, unpacked layer by layer as they come.

use std::borrow::Cow;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Cursor, Read};

use diag_parsers::{Event, Problem, Record, Scanner, record};
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

use super::archive;
use super::decode::{self, Changes, Decoded};
use super::kind::{self, HEAD, Kind, Other, Packing};
use super::margin::{self, Unmargined};
use crate::error::Error;

/// Layers of packing within each other that are taken off.
const DEEPEST: usize = 6;

/// Memory that a decompressor may ask for, as a power of two: what `zstd --long` needs.
const WINDOW_LOG: u32 = 27;

/// The same for xz, in KiB: what `xz -9` needs (65 MiB).
const XZ_KIB: u32 = 100 << 10;

/// Bytes that an input may unpack to whatever its size.
const MOST_UNPACKED: u64 = 16 << 30;

/// How many times its size an input may unpack to when it is larger than that.
const MOST_TIMES: u64 = 500;

/// Takes what an input holds.
pub(super) trait Intake {
    /// Reads text to its end: how many bytes it was, and why it ended if not because it was over.
    fn text(&mut self, name: &str, text: &mut dyn Read) -> Taken;
    /// Takes the events of a document that was read as a whole.
    fn record(&mut self, name: &str, data: &[u8], events: Vec<Event>);
    /// What finds events in lines; none where the bytes are wanted, and not what they tell.
    fn scanner(&self) -> Option<&Scanner>;
    /// Takes a remark.
    fn remark(&mut self, remark: Error);
}

/// What was taken of a text.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) bytes: u64,
    pub(super) broken: Option<io::Error>,
    /// Whether a line was too long to be looked at as one.
    pub(super) long_line: bool,
    /// The last bytes.
    pub(super) tail: Vec<u8>,
}

/// How much went in and came out of the decompressors of one input.
#[derive(Debug)]
pub(super) struct Balance {
    packed: Cell<u64>,
    unpacked: Cell<u64>,
    most: u64,
}

impl Default for Balance {
    fn default() -> Self {
        Self::bounded(MOST_UNPACKED)
    }
}

impl Balance {
    /// A balance that allows so many bytes whatever the size of the input.
    pub(super) fn bounded(most: u64) -> Self {
        Self { packed: Cell::new(0), unpacked: Cell::new(0), most }
    }

    /// Notes the size of an archive whose members are read where they lie.
    pub(super) fn of_archive(&self, bytes: u64) {
        self.packed.set(self.packed.get().max(bytes));
    }
}

/// An input, or something within one.
pub(super) struct Stream<'a> {
    /// Name for people.
    pub(super) name: &'a str,
    /// Layers of packing around it.
    pub(super) depth: usize,
    /// The file, where the stream is one from its start.
    pub(super) file: Option<File>,
    /// Of the whole input.
    pub(super) balance: &'a Balance,
}

impl<'a> Stream<'a> {
    /// What was packed in it, or had something around it.
    pub(super) fn within(&self, name: &'a str) -> Self {
        Self { name, depth: self.depth + 1, file: None, balance: self.balance }
    }
}

/// Hands what the bytes hold to `intake`.
pub(super) fn stream(at: &Stream<'_>, bytes: &mut dyn Read, intake: &mut dyn Intake) {
    let mut peeked = Peeked::new(bytes);
    let nuls = peeked.skip_holes();
    let kind = kind::of(&peeked.head);
    if kind == Kind::Text
        && at.depth < DEEPEST
        && intake.scanner().is_some()
        && let Some(margin) = margin::of(&peeked.head)
    {
        return stream(&at.within(at.name), &mut Unmargined::new(peeked, margin), intake);
    }
    if at.depth >= DEEPEST && !matches!(kind, Kind::Text | Kind::Nothing | Kind::Other(_)) {
        let what = format!("is packed more than {DEEPEST} times over; not read");
        return intake.remark(Error::new("input.nested", at.name, what));
    }
    let marked =
        [b"\xef\xbb\xbf".as_slice(), b"\xff\xfe", b"\xfe\xff"].iter().any(|mark| peeked.head.starts_with(mark));
    let head = if marked { Cow::Owned(decode::sample(&peeked.head).0) } else { Cow::Borrowed(&peeked.head) };
    let found = record::of(&head, at.name);
    drop(head);
    if matches!(kind, Kind::Text | Kind::Other(_))
        && let Some(reader) = found
    {
        return match (intake.scanner(), kind) {
            (Some(_), Kind::Text) if marked => whole(at, reader, kind, Box::new(Decoded::new(peeked)), intake),
            (Some(_), _) => whole(at, reader, kind, Box::new(peeked), intake),
            (None, Kind::Text) => text(at, peeked, nuls, intake),
            (None, _) => bytes_of(at, peeked, intake),
        };
    }
    match kind {
        Kind::Nothing => intake.remark(nothing(at, nuls + peeked.head.len() as u64, peeked.error)),
        Kind::Text => text(at, peeked, nuls, intake),
        Kind::Packed(packing) => unpack(at, packing, peeked, intake),
        Kind::Tar => archive::tar(at, &mut peeked, intake),
        Kind::Zip => archive::zip(at, &mut peeked, intake),
        Kind::Other(other) => intake.remark(no_log(at.name, other)),
    }
}

fn nothing(at: &Stream<'_>, nuls: u64, error: Option<io::Error>) -> Error {
    match (error, nuls) {
        (Some(error), _) => broken(at, &error, false),
        (None, 0) => Error::new("input.empty", at.name, "is empty"),
        (None, nuls) => Error::new("input.nuls", at.name, format!("holds nothing but {nuls} NUL bytes"))
            .with_way_on("its blocks were lost, or it was cut while its writer went on; look for a rotated copy"),
    }
}

fn no_log(name: &str, other: &Other) -> Error {
    Error::new(other.code, name, format!("{}; not read", other.what)).with_way_on(other.way_on.replace("{}", name))
}

/// Hands on a document that is no text, and is one that can be read.
fn bytes_of(at: &Stream<'_>, mut peeked: Peeked<'_>, intake: &mut dyn Intake) {
    let taken = intake.text(at.name, &mut peeked);
    if let Some(error) = &taken.broken {
        intake.remark(broken(at, error, taken.bytes > 0));
    }
}

/// Reads a document as a whole. Text that turns out to be something else, or is too large, is read line by line.
fn whole(at: &Stream<'_>, reader: &dyn Record, kind: Kind, mut from: Box<dyn Read + '_>, intake: &mut dyn Intake) {
    let mut data = Vec::new();
    if let Err(error) = (&mut from).take(record::MOST_BYTES as u64 + 1).read_to_end(&mut data) {
        return intake.remark(broken(at, &error, false));
    }
    let large = data.len() > record::MOST_BYTES;
    let mut events = Vec::new();
    let problems = if large {
        let what = format!(
            "is larger than {} MiB, which is too much for a document that is read as a whole",
            record::MOST_BYTES >> 20
        );
        vec![Problem { line: 0, what }]
    } else {
        if let Some(scanner) = intake.scanner() {
            scanner.scan_wrapped(&reader.wrapped(&data), &mut |event| events.push(event));
        }
        reader.read(&data, at.name, &mut events)
    };
    let nothing = events.is_empty();
    for problem in problems {
        let rest = if !nothing {
            ""
        } else if kind == Kind::Text {
            "; read line by line"
        } else {
            "; not read"
        };
        intake.remark(Error::new("input.record", at.name, problem.what + rest));
    }
    match kind {
        Kind::Text if nothing => text(at, Cursor::new(data).chain(from), 0, intake),
        _ if nothing => {}
        _ => intake.record(at.name, &data, events),
    }
}

fn text(at: &Stream<'_>, bytes: impl Read, nuls: u64, intake: &mut dyn Intake) {
    let mut decoded = Decoded::new(bytes);
    let taken = intake.text(at.name, &mut decoded);
    let Changes { wide, nuls: more, plain } = decoded.changes();
    let mut note = |code, what: String| intake.remark(Error::new(code, at.name, what));
    if let Some(error) = &taken.broken {
        intake.remark(broken(at, error, taken.bytes > 0));
        return;
    }
    if nuls + more > 0 {
        note("input.nuls", format!("holds {} NUL bytes; read without them", nuls + more));
    }
    if wide > 0 && plain > 2 {
        note("input.mixed", format!("mixes UTF-16 ({wide} characters) with plain text; both were read"));
    }
    if taken.long_line {
        note("input.long_line", "holds a line of megabytes; such lines are looked at in pieces".to_owned());
    }
    if cut_character(&taken.tail) {
        note("input.cut", "ends in the middle of a character: the end of the log is missing".to_owned());
    }
}

/// Whether text ends with a UTF-8 character that is not complete.
fn cut_character(tail: &[u8]) -> bool {
    let start = tail.iter().rposition(|byte| byte & 0xc0 != 0x80).unwrap_or_default();
    std::str::from_utf8(&tail[start..]).is_err_and(|error| error.error_len().is_none())
}

/// A stream that ended before it was over.
pub(super) fn broken(at: &Stream<'_>, error: &io::Error, some: bool) -> Error {
    let rest = if some { "; what came before was read" } else { "" };
    match (at.depth, error.kind()) {
        (0, _) => Error::new("input.unreadable", at.name, format!("{error}{rest}")),
        (_, io::ErrorKind::UnexpectedEof) => {
            let what = format!("ends in the middle: the end of the packed data is missing{rest}");
            Error::new("input.truncated", at.name, what).with_way_on("copy it again, or wait until it is written")
        }
        _ => {
            let what = format!("is damaged: {error}{rest}");
            Error::new("input.damaged", at.name, what).with_way_on("copy it again")
        }
    }
}

fn unpack(at: &Stream<'_>, packing: Packing, peeked: Peeked<'_>, intake: &mut dyn Intake) {
    let within = at.within(at.name);
    let packed =
        io::BufReader::with_capacity(HEAD, Counted { from: peeked, bytes: &at.balance.packed, count: at.depth == 0 });
    let decoder: io::Result<Box<dyn Read + '_>> = match packing {
        Packing::Gzip => Ok(Box::new(MultiGzDecoder::new(packed))),
        Packing::Xz => Ok(Box::new(XzReader::new_mem_limit(packed, true, XZ_KIB))),
        Packing::Zstd => zstd::stream::read::Decoder::with_buffer(packed).and_then(|mut decoder| {
            decoder.window_log_max(WINDOW_LOG)?;
            Ok(Box::new(decoder) as Box<dyn Read>)
        }),
    };
    match decoder {
        Ok(decoder) => stream(&within, &mut Guarded::new(decoder, at.balance), intake),
        Err(error) => intake.remark(broken(&within, &error, false)),
    }
}

/// The first bytes of a stream, and the rest of it.
pub(super) struct Peeked<'a> {
    head: Vec<u8>,
    served: usize,
    error: Option<io::Error>,
    rest: &'a mut dyn Read,
}

impl<'a> Peeked<'a> {
    fn new(rest: &'a mut dyn Read) -> Self {
        let mut peeked = Self { head: Vec::new(), served: 0, error: None, rest };
        peeked.refill();
        peeked
    }

    /// Reads until the head is full, or the stream ends or breaks.
    fn refill(&mut self) {
        if let Err(error) = (&mut *self.rest).take((HEAD - self.head.len()) as u64).read_to_end(&mut self.head) {
            self.error = Some(error);
        }
    }

    /// Drops NULs at the start, where there is nothing else as far as one sees; returns how many.
    fn skip_holes(&mut self) -> u64 {
        let mut dropped = 0;
        while self.head.len() == HEAD && self.head.iter().all(|byte| *byte == 0) {
            dropped += HEAD as u64;
            self.head.clear();
            self.refill();
        }
        dropped
    }
}

impl Read for Peeked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.served < self.head.len() {
            let count = Cursor::new(&self.head[self.served..]).read(buffer)?;
            self.served += count;
            return Ok(count);
        }
        match self.error.take() {
            Some(error) => Err(error),
            None => self.rest.read(buffer),
        }
    }
}

/// Counts what goes into the outermost decompressor.
struct Counted<'a, R> {
    from: R,
    bytes: &'a Cell<u64>,
    count: bool,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        if self.count {
            self.bytes.set(self.bytes.get() + count as u64);
        }
        Ok(count)
    }
}

/// Ends a stream that unpacks to more than any log does, and stays at the end once it failed.
pub(super) struct Guarded<'a> {
    from: Box<dyn Read + 'a>,
    balance: &'a Balance,
    over: bool,
}

impl<'a> Guarded<'a> {
    pub(super) fn new(from: Box<dyn Read + 'a>, balance: &'a Balance) -> Self {
        Self { from, balance, over: false }
    }
}

impl Read for Guarded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.over {
            return Ok(0);
        }
        let unpacked = self.balance.unpacked.get();
        if unpacked > self.balance.most && unpacked / MOST_TIMES > self.balance.packed.get() {
            self.over = true;
            return Err(io::Error::other(format!("unpacks to more than {MOST_TIMES} times its size")));
        }
        let count = self.from.read(buffer).inspect_err(|_| self.over = true)?;
        self.balance.unpacked.set(unpacked + count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_is_left_alone() {
        let balance = Balance::bounded(1 << 20);
        balance.packed.set(100);
        let mut guarded = Guarded::new(Box::new(io::repeat(b'a')), &balance);
        let mut text = Vec::new();
        assert!(guarded.read_to_end(&mut text).is_err());
        assert!(text.len() < 3 << 20);
        assert_eq!(guarded.read(&mut [0; 10]).unwrap(), 0);
    }
}
