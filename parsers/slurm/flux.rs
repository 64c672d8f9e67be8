//! `flux resource drain`: one line a reason, under a heading, in columns of fixed width.
//!
//! Shape: flux-core v0.45 to v0.78 `src/cmd/flux-resource.py` (`builtin_formats["drain"]`): `TIME STATE [RANK] REASON NODELIST`.

use super::reason::{self, Outage};
use crate::event::{Event, Name};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// The table of drained nodes.
#[derive(Debug)]
pub struct Drains;

/// Most lines of a table that are read.
const MOST: usize = 4096;

impl Grammar for Drains {
    fn kinds(&self) -> &'static [Name] {
        reason::KINDS
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        reason::about(kind)
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["REASON  "]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let heading = cursor.line.whole();
        let names: Vec<&str> = heading.split_whitespace().collect();
        let ours = names.first().is_some_and(|name| name.starts_with("TIME")) && names.contains(&"STATE");
        let columns = heading.find("REASON").zip(heading.find("NODELIST")).filter(|(why, nodes)| ours && why < nodes);
        let Some((why, nodes)) = columns else { return };
        for line in cursor.following().take(MOST) {
            let text = line.whole();
            let (Some(reason), Some(node)) = (text.get(why..nodes), text.get(nodes..)) else { break };
            let (reason, node) = (reason.trim(), node.trim());
            if reason.is_empty() || node.is_empty() || node.contains(' ') || !text[..why].contains("drain") {
                break;
            }
            out.push(Outage { node, why: reason, since: None }.event(cursor, &line, "flux"));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint;
    use crate::{Catalogue, Scanner};

    #[test]
    fn the_table_is_read() {
        let log = "\
TIME         STATE    REASON                         NODELIST
May04 03:12  drained  unkillable user processes for+ gpu-019
May04 03:12  draining epilog failed for job f2Xqz7   gpu-[020-021]
May04 03:12  drained  bad cable, ask Ann             gpu-022
$ flux resource list
";
        let events = lint::read(&Scanner::new(Catalogue::built_in().unwrap()), log);
        let told: Vec<_> = events.iter().map(|event| (event.kind, event.fields.text("node").unwrap())).collect();
        assert_eq!(
            told,
            [
                ("slurm.node_stuck", "gpu-019"),
                ("slurm.node_script_failed", "gpu-[020-021]"),
                ("slurm.node_drained", "gpu-022"),
            ]
        );
    }
}
