//! Health-check: drains the node, or resumes what it drained.

use std::time::Duration;

use super::decide::{Decision, decide};
use super::job::Job;
use super::{Ended, Hook, bounded, slurm};
use crate::breaker::Answer;
use crate::reading::{Reading, Verdict};

const RESUMED: &str = "resumed: what it was drained for is gone";

/// What became of a node that is not well.
enum Drained {
    /// This run did it.
    Now,
    /// Somebody has done it before.
    Before,
}

impl Hook {
    pub(super) fn health(&self, readings: &[Reading]) -> Ended {
        match decide(readings, &Job::default(), &self.policy) {
            Decision::Refuse(why) => match self.drain(&why) {
                Ok(Drained::Now) => self.end("refuse", 0, &why, readings),
                Ok(Drained::Before) => self.end("refuse", 0, &format!("{why}; drained already"), readings),
                Err(held) => self.end("held-back", 1, &format!("{why}; {held}"), readings),
            },
            // What can't be judged, or is bad without being enough to drain, is no reason to give a node back; what is only
            // degraded would never have drained it, and must not keep it.
            Decision::PassLoudly(why) if readings.iter().any(doubtful) || !self.resume() => {
                self.end("pass-loudly", 0, &why, readings)
            }
            Decision::PassLoudly(why) => self.end("pass-loudly", 0, &format!("{RESUMED}; {why}"), readings),
            Decision::Pass if self.resume() => self.end("pass", 0, RESUMED, readings),
            Decision::Pass => self.end("pass", 0, "", readings),
        }
    }

    /// Drains the node where policy, controller and breaker let it; else the reason why not.
    fn drain(&self, why: &str) -> Result<Drained, String> {
        if !self.policy.drain {
            return Err("the policy drains nothing".to_owned());
        }
        let held = |error: String| format!("but not drained: {error}");
        if slurm::view(&self.node, self.share()).map_err(held)?.drained() {
            return Ok(Drained::Before);
        }
        match self.ask_breaker() {
            Answer::Stop(stopped) => Err(held(stopped)),
            Answer::Go => slurm::drain(&self.node, why, self.share()).map(|()| Drained::Now).map_err(held),
        }
    }

    /// Gives the node back where we had drained it, and nobody has changed the reason since. The node's own count spares the
    /// controller a question on each healthy look.
    fn resume(&self) -> bool {
        let (breaker, node) = (self.breaker(), self.node.clone());
        let counted = bounded::within(self.share(), move || breaker.has(&node)).unwrap_or(false);
        if !self.policy.drain || !counted {
            return false;
        }
        let ours = slurm::view(&self.node, self.share()).is_ok_and(|view| view.drained() && view.by_us());
        let resumed = ours && slurm::resume(&self.node, self.share()).is_ok();
        if resumed {
            let (breaker, node) = (self.breaker(), self.node.clone());
            bounded::within(self.share(), move || breaker.forget(&node));
        }
        resumed
    }

    /// Time for one of the few questions that are left.
    fn share(&self) -> Duration {
        (self.left() / 2).min(Duration::from_secs(3))
    }
}

/// Whether a reading speaks against giving a node back.
fn doubtful(reading: &Reading) -> bool {
    matches!(reading.verdict, Verdict::Bad | Verdict::Unknown)
}
