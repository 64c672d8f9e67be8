//! What a host is called elsewhere: by its address, or by its full name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Table;

/// Notes the addresses that processes told of their own host, and the full names of hosts known by a short one.
pub(super) fn derive(table: &mut Table) {
    let mut owners: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut nodes: BTreeSet<String> = BTreeSet::new();
    let mut peers: BTreeSet<String> = BTreeSet::new();
    for row in &table.rows {
        if let Some(node) = row.node() {
            nodes.insert(node.to_owned());
            if let Some(address) = row.fields.text("address") {
                owners.entry(address.to_owned()).or_default().insert(node.to_owned());
            }
        }
        peers.extend(row.fields.text("peer").map(str::to_owned));
    }
    let own = owners.into_iter().filter_map(|(address, hosts)| match hosts.len() {
        // An address that several hosts have (a bridge's) names none of them.
        1 => Some((address, hosts.into_iter().next()?)),
        _ => None,
    });
    let full = peers.union(&nodes).filter_map(|name| {
        let short = name.split_once('.')?.0;
        (name.parse::<IpAddr>().is_err() && nodes.contains(short)).then(|| (name.clone(), short.to_owned()))
    });
    table.job.names = own.chain(full).collect();
}
