//! Addresses that end on their own host: those of bridges and tunnels, as the processes list their interfaces.

use std::collections::BTreeMap;

use diag_parsers::{Fields, Name, Says};

use super::{RowId, Table};

/// Beginnings of the names of interfaces that lead to no other host: bridges, container ends, tunnels.
const VIRTUAL: [&str; 13] =
    ["docker", "br-", "virbr", "veth", "cni", "flannel", "cali", "tun", "tap", "podman", "lxc", "cilium", "weave"];

/// Derives `network.astray` for each connection to an address that some process lists under such an interface.
pub(super) fn derive(table: &mut Table) {
    const KIND: Name = "network.astray";
    let virtual_ones = addresses(table);
    let astray: Vec<(RowId, RowId, String)> = table
        .of_kind("nccl.connect_failed")
        .iter()
        .filter_map(|row| {
            let (interface, lister) = virtual_ones.get(table.rows[*row].fields.text("peer")?)?;
            Some((*row, *lister, interface.clone()))
        })
        .collect();
    for (row, lister, interface) in astray {
        let mut fields: Fields = table.rows[row].fields.clone();
        fields.set("interface", interface);
        table.derive(KIND, Says::Info, fields, vec![row, lister]);
    }
}

/// Addresses of virtual interfaces: the interface, and the row that lists it.
fn addresses(table: &Table) -> BTreeMap<String, (String, RowId)> {
    let mut found = BTreeMap::new();
    for row in table.of_kind("nccl.socket_using") {
        for (interface, address) in listed(table.rows[*row].fields.text("interfaces").unwrap_or_default()) {
            if interface == "lo" || VIRTUAL.iter().any(|head| interface.starts_with(head)) {
                found.entry(address.to_owned()).or_insert_with(|| (interface.to_owned(), *row));
            }
        }
    }
    found
}

/// Reads `[0]eno1:10.0.4.17<0> [1]br-05ab:172.19.0.1<0>`: name and address of each.
fn listed(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split_whitespace().filter_map(|one| {
        let (name, address) = one.split_once(']')?.1.split_once(':')?;
        Some((name, address.split('<').next()?))
    })
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn interfaces_are_read_one_by_one() {
        let text = "[0]eno1:10.0.4.17<0> [1]veth1:fe80::14ad%veth1<0> nonsense";
        let found: Vec<_> = listed(text).collect();
        assert_eq!(found, [("eno1", "10.0.4.17"), ("veth1", "fe80::14ad%veth1")]);
    }
}
