//! Nodes by Slurm: one job step for all nodes that do the same, in an allocation that there is or in one of its own.

mod label;
mod nodes;
mod step;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::fan::{Job, Later, Limits, Transport as _};
use super::gate::Gate;
use super::keep::Room;
use super::local::Local;
use super::outcome::{End, Ran};
use super::{Executor, Told};
use crate::plan::{Group, NodeName, Part, Target, Task};
use crate::policy::Approved;
use step::Step;

/// How nodes are had.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Instead of the machine's `slurm.conf`.
    pub config: Option<PathBuf>,
    /// The allocation in which steps run; without one each step asks for its own.
    pub job: Option<String>,
    /// Of a new allocation.
    pub partition: Option<String>,
    /// Of a new allocation.
    pub reservation: Option<String>,
    /// Of a new allocation.
    pub account: Option<String>,
    /// GPUs that a step is to see on each node.
    pub gpus_per_node: Option<u32>,
    /// How long a new allocation may be waited for.
    pub allocate: Duration,
    /// How long nodes may take until they are ready, once they are allocated.
    pub ready: Duration,
}

impl Default for Settings {
    /// Within the allocation in which diag itself runs, if it does.
    fn default() -> Self {
        Self {
            config: None,
            job: std::env::var("SLURM_JOB_ID").ok().filter(|id| !id.is_empty()),
            partition: None,
            reservation: None,
            account: None,
            gpus_per_node: None,
            allocate: Duration::from_secs(60),
            ready: Duration::from_secs(30),
        }
    }
}

/// Runs on nodes by Slurm; what is to be done here is done here.
#[derive(Debug)]
pub struct Slurm {
    settings: Settings,
    limits: Limits,
    local: Local,
}

/// What a run has in common.
pub(super) struct Run<'a> {
    settings: &'a Settings,
    room: &'a Room,
    stop: &'a CancellationToken,
    told: &'a dyn Told,
}

/// A part and its place among all.
type Placed<'a> = (usize, &'a Part);

/// Steps that start together or not at all.
struct Unit<'a> {
    steps: Vec<Vec<Placed<'a>>>,
    gated: bool,
}

impl Slurm {
    /// Prepares to run; asks nobody yet.
    #[must_use]
    pub fn new(settings: Settings, limits: Limits) -> Self {
        Self { settings, limits, local: Local::default() }
    }

    /// Runs the steps of a unit, once nobody else of ours is on their nodes.
    async fn unit(&self, unit: &Unit<'_>, run: &Run<'_>, nodes: &BTreeMap<&NodeName, Semaphore>) -> Vec<(usize, Ran)> {
        let mut own: Vec<&NodeName> = unit.steps.iter().flatten().filter_map(|(_, part)| node(part)).collect();
        own.sort();
        own.dedup();
        // In the order of names, so that no two units wait for each other.
        let mut permits = Vec::new();
        for name in own {
            if let Some(free) = nodes.get(name) {
                permits.push(free.acquire().await);
            }
        }
        let gate = Gate::new(unit.steps.len());
        let gate = &gate;
        let steps = unit
            .steps
            .iter()
            .map(|parts| -> Later<'_, Vec<(usize, Ran)>> { Box::pin(self.step(parts, unit, gate, run)) });
        join_all(steps).await.into_iter().flatten().collect()
    }

    async fn step(&self, parts: &[Placed<'_>], unit: &Unit<'_>, gate: &Gate, run: &Run<'_>) -> Vec<(usize, Ran)> {
        let here = parts.iter().all(|(_, part)| part.target == Target::Here);
        let rans = if here {
            let jobs = parts.iter().map(|(index, part)| -> Later<'_, (usize, Ran)> {
                let (room, stop, told) = (run.room, run.stop, run.told);
                let job = Job { index: *index, part, gate, room, stop, told };
                Box::pin(async move { (*index, self.local.part(job).await) })
            });
            join_all(jobs).await
        } else {
            step::run(Step { parts, gated: unit.gated, alone: unit.steps.len() == 1, gate }, run).await
        };
        gate.shut(|| {
            format!(
                "what it needs did not start: {}",
                rans.first().map_or_else(String::new, |(_, ran)| ran.end.to_string())
            )
        });
        if here {
            rans.iter().for_each(|(index, ran)| run.told.ended(*index, ran));
        }
        rans
    }
}

impl Executor for Slurm {
    fn name(&self) -> &'static str {
        "slurm"
    }

