//! `diag plan`: what would be done about what is wrong. Runs nothing and reaches nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use diag_parsers::Scanner;

use super::analyze::scanner;
use super::reading::{self, Reading};
use super::screen::{self, Color};
use super::study::{Study, playbooks, study};
use super::{EXIT_HEALTHY, EXIT_TROUBLE, delivery};
use crate::config::Config;
use crate::error::Error;
use crate::evidence::parts;
use crate::plan::{self, Answers, Known, Plan, Stage, tell};
use crate::playbook::Library;
use crate::policy::{self, Decision, Facts, Policy, Said};
use crate::report::text::Look;

/// What is worth typing.
const EXAMPLES: &str = "\
Examples:
  diag plan logs/                        what would be done, step by step
  diag plan case-4242 --set hca=mlx5_3
  diag plan case-4242 --write steps/     each step as a script that a person can run
  diag plan case-4242 --format markdown  for the ticket
  diag fix case-4242                     the same, done: each step is asked for first

Nothing is run and nobody is reached. Exit codes: 0 nothing is wrong, 1 there is a plan or an open question, 2 diag failed.";

/// What to plan for, and how to tell.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    what: What,
    /// How to tell it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write to a file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write each step as a script into this folder, which must be new or empty.
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// Runs nothing, which is what this command does anyway.
    #[arg(long)]
    dry_run: bool,
    /// Colour in the text.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
    /// Scripts and all commands whole.
    #[arg(long, short, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// What a plan is made of.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct What {
    /// A case, or files, folders, globs, archives, or `-` for standard input.
    #[arg(required = true, value_name = "CASE|INPUT")]
    pub(super) inputs: Vec<String>,
    #[command(flatten)]
    pub(super) narrow: super::narrow::Args,
    /// What the evidence does not tell, as the plan asks for it: `hca=mlx5_3`, or `ib-pair.hca=mlx5_3` for one step.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(super) set: Vec<String>,
    /// Only for findings of this cause.
    #[arg(long, value_name = "SLUG")]
    pub(super) cause: Option<String>,
    /// The policy; without it /etc/diag/policy.toml, where that is there, or the built-in one.
    #[arg(long, value_name = "FILE", env = "DIAG_POLICY")]
    pub(super) policy: Option<PathBuf>,
    /// No progress bar.
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// Further playbooks; one of a known cause replaces it.
    #[arg(long, value_name = "DIR", env = "DIAG_PLAYBOOKS")]
    pub(super) playbooks: Option<PathBuf>,
    /// Further line formats (`*.toml`).
    #[arg(long, value_name = "DIR", env = "DIAG_FORMATS")]
    pub(super) formats: Option<PathBuf>,
    /// Who schedules work on the nodes: as they are reached.
    #[arg(skip)]
    pub(super) who: plan::Who,
    /// What the site says of its nodes: as `diag.toml` has it.
    #[arg(skip)]
    pub(super) site: plan::Site,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// For a terminal.
    Text,
    /// For programs.
    Json,
    /// For a ticket.
    Markdown,
}

/// The evidence with a report and a plan for each of its findings.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) table: crate::evidence::Table,
    pub(super) report: crate::report::Report,
    pub(super) plans: Vec<Plan>,
}

/// Plans, and tells the plan.
pub(super) fn run(args: &Args, mut library: Library, config: &Config) -> Result<u8, Error> {
    super::add_playbooks(&mut library, args.what.playbooks.as_deref())?;
    let policy = policy(args.what.policy.as_deref())?;
    let what = &What { site: config.site(), ..args.what.clone() };
    let planned = read(what, &library, &answers(&what.set)?)?;
    let says: Vec<tell::Says> = planned.plans.iter().map(|plan| says(plan, &policy)).collect();
    if let Some(folder) = &args.write {
        write(folder, &planned.plans)?;
    }
    deliver(args, &planned, &says)?;
    let healthy = planned.report.outcome == crate::verdict::Outcome::Healthy;
    Ok(if healthy { EXIT_HEALTHY } else { EXIT_TROUBLE })
}

