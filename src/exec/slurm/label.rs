//! Streams of many tasks in the lines of one: `srun --label`, and what our encoder on the nodes makes of output.

use std::collections::BTreeMap;

/// Longest line that the encoder passes on whole, in bytes.
pub(super) const FOLD: usize = 65_536;

/// What a node runs: the shell that listens, each stream of it in short tagged lines. slurmstepd sends lines of up to
/// 1,024 bytes whole (SLURM_IO_MAX_MSG_LEN, slurm/src/common/slurm_protocol_defs.h) and breaks longer ones without a word:
/// `+` is a piece of a line, `=` its last. Lines beyond 64 KiB are cut before, so that nothing without an end fills the
/// node's memory.
pub(super) const REMOTE: &str = r#"e='s/.\{700\}/+&\n/g;s/^\(.*\n\)\{0,1\}/&=/'
export LC_ALL=C
{ env -u LC_ALL sh -s 2>&1 >&4 4>&- | stdbuf -oL fold -b -w 65536 | sed -u "$e" >&2 4>&-; } 4>&1 | stdbuf -oL fold -b -w 65536 | sed -u "$e""#;

/// Takes a labelled stream apart.
#[derive(Debug, Default)]
pub(super) struct Labelled {
    held: Vec<u8>,
    /// Bytes of the line that each task has begun.
    begun: BTreeMap<usize, usize>,
    /// What srun itself says.
    pub(super) noise: Vec<u8>,
}

/// Most bytes of a line of srun.
const LONGEST: usize = 64 * 1024;

/// Most bytes kept of what srun says.
const NOISE: usize = 16 * 1024;

impl Labelled {
    /// The next bytes; `tell` gets those of each task.
    pub(super) fn take(&mut self, bytes: &[u8], tell: &mut dyn FnMut(usize, &[u8])) {
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let mut rest = held.as_slice();
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.line(&rest[..end], tell);
            rest = &rest[end + 1..];
        }
        // No line of ours is that long.
        self.held = if rest.len() > LONGEST { Vec::new() } else { rest.to_vec() };
    }

    fn line(&mut self, line: &[u8], tell: &mut dyn FnMut(usize, &[u8])) {
        let Some((task, tag, text)) = split(line) else {
            let room = NOISE.saturating_sub(self.noise.len() + 1);
            self.noise.extend(&line[..line.len().min(room)]);
            self.noise.push(b'\n');
            return;
        };
        tell(task, text);
        let length = self.begun.entry(task).or_default();
        *length += text.len();
        if tag == b'=' {
            // A line of just this length is one that was cut.
            if *length != FOLD {
                tell(task, b"\n");
            }
            *length = 0;
        }
    }
}

/// `  3: =text`.
fn split(line: &[u8]) -> Option<(usize, u8, &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let task = std::str::from_utf8(&line[..colon]).ok()?.trim().parse().ok()?;
    let rest = line[colon + 1..].strip_prefix(b" ")?;
    let (tag, text) = rest.split_first()?;
    matches!(tag, b'=' | b'+').then_some((task, *tag, text))
}

#[cfg(test)]
mod tests {
    use super::{FOLD, Labelled};

    fn task(stream: &[u8], wanted: usize) -> (Vec<u8>, String) {
        let mut labelled = Labelled::default();
        let mut all = Vec::new();
        for chunk in stream.chunks(7) {
            labelled.take(chunk, &mut |task, bytes| {
                if task == wanted {
                    all.extend_from_slice(bytes);
                }
            });
        }
        (all, String::from_utf8(labelled.noise).unwrap())
    }

    #[test]
    fn lines_find_back_to_their_tasks() {
        let stream = b"0: =one\n1: +ab\nsrun: error: node2: x\n 0: =\n1: =c: d\n01: =e\n";
        assert_eq!(task(stream, 0), (b"one\n\n".to_vec(), "srun: error: node2: x\n".to_owned()));
        assert_eq!(task(stream, 1).0, b"abc: d\ne\n");
    }

    #[test]
    fn a_line_that_was_cut_is_whole_again() {
        let piece = "x".repeat(FOLD);
        let (whole, last) = (FOLD / 700, FOLD % 700);
        let short = format!("0: +{}\n", "x".repeat(700)).repeat(whole);
        let stream = format!("{short}0: ={}\n0: =yz\n", "x".repeat(last));
        let (all, _) = task(stream.as_bytes(), 0);
        assert_eq!(all, format!("{piece}yz\n").as_bytes());
    }
}
