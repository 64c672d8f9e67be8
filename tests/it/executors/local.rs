//! This machine, and its sandbox.

use std::path::Path;
use std::time::{Duration, Instant};

use diag::exec::{Dry, End, Executor, FanOut, Limits, Local};
use diag::plan::{Access, Target};

use super::contracts;
use super::stage::{Stage, node, run, script, task};

fn local() -> FanOut<Local> {
    FanOut::new(Local::default(), Limits { per_target: 4, ..Limits::default() })
}

#[test]
fn what_runs_here_keeps_all_contracts() {
    contracts::hold(&Stage { executor: &local(), target: Target::Here });
}

#[test]
fn what_runs_here_without_a_sandbox_keeps_all_contracts() {
    contracts::hold(&Stage { executor: &local(), target: node("localhost") });
}

#[test]
fn the_sandbox_closes_network_and_files_unless_asked() {
    let executor = local();
    let stage = Stage { executor: &executor, target: Target::Here };
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sandbox-was-here");
    let text =
        format!("echo x > {0}; echo y > /tmp/mine && cat /tmp/mine; tail -n +3 /proc/net/dev | wc -l", place.display());
    let ran = stage.one(script(&text));
    if ran.notes.iter().any(|note| note.contains("without a sandbox")) {
        // A kernel without namespaces: it is said, and nothing more is to be proven.
        return;
    }
    // Where the target folder lies in /tmp, it is not even seen.
    assert!(["Read-only", "No such file"].iter().any(|why| ran.stderr.text.contains(why)), "{ran:?}");
    assert_eq!(ran.stdout.text.lines().collect::<Vec<_>>(), ["y", "1"], "one network device, lo: {ran:?}");
    assert!(!place.exists() && ran.notes.is_empty(), "{ran:?}");
    let mut open = script(&format!("echo x > {}; readlink /proc/self/ns/net; stat -c %i /tmp", place.display()));
    open.access = Access { network: true, files: true };
    let ran = stage.one(open);
    let ours = std::fs::read_link("/proc/self/ns/net").unwrap();
    let tmp = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata("/tmp").unwrap());
    assert_eq!(ran.stdout.text.trim(), format!("{}\n{tmp}", ours.to_str().unwrap()), "{ran:?}");
    assert!(place.exists());
    std::fs::remove_file(place).unwrap();
}

#[test]
fn other_nodes_are_not_this_machine() {
    let rans = run(&local(), task(vec![vec![(node("gpu-17"), script("true"))]]));
    assert!(matches!(&rans[0].end, End::CannotRun(why) if why.contains("not this machine")), "{rans:?}");
}

#[test]
fn a_dry_run_runs_nothing() {
    let there = std::env::temp_dir().join(format!("diag-dry-{}", std::process::id()));
    let parts =
        vec![vec![(Target::Here, script(&format!("touch {}", there.display())))], vec![(node("n1"), script("true"))]];
    let rans = run(&Dry, task(parts));
    assert_eq!(rans.len(), 2);
    assert!(rans.iter().all(|ran| matches!(&ran.end, End::CannotRun(why) if why.contains("dry"))), "{rans:?}");
    assert!(!there.exists());
    assert_eq!(Dry.name(), "dry");
}

#[test]
fn parts_of_a_group_start_together_or_not_at_all() {
    let executor = local();
    let here = || Target::Here;
    // Each waits for the other by the time at which it began.
    let rans = run(
        &executor,
        task(vec![vec![(here(), script("date +%s%N; sleep 1")), (here(), script("date +%s%N; sleep 1"))]]),
    );
    let times: Vec<u64> = rans.iter().map(|ran| ran.stdout.text.trim().parse().unwrap()).collect();
    assert!(times[0].abs_diff(times[1]) < 500_000_000, "{times:?}");
    let began = Instant::now();
    let rans = run(&executor, task(vec![vec![(here(), script("echo ran; sleep 20")), (here(), script("a\0b"))]]));
    assert!(matches!(&rans[0].end, End::CannotRun(why) if why.contains("did not start")), "{rans:?}");
    assert_eq!(rans[0].stdout.text, "");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let many = (0..5).map(|_| (here(), script("true"))).collect();
    let rans = run(&executor, task(vec![many]));
    assert!(rans.iter().all(|ran| matches!(&ran.end, End::CannotRun(why) if why.contains("limit"))), "{rans:?}");
}