    fn run<'a>(
        &'a self,
        task: &'a Approved<Task>,
        stop: &'a CancellationToken,
        told: &'a dyn Told,
    ) -> Later<'a, Vec<Ran>> {
        Box::pin(async move {
            let room = Room::new(self.limits.output);
            let run = Run { settings: &self.settings, room: &room, stop, told };
            let units = units(&task.groups);
            let parts: Vec<&Part> = task.groups.iter().flat_map(|group| &group.parts).collect();
            let free = || Semaphore::new(self.limits.per_target);
            let nodes: BTreeMap<&NodeName, Semaphore> =
                parts.iter().filter_map(|part| node(part)).map(|name| (name, free())).collect();
            let (run, nodes) = (&run, &nodes);
            let at_once = &Semaphore::new(self.limits.at_once.max(1));
            let waits = units.iter().map(|unit| -> Later<'_, Vec<(usize, Ran)>> {
                Box::pin(async move {
                    let _permit = at_once.acquire().await;
                    self.unit(unit, run, nodes).await
                })
            });
            let done: Vec<Vec<(usize, Ran)>> = waits.collect::<FuturesUnordered<_>>().collect().await;
            let mut rans: Vec<Option<Ran>> = parts.iter().map(|_| None).collect();
            done.into_iter().flatten().for_each(|(index, ran)| rans[index] = Some(ran));
            let lost =
                |part: &Part| Ran::without_output(part.target.clone(), End::Lost("it did not come back".to_owned()));
            rans.into_iter().zip(parts).map(|(ran, part)| ran.unwrap_or_else(|| lost(part))).collect()
        })
    }
}

fn node(part: &Part) -> Option<&NodeName> {
    match &part.target {
        Target::Node(name) => Some(name),
        Target::Here => None,
    }
}

/// Single parts that do the same on nodes of their own become one step; those of a group start together.
fn units(groups: &[Group]) -> Vec<Unit<'_>> {
    let mut units: Vec<Unit> = Vec::new();
    let mut index = 0;
    for group in groups {
        let parts: Vec<Placed> = group.parts.iter().enumerate().map(|(nth, part)| (index + nth, part)).collect();
        index += parts.len();
        if let [(_, part)] = parts[..] {
            let joins = |unit: &&mut Unit| !unit.gated && fits(&unit.steps[0], part);
            match units.iter_mut().find(joins) {
                Some(unit) => unit.steps[0].extend(parts),
                None => units.push(Unit { steps: vec![parts], gated: false }),
            }
            continue;
        }
        let mut steps: Vec<Vec<Placed>> = Vec::new();
        for placed in parts {
            match steps.iter_mut().find(|step| fits(step, placed.1)) {
                Some(step) => step.push(placed),
                None => steps.push(vec![placed]),
            }
        }
        units.push(Unit { steps, gated: true });
    }
    units
}

/// Whether a part may be one more task of a step: the same work on another node.
fn fits(step: &[Placed], part: &Part) -> bool {
    let on_nodes = |part: &Part| matches!(part.target, Target::Node(_));
    on_nodes(part)
        && step.iter().all(|(_, other)| on_nodes(other) && other.target != part.target)
        && step.first().is_none_or(|(_, other)| other.work == part.work)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::units;
    use crate::plan::{Access, Group, Part, Target, What, Work};

    fn part(node: &str, word: &str) -> Part {
        let what = What::Argv(vec![word.to_owned()]);
        let work =
            Work { what, env: [].into(), timeout: Duration::from_secs(1), output_cap: 1, access: Access::default() };
        Part { target: Target::Node(node.parse().unwrap()), work }
    }

    #[test]
    fn the_same_work_on_many_nodes_is_one_step() {
        let single = |node: &str, word: &str| Group { parts: vec![part(node, word)] };
        let groups = [
            single("n1", "a"),
            single("n2", "a"),
            single("n3", "b"),
            single("n1", "a"),
            Group { parts: vec![part("n1", "server"), part("n2", "client")] },
            Group { parts: vec![part("n1", "mpi"), part("n2", "mpi")] },
        ];
        let units = units(&groups);
        let shape: Vec<Vec<usize>> = units.iter().map(|unit| unit.steps.iter().map(Vec::len).collect()).collect();
        assert_eq!(shape, [vec![2], vec![1], vec![1], vec![1, 1], vec![2]]);
        let indices: Vec<usize> =
            units.iter().flat_map(|unit| unit.steps.iter().flatten().map(|(at, _)| *at)).collect();
        assert_eq!(indices, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
