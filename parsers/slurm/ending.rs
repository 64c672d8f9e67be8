//! How a job ended: its state, its exit code, and what the two tell of the cause.
//!
//! States: slurm-25-05 `src/common/slurm_protocol_defs.c`, `job_state_string`; tables cut them to ten characters, the last
//! of which is then `+`. An exit code is `status:signal`.

use crate::event::{Fields, Name};

/// The kinds that a state makes.
pub(crate) const KINDS: &[Name] = &[
    TIME_LIMIT,
    DEADLINE,
    PREEMPTED,
    NODE_FAIL,
    BOOT_FAIL,
    OUT_OF_MEMORY,
    CANCELLED,
    UNSTARTED,
    CRASHED,
    KILLED,
    FAILED,
];

const TIME_LIMIT: Name = "sacct.time_limit";
const DEADLINE: Name = "sacct.deadline";
const PREEMPTED: Name = "sacct.preempted";
const NODE_FAIL: Name = "sacct.node_fail";
const BOOT_FAIL: Name = "sacct.boot_fail";
const OUT_OF_MEMORY: Name = "sacct.out_of_memory";
const CANCELLED: Name = "sacct.cancelled";
const UNSTARTED: Name = "sacct.unstarted";
const CRASHED: Name = "sacct.crashed";
const KILLED: Name = "sacct.killed";
const FAILED: Name = "sacct.failed";

pub(crate) fn about(kind: &str) -> Option<&'static str> {
    Some(match kind {
        TIME_LIMIT => "a job ended because its time was up",
        DEADLINE => "a job ended because its deadline had come",
        PREEMPTED => "a job made place for one of higher priority",
        NODE_FAIL => "a job ended because a node of it failed",
        BOOT_FAIL => "a job ended because a node of it did not boot",
        OUT_OF_MEMORY => "a job or step hit its limit of memory",
        CANCELLED => "a job was cancelled",
        UNSTARTED => "a job ended before its script ran: its output or its directory could not be opened",
        CRASHED => "a job or step died of a signal that a defect raises",
        KILLED => "a job or step died of SIGKILL",
        FAILED => "a job ended with an exit code that is not zero",
        _ => return None,
    })
}

/// Whether such an end is a node's, or happened on one: of a job with a single node it is known which.
pub(super) fn is_its_nodes(kind: &str) -> bool {
    [NODE_FAIL, BOOT_FAIL, OUT_OF_MEMORY].contains(&kind)
}

/// The host of a list of nodes that has no other; a list that was cut ends in `+`, and words in place of one are none
/// (`None assigned`, `(null)`).
pub(super) fn only_host(list: &str) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let named = list.contains(|c: char| c.is_ascii_digit()) || list.len() > 4;
    Some(list).filter(|list| named && *list != "Unknown" && list.bytes().all(plain))
}

/// The witness of a job's end, whichever command tells it.
pub(crate) const WITNESS: &str = "accounting";

/// A state as it is printed, and the whole of it.
const STATES: [(&str, Name); 8] = [
    ("TIMEOUT", TIME_LIMIT),
    ("DEADLINE", DEADLINE),
    ("PREEMPTED", PREEMPTED),
    ("NODE_FAIL", NODE_FAIL),
    ("BOOT_FAIL", BOOT_FAIL),
    ("OUT_OF_MEMORY", OUT_OF_MEMORY),
    ("CANCELLED", CANCELLED),
    ("FAILED", FAILED),
];

/// Words by which a line with a state is found.
pub(crate) const ANCHORS: &[&str] =
    &["TIMEOUT", "DEADLINE", "PREEMPTED", "NODE_FAIL", "BOOT_FAIL", "OUT_OF_ME", "CANCELLED", "FAILED"];

/// Least characters of a state that is cut.
const LEAST_CUT: usize = 7;

/// How a job or a step ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ending {
    kind: Option<Name>,
    by: Option<i64>,
    exit: Option<(i64, i64)>,
}

