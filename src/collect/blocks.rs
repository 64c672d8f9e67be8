//! Cutting a stream into pieces that can be scanned one by one, with enough around each to look about in.

use std::io::{self, Read};
use std::ops::Range;

use diag_parsers::{Block, Depth, Event, MAX_LINE, REACH, Says, Scanner, Tally};
use memchr::{memchr_iter, memrchr, memrchr2};

use super::span;
use super::unpack::Taken;

/// Bytes of a stream in one piece, without what is around.
const PIECE: usize = 4 << 20;

/// Bytes around the part of a piece that is read, each way: a grammar's reach and the line it ends on.
const AROUND: usize = REACH + MAX_LINE;

/// Bytes read at a time: what a core's cache holds, so that the decoder's look at them is cheap.
const STEP: usize = 256 << 10;

/// Lines of a long document that are all looked at: so many bytes at its start, …
const FIRST: usize = 512 << 10;

/// … at its end, …
const LAST: usize = 1 << 20;

/// … at the start of pieces between ([`stride`]), …
const SAMPLE: usize = 16 << 10;

/// … and before the first failure of a piece, where the last steps of ranks stand.
const BEFORE_FAILURE: usize = 64 << 10;

/// So many pieces are all sampled, 256 MB of a document; as many of its next half, of what is as long again, and so on.
const SAMPLED: usize = 64;

/// Bytes of the end that tell whether a character was cut.
const TAIL: usize = 4;

/// Where a piece stands in its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// All of it.
    Whole,
    /// At the start of a longer one.
    First,
    /// In the middle, and whether it is sampled.
    Middle(bool),
    /// At the end.
    Last,
}

/// A part of a document in memory, with its surroundings.
#[derive(Debug)]
pub(super) struct Piece {
    data: Vec<u8>,
    filled: usize,
    part: Range<usize>,
    offset: u64,
    place: Place,
}

/// What was found in a piece.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) tally: Tally,
    /// Lines within the piece that stand before the part that was read.
    pub(super) before: u64,
}

impl Piece {
    /// Hands each event of the part to `sink`, lines counted from the start of the piece.
    pub(super) fn scan(&self, scanner: &Scanner, sink: &mut dyn FnMut(Event)) -> Found {
        let data = &self.data[..self.filled];
        let block = Block::further_on(data, self.offset);
        let Range { start, end } = self.part;
        let (every, stems) = match self.place {
            Place::Whole => (start..end, end..end),
            Place::First => split(data, start, end, start.saturating_add(FIRST)),
            Place::Middle(sampled) => split(data, start, end, start.saturating_add(if sampled { SAMPLE } else { 0 })),
            Place::Last => {
                let (stems, every) = split(data, start, end, end.saturating_sub(LAST));
                (every, stems)
            }
        };
        let mut tally = Tally::default();
        let mut scan = |part: Range<usize>, depth, sink: &mut dyn FnMut(Event)| {
            if !part.is_empty() {
                tally += scanner.scan_part(block, part, depth, sink);
            }
        };
        if every.start <= stems.start {
            scan(every.clone(), Depth::Every, sink);
        }
        let mut failure = None;
        scan(stems.clone(), Depth::Stems, &mut |event| {
            if event.says == Says::Failure && failure.is_none() {
                failure = Some((event.offset - self.offset) as usize);
            }
            sink(event);
        });
        if let Some(at) = failure {
            steps_before(scanner, block, stems.start, at, sink);
        }
        if every.start > stems.start {
            scan(every, Depth::Every, sink);
        }
        if matches!(self.place, Place::Whole | Place::First) {
            span::first(&data[start..end]).into_iter().for_each(&mut *sink);
        }
        if matches!(self.place, Place::Whole | Place::Last) {
            span::last(&data[..end]).into_iter().for_each(&mut *sink);
        }
        tally.lines += u64::from(self.ends_open());
        Found { tally, before: self.lines_before() }
    }

    /// Lines within the piece that stand before the part that is read.
    pub(super) fn lines_before(&self) -> u64 {
        memchr_iter(b'\n', &self.data[..self.part.start]).count() as u64
    }

    /// Whether the document ends without a line end.
    fn ends_open(&self) -> bool {
        let end = matches!(self.place, Place::Whole | Place::Last);
        end && self.part.end > 0 && self.data[self.part.end - 1] != b'\n'
    }

    /// The memory, for the next piece.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.data
    }
}

/// Of so many pieces one is sampled around a place: the run's way is told as finely as its length asks, and what a
/// sample costs grows with the logarithm of a document.
fn stride(number: usize) -> usize {
    1 << (2 * number / SAMPLED).max(1).ilog2()
}

/// Two parts that meet at the line which begins at `at` or before it.
fn split(data: &[u8], start: usize, end: usize, at: usize) -> (Range<usize>, Range<usize>) {
    let at = line_start(data, start, at.clamp(start, end));
    (start..at, at..end)
}

/// Where the last line begins that begins in `floor..=at`; `floor` where none does.
fn line_start(data: &[u8], floor: usize, at: usize) -> usize {
    memrchr(b'\n', &data[floor..at]).map_or(floor, |found| floor + found + 1)
}

