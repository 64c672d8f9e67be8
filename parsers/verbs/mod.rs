//! The completion that an adapter reports as failed, as mlx5's library dumps it.
//!
//! Shape: rdma-core v17 to v50 `providers/mlx5/cq.c` (`mlx5_poll_one`, `dump_cqe`): a line with the host, then the entry as
//! sixteen words, four a line. By `providers/mlx5/wqe.h` (`struct mlx5_err_cqe`) byte 54 is the vendor's syndrome and byte 55
//! the syndrome. Any library that polls a queue has it printed: MPI, UCX, NCCL.

#[cfg(test)]
mod tests;

use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// A failed completion.
#[derive(Debug)]
pub struct Completions;

const RETRY: Name = "verbs.retry_exceeded";
/// A completion failed in another way. Fields: `node`, `what`, `syndrome`, `vendor_err`.
const FAILED: Name = "verbs.completion_failed";
/// What was still queued when another completion had failed.
const FLUSHED: Name = "verbs.flushed";

const ANCHOR: &str = "got completion with error:";
/// What stands there where the host could not be told.
const NAMELESS: &str = "host_unknown";
/// Words of a line of the dump, and lines of it.
const WORDS: usize = 4;
const LINES: usize = 4;

/// Syndromes, and what the manual calls them (rdma-core `providers/mlx5/wqe.h`).
const SYNDROMES: [(u32, &str); 13] = [
    (0x01, "local length error"),
    (0x02, "local QP operation error"),
    (0x04, "local protection error"),
    (FLUSH, "work request flushed"),
    (0x06, "memory window bind error"),
    (0x10, "bad response"),
    (0x11, "local access error"),
    (0x12, "remote invalid request"),
    (0x13, "remote access error"),
    (0x14, "remote operation error"),
    (RETRIES, "transport retry counter exceeded"),
    (0x16, "receiver-not-ready retry counter exceeded"),
    (0x22, "remote aborted"),
];
const FLUSH: u32 = 0x05;
const RETRIES: u32 = 0x15;

impl Grammar for Completions {
    fn kinds(&self) -> &'static [Name] {
        &[RETRY, FAILED, FLUSHED]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        Some(match kind {
            RETRY => "A queue pair gave up resending: completion status 12.",
            FAILED => "An adapter reported that a piece of work failed.",
            FLUSHED => "Work that was still queued when another piece of it had failed.",
            _ => return None,
        })
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[ANCHOR]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.str();
        let Some(node) = text.split_once(ANCHOR).and_then(|(head, _)| host(head)) else { return };
        let mut fields = Fields::default();
        if node != NAMELESS {
            fields.set("node", node);
        }
        let word = cursor
            .stream()
            .filter(|line| line.number > cursor.line.number)
            .map_while(|line| quad(&line.str()))
            .take(LINES)
            .nth(LINES - 1)
            .map(|quad| quad[1]);
        let mut kind = (FAILED, Says::Failure);
        if let Some(word) = word {
            let syndrome = word & 0xff;
            kind = match syndrome {
                FLUSH => (FLUSHED, Says::Teardown),
                RETRIES => (RETRY, Says::Failure),
                _ => kind,
            };
            fields.set("syndrome", i64::from(syndrome));
            fields.set("vendor_err", i64::from(word >> 8 & 0xff));
            if let Some((_, what)) = SYNDROMES.iter().find(|(known, _)| *known == syndrome) {
                fields.set("what", *what);
            }
        }
        out.push(Event::on(cursor, &cursor.line, kind.0, kind.1, fields));
    }
}

/// The host in `mlx5: gpu-17: `.
fn host(head: &str) -> Option<&str> {
    let name = head.split_once("mlx5: ")?.1.trim_end().strip_suffix(':')?;
    let letters = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    (!name.is_empty() && name.chars().all(letters)).then_some(name)
}

/// Four words of the dump.
fn quad(text: &str) -> Option<[u32; WORDS]> {
    let mut words = text.split_whitespace();
    let mut quad = [0; WORDS];
    for word in &mut quad {
        let text = words.next().filter(|text| text.len() == 8)?;
        *word = u32::from_str_radix(text, 16).ok()?;
    }
    words.next().is_none().then_some(quad)
}
