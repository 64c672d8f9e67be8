//! Hooks of Slurm, and of what else asks whether a node may take a job. A *world* room.
//!
//! | hook | exit code | what it means |
//! |---|---|---|
//! | `prolog` | 0 | the job may start |
//! | | 1 | it must not start here: slurmd drains the node and the job is requeued |
//! | `epilog` | 0 | the node may take the next job |
//! | | 1 | it must not: slurmd drains the node |
//! | `health-check` | 0 | well, or drained by this run; slurmd ignores the code |
//! | | 1 | not well, and not drained (by policy, by the breaker, or because the controller did not answer) |
//! | `task-prolog` | 0 | always: what it has to say stands in the job's output |
//! | `node-problem` | 0, 1, 2 | as node-problem-detector's plug-ins: well, a problem, unknown |
//! | any | 2 | a wrong command line; never of prolog or epilog, which then let the job pass |
#![expect(
    clippy::disallowed_methods,
    reason = "a world room: reads the environment, keeps the node's state, asks Slurm"
)]

pub mod breaker;
pub mod decide;
pub mod job;
mod leavings;
pub mod policy;
pub mod record;
pub mod slurm;
pub mod state;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::breaker::{Answer, Breaker};
use self::decide::{Decision, decide};
use self::job::Job;
use self::policy::Policy;
use self::state::State;
use crate::probe::{self, Expected, Node, Task};
use crate::reading::{Reading, Verdict};

/// Which hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Before a job's first process on the node, as root.
    Prolog,
    /// After its last.
    Epilog,
    /// Every few minutes, from slurmd or a timer.
    HealthCheck,
    /// Before each task, as the user.
    TaskProlog,
    /// From node-problem-detector.
    NodeProblem,
}

impl Verb {
    /// The verb of that name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Prolog, Self::Epilog, Self::HealthCheck, Self::TaskProlog, Self::NodeProblem]
            .into_iter()
            .find(|verb| verb.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prolog => "prolog",
            Self::Epilog => "epilog",
            Self::HealthCheck => "health-check",
            Self::TaskProlog => "task-prolog",
            Self::NodeProblem => "node-problem",
        }
    }
}

/// What a run of a hook leaves: an exit code, and lines for standard output and standard error.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Exit code.
    pub code: u8,
    /// For standard output, which Slurm reads as commands (task-prolog) and node-problem-detector as a message.
    pub out: String,
    /// For standard error, which slurmd writes to its log.
    pub err: String,
}

/// Runs a hook. `config` names another policy than that of [`policy::FILE`].
pub fn run(verb: Verb, config: Option<&Path>) -> Ended {
    let began = Instant::now();
    let (policy, complaint) = policy_of(config);
    let job = Job::of(&|name| std::env::var(name).ok());
    let hook = Hook { verb, policy, job, node: hostname(), began };
    let mut ended = hook.run();
    if let Some(complaint) = complaint {
        ended.err = format!("{complaint}\n{}", ended.err);
    }
    ended
}

/// A policy that can't be read is no reason to hold a job: the default stands in, and it is told.
fn policy_of(config: Option<&Path>) -> (Policy, Option<String>) {
    let file = config.map_or_else(|| PathBuf::from(policy::FILE), Path::to_owned);
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if config.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return (Policy::default(), None);
        }
        Err(error) => {
            return (
                Policy::default(),
                Some(format!("diag-hook: {}: {error}; the default policy holds", file.display())),
            );
        }
    };
    match toml::from_str(&text) {
        Ok(policy) => (policy, None),
        Err(error) => {
            let why = error.message().to_owned();
            (Policy::default(), Some(format!("diag-hook: {}: {why}; the default policy holds", file.display())))
        }
    }
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    // Slurm tells the node's own name in its configuration, which need not be the host's.
    std::env::var("SLURMD_NODENAME").unwrap_or_else(|_| name.trim().split('.').next().unwrap_or("").to_owned())
}

struct Hook {
    verb: Verb,
    policy: Policy,
    job: Job,
    node: String,
    began: Instant,
}

impl Hook {
    fn run(&self) -> Ended {
        if self.verb == Verb::Epilog && self.policy.clean {
            leavings::clean(&self.job);
        }
        let readings = self.read();
        match self.verb {
            Verb::Prolog | Verb::Epilog => self.gate(&readings),
            Verb::HealthCheck => self.health(&readings),
            Verb::TaskProlog => self.tell_task(&readings),
            Verb::NodeProblem => self.problem(&readings),
        }
    }

    /// Looks at what this hook looks at, within the time that the policy allows.
    fn read(&self) -> Vec<Reading> {
        let node = Node::at("/");
        let expected = self.policy.profile.as_deref().and_then(profile).unwrap_or_default();
        let spare = Duration::from_millis(200);
        let deadline = Duration::from_secs_f64(self.policy.deadline.clamp(0.5, 300.0));
        let left = deadline.saturating_sub(self.began.elapsed() + spare);
        // A task's own look must not move the mark: it runs as the user, and sees less.
        let mut state = State::load(&self.policy.state);
        let readings = probe::read_lanes(&node, lanes(&node, self.verb, state.last()), &expected, left);
        if self.verb == Verb::TaskProlog {
            return readings;
        }
        let readings = state.take(readings);
        state.save(&self.policy.state);
        readings
    }