/// Shows the plan as text.
pub(super) fn show(what: &What, library: &Library) -> Result<u8, Error> {
    let policy = policy(what.policy.as_deref())?;
    let planned = read(what, library, &answers(&what.set)?)?;
    let says: Vec<tell::Says> = planned.plans.iter().map(|plan| says(plan, &policy)).collect();
    let look = Look { width: screen::width(false), colour: screen::colour(Color::Auto, false), ..Look::default() };
    delivery::deliver(&text(&planned, &says, look), None)?;
    let healthy = planned.report.outcome == crate::verdict::Outcome::Healthy;
    Ok(if healthy { EXIT_HEALTHY } else { EXIT_TROUBLE })
}

/// Reads the inputs, and plans for what they tell.
pub(super) fn read(what: &What, library: &Library, answers: &Answers) -> Result<Planned, Error> {
    read_from(what, &what.inputs, library, answers)
}

/// The same from other inputs: a case that was made of them.
pub(super) fn read_from(
    what: &What,
    inputs: &[String],
    library: &Library,
    answers: &Answers,
) -> Result<Planned, Error> {
    let scanner = scanner(what.formats.as_deref())?;
    let reading = reading::read(None, inputs, what.quiet, &scanner)?;
    from(reading, what, (library, &scanner), answers, &vouched(inputs))
}

/// The same where all inputs have to lie within a fence; nobody vouches for one of them but who made a case.
#[cfg(feature = "mcp")]
pub(super) fn read_within(
    what: &What,
    inputs: &[String],
    library: &Library,
    answers: &Answers,
    fence: &crate::collect::Fence,
) -> Result<Planned, Error> {
    let scanner = scanner(what.formats.as_deref())?;
    let wanted = crate::collect::Wanted { fence: Some(fence), ..crate::collect::Wanted::inputs(inputs) };
    let reading = reading::measured(wanted, Vec::new(), &scanner, &crate::collect::Meter::default())?;
    from(reading, what, (library, &scanner), answers, &vouched(inputs))
}

fn from(
    reading: Reading,
    what: &What,
    (library, scanner): (&Library, &Scanner),
    answers: &Answers,
    vouched: &BTreeSet<String>,
) -> Result<Planned, Error> {
    let study = study(reading, &what.narrow, &["*".to_owned()], library, scanner)?;
    Ok(plans(study, what.cause.as_deref(), library, Known { answers, vouched, who: &what.who, site: &what.site }))
}

/// Plans for what the evidence tells.
pub(super) fn plans(
    Study { table, report, .. }: Study,
    cause: Option<&str>,
    library: &Library,
    known: Known<'_>,
) -> Planned {
    let parts = parts(&table);
    let (part, found) = crate::report::roots(&parts, &["*".to_owned()], &playbooks(library));
    let wanted = |slug: &str| cause.is_none_or(|only| only == slug);
    let mut plans: Vec<Plan> = found.iter().map(|found| plan::plan(found, &part.table, known)).collect();
    plans.retain(|plan| wanted(&plan.subject.cause) && !plan.steps.is_empty());
    if report.outcome == crate::verdict::Outcome::Healthy {
        plans.clear();
    }
    Planned { table, report, plans }
}

/// What a person named one by one: here, or when they made the case.
fn vouched(inputs: &[String]) -> BTreeSet<String> {
    let cases = inputs.iter().filter_map(|input| crate::case::read_index(Path::new(input)).ok());
    let of_cases: Vec<String> = cases.flat_map(|index| index.collections).flat_map(|one| one.inputs).collect();
    inputs.iter().cloned().chain(of_cases).collect()
}

