//! What keys do.

use std::fmt::Write as _;

use diag::plan::Question;
use diag::triage::{Effect, Event, News, Reply, View};
use ratatui::crossterm::event::KeyCode;

use super::{Sitting, WHOLE};

const OOM: &str = "host-oom/one-node-with-its-kernel-log";
const LOST: &str = "gpu-fell-off-bus/watchdogs-of-sixteen-and-a-kernel-log";
const SMALL: (u16, u16) = (80, 24);

#[test]
fn views_are_reached_by_number_and_in_turn() {
    let mut sitting = Sitting::sample(OOM, SMALL);
    for (at, view) in View::ALL.into_iter().enumerate() {
        sitting.types(&(at + 1).to_string());
        assert_eq!(sitting.state.view(), view);
    }
    sitting.press(KeyCode::Tab);
    assert_eq!(sitting.state.view(), View::Overview);
    sitting.press(KeyCode::BackTab);
    assert_eq!(sitting.state.view(), View::HandOver);
}

#[test]
fn it_ends_at_once_where_nothing_runs_and_asks_where_something_does() {
    let mut sitting = Sitting::sample(LOST, SMALL);
    sitting.types("q");
    assert_eq!(sitting.wanted, [Effect::Quit]);
    sitting.wanted.clear();
    sitting.control('c');
    assert_eq!(sitting.wanted, [Effect::Quit]);
    sitting.wanted.clear();
    sitting.types("5ry");
    assert_eq!(sitting.wanted, [Effect::Begin(None)]);
    assert!(sitting.state.runs());
    sitting.wanted.clear();
    sitting.types("q");
    sitting.shows("Something runs");
    assert!(sitting.wanted.is_empty());
    sitting.press(KeyCode::Esc);
    sitting.control('c');
    sitting.control('c');
    assert_eq!(sitting.wanted, [Effect::Stop], "twice is a yes, and it waits for the end of what runs");
    sitting.wanted.clear();
    sitting.happens(Event::News(News::Ended(Ok("INCONCLUSIVE".to_owned()))));
    assert_eq!(sitting.wanted, [Effect::Quit]);
}

#[test]
fn a_question_can_be_put_aside_and_an_answer_is_what_was_typed() {
    let question = || Question {
        id: "hca".to_owned(),
        what: "Which adapter?".to_owned(),
        kind: "name".to_owned(),
        offers: vec!["mlx5_0".to_owned(), "mlx5_3".to_owned()],
        min: None,
        max: None,
        tests: Vec::new(),
    };
    let mut sitting = Sitting::sample(LOST, SMALL);
    sitting.types("5ry");
    sitting.wanted.clear();
    sitting.happens(Event::News(News::Answer(question())));
    sitting.shows("Which adapter?");
    sitting.press(KeyCode::Tab);
    sitting.types("4");
    sitting.hides("Which adapter?");
    sitting.shows("a question waits");
    sitting.types("a");
    sitting.types("qn?x");
    sitting.press(KeyCode::Backspace);
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.wanted, [Effect::Reply(Reply::Answer("qn?".to_owned()))], "letters are letters");
    sitting.wanted.clear();
    sitting.happens(Event::News(News::Answer(question())));
    sitting.press(KeyCode::Down);
    sitting.press(KeyCode::Down);
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.wanted, [Effect::Reply(Reply::Answer("mlx5_3".to_owned()))]);
    sitting.wanted.clear();
    sitting.happens(Event::News(News::Answer(question())));
    sitting.press(KeyCode::Esc);
    assert_eq!(sitting.wanted, [Effect::Reply(Reply::Nobody)]);
}

#[test]
fn facts_are_sifted_by_column_and_word() {
    let mut sitting = Sitting::sample(LOST, SMALL);
    sitting.types("4f");
    let all = facts(&sitting);
    sitting.types("/rank:3");
    let of_one = facts(&sitting);
    assert!(of_one > 0 && of_one < all, "{of_one} of {all}");
    sitting.press(KeyCode::Esc);
    assert_eq!(facts(&sitting), all, "what was typed and not taken changes nothing");
    sitting.types("/kind:kernel XID");
    sitting.press(KeyCode::Enter);
    let narrow = facts(&sitting);
    assert!(narrow > 0 && narrow < all, "{narrow}");
    sitting.types("/ nowhere-to-be-found");
    sitting.press(KeyCode::Enter);
    sitting.shows("No fact fits");
    sitting.press(KeyCode::Enter);
    sitting.press(KeyCode::Esc);
    assert_eq!(facts(&sitting), all);
}

/// How many facts the list is of.
fn facts(sitting: &Sitting) -> usize {
    let text = sitting.text();
    // While a filter is typed, its head is the line that is typed.
    let rows = text.lines().skip(3).filter(|line| line.starts_with([' ', '>'])).count();
    let head = text.lines().nth(2).unwrap();
    head.split(" line").next().and_then(|count| count.replace(',', "").parse().ok()).unwrap_or(rows)
}

#[test]
fn a_moment_leads_to_its_line_and_a_finding_to_its_evidence() {
    let mut sitting = Sitting::sample(OOM, SMALL);
    sitting.types("2l");
    sitting.press(KeyCode::Enter);
    assert_eq!(sitting.state.view(), View::Evidence);
    sitting.shows("gpu-17.log:");
    sitting.types("3");
    sitting.press(KeyCode::Enter);
    sitting.shows("filter: finding:1");
    sitting.shows("E1");
}

