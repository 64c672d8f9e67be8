//! The threads that read: each takes an input, cuts it into pieces and hands those on that it can't scan at once.
//!
//! What comes out does not depend on which thread did what: pieces are joined in their order, documents stand in the
//! order of their inputs.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use diag_parsers::{Event, Scanner, Tally};

use super::blocks::{Blocks, Found, Piece};
use super::documents::Source;
use super::open::{Meter, Raw};
use super::order::natural;
use super::unpack::{self, Balance, Intake, Stream, Taken};
use super::{Document, Keep, Witness};
use crate::error::Error;

/// Most threads: each has a few pieces in memory.
const MOST_HANDS: usize = 4;

/// An input that one thread reads faster than a second one starts, in bytes.
const SMALL: u64 = 256 << 10;

/// Documents and remarks of a source.
type Yield<S> = (Vec<Arc<Lane<S>>>, Vec<Error>);

/// Reads all sources; documents and remarks come in their order.
pub(super) fn read<S: Send>(
    sources: &[Source],
    scanner: &Scanner,
    keep: &Keep<'_, S>,
    meter: &Meter,
) -> (Vec<Document<S>>, Vec<Error>) {
    let cores = thread::available_parallelism().map_or(1, usize::from).min(MOST_HANDS);
    let small = sources.iter().map(|source| source.size().unwrap_or(u64::MAX)).fold(0, u64::saturating_add) < SMALL;
    let hands = if small { 1 } else { cores };
    let crew = Crew::new(sources, scanner, keep, meter, hands);
    thread::scope(|scope| {
        for _ in 1..hands {
            scope.spawn(|| crew.hand());
        }
        crew.hand();
    });
    crew.harvest()
}

/// What all threads share.
struct Crew<'a, S> {
    sources: &'a [Source],
    scanner: &'a Scanner,
    keep: &'a Keep<'a, S>,
    meter: &'a Meter,
    hands: usize,
    next: AtomicUsize,
    board: Mutex<Board<S>>,
    news: Condvar,
    yields: Mutex<BTreeMap<usize, Yield<S>>>,
}

/// Pieces that wait for somebody, and memory for further ones.
struct Board<S> {
    jobs: VecDeque<Job<S>>,
    producing: usize,
    buffers: Vec<Vec<u8>>,
}

/// A piece to be scanned.
struct Job<S> {
    lane: Arc<Lane<S>>,
    number: usize,
    piece: Piece,
}

/// A document that is being read.
struct Lane<S> {
    name: String,
    progress: Mutex<Joined<S>>,
}

/// What of a document has been joined, and what waits for a piece before it.
struct Joined<S> {
    events: Option<S>,
    tally: Tally,
    bytes: u64,
    next: usize,
    waiting: BTreeMap<usize, (S, Found)>,
}

