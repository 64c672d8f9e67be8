//! Private keys: a block of lines, or one line with escaped line ends (RFC 7468).

use std::ops::Range;

use memchr::memmem;

use super::cover;

/// Most lines of a key: one of 16,384 bits has 200.
const MOST_LINES: u32 = 256;

/// Shortest run of base64 that is masked within a key, in bytes; the last line of a key may be short.
const SHORTEST: usize = 4;

/// Masks what a line holds of a private key; `lines` is how many further ones may belong to it. A key counts once.
pub(super) fn mask(line: &mut [u8], lines: &mut u32) -> u64 {
    let Some(start) = begins(line) else {
        if *lines > 0 {
            inside(line, lines);
        }
        return 0;
    };
    *lines = MOST_LINES;
    let rest = &mut line[start..];
    let mut held = false;
    inside_from(rest, lines, &mut held);
    1
}

/// Where the text of a key begins: behind `-----BEGIN … PRIVATE KEY-----`.
fn begins(line: &[u8]) -> Option<usize> {
    let begin = memmem::find(line, b"-----BEGIN ")?;
    let label = memmem::find(&line[begin..], b"PRIVATE KEY")?;
    let after = begin + label + b"PRIVATE KEY".len();
    // `PRIVATE KEY BLOCK` is PGP's.
    let dashes = memmem::find(&line[after..], b"-----")?;
    Some(after + dashes + b"-----".len())
}

fn inside(line: &mut [u8], lines: &mut u32) {
    let mut held = false;
    inside_from(line, lines, &mut held);
}

/// Masks the runs of base64 up to the end of the key. A line that holds none ends it: the rest of the key is missing.
fn inside_from(line: &mut [u8], lines: &mut u32, held: &mut bool) {
    *lines -= 1;
    let end = memmem::find(line, b"-----END");
    let until = end.unwrap_or(line.len());
    for run in runs(&line[..until]) {
        *held = true;
        cover(&mut line[run]);
    }
    let heads =
        memmem::find(&line[..until], b"Proc-Type").is_some() || memmem::find(&line[..until], b"DEK-Info").is_some();
    let blank = line[..until].iter().all(u8::is_ascii_whitespace);
    if end.is_some() || !(*held || heads || blank) {
        *lines = 0;
    }
}

/// Runs of base64; those that are words of a prefix are too short, or followed by what base64 has not.
fn runs(text: &[u8]) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut start = None;
    for (at, byte) in text.iter().chain([&b'\n']).enumerate() {
        let inside = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        match (inside, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                // `\n` written out is a backslash and an `n` that begins the next run.
                if at - from >= SHORTEST && matches!(byte, b'\n' | b'\r' | b'\\' | b'"' | b'\'' | b'-' | b' ') {
                    runs.push(from..at);
                }
                start = None;
            }
            _ => {}
        }
    }
    runs
}
