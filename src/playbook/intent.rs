//! The shape of `playbooks/intents/<language>.toml`: the words by which people say what they want.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// The words of one language.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Lexicon {
    /// Version of the schema; 1.
    pub schema: u32,
    /// The language, as in `en`; the file's name.
    pub language: String,
    /// How diag answers in it.
    pub says: Says,
    /// What a person wants done, by the name of the verb.
    pub verb: IndexMap<Verb, Wanted>,
    /// What it is about: the words of a symptom that people type (`playbooks/sets/`).
    pub topic: IndexMap<String, Vec<String>>,
    /// The words of a test (`playbooks/tests/`) or a sweep, where a test is wanted.
    #[serde(default)]
    pub test: IndexMap<String, Vec<String>>,
    /// Words that name what stands behind them.
    #[serde(default)]
    pub names: Names,
    /// Words that turn a verb into its contrary.
    #[serde(default)]
    pub negated: Negated,
    /// Sentences and what they mean.
    #[serde(default, skip_serializing)]
    pub cases: IndexMap<String, String>,
}

/// How diag answers.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Says {
    /// Before what was understood.
    pub understood: String,
    /// Before the command that is run.
    pub runs: String,
    /// Before the choices where a sentence can mean several things.
    pub unclear: String,
    /// Where a sentence means nothing that diag does.
    pub nothing: String,
}

/// What a person can want.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Name the cause.
    Analyze,
    /// Tell what a cause or a number means.
    Explain,
    /// Say what would be done.
    Plan,
    /// Read the health of nodes.
    Probe,
    /// Whether a node may take jobs again.
    Safe,
    /// Run a test on nodes.
    Test,
    /// Do something about it.
    Fix,
}

impl Lexicon {
    /// Its name among playbooks.
    #[must_use]
    pub fn id(&self) -> String {
        format!("intents-{}", self.language)
    }
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Analyze, Self::Explain, Self::Plan, Self::Probe, Self::Safe, Self::Test, Self::Fix];

    /// Verbs that it includes, so that naming both is naming this one.
    #[must_use]
    pub const fn includes(self) -> &'static [Self] {
        match self {
            Self::Explain | Self::Probe => &[],
            Self::Analyze => &[Self::Explain],
            Self::Plan => &[Self::Analyze],
            Self::Safe | Self::Test => &[Self::Analyze, Self::Probe],
            Self::Fix => &[Self::Analyze, Self::Test],
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Analyze => "analyze",
            Self::Explain => "explain",
            Self::Plan => "plan",
            Self::Probe => "probe",
            Self::Safe => "safe",
            Self::Test => "test",
            Self::Fix => "fix",
        }
    }
}

/// A verb in a language.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// What it does, in that language.
    pub about: String,
    /// Words and phrases; `hang*` takes whatever begins so.
    pub words: Vec<String>,
}

/// Words that name what stands behind them.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Names {
    /// A job's number.
    pub job: Vec<String>,
    /// A node.
    pub node: Vec<String>,
}

/// Words that turn a verb into its contrary.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Negated {
    /// Before the verb, at most one word between.
    pub before: Vec<String>,
    /// Right behind the verb.
    pub after: Vec<String>,
    /// Within the verb's own word.
    pub inside: Vec<String>,
}
