//! The shape of a playbook file.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::echo::Echo;
pub use super::either::{Condition, OneOrMany, Test, Undo};
use super::test::Rubric;
pub use super::verify::{Bound, Expect as Expectation, Quiet, Times, Verify};
use crate::verdict::{Ask, Confidence, Outcome};
use diag_parsers::Value;

/// One cause: `playbooks/<area>/<slug>.toml`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Playbook {
    /// Version of the schema; 1.
    pub schema: u32,
    /// Slug of the cause; the file's name.
    pub id: String,
    /// The cause in a few words.
    pub title: String,
    /// How far it is proven.
    pub status: Status,
    /// One finding for each distinct value of these fields of the first need.
    #[serde(default)]
    pub about: Vec<String>,
    /// Where to read more.
    #[serde(default)]
    pub references: Vec<String>,
    /// Mechanism, looks, and what it is confused with: for `diag explain`.
    #[serde(default)]
    pub summary: String,
    /// All must be there.
    pub needs: IndexMap<String, Clue>,
    /// One lifts a finding from possible to likely.
    #[serde(default)]
    pub supports: IndexMap<String, Clue>,
    /// Any vetoes.
    #[serde(default)]
    pub excludes: IndexMap<String, Clue>,
    /// What the cause brings about elsewhere.
    #[serde(default)]
    pub echoes: Vec<Echo>,
    /// Where the culprit is told; by default in the first need.
    #[serde(default)]
    pub culprit: CulpritFrom,
    /// What is said.
    pub explain: Explain,
    /// What can be done, best first.
    #[serde(default)]
    pub fix: Vec<FixFile>,
    /// Tests that would prove or refute it.
    #[serde(default)]
    pub test: IndexMap<String, TestFile>,
    /// When it counts as fixed.
    #[serde(default)]
    pub verify: Verify,
    /// Whether the file keeps its word.
    #[serde(default)]
    pub case: Vec<Case>,
}

/// How far a playbook is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// New.
    Experimental,
    /// Has a recorded case and is silent on the healthy corpus.
    Test,
    /// No surviving mutant, a verified fix.
    Stable,
    /// No longer used.
    Deprecated,
}

/// Something that must, may or must not be in the evidence.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Clue {
    /// Kinds of row, `*` as a wildcard.
    pub evidence: OneOrMany<String>,
    /// Further kinds, taken whatever their fields: `where` is not for them.
    #[serde(default)]
    pub also: Vec<String>,
    /// Conditions on fields.
    #[serde(default, rename = "where")]
    pub filter: IndexMap<String, Condition>,
    /// Which rows are bound.
    #[serde(default)]
    pub pick: Pick,
    /// Fields that equal those of the first need's row, or of `than`.
    #[serde(default)]
    pub same: Vec<String>,
    /// Fields that differ from those of the first need's row, or of `than`.
    #[serde(default)]
    pub other: Vec<String>,
    /// The clue that `same` and `other` compare with.
    #[serde(default)]
    pub than: Option<String>,
    /// `10m of retry`.
    #[serde(default)]
    pub within: Option<String>,
    /// Comes before that clue.
    #[serde(default)]
    pub before: Option<String>,
    /// Comes after that clue.
    #[serde(default)]
    pub after: Option<String>,
    /// How many rows there must be, repeats included.
    #[serde(default)]
    pub count: Option<Condition>,
    /// How many distinct values of a field there must be.
    #[serde(default)]
    pub distinct: IndexMap<String, usize>,
    /// On how many of the job's ranks it must be seen.
    #[serde(default)]
    pub spread: Option<Spread>,
    /// A need or support that is proof.
    #[serde(default)]
    pub decisive: bool,
    /// A need that by itself makes the finding likely.
    #[serde(default)]
    pub likely: bool,
    /// Rows that the run survived count as well.
    #[serde(default)]
    pub survived: bool,
    /// The state it tells of stays until somebody ends it: rows from before the job began count as well.
    #[serde(default)]
    pub lasts: bool,
    /// A support that only tells more, a rank say, and makes the finding no surer.
    #[serde(default)]
    pub aside: bool,
}

/// Which rows are bound to a clue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pick {
    /// The first.
    #[default]
    First,
    /// The last.
    Last,
    /// All of them.
    Each,
}

/// On how many of the job's ranks something is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Spread {
    /// On every rank that is known.
    All,
    /// On some, not all.
    Some,
    /// On exactly one.
    One,
}

