//! Addresses (GIDs) of a port: what connections of RDMA are made by.

use super::node::Node;
use super::task::Out;
use crate::reading::{Reading, Unit, Verdict};

/// Addresses that are told one by one; ports have 128 or 256 places, most of them empty.
const MOST: usize = 32;

/// Tells how many addresses a port has, and each with its type and network interface.
pub(super) fn read(node: &Node, folder: &str, port: &str, out: Out) {
    let places = node.list(&format!("{folder}/gids"));
    if places.is_empty() {
        return;
    }
    let about = |name: &str| Reading::new("fabric", name).of("port", port);
    let gid =
        |place: &String| Some((place.clone(), node.word(&format!("{folder}/gids/{place}")).filter(|gid| set(gid))?));
    let used: Vec<(String, String)> = places.iter().filter_map(gid).collect();
    let ethernet = node.word(&format!("{folder}/link_layer")).as_deref() == Some("Ethernet");
    let mut routable = false;
    for (place, gid) in used.iter().take(MOST) {
        let attribute = |name: &str| node.word(&format!("{folder}/gid_attrs/{name}/{place}"));
        let kind = attribute("types");
        routable |= kind.as_deref() == Some("RoCE v2");
        let said = kind.into_iter().chain(attribute("ndevs")).map(|word| format!(" {word}")).collect::<String>();
        out(about("gid").of("place", place).text(format!("{gid}{said}")));
    }
    let count = used.len() as u64;
    let reading = about("addresses").count(count, Unit::None).expect(">= 1");
    let reading = reading.judge(count > 0, Verdict::Bad, || "its table of addresses (GIDs) is empty".to_owned());
    let known = ethernet && node.has(&format!("{folder}/gid_attrs/types"));
    out(reading.judge(!known || routable, Verdict::Degraded, || {
        "none of its addresses (GIDs) is of RoCE v2: it reaches only its own network".to_owned()
    }));
}

/// Whether a place holds an address: an empty one is all zeros, or the link-local prefix alone.
fn set(gid: &str) -> bool {
    let interface = gid.strip_prefix("fe80:0000:0000:0000:").unwrap_or(gid);
    interface.chars().any(|c| c != '0' && c != ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_places_are_no_addresses() {
        assert!(!set("0000:0000:0000:0000:0000:0000:0000:0000"));
        assert!(!set("fe80:0000:0000:0000:0000:0000:0000:0000"));
        assert!(set("fe80:0000:0000:0000:0e42:a1ff:fe12:3456"));
        assert!(set("0000:0000:0000:0000:0000:ffff:0a00:0412"));
    }
}
