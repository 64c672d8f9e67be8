//! What must hold for any bytes whatever. Driven by cargo-fuzz (`fuzz_targets/`) and, on a stable toolchain, by the
//! mutations of `tests/hostile.rs`.
#![allow(dead_code, reason = "each fuzz binary uses one of these")]
#![allow(clippy::unwrap_used, reason = "a fuzz target fails by panicking")]

use std::sync::LazyLock;

use diag_parsers::signature::FieldType;
use diag_parsers::{Block, Catalogue, Cursor, Depth, Event, GRAMMARS, Line, MAX_LINE, RECORDS, Scanner, prefix, time};

/// A scanner of all built-in formats.
static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new(Catalogue::built_in().unwrap()));

/// Each type that a field of a signature may have.
const TYPES: [&str; 8] = ["int", "float", "str", "addr", "hex", "ranks", "bytes", "bool"];

/// The scanner, each line looked at and by stems: events stand within the bytes.
pub(crate) fn scan(data: &[u8]) {
    for depth in [Depth::Every, Depth::Stems] {
        let block = Block::whole(data);
        let tally = SCANNER.scan(block, data.len(), depth, &mut |event| stands_within(&event, data));
        assert!(tally.lines as usize <= data.len());
    }
}

/// The prefix peeler takes no more than there is.
pub(crate) fn peel(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        let (_, taken) = prefix::peel(line);
        assert!(taken <= line.len());
    }
}

/// The readers of time stamps; a stamp can be shown and compared.
pub(crate) fn stamp(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        if let Some((stamp, taken)) = time::leading(line) {
            assert!(taken <= line.len());
            assert!(!stamp.to_string().is_empty() && stamp.since(stamp) == Some(0.0));
        }
        let _ = time::read(&String::from_utf8_lossy(line)).map(|stamp| stamp.to_string());
    }
}

/// The readers of fields, each type on any bytes.
pub(crate) fn fields(data: &[u8]) {
    for kind in TYPES {
        let kind = FieldType::try_from(kind.to_owned()).unwrap();
        let _ = kind.read(data).map(|value| value.to_string());
    }
}

/// The grammars, on each line whether or not it holds an anchor.
pub(crate) fn grammars(data: &[u8]) {
    let block = Block::whole(data);
    let mut at = Some((block.bounds(0, 0), 1));
    let mut events = Vec::new();
    while let Some(((start, stop), number)) = at {
        let line = Line::new(number, start, &data[start..stop]);
        for grammar in GRAMMARS {
            grammar.read(&Cursor { block, line: line.clone() }, &mut events);
        }
        events.drain(..).for_each(|event| stands_within(&event, data));
        at = block.next(stop, number).map(|(start, stop, number)| ((start, stop), number));
    }
}

/// The readers of whole documents, each on any bytes, recognised or not.
pub(crate) fn records(data: &[u8]) {
    for record in RECORDS {
        let _ = record.recognises(data, "dump_3");
        let mut events = Vec::new();
        let _ = record.read(data, "dump_3", &mut events);
        events.iter().for_each(|event| stands_within(event, data));
    }
}

fn stands_within(event: &Event, data: &[u8]) {
    assert!(event.offset as usize <= data.len(), "{}: offset {} of {}", event.kind, event.offset, data.len());
    assert!(event.line >= 1 && event.line as usize <= data.len() + 1, "{}: line {}", event.kind, event.line);
    // Bytes that are no UTF-8 take three each when shown.
    assert!(event.text.len() <= 3 * MAX_LINE, "{}: {} bytes of text", event.kind, event.text.len());
}
