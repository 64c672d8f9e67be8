//! From readings to whether a job may run: pure.

use std::collections::{BTreeMap, BTreeSet};

use super::job::Job;
use super::policy::{Policy, Unknown};
use crate::reading::{Quantity, Reading, Verdict};

/// What the readings come to for a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may run.
    Pass,
    /// It may run, but somebody should look: why.
    PassLoudly(String),
    /// It must not run here: why.
    Refuse(String),
}

/// Decides over the readings that concern a job: its GPUs, and what all jobs need.
pub fn decide(readings: &[Reading], job: &Job, policy: &Policy) -> Decision {
    // Where GPUs are divided (MIG), what Slurm numbers are slices: which GPU they are of it does not tell.
    let divided = readings.iter().any(|r| short(r) == "gpu.mig" && r.value == Some(Quantity::Flag(true)));
    let gpus = job.gpus.as_ref().filter(|_| !divided);
    let concern: Vec<&Reading> = readings.iter().filter(|reading| concerns(reading, gpus)).collect();
    let of = |verdict| concern.iter().copied().filter(move |reading: &&Reading| reading.verdict == verdict);
    let bad: Vec<&Reading> = of(Verdict::Bad).collect();
    if let Some(decisive) = bad.iter().find(|reading| policy.decisive.contains(&short(reading))) {
        return Decision::Refuse(told(decisive));
    }
    let kinds: BTreeSet<&str> = bad.iter().map(|reading| reading.probe.as_str()).collect();
    if kinds.len() >= policy.kinds.max(1) {
        return Decision::Refuse(joined(&bad));
    }
    let unknown: Vec<&Reading> = of(Verdict::Unknown).collect();
    if policy.unknown == Unknown::Closed && !unknown.is_empty() {
        return Decision::Refuse(format!("can't be judged: {}", joined(&unknown)));
    }
    let loud: Vec<&Reading> = bad.into_iter().chain(unknown).chain(of(Verdict::Degraded)).collect();
    if loud.is_empty() { Decision::Pass } else { Decision::PassLoudly(joined(&loud)) }
}

/// Whether a reading is of something that the job uses: GPUs of others are not its concern.
fn concerns(reading: &Reading, gpus: Option<&BTreeSet<u32>>) -> bool {
    let (Some(gpus), Some(index)) = (gpus, reading.of.get("index")) else { return true };
    index.parse().map_or(true, |index: u32| gpus.contains(&index))
}

/// Says of each GPU that a job is about to be given that somebody uses it already: a process that outlived its job takes the
/// memory that this one counts on. That may be as it should be (MPS, shards), so it refuses nothing.
pub fn note_occupied(readings: &mut [Reading], job: &Job) {
    let Some(gpus) = &job.gpus else { return };
    let given = |reading: &Reading| reading.of.get("index").and_then(|index| index.parse().ok());
    for reading in readings.iter_mut().filter(|reading| short(reading) == "gpu.processes") {
        if !given(reading).is_some_and(|index: u32| gpus.contains(&index)) {
            continue;
        }
        if let Some(pids) = reading.of.get("pids") {
            let why =
                format!("in use before the job has begun, by process {pids}: left over, unless jobs share GPUs here");
            *reading = reading.clone().found(Verdict::Degraded, why);
        }
    }
}

fn short(reading: &Reading) -> String {
    format!("{}.{}", reading.probe, reading.name)
}

/// One reading, in the words of a drain reason.
fn told(reading: &Reading) -> String {
    let gpu = reading.of.get("index").map(|index| format!("GPU {index}"));
    let pci = reading.of.get("gpu").map(|pci| format!("({pci})"));
    let other = ["mount", "port", "service", "subject"].iter().find_map(|what| reading.of.get(*what).cloned());
    let whose: Vec<String> = gpu.into_iter().chain(pci).chain(other).collect();
    let why = reading.why.as_deref().unwrap_or(reading.verdict.word());
    if whose.is_empty() { format!("{}: {why}", short(reading)) } else { format!("{}: {why}", whose.join(" ")) }
}

/// Most reasons that are told in one line.
const MOST: usize = 3;

fn joined(readings: &[&Reading]) -> String {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut order = Vec::new();
    for reading in readings {
        let reason = told(reading);
        let seen = reasons.entry(reason.clone()).or_insert(0);
        *seen += 1;
        if *seen == 1 {
            order.push(reason);
        }
    }
    let more = order.len().saturating_sub(MOST);
    order.truncate(MOST);
    let told = order.join("; ");
    if more > 0 { format!("{told}; and {more} more") } else { told }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(index: u32, name: &str, verdict: Verdict) -> Reading {
        Reading::new("gpu", name).of("index", index.to_string()).found(verdict, format!("{name} is wrong"))
    }

    fn job(gpus: &[u32]) -> Job {
        Job { id: Some(1), uid: Some(1000), gpus: Some(gpus.iter().copied().collect()) }
    }

    #[test]
    fn one_decisive_reading_refuses() {
        let readings = [gpu(3, "recovery_action", Verdict::Bad)];
        let decision = decide(&readings, &job(&[3]), &Policy::default());
        assert_eq!(decision, Decision::Refuse("GPU 3: recovery_action is wrong".to_owned()));
    }

    #[test]
    fn a_gpu_of_somebody_else_is_no_concern() {
        let readings = [gpu(3, "recovery_action", Verdict::Bad)];
        assert_eq!(decide(&readings, &job(&[0, 1]), &Policy::default()), Decision::Pass);
        assert!(matches!(decide(&readings, &Job::default(), &Policy::default()), Decision::Refuse(_)));
    }

    #[test]
    fn numbers_of_slices_are_no_numbers_of_gpus() {
        let mig = Reading::new("gpu", "mig").of("index", "3").flag(true);
        let readings = [gpu(3, "recovery_action", Verdict::Bad), mig];
        assert!(matches!(decide(&readings, &job(&[0]), &Policy::default()), Decision::Refuse(_)));
    }

    #[test]
    fn one_kind_of_evidence_is_not_enough_where_it_is_not_decisive() {
        let one = vec![gpu(0, "nvlink.active", Verdict::Bad)];
        assert!(matches!(decide(&one, &job(&[0]), &Policy::default()), Decision::PassLoudly(_)));
        let two = [one, vec![Reading::new("fabric", "ports.active").found(Verdict::Bad, "7 of 8")]].concat();
        assert!(matches!(decide(&two, &job(&[0]), &Policy::default()), Decision::Refuse(_)));
    }

    #[test]
    fn what_is_unknown_refuses_only_where_the_policy_is_closed() {
        let readings = [gpu(0, "run", Verdict::Unknown)];
        assert!(matches!(decide(&readings, &job(&[0]), &Policy::default()), Decision::PassLoudly(_)));
        let closed = Policy { unknown: Unknown::Closed, ..Policy::default() };
        assert!(matches!(decide(&readings, &job(&[0]), &closed), Decision::Refuse(_)));
        let cannot = [gpu(0, "serial", Verdict::CannotRun)];
        assert_eq!(decide(&cannot, &job(&[0]), &closed), Decision::Pass, "what can't run says nothing");
    }
}
