//! The way over a document: few literals first, grammar only on the lines that hold one.

use aho_corasick::packed;
use memchr::memchr_iter;
use memchr::memmem::Finder;

use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

use crate::catalogue::{Catalogue, Owner};
use crate::event::{Event, Fields};
use crate::line::{Block, Cursor, Line, strip_ansi};
use crate::stems;
use crate::time;

/// How many records of one kind are read from one physical line.
const MOST_RECORDS: usize = 64;

/// Which lines are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Every line: for documents of a few megabytes.
    Every,
    /// Lines that hold a stem ([`crate::stems`]).
    Stems,
}

/// What was seen in a block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lines, by `\n`.
    pub lines: u64,
    /// Events made.
    pub events: u64,
    /// Lines that complain and that no signature knows.
    pub unknown: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.lines += other.lines;
        self.events += other.events;
        self.unknown += other.unknown;
    }
}

/// Finds events in blocks of a document.
#[derive(Debug)]
pub struct Scanner {
    catalogue: Catalogue,
    stems: OnceLock<Option<packed::Searcher>>,
}

impl Scanner {
    /// A scanner for a set of formats.
    pub fn new(catalogue: Catalogue) -> Self {
        Self { catalogue, stems: OnceLock::new() }
    }

    /// The formats it knows.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The search for stems, prepared when a long document first needs it; none where there are too many for it.
    fn stems(&self) -> Option<&packed::Searcher> {
        let prepare = || packed::Config::new().builder().extend(stems::choose(&self.catalogue.anchors())).build();
        self.stems.get_or_init(prepare).as_ref()
    }

    /// Reads `block.data[..end]`, what lies behind being look-ahead; hands each event to `sink`.
    pub fn scan(&self, block: Block<'_>, end: usize, depth: Depth, sink: &mut dyn FnMut(Event)) -> Tally {
        self.scan_part(block, 0..end, depth, sink)
    }

    /// Reads a part of a block, what lies before and behind it being only looked at; hands each event to `sink`.
    ///
    /// Parts that follow one another lose and double nothing if each begins where a line begins, and the block
    /// reaches [`crate::REACH`] bytes further each way, or to the ends of the document.
    pub fn scan_part(&self, block: Block<'_>, part: Range<usize>, depth: Depth, sink: &mut dyn FnMut(Event)) -> Tally {
        let mut walk =
            Walk { scanner: self, block, tally: Tally::default(), owners: Vec::new(), events: Vec::new(), sink };
        let number = block.first_line + memchr_iter(b'\n', &block.data[..part.start]).count() as u64;
        match (depth, depth == Depth::Stems && self.stems().is_some()) {
            (Depth::Stems, true) => walk.stems(part.clone(), number),
            _ => walk.every(part.clone(), number),
        }
        walk.tally.lines = memchr_iter(b'\n', &block.data[part]).count() as u64;
        walk.tally
    }
}

struct Walk<'a, 's> {
    scanner: &'s Scanner,
    block: Block<'a>,
    tally: Tally,
    owners: Vec<Owner>,
    events: Vec<Event>,
    sink: &'s mut dyn FnMut(Event),
}

impl<'a> Walk<'a, '_> {
    fn every(&mut self, part: Range<usize>, mut number: u64) {
        let (mut start, mut stop) = self.block.bounds(part.start, part.start);
        while start < part.end {
            self.line(start, stop, number);
            let Some(next) = self.block.next(stop, number) else { break };
            (start, stop, number) = next;
        }
    }

    fn stems(&mut self, part: Range<usize>, mut number: u64) {
        let Some(stems) = self.scanner.stems() else { return };
        let data = self.block.data;
        let mut floor = part.start;
        while let Some(hit) = stems.find_in(data, aho_corasick::Span { start: floor, end: part.end }) {
            let (start, stop) = self.block.bounds(hit.start(), floor);
            number += memchr_iter(b'\n', &data[floor..start]).count() as u64;
            self.line(start, stop, number);
            floor = stop;
        }
    }

    fn line(&mut self, start: usize, stop: usize, number: u64) {
        let raw: &'a [u8] = &self.block.data[start..stop];
        let plain = strip_ansi(raw);
        let mut owners = std::mem::take(&mut self.owners);
        self.scanner.catalogue.owners(&plain, &mut owners);
        let before = self.tally.events;
        if !owners.is_empty() {
            self.read(&owners, Line::new(number, start, raw));
        }
        if self.tally.events == before && complains(&plain) {
            self.tally.unknown += 1;
        }
        self.owners = owners;
    }

    fn read(&mut self, owners: &[Owner], line: Line<'a>) {
        let cursor = Cursor { block: self.block, line };
        let signatures = &self.scanner.catalogue.signatures;
        let general = |owner: &Owner| matches!(owner, Owner::Signature(at, _) if signatures[*at as usize].fallback);
        if owners.iter().any(general) {
            // What is known of the line by another signature needs no general word.
            let (last, first): (Vec<Owner>, Vec<Owner>) = owners.iter().partition(|owner| general(owner));
            self.offer(&first, &cursor);
            for owner in last {
                if self.events.is_empty() {
                    self.offer(&[owner], &cursor);
                }
            }
        } else {
            self.offer(owners, &cursor);
        }
        let mut events = std::mem::take(&mut self.events);
        self.tally.events += events.len() as u64;
        events.drain(..).for_each(|event| (self.sink)(event));
        self.events = events;
    }

    fn offer(&mut self, owners: &[Owner], cursor: &Cursor<'_>) {
        let mut matched = None;
        for owner in owners {
            match *owner {
                Owner::Grammar(at) => self.scanner.catalogue.grammars[at as usize].read(cursor, &mut self.events),
                Owner::Signature(at, _) if matched == Some(at) => {}
                Owner::Signature(at, pattern) => {
                    if self.signature(at as usize, pattern as usize, cursor) {
                        matched = Some(at);
                    }
                }
            }
        }
    }

    fn signature(&mut self, at: usize, pattern: usize, cursor: &Cursor<'_>) -> bool {
        let catalogue = &self.scanner.catalogue;
        let signature = &catalogue.signatures[at];
        let Some(regex) = signature.patterns[pattern].regex() else { return false };
        let text = &cursor.line.text;
        let mut any = false;
        for captures in regex.captures_iter(text).take(MOST_RECORDS) {
            let Some(mut fields) = signature.fields(&captures) else { continue };
            for (name, value) in catalogue.envelope(signature.format, text).iter() {
                fields.set_if_absent(name, value.clone());
            }
            self.events.push(placed(cursor, signature.kind, signature.says, fields));
            any = true;
        }
        any
    }
}

/// An event on the cursor's line; a captured `at` becomes its time.
fn placed(cursor: &Cursor<'_>, kind: crate::Name, says: crate::Says, mut fields: Fields) -> Event {
    let captured = fields.remove("at").and_then(|at| time::read(at.text()?));
    let mut event = Event::on(cursor, &cursor.line, kind, says, fields);
    event.at = captured.or(event.at);
    event
}

/// Whether a line looks like a complaint that some signature should know.
fn complains(plain: &[u8]) -> bool {
    static WORDS: LazyLock<[Finder<'static>; 4]> =
        LazyLock::new(|| ["rror", "WARN", "FATAL", "Traceback"].map(|word| Finder::new(word.as_bytes())));
    WORDS.iter().any(|word| word.find(plain).is_some())
}