/// Reads the steps that stand before a failure: signatures of progress have no stem of their own.
fn steps_before(scanner: &Scanner, block: Block<'_>, floor: usize, at: usize, sink: &mut dyn FnMut(Event)) {
    let from = line_start(block.data, floor, at.saturating_sub(BEFORE_FAILURE).max(floor));
    let until = line_start(block.data, from, at);
    scanner.scan_part(block, from..until, Depth::Steps, sink);
}

/// Cuts a stream into pieces.
pub(super) struct Blocks<R> {
    source: R,
    sizes: Sizes,
    /// What the next piece shares with the one before: its surroundings and what is still to be read.
    carried: Vec<u8>,
    start: usize,
    offset: u64,
    number: usize,
    done: bool,
    taken: Taken,
}

/// How a stream is cut.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    piece: usize,
    around: usize,
}

impl<R: Read> Blocks<R> {
    pub(super) fn new(source: R) -> Self {
        Self::sized(source, Sizes { piece: PIECE, around: AROUND })
    }

    fn sized(source: R, sizes: Sizes) -> Self {
        Self {
            source,
            sizes,
            carried: Vec::new(),
            start: 0,
            offset: 0,
            number: 0,
            done: false,
            taken: Taken::default(),
        }
    }

    /// The next piece, in `buffer` if it is of use.
    pub(super) fn next(&mut self, mut buffer: Vec<u8>) -> Option<Piece> {
        if self.done {
            return None;
        }
        let capacity = self.sizes.piece + 3 * self.sizes.around;
        if buffer.len() < capacity {
            buffer = vec![0; capacity];
        }
        buffer[..self.carried.len()].copy_from_slice(&self.carried);
        let (filled, end) = self.fill(&mut buffer, self.carried.len(), capacity);
        self.done = end;
        if end {
            self.taken.tail = buffer[filled.saturating_sub(TAIL)..filled].to_vec();
        }
        if filled == self.start {
            return None;
        }
        let start = self.start;
        let until = if end { filled } else { self.cut(&buffer[..filled], start) };
        let place = match (self.number == 0, end) {
            (true, true) => Place::Whole,
            (true, false) => Place::First,
            (false, false) => Place::Middle(self.number.is_multiple_of(stride(self.number))),
            (false, true) => Place::Last,
        };
        let piece = Piece { part: start..until, filled, offset: self.offset, place, data: buffer };
        let keep = until.saturating_sub(self.sizes.around);
        self.carried.clear();
        self.carried.extend_from_slice(&piece.data[keep..filled]);
        self.start = until - keep;
        self.offset += keep as u64;
        self.number += 1;
        Some(piece)
    }

    /// What was taken of the stream.
    pub(super) fn into_taken(self) -> Taken {
        self.taken
    }

