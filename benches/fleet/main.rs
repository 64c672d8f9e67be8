//! One line on 256 targets of this machine: diag, by both of its ways, `pdsh` and `clush` side by side, over one sshd with
//! the same key exchange. Says seconds, and the most memory that diag took. `cargo bench --features ssh2 --bench fleet`.
#![allow(clippy::disallowed_methods, reason = "a benchmark runs programs and reads the clock")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "a benchmark says what it measured")]
#![allow(dead_code, reason = "the tests' sshd can do more than is measured")]

#[path = "../../tests/it/executors/sshd.rs"]
mod sshd;
#[path = "../../tests/it/executors/stage.rs"]
mod stage;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use diag::exec::ssh::{Settings, Ssh};
use diag::exec::{End, FanOut, Limits};

/// Targets, and how many at a time.
const TARGETS: usize = 256;
const AT_ONCE: usize = 64;

fn main() {
    let sshd = sshd::Sshd::up(TARGETS);
    let hosts: Vec<String> = (0..TARGETS).map(|nth| format!("n{nth}")).collect();
    for round in 1..=3 {
        println!("round {round}");
        for library in [false, true] {
            if !library || cfg!(feature = "ssh2") {
                let took = diag(&sshd, &hosts, library);
                println!("  diag {:8} {:5.2} s", if library { "libssh2" } else { "ssh" }, took.as_secs_f64());
            }
        }
        let (list, config) = (hosts.join(","), sshd.config().display().to_string());
        let options = format!("-F {config} -o BatchMode=yes");
        let fanout = AT_ONCE.to_string();
        other("pdsh", &["-R", "ssh", "-f", &fanout, "-w", &list, "hostname"], &options);
        other("clush", &["-q", "-f", &fanout, "-o", &options, "-w", &list, "hostname"], &options);
    }
    println!("most memory of diag: {} MB", peak() / 1024);
}

fn diag(sshd: &sshd::Sshd, hosts: &[String], library: bool) -> Duration {
    let ready = Duration::from_secs(60);
    let settings = Settings { config: Some(sshd.config()), library, ready, ..Settings::default() };
    let executor = FanOut::new(Ssh::new(settings).unwrap(), Limits { at_once: AT_ONCE, ..Limits::default() });
    let parts = hosts.iter().map(|host| vec![(stage::node(host), stage::argv(&["hostname"]))]).collect();
    let began = Instant::now();
    let rans = stage::run(&executor, stage::task(parts));
    let took = began.elapsed();
    let well = rans.iter().filter(|ran| ran.end == End::Exit(0)).count();
    assert_eq!(well, hosts.len(), "{:?}", rans.iter().find(|ran| ran.end != End::Exit(0)));
    took
}

fn other(program: &str, args: &[&str], options: &str) {
    let mut command = Command::new(program);
    command.args(args).env("PDSH_SSH_ARGS_APPEND", options).stdin(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    match command.output() {
        Ok(done) => {
            let lines = String::from_utf8_lossy(&done.stdout).lines().count();
            println!("  {program:13} {:5.2} s, {lines} answers", began.elapsed().as_secs_f64());
        }
        Err(error) => println!("  {program:13} not measured: {error}"),
    }
}

/// The most memory that this process took, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}
