//! The shape of a test: `playbooks/tests/<name>.toml`. One file says what runs, what it reads and what is expected.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::repair::{Reason, Repairs};
use super::schema::{Bound, Expectation as Wish, Parameter, Risk, TestFile};
use diag_parsers::Value;

/// What every test's script begins with: `need`, `say`, `cannot`, `gave_up`.
const PRELUDE: &str = include_str!("test_prelude.sh");

/// Folders in which a tool is looked for that is not in the path, as a shell expands them; those of `DIAG_TOOLS` come first.
/// Where packages of distributions, CUDA, HPC-X, MLNX_OFED, nccl-tests' and perftest's own builds put programs.
pub const TOOL_FOLDERS: [&str; 12] = [
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/sbin",
    "/sbin",
    "/opt/*/bin",
    "/opt/*/build",
    "/opt/*/*/bin",
    "/usr/local/*/bin",
    "/usr/local/*/build",
    "/usr/mpi/*/*/bin",
    "/usr/lib*/openmpi/bin",
    "/usr/lib/*/*/bin",
];

/// A test.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TestBook {
    /// Version of the schema; 1.
    pub schema: u32,
    /// Its name; the file's.
    pub id: String,
    /// What it tests, in a few words.
    pub title: String,
    /// How, what it tells and what it can't.
    pub about: String,
    /// On how many nodes one run of it takes place.
    pub shape: Shape,
    /// Name by which many nodes are tested with it, two by two, until it is known who is bad.
    #[serde(default)]
    pub sweep: Option<String>,
    /// The test of all nodes together that a sweep begins with.
    #[serde(default)]
    pub whole: Option<String>,
    /// What it risks.
    pub risk: Risk,
    /// What it disturbs while it runs.
    #[serde(default)]
    pub disturbs: String,
    /// Seconds after which it is killed.
    pub timeout: u64,
    /// Programs it needs; of each list one is enough.
    #[serde(default)]
    pub tools: Vec<Vec<String>>,
    /// Its parameters, `DIAG_<NAME>` to the script; each has a default.
    #[serde(default)]
    pub params: IndexMap<String, Parameter>,
    /// In which form it prints what it reads.
    #[serde(default)]
    pub prints: Prints,
    /// An exit status other than 0 and 77 is a failure of what is tested, and not of the test.
    #[serde(default)]
    pub exit_tells: bool,
    /// What it reads.
    pub reads: IndexMap<String, Read>,
    /// What is well.
    pub expect: Vec<Expectation>,
    /// The script.
    pub script: TestScript,
    /// Reasons of its own for which it may not do its work, beside those of `playbooks/repairs/`.
    #[serde(default)]
    pub reason: Vec<Reason>,
    /// What it prints, and what follows from that.
    #[serde(default)]
    pub case: Vec<TestCase>,
}

/// What a test reads and what is well: all that it takes to judge a run of it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Rubric {
    /// On how many nodes one run of it takes place.
    pub shape: Shape,
    /// In which form it prints what it reads.
    #[serde(default)]
    pub prints: Prints,
    /// An exit status other than 0 and 77 is a failure of what is tested.
    #[serde(default)]
    pub exit_tells: bool,
    /// What it reads.
    pub reads: IndexMap<String, Read>,
    /// What is well.
    pub expect: Vec<Expectation>,
    /// Why a run may not have done its work, and what is changed then.
    #[serde(default, skip_serializing_if = "Repairs::is_empty")]
    pub repairs: Repairs,
}

impl Rubric {
    /// Of a test that stands in a playbook itself: the end that begins tells.
    pub(super) fn of(test: &TestFile) -> Self {
        let shape = match test.shape.as_str() {
            "pair" => Shape::Pair,
            "all" => Shape::All,
            _ => Shape::One,
        };
        let read = |read: &super::schema::ReadFile| Read {
            about: String::new(),
            unit: read.unit.clone(),
            text: read.kind == "str",
            optional: false,
            by: Some(shape.teller()),
        };
        let reads = test.reads.iter().map(|(name, file)| (name.clone(), read(file))).collect();
        let tools: Vec<&str> = test.tools.iter().flat_map(|any| any.split(" or ")).collect();
        let repairs = Repairs::of(&tools, &test.params, &[]);
        Self { shape, prints: Prints::Lines, exit_tells: false, reads, expect: Vec::new(), repairs }
    }

    /// What a playbook wants stands before what the test's own file wants of the same reading.
    pub(super) fn wish<'w>(&mut self, wishes: impl Iterator<Item = &'w Wish>) {
        let own: Vec<Expectation> = wishes.map(Expectation::of).collect();
        self.expect.retain(|rule| own.iter().all(|wish| wish.read != rule.read));
        self.expect.splice(0..0, own);
    }
}

/// The whole text that runs: what every test begins with, a look for its programs, and the script.
#[must_use]
pub fn text(needs: &[String], script: &str) -> String {
    let needs: String = needs.iter().map(|program| format!("need {program}\n")).collect();
    let prelude = PRELUDE.replace("TOOL_FOLDERS", &TOOL_FOLDERS.join(" "));
    format!("{prelude}\n{needs}{script}")
}

impl TestBook {
    /// The whole text that runs.
    #[must_use]
    pub fn text(&self) -> String {
        text(&[], &self.script.text)
    }

    /// The whole text for a plain `sh`, where it has one.
    #[must_use]
    pub fn plain(&self) -> Option<String> {
        self.script.plain.as_deref().map(|script| text(&[], script))
    }

