//! How nodes are reached: the one list of executors for the command line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::error::Error;
use crate::exec::slurm::{self, Slurm};
use crate::exec::ssh::{self, Ssh};
use crate::exec::{Executor, FanOut, Limits, Local};
use crate::plan::{Answers, NodeName};
use crate::playbook::schema::Parameter;
use crate::scheduler::Who;

/// Most nodes that a set may name.
const MOST: usize = 10_000;

/// Most nodes at a time, where nobody says otherwise.
const AT_ONCE: u16 = 64;

/// How long an API server may be silent.
#[cfg(feature = "k8s")]
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// How long a pod may take to start: images of tests are large, and pulled once a node.
#[cfg(feature = "k8s")]
const START: std::time::Duration = std::time::Duration::from_secs(300);

/// A way to reach nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Via {
    /// By ssh.
    Ssh,
    /// By Slurm's job steps.
    Slurm,
    /// By Jobs of Kubernetes, one pod on each node.
    #[value(name = "k8s")]
    K8s,
    /// Not at all: this machine is the node.
    Local,
}

/// How nodes are reached.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct How {
    /// How nodes are reached.
    #[arg(long, value_enum, default_value_t = Via::Ssh)]
    pub(super) via: Via,
    /// Most nodes at a time.
    #[arg(long, value_name = "N", default_value_t = AT_ONCE, value_parser = clap::value_parser!(u16).range(1..=1024))]
    at_once: u16,
    /// ssh: this configuration instead of ~/.ssh/config.
    #[arg(long, value_name = "FILE")]
    ssh_config: Option<PathBuf>,
    /// Folders of the nodes in which tools are looked for that are not in the path, before the usual ones: `/opt/a/bin:/opt/b/bin`.
    #[arg(long, value_name = "DIRS", value_parser = folders)]
    pub(super) tools: Option<String>,
    /// Slurm: run within this allocation; without it in that of $SLURM_JOB_ID, or else in new ones.
    #[arg(long, value_name = "ID")]
    allocation: Option<String>,
    /// Slurm: the partition of a new allocation.
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,
    /// Slurm: the reservation of a new allocation.
    #[arg(long, value_name = "NAME")]
    reservation: Option<String>,
    /// Slurm: the account of a new allocation.
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Kubernetes: the image of the pods; it has `sh`, `od`, `setsid`, `awk`, and what the tests need.
    #[arg(long, value_name = "IMAGE", env = "DIAG_K8S_IMAGE", required_if_eq("via", "k8s"))]
    k8s_image: Option<String>,
    /// Kubernetes: the namespace for Jobs.
    #[arg(long, value_name = "NAME", default_value = "default")]
    k8s_namespace: String,
    /// Kubernetes: a context of the kubeconfig instead of the current one.
    #[arg(long, value_name = "NAME")]
    k8s_context: Option<String>,
    /// Kubernetes: GPUs that each pod asks for.
    #[arg(long, value_name = "N", default_value_t = 0)]
    k8s_gpus: u32,
    /// Kubernetes: pods use their node's network, for its adapters and ports.
    #[arg(long)]
    k8s_host_network: bool,
}

/// Folders of a node as a script can be told.
fn folders(text: &str) -> Result<String, String> {
    let kind = Parameter { kind: "folders".to_owned(), ..Parameter::default() };
    crate::plan::grammar::check(&kind, text)
}

impl How {
    /// How nodes are reached, in a word.
    pub(super) fn name(&self) -> String {
        use clap::ValueEnum as _;
        self.via.to_possible_value().map(|via| via.get_name().to_owned()).unwrap_or_default()
    }

    /// The allocation of Slurm that steps run in, where they run in one.
    fn in_allocation(&self) -> Option<String> {
        (self.via == Via::Slurm).then(|| self.allocation.clone().or(slurm::Settings::default().job)).flatten()
    }

