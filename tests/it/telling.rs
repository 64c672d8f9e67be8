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

const FORMATS: [&[&str]; 3] = [&["--format", "text"], &["--format", "text", "-v"], &["--format", "json"]];

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

#[test]
fn colour_comes_only_where_it_is_asked_for() {
    let logs = [("job.log", &*log_with(""))];
    assert!(!diag(&logs, &[], 80).0.contains('\u{1b}'));
    assert!(diag(&logs, &["--color", "always"], 80).0.contains("\u{1b}["));
}
