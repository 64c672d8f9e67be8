//! `diag approvals`: what waits for a person's yes; agreeing to it, and refusing it.

mod act;
mod person;
mod put;
mod queue;
mod show;
mod tell;

use std::path::PathBuf;

pub(in crate::cli) use queue::{name, put_up};

use super::{EXIT_HEALTHY, EXIT_TROUBLE, delivery, fix, transport};
use crate::config::Config;
use crate::error::Error;
use crate::playbook::Library;

/// What is worth typing.
const EXAMPLES: &str = "\
Examples:
  diag approvals                          what waits: cause, culprit, what would be done, where, until when
  diag approvals show 3f9a2c41            the step whole, with the lines that led there
  diag approvals approve 3f9a2c41         does exactly that, tests it, and stops at the next step that needs a yes
  diag approvals refuse 3f9a2c41 --because 'the board is swapped today'
  diag approvals put case-4242            what would be done about a case waits; nothing is run
  diag approvals --format json

What waits was left by `diag fix` where nobody was there, by `diag watch`, or by an assistant. Whoever agrees stands in the case's
journal. Exit codes: 0 nothing waits, or it was done and is well; 1 something waits, or is not well; 2 diag itself failed.";

/// What to do with it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// What to do with it.
    #[arg(value_enum, default_value_t = Verb::List)]
    verb: Verb,
    /// What it is known by; put: the case.
    #[arg(value_name = "ID|CASE", required_if_eq_any = [("verb", "show"), ("verb", "approve"), ("verb", "refuse"), ("verb", "put")])]
    id: Option<String>,
    /// How to tell it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// What has expired or gone stale as well.
    #[arg(long)]
    all: bool,
    /// approve: agrees without a further question.
    #[arg(long)]
    yes: bool,
    /// approve: although somebody's jobs run on the nodes.
    #[arg(long)]
    on_busy: bool,
    /// refuse: why.
    #[arg(long, value_name = "TEXT")]
    because: Option<String>,
    /// Touch no other nodes: `gpu-[17-18]`.
    #[arg(long, value_name = "SET")]
    nodes: Option<String>,
    #[command(flatten, next_help_heading = "Nodes")]
    how: transport::How,
    /// The policy; without it /etc/diag/policy.toml, where that is there, or the built-in one.
    #[arg(long, value_name = "FILE", env = "DIAG_POLICY")]
    policy: Option<PathBuf>,
    /// Further playbooks.
    #[arg(long, value_name = "DIR", env = "DIAG_PLAYBOOKS")]
    playbooks: Option<PathBuf>,
    /// Further line formats (`*.toml`).
    #[arg(long, value_name = "DIR", env = "DIAG_FORMATS")]
    formats: Option<PathBuf>,
    /// No progress bar.
    #[arg(long, short)]
    quiet: bool,
    /// Where diag keeps its state; /var/lib/diag where this machine's root runs it.
    #[arg(long, value_name = "DIR", env = "DIAG_STATE")]
    state: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Verb {
    /// What waits.
    List,
    /// One of them whole.
    Show,
    /// Do it.
    Approve,
    /// Don't.
    Refuse,
    /// Have what would be done about a case wait, and run nothing.
    Put,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Runs the verb.
pub(super) fn run(args: &Args, mut library: Library, config: &Config) -> Result<u8, Error> {
    super::add_playbooks(&mut library, args.playbooks.as_deref())?;
    let queue = queue::Queue::open(&fix::state(args.state.as_deref()))?;
    let id = args.id.as_deref().unwrap_or_default();
    match args.verb {
        Verb::List => list(args, &queue),
        Verb::Show => show::run(args, queue.find(id)?, (&library, config)),
        Verb::Approve => act::approve(args, &queue, &queue.find(id)?, (&library, config)),
        Verb::Refuse => act::refuse(args, &queue, &queue.find(id)?, (&library, config)),
        Verb::Put => put::run(args, std::path::Path::new(id), (&library, config)),
    }
}

/// The case that is decided on, by what was typed.
pub(super) fn case_of(typed: &clap::ArgMatches) -> Option<PathBuf> {
    typed.get_one::<Verb>("verb").filter(|verb| matches!(verb, Verb::Approve | Verb::Refuse))?;
    let (id, state) = (typed.get_one::<String>("id")?, typed.get_one::<PathBuf>("state"));
    let queue = queue::Queue::open(&fix::state(state.map(PathBuf::as_path))).ok()?;
    queue.find(id).ok().map(|item| item.case)
}

fn list(args: &Args, queue: &queue::Queue) -> Result<u8, Error> {
    let mut found = queue.found();
    queue::ask_nodes(&mut found.items);
    let text = match args.format {
        Format::Json => tell::json(&found, now()),
        Format::Text => tell::text(&found, args.all, now()),
    };
    delivery::deliver(text.as_bytes(), None)?;
    let waits = found.items.iter().any(|item| item.waits(now()));
    Ok(if waits { EXIT_TROUBLE } else { EXIT_HEALTHY })
}

/// The time, in seconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
