//! Slurm: `squeue` and `sinfo`.

use std::collections::BTreeMap;

use diag_parsers::hostlist;

use super::{Scheduler, answer, plain};
use crate::exec::Ran;
use crate::plan::NodeName;
use crate::policy::{Occupied, Partition};

/// Most nodes of one hostlist.
const MOST: usize = 100_000;

/// What is asked: jobs on these nodes, and the states of all of them.
pub(super) fn commands(names: &str) -> [Vec<String>; 2] {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    [words(&["squeue", "-h", "-w", names, "-o", "%i|%u|%T|%N|%A"]), words(&["sinfo", "-h", "-N", "-o", "%N|%T|%P"])]
}

/// Reads its two answers. Where one did not come, nothing is known: a node of which nobody tells is not idle.
///
/// `own`: the allocation that the task runs in, which is nobody else's job.
pub(super) fn read(ran: &[Ran], nodes: &[NodeName], own: Option<&str>) -> Scheduler {
    let (Some(jobs), Some(states)) = (answer(ran, 0), answer(ran, 1)) else { return Scheduler::default() };
    let mut partitions: BTreeMap<&str, (Partition, bool)> = BTreeMap::new();
    let mut occupied = BTreeMap::new();
    let mut kept_off = Vec::new();
    for line in states.lines() {
        let mut columns = line.trim().split('|');
        let (Some(name), Some(state), Some(partition)) = (columns.next(), columns.next(), columns.next()) else {
            continue;
        };
        let mine = nodes.iter().find(|node| node.as_str() == name);
        let off = ["drain", "down"].iter().any(|start| state.to_ascii_lowercase().starts_with(start));
        kept_off.extend(mine.filter(|node| off && !kept_off.contains(*node)).cloned());
        let state = State::of(state);
        let (counts, ours) = partitions.entry(partition).or_default();
        counts.nodes += 1;
        counts.out += usize::from(state == State::Out);
        counts.idle += usize::from(state == State::Idle);
        *ours |= mine.is_some();
        if let Some(node) = mine {
            let (other, own) = working(name, jobs, own);
            occupied.insert(node.clone(), if own && other.is_none() { Occupied::Idle } else { state.occupied(other) });
        }
    }
    let partitions = partitions.into_values().filter(|(_, ours)| *ours).map(|(counts, _)| counts).collect();
    Scheduler { occupied, kept_off, partitions }
}

/// The job of somebody on a node, by number and user, and whether our own allocation is there. A list of nodes that can't be
/// read may hold any node.
fn working(name: &str, jobs: &str, own: Option<&str>) -> (Option<String>, bool) {
    let (mut other, mut ours) = (None, false);
    for line in jobs.lines() {
        let columns: Vec<&str> = line.trim().split('|').collect();
        let [job, user, state, list, rest @ ..] = columns.as_slice() else { continue };
        let runs = !matches!(*state, "PENDING" | "COMPLETED" | "CANCELLED" | "FAILED" | "TIMEOUT");
        let here = hostlist::expand(list, MOST).map_or(true, |hosts| hosts.iter().any(|host| host == name));
        if !runs || !here || list.is_empty() {
            continue;
        }
        // `%i` of a job of an array is 41_7, and `%A` the number that its environment has.
        if own.is_some_and(|own| own == *job || rest.first() == Some(&own)) {
            ours = true;
        } else {
            other.get_or_insert_with(|| format!("job {} of {}", plain(job), plain(user)));
        }
    }
    (other, ours)
}

/// A node's state, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    /// Out of service, and nothing runs there.
    Out,
    /// In use, or on the way out of it.
    Used,
    Other,
}

impl State {
    /// Of `sinfo`'s %T, which marks states with `*`, `~`, `#`, `!`, `%`, `$`, `@`, `^`, `-`.
    fn of(text: &str) -> Self {
        match text.trim_end_matches(|c: char| !c.is_ascii_alphabetic()).to_ascii_lowercase().as_str() {
            "idle" => Self::Idle,
            "drained" | "down" | "maint" | "fail" | "error" => Self::Out,
            "allocated" | "mixed" | "completing" | "draining" | "failing" | "reserved" | "blocked" => Self::Used,
            _ => Self::Other,
        }
    }

    fn occupied(self, job: Option<String>) -> Occupied {
        match (self, job) {
            (_, Some(job)) => Occupied::Busy(job),
            (Self::Idle, None) => Occupied::Idle,
            (Self::Out, None) => Occupied::Drained,
            (Self::Used, None) => Occupied::Busy("a job that squeue does not show".to_owned()),
            (Self::Other, None) => Occupied::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::End;
    use crate::plan::Target;

    fn ran(out: &str) -> Ran {
        let mut ran = Ran::without_output(Target::Here, End::Exit(0));
        ran.stdout.text = out.to_owned();
        ran
    }

    fn nodes() -> Vec<NodeName> {
        ["gpu-17", "gpu-18", "gpu-19", "gpu-20", "gpu-21"].map(|name| name.parse().unwrap()).to_vec()
    }

    #[test]
    fn a_node_is_idle_only_where_both_answers_say_so() {
        let states = "gpu-17|idle|gpu*\ngpu-18|mixed|gpu*\ngpu-19|drained|gpu*\ngpu-20|idle~|gpu*\ngpu-22|idle|gpu*\n";
        let seen = read(&[ran("4242|bob|RUNNING|gpu-[18,20]\n4243|bob|PENDING|\n"), ran(states)], &nodes(), None);
        let of = |name: &str| seen.occupied.get(&name.parse::<NodeName>().unwrap()).cloned();
        assert_eq!(of("gpu-17"), Some(Occupied::Idle));
        assert_eq!(of("gpu-18"), Some(Occupied::Busy("job 4242 of bob".into())));
        assert_eq!(of("gpu-19"), Some(Occupied::Drained));
        assert_eq!(of("gpu-20"), Some(Occupied::Busy("job 4242 of bob".into())), "squeue knows better");
        assert_eq!(of("gpu-21"), None, "nobody tells");
        assert_eq!(seen.kept_off, ["gpu-19".parse::<NodeName>().unwrap()]);
        assert_eq!(seen.partitions, [Partition { nodes: 5, out: 1, idle: 3 }]);
        let silent = Ran::without_output(Target::Here, End::CannotRun("no squeue".into()));
        assert_eq!(read(&[silent, ran(states)], &nodes(), None), Scheduler::default());
        let odd = read(&[ran("7|eve|RUNNING|gpu-[\n"), ran(states)], &nodes(), None);
        assert!(
            matches!(odd.occupied.values().next(), Some(Occupied::Busy(_))),
            "a list that can't be read may be any node"
        );
    }

    #[test]
    fn the_allocation_that_it_runs_in_is_nobody_elses_job() {
        let states = "gpu-17|allocated|gpu*\ngpu-18|mixed|gpu*\n";
        let jobs = "41_7|alice|RUNNING|gpu-[17-18]|48\n49|bob|RUNNING|gpu-18|49\n";
        let seen = |own| read(&[ran(jobs), ran(states)], &nodes(), own).occupied.into_values().collect::<Vec<_>>();
        let (alice, bob) = (Occupied::Busy("job 41_7 of alice".into()), Occupied::Busy("job 49 of bob".into()));
        assert_eq!(seen(Some("48")), [Occupied::Idle, bob]);
        assert_eq!(seen(Some("4")), [alice.clone(), alice]);
    }
}
