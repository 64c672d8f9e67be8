//! Reading flight-recorder dumps, side by side with torch's own analyser on the same dumps.
//!
//! ```text
//! cargo bench --bench recorder                       # 1,024 dumps of 2,000 operations
//! cargo bench --bench recorder -- --data 8           # fewer ranks: 16 for each
//! cargo bench --bench recorder -- --write FOLDER     # the incidents that the tests know, for other readers
//! ```
//!
//! torch's analyser is the command `torchfrtrace` (torch 2.5 and newer), looked for on the path or where
//! `TORCHFRTRACE` points; without it there is no ratio, and that is said. No figure fails the program.
#![allow(clippy::disallowed_methods, reason = "a program for people: reads files, runs commands")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod dump;
mod job;
#[path = "../reading/measure.rs"]
mod measure;
mod scenes;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use dump::Form;
use job::{Fault, Job, Layout};
use measure::Cost;

/// As torch writes them by default.
const FORM: Form = Form { json: false, active_only: false, version: "2.10", ring: 2000 };

/// Steps of the job before it goes wrong: more than the ring holds.
const STEPS: i64 = 120;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == measure::FLAG) {
        return measure::between(&arguments[1..]);
    }
    let asked = |name: &str| arguments.iter().position(|one| one == name).and_then(|at| arguments.get(at + 1));
    let done = match asked("--write") {
        Some(folder) => scenes(Path::new(folder)),
        None => compare(asked("--data").and_then(|number| number.parse().ok()).unwrap_or(64)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the dumps of a job.
fn write(folder: &Path, job: &Job, layout: Layout, form: Form) -> Result<u64, String> {
    fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let mut bytes = 0;
    for rank in (0..layout.world()).filter(|rank| job.undumped != Some(*rank)) {
        let dump = dump::write(job, layout, rank, form);
        bytes += dump.len() as u64;
        fs::write(folder.join(format!("rank_{rank}")), dump).map_err(|error| error.to_string())?;
    }
    Ok(bytes)
}

fn scenes(folder: &Path) -> Result<(), String> {
    for scene in scenes::SCENES {
        let job = scene.play(STEPS);
        write(&folder.join(scene.name), &job, scene.layout, FORM)?;
        println!("{}: {:?}, to blame: {:?}", scene.name, scene.fault, job.culprit);
    }
    Ok(())
}

fn compare(data: usize) -> Result<(), String> {
    let layout = Layout { tensor: 4, pipeline: 4, data };
    let at = Job::play(layout, STEPS, Fault::None, 0, 0).find(17, "TENSOR", 5).unwrap_or_default();
    let job = Job::play(layout, STEPS, Fault::Absent, 17, at);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench").join(format!("recorder-{}", layout.world()));
    let bytes = write(&folder, &job, layout, FORM)?;
    println!("{} dumps of {} operations, {:.0} MB\n", layout.world(), FORM.ring, bytes as f64 / 1e6);
    println!("| command | cores | CPU s | wall s | MiB |\n|---|---|---|---|---|");
    let row = |name: &str, cores: usize, cost: Cost| {
        println!("| {name} | {cores} | {:.2} | {:.2} | {:.0} |", cost.cpu, cost.wall, cost.memory);
    };
    let folder = folder.display().to_string();
    let diag = [env!("CARGO_BIN_EXE_diag"), "analyze", "--quiet", &folder].map(str::to_owned);
    let one = measure::least(1, 3, &diag)?;
    row("`diag analyze`", 1, one);
    row("`diag analyze`", 2, measure::least(2, 3, &diag)?);
    let analyser = std::env::var("TORCHFRTRACE").unwrap_or_else(|_| "torchfrtrace".to_owned());
    if Command::new(&analyser).arg("--help").output().is_err() {
        println!("\n`{analyser}` is NOT installed: no ratio to it is given");
        return Ok(());
    }
    let torch = measure::least(1, 1, &[&analyser, &folder, "-p", "rank_"].map(str::to_owned))?;
    row("`torchfrtrace`", 1, torch);
    println!("\n`diag analyze` is {:.0} times as fast, one core each", torch.cpu / one.cpu);
    Ok(())
}
