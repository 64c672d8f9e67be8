//! What a host is called elsewhere: by its address, its full name, or the name of one of its networks.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{IpAddr, Ipv4Addr};

use super::Table;

/// What is put behind a host's name for its interface on another network, by custom: `gpu-17-ib0`.
const NETWORKS: [&str; 12] = ["ib", "ibs", "eth", "en", "hsn", "opa", "roce", "bond", "data", "mgmt", "bmc", "ipmi"];

/// Notes other names of hosts, and calls each host by one name in all rows.
pub(super) fn derive(table: &mut Table) {
    table.job.names = names(table);
    if table.job.names.is_empty() {
        return;
    }
    let names = std::mem::take(&mut table.job.names);
    for row in &mut table.rows {
        if let Some(name) = row.node().and_then(|node| names.get(node)).cloned() {
            row.fields.set("node", name);
        }
    }
    table.job.names = names;
}

/// Names, looked up once a row.
type Names<'t> = HashSet<&'t str, foldhash::fast::RandomState>;

fn names(table: &Table) -> BTreeMap<String, String> {
    let mut owners: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let (mut nodes, mut peers) = (Names::default(), Names::default());
    for row in &table.rows {
        if let Some(node) = row.node() {
            nodes.insert(node);
            if let Some(address) = row.fields.text("address") {
                owners.entry(address).or_default().insert(node);
            }
        }
        peers.extend(row.fields.text("peer"));
    }
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let own = owners.into_iter().filter(|(_, hosts)| hosts.len() == 1);
    // An address that several hosts have (a bridge's) names none of them.
    let by_address: BTreeMap<&str, &str> =
        own.filter_map(|(address, hosts)| Some((address, hosts.into_iter().next()?))).collect();
    // Of names that differ in case the last one stands for all.
    let nodes: BTreeSet<&str> = nodes.into_iter().collect();
    let folded: BTreeMap<String, &str> = nodes.iter().map(|node| (node.to_ascii_lowercase(), *node)).collect();
    for name in peers.into_iter().collect::<BTreeSet<_>>().union(&nodes) {
        let known = |other: &str| folded.get(other).copied().filter(|host| host != name);
        let lower = name.to_ascii_lowercase();
        let host = match lower.parse::<IpAddr>() {
            Ok(address) => by_address.get(name).copied().or_else(|| cloud_name(address, &folded)),
            Err(_) => shorter(&lower).iter().find_map(|short| known(short)).or_else(|| known(&lower)),
        };
        if let Some(host) = host {
            names.insert((*name).to_owned(), host.to_owned());
        }
    }
    let addresses = by_address.into_iter().filter(|(address, host)| address != host);
    names.extend(addresses.map(|(address, host)| (address.to_owned(), host.to_owned())));
    one_step(names)
}

/// A host name without its domain; an address has no shorter name.
pub fn without_domain(node: &str) -> &str {
    let dot = if node.parse::<IpAddr>().is_ok() { None } else { node.find('.') };
    &node[..dot.unwrap_or(node.len())]
}

/// Whether a name is what every host calls itself: it names none.
pub fn is_oneself(name: &str) -> bool {
    let address = name.parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost")
        || name.starts_with("localhost.")
        || address.is_ok_and(|address| address.is_loopback() || address.is_unspecified())
}

/// The names that a name may stand for: without its domain, without its network.
fn shorter(name: &str) -> Vec<String> {
    let short = name.split('.').next().unwrap_or(name);
    let bare = short
        .rsplit_once('-')
        .filter(|(_, tail)| NETWORKS.contains(&tail.trim_end_matches(|c: char| c.is_ascii_digit())));
    bare.map(|(host, _)| host).into_iter().chain([short]).map(str::to_owned).collect()
}

/// The host whose name holds its address, as EC2 makes them: `ip-10-0-4-18.ec2.internal` (EC2 user guide, "EC2 instance
/// hostnames and domains", IP name).
fn cloud_name<'n>(address: IpAddr, nodes: &BTreeMap<String, &'n str>) -> Option<&'n str> {
    let IpAddr::V4(address) = address else { return None };
    let holds = |name: &str| name.split('.').next().and_then(address_in) == Some(address);
    nodes.iter().find(|(name, _)| holds(name)).map(|(_, node)| *node)
}

/// `10.0.4.18` of `ip-10-0-4-18`.
fn address_in(name: &str) -> Option<Ipv4Addr> {
    name.strip_prefix("ip-")?.replace('-', ".").parse().ok()
}

/// A name that stands for another one's other name stands for the host itself.
fn one_step(names: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let host = |name: &String| {
        let next = names.get(name).unwrap_or(name);
        names.get(next).unwrap_or(next).clone()
    };
    names.iter().map(|(name, to)| (name.clone(), host(to))).filter(|(name, to)| name != to).collect()
}

#[cfg(test)]
mod tests {
    use diag_parsers::{Event, Fields, Says, Value};

    use crate::evidence::{Ledger, Table};

    fn table(told: &[(&str, &str)]) -> Table {
        let mut ledger = Ledger::default();
        for (line, (node, address)) in told.iter().enumerate() {
            let mut fields: Fields = [("node", Value::from(*node))].into_iter().collect();
            if !address.is_empty() {
                fields.set("address", *address);
            }
            let (says, text) = (Says::Info, String::new());
            ledger.absorb(Event { kind: "toy.line", says, line: line as u64, offset: 0, text, at: None, fields });
        }
        Table::new(vec![("job.log".to_owned(), ledger)])
    }

    #[test]
    fn a_host_has_one_name_whatever_a_source_calls_it() {
        for (told, want) in [
            (&[("gpu-17", ""), ("gpu-17.example.org", "")][..], "gpu-17 gpu-17"),
            (&[("gpu-17", ""), ("gpu-17-ib0", "")], "gpu-17 gpu-17"),
            (&[("gpu-17", ""), ("gpu-17-ib0.example.org", "")], "gpu-17 gpu-17"),
            (&[("gpu-17", ""), ("GPU-17", "")], "gpu-17 gpu-17"),
            (&[("gpu-17", "10.0.4.17"), ("10.0.4.17", "")], "gpu-17 gpu-17"),
            (
                &[("ip-10-0-4-18.ec2.internal", ""), ("10.0.4.18", "")],
                "ip-10-0-4-18.ec2.internal ip-10-0-4-18.ec2.internal",
            ),
            (&[("gpu-17", "172.17.0.1"), ("gpu-18", "172.17.0.1"), ("172.17.0.1", "")], "gpu-17 gpu-18 172.17.0.1"),
            (&[("gpu-17.a.org", ""), ("gpu-18-ib0", "")], "gpu-17.a.org gpu-18-ib0"),
            (&[("rack-1", ""), ("rack-1-node-3", "")], "rack-1 rack-1-node-3"),
        ] {
            let table = table(told);
            let names: Vec<&str> = table.rows.iter().filter_map(|row| row.node()).collect();
            assert_eq!(names.join(" "), want, "{told:?}");
        }
    }
}
