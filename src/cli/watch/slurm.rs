//! `diag watch slurm`: what slurmctld starts when a job has ended.

use std::path::Path;

use super::{State, enqueue};
use crate::cli::EXIT_HEALTHY;
use crate::config::Config;
use crate::error::Error;
use crate::spool::{Queue, Spool};
use crate::watch::Subject;
use crate::watch::ended::Job;

/// What ended.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// A job (strigger --jobid), or with --event the nodes; without it the job of SLURM_JOB_ID.
    #[arg(value_name = "JOB|NODES")]
    what: Option<String>,
    /// What happened to the nodes that are named, as a strigger of that name tells it.
    #[arg(long, value_enum, requires = "what")]
    event: Option<Event>,
    #[command(flatten)]
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Event {
    /// strigger --down.
    Down,
    /// strigger --drained.
    Drained,
    /// strigger --fail.
    Fail,
    /// strigger --up.
    Up,
}

/// Puts it into the queue, and returns: slurmctld keeps a job in COMPLETING until its epilog has ended.
pub(super) fn run(args: &Args, config: &Config, named: Option<&Path>) -> Result<u8, Error> {
    let root = args.state.root();
    let queue = Queue::open(&root)?;
    enqueue::put(&queue, subject(args)?, config)?;
    if !queue.of_another() {
        enqueue::wake(&Spool::open(&root)?, args.state.state.as_deref(), named)?;
    }
    Ok(EXIT_HEALTHY)
}

fn subject(args: &Args) -> Result<Subject, Error> {
    let place = args.what.clone().unwrap_or_else(|| "SLURM_JOB_ID".to_owned());
    let wrong = |why: &str| Error::new("watch.subject", &place, why);
    if let (Some(event), Some(nodes)) = (args.event, &args.what) {
        let names = crate::cli::transport::nodes(nodes)?;
        if names.is_empty() {
            return Err(wrong("names no node"));
        }
        let event =
            clap::ValueEnum::to_possible_value(&event).map_or_else(String::new, |value| value.get_name().to_owned());
        return Ok(Subject::Nodes { event, nodes: nodes.clone() });
    }
    let variable = |name: &str| std::env::var(name).ok();
    let job = match &args.what {
        Some(id) => {
            let id = id.parse().map_err(|_| wrong("is no number of a job"))?;
            let of_it =
                |name: &str| variable("SLURM_JOB_ID").filter(|own| *own == id_text(id)).and_then(|_| variable(name));
            Job::of_environment(&of_it).unwrap_or(Job { id, ..Job::default() })
        }
        None => Job::of_environment(&variable).ok_or_else(|| {
            wrong("no job is named").with_way_on(
                "slurmctld sets SLURM_JOB_ID for its EpilogSlurmctld; else name the job: diag watch slurm 4242",
            )
        })?,
    };
    Ok(Subject::Job(job))
}

fn id_text(id: u64) -> String {
    id.to_string()
}
