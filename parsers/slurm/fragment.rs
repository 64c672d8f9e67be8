//! `scontrol show node` without the line that names the node: what `grep Reason` leaves, or a copy that begins in the middle.

use super::reason::{self, Outage};
use super::scontrol::{REACH, WITNESS, is_beyond, value, why};
use super::states;
use crate::event::{Event, Name};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// A reason whose record is not whole.
#[derive(Debug)]
pub struct Fragments;

impl Grammar for Fragments {
    fn kinds(&self) -> &'static [Name] {
        reason::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["Reason="]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.whole();
        let Some((why, since)) = why(&text) else { return };
        let since = since.as_deref().and_then(reason::stamp);
        let Some(head) = text.split("Reason=").next().filter(|head| !head.contains("NodeName=")) else { return };
        let mut node = named(head);
        let mut state = value(head, "State").map(str::to_owned);
        for above in cursor.preceding().take(REACH).map(|line| line.whole()) {
            if above.trim_start().starts_with("NodeName=") {
                return; // it is read from there
            }
            if let Some(asked) = asked_for(&above) {
                node = node.or(Some(asked.to_owned()));
                break;
            }
            if is_beyond(&above) {
                break;
            }
            state = state.or_else(|| value(&above, "State").map(str::to_owned));
            node = node.or_else(|| value(&above, "NodeHostName").map(str::to_owned));
        }
        // A job's reason has no time behind it, and stands by no state of a node.
        if !state.map_or(since.is_some(), |state| states::is_out(&state)) {
            return;
        }
        let outage = Outage { node: node.as_deref().unwrap_or_default(), why: &why, since };
        out.push(outage.event(cursor, &cursor.line, WITNESS));
    }
}

/// `Node gpu-019: ` in front of a reason.
fn named(head: &str) -> Option<String> {
    let name = head.trim().strip_prefix("Node ")?.trim_end_matches(':');
    (!name.is_empty() && !name.contains(' ')).then(|| name.to_owned())
}

/// The node in `scontrol show node gpu-019 | grep Reason`, `scontrol show nodes=gpu-019`.
fn asked_for(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("scontrol show node")?;
    let name = rest.trim_start_matches('s').trim_start_matches(['=', ' ']).split([' ', '|', '\'', '"', '`']).next()?;
    (!name.is_empty() && !name.starts_with('-')).then_some(name)
}

#[cfg(test)]
mod tests {
    use crate::lint;
    use crate::{Catalogue, Scanner};

    fn read(log: &str) -> Vec<(&'static str, Option<String>)> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let events = lint::read(&scanner, log).into_iter().filter(|event| event.kind.starts_with("slurm.node_"));
        events.map(|event| (event.kind, event.fields.text("node").map(str::to_owned))).collect()
    }

    #[test]
    fn a_reason_without_its_node_is_read_with_what_stands_around() {
        let cut = "   NodeAddr=10.0.0.19 NodeHostName=gpu-019 Version=25.05\n   State=IDLE+DRAIN ThreadsPerCore=2\n   Reason=Kill task failed [root@2026-05-04T03:12:41]\n";
        assert_eq!(read(cut), [("slurm.node_stuck", Some("gpu-019".into()))]);
        let filtered = "$ scontrol show node gpu-019 | grep -E 'State|Reason'\nState=IDLE+DRAIN\nReason=Epilog error [root@2026-05-04T03:12:41]\n";
        assert_eq!(read(filtered), [("slurm.node_script_failed", Some("gpu-019".into()))]);
        let told = "Node gpu-019: Reason=Kill task failed [root@2026-05-04T03:12:41]\n";
        assert_eq!(read(told), [("slurm.node_stuck", Some("gpu-019".into()))]);
        let alone = "Reason=Kill task failed [root@2026-05-04T03:12:41]\n";
        assert_eq!(read(alone), [("slurm.node_stuck", None)]);
        let untold = "State=IDLE+DRAIN\nReason=Low RealMemory (reported:3897 < 100.00% of configured:3955)\n";
        assert_eq!(read(untold), [("slurm.node_lessened", None)]);
    }

    #[test]
    fn whole_records_jobs_and_nodes_in_service_are_left_alone() {
        let whole = "NodeName=gpu-019 Arch=x86_64\n   State=IDLE+DRAIN ThreadsPerCore=1\n   Reason=Epilog error [root@2026-05-04T03:12:41]\n";
        assert_eq!(read(whole).len(), 1);
        assert!(read("   JobState=PENDING Reason=Resources Dependency=(null)\n").is_empty());
        assert!(read("Reason=Low RealMemory\n").is_empty());
        assert!(read("   State=IDLE ThreadsPerCore=2\n   Reason=old [root@2026-05-04T03:12:41]\n").is_empty());
    }
}
