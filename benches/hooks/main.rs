//! What a hook costs before a job on a healthy node without GPU, side by side with Node Health Check and the least that any
//! program costs.
//!
//! ```text
//! cargo bench --bench hooks                        # 200 runs each
//! NHC=/usr/sbin/nhc cargo bench --bench hooks      # beside Node Health Check (github.com/mej/nhc)
//! ```
//!
//! Node Health Check runs the checks of its own sample configuration that ask what our prolog asks too: memory, the root file
//! system, `/dev/shm`. `nvidia-smi -L` stands for the usual script of one line, where it is installed. No figure fails the program.
#![allow(clippy::disallowed_methods, reason = "a program for people: reads files, runs commands")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

#[path = "../reading/measure.rs"]
mod measure;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use measure::Cost;

/// Runs of each command; the least counts.
const ROUNDS: usize = 200;

/// What of Node Health Check is asked (scripts/lbnl_hw.nhc and lbnl_fs.nhc of 1.4.3).
const CHECKS: &str = "\
* || check_hw_physmem_free 1MB
* || check_hw_mem_free 1MB
* || check_fs_mount_rw -f /
* || check_fs_free / 3%
* || check_fs_ifree / 1k
* || check_fs_free /dev/shm 3%
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == measure::FLAG) {
        return measure::between(&arguments[1..]);
    }
    match compare() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).map_err(|error| error.to_string());
    write("hook.toml", &format!("state = {:?}\nrecord = {:?}\n", at("state"), at("hook.jsonl")))?;
    write("nhc.conf", CHECKS)?;
    // Slurm's daemon is the parent of its prolog; a look at the limits of jobs begins there.
    let slurmd = folder.path().join("slurmd");
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    std::os::unix::fs::symlink(own, &slurmd).map_err(|error| error.to_string())?;
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    let hook = env!("CARGO_BIN_EXE_diag-hook");
    tell("/bin/true", &slurmd, &words(&["/bin/true"]));
    tell("sh -c :", &slurmd, &words(&["sh", "-c", ":"]));
    tell("diag-hook prolog", &slurmd, &words(&[hook, "prolog", "--config", &at("hook.toml")]));
    match std::env::var("NHC") {
        Ok(nhc) => {
            let scripts = Path::new(&nhc).parent().map(|folder| folder.join("scripts")).unwrap_or_default();
            let include = if scripts.is_dir() { scripts.display().to_string() } else { "/etc/nhc/scripts".to_owned() };
            let fixed = ["bash", &nhc, "-q", "-l", "-", "-c", &at("nhc.conf")];
            let variables = [format!("INCDIR={include}"), "MARK_OFFLINE=0".to_owned(), "NHC_RM=slurm".to_owned()];
            tell("nhc", &slurmd, &[words(&fixed), variables.to_vec()].concat());
        }
        Err(_) => println!("nhc: not measured; NHC names its script"),
    }
    let smi = "/usr/bin/nvidia-smi";
    match Path::new(smi).exists() {
        true => tell("nvidia-smi -L", &slurmd, &words(&[smi, "-L"])),
        false => println!("nvidia-smi -L: not measured; it is not installed"),
    }
    Ok(())
}

fn tell(name: &str, from: &Path, command: &[String]) {
    match measure::least_from(from, 1, ROUNDS, command) {
        Ok(Cost { cpu, wall, memory }) => {
            println!("{name}: {:.2} ms by the clock, {:.2} ms of CPU, {memory:.1} MiB", wall * 1e3, cpu * 1e3);
        }
        Err(error) => println!("{name}: not measured: {error}"),
    }
}
