//! `diag hook`: what slurmd, timers and node-problem-detector run; and what to put where so that they do.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::hook::{self, Verb};

/// Which hook.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    which: Which,
}

#[derive(Debug, clap::Subcommand)]
enum Which {
    /// Slurm's Prolog: 0 lets the job start, 1 drains the node and requeues the job.
    Prolog(Run),
    /// Slurm's Epilog: 0 gives the node back, 1 drains it.
    Epilog(Run),
    /// Slurm's HealthCheckProgram, or a timer's: drains the node by policy, resumes what it drained itself.
    HealthCheck(Run),
    /// Slurm's TaskProlog: tells the job's own output what is not well; never fails.
    TaskProlog(Run),
    /// A plug-in of node-problem-detector: 0 well, 1 a problem, 2 unknown.
    NodeProblem(Run),
    /// Show (or write) what to put where: slurm.conf lines, systemd units, node-problem-detector, Kubernetes.
    Install(Install),
}

/// How to run a hook.
#[derive(Debug, clap::Args)]
struct Run {
    /// The policy; /etc/diag/hook.toml by default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What to install.
#[derive(Debug, clap::Args)]
struct Install {
    /// For which system.
    #[arg(value_enum)]
    system: System,
    /// Write the files into this folder instead of showing them.
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum System {
    /// All of these.
    All,
    /// slurm.conf, the scripts that it names, and the policy.
    Slurm,
    /// What makes the controller of Slurm have failed jobs looked at: slurm.conf lines, scripts, a service.
    Watch,
    /// A service and a timer that run health-check, and one that writes metrics.
    Systemd,
    /// A custom plug-in of node-problem-detector.
    Npd,
    /// A DaemonSet that writes metrics of each GPU node, and a watcher of pods and jobs that fail.
    Kubernetes,
    /// Alert rules for Prometheus.
    Prometheus,
}

/// Files that belong together, by the name under which they are written.
fn files(system: System) -> &'static [(&'static str, &'static str)] {
    match system {
        System::All => &[],
        System::Slurm => &[
            ("slurm.conf.part", include_str!("../../packaging/slurm.conf.part")),
            ("diag-hook-prolog", include_str!("../../packaging/diag-hook-prolog")),
            ("diag-hook-epilog", include_str!("../../packaging/diag-hook-epilog")),
            ("diag-hook-health-check", include_str!("../../packaging/diag-hook-health-check")),
            ("diag-hook-task-prolog", include_str!("../../packaging/diag-hook-task-prolog")),
            ("hook.toml", include_str!("../../packaging/hook.toml")),
        ],
        System::Watch => &[
            ("slurmctld.conf.part", include_str!("../../packaging/slurmctld.conf.part")),
            ("diag-watch-slurm", include_str!("../../packaging/diag-watch-slurm")),
            ("diag-watch-down", include_str!("../../packaging/diag-watch-down")),
            ("diag-watch-drained", include_str!("../../packaging/diag-watch-drained")),
            ("diag-watch.service", include_str!("../../packaging/diag-watch.service")),
        ],
        System::Systemd => &[
            ("diag-health.service", include_str!("../../packaging/diag-health.service")),
            ("diag-health.timer", include_str!("../../packaging/diag-health.timer")),
            ("diag-metrics.service", include_str!("../../packaging/diag-metrics.service")),
            ("diag-metrics.timer", include_str!("../../packaging/diag-metrics.timer")),
        ],
        System::Npd => &[("diag-npd.json", include_str!("../../packaging/diag-npd.json"))],
        System::Kubernetes => &[
            ("diag-daemonset.yaml", include_str!("../../packaging/diag-daemonset.yaml")),
            ("diag-watch-k8s.yaml", include_str!("../../packaging/diag-watch-k8s.yaml")),
        ],
        System::Prometheus => &[("diag-alerts.yaml", include_str!("../../packaging/diag-alerts.yaml"))],
    }
}

/// Runs a hook, or shows what makes it run.
pub(super) fn run(args: &Args) -> Result<u8, Error> {
    let (verb, run) = match &args.which {
        Which::Install(install) => return show(install),
        Which::Prolog(run) => (Verb::Prolog, run),
        Which::Epilog(run) => (Verb::Epilog, run),
        Which::HealthCheck(run) => (Verb::HealthCheck, run),
        Which::TaskProlog(run) => (Verb::TaskProlog, run),
        Which::NodeProblem(run) => (Verb::NodeProblem, run),
    };
    let ended = hook::run(verb, run.config.as_deref());
    let _ = std::io::stderr().write_all(ended.err.as_bytes());
    let _ = std::io::stdout().write_all(ended.out.as_bytes());
    Ok(ended.code)
}

fn show(install: &Install) -> Result<u8, Error> {
    let each = [System::Slurm, System::Watch, System::Systemd, System::Npd, System::Kubernetes, System::Prometheus];
    let systems = if matches!(install.system, System::All) { each.as_slice() } else { &[install.system] };
    for (name, text) in systems.iter().flat_map(|system| files(*system)) {
        match &install.write {
            Some(folder) => write(folder, name, text)?,
            None => super::delivery::deliver(format!("# {name}\n{text}\n").as_bytes(), None)?,
        }
    }
    Ok(super::EXIT_HEALTHY)
}

/// Writes a file that is not there yet: what an administrator changed is never lost.
fn write(folder: &Path, name: &str, text: &str) -> Result<(), Error> {
    let path = folder.join(name);
    let place = path.display().to_string();
    if path.exists() {
        let error = Error::new("output.exists", &place, "it is there already");
        return Err(error.with_way_on("move it away, or choose another folder"));
    }
    std::fs::create_dir_all(folder).map_err(|error| Error::new("output.unwritable", &place, error.to_string()))?;
    super::delivery::deliver(text.as_bytes(), Some(&path))?;
    if text.starts_with("#!") {
        let may_run = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, may_run)
            .map_err(|error| Error::new("output.unwritable", &place, error.to_string()))?;
    }
    super::delivery::deliver(format!("written: {place}\n").as_bytes(), None)
}
