//! What people are told: readable, no wider than the screen, and harmless whatever a log holds.

use std::path::Path;
use std::process::Command;

use unicode_width::UnicodeWidthStr as _;

/// Runs diag on logs by file name; returns what it wrote to standard output and error.
fn diag(logs: &[(&str, &str)], args: &[&str], columns: usize) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in logs {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    run(folder.path(), args, columns)
}

fn run(folder: &Path, args: &[&str], columns: usize) -> (String, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_diag"))
        .args(["analyze", "."])
        .args(args)
        .current_dir(folder)
        .env("COLUMNS", columns.to_string())
        .env_remove("CLICOLOR_FORCE")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8 comes out whatever goes in");
    (text(done.stdout), text(done.stderr))
}

/// Everything a log could write to act on a terminal, or to hide.
const HOSTILE: [&str; 14] = [
    "\u{1b}[2J\u{1b}[H",
    "\u{1b}]0;owned\u{7}",
    "\u{1b}]8;;http://x\u{1b}\\",
    "\u{9b}31m",
    "\u{90}q",
    "\r",
    "\u{8}\u{8}",
    "\u{7f}",
    "\u{202e}",
    "\u{2066}",
    "\u{200b}",
    "\u{2028}",
    "\u{1b}\u{1b}[31m[5m",
    "\u{e}\u{0}",
];

const FORMATS: [&[&str]; 5] = [
    &["--format", "text"],
    &["--format", "text", "-v"],
    &["--format", "json"],
    &["--format", "markdown"],
    &["--format", "html"],
];

fn acts(c: char) -> bool {
    let direction =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    (c.is_control() && c != '\n') || direction
}

/// A log that fails, with `x` in every place that a job can write to: host, rank, file, type, message, step.
fn log_with(x: &str) -> String {
    format!(
        "gpu-{x}17:4121:4310 [3] transport/net_ib.cc:2244 NCCL WARN NET/IB: Got completion from peer 10.0.{x}4.18<41022> with status=12 opcode=0 len=0 vendor err 129 (Recv) hca mlx5{x}_3\n\
         [rank3{x}]: Traceback (most recent call last):\n\
         [rank3]:   File \"/workspace/{x}train.py\", line 31, in st{x}ep\n\
         [rank3]: Key{x}Error: 'lab{x}els' {x}\n\
         srun: error: gpu-{x}17: task {x}3: Exited with exit code 1\n\
         slurmstepd: error: *** JOB 17{x} ON gpu-{x}17 CANCELLED AT 2026-05-04T03:12:44 {x}***\n\
         [rank1]:[E504 03:20:30.005271823 ProcessGroupNCCL.cpp:616] [Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=2398, OpType=ALL{x}REDUCE, NumelIn=8, NumelOut=8, Timeout(ms)=600000) ran for 600068 milliseconds before timing out.\n\
         {x}RuntimeError: CUDA error: out of memory{x}\n"
    )
}

#[test]
fn no_control_character_reaches_the_terminal() {
    for x in HOSTILE {
        for args in FORMATS {
            let name = format!("rank-{}.log", x.replace(['\0', '/'], ""));
            let (out, err) = diag(&[(&name, &log_with(x))], args, 80);
            assert!(!out.is_empty(), "{args:?} says something of {x:?}");
            for said in [out, err] {
                let bad = said.chars().find(|c| acts(*c));
                assert_eq!(bad, None, "{args:?} let {x:?} through:\n{}", said.escape_debug());
            }
        }
    }
}

#[test]
fn no_line_is_wider_than_the_screen() {
    for x in ["", "数据加载", "a-very-long-host-name-without-any-space-in-it-that-does-not-fit-a-narrow-screen"] {
        for columns in [40, 60, 80, 120] {
            for args in [FORMATS[0], FORMATS[1]] {
                let (out, _) = diag(&[("job.log", &log_with(x))], args, columns);
                let wide = out.lines().find(|line| line.width() > columns && !line.contains("$ "));
                assert_eq!(wide, None, "{columns} columns, {args:?}:\n{out}");
            }
        }
    }
}

/// Markup that a log could write: for a browser, for a ticket system, for its mentions and commands.
const MARKUP: [&str; 8] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "</pre></svg><iframe src=//x.example>",
    "@everyone",
    "![x](https://x.example/t.png)",
    "``` ````` ```",
    "| a | b |",
    "&#60;b&#62;",
];

