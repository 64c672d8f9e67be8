//! Names of nodes: the only ones that may reach a transport.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Longest host name (RFC 1123, section 2.1).
const LONGEST: usize = 253;

/// A host name or an IP address. Whatever a log held before, it can be no option, path or piece of shell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeName(String);

/// Why a text names no node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no host name or address: letters, digits, `.`, `-` and `_`, beginning with a letter or digit", .0.escape_debug())]
pub struct NotANode(pub String);

impl NodeName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for NodeName {
    type Error = NotANode;

    fn try_from(text: String) -> Result<Self, NotANode> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let host =
            text.len() <= LONGEST && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain);
        if host || text.parse::<IpAddr>().is_ok() { Ok(Self(text)) } else { Err(NotANode(text)) }
    }
}

impl std::str::FromStr for NodeName {
    type Err = NotANode;

    fn from_str(text: &str) -> Result<Self, NotANode> {
        Self::try_from(text.to_owned())
    }
}

impl From<NodeName> for String {
    fn from(name: NodeName) -> Self {
        name.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::NodeName;

    #[test]
    fn what_could_be_an_option_or_a_command_is_no_node() {
        for good in ["gpu-17", "n1", "gpu_017.cluster.example", "10.0.4.18", "fe80::1"] {
            assert!(good.parse::<NodeName>().is_ok(), "{good}");
        }
        let bad = [
            "",
            "-oProxyCommand=x",
            "a b",
            "a;b",
            "$(id)",
            "a\nb",
            "../etc",
            "ho\u{200b}st",
            "g\u{440}u",
            "user@host",
            ".",
            "a/b",
        ];
        for bad in bad {
            assert!(bad.parse::<NodeName>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(254).parse::<NodeName>().is_err());
    }
}
