//! `seff`: what a job used, and how it ended.
//!
//! Shape: slurm-25-05 `contribs/seff/seff`: `Job ID: 71204`, …, `State: OUT_OF_MEMORY (exit code 0)`, ….

use super::ending::{self, Ending};
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// Lines above the state in which the job's number stands.
const REACH: usize = 6;

/// The summary of a job.
#[derive(Debug)]
pub struct Summary;

impl Grammar for Summary {
    fn kinds(&self) -> &'static [Name] {
        ending::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["State: "]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = String::from_utf8_lossy(cursor.line.raw).into_owned();
        let Some((state, tail)) = text.strip_prefix("State: ").and_then(|rest| rest.split_once(" (exit code ")) else {
            return;
        };
        let above = cursor.preceding().take(REACH);
        let Some(job) = above.filter_map(|line| job(&String::from_utf8_lossy(line.raw))).next() else { return };
        let code = tail.split(')').next().and_then(|code| code.parse().ok()).map(|status| (status, 0));
        let Some(end) = Ending::of(state).map(|end| end.with_exit(code)) else { return };
        let Some(kind) = end.kind(false) else { return };
        let mut fields = Fields::default();
        fields.set("job", job);
        fields.set("witness", ending::WITNESS);
        end.fill(kind, &mut fields);
        let says = if ending::is_unexplained(kind) { Says::Failure } else { Says::Warning };
        out.push(Event::on(cursor, &cursor.line, kind, says, fields));
    }
}

fn job(text: &str) -> Option<i64> {
    text.strip_prefix("Job ID: ")?.trim().split('_').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use crate::lint;
    use crate::{Catalogue, Scanner};

    #[test]
    fn the_state_of_a_job_is_read() {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let log = "Job ID: 71204\nCluster: alpha\nUser/Group: ann/ann\nState: OUT_OF_MEMORY (exit code 0)\nNodes: 1\n\
                   State: COMPLETED (exit code 0)\nState: well\n";
        let events = lint::read(&scanner, log);
        let told: Vec<_> = events.iter().map(|event| (event.kind, event.fields.int("job"))).collect();
        assert_eq!(told, [("sacct.out_of_memory", Some(71204))]);
    }
}