/// A job of so many ranks, one of which raises.
fn many(ranks: usize) -> (tempfile::TempDir, String) {
    let mut log = String::new();
    for rank in 0..ranks {
        let (node, gpu) = (rank / 8, rank % 8);
        writeln!(log, "gpu-{node:03}:41{gpu}:41{gpu} [{gpu}] NCCL INFO ncclCommInitRank comm 0x55d0 rank {rank} nranks {ranks} cudaDev {gpu} nvmlDev {gpu} busId {gpu}b000 commId 0x1 - Init COMPLETE").unwrap();
    }
    writeln!(log, "[2026-05-04 03:12:40] [rank317]: Traceback (most recent call last):").unwrap();
    writeln!(log, "[2026-05-04 03:12:40] [rank317]:   File \"/workspace/train.py\", line 212, in step").unwrap();
    writeln!(log, "[2026-05-04 03:12:40] [rank317]: ValueError: token id 128009 is out of range").unwrap();
    for rank in (0..ranks).filter(|rank| *rank != 317) {
        writeln!(log, "[rank{rank}]:[E504 03:42:41.000000000 ProcessGroupNCCL.cpp:616] [Rank {rank}] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=2398, OpType=ALLREDUCE, NumelIn=8652160, NumelOut=8652160, Timeout(ms)=1800000) ran for 1800068 milliseconds before timing out.").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.log").display().to_string();
    std::fs::write(&path, log).unwrap();
    (folder, path)
}

#[test]
fn a_thousand_ranks_stand_in_bands_and_whoever_is_to_blame_above_them() {
    let (_keep, path) = many(1024);
    let mut sitting = Sitting::on(&[&path], SMALL, WHOLE);
    sitting.types("2");
    let text = sitting.text();
    let lanes: Vec<&str> = text.lines().skip(3).collect();
    assert!(lanes[0].starts_with(">rank 317 gpu-039"), "{text}");
    assert!(lanes[1].starts_with(" ranks 0-63 (64)") && lanes[1].ends_with("64!"), "{text}");
    assert!(text.contains("ranks 256-319 (63)"), "without the one above: {text}");
    sitting.types("j");
    sitting.press(KeyCode::Enter);
    sitting.shows(" rank 0 gpu-000");
    sitting.press(KeyCode::Enter);
    sitting.hides(" rank 0 gpu-000");
}

#[test]
fn zooming_and_moving_shows_a_part_of_the_time() {
    let (_keep, path) = many(1024);
    let mut sitting = Sitting::on(&[&path], SMALL, WHOLE);
    sitting.types("2");
    let whole = sitting.text();
    sitting.types("++++");
    sitting.shows("a part of the time");
    let near = sitting.text();
    assert_ne!(whole, near);
    assert!(near.lines().nth(3).unwrap().contains('X'), "around what is selected: {near}");
    sitting.types(">>>>>>>>");
    assert!(!sitting.text().lines().nth(3).unwrap().contains('X'), "{}", sitting.text());
    sitting.types("0");
    assert_eq!(sitting.text(), whole);
}

#[test]
fn one_can_go_through_a_long_log_from_a_cited_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.log").display().to_string();
    let mut log: String = (1..=5000).fold(String::new(), |log, n| log + &format!("nothing much {n}\n"));
    log += "[rank3]: Traceback (most recent call last):\n[rank3]:   File \"/w/t.py\", line 31, in step\n[rank3]: KeyError: 'x'\n";
    log = (1..=5000).fold(log, |log, n| log + &format!("after it {n}\n"));
    log += &"y".repeat(300);
    std::fs::write(&path, log).unwrap();
    let mut sitting = Sitting::on(&[&path], SMALL, WHOLE);
    sitting.types("4");
    sitting.press(KeyCode::Enter);
    sitting.shows(">5003");
    for _ in 0..40 {
        sitting.press(KeyCode::PageUp);
    }
    sitting.shows("nothing much 4");
    sitting.types("g");
    sitting.shows(">5003");
    for _ in 0..300 {
        sitting.press(KeyCode::PageDown);
    }
    sitting.shows("after it 5000");
    sitting.shows("yyyy…");
    sitting.types("w");
    sitting.hides("yyyy…");
}

#[test]
fn where_another_diag_works_nothing_is_begun_or_written() {
    let mut sitting = Sitting::sample(LOST, SMALL);
    sitting.happens(Event::Locked(true));
    sitting.shows("READ ONLY");
    sitting.types("5r");
    sitting.shows("another diag works on this case");
    sitting.types("y8w");
    assert!(!sitting.wanted.iter().any(|effect| matches!(effect, Effect::Begin(_) | Effect::HandOver(_))));
    sitting.happens(Event::Locked(false));
    sitting.hides("READ ONLY");
    sitting.types("5r");
    sitting.shows("Run the plan?");
}

#[test]
fn the_page_is_handed_over_into_a_case_that_is_made_for_it_and_copied_only_if_asked() {
    let mut sitting = Sitting::sample(LOST, SMALL);
    sitting.types("8w");
    sitting.shows("Make a case?");
    sitting.types("n");
    assert!(sitting.wanted.is_empty());
    sitting.types("wy");
    assert!(matches!(&sitting.wanted[..], [Effect::HandOver(page)] if page.contains("fallen off the bus")));
    sitting.wanted.clear();
    sitting.types("y");
    assert!(matches!(&sitting.wanted[..], [Effect::Copy(page)] if page.contains("fallen off the bus")));
}
