//! Whether the node's clock is kept: logs of many nodes are compared by it, and tickets expire by it.

use std::time::Duration;

use super::expected::Expected;
use super::node::Node;
use super::task::{Out, Probe};
use crate::reading::{Reading, Unit, Verdict};

/// See the module.
pub(super) static PROBE: Probe = Probe {
    id: "clock",
    about: "whether the clock is kept by a time server",
    deadline: Duration::from_secs(1),
    subjects,
    read,
};

fn subjects(node: &Node) -> Vec<String> {
    if node.is_here() { vec![String::new()] } else { Vec::new() }
}

fn read(_: &Node, _: &str, _: &Expected, out: Out) {
    let reading = Reading::new("clock", "synchronised");
    match diag_raw::clock::discipline() {
        Ok(about) => {
            out(reading.flag(about.synchronised).expect("true").judge(about.synchronised, Verdict::Degraded, || {
                "no time server keeps this clock: munge refuses credentials once it is five minutes off".to_owned()
            }));
            if about.synchronised {
                out(Reading::new("clock", "largest_error").number(about.largest_error, Unit::Seconds));
            }
        }
        Err(error) => out(reading.found(Verdict::CannotRun, format!("the kernel does not tell: {error}"))),
    }
}
