//! Somebody came back to nodes that this case keeps off: what passes its tests is given back, what does not stays off.

use std::collections::BTreeSet;

use super::{Move, Planner, Standing};
use crate::agent::entry::Ending;
use crate::agent::fate::fate;
use crate::plan::{NodeName, Stage, Step, by_hand, is_marked};
use crate::playbook::test::Judged;
use crate::verify::Verdict;

/// Where each node stands.
struct Nodes<'a> {
    /// Those that new jobs are still kept off.
    off: BTreeSet<&'a NodeName>,
    /// Of all, those whose tests pass.
    mended: BTreeSet<&'a NodeName>,
    /// Of all, those whose test fails.
    broken: BTreeSet<&'a NodeName>,
}

impl Planner<'_> {
    /// What comes next for nodes that were kept off by a fix; `kept_off`: those that still are.
    pub(super) fn back(&self, fix: &Step, kept_off: &[NodeName]) -> Standing {
        let tests = self.verifies(fix);
        if let Some(next) = self.test_again(&tests) {
            return Standing::Next(next);
        }
        let nodes = self.stand(fix, &tests, kept_off);
        let give = self.plan.following(fix).find(|step| step.stage == Stage::Return);
        if let Some(next) = give.and_then(|give| self.give(give, &nodes)) {
            return Standing::Next(next);
        }
        Standing::Next(Move::Conclude(self.came_to(fix, give, &tests, &nodes)))
    }

    fn stand<'n>(&self, fix: &'n Step, tests: &[&Step], kept_off: &[NodeName]) -> Nodes<'n> {
        let told =
            |wanted: Judged| tests.iter().flat_map(|test| self.case.places(test, wanted)).collect::<BTreeSet<_>>();
        let (passes, fails, mute) = (told(Judged::Pass), told(Judged::Fail), told(Judged::CannotRun));
        let which = |of: &dyn Fn(&str) -> bool| fix.nodes.iter().filter(|node| of(node.as_str())).collect();
        Nodes {
            off: fix.nodes.iter().filter(|node| kept_off.contains(node)).collect(),
            // Each test that tells of a node has to pass there.
            mended: which(&|node| passes.contains(node) && !fails.contains(node) && !mute.contains(node)),
            broken: which(&|node| fails.contains(node)),
        }
    }

    /// Gives back what is mended; and keeps off again what may have been given back and fails.
    fn give(&self, give: &Step, nodes: &Nodes<'_>) -> Option<Move> {
        let done = self.work.done.get(&give.id).map_or(&[][..], Vec::as_slice);
        let fate = fate(give, done);
        let of = |at: usize| fate.node(give, at);
        if !done.is_empty() {
            let early = |node: Option<&NodeName>| {
                node.is_some_and(|node| nodes.broken.contains(node) && !nodes.off.contains(node))
            };
            return match self.undo(give, &fate, early) {
                Standing::Next(next) => Some(next),
                Standing::Over => None,
            };
        }
        let groups = give.tasks.first().map_or(&[][..], |task| &task.groups);
        let ours = |at: &usize| groups[*at].parts.iter().all(|part| is_marked(&part.work));
        let ready = |at: &usize| of(*at).is_some_and(|node| nodes.off.contains(node) && nodes.mended.contains(node));
        let ready: BTreeSet<usize> = (0..groups.len()).filter(ours).filter(ready).collect();
        if ready.is_empty() || !self.may(give) {
            return None;
        }
        self.run_on(give, fate.some(&ready)).or_else(|| self.wants(Stage::Return))
    }

    fn came_to(&self, fix: &Step, give: Option<&Step>, tests: &[&Step], nodes: &Nodes<'_>) -> Ending {
        let judged = self.judged(tests);
        let in_service = fix.nodes.iter().filter(|node| !nodes.off.contains(node)).collect::<BTreeSet<_>>();
        let early: Vec<&NodeName> = in_service.intersection(&nodes.broken).copied().collect();
        if !early.is_empty() {
            let why = format!("new jobs come to {}, and {}", list(&early), judged.why);
            return Ending::NotFixed { why, left: self.left() };
        }
        if nodes.off.is_empty() {
            let all = list(&in_service);
            return match judged.verdict {
                Verdict::Fixed => Ending::Returned { why: format!("new jobs come to {all} again: {}", judged.why) },
                _ => Ending::Inconclusive { why: format!("new jobs come to {all} again, but {}", judged.why) },
            };
        }
        let mut why = vec![self.stays(give, tests, nodes, &judged.why)];
        why.extend((!in_service.is_empty()).then(|| format!("new jobs come to {} again", list(&in_service))));
        Ending::Contained { why: why.join("; ") }
    }

    /// Why nodes stay off.
    fn stays(&self, give: Option<&Step>, tests: &[&Step], nodes: &Nodes<'_>, judged: &str) -> String {
        let all = list(&nodes.off);
        let who = self.case.who();
        let type_it = nodes.off.iter().map(|node| by_hand(&who, node)).collect::<Vec<_>>().join("; ");
        let left = self.left();
        let look = if left.is_empty() { String::new() } else { format!(" (left: {})", left.join("; ")) };
        if tests.is_empty() {
            return format!(
                "no new job comes to {all}, and no test of diag's can tell whether it is mended{look}: once it is, {type_it}"
            );
        }
        if !nodes.off.is_subset(&nodes.mended) {
            return format!("no new job comes to {all}: {judged}{look}");
        }
        let said = give.and_then(|give| {
            let done = self.work.done.get(&give.id).map_or(&[][..], Vec::as_slice);
            let refused = self.work.refused.get(&give.id).cloned();
            refused.or_else(|| fate(give, done).why).or_else(|| {
                (!done.is_empty()).then(|| "it was given back, and the scheduler keeps it off all the same".to_owned())
            })
        });
        let said =
            said.unwrap_or_else(|| "nothing shows that this case keeps it off, and not somebody else".to_owned());
        format!("no new job comes to {all}, though its tests pass: {said}; by hand: {type_it}")
    }
}

fn list<'n>(nodes: impl IntoIterator<Item = &'n &'n NodeName>) -> String {
    nodes.into_iter().map(|node| node.as_str()).collect::<Vec<_>>().join(", ")
}
