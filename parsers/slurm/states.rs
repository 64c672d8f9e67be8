//! States of nodes, as `sinfo`, `scontrol` and JSON tell them.
//!
//! Shape: slurm-25-05 `src/common/slurm_protocol_defs.c`, `node_state_string` and `node_state_string_compact`. Signs behind a
//! short state: `*` does not answer, `$` maintenance, `@` `^` reboot, `~` `#` `!` `%` power, `-` `+` planned or more jobs.

use std::collections::BTreeSet;

use super::load;
use super::reason::Outage;
use super::table::Heading;
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::hostlist;
use crate::line::{Cursor, Line};

/// The kinds of event that a state makes where no reason is told.
const KINDS: &[Name] = &[SILENT, DOWN, INVALID, NONE_LEFT];

const SILENT: Name = "slurm.nodes_silent";
const DOWN: Name = "slurm.nodes_down";
const INVALID: Name = "slurm.nodes_invalid";
const NONE_LEFT: Name = "slurm.nodes_all_drained";

/// Most lines of a table that are read.
const MOST: usize = 4096;

/// Most hosts of a list that are looked at.
const MOST_HOSTS: usize = 4096;

fn about(kind: &str) -> Option<&'static str> {
    Some(match kind {
        SILENT => "nodes are down and don't answer",
        DOWN => "nodes are down",
        INVALID => "nodes registered with less than their configuration says",
        NONE_LEFT => "all nodes that a table lists are drained",
        _ => return None,
    })
}

/// Whether a state, long or short, says that the node takes no job.
pub(crate) fn is_out(state: &str) -> bool {
    let state = state.to_ascii_uppercase();
    ["DOWN", "DRAIN", "DRNG", "FAIL", "INVAL"].iter().any(|word| state.contains(word)) || is_unheard(&state)
}

/// Whether a state, in capitals, says that a node was never heard of since the controller started.
fn is_unheard(state: &str) -> bool {
    state.starts_with("UNK") && (state.contains('*') || state.contains("NOT_RESPONDING"))
}

/// Whether a node is within a reservation for maintenance: what is out of service there is somebody's work.
pub(crate) fn is_in_maintenance(state: &str) -> bool {
    let state = state.to_ascii_uppercase();
    state.contains("MAINT") || state.contains('$')
}

/// Whether a node is drained, and not for work that Slurm knows of.
fn is_drained(state: &str) -> bool {
    let state = state.to_ascii_uppercase();
    let planned = ["MAINT", "REBOOT", "$", "@", "^"].iter().any(|word| state.contains(word));
    !planned && ["DRAIN", "DRNG"].iter().any(|word| state.contains(word))
}

/// What a state alone tells; that a node is drained, or off for planned work, is nothing by itself.
fn kind(state: &str) -> Option<Name> {
    let state = state.to_ascii_uppercase();
    let base = state.split(|c: char| !c.is_ascii_alphabetic() && c != '_').next().unwrap_or_default();
    let has = |words: &[&str]| words.iter().any(|word| state.contains(word));
    if has(&["MAINT", "REBOOT", "DRAIN", "$", "@", "^"]) {
        return None;
    }
    // A node that is switched off to save power is idle; one that did not come up when it was switched on is down.
    if base != "DOWN" && has(&["POWER", "~", "#", "!", "%"]) {
        return None;
    }
    if state.contains("INVAL") {
        return Some(INVALID);
    }
    let fails = state.contains("DOWN") || state.contains("FAIL") || is_unheard(&state);
    let silent = state.contains('*') || state.contains("NOT_RESPONDING");
    fails.then_some(if silent { SILENT } else { DOWN })
}

/// What is told of hosts in a state, if that alone tells something.
pub(crate) fn told(witness: &'static str, node: &str, state: &str) -> Option<(Name, Fields)> {
    let kind = kind(state)?;
    let mut fields = Fields::default();
    fields.set("node", node);
    fields.set("why", state);
    fields.set("witness", witness);
    Some((kind, fields))
}

/// The event of it on a line.
pub(crate) fn event(c: &Cursor<'_>, line: &Line<'_>, witness: &'static str, node: &str, state: &str) -> Option<Event> {
    told(witness, node, state).map(|(kind, fields)| Event::on(c, line, kind, Says::Warning, fields))
}

/// The tables of `sinfo`: any columns, as long as one is the state and one the nodes.
#[derive(Debug)]
pub struct States;

impl Grammar for States {
    fn kinds(&self) -> &'static [Name] {
        KINDS
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        about(kind)
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["NODELIST", "HOSTNAMES"]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = String::from_utf8_lossy(cursor.line.raw).into_owned();
        let Some(heading) = Heading::read(&text, None).filter(is_of_nodes) else { return };
        let mut known = BTreeSet::new();
        let mut closed_before = BTreeSet::new();
        let (mut drained, mut others) = (Vec::new(), false);
        for line in cursor.following().take(MOST) {
            let text = String::from_utf8_lossy(line.raw).into_owned();
            let Some((node, state)) = row(&heading, &text) else { break };
            if let Some((partition, avail)) =
                closed(&heading, &text).filter(|(name, _)| closed_before.insert((*name).to_owned()))
            {
                others = true;
                out.push(load::partition_out(cursor, &line, "sinfo", partition, avail));
            }
            if is_drained(state) && kind(state).is_none() {
                drained.push((line.clone(), node.to_owned(), state.to_owned()));
            } else {
                others = true;
            }
            if !is_out(state) || !is_new(&mut known, node) {
                continue;
            }
            let why = heading.cell(&text, "reason").filter(|why| !matches!(*why, "none" | "None" | "n/a" | "Unknown"));
            match why {
                Some(why) => {
                    others = true;
                    out.push(Outage { node, why, since: None }.event(cursor, &line, "sinfo"));
                }
                None => out.extend(event(cursor, &line, "sinfo", node, state)),
            }
        }
        // One that is drained is somebody's work; where all are, no job starts.
        for (line, node, state) in drained.into_iter().filter(|_| !others) {
            let mut fields = Fields::default();
            fields.set("node", node);
            fields.set("why", state);
            fields.set("witness", "sinfo");
            out.push(Event::on(cursor, &line, NONE_LEFT, Says::Warning, fields));
        }
    }
}

