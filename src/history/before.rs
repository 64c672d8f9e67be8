//! What is told beside a report of those that it blames: that they were in trouble before, and of what. Never a reason for a verdict.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::story::{DAY, DAYS, History, ONE, times};
use super::{Mark, What};
use crate::evidence::without_domain;
use crate::watch::Board;

/// Most marks that are told of one.
const MARKS: usize = 4;

/// Most lines that are told.
const LINES: usize = 8;

/// What a mark has to do with a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kin {
    /// It is of the same board.
    Same,
    /// It is of its node.
    Node,
    /// It is of another board of its node: one that was in its place before, or stands beside it.
    Beside,
}

impl History {
    /// What is to be said of those that are blamed for something that happened at a time: who was in trouble before, how often,
    /// and of what. A board that was put in another's place has not what that went through.
    #[must_use]
    pub fn before(&self, boards: &[Board], at: i64) -> Vec<String> {
        // Whoever told of it first wrote it down already.
        let (since, until) = (at.saturating_sub(DAYS * DAY), at.saturating_sub(ONE));
        let marks: Vec<&Mark> = self.marks.iter().filter(|mark| (since..until).contains(&mark.at)).collect();
        let mut told = BTreeSet::new();
        let mut lines = Vec::new();
        for board in boards {
            for wanted in [Kin::Same, Kin::Node, Kin::Beside] {
                let of: Vec<&Mark> =
                    marks.iter().copied().filter(|mark| kin(board, &mark.board) == Some(wanted)).collect();
                lines.extend(sentence(board, wanted, &of, at).filter(|line| told.insert(line.clone())));
            }
        }
        lines.truncate(LINES);
        lines
    }
}

fn kin(board: &Board, mark: &Board) -> Option<Kin> {
    let same = |of: fn(&Board) -> &Option<String>| of(board).as_ref().zip(of(mark).as_ref()).map(|(a, b)| a == b);
    let here =
        board.node.as_deref().zip(mark.node.as_deref()).is_some_and(|(a, b)| without_domain(a) == without_domain(b));
    match same(|one| &one.uuid).or_else(|| same(|one| &one.serial)) {
        Some(true) => return Some(Kin::Same),
        Some(false) => return here.then_some(Kin::Beside),
        None if !here => return None,
        None => {}
    }
    let numbered = |one: &Board| one.uuid.is_some() || one.serial.is_some();
    match same(|one| &one.gpu).or_else(|| same(|one| &one.port)) {
        // Which board stood in the place nobody tells where only one of them has a number.
        Some(true) if numbered(board) == numbered(mark) => Some(Kin::Same),
        Some(true) | None => Some(Kin::Node),
        Some(false) => Some(Kin::Beside),
    }
}

/// `gpu-17: 3rd time in 14 days; before: gpu-fell-off-bus on 2026-05-01 (watch job 4100), drained on 2026-05-01 (hook health-check)`.
fn sentence(board: &Board, kin: Kin, marks: &[&Mark], at: i64) -> Option<String> {
    let trouble: Vec<i64> = marks
        .iter()
        .filter(|mark| matches!(mark.what, What::Fault | What::Refused | What::Drained))
        .map(|mark| mark.at)
        .collect();
    let first = *trouble.first()?;
    let incidents = 1 + trouble.windows(2).filter(|pair| pair[1] - pair[0] > ONE).count() as u64;
    let days = ((at - first + DAY / 2) / DAY).max(1);
    let days = if days == 1 { "a day".to_owned() } else { format!("{days} days") };
    let node = board.node.as_deref().unwrap_or("?");
    let lead = match kin {
        Kin::Beside => format!("other boards of {node}: {} within {days}", times(incidents)),
        Kin::Node => format!("{node}: {} time in {days}; before", ordinal(incidents + 1)),
        Kin::Same => {
            let own = board.uuid.as_ref().or(board.serial.as_ref()).cloned();
            let place = |at: &Option<String>| Some(format!("{} of {node}", at.as_deref()?));
            let name =
                own.or_else(|| place(&board.gpu)).or_else(|| place(&board.port)).unwrap_or_else(|| node.to_owned());
            format!("{name}: {} time in {days}; before", ordinal(incidents + 1))
        }
    };
    let shown = marks.len().saturating_sub(MARKS);
    let more = if shown > 0 { format!("; and {shown} more (diag history {node})") } else { String::new() };
    let list: Vec<String> = marks[shown..].iter().map(|mark| told(mark, board, kin)).collect();
    Some(format!("{lead}: {}{more}", list.join(", ")))
}

