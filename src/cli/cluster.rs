//! `--k8s`: a live cluster as an input.

use std::time::Duration;

use crate::collect::cluster::Target;
use crate::error::Error;
use crate::kubernetes::Access;

/// Which cluster to ask for what.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// Ask a live cluster for a namespace or a pod: pods, events, jobs, nodes and logs, by read-only calls.
    #[arg(long, value_name = "NAMESPACE[/POD]", help_heading = "A live cluster")]
    k8s: Option<String>,
    /// A context of the kubeconfig instead of the current one.
    #[arg(long, value_name = "NAME", requires = "k8s", help_heading = "A live cluster")]
    context: Option<String>,
    /// How long the API server may be silent, in seconds; all calls together may take twelve times as long.
    #[arg(long, value_name = "SECONDS", requires = "k8s", default_value_t = 10, help_heading = "A live cluster")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=600))]
    k8s_timeout: u64,
}

impl Args {
    /// What to ask for, if anything.
    pub(super) fn target(&self) -> Result<Option<Target>, Error> {
        let access =
            Access { config: None, context: self.context.clone(), patience: Duration::from_secs(self.k8s_timeout) };
        self.k8s.as_deref().map(|text| Target::read(text, access)).transpose()
    }

    /// How a case names it as an input.
    pub(super) fn named(&self) -> Option<String> {
        self.k8s.as_ref().map(|target| format!("--k8s {target}"))
    }
}
