//! Why a script could not do its work for a reason of its own, and what is changed then: `playbooks/repairs/<name>.toml`.
//!
//! A reason is known by what tools print. What it leads to is one of a few remedies, each of which changes a parameter that
//! the test declares, or nothing: no word of an output gets into a command.

use std::sync::LazyLock;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::schema::Parameter;

/// Reasons as gathered by the build script, without their cases.
const BUILT_IN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/repairs.json"));

/// Reasons of one tool, or of all.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RepairBook {
    /// Version of the schema; 1.
    pub schema: u32,
    /// Its name; the file's.
    pub id: String,
    /// Whose reasons these are, in a few words.
    pub title: String,
    /// The tools whose words these are; none: of any.
    #[serde(default)]
    pub tools: Vec<String>,
    /// In the order in which they are looked for.
    pub reason: Vec<Reason>,
    /// What is printed, and what that means.
    #[serde(default)]
    pub case: Vec<RepairCase>,
}

/// Why a script could not do its work.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Unique among all: `port-taken`.
    pub id: String,
    /// What is the matter, as the end of "it could not run: …".
    pub what: String,
    /// Where the words are from: tool, version, file. Not needed at run time.
    #[serde(default, skip_serializing)]
    pub source: String,
    /// It is known by one line that holds all words of one of these, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shows: Vec<Vec<String>>,
    /// Not by a line that holds one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<String>,
    /// It is known by the time that is over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// What is tried, the first that the test makes possible.
    pub remedy: Vec<Remedy>,
}

/// What may be changed. This list is closed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// The folder where the node has the tool, of those in which tools are looked for.
    Path,
    /// The next value of a parameter: of those that it may have, or a number further on.
    Next(String),
    /// A quarter of each of these sizes or counts, not below their least.
    Smaller(Vec<String>),
    /// The script for a plain `sh`, where the test has one.
    Plain,
    /// The same again after so many seconds.
    Wait(u64),
}

/// What is printed, and what that means.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RepairCase {
    /// The line.
    pub says: String,
    /// The reason; nothing: none.
    #[serde(default)]
    pub is: String,
}

/// What a test's runs are repaired by: the reasons that concern it, and the parameters that they may change.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
pub struct Repairs {
    /// In the order in which they are looked for.
    pub reasons: Vec<Reason>,
    /// The parameters that remedies may change, with their types.
    pub params: IndexMap<String, Parameter>,
}

impl Repairs {
    /// Those of a test with these tools and parameters; `own` come first.
    #[must_use]
    pub(super) fn of(tools: &[&str], params: &IndexMap<String, Parameter>, own: &[Reason]) -> Self {
        let concerns =
            |book: &&RepairBook| book.tools.is_empty() || book.tools.iter().any(|tool| tools.contains(&tool.as_str()));
        let shared = books().iter().filter(concerns).flat_map(|book| &book.reason);
        let reasons: Vec<Reason> = own.iter().chain(shared).cloned().collect();
        let mut all = params.clone();
        all.extend(frame());
        let changed = |name: &String| reasons.iter().any(|reason| reason.remedy.iter().any(|one| one.changes(name)));
        all.retain(|name, _| FRAME.contains(&name.as_str()) || changed(name));
        Self { reasons, params: all }
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reasons.is_empty()
    }
}

impl Reason {
    /// Whether a line holds all words of one of its lists, in order.
    #[must_use]
    pub fn is_told_by(&self, line: &str) -> bool {
        let in_order = |words: &Vec<String>| {
            let behind = |rest: &'_ str, word: &String| rest.find(word.as_str()).map(|at| at + word.len());
            let ends = words.iter().try_fold(0, |from, word| Some(from + behind(&line[from..], word)?));
            ends.is_some()
        };
        self.shows.iter().any(in_order) && !self.unless.iter().any(|word| line.contains(word.as_str()))
    }
}

impl Remedy {
    /// Whether it changes this parameter.
    fn changes(&self, name: &str) -> bool {
        match self {
            Self::Next(of) => of == name,
            Self::Smaller(all) => all.iter().any(|of| of == name),
            Self::Path | Self::Plain | Self::Wait(_) => false,
        }
    }
}

/// The variable that says where tools are, that which names the temporary folder, and that by which a run is known to be
/// smaller than it was asked to be.
pub const FRAME: [&str; 3] = ["path", "scratch", "smaller"];

/// Folders for temporary files, after that of the environment.
const SCRATCH: [&str; 4] = ["", "/var/tmp", "/dev/shm", "/run"];

/// The parameters that every test has, which only repairs set.
fn frame() -> IndexMap<String, Parameter> {
    let of = |kind: &str, one_of: &[&str]| Parameter {
        kind: kind.to_owned(),
        one_of: one_of.iter().map(|value| (*value).to_owned()).collect(),
        ..Parameter::default()
    };
    let all = [of("folders", &[]), of("str", &SCRATCH), of("str", &["1"])];
    FRAME.iter().map(|name| (*name).to_owned()).zip(all).collect()
}

/// All reasons that are built in, by file.
#[must_use]
pub fn books() -> &'static [RepairBook] {
    static BOOKS: LazyLock<Vec<RepairBook>> = LazyLock::new(|| serde_json::from_slice(BUILT_IN).unwrap_or_default());
    &BOOKS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_built_in_and_each_test_gets_those_of_its_tools() {
        let parsed: Result<Vec<RepairBook>, _> = serde_json::from_slice(BUILT_IN);
        assert!(parsed.is_ok_and(|books| books.len() >= 4));
        let listen: Parameter = toml::from_str("type = 'int'\nmin = 1024\nmax = 65535").unwrap();
        let params: IndexMap<String, Parameter> = [("listen".to_owned(), listen)].into_iter().collect();
        let ids = |tools: &[&str]| {
            let all = Repairs::of(tools, &params, &[]);
            all.reasons.into_iter().map(|reason| reason.id).collect::<Vec<_>>()
        };
        let (plain, iperf) = (ids(&["dd"]), ids(&["iperf3"]));
        assert!(plain.iter().all(|id| iperf.contains(id)) && iperf.len() > plain.len(), "{plain:?} {iperf:?}");
        assert!(plain.contains(&"tool-missing".to_owned()) && !plain.contains(&"port-taken".to_owned()));
        let of = Repairs::of(&["iperf3"], &params, &[]);
        assert_eq!(of.params.keys().collect::<Vec<_>>(), ["listen", "path", "scratch", "smaller"]);
    }
}
