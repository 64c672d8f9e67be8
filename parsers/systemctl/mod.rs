//! `systemctl status` of a daemon that jobs need, and that ended with an error.
//!
//! Shape: systemd v219 to v255 `src/systemctl/systemctl-show.c` (`print_status_info`): `● slurmd.service - Slurm node daemon`,
//! then `     Active: failed (Result: exit-code) since …`, then lines of the journal where the reader may see them.

use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// The status of a unit that failed.
#[derive(Debug)]
pub struct Units;

const SLURM: Name = "slurm.unit_failed";
const MUNGE: Name = "slurm.auth_failed";
const FABRIC: Name = "fabric_manager.down";

const ANCHOR: &str = "Active: failed (Result: ";

/// Lines above the state in which the unit is named: `Loaded:` and drop-ins stand between.
const ABOVE: usize = 8;

/// Lines below the state that belong to the unit: processes, tasks, memory, and ten lines of the journal.
const BELOW: usize = 24;

impl Grammar for Units {
    fn kinds(&self) -> &'static [Name] {
        &[SLURM, MUNGE, FABRIC]
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[ANCHOR]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.str();
        let Some(at) = text.find(ANCHOR) else { return };
        let Some(what) = text[at..].find(')').map(|end| &text[at..=at + end]) else { return };
        let Some(name) = cursor.preceding().take(ABOVE).find_map(|line| unit(&line.str())) else { return };
        let Some((kind, field)) = told(&name) else { return };
        let below: Vec<Line<'_>> =
            cursor.following().take(BELOW).take_while(|line| unit(&line.str()).is_none()).collect();
        // The journal says the same with time and host.
        if below.iter().any(|line| is_told(&line.str())) {
            return;
        }
        let mut fields = Fields::default();
        if let Some(field) = field {
            fields.set(field, name.as_str());
        }
        fields.set(if kind == MUNGE { "why" } else { "what" }, what);
        if let Some(node) = below.iter().find_map(|line| line.context.node.clone()) {
            fields.set("node", node);
        }
        out.push(Event::on(cursor, &cursor.line, kind, Says::Failure, fields));
    }
}

/// The kind of event that the failure of a unit makes, and the field that has its name.
fn told(unit: &str) -> Option<(Name, Option<Name>)> {
    Some(match unit {
        "slurmd" | "slurmctld" | "slurmdbd" | "slurmrestd" => (SLURM, Some("daemon")),
        "munge" => (MUNGE, None),
        "nvidia-fabricmanager" | "nvidia-imex" => (FABRIC, None),
        _ => return None,
    })
}

/// The unit in `● slurmd.service - Slurm node daemon`, where its status begins. Lines of the journal that name it so
/// (`Started slurmd.service - Slurm node daemon.`) have words in front of it.
fn unit(text: &str) -> Option<String> {
    let (name, _) = text.split_once(".service - ")?;
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    (!name.is_empty() && !name.contains(' ')).then(|| name.to_owned())
}

/// Whether a line is one of systemd's about the end, which other formats read.
fn is_told(text: &str) -> bool {
    [" process exited, code=", ".service: Failed with result", "entered failed state"].iter().any(|w| text.contains(w))
}

#[cfg(test)]
mod tests {
    use crate::lint;
    use crate::{Catalogue, Scanner};

    fn read(log: &str) -> Vec<(&'static str, String, Option<String>)> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let text = |event: &crate::Event, name: &str| event.fields.text(name).map(str::to_owned);
        let failed = lint::read(&scanner, log).into_iter().filter(|event| event.says == crate::Says::Failure);
        let what = |event: &crate::Event| text(event, "what").or(text(event, "why")).unwrap_or_default();
        failed.map(|event| (event.kind, what(&event), text(&event, "node"))).collect()
    }

    #[test]
    fn a_unit_that_failed_is_told_where_the_journal_is_not() {
        let bare = "$ systemctl status slurmctld\n\
                    × slurmctld.service - Slurm controller daemon\n\
                    \x20    Loaded: loaded (/usr/lib/systemd/system/slurmctld.service; enabled; preset: enabled)\n\
                    \x20    Active: failed (Result: core-dump) since Mon 2026-05-04 03:12:41 UTC; 20ms ago\n\
                    \x20  Main PID: 12971 (code=dumped, signal=ABRT)\n";
        assert_eq!(read(bare), [("slurm.unit_failed", "Active: failed (Result: core-dump)".into(), None)]);
        let host = "● munge.service - MUNGE authentication service\n\
                    \x20  Active: failed (Result: exit-code) since Mon 2026-05-04 03:12:41 UTC; 4s ago\n\
                    \n\
                    May 04 03:12:41 gpu-17 systemd[1]: Starting MUNGE authentication service...\n";
        assert_eq!(
            read(host),
            [("slurm.auth_failed", "Active: failed (Result: exit-code)".into(), Some("gpu-17".into()))]
        );
    }

    #[test]
    fn what_the_journal_says_is_not_told_twice() {
        let log = "● slurmd.service - Slurm node daemon\n\
                   \x20  Active: failed (Result: exit-code) since Mon 2026-05-04 03:12:41 UTC; 4s ago\n\
                   \n\
                   May 04 03:12:41 gpu-17 systemd[1]: slurmd.service: Main process exited, code=exited, status=1/FAILURE\n";
        let what = "Main process exited, code=exited, status=1/FAILURE";
        assert_eq!(read(log), [("slurm.unit_failed", what.into(), Some("gpu-17".into()))]);
    }

    #[test]
    fn other_units_and_those_that_run_are_left_alone() {
        let other = "● nginx.service - nginx\n     Active: failed (Result: exit-code) since Mon 2026-05-04\n";
        assert!(read(other).is_empty());
        let runs = "● slurmd.service - Slurm node daemon\n     Active: active (running) since Mon 2026-05-04\n";
        assert!(read(runs).is_empty());
        assert!(read("     Active: failed (Result: exit-code) since Mon 2026-05-04\n").is_empty());
    }
}
