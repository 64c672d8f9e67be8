//! A node out of service and back, by whoever schedules work on it: the one place that knows how new work is kept off.
//!
//! What keeps it off tells by which mark (`diag: kept=…`: in Slurm the time and the reason, in Kubernetes the time of the taint and an annotation), and
//! what gives it back does so only while the scheduler still has that mark: what a person or another case keeps off stays off.

use std::collections::BTreeMap;

use super::bind::Values;
use super::name::NodeName;
use super::step::{Plan, Step};
use super::task::Work;
use super::who::Who;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// No new work comes to it.
    Off,
    /// New work may come again.
    Back,
}

/// The variable with the mark, empty until it is known.
const KEPT: &str = "DIAG_KEPT";

/// The variable with the cause.
const CAUSE: &str = "DIAG_CAUSE";

/// How the line with the mark begins.
const TOLD: &str = "diag: kept=";

/// Longest mark that is taken, in bytes: a time and a reason.
const LONGEST: usize = 300;

/// The constant script.
pub(super) const fn script(who: &Who, way: Way) -> &'static str {
    match (who, way) {
        (Who::Slurm { .. }, Way::Off) => include_str!("service/slurm-off.sh"),
        (Who::Slurm { .. }, Way::Back) => include_str!("service/slurm-back.sh"),
        (Who::Kubernetes { .. }, Way::Off) => include_str!("service/kubernetes-off.sh"),
        (Who::Kubernetes { .. }, Way::Back) => include_str!("service/kubernetes-back.sh"),
    }
}

/// What the script reads beside the node.
pub(super) fn values(who: &Who, way: Way, cause: &str, of: &Values) -> Values {
    let mut values = of.clone();
    values.insert("cause".to_owned(), cause.to_owned());
    if let Who::Kubernetes { context } = who {
        values.insert("context".to_owned(), context.clone().unwrap_or_default());
    }
    if way == Way::Back {
        values.insert("kept".to_owned(), String::new());
    }
    values
}

/// The programs that it needs.
pub(super) fn tools(who: &Who) -> Vec<String> {
    let tools: &[&str] = match who {
        Who::Slurm { .. } => &["scontrol", "sinfo"],
        Who::Kubernetes { .. } => &["kubectl"],
    };
    tools.iter().map(|tool| (*tool).to_owned()).collect()
}

/// What a person types to give a node back, whoever keeps it off.
#[must_use]
pub fn by_hand(who: &Who, node: &NodeName) -> String {
    match who {
        Who::Slurm { .. } => format!("scontrol update NodeName={node} State=RESUME"),
        Who::Kubernetes { .. } => format!("kubectl uncordon {node}"),
    }
}

/// The marks by which this case keeps nodes off, by cause and node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks(BTreeMap<(String, String), String>);

impl Marks {
    /// Takes what a run told that kept a node off.
    pub fn hear(&mut self, work: &Work, out: &str) {
        let Some(key) = key(work) else { return };
        let mark = out.lines().find_map(|line| line.strip_prefix(TOLD)).map(str::trim_end);
        // Of another cause's, or a person's, it is not ours to say that we keep a node off.
        let own = |mark: &&str| {
            let why = mark.split_once('|').map_or("", |(_, why)| why);
            why.strip_prefix("diag:") == Some(key.0.as_str()) || why.split(' ').next() == Some(key.0.as_str())
        };
        if let Some(mark) = mark.filter(|mark| mark.len() <= LONGEST).filter(own) {
            self.0.insert(key, mark.to_owned());
        }
    }

    /// Tells them to what gives the nodes back.
    pub fn tell(&self, plans: &mut [Plan]) {
        let tasks = plans.iter_mut().flat_map(|plan| &mut plan.steps).flat_map(|step| &mut step.tasks);
        let parts = tasks.flat_map(|task| &mut task.groups).flat_map(|group| &mut group.parts);
        parts.for_each(|part| self.fill(&mut part.work));
    }

    fn fill(&self, work: &mut Work) {
        let mark = key(work).and_then(|key| self.0.get(&key));
        if let Some((kept, mark)) = work.env.get_mut(KEPT).zip(mark) {
            kept.clone_from(mark);
        }
    }
}

/// A step as it was planned, before a mark was known.
#[must_use]
pub fn unmarked(step: &Step) -> Step {
    let mut step = step.clone();
    let parts = step.tasks.iter_mut().flat_map(|task| &mut task.groups).flat_map(|group| &mut group.parts);
    parts.filter_map(|part| part.work.env.get_mut(KEPT)).for_each(String::clear);
    step
}

/// Whether it is known by which mark what this would give back is kept off.
#[must_use]
pub fn is_marked(work: &Work) -> bool {
    work.env.get(KEPT).is_some_and(|mark| !mark.is_empty())
}

/// The cause and the node that work is about.
fn key(work: &Work) -> Option<(String, String)> {
    Some((work.env.get(CAUSE)?.clone(), work.env.get("DIAG_NODE")?.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Access, Script, What};

    fn work(way: Way, cause: &str, node: &str) -> Work {
        let who = Who::default();
        let env = values(&who, way, cause, &Values::from([("node".to_owned(), node.to_owned())]));
        let env = env.into_iter().map(|(name, value)| (format!("DIAG_{}", name.to_uppercase()), value)).collect();
        let what = What::Script(Script::sh(script(&who, way)));
        Work { what, env, timeout: std::time::Duration::from_secs(1), output_cap: 1, access: Access::default() }
    }

    #[test]
    fn what_gives_a_node_back_is_told_the_mark_of_its_own_cause_and_node() {
        let mut marks = Marks::default();
        let off = work(Way::Off, "net-link-down", "gpu-17");
        marks.hear(&off, "done\ndiag: kept=2026-05-04T03:12:41|diag:net-link-down\n");
        marks.hear(&off, "it is kept off already, which stays as it is: x\n");
        marks.hear(&work(Way::Off, "net-link-down", "gpu-18"), "diag: kept=2026-05-04T03:12:41|new cables\n");
        let told = |way, cause, node| {
            let mut work = work(way, cause, node);
            marks.fill(&mut work);
            work.env.get(KEPT).cloned()
        };
        let own = told(Way::Back, "net-link-down", "gpu-17");
        assert_eq!(own.as_deref(), Some("2026-05-04T03:12:41|diag:net-link-down"));
        for (cause, node) in [("net-slow", "gpu-17"), ("net-link-down", "gpu-18"), ("net-link-down", "gpu-19")] {
            assert_eq!(told(Way::Back, cause, node).as_deref(), Some(""), "{cause} {node}");
        }
        assert_eq!(told(Way::Off, "net-link-down", "gpu-17"), None);
    }
}
