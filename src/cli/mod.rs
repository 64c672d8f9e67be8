//! The command line: one file a verb. A *world* room.
#![expect(clippy::disallowed_methods, reason = "a world room: reads playbook folders, writes reports, tells the time")]

#[cfg(feature = "mcp")]
mod absent;
mod analyze;
mod approvals;
mod ask;
mod begun;
mod brain;
mod cluster;
mod collect;
mod config;
mod counsel;
mod delivery;
mod explain;
mod fix;
mod history;
mod hook;
#[cfg(feature = "mcp")]
mod mcp;
mod narrow;
mod past;
mod phase;
mod plan;
mod playbook;
mod probe;
mod probe_nodes;
mod progress;
mod query;
mod reading;
mod replay;
mod screen;
#[cfg(feature = "serve")]
mod serve;
mod session;
mod shelf;
mod site_notes;
mod study;
mod test;
mod transport;
#[cfg(feature = "triage")]
pub mod triage;
mod watch;

use std::process::ExitCode;

use clap::{Args as _, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::error::Error;
use crate::playbook::{Library, built_in};

/// Nothing wrong.
pub const EXIT_HEALTHY: u8 = 0;
/// Something is wrong.
pub const EXIT_TROUBLE: u8 = 1;
/// diag itself failed.
pub const EXIT_FAILED: u8 = 2;

/// What is worth typing first.
const EXAMPLES: &str = "\
Examples:
  diag nccl-timeout job.log            one log, or a folder of them
  diag nccl-timeout logs/ -v           with all cited lines whole
  diag analyze logs/ --format html -o report.html
  kubectl logs my-pod | diag analyze -  standard input
  diag analyze --k8s research/train-0  a pod of a live cluster, by read-only calls
  diag collect logs/ dmesg/ -o case    everything of an incident in one folder
  diag explain rank-exception          how a cause is recognised
  diag explain xid 79                  what a number of the driver means

Exit codes: 0 nothing wrong, 1 something is wrong, 2 diag itself failed.";

/// Examples for a command that reads logs.
const READING: &str = "\
Examples:
  diag NAME job.log
  diag NAME logs/ gpu-17.dmesg.gz       a folder, and a kernel log
  diag NAME - < job.log                 standard input
  diag NAME job.log --format markdown   for a ticket
  diag NAME job.log --format html -o report.html

Nothing is changed, nothing is sent anywhere.";

/// Names the cause of a dead multi-GPU job, with the lines that prove it.
///
/// Reads what is left of a job: its logs, the kernel's, the scheduler's. Needs no network and changes nothing.
#[derive(Debug, Parser)]
#[command(name = "diag", version, propagate_version = true, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = EXAMPLES)]
struct Cli {
    /// Settings from this file alone; `none` reads none.
    #[arg(long, value_name = "FILE", env = "DIAG_CONFIG")]
    config: Option<std::path::PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Read logs of any kind and name the cause of what they tell of.
    Analyze(analyze::Args),
    /// What waits for a person's yes: list it, show it whole, agree to it or refuse it.
    Approvals(approvals::Args),
    /// Say in your words what you want: it says which command that is, and runs it.
    Ask(ask::Args),
    /// Bring all witnesses of an incident into a case folder, to be read elsewhere or later.
    Collect(collect::Args),
    /// Check and show the settings of `diag.toml`.
    Config(config::Args),
    /// Ask the evidence in SQL.
    Query(query::Args),
    /// Tell what a cause or an Xid means, how it is recognised and what to do.
    Explain(explain::Args),
    /// Do something about what is wrong: test, ask, fix, test again, and keep a journal of it.
    Fix(fix::Args),
    /// Tell which nodes and boards were in trouble, and how often.
    History(history::Args),
    /// Run as a hook of Slurm, systemd or node-problem-detector, or show how to install one.
    Hook(hook::Args),
    /// Serve an assistant over MCP on standard input and output; what needs a yes stays with a person.
    #[cfg(feature = "mcp")]
    Mcp(mcp::Args),
    /// List, check and test playbooks; begin a new one.
    Playbook(playbook::Args),
    /// Plan what to do about what is wrong: tests, fixes, undoing, as steps and as scripts. Runs nothing.
    Plan(plan::Args),
    /// Tell the journal of a case, and derive each of its moves again.
    Replay(replay::Args),
    /// Go on with a case that was interrupted, that waits for a yes, or that has to stay quiet.
    Resume(fix::ResumeArgs),
    /// Serve reports over HTTP: an API for chat-ops and dashboards, and a page on which one drops a log.
    #[cfg(feature = "serve")]
    Serve(serve::Args),
    /// Run a test on nodes, or find with it which of many is bad.
    Test(test::Args),
    /// Look at a case on a full screen: timeline, findings, evidence, the plan with its approvals, what runs.
    #[cfg(feature = "triage")]
    Triage(triage::Args),
    /// Look by itself at jobs that failed: from Slurm, or in folders of logs.
    Watch(watch::Args),
    /// Read this node's GPUs, fabric, memory, disks and daemons, and judge them.
    Probe(probe::Args),
}

/// Runs the command line; returns the exit code.
pub fn run() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == crate::probe::ARGUMENT) {
        return worker();
    }
    ExitCode::from(match dispatch() {
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            EXIT_FAILED
        }
    })
}