    /// Prolog and epilog: whether the node may take this job, or the next.
    fn gate(&self, readings: &[Reading]) -> Ended {
        let decision = decide(readings, &self.job, &self.policy);
        let (word, code, reason) = match decision {
            Decision::Pass => ("pass", 0, String::new()),
            Decision::PassLoudly(why) => ("pass-loudly", 0, why),
            Decision::Refuse(why) => match self.breaker().ask(&self.node) {
                Answer::Go => ("refuse", 1, why),
                Answer::Stop(held) => ("held-back", 0, format!("{why}; but not refused: {held}")),
            },
        };
        self.end(word, code, &reason, readings)
    }

    /// Health-check: drains the node, or resumes what it drained.
    fn health(&self, readings: &[Reading]) -> Ended {
        let all = Job::default();
        let within = Duration::from_secs(3);
        match decide(readings, &all, &self.policy) {
            Decision::Refuse(why) if !self.policy.drain => {
                self.end("held-back", 1, &format!("{why}; the policy drains nothing"), readings)
            }
            Decision::Refuse(why) => match slurm::view(&self.node, within) {
                Ok(view) if view.drained() => self.end("refuse", 0, &format!("{why}; drained already"), readings),
                Ok(_) => match self.breaker().ask(&self.node) {
                    Answer::Stop(held) => {
                        self.end("held-back", 1, &format!("{why}; but not drained: {held}"), readings)
                    }
                    Answer::Go => match slurm::drain(&self.node, &why, within) {
                        Ok(()) => self.end("refuse", 0, &why, readings),
                        Err(error) => self.end("held-back", 1, &format!("{why}; but not drained: {error}"), readings),
                    },
                },
                Err(error) => self.end("held-back", 1, &format!("{why}; but not drained: {error}"), readings),
            },
            // What can't be judged is no reason to give a node back.
            Decision::PassLoudly(why) => self.end("pass-loudly", 0, &why, readings),
            Decision::Pass => {
                if self.policy.drain && self.drained_before() {
                    let ours = slurm::view(&self.node, within).is_ok_and(|view| view.drained() && view.by_us());
                    if ours && slurm::resume(&self.node, within).is_ok() {
                        self.breaker().forget(&self.node);
                        return self.end("pass", 0, "resumed: what it was drained for is gone", readings);
                    }
                }
                self.end("pass", 0, "", readings)
            }
        }
    }

    /// Whether this node was refused lately, by its own count: spares the controller a question on each healthy look.
    fn drained_before(&self) -> bool {
        self.breaker().has(&self.node)
    }

    /// Task-prolog: a line in the job's output where something is not well; a job is never held here.
    fn tell_task(&self, readings: &[Reading]) -> Ended {
        let reason = match decide(readings, &self.job, &self.policy) {
            Decision::Pass => return Ended::default(),
            Decision::PassLoudly(why) | Decision::Refuse(why) => why,
        };
        let safe: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Ended { code: 0, out: format!("print diag: {}: {safe}\n", self.node), err: String::new() }
    }

    /// node-problem-detector: 0 well, 1 a problem, 2 unknown; the message on standard output.
    fn problem(&self, readings: &[Reading]) -> Ended {
        let (code, told) = match decide(readings, &Job::default(), &self.policy) {
            Decision::Refuse(why) => (1, why),
            Decision::PassLoudly(why) if readings.iter().any(|r| r.verdict == Verdict::Unknown) => (2, why),
            Decision::PassLoudly(why) => (0, why),
            Decision::Pass => (0, "well".to_owned()),
        };
        // node-problem-detector cuts messages at 80 characters (max_output_length).
        Ended { code, out: format!("{}\n", told.chars().take(80).collect::<String>()), err: String::new() }
    }

    fn breaker(&self) -> Breaker {
        Breaker::new(self.policy.shared.as_deref().unwrap_or(&self.policy.state), self.policy.most_nodes)
    }

    fn end(&self, decision: &str, code: u8, reason: &str, readings: &[Reading]) -> Ended {
        let run = record::Run {
            schema: "diag.hook/1",
            time: &jiff::Timestamp::now().to_string(),
            node: &self.node,
            hook: self.verb.name(),
            job: self.job.id,
            decision,
            reason,
            elapsed_ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            readings: readings.iter().filter(|reading| reading.verdict != Verdict::Ok).collect(),
        };
        record::write(&run, &self.policy.record);
        let told = if reason.is_empty() {
            String::new()
        } else {
            format!("diag-hook {}: {decision}: {reason}\n", self.verb.name())
        };
        Ended { code, out: String::new(), err: told }
    }
}

fn profile(file: &Path) -> Option<Expected> {
    toml::from_str(&std::fs::read_to_string(file).ok()?).ok()
}

/// What a hook looks at: few probes in few processes, since each costs a millisecond. Of the kernel's log only what is
/// newer than `last`.
fn lanes(node: &Node, verb: Verb, last: f64) -> Vec<Vec<Task>> {
    let tasks = |ids: &[&str]| {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        probe::tasks(node, &ids)
    };
    if verb == Verb::TaskProlog {
        return vec![tasks(&["limits"])];
    }
    let mut rest = vec![Task { probe: "kernel".to_owned(), subject: last.to_string() }];
    rest.extend(tasks(&["limits", "memory", "disks", "services", "fabric", "mounts"]));
    // NVML is only loaded where there is a driver or a GPU to ask it about.
    let gpus = node.has("/proc/driver/nvidia") || probe::has_gpu(node);
    if gpus { vec![tasks(&["gpu"]), rest] } else { vec![rest] }
}