fn is_of_nodes(heading: &Heading) -> bool {
    let one_of = |names: [&str; 2]| names.iter().any(|name| heading.has(name));
    one_of(["state", "statelong"])
        && one_of(["nodelist", "hostnames"])
        && !one_of(["jobid", "timestamp"])
        && !heading.has("time")
}

/// A partition that takes or starts no jobs, and how `sinfo` says so.
fn closed<'t>(heading: &Heading, text: &'t str) -> Option<(&'t str, &'t str)> {
    let avail = heading.cell(text, "avail").filter(|avail| ["down", "drain", "inact"].contains(avail))?;
    Some((heading.cell(text, "partition")?.trim_end_matches('*'), avail))
}

/// The hosts and the state of a row.
fn row<'t>(heading: &Heading, text: &'t str) -> Option<(&'t str, &'t str)> {
    let node = heading.cell(text, "nodelist").or_else(|| heading.cell(text, "hostnames"))?;
    let state = heading.cell(text, "state").or_else(|| heading.cell(text, "statelong"))?;
    let letters = state.trim_end_matches(|c: char| "*~#!%$@^-+".contains(c));
    let is_state = !letters.is_empty() && letters.bytes().all(|b| b.is_ascii_alphabetic() || b"_+".contains(&b));
    (is_state && !node.contains(' ')).then_some((node, state))
}

/// Whether a list has hosts that the table has not told of; each partition tells them again.
fn is_new(known: &mut BTreeSet<String>, node: &str) -> bool {
    match hostlist::expand(node, MOST_HOSTS) {
        Ok(hosts) => hosts.into_iter().fold(false, |new, host| known.insert(host) | new),
        Err(_) => known.insert(node.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use crate::lint;
    use crate::{Catalogue, Scanner};

    fn read(log: &str) -> Vec<(&'static str, String)> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let events = lint::read(&scanner, log).into_iter().filter(|event| event.kind.starts_with("slurm.node"));
        events.map(|event| (event.kind, event.fields.text("node").unwrap_or_default().to_owned())).collect()
    }

    #[test]
    fn states_are_read_once_whatever_partition_tells_them() {
        let log = "PARTITION AVAIL  TIMELIMIT  NODES  STATE NODELIST\n\
                   gpu*         up   infinite      2  down* gpu-[019-020]\n\
                   gpu*         up   infinite      2 drain$ gpu-[021-022]\n\
                   gpu*         up   infinite      8   idle gpu-[001-008]\n\
                   gpu*         up   infinite      1   down gpu-009\n\
                   all          up   infinite      1  down* gpu-019\n\
                   $ date\n";
        assert_eq!(read(log), [("slurm.nodes_silent", "gpu-[019-020]".into()), ("slurm.nodes_down", "gpu-009".into())]);
    }

    #[test]
    fn drained_nodes_are_told_where_no_other_is_left() {
        let log = |other: &str| {
            format!(
                "PARTITION AVAIL  TIMELIMIT  NODES  STATE NODELIST\n\
                 gpu*         up   infinite      2  drain gpu-[019-020]\n\
                 gpu*         up   infinite      1   drng gpu-021\n{other}"
            )
        };
        let all = [("slurm.nodes_all_drained", "gpu-[019-020]".into()), ("slurm.nodes_all_drained", "gpu-021".into())];
        assert_eq!(read(&log("$ date\n")), all);
        assert!(read(&log("gpu*         up   infinite      8   idle gpu-[001-008]\n")).is_empty());
        assert!(read(&log("gpu*         up   infinite      8 drain$ gpu-[001-008]\n")).is_empty());
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let closed = lint::read(&scanner, &log("gpu*       down   infinite     16   idle gpu-[001-016]\n"));
        assert!(closed.iter().any(|event| event.kind == "slurm.partition_out"), "{closed:?}");
        let unheard = read(&log("gpu*         up   infinite      2   unk* gpu-[001-002]\n"));
        assert_eq!(unheard, [("slurm.nodes_silent", "gpu-[001-002]".into())]);
    }

    #[test]
    fn a_reason_beside_the_state_counts() {
        let log = "NODELIST   NODES PARTITION       STATE CPUS    S:C:T MEMORY TMP_DISK WEIGHT AVAIL_FE REASON              \n\
                   gpu-017        1      gpu*        idle 16     16:1:1  64000        0      1   (null) none                \n\
                   gpu-018        1      gpu*     drained 16     16:1:1  64000        0      1   (null) Kill task failed    \n\
                   gpu-019        1      gpu*     drained 16     16:1:1  64000        0      1   (null) none                \n\
                   gpu-020        1      gpu*       down* 16     16:1:1  64000        0      1   (null) none                \n";
        assert_eq!(read(log), [("slurm.node_stuck", "gpu-018".into()), ("slurm.nodes_silent", "gpu-020".into())]);
    }

    #[test]
    fn a_queue_is_no_table_of_nodes() {
        assert!(read("JOBID PARTITION STATE NODELIST(REASON)\n71204 gpu DOWN* gpu-017\n").is_empty());
    }
}