/// Something about each kind of culprit; `R` for ranks, text for the others.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Blamed<R> {
    /// Global ranks.
    pub ranks: Option<Vec<R>>,
    /// Host names or addresses.
    pub nodes: Option<Vec<String>>,
    /// GPUs by PCI address, UUID or index.
    pub gpus: Option<Vec<String>>,
    /// Pods.
    pub pods: Option<Vec<String>>,
    /// Job ids.
    pub jobs: Option<Vec<String>>,
}

/// Where the culprit is told: `clue.field`.
pub type CulpritFrom = Blamed<String>;

/// What is said.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// The cause.
    pub what: String,
    /// Said where a clue is present.
    #[serde(default)]
    pub because: IndexMap<String, String>,
    /// Said where no support is present.
    #[serde(default)]
    pub otherwise: Option<Otherwise>,
}

/// What is said where nothing supports a finding.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Otherwise {
    /// The caveat.
    #[serde(default)]
    pub text: String,
    /// What would decide.
    #[serde(default)]
    pub ask: Vec<Ask>,
}

/// Something that can be done.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FixFile {
    /// Name within the playbook.
    pub id: String,
    /// What it does; `{parameter}` is filled in.
    pub title: String,
    /// Offered where any of these clues is present.
    #[serde(default)]
    pub when: Vec<String>,
    /// Not offered where any of these clues is present.
    #[serde(default)]
    pub unless: Vec<String>,
    /// Tests of the same playbook that must pass before it is done: it rests on what they show.
    #[serde(default)]
    pub proven_by: Vec<String>,
    /// What it risks.
    pub risk: Risk,
    /// Who does it.
    #[serde(default)]
    pub by: By,
    /// Whether it mends, or keeps others from harm until somebody mends.
    #[serde(default)]
    pub aim: Aim,
    /// The parameter that names where its commands run; without one they run where diag does (`scontrol`, `kubectl`).
    #[serde(default)]
    pub on: Option<String>,
    /// What it disturbs, in words.
    #[serde(default)]
    pub disturbs: String,
    /// Its deadline: `60s`.
    #[serde(default)]
    pub timeout: String,
    /// Its parameters.
    #[serde(default)]
    pub params: IndexMap<String, Parameter>,
    /// Argument lists.
    #[serde(default, rename = "do")]
    pub commands: Vec<Vec<String>>,
    /// Instead of argument lists, where looking and doing belong together: it reads its parameters as `DIAG_*` variables.
    #[serde(default)]
    pub script: Option<Script>,
    /// Environment to set for the job.
    #[serde(default)]
    pub env: IndexMap<String, String>,
    /// How to take it back.
    #[serde(default)]
    pub undo: Undo,
}

/// What a step risks, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Looks only.
    Observe,
    /// Uses the machine.
    Load,
    /// Changes something that can be changed back.
    Reversible,
    /// Ends or delays work.
    Disruptive,
    /// Loses something.
    Destructive,
}

impl std::fmt::Display for Risk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Observe => "observe",
            Self::Load => "load",
            Self::Reversible => "reversible",
            Self::Disruptive => "disruptive",
            Self::Destructive => "destructive",
        })
    }
}

/// What a fix is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aim {
    /// It takes the cause away: the test must pass afterwards.
    #[default]
    Repair,
    /// It keeps others from harm, as a drain does: the cause stays until somebody mends it.
    Contain,
}

/// Who does a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The program, after approval.
    Diag,
    /// A person.
    #[default]
    Hands,
}

/// A typed parameter.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// `node`, `addr`, `hca`, `gpu`, `pci`, `iface`, `job`, `rank`, `int`, `size`, `path`, `str`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// `clue.field`, or `culprit.node` for whom the finding blames.
    #[serde(default)]
    pub from: Option<String>,
    /// `ask` where the clue does not tell.
    #[serde(default, rename = "or")]
    pub otherwise: Option<String>,
    /// Smallest.
    #[serde(default)]
    pub min: Option<i64>,
    /// Largest.
    #[serde(default)]
    pub max: Option<i64>,
    /// Used where nothing tells.
    #[serde(default)]
    pub default: Option<Value>,
    /// It has one of these values, and nothing else; a repair takes the next one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub one_of: Vec<String>,
}

