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

mod bounded;
pub mod decide;
mod health;
pub mod job;
mod leavings;
pub mod policy;
pub mod record;
pub mod slurm;
pub mod state;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::decide::{Decision, decide};
use self::job::Job;
use self::policy::Policy;
use self::state::State;
use crate::breaker::{Answer, Breaker};
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

/// The node's name: Slurm tells the one of its configuration, which need not be the host's.
fn hostname() -> String {
    let told = std::env::var("SLURMD_NODENAME").ok().filter(|name| is_name(name));
    told.unwrap_or_else(|| {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        name.trim().split('.').next().unwrap_or("").to_owned()
    })
}

/// Whether a text can be a node's name, and no option or list for scontrol.
fn is_name(text: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    (1..=255).contains(&text.len()) && !text.starts_with(['-', '.']) && text.bytes().all(known)
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
        let left = if self.verb == Verb::Epilog { self.left_behind() } else { Vec::new() };
        let mut readings = [self.read(), left].concat();
        if self.verb == Verb::Prolog {
            decide::note_occupied(&mut readings, &self.job);
        }
        match self.verb {
            Verb::Prolog | Verb::Epilog => self.gate(&readings),
            Verb::HealthCheck => self.health(&readings),
            Verb::TaskProlog => self.tell_task(&readings),
            Verb::NodeProblem => self.problem(&readings),
        }
    }

    /// What the job left behind, taken away where the policy allows it.
    fn left_behind(&self) -> Vec<Reading> {
        let (job, clean) = (self.job.clone(), self.policy.clean);
        bounded::within(self.left() / 4, move || leavings::find(&job, clean)).unwrap_or_default()
    }

    /// Looks at what this hook looks at, within the time that the policy allows.
    fn read(&self) -> Vec<Reading> {
        let node = Node::at("/");
        let profile = self.policy.profile.clone();
        let expected = profile.and_then(|file| bounded::within(self.left(), move || profile_of(&file)).flatten());
        let expected = expected.unwrap_or_default();
        // A task's own look must not move the mark: it runs as the user, and sees less.
        let mut state = State::load(&self.policy.state);
        let left = self.left().saturating_sub(self.spare());
        let readings = probe::read_lanes(&node, lanes(&node, self.verb, state.last()), &expected, left);
        if self.verb == Verb::TaskProlog {
            return readings;
        }
        let readings = state.take(readings, probe::uptime(&node));
        state.save(&self.policy.state);
        readings
    }

    /// What is left of the time that the policy allows.
    fn left(&self) -> Duration {
        let deadline = Duration::from_secs_f64(self.policy.deadline.clamp(0.5, 300.0));
        deadline.saturating_sub(self.began.elapsed())
    }

    /// Time that is needed when the readings are there: to count, to write down, and for health-check to ask the controller.
    fn spare(&self) -> Duration {
        let most = if self.verb == Verb::HealthCheck { Duration::from_secs(3) } else { Duration::from_millis(300) };
        most.min(self.left() / 2)
    }

    /// Prolog and epilog: whether the node may take this job, or the next.
    fn gate(&self, readings: &[Reading]) -> Ended {
        let decision = decide(readings, &self.job, &self.policy);
        let (word, code, reason) = match decision {
            Decision::Pass => ("pass", 0, String::new()),
            Decision::PassLoudly(why) => ("pass-loudly", 0, why),
            Decision::Refuse(why) => match self.ask_breaker() {
                Answer::Go => ("refuse", 1, why),
                Answer::Stop(held) => ("held-back", 0, format!("{why}; but not refused: {held}")),
            },
        };
        self.end(word, code, &reason, readings)
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
        Breaker::new(self.policy.shared.as_deref().unwrap_or(&self.policy.state), "refused", self.policy.most_nodes)
    }

    /// Asks the breaker; its folder may be of a file system that hangs, and then nothing is refused.
    fn ask_breaker(&self) -> Answer {
        let (breaker, node) = (self.breaker(), self.node.clone());
        let answer = bounded::within(self.left() / 2, move || breaker.ask(&node));
        answer.unwrap_or_else(|| Answer::Stop("the folder in which nodes count does not answer".to_owned()))
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
        if let Some(lines) = record::lines(&run) {
            let file = self.policy.record.clone();
            bounded::within(self.left().max(Duration::from_millis(100)), move || record::write(&lines, &file));
        }
        let told = if reason.is_empty() { String::new() } else { format!("diag-hook {}\n", record::message(&run)) };
        Ended { code, out: String::new(), err: told }
    }
}

fn profile_of(file: &Path) -> Option<Expected> {
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
