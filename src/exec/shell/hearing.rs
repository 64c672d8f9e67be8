//! What is heard of a part: its output, and how it ended.

use super::marks::{Marks, Piece};
use crate::exec::keep::{Keep, Room, last_line};
use crate::exec::outcome::{End, Kept};
use crate::plan::Work;

/// Most bytes kept of what a node says before the wrapper does: a login banner, an error of ssh.
const NOISE: usize = 4096;

/// One of the two streams of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::exec) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Listens to both streams of a part.
#[derive(Debug)]
pub(in crate::exec) struct Hearing<'a> {
    out: Ear<'a>,
    err: Ear<'a>,
}

/// Listens to one stream.
#[derive(Debug)]
struct Ear<'a> {
    marks: Marks,
    keep: Keep<'a>,
    noise: Vec<u8>,
    /// What the wrapper said when it was ready.
    ready: Option<String>,
    /// What was said of the end.
    ended: Option<String>,
    cannot: Option<String>,
}

impl<'a> Ear<'a> {
    fn new(mark: &str, cap: usize, room: &'a Room) -> Self {
        let (marks, keep) = (Marks::new(mark), Keep::new(cap, room));
        Self { marks, keep, noise: Vec::new(), ready: None, ended: None, cannot: None }
    }

    fn hear(&mut self, bytes: &[u8], tell: &mut dyn FnMut(&[u8])) {
        let Self { marks, keep, noise, ready, ended, cannot } = self;
        marks.take(bytes, &mut |piece| match piece {
            Piece::Word(word) => match word.split_once(' ').unwrap_or((&word, "")) {
                ("ready", who) => *ready = Some(who.to_owned()),
                ("ended", how) => *ended = Some(how.to_owned()),
                ("cannot", why) => *cannot = Some(why.to_owned()),
                _ => {}
            },
            Piece::Bytes(bytes) if ready.is_some() && ended.is_none() => {
                keep.add(bytes);
                tell(bytes);
            }
            Piece::Bytes(bytes) if ready.is_none() => noise.extend(&bytes[..bytes.len().min(NOISE - noise.len())]),
            Piece::Bytes(_) => {}
        });
    }
}

impl<'a> Hearing<'a> {
    pub(in crate::exec) fn new(mark: &str, work: &Work, room: &'a Room) -> Self {
        let ear = || Ear::new(mark, work.output_cap, room);
        Self { out: ear(), err: ear() }
    }

    /// The next bytes of a stream; `tell` gets those that the command has printed.
    pub(in crate::exec) fn hear(&mut self, stream: Stream, bytes: &[u8], tell: &mut dyn FnMut(&[u8])) {
        match stream {
            Stream::Out => self.out.hear(bytes, tell),
            Stream::Err => self.err.hear(bytes, tell),
        }
    }

    /// The wrapper is there.
    pub(in crate::exec) const fn is_ready(&self) -> bool {
        self.err.ready.is_some()
    }

    /// What it said of where it is: the node and the job step, within Slurm.
    pub(in crate::exec) fn place(&self) -> Option<&str> {
        self.err.ready.as_deref()
    }

    /// All is heard.
    pub(in crate::exec) const fn is_done(&self) -> bool {
        self.out.ended.is_some() && self.err.ended.is_some()
    }

    /// Why it can't be run, as the wrapper says.
    pub(in crate::exec) fn cannot(&self) -> Option<String> {
        self.err.cannot.clone()
    }

    /// What came before the wrapper: on standard error, or else on standard output.
    pub(in crate::exec) fn noise(&self) -> String {
        let noise = if last_line(&self.err.noise).is_empty() { &self.out.noise } else { &self.err.noise };
        String::from_utf8_lossy(noise).into_owned()
    }

    /// The last that was said on standard error.
    pub(in crate::exec) fn last_words(&self) -> String {
        self.err.keep.last_line()
    }

    /// How the command ended, as the wrapper says, with what is to be noted of it.
    pub(in crate::exec) fn end(&self) -> Option<(End, Option<String>)> {
        if let Some(why) = self.cannot() {
            return Some((End::CannotRun(why), None));
        }
        let (what, number) = self.err.ended.as_deref()?.split_once(' ')?;
        let number: i32 = number.parse().ok()?;
        match what {
            "exit" => Some((End::Exit(number), None)),
            "signal" => Some((End::Signal(number), None)),
            "status" if number > 128 => {
                let note = format!("without awk on the node, exit {number} and signal {} look alike", number - 128);
                Some((End::Signal(number - 128), Some(note)))
            }
            "status" => Some((End::Exit(number), None)),
            _ => None,
        }
    }

    /// The outputs.
    pub(in crate::exec) fn outputs(mut self) -> (Kept, Kept) {
        for ear in [&mut self.out, &mut self.err] {
            let Ear { marks, keep, ready, ended, .. } = ear;
            if ready.is_some() && ended.is_none() {
                marks.rest(&mut |piece| {
                    if let Piece::Bytes(bytes) = piece {
                        keep.add(bytes);
                    }
                });
            }
        }
        (self.out.keep.kept(), self.err.keep.kept())
    }
}
