//! Names the cause of a dead multi-GPU job, with the lines that prove it.
//!
//! Data goes one way: bytes → lines → events → evidence → findings → report. Each room below imports only
//! rooms to its left; only the world rooms of ARCHITECTURE.md touch the world.

pub mod agent;
pub mod authored;
pub mod brain;
pub mod breaker;
pub mod case;
pub mod cli;
pub mod collect;
pub mod config;
pub mod diagnose;
pub mod error;
pub mod evidence;
pub mod exec;
pub mod history;
pub mod hook;
pub mod intent;
pub mod kubernetes;
#[cfg(feature = "mcp")]
pub mod mcp;
pub mod notify;
pub mod plan;
pub mod playbook;
pub mod policy;
pub mod probe;
pub mod quote;
pub mod reading;
pub mod redact;
pub mod rehearsal;
pub mod report;
pub mod scheduler;
#[cfg(feature = "serve")]
pub mod serve;
pub mod sheets;
pub mod spool;
#[cfg(feature = "triage")]
pub mod triage;
pub mod verdict;
pub mod verify;
pub mod watch;