    /// Bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.taken.bytes
    }

    /// Reads until the buffer is full or the stream ends.
    fn fill(&mut self, buffer: &mut [u8], mut filled: usize, capacity: usize) -> (usize, bool) {
        while filled < capacity {
            let step = STEP.min(capacity - filled);
            match self.source.read(&mut buffer[filled..filled + step]) {
                Ok(0) => return (filled, true),
                Ok(count) => {
                    filled += count;
                    self.taken.bytes += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.taken.broken = Some(error);
                    return (filled, true);
                }
            }
        }
        (filled, false)
    }

    /// Where the part to be read ends: at a line end, with enough behind it to look ahead.
    fn cut(&mut self, data: &[u8], start: usize) -> usize {
        let most = data.len() - self.sizes.around;
        let line = memrchr(b'\n', &data[start..most]).or_else(|| memrchr2(b'\n', b'\r', &data[start..most]));
        match line {
            Some(at) => start + at + 1,
            None => {
                self.taken.long_line = true;
                most
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use diag_parsers::Catalogue;

    use super::*;

    /// Numbers that look like chance, the same each time.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, most: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % most
        }
    }

    /// A log of many ranks: steps, progress bars, tracebacks and records of several lines, interleaved.
    fn log(size: usize, dice: &mut Dice) -> String {
        let mut text = String::new();
        let mut open: Vec<(usize, usize)> = Vec::new();
        while text.len() < size {
            let rank = dice.below(64);
            match dice.below(40) {
                0 => open.push((rank, 0)),
                1 => text.push_str(&format!("[rank{rank}]:[E504 03:12:41.408271257 ProcessGroupNCCL.cpp:629] [Rank {rank}] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=12, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=600000) ran for 600029 milliseconds before timing out.\n")),
                2 => text.push_str(&format!("Epoch 1:  {rank}%|###   | 4/9 [00:10<00:12,  2.2s/it]\r")),
                3 => text.push_str(&format!("[{rank}]:\n  time      : 2026-05-04_03:12:41\n  host      : gpu-17\n  rank      : {rank} (local_rank: 3)\n  exitcode  : -9 (pid: 4124)\n  error_file: <N/A>\n  traceback : Signal 9 (SIGKILL) received by PID 4124\n")),
                4 => text.push_str(&format!("[rank{rank}]: Thread 0x00007f1 (most recent call first):\r\n[rank{rank}]:   File \"train.py\", line {rank} in step\r\n")),
                5 => text.push_str(&"x".repeat(dice.below(9000))),
                6 => text.push_str("\n\n"),
                _ => text.push_str(&format!("[rank{rank}]: iteration {} | lm loss: 2.345 | grad norm: 0.321\n", text.len())),
            }
            if !open.is_empty() && dice.below(3) == 0 {
                let at = dice.below(open.len());
                let (rank, frame) = open[at];
                text.push_str(&match frame {
                    0 => format!("[rank{rank}]: Traceback (most recent call last):\n"),
                    6 => format!("[rank{rank}]: ValueError: a bad token {}\n", text.len()),
                    _ => format!("[rank{rank}]:   File \"/workspace/part_{frame}.py\", line {frame}, in step\n"),
                });
                if frame == 6 {
                    open.swap_remove(at);
                } else {
                    open[at].1 += 1;
                }
            }
        }
        text
    }

    /// Events by line, and lines in all, of pieces cut like this.
    fn read(text: &[u8], sizes: Sizes, depth: Depth, scanner: &Scanner) -> (Vec<(u64, String)>, u64) {
        let mut blocks = Blocks::sized(text, sizes);
        let (mut events, mut lines) = (Vec::new(), 0);
        while let Some(piece) = blocks.next(Vec::new()) {
            let block = Block::further_on(&piece.data[..piece.filled], piece.offset);
            let before = memchr_iter(b'\n', &block.data[..piece.part.start]).count() as u64;
            let tally = scanner.scan_part(block, piece.part.clone(), depth, &mut |event| {
                events.push((
                    event.line + lines - before,
                    format!("{event:?}").replace(&format!("line: {}", event.line), ""),
                ));
            });
            lines += tally.lines;
        }
        (events, lines)
    }

    #[test]
    fn blocks_lose_and_double_nothing() {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let mut dice = Dice(11);
        let text = log(5 << 18, &mut dice);
        for depth in [Depth::Every, Depth::Stems] {
            let whole = read(text.as_bytes(), Sizes { piece: text.len(), around: AROUND }, depth, &scanner);
            assert!(whole.0.len() > 500, "{} events", whole.0.len());
            let blind = read(text.as_bytes(), Sizes { piece: 50_000, around: 64 }, depth, &scanner);
            assert!(whole != blind, "a grammar that can't look around is noticed");
            for _ in 0..2 {
                let sizes = Sizes { piece: 1 + dice.below(200 << 10), around: AROUND };
                let cut = read(text.as_bytes(), sizes, depth, &scanner);
                let differ = whole.0.iter().zip(&cut.0).find(|(whole, cut)| whole != cut);
                assert!(
                    whole == cut,
                    "{depth:?} {sizes:?}: {} events, {} in pieces; {differ:#?}",
                    whole.0.len(),
                    cut.0.len()
                );
            }
        }
    }

    #[test]
    fn lines_are_counted_through_pieces_of_a_long_document() {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let mut text = "step 3 of nothing much\n".repeat(400_000);
        text.push_str("ValueError: at the end");
        let mut blocks = Blocks::new(text.as_bytes());
        let (mut lines, mut seen) = (0, Vec::new());
        while let Some(piece) = blocks.next(Vec::new()) {
            let mut here = Vec::new();
            let found = piece.scan(&scanner, &mut |event| here.push(event.line));
            seen.extend(here.into_iter().map(|line| line + lines - found.before));
            lines += found.tally.lines;
        }
        assert_eq!((lines, seen.last()), (400_001, Some(&400_001)));
    }

    #[test]
    fn a_long_document_is_sampled_all_along_and_seldom() {
        let sampled: Vec<usize> = (0..16 * SAMPLED).filter(|number| number.is_multiple_of(stride(*number))).collect();
        assert_eq!(sampled[..SAMPLED], (0..SAMPLED).collect::<Vec<_>>());
        assert_eq!(sampled.len(), SAMPLED + 4 * SAMPLED / 2, "half as many for each doubling");
        assert!(sampled.windows(2).all(|pair| pair[1] - pair[0] <= (pair[0] / 16).max(1)), "{sampled:?}");
    }

    #[test]
    fn a_line_longer_than_memory_is_read_in_pieces() {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let long = std::io::repeat(b'x').take(3 * PIECE as u64);
        let mut blocks = Blocks::new(long.chain("\nValueError: behind it\n".as_bytes()));
        let (mut lines, mut events, mut largest) = (0, 0, 0);
        while let Some(piece) = blocks.next(Vec::new()) {
            largest = largest.max(piece.data.len());
            let found = piece.scan(&scanner, &mut |_| events += 1);
            lines += found.tally.lines;
        }
        assert!(blocks.into_taken().long_line);
        assert!(
            lines == 2 && events == 1 && largest < PIECE + 4 * AROUND,
            "{lines} lines, {events} events, {largest} bytes"
        );
    }
}
