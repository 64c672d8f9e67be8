//! The hooks by themselves: a small program that slurmd starts before and after each job.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use diag::hook::{self, Verb};

const USAGE: &str = "\
usage: diag-hook prolog | epilog | health-check | task-prolog | node-problem [--config FILE]

Looks at this node within a few seconds and says by its exit code whether a job may run on it.
`diag hook --help` tells what each code means; `diag hook install` prints what to put where.
";

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if words.first().is_some_and(|word| word == diag::probe::ARGUMENT) {
        let served = diag::probe::serve(&mut std::io::stdin().lock(), &mut std::io::stdout().lock());
        return if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(2) };
    }
    let verb = words.first().and_then(|word| word.to_str()).and_then(Verb::of);
    let config = match (words.get(1).map(|word| word == "--config"), words.get(2), words.len()) {
        (None, _, _) => None,
        (Some(true), Some(file), 3) => Some(PathBuf::from(file)),
        _ => return usage(),
    };
    let Some(verb) = verb else { return usage() };
    let ended = hook::run(verb, config.as_deref());
    let _ = std::io::stderr().write_all(ended.err.as_bytes());
    let _ = std::io::stdout().write_all(ended.out.as_bytes());
    ExitCode::from(ended.code)
}

fn usage() -> ExitCode {
    let _ = std::io::stderr().write_all(USAGE.as_bytes());
    ExitCode::from(2)
}
