//! What the scheduler says of nodes: who works there, and how the partitions stand. Asked before anything that does more than
//! look, by whichever command; of a node of which it says nothing, nothing is known.

mod kubernetes;
mod slurm;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::exec::{End, Ran};
use crate::plan::{Access, Group, NodeName, Part, Step, Target, Task, What, Work};
use crate::playbook::schema::Risk;
use crate::policy::{Facts, Occupied, Partition};

pub use crate::plan::Who;

/// Name of the step that asks it.
pub const STEP: &str = "ask-scheduler";

/// How long it may take to answer.
const TIME: Duration = Duration::from_secs(20);

/// Most bytes of an answer: 10,000 nodes in a few partitions.
const OUTPUT_CAP: usize = 8 << 20;

/// What it said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scheduler {
    /// What runs on each node; of a node that is not here nobody tells.
    pub occupied: BTreeMap<NodeName, Occupied>,
    /// Nodes that no new job comes to: drained or cordoned, or on the way there.
    pub kept_off: Vec<NodeName>,
    /// The partitions that the nodes are in.
    pub partitions: Vec<Partition>,
}

/// The step that asks it of these nodes; it only looks.
#[must_use]
pub fn step(who: &Who, nodes: &[NodeName]) -> Step {
    let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
    let commands = match who {
        Who::Slurm { .. } => slurm::commands(&names.join(",")),
        Who::Kubernetes { context } => kubernetes::commands(context.as_deref()),
    };
    let access = Access { network: true, files: true };
    let part = |argv: Vec<String>| Part {
        target: Target::Here,
        work: Work { what: What::Argv(argv), env: BTreeMap::new(), timeout: TIME, output_cap: OUTPUT_CAP, access },
    };
    let groups = commands.into_iter().map(|argv| Group { parts: vec![part(argv)] }).collect();
    let title = format!("Ask the scheduler what runs on {}", shown(&names));
    let task = Task { id: STEP.to_owned(), title, risk: Risk::Observe, disturbs: String::new(), groups };
    Step { nodes: nodes.to_vec(), ..Step::alone(task) }
}

/// A few names, and how many more.
fn shown(names: &[&str]) -> String {
    const FEW: usize = 4;
    match names {
        [few @ .., _, _] if few.len() > FEW => format!("{} and {} more", names[..FEW].join(", "), names.len() - FEW),
        all => all.join(", "),
    }
}

/// Reads its answers. Where one did not come, nothing is known: a node of which nobody tells is not idle.
#[must_use]
pub fn read(who: &Who, ran: &[Ran], nodes: &[NodeName]) -> Scheduler {
    match who {
        Who::Slurm { allocation } => slurm::read(ran, nodes, allocation.as_deref()),
        Who::Kubernetes { .. } => kubernetes::read(ran, nodes),
    }
}

impl Scheduler {
    /// Adds what it said to what is known about a task.
    pub fn tell(&self, facts: &mut Facts) {
        facts.occupied.clone_from(&self.occupied);
        facts.partitions.clone_from(&self.partitions);
    }
}

/// What a question was answered, whole.
fn answer(ran: &[Ran], at: usize) -> Option<&str> {
    let ran = ran.get(at).filter(|ran| ran.end == End::Exit(0) && ran.stdout.dropped == 0)?;
    Some(&ran.stdout.text)
}

/// A name of a job or user as it may stand in a sentence.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "_-./".contains(*c)).take(60).collect()
}
