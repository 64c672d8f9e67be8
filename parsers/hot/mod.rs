//! Patterns of the hottest kinds as grammars: a job of a thousand ranks that hangs prints these lines by the thousand.
//!
//! A grammar stands for one pattern of a format file. It tells where the groups of the match stand, just as the regex
//! would, or that there is none; or it gives up, and the regex is asked. So it can only save time.

use nom::IResult;
use regex_automata::util::primitives::NonMaxUsize;

use crate::event::{Name, intern};

mod nccl;
mod torch;

pub(crate) use nccl::envelope;

/// What the groups of a pattern hold, in their order.
type Groups<'t> = [Option<&'t [u8]>; MOST_GROUPS];

/// Most groups of a pattern that a grammar stands for.
const MOST_GROUPS: usize = 7;

/// What is left behind a match, and its groups; a failure where there is none for certain, an error where the regex must
/// be asked.
type Read<'t> = IResult<&'t [u8], Groups<'t>>;

/// Reads the match that begins where the bytes do.
type Grammar = fn(&[u8]) -> Read<'_>;

/// The patterns that have a grammar, by kind and number.
const GRAMMARS: [(&str, usize, Grammar); 6] = [
    ("torch.watchdog_timeout", 0, torch::watchdog_timeout),
    ("torch.pg_status", 0, torch::pg_status),
    ("torch.nccl_error", 0, torch::nccl_error),
    ("torch.taken_down", 0, torch::taken_down),
    ("nccl.ib_completion_error", 0, nccl::ib_completion_error),
    ("nccl.ib_flushed", 0, nccl::ib_flushed),
];

/// The grammar that stands for a pattern whose match begins with its literal.
#[derive(Debug, Clone)]
pub(crate) struct Hot {
    read: Grammar,
    /// The names of the groups.
    pub(crate) names: Vec<Name>,
}

impl Hot {
    /// The grammar for a pattern of the built-in formats, where it has one.
    pub(crate) fn of(kind: &str, number: usize, pattern: &str) -> Option<Self> {
        let (_, _, read) = GRAMMARS.iter().find(|(hot, at, _)| *hot == kind && *at == number)?;
        Some(Self { read: *read, names: group_names(pattern).map(intern).collect() })
    }

    /// Looks for a match that begins at `start`; the places of its groups go into `slots`, as a regex tells them. None
    /// where the regex must be asked whether there is one.
    pub(crate) fn search(&self, text: &[u8], start: usize, slots: &mut Vec<Option<NonMaxUsize>>) -> Option<bool> {
        let (rest, groups) = match (self.read)(text.get(start..)?) {
            Ok(read) => read,
            Err(nom::Err::Failure(_)) => return Some(false),
            Err(_) => return None,
        };
        slots.clear();
        slots.extend([start, text.len() - rest.len()].map(NonMaxUsize::new));
        for group in &groups[..self.names.len()] {
            let place = group.map(|group| group.as_ptr() as usize - text.as_ptr() as usize);
            let end = place.zip(*group).map(|(place, group)| place + group.len());
            slots.extend([place, end].map(|at| at.and_then(NonMaxUsize::new)));
        }
        Some(true)
    }
}

/// The names of the groups of a pattern, in order.
pub(crate) fn group_names(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split("(?P<").skip(1).filter_map(|part| Some(part.split_once('>')?.0))
}

/// A byte of `\w`.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// A byte of `\s`.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | 0x0b | 0x0c | b'\r' | b' ')
}

#[cfg(test)]
mod tests;