/// A test that would prove or refute the cause.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TestFile {
    /// The test of `playbooks/tests/` that it is, its parameters bound here: all that is not said here is said there.
    #[serde(default, rename = "use")]
    pub uses: Option<String>,
    /// What it tests.
    #[serde(default)]
    pub title: String,
    /// Where it runs: `one`, `pair`, `all`; `here`: where diag does, about the node.
    #[serde(default)]
    pub shape: String,
    /// Run where any of these clues is present.
    #[serde(default)]
    pub when: Vec<String>,
    /// Not run where any of these clues is present.
    #[serde(default)]
    pub unless: Vec<String>,
    /// What it risks; a test that does not say so is refused.
    #[serde(default)]
    pub risk: Option<Risk>,
    /// What it disturbs, in words.
    #[serde(default)]
    pub disturbs: String,
    /// Its deadline.
    #[serde(default)]
    pub timeout: String,
    /// Programs it needs.
    #[serde(default)]
    pub tools: Vec<String>,
    /// Its parameters.
    #[serde(default)]
    pub params: IndexMap<String, Parameter>,
    /// What it reads.
    #[serde(default)]
    pub reads: IndexMap<String, ReadFile>,
    /// The script.
    #[serde(default)]
    pub script: Option<Script>,
    /// All that it takes to judge a run; made when the library is loaded.
    #[serde(skip)]
    pub rubric: Option<Rubric>,
}

/// Something that a test of a playbook reads.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReadFile {
    /// `int`, `float` or `str`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Unit of a number.
    #[serde(default)]
    pub unit: String,
}

/// Constant text that reads `DIAG_*` variables.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// `sh` or `bash`.
    #[serde(default = "sh")]
    pub shell: String,
    /// Pieces of shell that it begins with, by name: the files of `src/playbook/pieces/`.
    #[serde(default)]
    pub with: Vec<String>,
    /// The text.
    pub text: String,
    /// The text for a plain `sh`, where `shell` is another that a node may lack.
    #[serde(default)]
    pub plain: Option<String>,
}

fn sh() -> String {
    "sh".to_owned()
}

/// An example that a playbook must get right.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What is special about it.
    pub name: String,
    /// Logs by file name.
    #[serde(default)]
    pub logs: IndexMap<String, String>,
    /// A folder under the samples.
    #[serde(default)]
    pub from: Option<String>,
    /// What must come out.
    pub expect: Expect,
}

/// What must come out of a case.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Findings of this playbook, each a subset of its fields, and its `confidence`; empty: it must not fire.
    pub found: Vec<IndexMap<String, Value>>,
    /// Whether it fits at all, be it as the consequence of another cause.
    #[serde(default)]
    pub fits: Option<bool>,
    /// Confidence of the first of them.
    #[serde(default)]
    pub confidence: Option<Confidence>,
    /// Clues present, exactly.
    #[serde(default)]
    pub cites: Option<Vec<String>>,
    /// Rows of clues, each a subset of its fields, that the first of them must bind.
    #[serde(default)]
    pub binds: IndexMap<String, Vec<IndexMap<String, Value>>>,
    /// How many rows of a clue the first of them must cite.
    #[serde(default)]
    pub picks: IndexMap<String, usize>,
    /// The best fix.
    #[serde(default)]
    pub first_fix: Option<String>,
    /// The tests that are run for it, in order.
    #[serde(default)]
    pub tests: Option<Vec<String>>,
    /// The fixes offered, in order.
    #[serde(default)]
    pub fixes: Option<Vec<String>>,
    /// The culprit, for the kinds given; an empty list says that nobody is.
    #[serde(default)]
    pub culprit: Option<Blamed<i64>>,
    /// Outcome of the whole report.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// Whether it is the report's first finding.
    #[serde(default)]
    pub first: Option<bool>,
    /// Causes that must be its consequences.
    #[serde(default)]
    pub consequences: Option<Vec<String>>,
    /// Kinds of trouble that it leaves unexplained.
    #[serde(default)]
    pub unexplained: Option<Vec<String>>,
}

/// A symptom that people type: `playbooks/sets/<name>.toml`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The sub-command.
    pub id: String,
    /// For `--help`.
    pub title: String,
    /// More for `--help`.
    #[serde(default)]
    pub about: String,
    /// Causes that it is about, `*` as a wildcard: told before others that are as sure. Others are told as well.
    pub causes: Vec<String>,
}
