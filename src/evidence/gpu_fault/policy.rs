//! The policy for Xids: `playbooks/policy/xid.toml`, as the build script gathered it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use super::nvlink5::Registers;

const BUILT_IN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/policy.json"));

/// What Xids and other words of the driver say of a GPU.
#[derive(Debug, Default, Deserialize)]
pub struct Policy {
    xid: Rules,
    /// The registers of Xids 144 to 150.
    #[serde(default)]
    pub(super) nvlink5: Registers,
}

#[derive(Debug, Default, Deserialize)]
struct Rules {
    #[serde(default)]
    source: BTreeMap<String, Source>,
    #[serde(default)]
    rule: Vec<Rule>,
}

/// Where a rule comes from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Title of the document.
    pub title: String,
    /// Its version.
    pub version: String,
}

/// What some Xids, or some other lines of the driver, mean.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Xids; a rule without Xids and signs is for all others.
    #[serde(default)]
    pub xid: Vec<i64>,
    /// Kinds of other lines.
    #[serde(default)]
    pub sign: Vec<String>,
    /// SXids that the sign must have, where it is one of a switch.
    #[serde(default)]
    pub sxid: Vec<i64>,
    /// The derived fact it is a sign of; none where it is only the wake of another error.
    pub fact: Option<String>,
    /// `gpu`, `link`, `application` or `driver`.
    pub blames: String,
    /// What NVIDIA asks for first.
    pub action: String,
    /// Xids and kinds on the same GPU that follow from it.
    #[serde(default)]
    pub over: Vec<Which>,
    /// The same on all GPUs and switches of the node.
    #[serde(default)]
    pub over_node: Vec<Which>,
    /// How long after it they may come.
    #[serde(default)]
    pub within: String,
    /// Whether it counts only where nothing else failed.
    #[serde(default)]
    pub alone: bool,
    /// When the GPU itself is suspected.
    #[serde(default)]
    pub repeats: Option<Repeats>,
    /// First generation of GPUs that has it.
    #[serde(default)]
    pub since: Option<String>,
    /// Name of its source.
    pub source: String,
}

/// An Xid, or a kind of line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Which {
    /// An Xid.
    Xid(i64),
    /// A kind of line.
    Kind(String),
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Xid(xid) => write!(f, "{xid}"),
            Self::Kind(kind) => f.write_str(kind),
        }
    }
}

/// How many processes must meet a fault on one GPU before the GPU is suspected.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeats {
    /// How many.
    pub processes: usize,
    /// Within which time.
    pub within: String,
}

impl Policy {
    /// The policy that is built in.
    pub fn built_in() -> &'static Self {
        static POLICY: OnceLock<Policy> = OnceLock::new();
        // The tests keep a build with a broken policy from being made.
        POLICY.get_or_init(|| serde_json::from_slice(BUILT_IN).unwrap_or_default())
    }

    /// The rule of an Xid: its own, or that of all others.
    pub fn of_xid(&self, xid: i64) -> Option<&Rule> {
        let rules = &self.xid.rule;
        let others = |rule: &&Rule| rule.xid.is_empty() && rule.sign.is_empty();
        rules.iter().find(|rule| rule.xid.contains(&xid)).or_else(|| rules.iter().find(others))
    }

    /// The rule of another line; `sxid` is the number that a switch gives.
    pub fn of_sign(&self, kind: &str, sxid: Option<i64>) -> Option<&Rule> {
        let fits = |rule: &&Rule| rule.sxid.is_empty() || sxid.is_some_and(|sxid| rule.sxid.contains(&sxid));
        self.xid.rule.iter().filter(|rule| rule.sign.iter().any(|sign| sign == kind)).find(fits)
    }

    /// Where a rule comes from.
    pub fn source(&self, rule: &Rule) -> Option<&Source> {
        self.xid.source.get(&rule.source)
    }
}

/// `90s`, `10m`, `2h`, `1d` in seconds.
pub(super) fn seconds(span: &str) -> Option<f64> {
    let split = span.len().checked_sub(1)?;
    let number: f64 = span.get(..split)?.parse().ok()?;
    let unit = match span.get(split..)? {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Some(number * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_whole() {
        let policy: Policy = serde_json::from_slice(BUILT_IN).unwrap();
        assert!(policy.xid.rule.len() > 15);
        for rule in &policy.xid.rule {
            assert!(policy.source(rule).is_some_and(|source| !source.version.is_empty()), "{rule:?}");
            let known = rule.fact.as_deref().is_none_or(|fact| crate::evidence::DERIVED_KINDS.contains(&fact));
            assert!(known, "{rule:?}");
            let explains = !rule.over.is_empty() || !rule.over_node.is_empty();
            assert_eq!(explains, seconds(&rule.within).is_some(), "{rule:?}");
            assert!(rule.repeats.as_ref().is_none_or(|repeats| seconds(&repeats.within).is_some()));
        }
        let mut all: Vec<i64> = policy.xid.rule.iter().flat_map(|rule| rule.xid.clone()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "an Xid has two rules");
    }

    #[test]
    fn an_unlisted_xid_has_the_rule_of_all_others() {
        let policy = Policy::built_in();
        assert_eq!(policy.of_xid(16).and_then(|rule| rule.fact.as_deref()), Some("gpu_fault.other"));
        assert_eq!(policy.of_xid(79).and_then(|rule| rule.fact.as_deref()), Some("gpu_fault.lost"));
        assert_eq!(policy.of_xid(45).and_then(|rule| rule.fact.as_deref()), None);
    }
}
