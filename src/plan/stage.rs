//! From a test and nodes to parts: who plays which end, with which variables.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;

use super::name::NodeName;
use super::task::{Access, Group, Part, Script, Target, Task, What, Work};
use crate::playbook::test::{Role, Shape, TestBook};

/// Bytes kept of what one part prints.
const OUTPUT: usize = 1 << 20;

/// Ports that runs beside each other may take above the one that is asked for.
const PORTS: u32 = 64;

/// The address of this machine, for ends that are all on it.
const HERE: &str = "127.0.0.1";

/// What runs on each end of a test.
#[derive(Debug, Clone)]
pub(super) struct Staged {
    /// On how many nodes one run takes place.
    pub(super) shape: Shape,
    /// The whole script.
    pub(super) script: Script,
    /// After this it is killed.
    pub(super) timeout: Duration,
}

/// A test on nodes: each group of `runs` is one run of it. `here`: all of it on this machine, whatever the nodes' names.
#[must_use]
pub fn task(book: &TestBook, params: &IndexMap<String, String>, runs: &[Vec<NodeName>], here: bool) -> Task {
    let staged = Staged {
        shape: book.shape,
        script: Script { shell: book.script.shell.clone(), text: book.text(), plain: book.plain() },
        timeout: Duration::from_secs(book.timeout),
    };
    let values: BTreeMap<String, String> = params.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let groups =
        runs.iter().enumerate().map(|(at, nodes)| group(&staged, &values, nodes, here.then_some(at))).collect();
    Task {
        id: format!("test-{}", book.id),
        title: book.title.clone(),
        risk: book.risk,
        disturbs: book.disturbs.clone(),
        groups,
    }
}

/// Which end of a run of so many nodes the one at this place is.
#[must_use]
pub const fn role(shape: Shape, at: usize) -> Role {
    match (shape, at) {
        (Shape::One, _) => Role::One,
        (Shape::Pair, 0) => Role::Server,
        (Shape::Pair, _) => Role::Client,
        (Shape::All, 0) => Role::First,
        (Shape::All, _) => Role::Other,
    }
}

/// One run of a test; `here`: on this machine, as which of the runs beside each other.
pub(super) fn group(
    staged: &Staged,
    values: &BTreeMap<String, String>,
    nodes: &[NodeName],
    here: Option<usize>,
) -> Group {
    let address = |node: &NodeName| if here.is_some() { HERE.to_owned() } else { node.to_string() };
    let all: Vec<String> = nodes.iter().map(address).collect();
    let part = |(at, node): (usize, &NodeName)| {
        let work = Work {
            what: What::Script(staged.script.clone()),
            env: variables(staged.shape, values, &all, at, here),
            timeout: staged.timeout,
            output_cap: OUTPUT,
            access: Access { network: true, files: true },
        };
        let target = if here.is_some() { Target::Here } else { Target::Node(node.clone()) };
        Part { target, work }
    };
    Group { parts: nodes.iter().enumerate().map(part).collect() }
}

/// The variables of the end at this place.
fn variables(
    shape: Shape,
    values: &BTreeMap<String, String>,
    all: &[String],
    at: usize,
    here: Option<usize>,
) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> =
        values.iter().map(|(name, value)| (format!("DIAG_{}", name.to_uppercase()), value.clone())).collect();
    if let Some(run) = here {
        apart(&mut env, run);
    }
    env.insert("DIAG_ROLE".to_owned(), role(shape, at).word().to_owned());
    env.insert("DIAG_RANK".to_owned(), at.to_string());
    env.insert("DIAG_WORLD".to_owned(), all.len().to_string());
    env.insert("DIAG_NODES".to_owned(), all.join(" "));
    match shape {
        // Whom a test on one node asks is a parameter of it.
        Shape::One => drop(env.entry("DIAG_PEER".to_owned()).or_insert_with(|| all[at].clone())),
        Shape::Pair => drop(env.insert("DIAG_PEER".to_owned(), all[all.len() - 1 - at].clone())),
        Shape::All => drop(env.insert("DIAG_PEER".to_owned(), all[0].clone())),
    }
    env
}

/// Runs beside each other on one machine listen on ports of their own: the parameter `listen`.
fn apart(env: &mut BTreeMap<String, String>, run: usize) {
    let Some(port) = env.get_mut("DIAG_LISTEN") else { return };
    let run = u32::try_from(run).unwrap_or(0) % PORTS;
    if let Ok(own) = port.parse::<u32>() {
        *port = (own + run).to_string();
    }
}
