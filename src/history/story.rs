//! From marks to who was in trouble how often.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Mark, What};
use crate::evidence::without_domain;
use crate::watch::Board;

/// Seconds within which the same fault on the same hardware is one: all jobs that met it tell of it.
pub(super) const ONE: i64 = 3600;

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// Days of which people are told without asking.
pub const DAYS: i64 = 30;

/// Everything that is known.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub(super) marks: Vec<Mark>,
}

/// A node, a board or a port that was in trouble.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offender {
    /// The UUID or serial number of a board, else its place, or the node.
    pub name: String,
    /// Where it was seen, the last place last.
    pub nodes: Vec<String>,
    /// The causes of its faults, each with how often.
    pub faults: Vec<(String, u64)>,
    /// How often a hook kept a job from it.
    pub refused: u64,
    /// How often it was taken from service.
    pub drained: u64,
    /// Who gave it back, the last one last.
    pub returned: Vec<String>,
    /// How often a fix was proven.
    pub mended: u64,
    /// When something happened to it first and last, in seconds since 1970.
    pub first: i64,
    /// The last time.
    pub last: i64,
}

impl History {
    /// What marks come to, in whatever order they are.
    #[must_use]
    pub fn new(mut marks: Vec<Mark>) -> Self {
        marks.sort_by(|a, b| (a.at, a.what, &a.why).cmp(&(b.at, b.what, &b.why)));
        let mut history = Self { marks: Vec::with_capacity(marks.len()) };
        let mut last: BTreeMap<(String, String, What), i64> = BTreeMap::new();
        for mark in marks {
            let key = (name(&mark.board), mark.why.clone(), mark.what);
            let again = last.get(&key).is_some_and(|at| mark.at - at < ONE);
            if !again {
                last.insert(key, mark.at);
                history.marks.push(mark);
            }
        }
        history
    }

    /// Those in trouble within so many days, the worst first.
    #[must_use]
    pub fn offenders(&self, now: i64, days: i64) -> Vec<Offender> {
        let since = now.saturating_sub(days.saturating_mul(DAY));
        let mut all: BTreeMap<String, Offender> = BTreeMap::new();
        for mark in self.marks.iter().filter(|mark| mark.at >= since) {
            for name in names(&mark.board) {
                all.entry(name.clone()).or_insert_with(|| Offender::new(name, mark.at)).take(mark);
            }
        }
        let mut all: Vec<Offender> = all.into_values().collect();
        all.sort_by(|a, b| (b.weight(), b.last, &a.name).cmp(&(a.weight(), a.last, &b.name)));
        all
    }

    /// What is to be said beside a fault: of the board where it is known, and of its node. Nothing where it is the first time.
    #[must_use]
    pub fn beside(&self, boards: &[Board], now: i64) -> Vec<String> {
        let all = self.offenders(now, DAYS);
        let named: BTreeSet<String> = boards.iter().flat_map(names).collect();
        let told = all.iter().filter(|one| named.contains(&one.name));
        told.filter(|one| one.weight() > 1).map(|one| format!("{} (last {DAYS} days)", one.told())).collect()
    }

    /// The marks of a node or board, the oldest first.
    #[must_use]
    pub fn of(&self, name: &str) -> Vec<&Mark> {
        let host = |board: &Board| board.node.as_deref().is_some_and(|node| without_domain(node) == name);
        let of = |mark: &&Mark| names(&mark.board).iter().any(|known| known == name) || host(&mark.board);
        self.marks.iter().filter(of).collect()
    }
}

impl Offender {
    fn new(name: String, at: i64) -> Self {
        Self {
            name,
            nodes: Vec::new(),
            faults: Vec::new(),
            refused: 0,
            drained: 0,
            returned: Vec::new(),
            mended: 0,
            first: at,
            last: at,
        }
    }

    fn take(&mut self, mark: &Mark) {
        self.last = mark.at;
        if let Some(node) = &mark.board.node {
            self.nodes.retain(|known| known != node);
            self.nodes.push(node.clone());
        }
        match mark.what {
            What::Fault => match self.faults.iter_mut().find(|(cause, _)| *cause == mark.why) {
                Some((_, count)) => *count += 1,
                None => self.faults.push((mark.why.clone(), 1)),
            },
            What::Refused => self.refused += 1,
            What::Drained => self.drained += 1,
            What::Mended => self.mended += 1,
            What::NotMended => {}
            What::Returned => self.returned.push(mark.by.clone()),
        }
    }

