//! Ports of InfiniBand and RoCE adapters.

use std::time::Duration;

use super::expected::Expected;
use super::gids;
use super::node::Node;
use super::task::{Out, Probe, whole};
use crate::reading::{Reading, Rule, Unit, Verdict};

const ADAPTERS: &str = "/sys/class/infiniband";

/// Counters of a port that tell of a bad cable or of congestion (Linux, Documentation/ABI/stable/sysfs-class-infiniband).
const COUNTERS: [&str; 8] = [
    "symbol_error",
    "link_error_recovery",
    "link_downed",
    "port_rcv_errors",
    "port_xmit_discards",
    "local_link_integrity_errors",
    "excessive_buffer_overrun_errors",
    "port_xmit_wait",
];

/// See the module.
pub(super) static PROBE: Probe = Probe {
    id: "fabric",
    about: "ports of InfiniBand and RoCE adapters: state, rate, errors, addresses",
    deadline: Duration::from_secs(3),
    subjects: whole,
    read,
};

fn read(node: &Node, _: &str, expected: &Expected, out: Out) {
    let mut active = 0;
    let mut there = 0;
    for adapter in node.list(ADAPTERS) {
        for port in node.list(&format!("{ADAPTERS}/{adapter}/ports")) {
            there += 1;
            active += u64::from(one(node, &adapter, &port, expected, out));
        }
    }
    if there == 0 && expected.ports.is_none() {
        return;
    }
    let reading = Reading::new("fabric", "ports.active").count(active, Unit::None);
    out(match expected.ports {
        Some(wanted) => {
            reading.expect(wanted.to_string()).judge_by(Rule::Profile, active >= wanted, Verdict::Bad, || {
                format!("{active} of {wanted} ports are active")
            })
        }
        None => reading,
    });
}

/// Reads a port; whether it is active.
fn one(node: &Node, adapter: &str, port: &str, expected: &Expected, out: Out) -> bool {
    let folder = format!("{ADAPTERS}/{adapter}/ports/{port}");
    let name = format!("{adapter}/{port}");
    let about = |what: &str| Reading::new("fabric", what).of("port", &name);
    let Some(state) = node.word(&format!("{folder}/state")) else {
        out(about("state").found(Verdict::Unknown, "its state can't be read"));
        return false;
    };
    let state = after_colon(&state);
    let active = state == "ACTIVE";
    let disabled = node.word(&format!("{folder}/phys_state")).is_some_and(|phys| after_colon(&phys) == "Disabled");
    // Where nobody says how many ports there must be, one that is down may have no cable: told, not condemned.
    let reading = about("state").text(state).expect("ACTIVE");
    out(reading.judge(active || disabled, Verdict::Degraded, || match state {
        "DOWN" => "the port is down: cable, switch port or driver".to_owned(),
        "INIT" => "the port waits for a subnet manager".to_owned(),
        other => format!("the port is {other}"),
    }));
    if !active {
        return false;
    }
    rate(node, &folder, about("rate"), expected, out);
    for counter in COUNTERS {
        if let Some(count) = node.number(&format!("{folder}/counters/{counter}")) {
            out(about(&format!("counter.{counter}")).count(count, Unit::Total));
        }
    }
    gids::read(node, &folder, &name, out);
    active
}

/// `4: ACTIVE`
fn after_colon(text: &str) -> &str {
    text.split_once(':').map_or(text, |(_, word)| word.trim())
}

/// `400 Gb/sec (4X NDR)`
fn rate(node: &Node, folder: &str, reading: Reading, expected: &Expected, out: Out) {
    let Some(text) = node.word(&format!("{folder}/rate")) else { return };
    let Some(gigabits) = text.split(' ').next().and_then(|word| word.parse::<f64>().ok()) else { return };
    let reading = reading.number(gigabits * 1e9, Unit::BitsPerSecond);
    out(match expected.port_rate {
        Some(wanted) => {
            let reading = reading.expect(format!("{} Gb/s", wanted / 1e9));
            reading.judge_by(Rule::Profile, gigabits * 1e9 >= wanted, Verdict::Degraded, || {
                format!("the port runs at {gigabits} of {} Gb/s", wanted / 1e9)
            })
        }
        None => reading,
    });
}
