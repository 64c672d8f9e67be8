//! Health checks of nodes, and the reasons that slurmctld's log tells when somebody sets one.
//!
//! Shapes: slurm-22-05 to 25-05 `src/slurmd/common/run_script.c` (`error: health_check failed: rc:1 output:…`),
//! `src/slurmctld/node_mgr.c` (`update_node: node gpu-019 reason set to: …`); mej/nhc 1.4 `nhc` (`ERROR:  nhc:  Health check
//! failed:  check_fs_mount:  …`) and its `node-mark-offline`.

use super::reason::{self, Outage};
use crate::event::{Event, Name};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// Lines that tell what is wrong with a node.
#[derive(Debug)]
pub struct Checks;

const SET: &str = "reason set to: ";
const RAN: &str = "health_check failed: rc:";
const NHC: &str = "Health check failed:";
const OFFLINE: &str = "node-mark-offline ";

impl Grammar for Checks {
    fn kinds(&self) -> &'static [Name] {
        reason::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[SET, RAN, NHC]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.str().into_owned();
        let told = set(&text).or_else(|| checked(&text));
        if let Some((outage, witness)) = told {
            out.push(outage.event(cursor, &cursor.line, witness));
        }
    }
}

/// A reason that names what is broken; that a node was drained, by whomever, is an everyday line of that log. What Slurm
/// sets itself is told by lines of its own.
fn set(text: &str) -> Option<(Outage<'_>, &'static str)> {
    let (head, why) = text.split_once(SET)?;
    let node = head.trim_end().rsplit_once("node ").map(|(_, node)| node.trim())?;
    let outage = Outage { node, why: why.trim(), since: None };
    let own = ["Kill task failed", "Prolog error", "Epilog error", "batch job complete f"];
    (outage.is_specific() && !own.iter().any(|begin| why.starts_with(begin))).then_some((outage, "slurmctld"))
}

fn checked(text: &str) -> Option<(Outage<'_>, &'static str)> {
    let (head, why) = match text.split_once(NHC) {
        Some((head, why)) => (head, why),
        None => {
            let (head, rest) = text.split_once(RAN)?;
            (head, rest.split_once("output:")?.1)
        }
    };
    let marked = head.split_once(OFFLINE).and_then(|(_, rest)| rest.split_whitespace().next());
    let node = marked.unwrap_or_default();
    Some((Outage { node, why: why.trim(), since: None }, "health check"))
}

#[cfg(test)]
mod tests {
    use crate::lint;
    use crate::{Catalogue, Scanner};

    #[test]
    fn what_a_check_found_is_read_with_its_node() {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let log = "20260504 03:12:41 [slurm] /usr/libexec/nhc/node-mark-offline gpu-019 NHC: ERROR:  nhc:  Health check failed:  check_hw_ib:  No IB port mlx5_0:1 is ACTIVE (LinkUp 400 Gb/sec).\n\
                   [2026-05-04T03:12:41.101] error: health_check failed: rc:1 output:ERROR:  nhc:  Health check failed:  check_fs_mount:  /scratch not mounted\n\
                   [2026-05-04T03:12:41.101] update_node: node gpu-020 reason set to: Xid 79 on GPU 3\n\
                   [2026-05-04T03:12:41.101] update_node: node gpu-021 reason set to: ask Ann\n\
                   [2026-05-04T03:12:41.101] error: health_check failed: rc:1 output:disk SMART\n";
        let events = lint::read(&scanner, log).into_iter().filter(|event| event.kind.starts_with("slurm.node_"));
        let told: Vec<_> = events.map(|event| (event.kind, event.fields.text("node").map(str::to_owned))).collect();
        assert_eq!(
            told,
            [
                ("slurm.node_link", Some("gpu-019".to_owned())),
                ("slurm.node_storage", None),
                ("slurm.node_xid", Some("gpu-020".to_owned())),
                ("slurm.node_drained", None),
            ]
        );
    }
}