    fn weight(&self) -> u64 {
        self.faults.iter().map(|(_, count)| count).sum::<u64>() + self.drained + self.refused
    }

    /// In one sentence: `gpu-17: gpu-fell-off-bus 4 times, drained twice, given back by ana@head`.
    #[must_use]
    pub fn told(&self) -> String {
        let mut parts: Vec<String> =
            self.faults.iter().map(|(cause, count)| format!("{cause} {}", times(*count))).collect();
        let mut more = |count: u64, what: &str| parts.extend((count > 0).then(|| format!("{what} {}", times(count))));
        more(self.refused, "refused to jobs");
        more(self.drained, "drained");
        more(self.mended, "mended");
        parts.extend(self.returned.last().map(|by| format!("given back by {by}")));
        let place = match self.nodes.split_last() {
            Some((here, [])) if *here != self.name => format!(" in {here}"),
            Some((here, before)) if !before.is_empty() => format!(" in {here}, before that in {}", before.join(", ")),
            _ => String::new(),
        };
        format!("{}{place}: {}", self.name, parts.join(", "))
    }
}

pub(super) fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}

/// By what hardware is known: its own number, else its place.
fn name(board: &Board) -> String {
    names(board).into_iter().next().unwrap_or_default()
}

/// The board, where it is named, and the node.
fn names(board: &Board) -> Vec<String> {
    let place = |what: &Option<String>| Some(format!("{} {}", board.node.as_deref()?, what.as_deref()?));
    let own = board
        .uuid
        .clone()
        .or_else(|| board.serial.clone())
        .or_else(|| place(&board.gpu))
        .or_else(|| place(&board.port));
    own.into_iter().chain(board.node.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(day: i64, what: What, node: &str, uuid: &str) -> Mark {
        let uuid = (!uuid.is_empty()).then(|| uuid.to_owned());
        let board =
            Board { node: Some(node.to_owned()), gpu: Some("0000:3b:00.0".to_owned()), uuid, ..Board::default() };
        Mark { at: day * DAY, what, board, why: "gpu-fell-off-bus".to_owned(), by: "ana@head".to_owned() }
    }

    #[test]
    fn a_board_is_followed_from_node_to_node() {
        let history = History::new(vec![
            mark(1, What::Fault, "gpu-09", "GPU-1"),
            mark(2, What::Drained, "gpu-09", "GPU-1"),
            mark(5, What::Fault, "gpu-17", "GPU-1"),
            mark(6, What::Returned, "gpu-17", "GPU-1"),
            mark(9, What::Fault, "gpu-17", "GPU-1"),
        ]);
        let board = Board { uuid: Some("GPU-1".to_owned()), ..Board::default() };
        let told = history.beside(&[board], 10 * DAY);
        assert_eq!(
            told,
            [
                "GPU-1 in gpu-17, before that in gpu-09: gpu-fell-off-bus 3 times, drained once, given back by ana@head (last 30 days)"
            ]
        );
        let all = history.offenders(10 * DAY, 30);
        assert_eq!((all[0].name.as_str(), all[1].name.as_str()), ("GPU-1", "gpu-17"));
        assert!(history.offenders(10 * DAY, 2).iter().all(|one| one.faults == [("gpu-fell-off-bus".to_owned(), 1)]));
        assert_eq!(history.of("gpu-09").len(), 2);
    }

    #[test]
    fn two_hundred_jobs_that_met_one_fault_are_one_fault_and_the_first_is_no_history() {
        let met = (0..200).map(|nth| Mark { at: DAY + nth, ..mark(1, What::Fault, "gpu-17", "") });
        let history = History::new(met.collect());
        let board = Board { node: Some("gpu-17".to_owned()), ..Board::default() };
        assert_eq!(history.beside(std::slice::from_ref(&board), 2 * DAY), [""; 0]);
        assert_eq!(history.offenders(2 * DAY, 30)[0].faults, [("gpu-fell-off-bus".to_owned(), 1)]);
    }

    #[test]
    fn a_host_is_asked_for_with_or_without_its_domain_and_an_address_as_it_is() {
        let marks = ["10.0.0.5", "10.0.0.6", "gpu-17", "gpu-17.example.org"].map(|node| mark(1, What::Fault, node, ""));
        let history = History::new(marks.to_vec());
        assert_eq!(["10.0.0.5", "10", "gpu-17"].map(|node| history.of(node).len()), [1, 0, 2]);
    }
}
