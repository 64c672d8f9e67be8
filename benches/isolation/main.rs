//! How often the isolation of nodes names exactly who is bad, on fields whose truth is known.
//!
//! `cargo bench --bench isolation -- [--trials 2000] [--only NAME]`. Reports ratios, and fails for none of them.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a bench tells and may fail"
)]

mod field;

use field::{World, play};

/// What is known of all trials of a world together.
#[derive(Default)]
struct Score {
    trials: usize,
    exact: usize,
    blamed: usize,
    missed: usize,
    open: usize,
    rounds: usize,
    tests: usize,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let after = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)).cloned();
    let trials: u64 = after("--trials").and_then(|text| text.parse().ok()).unwrap_or(200);
    let only = after("--only").unwrap_or_default();
    println!("| field | exactly who is bad | wrongly blamed a run | missed | open | rounds | tests |");
    println!("|---|---|---|---|---|---|---|");
    for (name, world) in field::WORLDS.iter().filter(|(name, _)| name.contains(&only)) {
        let score = measure(world, trials);
        let runs = score.trials as f64;
        let per = |count: usize| count as f64 / runs;
        println!(
            "| {name} | {:.2} % | {:.4} | {:.4} | {:.4} | {:.2} | {:.0} |",
            100.0 * per(score.exact),
            per(score.blamed),
            per(score.missed),
            per(score.open),
            per(score.rounds),
            per(score.tests)
        );
    }
}

fn measure(world: &World, trials: u64) -> Score {
    let mut score = Score::default();
    for seed in 0..trials {
        let run = play(world, seed);
        score.trials += 1;
        score.exact += usize::from(run.exact());
        score.blamed += run.named.iter().filter(|who| !run.truth.contains(who)).count();
        score.missed += run.truth.iter().filter(|who| !run.named.contains(who)).count();
        score.open += run.verdict.open.len();
        score.rounds += run.history.len();
        score.tests += run.history.iter().map(Vec::len).sum::<usize>();
    }
    score
}
