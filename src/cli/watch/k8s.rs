//! `diag watch k8s`: pods and jobs of a Kubernetes cluster that failed.

#[cfg(feature = "k8s")]
mod follow;

use std::path::Path;

use super::State;
use crate::config::Config;
use crate::error::Error;
use crate::kubernetes::is_name;

/// What to watch.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// A namespace.
    #[arg(long, short, value_name = "NS", required_unless_present = "all_namespaces", value_parser = namespace)]
    namespace: Option<String>,
    /// All namespaces.
    #[arg(long, short = 'A', conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Only pods and jobs with these labels, as kubectl takes them: `team=vision`.
    #[arg(long, short = 'l', value_name = "LABELS")]
    selector: Option<String>,
    /// A context of the kubeconfig instead of the current one. In a pod, its service account.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Seconds that the API server may be silent.
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=600))]
    k8s_timeout: u64,
    /// Seconds that a pod may wait for a place.
    #[arg(long, default_value_t = 600, value_name = "N", value_parser = clap::value_parser!(i64).range(0..=604_800))]
    pending: i64,
    /// Seconds in which no more pods of a job fail, until it is looked at.
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(i64).range(0..=600))]
    settle: i64,
    /// Failures that are older than so many seconds are no news.
    #[arg(long, default_value_t = 3600, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=2_592_000))]
    since: i64,
    /// Look at what failed until now, and end.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    state: State,
}

fn namespace(text: &str) -> Result<String, String> {
    if is_name(text) { Ok(text.to_owned()) } else { Err("is no name of a namespace".to_owned()) }
}

/// Watches until it is ended.
#[cfg(feature = "k8s")]
pub(super) fn run(args: &Args, config: &Config, named: Option<&Path>) -> Result<u8, Error> {
    follow::watch(args, config, named)
}

/// Says how to get a build that can.
#[cfg(not(feature = "k8s"))]
pub(super) fn run(_args: &Args, _config: &Config, _named: Option<&Path>) -> Result<u8, Error> {
    let wrong = Error::new("k8s.absent", "diag watch k8s", "this build has no client for Kubernetes");
    Err(wrong.with_way_on("build it with `cargo build --release --features k8s`"))
}