fn told(mark: &Mark, board: &Board, kin: Kin) -> String {
    let what = match mark.what {
        What::Fault => mark.why.clone(),
        What::Refused => "refused to a job".to_owned(),
        What::Drained => "drained".to_owned(),
        What::Mended => format!("{} mended", mark.why),
        What::NotMended => format!("{} not mended", mark.why),
        What::Returned => "given back".to_owned(),
    };
    let elsewhere = mark
        .board
        .node
        .as_deref()
        .filter(|node| board.node.as_deref().is_some_and(|own| without_domain(own) != without_domain(node)));
    let place = elsewhere.map_or_else(String::new, |node| format!(" in {node}"));
    let which = mark.board.uuid.as_ref().or(mark.board.serial.as_ref()).or(mark.board.gpu.as_ref());
    let which = which.filter(|_| kin == Kin::Beside).map_or_else(String::new, |which| format!("{which}: "));
    let day = Timestamp::from_second(mark.at).unwrap_or_default().strftime("%Y-%m-%d");
    format!("{which}{what}{place} on {day} ({})", mark.by)
}

fn ordinal(count: u64) -> String {
    let end = match (count % 10, count % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{count}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-05-01.
    const BEGAN: i64 = 1_777_593_600;

    fn board(node: &str, gpu: &str, uuid: &str) -> Board {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Board { node: some(node), gpu: some(gpu), uuid: some(uuid), ..Board::default() }
    }

    fn mark(day: i64, what: What, board: Board) -> Mark {
        let by = if what == What::Fault { format!("watch job 41{day:02}") } else { "ana@head".to_owned() };
        Mark { at: BEGAN + day * DAY, what, board, why: "gpu-fell-off-bus".to_owned(), by }
    }

    fn before(marks: Vec<Mark>, board: Board) -> Vec<String> {
        History::new(marks).before(&[board], BEGAN + 14 * DAY)
    }

    #[test]
    fn who_was_in_trouble_before_is_told_with_how_often_and_of_what() {
        let node = || board("gpu-17", "", "");
        let marks = vec![
            mark(0, What::Fault, node()),
            mark(0, What::Drained, node()),
            mark(1, What::Returned, node()),
            mark(6, What::Fault, node()),
            mark(6, What::NotMended, node()),
        ];
        let told = before(marks, node());
        insta::assert_snapshot!(told.join("\n"), @"gpu-17: 3rd time in 14 days; before: drained on 2026-05-01 (ana@head), given back on 2026-05-02 (ana@head), gpu-fell-off-bus on 2026-05-07 (watch job 4106), gpu-fell-off-bus not mended on 2026-05-07 (ana@head); and 1 more (diag history gpu-17)");
    }

    #[test]
    fn a_board_that_was_put_in_anothers_place_has_not_what_that_went_through() {
        let marks = || {
            vec![
                mark(1, What::Fault, board("gpu-17", "0000:3b:00", "GPU-1")),
                mark(5, What::Fault, board("gpu-17", "0000:3b:00", "GPU-1")),
            ]
        };
        let told = before(marks(), board("gpu-17", "0000:3b:00", "GPU-2"));
        insta::assert_snapshot!(told.join("\n"), @"other boards of gpu-17: twice within 13 days: GPU-1: gpu-fell-off-bus on 2026-05-02 (watch job 4101), GPU-1: gpu-fell-off-bus on 2026-05-06 (watch job 4105)");
        let told = before(marks(), board("gpu-09", "0000:5e:00", "GPU-1"));
        insta::assert_snapshot!(told.join("\n"), @"GPU-1: 3rd time in 13 days; before: gpu-fell-off-bus in gpu-17 on 2026-05-02 (watch job 4101), gpu-fell-off-bus in gpu-17 on 2026-05-06 (watch job 4105)");
        assert_eq!(before(marks(), board("gpu-09", "0000:3b:00", "")), [""; 0]);
        let unnumbered = before(marks(), board("gpu-17", "0000:3b:00", ""));
        assert!(unnumbered[0].starts_with("gpu-17: 3rd time"), "which board it was nobody tells: {unnumbered:?}");
    }

    #[test]
    fn a_host_is_the_same_with_its_domain_and_an_address_no_other() {
        let once = |node: &str| vec![mark(1, What::Fault, board(node, "", ""))];
        assert_eq!(before(once("gpu-17.example.org"), board("gpu-17", "", "")).len(), 1);
        assert_eq!(before(once("10.0.0.5"), board("10.0.0.6", "", "")), [""; 0]);
    }

    #[test]
    fn what_happened_is_not_its_own_history_and_what_is_long_ago_is_none() {
        let node = || board("gpu-17", "", "");
        assert_eq!(before(vec![mark(14, What::Fault, node()), mark(-20, What::Fault, node())], node()), [""; 0]);
        assert_eq!(
            [1, 2, 3, 11, 12, 21, 22, 112].map(ordinal),
            ["1st", "2nd", "3rd", "11th", "12th", "21st", "22nd", "112th"]
        );
    }
}