/// A lock; a thread that panicked ends the program, so what it held does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a, S: Send> Crew<'a, S> {
    fn new(sources: &'a [Source], scanner: &'a Scanner, keep: &'a Keep<'a, S>, meter: &'a Meter, hands: usize) -> Self {
        Self {
            sources,
            scanner,
            keep,
            meter,
            hands,
            next: AtomicUsize::new(0),
            board: Mutex::new(Board { jobs: VecDeque::new(), producing: hands, buffers: Vec::new() }),
            news: Condvar::new(),
            yields: Mutex::default(),
        }
    }

    /// What a thread does: read sources while there are any, then scan what others read.
    fn hand(&self) {
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(source) = self.sources.get(at).filter(|_| !self.meter.stopped()) else { break };
            let yielded = self.source(source);
            lock(&self.yields).insert(at, yielded);
        }
        lock(&self.board).producing -= 1;
        self.news.notify_all();
        while let Some(job) = self.job() {
            self.work(job);
        }
    }

    /// A piece to scan; none when no more will come.
    fn job(&self) -> Option<Job<S>> {
        let mut board = lock(&self.board);
        loop {
            if let Some(job) = board.jobs.pop_front() {
                return Some(job);
            }
            if board.producing == 0 {
                return None;
            }
            board = self.news.wait(board).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Scans a piece and joins what it holds to its document.
    fn work(&self, job: Job<S>) {
        if self.hands == 1 {
            job.lane.extend(&job.piece, self.scanner, self.keep);
        } else {
            let mut part = (self.keep.new)();
            let found = job.piece.scan(self.scanner, &mut |event| (self.keep.take)(&mut part, event));
            job.lane.join(job.number, part, found, self.keep);
        }
        lock(&self.board).buffers.push(job.piece.into_buffer());
    }

    /// Puts a piece where others see it, or scans it where enough of them wait.
    fn hand_on(&self, job: Job<S>) {
        let mut board = lock(&self.board);
        if self.hands > 1 && board.jobs.len() < self.hands {
            board.jobs.push_back(job);
            drop(board);
            self.news.notify_one();
        } else {
            drop(board);
            self.work(job);
        }
    }

    fn source(&self, source: &Source) -> Yield<S> {
        let mut reader = Reader { crew: self, lanes: Vec::new(), remarks: Vec::new() };
        match Raw::open(source, self.meter) {
            Ok(mut raw) => {
                let balance = Balance::default();
                let at = Stream { name: &source.name, depth: 0, file: raw.file(), balance: &balance };
                unpack::stream(&at, &mut raw, &mut reader);
                reader.remarks.extend(raw.changed());
                reader.remarks.extend(raw.altered());
            }
            Err(error) => reader.remarks.push(error),
        }
        // Archives keep files in the order of a disk; people expect that of a folder.
        reader.lanes.sort_by(|a, b| natural(&a.name, &b.name));
        (reader.lanes, reader.remarks)
    }

    fn harvest(self) -> (Vec<Document<S>>, Vec<Error>) {
        let yields = self.yields.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (mut documents, mut remarks) = (Vec::new(), Vec::new());
        for (lanes, found) in yields.into_values() {
            documents.extend(lanes.into_iter().filter_map(Lane::document));
            remarks.extend(found);
        }
        (documents, remarks)
    }
}

impl<S> Lane<S> {
    fn new(name: &str) -> Self {
        let joined = Joined { events: None, tally: Tally::default(), bytes: 0, next: 0, waiting: BTreeMap::new() };
        Self { name: name.to_owned(), progress: Mutex::new(joined) }
    }

    /// Scans the next piece straight into its document: where one thread reads, pieces come in order.
    fn extend(&self, piece: &Piece, scanner: &Scanner, keep: &Keep<'_, S>) {
        let mut joined = lock(&self.progress);
        let lines = joined.tally.lines - piece.lines_before();
        let events = joined.events.get_or_insert_with(|| (keep.new)());
        let mut take = |event: Event| (keep.take)(events, Event { line: event.line + lines, ..event });
        let found = piece.scan(scanner, &mut take);
        joined.tally += found.tally;
        joined.next += 1;
    }

    /// Joins a piece, and those behind it that waited for it.
    fn join(&self, number: usize, part: S, found: Found, keep: &Keep<'_, S>) {
        let mut joined = lock(&self.progress);
        let joined = &mut *joined;
        joined.waiting.insert(number, (part, found));
        while let Some((part, found)) = joined.waiting.remove(&joined.next) {
            match &mut joined.events {
                Some(events) => (keep.append)(events, part, joined.tally.lines - found.before),
                None => joined.events = Some(part),
            }
            joined.tally += found.tally;
            joined.next += 1;
        }
    }

    fn document(lane: Arc<Self>) -> Option<Document<S>> {
        let Self { name, progress } = Arc::into_inner(lane)?;
        let Joined { events, tally, bytes, .. } = progress.into_inner().unwrap_or_else(PoisonError::into_inner);
        Some(Document { name, witness: Witness::default(), bytes, tally, events: events? })
    }
}

/// Reads one source.
struct Reader<'c, 'a, S> {
    crew: &'c Crew<'a, S>,
    lanes: Vec<Arc<Lane<S>>>,
    remarks: Vec<Error>,
}

impl<S: Send> Intake for Reader<'_, '_, S> {
    fn text(&mut self, name: &str, text: &mut dyn Read) -> Taken {
        let lane = Arc::new(Lane::new(name));
        let mut blocks = Blocks::new(text);
        for number in 0.. {
            let buffer = lock(&self.crew.board).buffers.pop().unwrap_or_default();
            let Some(piece) = blocks.next(buffer).filter(|_| !self.crew.meter.stopped()) else { break };
            self.crew.hand_on(Job { lane: Arc::clone(&lane), number, piece });
        }
        lock(&lane.progress).bytes = blocks.bytes();
        if blocks.bytes() > 0 {
            self.lanes.push(lane);
        }
        blocks.into_taken()
    }

    fn record(&mut self, name: &str, data: &[u8], events: Vec<Event>) {
        let lane = Lane::new(name);
        let lines = memchr::memchr_iter(b'\n', data).count() as u64 + u64::from(!data.ends_with(b"\n"));
        let tally = Tally { lines, events: events.len() as u64, unknown: 0 };
        let mut part = (self.crew.keep.new)();
        events.into_iter().for_each(|event| (self.crew.keep.take)(&mut part, event));
        lane.join(0, part, Found { tally, before: 0 }, self.crew.keep);
        lock(&lane.progress).bytes = data.len() as u64;
        self.lanes.push(Arc::new(lane));
    }

    fn scanner(&self) -> Option<&Scanner> {
        Some(self.crew.scanner)
    }

    fn remark(&mut self, remark: Error) {
        self.remarks.push(remark);
    }
}
