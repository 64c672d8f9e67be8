//! What a cause brings about elsewhere, and groups of it that several causes share.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::schema::Condition;

/// Rows that a cause brings about: kinds of its own, or groups that are named.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Echo {
    /// Names of groups, `playbooks/echoes/<name>.toml`; such an entry says nothing else.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Kinds, `*` as a wildcard.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Conditions on fields.
    #[serde(default, rename = "where")]
    pub filter: IndexMap<String, Condition>,
    /// On whom.
    #[serde(default)]
    pub on: On,
    /// When.
    #[serde(default)]
    pub order: Order,
}

/// On whom an echo is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    /// Anyone.
    #[default]
    Any,
    /// Other ranks than the culprit's.
    Others,
    /// The culprit's pods; where one of the two tells no pod, anyone.
    Pod,
    /// The culprit's node; where one of the two tells no node, anyone.
    Node,
    /// The culprit's ranks, or its very line; where no rank is told of the culprit, rows that tell none.
    Same,
}

/// When an echo is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Not before the cause.
    #[default]
    After,
    /// Before or after (writers are not synchronised).
    Any,
}

/// Echoes that several causes share: `playbooks/echoes/<name>.toml`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EchoGroup {
    /// Version of the schema; 1.
    pub schema: u32,
    /// The name that playbooks use; the file's.
    pub id: String,
    /// What it is, in a few words.
    pub title: String,
    /// The mechanism, and what does not belong here.
    pub summary: String,
    /// Kinds of evidence: each playbook whose first need takes one of these has the group without naming it.
    #[serde(default)]
    pub of: Vec<String>,
    /// The echoes; none of them names a group.
    pub echoes: Vec<Echo>,
    /// Whether the group keeps its word.
    #[serde(default)]
    pub case: Vec<GroupCase>,
}

/// An example of what a group takes and what it leaves.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupCase {
    /// What is special about it.
    pub name: String,
    /// Logs by file name.
    pub logs: IndexMap<String, String>,
    /// The kind whose first row stands for the cause.
    pub cause: String,
    /// Kinds that the group takes, exactly, besides the cause.
    pub takes: Vec<String>,
    /// Kinds of failure that it must leave to another cause, exactly.
    #[serde(default)]
    pub leaves: Vec<String>,
}

impl EchoGroup {
    /// Whether a cause that is told by these kinds has the group without naming it.
    pub fn belongs_to(&self, kinds: &[String]) -> bool {
        let fits = |pattern: &String, kind: &String| match pattern.strip_suffix('*') {
            Some(start) => kind.starts_with(start),
            None => pattern == kind,
        };
        self.of.iter().any(|pattern| kinds.iter().any(|kind| fits(pattern, kind)))
    }
}

/// Puts the echoes of the groups in the place of their names.
///
/// # Errors
/// The first name that no group has.
pub fn resolve<'g>(echoes: &[Echo], groups: impl Fn(&str) -> Option<&'g EchoGroup>) -> Result<Vec<Echo>, String> {
    let mut all = Vec::new();
    for echo in echoes {
        for name in &echo.groups {
            let group = groups(name).ok_or_else(|| name.clone())?;
            all.extend(group.echoes.iter().cloned());
        }
        if !echo.kinds.is_empty() {
            all.push(Echo { groups: Vec::new(), ..echo.clone() });
        }
    }
    Ok(all)
}
