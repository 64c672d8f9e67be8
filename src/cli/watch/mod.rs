//! `diag watch`: what failed is looked at by itself, told beside its output and by webhook.

mod ask;
mod dir;
mod enqueue;
mod examine;
mod gather;
mod k8s;
mod keep;
mod look;
mod object;
mod place;
mod post;
mod slurm;
mod status;
mod work;

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::error::Error;
use crate::playbook::Library;
use crate::spool::Spool;

/// What is worth typing.
const EXAMPLES: &str = "\
Examples:
  EpilogSlurmctld=/usr/sbin/diag-watch-slurm   in slurm.conf: a script of one line, exec diag watch slurm
  diag watch slurm 4242                        look at a job that has ended, as strigger --fini would
  diag watch slurm --event down 'gpu-[17-18]'  as strigger --down would
  diag watch dir '/scratch/*/logs/*.out'       logs that end badly, or fall silent after an error
  diag watch k8s --all-namespaces              pods and jobs of a Kubernetes cluster that failed
  diag watch run --stay                        the worker as a service; else one is begun where it is needed
  diag watch status                            what was seen, waits, was dropped and sent

A report stands beside the job's output (slurm-4242.diag.txt), written with the rights of the job's user; of a pod, in the folder
reports/ of the state. What may be taken, who is
told and which logs are read beside stand in [watch] and [notify] of diag.toml. Nothing is ever agreed to by a watcher.";

/// What to watch.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// As Slurm's EpilogSlurmctld, or a program of strigger: puts the job into the queue and returns at once.
    Slurm(slurm::Args),
    /// Watch folders of logs, where no scheduler tells.
    Dir(dir::Args),
    /// Watch pods and jobs of a Kubernetes cluster.
    K8s(k8s::Args),
    /// Work on what waits, until nothing does.
    Run(work::Args),
    /// What was seen, what waits, what was dropped and sent.
    Status(status::Args),
    /// One look, in a process of its own: what is wanted stands on standard input.
    #[command(hide = true)]
    Examine,
}

/// Where the state is kept.
#[derive(Debug, Clone, clap::Args)]
struct State {
    /// Where diag keeps its state; /var/lib/diag where this machine's root runs it.
    #[arg(long, value_name = "DIR", env = "DIAG_STATE")]
    state: Option<PathBuf>,
}

impl State {
    /// The folder of what waits and what was done. A SlurmUser that is not root owns no more of it than the queue, and has no
    /// state of its own beside that.
    fn root(&self) -> PathBuf {
        let told = self.state.as_deref();
        let shared = Path::new(crate::cli::fix::SHARED);
        let handed = told.is_none() && shared.join("watch/queue").is_dir();
        crate::cli::fix::state(if handed { Some(shared) } else { told }).join("watch")
    }

    fn spool(&self) -> Result<Spool, Error> {
        Spool::open(&self.root())
    }
}

/// Runs the verb; `named`: the one file of settings, where one was named.
pub(super) fn run(args: &Args, library: Library, config: &Config, named: Option<&Path>) -> Result<u8, Error> {
    match &args.verb {
        Verb::Slurm(args) => slurm::run(args, config, named),
        Verb::Dir(args) => dir::run(args, config, named),
        Verb::K8s(args) => k8s::run(args, config, named),
        Verb::Run(args) => work::run(args, config, named),
        Verb::Status(args) => status::run(args, config),
        Verb::Examine => examine::run(library),
    }
}

/// The time, in seconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
