//! Ethernet ports as `ethtool`, `ethtool -S`, `ip link` and `rdma statistic` show them.
//!
//! Shapes: ethtool 6.x `ethtool.c` (`Settings for eth2:`, `Link detected: no`, `NIC statistics:`), iproute2 6.x `ip/ipaddress.c`,
//! `rdma/stat.c`. Names of counters: Linux 6.6 `drivers/net/ethernet/mellanox/mlx5/core/en_stats.c`,
//! `drivers/infiniband/hw/mlx5/counters.c`, `drivers/net/ethernet/broadcom/bnxt/bnxt_ethtool.c`.

use crate::console;
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// Ports and their counters.
#[derive(Debug)]
pub struct Ports;

/// A port that is switched on has no link. Fields: `interface`, `node`.
const NO_LINK: Name = "ethernet.no_link";
/// A port counts errors or losses since it was set up. Fields: `interface` or `hca`, `counter`, `count`, `node`.
const COUNTER: Name = "ethernet.counter";

/// Counters that stay at 0, or nearly, on a link that is well; what only tells of load (pauses, marks) is left out.
const BAD: [&str; 16] = [
    "link_down_events_phy",
    "rx_symbol_err_phy",
    "rx_crc_errors_phy",
    "rx_corrected_bits_phy_uncorrectable",
    "rx_pcs_symbol_err_phy",
    "rx_out_of_range_len_phy",
    "rx_fcs_err_frames",
    "rx_crc_errors",
    "tx_errors_phy",
    "out_of_sequence",
    "packet_seq_err",
    "local_ack_timeout_err",
    "rnr_nak_retry_err",
    "roce_adp_retrans",
    "req_transport_retries_exceeded",
    "implied_nak_seq_err",
];

/// Lines of statistics that are looked through.
const MOST_LINES: usize = 600;

impl Grammar for Ports {
    fn kinds(&self) -> &'static [Name] {
        &[NO_LINK, COUNTER]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        Some(match kind {
            NO_LINK => "an Ethernet port that is switched on has no link",
            COUNTER => "a port counts errors or losses since it was set up",
            _ => return None,
        })
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["Link detected: no", "<NO-CARRIER", "NIC statistics:", " out_of_sequence "]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.str().trim().to_owned();
        if text == "Link detected: no" {
            out.extend(settings(cursor).map(|name| no_link(cursor, &name)));
        } else if let Some(name) = carrier(&String::from_utf8_lossy(cursor.line.raw)) {
            out.push(no_link(cursor, name));
        } else if text == "NIC statistics:" {
            let name = cursor.preceding().take(2).find_map(|line| asked(&line.str()));
            for line in cursor.following().take(MOST_LINES) {
                let told = line.str().into_owned();
                let Some((counter, count)) = told.trim().split_once(": ") else { break };
                let Ok(count) = count.trim().parse::<i64>() else { continue };
                if BAD.contains(&counter) && count > 0 {
                    out.push(counted(cursor, &line, ("interface", name.as_deref()), counter, count));
                }
            }
        } else if let Some(rest) = text.strip_prefix("link ") {
            let words: Vec<&str> = rest.split_whitespace().collect();
            let hca = words.first().and_then(|port| port.split('/').next());
            for pair in words.windows(2).skip(1) {
                if let (true, Ok(count @ 1..)) = (BAD.contains(&pair[0]), pair[1].parse::<i64>()) {
                    out.push(counted(cursor, &cursor.line, ("hca", hca), pair[0], count));
                }
            }
        }
    }
}

/// The port of `Settings for eth2:` above.
fn settings(cursor: &Cursor<'_>) -> Option<String> {
    let lines = cursor.preceding().take(60).map(|line| line.str().into_owned());
    lines.into_iter().find_map(|line| Some(line.trim().strip_prefix("Settings for ")?.trim_end_matches(':').to_owned()))
}

/// The port of `3: eth2: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu …`; one that nobody switched on has no link either.
fn carrier(text: &str) -> Option<&str> {
    let (head, flags) = text.split_once(": <NO-CARRIER,")?;
    let up = flags.split('>').next()?.split(',').any(|flag| flag == "UP");
    // The number in front of a name looks like the label of a task.
    let name = head.rsplit_once(": ").map_or(head, |(_, name)| name);
    let inner =
        ["docker", "br-", "virbr", "veth", "cni", "usb", "idrac", "wl"].iter().any(|begin| name.starts_with(begin));
    (up && !inner).then(|| name.split('@').next().unwrap_or(name))
}

/// The port that a command line asks for: `ethtool -S eth2`.
fn asked(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("ethtool ")?;
    rest.split_whitespace().find(|word| !word.starts_with('-')).map(str::to_owned)
}

fn no_link(cursor: &Cursor<'_>, name: &str) -> Event {
    let mut fields = Fields::default();
    fields.set("interface", name);
    hosted(cursor, fields, &cursor.line, NO_LINK, Says::Warning)
}

fn counted(cursor: &Cursor<'_>, line: &Line<'_>, port: (Name, Option<&str>), counter: &str, count: i64) -> Event {
    let mut fields = Fields::default();
    if let (name, Some(port)) = port {
        fields.set(name, port);
    }
    fields.set("counter", counter);
    fields.set("count", count);
    hosted(cursor, fields, line, COUNTER, Says::Info)
}

fn hosted(cursor: &Cursor<'_>, mut fields: Fields, line: &Line<'_>, kind: Name, says: Says) -> Event {
    if let Some(node) = console::host(cursor) {
        fields.set("node", node);
    }
    Event::on(cursor, line, kind, says, fields)
}

#[cfg(test)]
mod tests {
    use crate::{Catalogue, Scanner, lint};

    fn read(log: &str) -> Vec<(&'static str, String, u64)> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let ours = lint::read(&scanner, log).into_iter().filter(|event| event.kind.starts_with("ethernet."));
        let name = |event: &crate::Event| {
            ["interface", "hca"].iter().find_map(|name| event.fields.text(name)).map(str::to_owned)
        };
        ours.map(|event| (event.kind, name(&event).unwrap_or_default(), event.line)).collect()
    }

    #[test]
    fn a_port_without_a_link_is_told_by_both_tools() {
        let tool = "Settings for eth2:\n\tSupported ports: [ Backplane ]\n\tSpeed: Unknown!\n\tLink detected: no\n";
        assert_eq!(read(tool), [("ethernet.no_link", "eth2".to_owned(), 4)]);
        assert!(read(&tool.replace(": no", ": yes")).is_empty());
        let ip = "3: eth2: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 9000 qdisc mq state DOWN mode DEFAULT group default qlen 1000\n";
        assert_eq!(read(ip), [("ethernet.no_link", "eth2".to_owned(), 1)]);
        assert!(read("4: docker0: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 state DOWN\n").is_empty());
    }

    #[test]
    fn counters_of_errors_are_told_and_those_of_load_are_not() {
        let stats = "root@gpu-17:~# ethtool -S eth2\nNIC statistics:\n     rx_packets: 812\n     rx_crc_errors_phy: 41\n     tx_pause_ctrl_phy: 99\n     link_down_events_phy: 0\n";
        assert_eq!(read(stats), [("ethernet.counter", "eth2".to_owned(), 4)]);
        let rdma = "link mlx5_2/1 rx_write_requests 812 out_of_sequence 0 packet_seq_err 7 local_ack_timeout_err 3\n";
        assert_eq!(
            read(rdma),
            [("ethernet.counter", "mlx5_2".to_owned(), 1), ("ethernet.counter", "mlx5_2".to_owned(), 1)]
        );
    }
}
