//! What one run of a command costs.
//!
//! The figures of ended children are a process's own (`getrusage`), so each run gets a process of its own between:
//! this program again, with [`FLAG`] in front of the command.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::Pid;

/// Asks this program to run and measure a command: `FLAG cores command…`.
pub(crate) const FLAG: &str = "--measure";

/// What a run cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// Seconds of processor time, user's and system's.
    pub(crate) cpu: f64,
    /// Seconds by the clock.
    pub(crate) wall: f64,
    /// Most memory, in MiB, mapped files included.
    pub(crate) memory: f64,
}

/// Runs a command some times on some cores; the least of each figure.
#[allow(dead_code, reason = "each of the programs that share this file takes one of the two")]
pub(crate) fn least(cores: usize, rounds: usize, command: &[String]) -> Result<Cost, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    least_from(&own, cores, rounds, command)
}

/// The same with the process between under another name of this program.
pub(crate) fn least_from(own: &Path, cores: usize, rounds: usize, command: &[String]) -> Result<Cost, String> {
    let mut least = run(own, cores, command)?;
    for _ in 1..rounds {
        let cost = run(own, cores, command)?;
        least.cpu = least.cpu.min(cost.cpu);
        least.wall = least.wall.min(cost.wall);
        least.memory = least.memory.min(cost.memory);
    }
    Ok(least)
}

fn run(own: &Path, cores: usize, command: &[String]) -> Result<Cost, String> {
    let done = Command::new(own).arg(FLAG).arg(cores.to_string()).args(command).output().map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&done.stdout);
    let figures: Vec<f64> = text.split_whitespace().filter_map(|figure| figure.parse().ok()).collect();
    match figures.as_slice() {
        [cpu, wall, memory] if done.status.success() => Ok(Cost { cpu: *cpu, wall: *wall, memory: *memory }),
        _ => Err(format!("{}: {}", command.join(" "), String::from_utf8_lossy(&done.stderr).trim())),
    }
}

/// The process between: pins itself, runs the command and prints what it cost.
pub(crate) fn between(arguments: &[String]) -> ExitCode {
    let [cores, program, rest @ ..] = arguments else { return ExitCode::from(2) };
    let mut set = CpuSet::new();
    for core in 0..cores.parse().unwrap_or(1) {
        // The last cores: the first is where most interrupts go.
        let _ = set.set(std::thread::available_parallelism().map_or(1, usize::from).saturating_sub(1 + core));
    }
    if let Err(error) = sched_setaffinity(Pid::from_raw(0), &set) {
        eprintln!("pinning to {cores} cores: {error}");
        return ExitCode::FAILURE;
    }
    let began = Instant::now();
    let ended = Command::new(program).args(rest).stdin(Stdio::null()).stdout(Stdio::null()).status();
    let wall = began.elapsed().as_secs_f64();
    // 1 is an answer (no line matched; the log tells of trouble), anything above a failure.
    let well = ended.as_ref().is_ok_and(|status| matches!(status.code(), Some(0 | 1)));
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN);
    match usage {
        Ok(usage) if well => {
            let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
            println!(
                "{} {wall} {}",
                seconds(usage.user_time()) + seconds(usage.system_time()),
                usage.max_rss() as f64 / 1024.0
            );
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{program}: {ended:?}");
            ExitCode::FAILURE
        }
    }
}
