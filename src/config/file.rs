//! The shape of `diag.toml`. Every setting has an effect; what has none does not exist.

use std::path::PathBuf;

use diag_parsers::hostlist;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::plan::{self, NodeName};
use crate::probe::Expected;
use crate::watch::Limits;

/// Most nodes that a set may name, as on the command line.
const MOST: usize = 10_000;

/// All settings. What is left out has the default of its option.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What there is.
    pub inventory: Inventory,
    /// How one logs in to management controllers.
    pub bmc: Bmc,
    /// How nodes are reached.
    pub transport: Transport,
    /// Where programs are.
    pub tools: Tools,
    /// What `diag probe` expects of this node, as a golden profile says it (`diag probe --record`).
    pub expect: Expected,
    /// What diag may do.
    pub policy: Policy,
    /// Playbooks and formats of the site's own.
    pub library: Library,
    /// The model that may be asked beside the rules.
    pub brain: Brain,
    /// Who is told of what a watcher found.
    pub notify: Notify,
    /// How much a watcher may take, and what it looks at.
    pub watch: Limits,
    /// Where `diag serve` listens, and how much it takes.
    pub serve: Serve,
}

/// What there is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Inventory {
    /// The nodes that `diag fix`, `diag resume` and `diag mcp` may touch, as a hostlist: their `--nodes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<String>,
    /// Which nodes share a switch, a file as Slurm's `topology.conf`: `--topology` of `diag test`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switches: Option<PathBuf>,
    /// Management controllers (BMC) by node: names or addresses.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub bmc: IndexMap<String, String>,
    /// Kinds of node by a name of the site's choice.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub types: IndexMap<String, NodeType>,
}

/// Nodes that are alike, and what `diag probe` on them expects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeType {
    /// Which, as a hostlist.
    pub nodes: String,
    /// Product name of their GPUs, for example `NVIDIA H100 80GB HBM3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<String>,
    /// GPUs of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u64>,
    /// Adapters that carry the traffic between GPUs (`mlx5_0`), one a rail: so many ports of the fabric are active.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rails: Vec<String>,
}

/// How one logs in to management controllers (IPMI 2.0 over LAN). Where nothing is said, no node's power is touched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bmc {
    /// An account of them with the privilege level OPERATOR at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A file that holds its password, and that only its owner can read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

/// How nodes are reached: the options of the same names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Transport {
    /// `--via`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// `--at-once`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_once: Option<u64>,
    /// `--ssh-config`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_config: Option<PathBuf>,
    /// `--partition`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// `--reservation`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservation: Option<String>,
    /// `--account`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// Where programs are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tools {
    /// `diag` on the nodes: `--program` of `diag probe --nodes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diag: Option<String>,
    /// Folders of the nodes in which tools are looked for, with `:` between them: `--tools`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folders: Option<String>,
}

/// What diag may do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// `--policy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Where the breaker counts, shared by all who use diag: `--state`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<PathBuf>,
}

/// Playbooks and formats of the site's own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Library {
    /// `--playbooks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub playbooks: Option<PathBuf>,
    /// `--formats`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formats: Option<PathBuf>,
}

/// The model that may be asked beside the rules: any endpoint that speaks OpenAI's chat protocol. Off where none is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Brain {
    /// Where it is, as `http://127.0.0.1:8080/v1`. `DIAG_BRAIN_URL` comes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its name, as the server knows it. `DIAG_BRAIN_MODEL` comes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// A file that holds the server's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The variable of the environment that holds it instead; `DIAG_BRAIN_KEY` if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// Most tokens of questions and answers a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<u64>,
    /// Most seconds that all takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u64>,
    /// Most seconds of silence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silence: Option<u64>,
    /// How an answer's shape is asked for: `auto`, `schema`, `tools`, `json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
}

/// Who is told of what a watcher found. Nobody where none is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notify {
    /// Most seconds that a try to deliver takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u64>,
    /// Webhooks by a name of the site's choice.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub hooks: IndexMap<String, Hook>,
}

/// A webhook.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// Where it listens; off where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What it reads: `json`, `slack`, `alertmanager`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// A file that holds the secret with which bodies are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// The variable of the environment that holds it instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_env: Option<String>,
    /// The authority of its certificate, where that is the site's own (PEM): no other is trusted then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Causes that it is told of, `gpu-*`; all, and what is undetermined, where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
}

/// Where `diag serve` listens, and how much it takes: the options of the same names, each within the bounds of its option.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Serve {
    /// Address and port; another address than loopback wants tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// A file of bearer tokens, one a line; it comes before `DIAG_SERVE_TOKEN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// The folder that cases are below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cases: Option<PathBuf>,
    /// Folders in which files or folders are called after nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<PathBuf>,
    /// Largest body, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_body: Option<u64>,
    /// Most seconds that a body may take to come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_seconds: Option<u64>,
    /// Most seconds that a diagnosis may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u64>,
    /// Diagnoses at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs: Option<u64>,
    /// How many more may wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<u64>,
    /// Reports that are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<u64>,
    /// Hours for which they are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_hours: Option<u64>,
}

impl Config {
    /// What is wrong with values whose types say nothing of it: key and reason.
    pub(super) fn wrong(&self) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        let mut set = |key: String, text: &str| wrong.extend(hosts(text).err().map(|why| (key, why)));
        if let Some(nodes) = &self.inventory.nodes {
            set("inventory.nodes".to_owned(), nodes);
        }
        for (name, kind) in &self.inventory.types {
            set(format!("inventory.types.{name}.nodes"), &kind.nodes);
        }
        for (node, bmc) in &self.inventory.bmc {
            set(format!("inventory.bmc.{node}"), node);
            set(format!("inventory.bmc.{node}"), &bmc.replace("{node}", "n"));
        }
        wrong.extend(self.watch.wrong().into_iter().map(|(key, why)| (format!("watch.{key}"), why)));
        wrong
    }

    /// What is expected of a node: what its type says, and before that what `[expect]` says.
    #[must_use]
    pub fn expected(&self, node: &str) -> Expected {
        let mut expected = self.expect.clone();
        let named = |kind: &&NodeType| plan::site::names(&kind.nodes, node);
        let Some(kind) = self.inventory.types.values().find(named) else { return expected };
        expected.gpus = expected.gpus.or(kind.gpus);
        expected.gpu_name = expected.gpu_name.or_else(|| kind.gpu.clone());
        expected.ports = expected.ports.or((!kind.rails.is_empty()).then_some(kind.rails.len() as u64));
        expected
    }

    /// What plans take from the site.
    #[must_use]
    pub fn site(&self) -> plan::Site {
        plan::Site {
            bmc: self.inventory.bmc.clone(),
            bmc_user: self.bmc.user.clone(),
            bmc_password_file: self.bmc.password_file.as_ref().map(|file| file.display().to_string()),
        }
    }

    /// All nodes that the inventory names, each once.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        let sets = self.inventory.nodes.iter().chain(self.inventory.types.values().map(|kind| &kind.nodes));
        let mut all: Vec<String> = sets.filter_map(|set| hosts(set).ok()).flatten().collect();
        all.sort();
        all.dedup();
        all
    }
}

/// The hosts of a set, each of which could be one.
fn hosts(set: &str) -> Result<Vec<String>, String> {
    let names = hostlist::expand(set, MOST).map_err(|refusal| format!("is no set of hosts: {refusal:?}"))?;
    match names.iter().find_map(|name| name.parse::<NodeName>().err()) {
        Some(error) => Err(error.to_string()),
        None => Ok(names),
    }
}