/// The answers of the command line.
pub(super) fn answers(set: &[String]) -> Result<Answers, Error> {
    let one = |text: &String| {
        let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
        let (name, value) = pair.ok_or_else(|| {
            Error::new("usage", "--set", format!("`{text}` is not NAME=VALUE")).with_way_on("as in --set hca=mlx5_3")
        })?;
        Ok((name.to_owned(), value.to_owned()))
    };
    set.iter().map(one).collect()
}

/// Where a site keeps its policy.
const SITE: &str = "/etc/diag/policy.toml";

/// The policy that counts.
pub(super) fn policy(file: Option<&Path>) -> Result<Policy, Error> {
    let site = Path::new(SITE);
    let Some(file) = file.or_else(|| site.exists().then_some(site)) else { return policy::built_in() };
    let place = file.display().to_string();
    let text = fs::read_to_string(file).map_err(|error| Error::new("policy.unreadable", &place, error.to_string()))?;
    policy::read(&text, &place)
}

/// What the policy says of each step while nothing is known of the nodes and nobody was asked.
pub(super) fn says(plan: &Plan, policy: &Policy) -> tell::Says {
    let mut says = BTreeMap::new();
    for step in plan.steps.iter().filter(|step| step.runs() && step.stage != Stage::Verify) {
        let mut facts = Facts::of(plan.subject.status, step.nodes.clone());
        facts.witnesses.clone_from(&plan.subject.witnesses);
        let word = |answer: &str, why: String| tell::Word { answer: answer.to_owned(), why };
        let word = match policy::judge(step, &facts, policy, &Said::default()) {
            Decision::Allowed(..) => word("needs no question", "the policy allows it".to_owned()),
            Decision::Ask(asked) => word("asks first", asked.why.join("; ")),
            Decision::Refused(_, why) => word("forbidden", why),
        };
        says.insert(step.id.clone(), word);
    }
    says
}

fn deliver(args: &Args, planned: &Planned, says: &[tell::Says]) -> Result<(), Error> {
    let file = args.output.is_some();
    let look = Look {
        width: screen::width(file),
        colour: screen::colour(args.color, file),
        verbose: args.verbose > 0,
        quiet: args.what.quiet,
    };
    let pairs = || planned.plans.iter().zip(says);
    let bytes = match args.format {
        Format::Json => tell::json(&planned.plans, says),
        Format::Markdown => pairs().map(|(plan, says)| tell::markdown(plan, says)).collect::<Vec<_>>().join(&b"\n"[..]),
        Format::Text => text(planned, says, look),
    };
    delivery::deliver(&bytes, args.output.as_deref())
}

/// Plans as text; the report where there is nothing to plan.
fn text(planned: &Planned, says: &[tell::Says], look: Look) -> Vec<u8> {
    let pairs = planned.plans.iter().zip(says);
    let mut pages: Vec<Vec<u8>> = pairs.map(|(plan, says)| tell::text(plan, says, look)).collect();
    if pages.is_empty() {
        pages.push(crate::report::text::render(&planned.report, look));
    }
    pages.join(&b"\n"[..])
}

/// Writes the steps of all plans as scripts that only their owner can read.
pub(super) fn write(folder: &Path, plans: &[Plan]) -> Result<(), Error> {
    let failed = |error: io::Error| {
        Error::new("output.unwritable", folder.display().to_string(), error.to_string())
            .with_way_on("name another folder")
    };
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::new(
            "output.foreign",
            folder.display().to_string(),
            "holds files already; nothing was written",
        )
        .with_way_on("name a new or an empty folder with --write"));
    }
    for plan in plans {
        let into = if plans.len() > 1 { folder.join(&plan.subject.cause) } else { folder.to_owned() };
        DirBuilder::new().recursive(true).mode(0o700).create(&into).map_err(failed)?;
        for file in tell::scripts(plan) {
            let mut open = OpenOptions::new();
            let opened = open.write(true).create_new(true).mode(0o700).open(into.join(&file.name));
            opened.and_then(|mut opened| opened.write_all(file.text.as_bytes())).map_err(failed)?;
        }
    }
    Ok(())
}