impl Ending {
    /// Reads a state: `NODE_FAIL`, `OUT_OF_ME+`, `CANCELLED by 1000`.
    pub(crate) fn of(state: &str) -> Option<Self> {
        let state = state.trim();
        let (word, rest) = state.split_once(' ').unwrap_or((state, ""));
        let (word, cut) = word.strip_suffix('+').map_or((word, false), |word| (word, true));
        let fits = |name: &str| name == word || cut && word.len() >= LEAST_CUT && name.starts_with(word);
        let kind = STATES.iter().find(|(name, _)| fits(name)).map(|(_, kind)| *kind)?;
        let by = rest.strip_prefix("by ").and_then(|uid| uid.trim().parse().ok());
        Some(Self { kind: Some(kind), by, exit: None })
    }

    /// Adds an exit code.
    pub(crate) fn with_exit(mut self, exit: Option<(i64, i64)>) -> Self {
        self.exit = exit;
        self
    }

    /// The kind that a job (or a step of one) of this end makes. A step ends as its job did, unless it tells of memory or
    /// of a signal of its own.
    pub(crate) fn kind(&self, step: bool) -> Option<Name> {
        let kind = self.kind?;
        let kind = if kind == FAILED { self.failure() } else { kind };
        (!step || [OUT_OF_MEMORY, CRASHED, KILLED].contains(&kind)).then_some(kind)
    }

    fn failure(&self) -> Name {
        match self.signal() {
            Some(4 | 7 | 8 | 11) => CRASHED,
            Some(9) => KILLED,
            // What slurmstepd leaves where it could not set a batch job up: no signal of Linux has that number here.
            Some(53) => UNSTARTED,
            _ => FAILED,
        }
    }

    /// The signal: of the exit code, or as a shell tells it (128 and the signal).
    fn signal(&self) -> Option<i64> {
        let (status, signal) = self.exit?;
        if signal > 0 { Some(signal) } else { (129..=128 + 31).contains(&status).then(|| status - 128) }
    }

    /// What an event of it tells beside job and times.
    pub(crate) fn fill(&self, kind: Name, fields: &mut Fields) {
        if let Some(uid) = self.by {
            fields.set("by", uid);
        }
        if let (CRASHED, Some(signal)) = (kind, self.signal()) {
            fields.set("signal", signal);
        }
        if let (FAILED, Some((status, _))) = (kind, self.exit) {
            fields.set("exit_code", status);
        }
    }
}

/// Whether a kind tells that something failed and not what.
pub(crate) fn is_unexplained(kind: Name) -> bool {
    [FAILED, KILLED].contains(&kind)
}

/// `1:0`, `0:9`.
pub(crate) fn exit_code(text: &str) -> Option<(i64, i64)> {
    let (status, signal) = text.split_once(':')?;
    let number = |part: &str| part.parse::<i64>().ok().filter(|_| part.len() <= 3 && !part.starts_with(['+', '-']));
    Some((number(status)?, number(signal)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(state: &str, exit: &str, step: bool) -> Option<Name> {
        Ending::of(state).and_then(|end| end.with_exit(exit_code(exit)).kind(step))
    }

    #[test]
    fn states_are_read_whole_and_cut() {
        assert_eq!(kind("OUT_OF_ME+", "0:125", true), Some(OUT_OF_MEMORY));
        assert_eq!(kind("NODE_FAIL", "1:0", false), Some(NODE_FAIL));
        assert_eq!(kind("CANCELLED by 1000", "0:0", false), Some(CANCELLED));
        assert_eq!(kind("CANCELLED+", "0:15", true), None, "a step ends as its job does");
        assert_eq!(kind("COMPLETED", "0:0", false), None);
        assert_eq!(Ending::of("F+"), None);
    }

    #[test]
    fn a_failure_is_told_apart_by_its_signal() {
        assert_eq!(kind("FAILED", "1:0", false), Some(FAILED));
        assert_eq!(kind("FAILED", "1:0", true), None);
        assert_eq!(kind("FAILED", "0:9", true), Some(KILLED));
        assert_eq!(kind("FAILED", "137:0", false), Some(KILLED));
        assert_eq!(kind("FAILED", "139:0", false), Some(CRASHED));
        assert_eq!(kind("FAILED", "0:53", false), Some(UNSTARTED));
        assert_eq!(exit_code("12:30:01"), None);
    }
}
