//! Speed and memory of reading, as ratios to `wc -l`, `cat` and ripgrep with the same signatures.
//!
//! ```text
//! cargo bench                          # logs of 256 MB
//! cargo bench -- --megabytes 2000      # as the goals are stated
//! cargo bench -- --megabytes 2000 --log mixed
//! cargo bench -- --hosts 128 --megabytes 1000   # an incident: a job of 1,024 ranks, its hosts, its scheduler
//! ```
//!
//! All commands run side by side on the same file, pinned to as many cores, and the least of three runs counts. No
//! figure fails the program: the machine may be busy. See `benches/README.md`.
#![allow(clippy::disallowed_methods, reason = "a program for people: reads files, runs commands")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod incident;
mod logs;
mod measure;
mod signatures;

use std::fs;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use logs::Mix;
use measure::Cost;

/// Each command runs as often; the least counts.
const ROUNDS: usize = 3;

/// Lines of the log that start-up is measured with.
const SHORT: usize = 1000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == measure::FLAG) {
        return measure::between(&arguments[1..]);
    }
    let value = |name: &str| {
        arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1)).map(String::as_str)
    };
    let asked = |name: &str| value(name).and_then(|number| number.parse::<u64>().ok());
    let megabytes = asked("--megabytes").unwrap_or(256);
    let done = match asked("--hosts") {
        Some(hosts) => whole(hosts.max(1), megabytes),
        None => compare(megabytes, value("--log")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What reading all witnesses of an incident costs, and what comes of it.
fn whole(hosts: u64, megabytes: u64) -> Result<(), String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("incident-{hosts}-{megabytes}"));
    if !folder.exists() {
        incident::write(&folder, hosts, megabytes, 7).map_err(|error| error.to_string())?;
    }
    let cost = measure::least(2, ROUNDS, &diag(&folder))?;
    println!(
        "{} ranks, {megabytes} MB of job log, two cores: {:.2} s, {:.2} s of CPU, {:.0} MiB",
        hosts * 8,
        cost.wall,
        cost.cpu,
        cost.memory
    );
    let told = Command::new(env!("CARGO_BIN_EXE_diag")).arg("analyze").arg("--quiet").arg(&folder).output();
    let told = told.map_err(|error| error.to_string())?;
    println!("{}", String::from_utf8_lossy(&told.stdout).lines().next().unwrap_or_default());
    Ok(())
}

/// `one` is the name of the log to compare on; all where there is none.
fn compare(megabytes: u64, one: Option<&str>) -> Result<(), String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let known = signatures::read()?;
    let lists = [("signatures", &known.patterns), ("literals", &known.literals)].map(|(name, list)| {
        let file = folder.join(name);
        fs::write(&file, list.join("\n") + "\n").map(|()| file).map_err(|error| error.to_string())
    });
    let [patterns, literals] = lists;
    let searches = ripgrep(&patterns?, &literals?);
    println!("{} patterns, {} literals, {} samples", known.patterns.len(), known.literals.len(), known.samples.len());
    for mix in Mix::ALL.into_iter().filter(|mix| one.is_none_or(|one| one == mix.name())) {
        let log = log(&folder, mix, megabytes, &known.samples)?;
        println!("\n{} MB, {}\n", megabytes, mix.name());
        table(&log, &searches)?;
    }
    start_up(&folder, &known.samples)
}

/// ripgrep with the signatures as they are, and with their literals only.
fn ripgrep(patterns: &Path, literals: &Path) -> Vec<(&'static str, Vec<String>)> {
    if Command::new("rg").arg("--version").output().is_err() {
        println!("ripgrep (rg) is NOT installed: its columns are missing, and no ratio to it is given");
        return Vec::new();
    }
    let call = |flag: &str, list: &Path| words(&["rg", flag, "--count", "--file", &list.display().to_string()]);
    vec![("rg, patterns", call("--no-unicode", patterns)), ("rg, literals", call("--fixed-strings", literals))]
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The log of a mix, made unless it is there.
fn log(folder: &Path, mix: Mix, megabytes: u64, samples: &[String]) -> Result<PathBuf, String> {
    let file = folder.join(format!("{}-{megabytes}.log", mix.name()));
    if !file.exists() {
        let part = file.with_extension("part");
        let mut out = fs::File::create(&part).map(BufWriter::new).map_err(|error| error.to_string())?;
        logs::write(&mut out, mix, megabytes * 1_000_000, 7, samples).map_err(|error| error.to_string())?;
        fs::rename(&part, &file).map_err(|error| error.to_string())?;
    }
    Ok(file)
}

fn diag(log: &Path) -> Vec<String> {
    words(&[env!("CARGO_BIN_EXE_diag"), "analyze", "--quiet", &log.display().to_string()])
}

/// Runs all commands on a log and prints what they cost.
fn table(log: &Path, searches: &[(&'static str, Vec<String>)]) -> Result<(), String> {
    let on_log = |command: &[String]| [command, &[log.display().to_string()]].concat();
    let bytes = fs::metadata(log).map_err(|error| error.to_string())?.len() as f64;
    let warm = measure::least(1, 1, &on_log(&words(&["cat"])))?;
    println!(
        "| command | cores | CPU s | GB/s of CPU | wall s | MiB | CPU to `wc -l` |\n|---|---|---|---|---|---|---|"
    );
    let wc = measure::least(1, ROUNDS, &on_log(&words(&["wc", "-l"])))?;
    let row = |name: &str, cores: usize, cost: Cost| {
        let (Cost { cpu, wall, memory }, ratio) = (cost, cost.cpu / wc.cpu);
        println!("| {name} | {cores} | {cpu:.2} | {:.2} | {wall:.2} | {memory:.0} | {ratio:.2} |", bytes / cpu / 1e9);
    };
    let one = measure::least(1, ROUNDS, &diag(log))?;
    row("`diag analyze`", 1, one);
    let two = measure::least(2, ROUNDS, &diag(log))?;
    row("`diag analyze`", 2, two);
    row("`wc -l`", 1, wc);
    row("`cat`", 1, measure::least(1, ROUNDS, &on_log(&words(&["cat"])))?);
    for (name, command) in searches {
        let cost = measure::least(1, 1, &on_log(command))?;
        row(name, 1, cost);
        println!("| {name} to `diag analyze` | | {:.2} times | | | | |", cost.cpu / one.cpu);
    }
    println!();
    println!(
        "two cores: {:.2} times as fast by the clock (reading alone took {:.2} s)",
        one.wall / two.wall,
        warm.wall
    );
    Ok(())
}

fn start_up(folder: &Path, samples: &[String]) -> Result<(), String> {
    let mut text = Vec::new();
    logs::write(&mut text, Mix::Mixed, 250_000, 7, samples).map_err(|error| error.to_string())?;
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').take(SHORT).collect();
    let file = folder.join("short.log");
    fs::write(&file, lines.concat()).map_err(|error| error.to_string())?;
    let cost = measure::least(1, 20, &diag(&file))?;
    println!("\n{} lines: {:.1} ms by the clock, {:.1} ms of CPU", lines.len(), cost.wall * 1e3, cost.cpu * 1e3);
    Ok(())
}
