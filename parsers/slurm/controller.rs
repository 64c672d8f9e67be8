//! What slurmctld's log tells of a job in several lines: that it ran out of memory, and before, where it was started.
//!
//! Shapes: slurm-20-11 to 25-05 `src/slurmctld/job_mgr.c` (`_job_complete: JobId=71204 OOM failure`),
//! `src/slurmctld/job_scheduler.c` (`sched: Allocate JobId=71204 NodeList=gpu-017 #CPUs=16 Partition=gpu`).

use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::Cursor;

const KIND: Name = "slurmctld.out_of_memory";

/// A job that ended for want of memory, with its node where it had one only.
#[derive(Debug)]
pub struct OutOfMemory;

impl Grammar for OutOfMemory {
    fn kinds(&self) -> &'static [Name] {
        &[KIND]
    }

    fn about(&self, _: &str) -> Option<&'static str> {
        Some("a job hit its limit of memory")
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[" OOM failure"]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.str();
        let Some(job) = job(&text) else { return };
        let mut fields = Fields::default();
        fields.set("job", job);
        if let Some(node) = cursor.preceding().find_map(|line| started(&line.str(), job)) {
            fields.set("node", node);
        }
        fields.set("witness", "slurmctld");
        out.push(Event::on(cursor, &cursor.line, KIND, Says::Warning, fields));
    }
}

/// `JobId=71204`, `JobId=71204_3(71207)`.
fn job(text: &str) -> Option<i64> {
    let rest = &text[text.find("JobId=")? + "JobId=".len()..];
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest[..digits].parse().ok()
}

/// The one node on which a line tells that a job was started.
fn started(text: &str, wanted: i64) -> Option<String> {
    text.contains("Allocate JobId=").then_some(())?;
    let node = text.split_whitespace().find_map(|word| word.strip_prefix("NodeList="))?;
    (job(text) == Some(wanted) && !node.contains(['[', ','])).then(|| node.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::lint;
    use crate::{Catalogue, Scanner};

    #[test]
    fn the_node_of_a_job_is_told_where_it_had_one() {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let log = "[2026-05-04T03:10:00.101] sched: Allocate JobId=71203 NodeList=gpu-[017-018] #CPUs=16 Partition=gpu\n\
                   [2026-05-04T03:10:01.101] sched: Allocate JobId=71204 NodeList=gpu-019 #CPUs=16 Partition=gpu\n\
                   [2026-05-04T03:12:41.101] _job_complete: JobId=71204 OOM failure\n\
                   [2026-05-04T03:12:42.101] _job_complete: JobId=71203 OOM failure\n";
        let events = lint::read(&scanner, log);
        let told = events.iter().filter(|event| event.kind == super::KIND);
        let told: Vec<_> = told.map(|event| (event.fields.int("job"), event.fields.text("node"))).collect();
        assert_eq!(told, [(Some(71204), Some("gpu-019")), (Some(71203), None)]);
    }
}
