//! What reports look like, word for word: a change of wording shows up as a change of a file in `snapshots/`.

use std::fmt::Write as _;
use std::process::Command;

/// A training log of so many ranks: one raises after a step, all others wait for it until their time-out.
fn one_raises(ranks: usize) -> String {
    let culprit = if ranks > 317 { 317 } else { ranks / 2 };
    let mut log = String::new();
    for rank in 0..ranks {
        let (node, gpu) = (rank / 8, rank % 8);
        writeln!(log, "gpu-{node:03}:41{gpu}:41{gpu} [{gpu}] NCCL INFO ncclCommInitRank comm 0x55d0 rank {rank} nranks {ranks} cudaDev {gpu} nvmlDev {gpu} busId {gpu}b000 commId 0x1 - Init COMPLETE").unwrap();
    }
    for step in 1..20 {
        writeln!(log, "[2026-05-04 03:12:{:02}] step {step} loss 2.5", step * 2).unwrap();
    }
    writeln!(log, "[2026-05-04 03:12:40] [rank{culprit}]: Traceback (most recent call last):").unwrap();
    writeln!(log, "[2026-05-04 03:12:40] [rank{culprit}]:   File \"/workspace/train.py\", line 212, in step").unwrap();
    writeln!(log, "[2026-05-04 03:12:40] [rank{culprit}]: ValueError: token id 128009 is outside of the vocabulary")
        .unwrap();
    for rank in (0..ranks).filter(|rank| *rank != culprit) {
        let micros = rank * 977 % 1_000_000;
        writeln!(log, "[rank{rank}]:[E504 03:42:41.{micros:06}000 ProcessGroupNCCL.cpp:616] [Rank {rank}] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=2398, OpType=ALLREDUCE, NumelIn=8652160, NumelOut=8652160, Timeout(ms)=1800000) ran for 1800068 milliseconds before timing out.").unwrap();
    }
    log
}

fn a_file_a_rank() -> Vec<(String, String)> {
    let timeout = |rank: usize| {
        format!(
            "step 7 loss 2.1\n[rank{rank}]:[E504 03:42:41.000000000 ProcessGroupNCCL.cpp:616] [Rank {rank}] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=2398, OpType=ALLREDUCE, NumelIn=8, NumelOut=8, Timeout(ms)=1800000) ran for 1800068 milliseconds before timing out.\n"
        )
    };
    let raised = "step 6 loss 2.2\n[rank2]: Traceback (most recent call last):\n[rank2]:   File \"/workspace/data.py\", line 31, in read\n[rank2]: OSError: [Errno 116] Stale file handle: '/data/shard-0017.bin'\n";
    (0..4).map(|rank| (format!("rank{rank}.log"), if rank == 2 { raised.to_owned() } else { timeout(rank) })).collect()
}

const UNDETERMINED: &str = "step 7 loss 2.1\n[E ProcessGroupNCCL.cpp:821] [Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=683, OpType=_ALLGATHER_BASE, NumelIn=1, NumelOut=8, Timeout(ms)=600000) ran for 600410 milliseconds before timing out.\n";

const HEALTHY: &str = "step 1 loss 2.50\nTraceback (most recent call last):\n  File \"/workspace/train.py\", line 31, in log_metrics\nValueError: could not plot\nstep 2 loss 2.41\nstep 3 loss 2.33\nstep 4 loss 2.31\n";

const SEVERAL: &str = "[rank1]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 56.00 MiB. GPU 1 has a total capacity of 79.11 GiB of which 16.25 MiB is free.\n[rank5]: Traceback (most recent call last):\n[rank5]:   File \"/workspace/train.py\", line 31, in step\n[rank5]: KeyError: 'labels'\ngpu-18 kernel: NVRM: Xid (PCI:0000:3b:00): 79, pid=4121, name=python3, GPU has fallen off the bus.\n";

const HOSTILE: &str = "[rank3]: Traceback (most recent call last):\n[rank3]:   File \"/workspace/\u{1b}[31mtrain.py\", line 31, in step\n[rank3]: KeyError: '\u{1b}]0;owned\u{7}@everyone `rm -rf` <script>alert(1)</script> | \u{202e}slebal'\n";

/// What diag says of logs, without what differs from run to run.
fn told(logs: &[(String, String)], args: &[&str], columns: usize) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in logs {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_diag"));
    let names = logs.iter().map(|(name, _)| name);
    command.arg("nccl-timeout").args(names).args(args).current_dir(folder.path());
    command.env("COLUMNS", columns.to_string()).env_remove("CLICOLOR_FORCE");
    let out = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let out = out.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    regex::Regex::new(r" in \d+\.\d+ s").unwrap().replace_all(&out, " in SECONDS").into_owned()
}

fn one(text: impl Into<String>) -> Vec<(String, String)> {
    vec![("job.log".to_owned(), text.into())]
}

fn incidents() -> Vec<(&'static str, Vec<(String, String)>)> {
    vec![
        ("1024-ranks", one(one_raises(1024))),
        ("a-file-a-rank", a_file_a_rank()),
        ("undetermined", one(UNDETERMINED)),
        ("healthy", one(HEALTHY)),
        ("several", one(SEVERAL)),
        ("hostile", one(HOSTILE)),
    ]
}

#[test]
fn text_reports_read_as_they_did() {
    for (name, logs) in incidents() {
        for columns in [80, 120] {
            insta::assert_snapshot!(format!("{name}-{columns}"), told(&logs, &[], columns));
        }
    }
}

#[test]
fn a_text_report_fits_a_screen() {
    for (name, logs) in incidents() {
        let lines = told(&logs, &[], 80).lines().count();
        assert!(lines <= 40, "{name} takes {lines} lines");
    }
}

#[test]
fn markdown_reads_as_it_did() {
    for (name, logs) in incidents() {
        insta::assert_snapshot!(format!("{name}-markdown"), told(&logs, &["--format", "markdown"], 80));
    }
}

/// The page without its style, and one tag a line.
#[test]
fn the_page_is_built_as_it_was() {
    for (name, logs) in [("hostile", one(HOSTILE)), ("three-ranks", one(one_raises(3)))] {
        let page = told(&logs, &["--format", "html"], 80);
        let (head, rest) = page.split_once("<style>").unwrap();
        let (_, body) = rest.split_once("</style>").unwrap();
        let skeleton = format!("{head}{body}").replace("><", ">\n<");
        insta::assert_snapshot!(format!("{name}-html"), skeleton);
    }
}

/// Lanes and bands: every culprit is named, and the page stays small however many ranks there are.
#[test]
fn a_thousand_ranks_are_drawn_as_bands() {
    let page = told(&one(one_raises(1024)), &["--format", "html"], 80);
    assert!(page.contains("rank 317 gpu-039"), "the culprit has a lane of its own");
    assert!(page.contains("ranks 992 to 1023"), "the others stand in bands");
    assert!(page.len() < 400_000, "{} bytes", page.len());
    let few = told(&one(one_raises(16)), &["--format", "html"], 80);
    assert!((0..16).all(|rank| few.contains(&format!("rank {rank} gpu-"))), "each rank of a few has a lane");
}
