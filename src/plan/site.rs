//! What the site says of its nodes, and no log does: where their management controllers are, and how one logs in there.
//!
//! A parameter takes it by `from = "site.FIELD"`. It is never asked, and no answer takes its place: whoever could name another
//! controller would be sent the proof of its password.

use diag_parsers::hostlist;
use indexmap::IndexMap;

use crate::evidence::without_domain;

/// Most nodes that a set may name, as on the command line.
const MOST: usize = 10_000;

/// How a parameter's source begins that the site tells.
const SOURCE: &str = "site.";

/// What can be taken, and where a site says it.
pub const FIELDS: [(&str, &str); 3] = [
    ("bmc", "[inventory.bmc] of diag.toml names no management controller of this node"),
    ("bmc_user", "`user` in [bmc] of diag.toml does not say who logs in to management controllers"),
    (
        "bmc_password_file",
        "`password_file` in [bmc] of diag.toml does not name the file with the password of that user",
    ),
];

/// What the site says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    /// Management controllers (BMC) by sets of nodes; `{node}` stands for the node's name.
    pub bmc: IndexMap<String, String>,
    /// Who logs in to them.
    pub bmc_user: Option<String>,
    /// The file that holds the password, and nothing else.
    pub bmc_password_file: Option<String>,
}

impl Site {
    /// The management controller of a node, where one is named.
    #[must_use]
    pub fn bmc(&self, node: &str) -> Option<String> {
        let (_, bmc) = self.bmc.iter().find(|(nodes, _)| names(nodes, node))?;
        Some(bmc.replace("{node}", without_domain(node)))
    }

    /// What it says of a node, or where it would have to say it.
    pub(super) fn tell(&self, field: &str, node: &str) -> Result<String, String> {
        let said = match field {
            "bmc" => self.bmc(node),
            "bmc_user" => self.bmc_user.clone(),
            "bmc_password_file" => self.bmc_password_file.clone(),
            _ => None,
        };
        let place = FIELDS.iter().find(|(known, _)| *known == field).map_or("no site says this", |(_, place)| place);
        said.ok_or_else(|| place.to_owned())
    }
}

/// Whether a set of nodes names this one, with or without its domain.
#[must_use]
pub fn names(nodes: &str, node: &str) -> bool {
    hostlist::expand(nodes, MOST).is_ok_and(|all| all.iter().any(|host| host == node || host == without_domain(node)))
}

/// The field of the site that a parameter is taken from.
#[must_use]
pub fn field(from: Option<&str>) -> Option<&str> {
    from?.strip_prefix(SOURCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_the_controller_that_its_set_names_and_an_address_is_no_name_with_a_domain() {
        let bmc = [("gpu-[01-32]", "{node}-bmc"), ("10.0.4.18", "{node}-bmc"), ("login-1", "10.0.9.1")];
        let bmc = bmc.map(|(nodes, bmc)| (nodes.to_owned(), bmc.to_owned())).into_iter().collect();
        let site = Site { bmc, ..Site::default() };
        let of = |node: &str| site.tell("bmc", node);
        assert_eq!(of("gpu-17.cluster.example").as_deref(), Ok("gpu-17-bmc"));
        assert_eq!(of("10.0.4.18").as_deref(), Ok("10.0.4.18-bmc"));
        assert_eq!(of("login-1").as_deref(), Ok("10.0.9.1"));
        assert!(of("gpu-33").is_err_and(|why| why.contains("[inventory.bmc]")));
        assert!(site.tell("bmc_user", "gpu-17").is_err_and(|why| why.contains("[bmc]")));
    }
}
