//! The way over a document: literals first, grammar only on the lines that hold one.

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};

use memchr::{memchr, memchr_iter, memchr2, memrchr2};
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Anchored, Input};

use crate::MAX_LINE;
use crate::catalogue::Catalogue;
use crate::event::{Event, Fields};
use crate::index::{Index, Owner};
use crate::line::{Block, Cursor, Heads, Line, strip_ansi};
use crate::record::Wrapped;
use crate::search::{Familiar, Hit, Lines};
use crate::signature::{Scratch, Signature};
use crate::time;

/// How many records of one kind are read from one physical line.
const MOST_RECORDS: usize = 64;

/// Which lines are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Every line for every signature: for documents of a few megabytes, and the ends of longer ones.
    Every,
    /// Without signatures that a long document is only sampled for.
    Stems,
    /// For the steps of a run only.
    Steps,
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
}

impl Scanner {
    /// A scanner for a set of formats.
    pub fn new(catalogue: Catalogue) -> Self {
        Self { catalogue }
    }

    /// The formats it knows.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
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
        let index = self.catalogue.at_depth(depth, &block.data[part.clone()]);
        let number = block.first_line + newlines(&block.data[..part.start]);
        let (tally, ends, hits, wishes) = (Tally::default(), Vec::new(), Vec::new(), Vec::new());
        let (mut scratch, events) = (Scratch::default(), Vec::new());
        let (signed, spoken) = (0, Vec::new());
        let (familiar, matched) = index.learnt().unzip();
        scratch.matched = matched;
        let heads = Heads::of(block.data.len());
        let block = Block { heads: Some(&heads), ..block };
        let mut walk = Walk {
            catalogue: &self.catalogue,
            index,
            familiar,
            block,
            tally,
            number,
            ends,
            hits,
            wishes,
            scratch,
            events,
            signed,
            spoken,
            sink,
        };
        walk.part(part);
        index.keep(walk.familiar.take().zip(walk.scratch.matched.take()));
        walk.tally.lines = walk.number - number;
        walk.tally
    }

    /// Reads lines that a document wraps in records; events cite the lines of the document.
    pub fn scan_wrapped(&self, lines: &[Wrapped<'_>], sink: &mut dyn FnMut(Event)) -> Tally {
        let (mut data, mut owners) = (String::new(), Vec::new());
        for (at, wrapped) in lines.iter().enumerate() {
            for text in wrapped.text.lines() {
                data.push_str(text);
                data.push('\n');
                owners.push(at);
            }
        }
        let block = Block::whole(data.as_bytes());
        self.scan(block, data.len(), Depth::Every, &mut |mut event| {
            let at = usize::try_from(event.line).ok().and_then(|line| owners.get(line.checked_sub(1)?));
            if let Some(wrapped) = at.and_then(|at| lines.get(*at)) {
                event.line = wrapped.line;
                event.offset = wrapped.offset;
                event.text = String::from_utf8_lossy(&wrapped.cited[..wrapped.cited.len().min(MAX_LINE)]).into_owned();
                sink(event);
            }
        })
    }
}

/// Bytes that are searched at a time: they stay in the second cache from one pass to the next.
const WINDOW: usize = 64 << 10;

/// What two pieces of an overlong line share: a literal and what belongs to it stand whole in one of them.
const OVERLAP: usize = 1 << 10;

struct Walk<'a, 's> {
    catalogue: &'s Catalogue,
    index: &'s Index,
    familiar: Option<Familiar>,
    block: Block<'a>,
    tally: Tally,
    /// Number of the line at which the window begins.
    number: u64,
    /// Where each line of the window ends, from its start on.
    ends: Vec<u32>,
    hits: Vec<Hit>,
    wishes: Vec<Wish>,
    scratch: Scratch,
    events: Vec<Event>,
    /// How many of the events are by signatures; they come first.
    signed: usize,
    /// Formats, and lines of which a grammar has told all there is; those that are left behind go.
    spoken: Vec<(crate::Name, RangeInclusive<u64>)>,
    sink: &'s mut dyn FnMut(Event),
}

