//! `diag analyze`, and the symptoms that people type: read, diagnose, tell.

use std::path::{Path, PathBuf};
use std::time::Instant;

use diag_parsers::{Catalogue, FormatFile, Scanner};

use super::reading;
use super::screen::{self, Color};
use super::study::{Study, study};
use super::{EXIT_HEALTHY, EXIT_TROUBLE, delivery};
use crate::config::Config;
use crate::error::Error;
use crate::playbook::Library;
use crate::report::{self, Report};
use crate::verdict::Outcome;

/// What to read and how to tell.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files, folders, globs, archives, or `-` for standard input.
    #[arg(required_unless_present = "k8s", value_name = "INPUT")]
    inputs: Vec<String>,
    #[command(flatten)]
    cluster: super::cluster::Args,
    #[command(flatten)]
    narrow: super::narrow::Args,
    /// Tell the site's own notes as well: DIAG.md of the working folder and of /etc/diag.
    #[arg(long)]
    site_notes: bool,
    /// Ask the model of `diag.toml` (or DIAG_BRAIN_URL, DIAG_BRAIN_MODEL) as well: it sees the cited lines, masked, and decides nothing.
    #[arg(long)]
    brain: bool,
    /// How to tell it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write to a file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Colour in the text report.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
    /// No progress bar, no notes; only the report.
    #[arg(long, short)]
    quiet: bool,
    /// More detail: all cited lines, all findings.
    #[arg(long, short, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Further playbooks; one of a known cause replaces it.
    #[arg(long, value_name = "DIR", env = "DIAG_PLAYBOOKS")]
    playbooks: Option<PathBuf>,
    /// Further line formats (`*.toml`).
    #[arg(long, value_name = "DIR", env = "DIAG_FORMATS")]
    formats: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// For a terminal.
    Text,
    /// For programs.
    Json,
    /// For a ticket.
    Markdown,
    /// One page with pictures that needs no network.
    Html,
}

/// Reads the inputs and tells what is wrong; `causes` are those that the symptom is about, told first.
pub(super) fn run(args: &Args, mut library: Library, causes: &[String], config: &Config) -> Result<u8, Error> {
    let brain = super::brain::wanted(args.brain, config)?;
    let began = Instant::now();
    super::add_playbooks(&mut library, args.playbooks.as_deref())?;
    let scanner = scanner(args.formats.as_deref())?;
    let reading = reading::read(args.cluster.target()?.as_ref(), &args.inputs, args.quiet, &scanner)?;
    let Study { table, mut report, case } = study(reading, &args.narrow, causes, &library, &scanner)?;
    if !case {
        report.stats.elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    }
    if let Some(settings) = brain.filter(|_| report.outcome != Outcome::Healthy) {
        super::brain::advise(&mut report, settings, &table, scanner.catalogue());
    }
    // What is told of a case is the same on every machine.
    if !case {
        report.history = super::history::before(&report, &table, config);
    }
    if args.site_notes {
        report.site_notes = super::site_notes::read();
    }
    deliver(&report, args)?;
    let code = if report.outcome == Outcome::Healthy { EXIT_HEALTHY } else { EXIT_TROUBLE };
    // The process ends here: to take a hundred thousand facts apart first would only take time.
    std::mem::forget((table, report, scanner));
    Ok(code)
}

/// A scanner for the built-in formats and those of a folder.
pub(super) fn scanner(folder: Option<&Path>) -> Result<Scanner, Error> {
    let mut extra = Vec::new();
    if let Some(folder) = folder {
        let place = folder.display().to_string();
        let list =
            std::fs::read_dir(folder).map_err(|error| Error::new("format.unreadable", &place, error.to_string()))?;
        let mut files: Vec<PathBuf> = list.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "toml")) {
            extra.push(format(file)?);
        }
    }
    let place = folder.map_or_else(|| "built-in formats".to_owned(), |folder| folder.display().to_string());
    Catalogue::with(&extra).map(Scanner::new).map_err(|error| Error::new("format.invalid", place, error))
}

fn format(file: &Path) -> Result<FormatFile, Error> {
    let place = file.display().to_string();
    let text =
        std::fs::read_to_string(file).map_err(|error| Error::new("format.unreadable", &place, error.to_string()))?;
    toml::from_str(&text).map_err(|error| Error::new("format.invalid", &place, error.to_string()))
}

/// The text report as the terminal, or whatever stands in its place, takes it.
fn look(args: &Args) -> report::text::Look {
    let file = args.output.is_some();
    report::text::Look {
        width: screen::width(file),
        colour: screen::colour(args.color, file),
        verbose: args.verbose > 0,
        quiet: args.quiet,
    }
}

fn deliver(report: &Report, args: &Args) -> Result<(), Error> {
    let bytes = match args.format {
        Format::Json => report::json::render(report),
        Format::Markdown => report::markdown::render(report),
        Format::Html => report::html::render(report),
        Format::Text => report::text::render(report, look(args)),
    };
    delivery::deliver(&bytes, args.output.as_deref())
}
