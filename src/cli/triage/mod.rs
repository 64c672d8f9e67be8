//! `diag triage`: a case on a full screen. Here is its edge: the terminal, what is read, what runs. What is shown and what keys
//! do stands in `src/triage`.

mod beyond;
mod runner;
mod screen;
mod session;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::{Args as _, FromArgMatches as _};

use super::fix::Terms;
use super::plan::{self as planning, What};
use super::screen::{Color, colour};
use super::{EXIT_HEALTHY, EXIT_TROUBLE};
use crate::case::{Standing, pages, standing};
use crate::config::Config;
use crate::error::Error;
use crate::playbook::Library;
use crate::policy::Policy;
use crate::triage::{Incident, Look, Source};
use crate::verdict::Outcome;

/// What is worth typing.
const EXAMPLES: &str = "\
Examples:
  diag triage case-4242                  the verdict, the timeline, the evidence, the plan, on a full screen
  diag triage logs/ gpu-17.dmesg         the same of logs; a case folder is made when something is begun
  diag triage case-4242 --via slurm      tests and fixes reach nodes by Slurm
  diag triage case-4242 --approve load   tests under load need no question

Nothing is run before you say so in the plan (5, then r); what the policy asks for is shown whole first.
`?` tells all keys. Exit codes: 0 nothing is wrong, 1 something is, 2 diag failed.";

/// What to look at, and what may be done from there.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    terms: Terms,
    /// The case folder for what is done; `case-` and the time, if left out. A case that is an input is used itself.
    #[arg(long, value_name = "DIR")]
    case: Option<PathBuf>,
    /// Colour on the screen. Nothing is told by colour alone.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
}

/// Opens a session, and says at its end whether something is wrong.
pub(super) fn run(mut args: Args, mut library: Library, config: &Config) -> Result<u8, Error> {
    a_person_is_there(&args.what.inputs)?;
    super::add_playbooks(&mut library, args.what.playbooks.as_deref())?;
    let policy = planning::policy(args.what.policy.as_deref())?;
    args.what.site = config.site();
    let incident = read(&args, &library, &policy)?;
    let healthy = incident.report.outcome == Outcome::Healthy;
    let look = Look { colour: colour(args.color, false), unicode: unicode() };
    let setting = session::Setting { args: &args, library: &library, policy: &policy, site: config };
    let ended = session::run(&setting, incident, look)?;
    Ok(match ended {
        Some(signal) => 128 + signal,
        None if healthy => EXIT_HEALTHY,
        None => EXIT_TROUBLE,
    })
}

/// A screen needs a terminal, and standard input is the keyboard.
fn a_person_is_there(inputs: &[String]) -> Result<(), Error> {
    if inputs.iter().any(|input| input == "-") {
        let error = Error::new("triage.input", "-", "standard input is the keyboard here");
        return Err(error.with_way_on("`diag collect - -o case` keeps what comes in, and `diag triage case` shows it"));
    }
    let (keys, screen) = (std::io::stdin().is_terminal(), std::io::stdout().is_terminal());
    if keys && screen {
        return Ok(());
    }
    let place = if keys { "standard output" } else { "standard input" };
    Err(Error::new("triage.no_terminal", place, "is no terminal, and triage needs a whole one")
        .with_way_on("`diag analyze` and `diag plan` tell the same as text"))
}

/// What a command line names, as a session shows it: the words behind `diag triage`.
///
/// # Errors
/// Words that are no command line, or inputs that can't be read.
pub fn incident(words: &[&str]) -> Result<Incident, Error> {
    let words = std::iter::once("triage").chain(words.iter().copied());
    let matches = Args::augment_args(clap::Command::new("triage")).try_get_matches_from(words);
    let args = matches.and_then(|matches| Args::from_arg_matches(&matches)).map_err(|error| super::usage(&error))?;
    let mut library = crate::playbook::built_in()?;
    super::add_playbooks(&mut library, args.what.playbooks.as_deref())?;
    read(&args, &library, &planning::policy(args.what.policy.as_deref())?)
}

/// Reads the inputs; of a case, the plans and the journal as far as they have come.
fn read(args: &Args, library: &Library, policy: &Policy) -> Result<Incident, Error> {
    let answers = planning::answers(&args.what.set)?;
    let what = planning::What { who: args.terms.how.scheduler(), ..args.what.clone() };
    let planned = planning::read(&what, library, &answers)?;
    let root = case_of(args);
    let journal = root.as_deref().map(pages).transpose()?.flatten().map(|pages| pages.lines).unwrap_or_default();
    let known = crate::agent::Case::of(&journal)?.read;
    let plans = known.map_or(planned.plans, |read| read.plans);
    let says = plans.iter().map(|plan| planning::says(plan, policy)).collect();
    let source = Source {
        name: args.what.inputs.join(" "),
        root: root.map(|root| root.display().to_string()),
        via: args.terms.how.name(),
    };
    let mut incident = Incident::new(source, planned.table, planned.report, plans, says);
    incident.take_journal(journal);
    Ok(incident)
}

/// The case that is looked at, where the input is one.
fn case_of(args: &Args) -> Option<PathBuf> {
    let [only] = args.what.inputs.as_slice() else { return None };
    let is_case = matches!(standing(Path::new(only)), Standing::Whole | Standing::Adding);
    (is_case && args.case.is_none()).then(|| PathBuf::from(only))
}

/// Whether the terminal takes more than ASCII, as far as the locale tells.
fn unicode() -> bool {
    let told = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let utf8 = told.is_some_and(|value| value.to_lowercase().replace('-', "").contains("utf8"));
    utf8 && std::env::var("TERM").is_ok_and(|term| term != "dumb")
}