/// This process is one of our own that looks at the node; whoever listens knows what it means when it ends early.
fn worker() -> ExitCode {
    let served = crate::probe::serve(&mut std::io::stdin().lock(), &mut std::io::stdout().lock());
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) }
}

/// Writes an error to stderr: code, place, reason, way on.
#[allow(clippy::print_stderr, reason = "the one place that writes errors")]
fn complain(error: &Error) {
    let safe = |text: &str| text.chars().map(|c| if c.is_control() && c != '\n' { '?' } else { c }).collect::<String>();
    eprintln!("diag: {}: {} [{}]", safe(&error.place), safe(&error.reason), error.code);
    if !error.way_on.is_empty() {
        eprintln!("      {}", safe(&error.way_on));
    }
}

/// All verbs, with one for each symptom that people type.
fn command(library: &Library) -> clap::Command {
    let mut command = Cli::command();
    for set in &library.sets {
        let verb = analyze::Args::augment_args(clap::Command::new(set.id.clone()));
        let long = format!("{}\n\n{}", set.title, set.about);
        let examples = READING.replace("NAME", &set.id);
        command = command.subcommand(verb.about(set.title.clone()).long_about(long).after_long_help(examples));
    }
    command.mut_subcommand("analyze", |verb| verb.after_long_help(READING.replace("NAME", "analyze")))
}

fn dispatch() -> Result<u8, Error> {
    let library = built_in()?;
    let command = command(&library);
    perform(&command, library, std::env::args_os().collect())
}

/// Does what words say, the program's name first.
fn perform(command: &clap::Command, library: Library, words: Vec<std::ffi::OsString>) -> Result<u8, Error> {
    let typed = command.clone().get_matches_from(&words);
    let applied = config::applied(command.clone(), typed, &words)?;
    let (matches, site) = (begun::applied(applied.command, applied.matches, &words)?, applied.site);
    if let Some((name, inner)) = matches.subcommand()
        && let Some(set) = library.sets.iter().find(|set| set.id == name)
    {
        let args = analyze::Args::from_arg_matches(inner).map_err(|error| usage(&error))?;
        let causes = set.causes.clone();
        return analyze::run(&args, library, &causes, &site.config);
    }
    let cli = Cli::from_arg_matches(&matches).map_err(|error| usage(&error))?;
    match cli.verb {
        Verb::Analyze(args) => analyze::run(&args, library, &["*".to_owned()], &site.config),
        Verb::Approvals(args) => approvals::run(&args, library, &site.config),
        Verb::Ask(args) => ask::run(&args, &site.config, cli.config.as_deref(), command, library),
        Verb::Collect(args) => collect::run(&args),
        Verb::Config(args) => config::run(&args, command, cli.config.as_deref()),
        Verb::Query(args) => query::run(&args, library),
        Verb::Explain(args) => explain::run(&args, &library),
        Verb::Fix(args) => fix::run(&args, library, &site.config),
        Verb::Replay(args) => replay::run(&args),
        Verb::Resume(args) => fix::resume(&args, library, &site.config),
        Verb::History(args) => history::run(&args, &site.config),
        Verb::Hook(args) => hook::run(&args),
        #[cfg(feature = "mcp")]
        Verb::Mcp(args) => mcp::run(args, library, &site.config),
        Verb::Playbook(args) => playbook::run(&args, library),
        Verb::Plan(args) => plan::run(&args, library, &site.config),
        #[cfg(feature = "serve")]
        Verb::Serve(args) => serve::run(&args, library),
        Verb::Test(args) => test::run(&args, library),
        #[cfg(feature = "triage")]
        Verb::Triage(args) => triage::run(args, library, &site.config),
        Verb::Watch(args) => watch::run(&args, library, &site.config, cli.config.as_deref()),
        Verb::Probe(args) => probe::run(&args, &site.config),
    }
}

fn usage(error: &clap::Error) -> Error {
    Error::new("usage", "command line", error.to_string())
}

/// Adds the playbooks of a folder to the library.
fn add_playbooks(library: &mut Library, folder: Option<&std::path::Path>) -> Result<(), Error> {
    let Some(folder) = folder else { return Ok(()) };
    let mut shelf = shelf::read(folder, library);
    if let Some(error) = shelf.wrong.pop() {
        return Err(error);
    }
    shelf.echoes.truncate(shelf.own_echoes);
    let playbooks = shelf.playbooks.into_iter().map(|(_, shelved)| shelved).collect();
    library.add(playbooks, shelf.echoes, shelf.tests.into_iter().map(|(_, test)| test).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flags that two parts of a verb share by name would end the program when the verb is typed.
    #[test]
    fn every_verb_can_be_typed() {
        command(&built_in().unwrap()).debug_assert();
    }
}