impl<'a> Walk<'a, '_> {
    /// Goes over a part window by window; each ends with a line, or overlaps the next.
    fn part(&mut self, part: Range<usize>) {
        let end = self.end_of_line(part.end);
        let mut start = part.start;
        while start < end {
            let most = end.min(start + WINDOW);
            let (stop, next) = match memrchr2(b'\n', b'\r', &self.block.data[start..most]) {
                _ if most == end => (end, end),
                Some(last) => (start + last + 1, start + last + 1),
                None => (most, most - OVERLAP),
            };
            self.window(start..stop, next);
            start = next;
        }
    }

    /// Where the line ends that the part breaks off in.
    fn end_of_line(&self, end: usize) -> usize {
        let data = self.block.data;
        let broken = end > 0 && end < data.len() && !matches!(data[end - 1], b'\n' | b'\r');
        let most = data.len().min(end + MAX_LINE);
        if broken { memchr2(b'\n', b'\r', &data[end..most]).map_or(most, |at| end + at) } else { end }
    }

    /// Reads each line of a window that holds a literal; one from `next` on is left to the next window.
    fn window(&mut self, window: Range<usize>, next: usize) {
        let text = &self.block.data[window.clone()];
        let mut hits = std::mem::take(&mut self.hits);
        hits.clear();
        self.ends.clear();
        self.ends.extend(memchr_iter(b'\n', text).map(|at| at as u32 + 1));
        self.find(text, &mut hits);
        hits.sort_unstable();
        let mut rest = hits.as_slice();
        let mut floor = window.start;
        while let Some(first) = rest.first().map(|hit| window.start + hit.at as usize).filter(|first| *first < next) {
            let (line, piece) = self.bounds(first, floor..window.end);
            let reach = next.min(if piece.end == line.end { piece.end } else { piece.end - OVERLAP });
            let within = rest.iter().take_while(|hit| window.start + (hit.at as usize) < reach).count();
            let (here, later) = rest.split_at(within);
            self.line(piece, window.start, here);
            floor = line.start;
            rest = later;
        }
        self.number += self.ended(next - window.start);
        self.hits = hits;
    }

    /// Finds the literals and colours of a text.
    fn find(&mut self, text: &[u8], hits: &mut Vec<Hit>) {
        let index = self.index;
        let look = |text: &[u8], hits: &mut Vec<Hit>| {
            index.find(text, hits);
            colours(text, hits);
        };
        match &mut self.familiar {
            Some(familiar) => index.find_unknown(Lines { text, ends: &self.ends }, familiar, &look, hits),
            None => look(text, hits),
        }
    }

    /// The line around `at`, and the piece of it that is looked at.
    fn bounds(&self, at: usize, within: Range<usize>) -> (Range<usize>, Range<usize>) {
        let data = self.block.data;
        let start =
            memrchr2(b'\n', b'\r', &data[within.start..at]).map_or(within.start, |found| within.start + found + 1);
        let end = memchr2(b'\n', b'\r', &data[at..within.end]).map_or(within.end, |found| at + found);
        let piece = start + (at - start) / (MAX_LINE - OVERLAP) * (MAX_LINE - OVERLAP);
        (start..end, piece..end.min(piece + MAX_LINE))
    }

    /// How many lines of the window end up to a place in it.
    fn ended(&self, place: usize) -> u64 {
        self.ends.partition_point(|end| *end as usize <= place) as u64
    }

    /// Reads a line of a window that begins at `window`.
    fn line(&mut self, place: Range<usize>, window: usize, hits: &[Hit]) {
        let number = self.number + self.ended(place.start - window);
        let raw: &'a [u8] = &self.block.data[place.clone()];
        let mut wishes = std::mem::take(&mut self.wishes);
        wishes.clear();
        let index = self.index;
        let mut wish =
            |hit: Hit, at: u32| wishes.extend(index.owners(hit).iter().map(|owner| Wish { owner: *owner, at }));
        if hits.iter().any(|hit| hit.literal == COLOUR) {
            // Literals may stand across a change of colour; their places are those of the plain text.
            let mut found = Vec::new();
            index.find(&strip_ansi(raw), &mut found);
            found.into_iter().for_each(|hit| wish(hit, hit.at));
        } else {
            let before = (place.start - window) as u32;
            hits.iter().for_each(|hit| wish(*hit, hit.at - before));
        }
        wishes.sort_unstable();
        let known = wishes.iter().position(|wish| wish.owner == Owner::Complaint).unwrap_or(wishes.len());
        let before = self.tally.events;
        if known > 0 {
            self.read(&wishes[..known], Line::new(number, place.start, raw));
        }
        if known < wishes.len() && self.tally.events == before {
            self.tally.unknown += 1;
        }
        self.wishes = wishes;
    }

    fn read(&mut self, wishes: &[Wish], line: Line<'a>) {
        let peeled = line.peeled();
        if let Some(matched) = &mut self.scratch.matched {
            matched.next_line();
        }
        let cursor = Cursor { block: self.block, line };
        let catalogue = self.catalogue;
        let fallback = |owner| matches!(owner, Owner::Signature(at, _) if catalogue.signatures[at as usize].fallback);
        let general = |group: &&[Wish]| fallback(group[0].owner);
        let groups = || wishes.chunk_by(|a, b| a.owner == b.owner);
        let mut matched = None;
        for group in groups().filter(|group| !general(group)) {
            self.ask(group, &cursor, peeled, &mut matched);
        }
        // What is known of the line by another signature needs no general word.
        for group in groups().filter(general) {
            if self.events.is_empty() {
                self.ask(group, &cursor, peeled, &mut None);
            }
        }
        self.signed = 0;
        let mut events = std::mem::take(&mut self.events);
        if !events.is_empty() {
            crate::kubernetes::spec::unsay(&cursor, &mut events);
            crate::kubernetes::ours::unsay(&cursor, &mut events);
        }
        self.tally.events += events.len() as u64;
        events.drain(..).for_each(|event| (self.sink)(event));
        self.events = events;
    }

    /// Asks the owner of a group of literals, unless another pattern of the same signature has matched; `peeled` bytes of
    /// the plain line are prefixes.
    fn ask(&mut self, group: &[Wish], cursor: &Cursor<'_>, peeled: usize, matched: &mut Option<u32>) {
        match group[0].owner {
            Owner::Grammar(at) => self.grammar(at as usize, cursor),
            Owner::Complaint => {}
            Owner::Signature(at, _) if *matched == Some(at) => {}
            Owner::Signature(at, pattern) => {
                let before = if self.catalogue.signatures[at as usize].whole { 0 } else { peeled };
                let places = group.iter().filter_map(|wish| (wish.at as usize).checked_sub(before));
                if self.signature(at as usize, pattern as usize, cursor, places) {
                    *matched = Some(at);
                }
            }
        }
    }

    /// Asks a grammar; where it speaks for a format, what signatures told of the same lines goes.
    fn grammar(&mut self, at: usize, cursor: &Cursor<'_>) {
        let grammar = self.catalogue.grammars[at];
        let before = self.events.len();
        grammar.read(cursor, &mut self.events);
        let Some(format) = grammar.speaks_for() else { return };
        let lines: Vec<u64> = self.events[before..].iter().map(|event| event.line).collect();
        let (Some(first), Some(last)) = (lines.iter().min().copied(), lines.iter().max().copied()) else { return };
        let here = cursor.line.number;
        self.spoken.retain(|(_, lines)| *lines.end() >= here);
        self.spoken.push((format, first.min(here)..=last));
        if lines.contains(&here) {
            let mut place = 0..;
            let signed = self.signed;
            self.events.retain(|event| place.next().is_some_and(|at| at >= signed) || !of_format(event.kind, format));
            self.signed = 0;
        }
    }

    /// Whether a grammar has told what a signature would tell of a line.
    fn is_spoken(&self, kind: &str, line: u64) -> bool {
        self.spoken.iter().any(|(format, lines)| lines.contains(&line) && of_format(kind, format))
    }

    /// Tries a pattern whose literals stand at these places of the text, in order.
    fn signature(
        &mut self,
        at: usize,
        pattern: usize,
        cursor: &Cursor<'_>,
        places: impl Iterator<Item = usize> + Clone,
    ) -> bool {
        let signature = &self.catalogue.signatures[at];
        if signature.unended && !cursor.breaks_off_in(&cursor.line) {
            return false;
        }
        let plain = if signature.whole { strip_ansi(cursor.line.raw) } else { Cow::Borrowed(&*cursor.line.text) };
        let text: &[u8] = &plain;
        let known = &signature.patterns[pattern];
        let places = places.filter(|place| known.goes_on(text, *place));
        if places.clone().next().is_none() || !known.likely(text) {
            return false;
        }
        let (mut from, mut any) = (0, false);
        match known.around.lead {
            Some(lead) => {
                for start in places.filter_map(|place| place.checked_sub(lead)).take(MOST_RECORDS) {
                    let input = Input::new(text).range(start..).anchored(Anchored::Yes);
                    if start >= from
                        && let Some(end) = self.record((signature, pattern), cursor, &input, &mut any)
                    {
                        from = end;
                    }
                }
            }
            None => {
                from = known.earliest(text, places.clone());
                // A further record needs a further literal.
                for _ in places.take(MOST_RECORDS) {
                    let input = Input::new(text).range(from..);
                    let Some(end) = self.record((signature, pattern), cursor, &input, &mut any) else { break };
                    from = end.max(from + 1).min(text.len());
                }
            }
        }
        any
    }

    /// Makes an event of a match, if its fields have their types; returns where the match ends.
    fn record(
        &mut self,
        (signature, pattern): (&Signature, usize),
        cursor: &Cursor<'_>,
        input: &Input<'_>,
        any: &mut bool,
    ) -> Option<usize> {
        let text = input.haystack();
        let groups = signature.search(pattern, input, &mut self.scratch)?;
        let end = self.scratch.slots.get(1)?.map(NonMaxUsize::get);
        if !self.is_spoken(signature.kind, cursor.line.number)
            && let Some(mut fields) = signature.fields(groups, text, &self.scratch.slots)
        {
            self.catalogue.envelope(signature.format, text, &mut self.scratch, &mut fields);
            self.events.push(placed(cursor, signature.kind, signature.says, fields));
            self.signed = self.events.len();
            *any = true;
        }
        end
    }
}

/// An owner, and where its literal stands in the plain line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Wish {
    owner: Owner,
    at: u32,
}

/// An event on the cursor's line; a captured `at` becomes its time.
fn placed(cursor: &Cursor<'_>, kind: crate::Name, says: crate::Says, mut fields: Fields) -> Event {
    let captured = fields.remove("at").and_then(|at| time::read(at.text()?));
    let mut event = Event::on(cursor, &cursor.line, kind, says, fields);
    event.at = captured.or(event.at);
    event
}

fn of_format(kind: &str, format: &str) -> bool {
    kind.split_once('.').is_some_and(|(own, _)| own == format)
}

/// Stands for a colour instead of a literal.
const COLOUR: u32 = u32::MAX;

/// Adds each line that holds a terminal escape.
fn colours(text: &[u8], hits: &mut Vec<Hit>) {
    let mut from = 0;
    while let Some(at) = memchr(0x1b, &text[from..]).map(|found| from + found) {
        hits.push(Hit { at: at as u32, literal: COLOUR });
        let Some(line) = memchr2(b'\n', b'\r', &text[at..]) else { break };
        from = at + line;
    }
}

fn newlines(text: &[u8]) -> u64 {
    memchr_iter(b'\n', text).count() as u64
}
