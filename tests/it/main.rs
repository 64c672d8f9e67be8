//! The one integration binary.
#![allow(clippy::disallowed_methods, reason = "tests read the tree and run the program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod advising;
mod approving;
mod architecture;
mod asking;
mod authors;
mod bad_inputs;
mod brain;
#[cfg(feature = "serve")]
mod browser;
mod cases;
mod cluster;
mod config;
mod executors;
mod fixing;
mod forged;
mod hooks;
mod hostile;
mod isolation;
mod keeping;
mod kept;
mod kubernetes;
#[cfg(feature = "mcp")]
mod mcp;
mod narrowing;
mod past;
mod playbooks;
mod probing;
mod query;
mod reading;
mod recorder;
mod repairing;
mod samples;
#[cfg(feature = "serve")]
mod serve;
mod staged;
mod telling;
mod testing;
#[cfg(feature = "triage")]
mod triage;
mod watching;
mod wording;

/// A copy of `diag` at another place, for users that may not enter this tree. Another process writes it: a file that this
/// one had open could not be run while a test beside it starts a program.
fn install_diag(at: &std::path::Path) {
    let copy = std::process::Command::new("install").args(["-m", "755", env!("CARGO_BIN_EXE_diag")]).arg(at).status();
    assert!(copy.unwrap().success(), "{}", at.display());
}
