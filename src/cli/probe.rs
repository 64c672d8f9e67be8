//! `diag probe`: the health of this node, read and judged.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::probe_nodes::{self, Question};
use super::screen::{self, Color};
use super::transport::How;
use super::{EXIT_HEALTHY, EXIT_TROUBLE, delivery};
use crate::config::Config;
use crate::error::Error;
use crate::probe::{self, Expected, Node};
use crate::reading::Verdict;
use crate::report::readings::{self, Look};

/// What to look at and how to tell.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only these probes; all by default.
    #[arg(value_name = "PROBE", value_parser = clap::builder::PossibleValuesParser::new(probe::PROBES.iter().map(|probe| {
        clap::builder::PossibleValue::new(probe.id).help(probe.about)
    })))]
    only: Vec<String>,
    /// How to tell it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write to a file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Colour in the text.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
    /// All readings, not only those that are not ok.
    #[arg(long, short, action = clap::ArgAction::Count)]
    verbose: u8,
    /// How long all may take together, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 20.0, value_parser = seconds)]
    deadline: f64,
    /// Look at a captured tree instead of this node.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Compare with a golden profile.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Write what was read as a golden profile.
    #[arg(long, value_name = "FILE", conflicts_with = "against")]
    record: Option<PathBuf>,
    /// Look again and again, this many seconds apart.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "10", value_parser = seconds)]
    watch: Option<f64>,
    /// Look at these nodes instead of this one: `gpu-[001-128]`. Each needs diag.
    #[arg(long, value_name = "SET", conflicts_with_all = ["root", "against", "record", "watch"])]
    nodes: Option<String>,
    /// Where diag is on the nodes.
    #[arg(long, value_name = "PATH", default_value = "diag", requires = "nodes")]
    program: String,
    /// The policy; without it /etc/diag/policy.toml, where that is there, or the built-in one.
    #[arg(long, value_name = "FILE", env = "DIAG_POLICY")]
    policy: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Nodes")]
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For a terminal.
    Text,
    /// For programs.
    Json,
    /// Metrics for node_exporter's textfile collector.
    Prometheus,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds is wanted".to_owned())?;
    if (0.1..=86_400.0).contains(&seconds) { Ok(seconds) } else { Err("between 0.1 and 86400 seconds".to_owned()) }
}

/// Looks at the node and tells.
pub(super) fn run(args: &Args, config: &Config) -> Result<u8, Error> {
    if let Some(set) = &args.nodes {
        return run_on_nodes(set, args);
    }
    if !args.root.is_dir() {
        return Err(Error::new("input.unreadable", args.root.display().to_string(), "no such folder"));
    }
    let node = Node::at(args.root.clone());
    let expected = match &args.against {
        Some(file) => profile(file)?,
        None if args.record.is_some() => Expected::default(),
        None => config.expected(&name(&node).unwrap_or_default()),
    };
    let mut counters = probe::Counters::default();
    loop {
        let look = look(&node, (&args.only, Duration::from_secs_f64(args.deadline)), &expected, &mut counters);
        if let Some(file) = &args.record {
            record(&look, file)?;
        }
        delivery::deliver(&told(&look, args), args.output.as_deref())?;
        let Some(pause) = args.watch else {
            // Where nothing at all could be read, nothing is known to be well.
            let known = look.readings.iter().any(|reading| reading.verdict == Verdict::Ok);
            return Ok(if known && look.verdict < Verdict::Unknown { EXIT_HEALTHY } else { EXIT_TROUBLE });
        };
        std::thread::sleep(Duration::from_secs_f64(pause));
    }
}

/// Looks at many nodes and tells.
fn run_on_nodes(set: &str, args: &Args) -> Result<u8, Error> {
    let (how, program, only, deadline) = (&args.how, args.program.as_str(), args.only.as_slice(), args.deadline);
    let nodes = probe_nodes::look(&Question {
        set,
        how,
        policy: args.policy.as_deref(),
        program,
        only,
        deadline,
        quiet: false,
    })?;
    let file = args.output.is_some();
    let told = match args.format {
        Format::Json => nodes.json(),
        Format::Text => nodes.text(screen::width(file), screen::colour(args.color, file), args.verbose > 0),
        Format::Prometheus => {
            let error = Error::new("usage", "--format prometheus", "metrics are of one node");
            return Err(
                error.with_way_on("run `diag probe --format prometheus` on each node, as its own exporter does")
            );
        }
    };
    delivery::deliver(&told, args.output.as_deref())?;
    Ok(if nodes.are_well() { EXIT_HEALTHY } else { EXIT_TROUBLE })
}

/// Looks at this node once, with what the settings expect of it.
#[cfg(feature = "mcp")]
pub(super) fn once(only: &[String], patience: Duration, config: &Config) -> Look {
    let node = Node::at(PathBuf::from("/"));
    let expected = config.expected(&name(&node).unwrap_or_default());
    look(&node, (only, patience), &expected, &mut probe::Counters::default())
}

fn look(
    node: &Node,
    (only, patience): (&[String], Duration),
    expected: &Expected,
    counters: &mut probe::Counters,
) -> Look {
    let began = Instant::now();
    let mut readings = probe::read(node, only, expected, patience);
    counters.compare(probe::uptime(node), &mut readings);
    let elapsed = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Look::new(
        name(node).unwrap_or_else(|| "this node".to_owned()),
        jiff::Timestamp::now().to_string(),
        elapsed,
        readings,
    )
}

/// How the node calls itself.
fn name(node: &Node) -> Option<String> {
    node.word("/proc/sys/kernel/hostname").or_else(|| node.word("/etc/hostname"))
}

fn told(look: &Look, args: &Args) -> Vec<u8> {
    let file = args.output.is_some();
    match args.format {
        Format::Json => readings::json::render(look),
        Format::Prometheus => readings::metrics::render(look),
        Format::Text => {
            readings::text::render(look, screen::width(file), screen::colour(args.color, file), args.verbose > 0)
        }
    }
}

/// Reads a golden profile.
fn profile(file: &std::path::Path) -> Result<Expected, Error> {
    let place = file.display().to_string();
    let text =
        std::fs::read_to_string(file).map_err(|error| Error::new("profile.unreadable", &place, error.to_string()))?;
    toml::from_str(&text).map_err(|error| {
        Error::new("profile.invalid", &place, error.to_string()).with_way_on("`diag probe --record FILE` writes one")
    })
}

/// Writes what a good node was found to have.
fn record(look: &Look, file: &std::path::Path) -> Result<(), Error> {
    let place = file.display().to_string();
    let profile = Expected::of(&look.readings);
    let text =
        toml::to_string_pretty(&profile).map_err(|error| Error::new("profile.invalid", &place, error.to_string()))?;
    delivery::deliver(text.as_bytes(), Some(file))
}
