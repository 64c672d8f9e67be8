//! What is planned: the steps, whom they touch, and what is missing.

use serde::{Deserialize, Serialize};

use super::name::NodeName;
use super::task::{Target, Task};
use super::witness::Witness;
use crate::playbook::schema::{Aim, Risk, Status, Verify};
use crate::playbook::test::Rubric;
use crate::verdict::{Confidence, Culprit};

/// Version of the JSON contract.
pub const SCHEMA: &str = "diag.plan/1";

/// What is to be done about one finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`SCHEMA`].
    pub schema: String,
    /// What it is about.
    pub subject: Subject,
    /// What has to be known first.
    pub questions: Vec<Question>,
    /// In order: what confirms the cause, then each fix with what verifies and what undoes it.
    pub steps: Vec<Step>,
    /// When the cause counts as gone.
    pub verify: Verify,
}

/// The finding that a plan is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// Slug of the cause.
    pub cause: String,
    /// The cause in a few words.
    pub title: String,
    /// How sure it is.
    pub confidence: Confidence,
    /// Whom the evidence blames.
    pub culprit: Culprit,
    /// How far the playbook is proven.
    pub status: Status,
    /// Who testifies.
    pub witnesses: Vec<Witness>,
    /// How often each clue that must stay quiet was seen.
    pub seen: Vec<(String, u64)>,
    /// What a maker of hardware wants to know of the culprit: UUIDs, serial numbers, Xids.
    pub identity: Vec<(String, String)>,
}

/// What a step is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Shows whether the cause is there now.
    Confirm,
    /// Does something about it.
    Fix,
    /// Shows whether that helped.
    Verify,
    /// Takes a fix back that did not help.
    Undo,
    /// Gives a node back that was kept off until somebody mended it.
    Return,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Unique within the plan: `confirm-ib-pair`, `fix-drain-node`.
    pub id: String,
    /// What it is for.
    pub stage: Stage,
    /// Name of the fix or test within the playbook.
    pub of: String,
    /// The step before it that it belongs to: the fix that it verifies or takes back.
    pub after: Option<String>,
    /// What it does.
    pub title: String,
    /// Steps that must have passed before it is done: it rests on what they show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proven_by: Vec<String>,
    /// What it risks.
    pub risk: Risk,
    /// Whether it mends, or only keeps others from harm.
    pub aim: Aim,
    /// The nodes that it touches, wherever its commands run.
    pub nodes: Vec<NodeName>,
    /// What is run, one after the other; empty where hands are needed or something is missing.
    pub tasks: Vec<Task>,
    /// What a person does: commands to type, or a sentence.
    pub hands: Vec<Hand>,
    /// What a test reads and what is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rubric: Option<Rubric>,
    /// Programs that it needs where it runs.
    pub tools: Vec<String>,
    /// How long it may take, in seconds.
    pub within_s: u64,
    /// What it disturbs; empty: nothing.
    pub disturbs: String,
    /// Why it can't be run; empty: it can.
    pub cannot: Vec<String>,
}

/// Something that a person does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hand {
    /// A command to type.
    Type(Vec<String>),
    /// Environment to set for the job.
    Set(String, String),
    /// A sentence.
    Say(String),
}

/// Something that the evidence does not tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The parameter: `hca`. An answer to `ib-pair.hca` is for that test alone.
    pub id: String,
    /// What is asked.
    pub what: String,
    /// The type of its answer.
    pub kind: String,
    /// Values that the evidence offers.
    pub offers: Vec<String>,
    /// Smallest number.
    pub min: Option<i64>,
    /// Largest number.
    pub max: Option<i64>,
    /// Tests that need it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<String>,
}

impl Step {
    /// A task by itself, of no plan.
    #[must_use]
    pub fn alone(task: Task) -> Self {
        let mut nodes = Vec::new();
        for target in task.targets() {
            if let Target::Node(node) = target {
                nodes.push(node.clone());
            }
        }
        let longest = task.groups.iter().flat_map(|group| &group.parts).map(|part| part.work.timeout.as_secs()).max();
        Self {
            id: task.id.clone(),
            stage: Stage::Confirm,
            of: task.id.clone(),
            after: None,
            title: task.title.clone(),
            proven_by: Vec::new(),
            risk: task.risk,
            aim: Aim::Repair,
            nodes,
            hands: Vec::new(),
            rubric: None,
            tools: Vec::new(),
            within_s: longest.unwrap_or(0),
            disturbs: task.disturbs.clone(),
            cannot: Vec::new(),
            tasks: vec![task],
        }
    }

    /// Whether it is a part of what comes after another one.
    #[must_use]
    pub const fn follows(&self) -> bool {
        matches!(self.stage, Stage::Verify | Stage::Undo | Stage::Return)
    }

    /// Whether it can be run as it stands.
    #[must_use]
    pub fn runs(&self) -> bool {
        !self.tasks.is_empty() && self.cannot.is_empty()
    }

    /// What a person agrees to: all that it runs, as one digest.
    #[must_use]
    pub fn digest(&self) -> String {
        super::task::digest_of(self.tasks.iter().map(Task::digest))
    }
}

impl Plan {
    /// The steps of a stage.
    pub fn stage(&self, stage: Stage) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(move |step| step.stage == stage)
    }

    /// All that it says to people, without its scripts.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let hand = |hand: &Hand| match hand {
            Hand::Type(argv) => argv.join(" "),
            Hand::Set(name, value) => format!("{name}={value}"),
            Hand::Say(sentence) => sentence.clone(),
        };
        let of = |step: &Step| {
            let own = [step.title.clone(), step.disturbs.clone()].into_iter();
            let tasks = step.tasks.iter().flat_map(|task| [task.title.clone(), task.disturbs.clone()]);
            own.chain(tasks).chain(step.cannot.clone()).chain(step.hands.iter().map(hand)).collect::<Vec<_>>()
        };
        let questions = self.questions.iter().map(|question| question.what.clone());
        self.steps.iter().flat_map(of).chain(questions).collect()
    }

    /// The steps that come after one.
    pub fn following<'p>(&'p self, step: &'p Step) -> impl Iterator<Item = &'p Step> {
        self.steps.iter().filter(|next| next.after.as_ref() == Some(&step.id))
    }

    /// A step by its name.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }
}