    /// All that it takes to judge a run of it.
    #[must_use]
    pub fn rubric(&self) -> Rubric {
        let Self { shape, prints, exit_tells, reads, expect, .. } = self.clone();
        let tools: Vec<&str> = self.tools.iter().flatten().map(String::as_str).collect();
        let repairs = Repairs::of(&tools, &self.params, &self.reason);
        Rubric { shape, prints, exit_tells, reads, expect, repairs }
    }

    /// Variables that the script may read beside its parameters.
    pub const VARIABLES: [&str; 5] = ["ROLE", "RANK", "WORLD", "PEER", "NODES"];
}

/// On how many nodes one run of a test takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// One.
    One,
    /// Two, `DIAG_ROLE` `server` and `client`, each with the other as `DIAG_PEER`.
    Pair,
    /// All there are, `DIAG_RANK` of `DIAG_WORLD`; the first is `DIAG_PEER` to all.
    All,
}

/// Which end of a test a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Alone.
    One,
    /// Of two, the one that waits.
    Server,
    /// Of two, the one that begins.
    Client,
    /// Of all, rank 0.
    First,
    /// Of all, any other.
    Other,
}

impl Role {
    /// As `DIAG_ROLE` says it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Server => "server",
            Self::Client => "client",
            Self::First => "first",
            Self::Other => "other",
        }
    }
}

impl Shape {
    /// The end that tells what was read.
    #[must_use]
    pub const fn teller(self) -> Role {
        match self {
            Self::One => Role::One,
            Self::Pair => Role::Client,
            Self::All => Role::First,
        }
    }
}

/// In which form a test prints what it reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prints {
    /// Lines `diag: name=value unit`.
    #[default]
    Lines,
    /// Those, and the table of nccl-tests.
    NcclTests,
}

/// Something that is read.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// What it is.
    pub about: String,
    /// Unit of a number.
    #[serde(default)]
    pub unit: String,
    /// It is text: a fact that expectations can depend on.
    #[serde(default)]
    pub text: bool,
    /// It may be lacking.
    #[serde(default)]
    pub optional: bool,
    /// Only this end prints it: `client` of a pair, the `first` of all.
    #[serde(default)]
    pub by: Option<Role>,
}

/// What is well. Of several for one reading that fit, the first counts; those of the median count all.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expectation {
    /// Of which reading.
    pub read: String,
    /// Where these readings or parameters hold this text.
    pub when: IndexMap<String, String>,
    /// Not less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Bound>,
    /// Not more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Bound>,
    /// Exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals: Option<Value>,
    /// Not less than this share of the median of all in the same sweep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_median: Option<f64>,
    /// Not more than this many times the median of all in the same sweep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times_median: Option<f64>,
    /// It holds for a run of the size that was asked for, and not for one that a repair made smaller.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub full: bool,
    /// Where the figure is from.
    pub source: String,
}

impl Expectation {
    /// As a playbook wants it.
    fn of(wish: &Wish) -> Self {
        let Wish { read, equals, at_least, at_most, .. } = wish.clone();
        Self { read, equals, at_least, at_most, ..Self::default() }
    }
}

/// Constant text that reads `DIAG_*` variables.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TestScript {
    /// `sh` or `bash`.
    #[serde(default = "sh")]
    pub shell: String,
    /// The text.
    pub text: String,
    /// The text for a plain `sh`, where `shell` is another that a node may lack.
    #[serde(default)]
    pub plain: Option<String>,
}

fn sh() -> String {
    "sh".to_owned()
}

/// What a test prints, and what follows from that.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TestCase {
    /// What is special about it.
    pub name: String,
    /// What it prints.
    pub prints: String,
    /// Its exit status.
    #[serde(default)]
    pub exit: i32,
    /// Parameters other than by default.
    #[serde(default)]
    pub params: IndexMap<String, String>,
    /// How many nodes take part.
    #[serde(default)]
    pub world: Option<usize>,
    /// What follows.
    pub expect: Judged,
    /// Readings that must come out, among others.
    #[serde(default)]
    pub reads: IndexMap<String, f64>,
    /// What the reason must hold.
    #[serde(default)]
    pub why: String,
}

/// What a run of a test says of what it tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judged {
    /// All is as expected.
    Pass,
    /// It is not.
    Fail,
    /// The test could not be run, which says nothing of what it was to test.
    CannotRun,
}

/// Why a text is no value of a parameter.
///
/// # Errors
/// The reason, for the person who gave it.
pub fn check_value(parameter: &Parameter, value: &str) -> Result<(), String> {
    const LONGEST: usize = 256;
    if !parameter.one_of.is_empty() {
        let known = parameter.one_of.iter().any(|one| one == value);
        return if known { Ok(()) } else { Err(format!("one of {} is wanted", parameter.one_of.join(", "))) };
    }
    if parameter.kind == "int" {
        let number: i64 = value.parse().map_err(|_| "a whole number is wanted".to_owned())?;
        let low = parameter.min.is_some_and(|min| number < min);
        let high = parameter.max.is_some_and(|max| number > max);
        let bounds = |bound: Option<i64>| bound.map_or_else(|| "any".to_owned(), |bound| bound.to_string());
        let within = format!("between {} and {}", bounds(parameter.min), bounds(parameter.max));
        return if low || high { Err(within) } else { Ok(()) };
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.,:/=@%+-[]^ ".contains(c);
    if value.len() > LONGEST || value.starts_with('-') || !value.chars().all(plain) {
        return Err("letters, digits and _.,:/=@%+-[]^ are wanted, not beginning with -".to_owned());
    }
    Ok(())
}
