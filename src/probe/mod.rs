//! Reading a live node, or a captured tree of one. A *world* room.
//!
//! Each probe runs in a process of its own that may be given up: a driver, a file system or a process that hangs costs
//! its own reading and nothing else.
#![expect(clippy::disallowed_methods, reason = "a world room: reads this node and starts processes that read it")]

mod acs;
mod cgroup;
mod clock;
mod config;
mod daemon;
mod disks;
mod drives;
mod ethernet;
mod expected;
mod fabric;
mod gids;
mod gpu;
mod kernel;
mod leftovers;
mod limits;
mod memory;
mod mounts;
mod node;
mod pci;
mod relative;
mod rising;
mod services;
mod task;
mod watch;
mod worker;

use std::time::Duration;

pub use expected::Expected;
pub use node::Node;
pub use rising::Counters;
pub use task::{PROBES, Probe, Task, find, tasks};
pub use worker::{ARGUMENT, serve};

use crate::reading::{Reading, Rule, Verdict};

/// Reads a node: all probes side by side, the subjects of one in turn.
pub fn read(node: &Node, only: &[String], expected: &Expected, deadline: Duration) -> Vec<Reading> {
    let mut lanes: Vec<Vec<Task>> = Vec::new();
    for task in tasks(node, only) {
        match lanes.last_mut() {
            Some(lane) if lane[0].probe == task.probe => lane.push(task),
            _ => lanes.push(vec![task]),
        }
    }
    read_lanes(node, lanes, expected, deadline)
}

/// Reads a node: the tasks of a lane in turn, in one process; the lanes side by side.
pub fn read_lanes(node: &Node, lanes: Vec<Vec<Task>>, expected: &Expected, deadline: Duration) -> Vec<Reading> {
    let mut readings = watch::run(&watch::Look { node, expected, deadline }, lanes);
    relative::judge(&mut readings);
    for reading in &mut readings {
        if let Some(wanted) = expected.exact.get(&reading.kind()) {
            *reading = exact(reading.clone(), wanted);
        }
    }
    readings
}

/// Seconds since the boot, which no clock that is set moves; 0 where nothing tells.
pub fn uptime(node: &Node) -> f64 {
    node.word("/proc/uptime").and_then(|text| text.split(' ').next()?.parse().ok()).unwrap_or(0.0)
}

/// Whether the bus shows an NVIDIA GPU.
pub fn has_gpu(node: &Node) -> bool {
    std::env::var_os(gpu::LIBRARY).is_some() || pci::nvidia_gpus(node) > 0
}

/// Judges against a value of the golden profile.
fn exact(reading: Reading, wanted: &str) -> Reading {
    let said = reading.value.as_ref().map(ToString::to_string).unwrap_or_default();
    let same = said == wanted;
    reading
        .expect(wanted)
        .judge_by(Rule::Profile, same, Verdict::Degraded, || format!("{said}; the profile says {wanted}"))
}