#[test]
fn markup_in_a_log_stays_text() {
    for x in MARKUP {
        let (page, _) = diag(&[("job.log", &log_with(x))], &["--format", "html"], 80);
        for tag in ["<script", "<img", "<iframe", "onerror=alert(1)>", "<b>x"] {
            assert!(!page.contains(tag), "{x} makes {tag} in the page");
        }
        let ticket = diag(&[("job.log", &log_with(x))], &["--format", "markdown"], 80).0;
        for outside in outside_of_code(&ticket) {
            for markup in ["@every", "<script", "<img", "![x", "x.example", "&#60"] {
                assert!(!outside.contains(markup), "{x} is markup in: {outside}\n{ticket}");
            }
        }
    }
}

/// The parts of a markdown text that are neither in a fence nor in a code span.
fn outside_of_code(text: &str) -> Vec<String> {
    let mut fence: Option<String> = None;
    let mut parts = Vec::new();
    for line in text.lines() {
        let ticks: String = line.chars().take_while(|c| *c == '`').collect();
        match &fence {
            Some(open) if *open == line => fence = None,
            Some(_) => {}
            None if ticks.len() >= 3 && !line[ticks.len()..].contains('`') => fence = Some(ticks),
            None => parts.extend(outside_of_spans(line)),
        }
    }
    assert_eq!(fence, None, "every fence is closed:\n{text}");
    parts
}

fn outside_of_spans(line: &str) -> Vec<String> {
    let mut parts = vec![];
    let mut rest = line;
    while let Some(at) = rest.find('`') {
        parts.push(rest[..at].to_owned());
        let ticks = rest[at..].chars().take_while(|c| *c == '`').count();
        let inside = &rest[at + ticks..];
        let close = inside.split_inclusive(|c| c != '`').scan(0, |at, run| {
            let here = *at + run.len() - run.trim_start_matches('`').len();
            let found = (run.chars().take_while(|c| *c == '`').count() == ticks).then_some(here);
            *at += run.len();
            Some(found)
        });
        match close.flatten().next() {
            Some(end) => rest = &inside[end..],
            None => break,
        }
    }
    parts.push(rest.to_owned());
    parts
}

#[test]
fn what_a_line_counts_is_told_and_not_how_often_it_was_there() {
    let lost = "gpu-17:41:43 [0] NCCL WARN NET/IB : Got completion from peer 10.0.4.18<41022> with status=12 opcode=0 len=0 vendor err 129 (Send) hca mlx5_2\n";
    let counters = "root@gpu-17:~# perfquery\nLinkDownedCounter:...............3\n";
    let (report, _) = diag(&[("job.log", lost), ("perfquery.txt", counters)], &[], 120);
    assert!(report.contains("LinkDownedCounter 3"), "{report}");
}

#[test]
fn the_page_needs_no_network() {
    let (page, _) = diag(&[("job.log", &log_with(""))], &["--format", "html"], 80);
    assert!(page.contains("default-src 'none'"));
    for loads in ["src=", "@import", "url(", "<script", "<link", "href=\"http"] {
        assert!(!page.contains(loads), "{loads}");
    }
}

#[test]
fn colour_comes_only_where_it_is_asked_for() {
    let logs = [("job.log", &*log_with(""))];
    assert!(!diag(&logs, &[], 80).0.contains('\u{1b}'));
    assert!(diag(&logs, &["--color", "always"], 80).0.contains("\u{1b}["));
}

/// Runs `diag explain`; returns its exit code, standard output and error.
fn explain(words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diag"));
    let done = command.arg("explain").args(words).env("COLUMNS", "70").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code(), text(done.stdout), text(done.stderr))
}

#[test]
fn a_cause_and_a_number_are_explained() {
    let (code, cause, _) = explain(&["rank-exception"]);
    assert_eq!(code, Some(0));
    for heading in ["What happens", "It must show", "makes it surer", "brings about", "What to do", "To read more"] {
        assert!(cause.contains(heading), "{heading}:\n{cause}");
    }
    assert!(cause.lines().all(|line| line.width() <= 70), "{cause}");
    let (code, number, _) = explain(&["xid", "79"]);
    assert!(code == Some(0) && number.contains("fallen off the bus"), "{number}");
    assert!(explain(&[]).1.contains("net-peer-lost"), "nothing lists all");
}

#[test]
fn a_misspelt_cause_is_guessed() {
    let (code, out, err) = explain(&["rank-exeption"]);
    assert!(code == Some(2) && out.is_empty() && err.contains("did you mean rank-exception"), "{err}");
    assert!(explain(&["xyzzy"]).2.contains("lists all causes"));
    assert!(explain(&["xid", "abc"]).2.contains("a number as the driver prints it"));
}