    /// The options that say so, by their ids, as far as they were given.
    pub(super) fn options(&self) -> BTreeMap<String, String> {
        let path = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string();
        let k8s = self.via == Via::K8s;
        let options = [
            ("via", Some(self.name())),
            ("at_once", (self.at_once != AT_ONCE).then(|| self.at_once.to_string())),
            ("ssh_config", self.ssh_config.as_ref().map(path)),
            ("tools", self.tools.clone()),
            ("allocation", self.allocation.clone()),
            ("partition", self.partition.clone()),
            ("reservation", self.reservation.clone()),
            ("account", self.account.clone()),
            ("k8s_image", self.k8s_image.clone().filter(|_| k8s)),
            ("k8s_namespace", k8s.then(|| self.k8s_namespace.clone())),
            ("k8s_context", self.k8s_context.clone()),
            ("k8s_gpus", (self.k8s_gpus > 0).then(|| self.k8s_gpus.to_string())),
            ("k8s_host_network", self.k8s_host_network.then(|| true.to_string())),
        ];
        options.into_iter().filter_map(|(id, value)| Some((id.to_owned(), value?))).collect()
    }

    /// The options that say so, as they are typed behind a command.
    #[cfg(feature = "mcp")]
    pub(super) fn typed(&self) -> String {
        let one = |(id, value): (String, String)| {
            let option = id.replace('_', "-");
            if value == true.to_string() {
                format!(" --{option}")
            } else {
                format!(" --{option} {}", crate::report::words::quoted(&value))
            }
        };
        self.options().into_iter().map(one).collect()
    }

    /// What this tells steps that ask for it: the configuration by which ssh gets to the nodes.
    pub(super) fn answers(&self) -> Answers {
        self.options().remove("ssh_config").map(|file| ("ssh_config".to_owned(), file)).into_iter().collect()
    }

    /// Who schedules work on the nodes.
    pub(super) fn scheduler(&self) -> Who {
        match self.via {
            Via::K8s => Who::Kubernetes { context: self.k8s_context.clone() },
            Via::Ssh | Via::Slurm | Via::Local => Who::Slurm { allocation: self.in_allocation() },
        }
    }
}

/// The executor for it. `keep`: connections are kept for the tasks to come.
pub(super) fn executor(how: &How, keep: bool) -> Result<Box<dyn Executor>, Error> {
    let limits = Limits { at_once: usize::from(how.at_once), ..Limits::default() };
    Ok(match how.via {
        Via::Local => Box::new(FanOut::new(Local::default(), limits)),
        Via::Ssh => {
            let settings = ssh::Settings { config: how.ssh_config.clone(), keep, ..ssh::Settings::default() };
            Box::new(FanOut::new(Ssh::new(settings)?, limits))
        }
        Via::K8s => kubernetes(how, limits)?,
        Via::Slurm => {
            let found = slurm::Settings::default();
            let settings = slurm::Settings {
                job: how.in_allocation(),
                partition: how.partition.clone(),
                reservation: how.reservation.clone(),
                account: how.account.clone(),
                ..found
            };
            Box::new(Slurm::new(settings, limits))
        }
    })
}

/// Jobs on the nodes of a cluster.
#[cfg(feature = "k8s")]
fn kubernetes(how: &How, limits: Limits) -> Result<Box<dyn Executor>, Error> {
    use crate::exec::{Kubernetes, KubernetesSettings};
    use crate::kubernetes::Access;
    let access = Access { config: None, context: how.k8s_context.clone(), patience: PATIENCE };
    let settings = KubernetesSettings {
        access,
        namespace: how.k8s_namespace.clone(),
        image: how.k8s_image.clone().unwrap_or_default(),
        gpus: how.k8s_gpus,
        host_network: how.k8s_host_network,
        start: START,
    };
    Ok(Box::new(FanOut::new(Kubernetes::new(settings)?, limits)))
}

#[cfg(not(feature = "k8s"))]
fn kubernetes(_how: &How, _limits: Limits) -> Result<Box<dyn Executor>, Error> {
    Err(Error::new("k8s.absent", "--via k8s", "this build knows no Kubernetes")
        .with_way_on("cargo install --path . --features k8s"))
}

/// The nodes that a set names, each once, in its order.
pub(super) fn nodes(set: &str) -> Result<Vec<NodeName>, Error> {
    let wrong = |why: String| {
        Error::new("nodes.invalid", format!("--nodes {set}"), why)
            .with_way_on("a set is written as gpu-[001-128] or a,b,c")
    };
    let names = diag_parsers::hostlist::expand(set, MOST)
        .map_err(|refusal| wrong(format!("is no set of hosts: {refusal:?}")))?;
    let mut nodes: Vec<NodeName> = Vec::new();
    for name in names {
        let node: NodeName = name.parse().map_err(|error: crate::plan::NotANode| wrong(error.to_string()))?;
        if !nodes.contains(&node) {
            nodes.push(node);
        }
    }
    Ok(nodes)
}
