//! What the site says of its nodes, and no log does: where their management controllers are, and how one logs in there.
//!
//! A parameter takes it by `from = "site.FIELD"`. It is never asked, and no answer takes its place: whoever could name another
//! controller would be sent the proof of its password.

use diag_parsers::hostlist;
use indexmap::IndexMap;

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
        let short = node.split('.').next().unwrap_or(node);
        let of = |(nodes, _): &(&String, &String)| {
            hostlist::expand(nodes, MOST).is_ok_and(|all| all.iter().any(|host| host == node || host == short))
        };
        self.bmc.iter().find(of).map(|(_, bmc)| bmc.replace("{node}", short))
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

/// The field of the site that a parameter is taken from.
#[must_use]
pub fn field(from: Option<&str>) -> Option<&str> {
    from?.strip_prefix(SOURCE)
}
