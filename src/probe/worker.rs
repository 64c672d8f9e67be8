//! The process in which probes run: it may get stuck in the kernel or in a driver, and nobody waits for it.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::expected::Expected;
use super::node::Node;
use super::task::{self, Task};
use crate::reading::{Reading, Verdict};

/// The argument that makes a process of ours a worker.
pub const ARGUMENT: &str = "probe-worker";

/// What a worker is to do: one line of JSON on its standard input.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    /// Root of the node.
    pub(super) root: PathBuf,
    /// One after the other.
    pub(super) tasks: Vec<Task>,
    /// What is expected of the node.
    pub(super) expected: Expected,
}

/// What a worker says: lines of JSON on its standard output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Said {
    /// The next task begins.
    Begins,
    /// Something was read.
    Reads(Box<Reading>),
    /// The task is done.
    Ends,
}

/// Takes an order and carries it out.
///
/// # Errors
/// An order that is none, and a listener who left.
pub fn serve(orders: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<()> {
    let mut line = String::new();
    orders.read_line(&mut line)?;
    carry_out(&serde_json::from_str(&line)?, out)
}

/// Carries out an order.
///
/// # Errors
/// A listener who left.
pub(super) fn carry_out(order: &Order, out: &mut dyn Write) -> io::Result<()> {
    let node = Node::at(&order.root);
    for task in &order.tasks {
        say(out, &Said::Begins)?;
        let mut lost = Ok(());
        match task::find(&task.probe) {
            Some(probe) => (probe.read)(&node, &task.subject, &order.expected, &mut |reading| {
                if lost.is_ok() {
                    lost = say(out, &Said::Reads(Box::new(reading)));
                }
            }),
            None => {
                let reading = Reading::new(&task.probe, "run").found(Verdict::CannotRun, "there is no such probe");
                lost = say(out, &Said::Reads(Box::new(reading)));
            }
        }
        lost?;
        say(out, &Said::Ends)?;
    }
    Ok(())
}

fn say(out: &mut dyn Write, said: &Said) -> io::Result<()> {
    // One call a word: the writer keeps nothing back.
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}
