//! Health checks of nodes, and the reasons that slurmctld's log tells when somebody sets one.
//!
//! Shapes: slurm-22-05 to 25-05 `src/slurmd/common/run_script.c` (`error: health_check failed: rc:1 output:…`),
//! `src/slurmctld/node_mgr.c` (`update_node: node gpu-019 reason set to: …`).

use super::reason::{self, Outage};
use crate::event::{Event, Name};
use crate::grammar::Grammar;
use crate::health::Nhc;
use crate::line::Cursor;

/// Lines that tell what is wrong with a node.
#[derive(Debug)]
pub struct Checks;

const SET: &str = "reason set to: ";
const RAN: &str = "health_check failed: rc:";

impl Grammar for Checks {
    fn kinds(&self) -> &'static [Name] {
        reason::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[SET, RAN]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.str().into_owned();
        let told = set(&text).or_else(|| checked(&text));
        if let Some((outage, witness)) = told {
            out.push(outage.event(cursor, &cursor.line, witness));
        }
    }
}

/// The witness of what a health check of nodes found.
pub(crate) const WITNESS: &str = "health check";

/// A reason that names what is broken; that a node was drained, by whomever, is an everyday line of that log. What Slurm
/// sets itself is told by lines of its own.
fn set(text: &str) -> Option<(Outage<'_>, &'static str)> {
    let (head, why) = text.split_once(SET)?;
    let node = head.trim_end().rsplit_once("node ").map(|(_, node)| node.trim())?;
    let outage = Outage { node, why: why.trim(), since: None };
    let own = [
        "Kill task failed",
        "Prolog error",
        "Epilog error",
        "Prolog/Epilog failure",
        "batch job complete f",
        "ResumeTimeout reached",
    ];
    (outage.is_specific() && !own.iter().any(|begin| why.starts_with(begin))).then_some((outage, "slurmctld"))
}

fn checked(text: &str) -> Option<(Outage<'_>, &'static str)> {
    let (_, why) = text.split_once(RAN)?.1.split_once("output:")?;
    // Node Health Check's own words are read where its lines are.
    (!Nhc::is_of(why)).then(|| (Outage { node: "", why: why.trim(), since: None }, WITNESS))
}

#[cfg(test)]
mod tests {
    use crate::lint;
    use crate::{Catalogue, Scanner};

    #[test]
    fn what_a_check_found_is_read_with_its_node() {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let log = "[2026-05-04T03:12:41.101] error: health_check failed: rc:1 output:ERROR:  nhc:  Health check failed:  check_fs_mount:  /scratch not mounted\n\
                   [2026-05-04T03:12:41.101] update_node: node gpu-020 reason set to: Xid 79 on GPU 3\n\
                   [2026-05-04T03:12:41.101] update_node: node gpu-021 reason set to: ask Ann\n\
                   [2026-05-04T03:12:41.101] error: health_check failed: rc:1 output:disk SMART\n";
        let events = lint::read(&scanner, log).into_iter().filter(|event| event.kind.starts_with("slurm.node_"));
        let told: Vec<_> = events.map(|event| (event.kind, event.fields.text("node").map(str::to_owned))).collect();
        assert_eq!(
            told,
            [
                ("slurm.node_storage", None),
                ("slurm.node_xid", Some("gpu-020".to_owned())),
                ("slurm.node_drained", None),
            ]
        );
    }
}
