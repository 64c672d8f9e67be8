//! How busy the controller is (`sdiag`), and partitions that take no job (`scontrol show partition`, `sinfo -s`).
//!
//! Shapes: slurm-25-05 `src/sdiag/sdiag.c`, `src/api/partition_info.c`.

use super::ending;
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// The controller has as many threads at work as it may, or long queues. Fields: `what` (the line's words), `count`.
const BUSY: Name = "slurm.controller_busy";
/// The controller can't hand records to slurmdbd. The same fields.
const BEHIND: Name = "slurm.accounting_behind";
/// A partition takes or starts no jobs. Fields: `partition`, `state`.
const PARTITION_OUT: Name = "slurm.partition_out";

/// Threads from which on slurmctld is as good as full: `MAX_SERVER_THREADS` of `src/slurmctld/slurmctld.h` is 256.
const MANY_THREADS: i64 = 230;

/// Messages to nodes that wait: `sdiag(1)` calls a queue that grows a sign of trouble; agents work off hundreds at once.
const MANY_MESSAGES: i64 = 2000;

/// Records that wait for slurmdbd: `MaxDBDMsgs` is at least 10,000, and beyond it the controller drops them (`slurm.conf(5)`).
const MANY_RECORDS: i64 = 5000;

/// Numbers of `sdiag`: how the line begins, from which number on, and what that means.
const NUMBERS: [(&str, i64, Name); 3] = [
    ("Server thread count:", MANY_THREADS, BUSY),
    ("Agent queue size:", MANY_MESSAGES, BUSY),
    ("DBD Agent queue size:", MANY_RECORDS, BEHIND),
];

/// What `sdiag` and `scontrol show partition` tell of trouble.
#[derive(Debug)]
pub struct Load;

impl Grammar for Load {
    fn kinds(&self) -> &'static [Name] {
        &[BUSY, BEHIND, PARTITION_OUT]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        Some(match kind {
            BUSY => "the controller has more to do than it can",
            BEHIND => "records of jobs wait for the accounting",
            PARTITION_OUT => "a partition takes or starts no jobs",
            _ => return None,
        })
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["Server thread count:", "gent queue size:", "PartitionName="]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.str().trim().to_owned();
        let mut fields = Fields::default();
        fields.set("witness", "sdiag");
        if let Some((begin, least, kind)) = NUMBERS.iter().find(|(begin, ..)| text.starts_with(begin)) {
            let Some(count) = text[begin.len()..].trim().parse::<i64>().ok().filter(|count| count >= least) else {
                return;
            };
            fields.set("what", begin.trim_end_matches(':'));
            fields.set("count", count);
            out.push(Event::on(cursor, &cursor.line, kind, Says::Warning, fields));
        } else if let Some(partition) =
            text.strip_prefix("PartitionName=").and_then(|rest| rest.split_whitespace().next())
        {
            // Not slurm.conf's line of the same name: that has no total of CPUs.
            let record = std::iter::once(cursor.line.clone()).chain(cursor.following().take(REACH));
            let mut record = record.take_while(|line| line.number == cursor.line.number || line.raw.starts_with(b" "));
            let state =
                |text: &str| text.split_whitespace().find_map(|word| word.strip_prefix("State=")).map(str::to_owned);
            let told = record
                .find_map(|line| state(&line.str()).filter(|_| line.str().contains("TotalCPUs=")).zip(Some(line)));
            let Some((state, line)) = told.filter(|(state, _)| ["DOWN", "INACTIVE", "DRAIN"].contains(&state.as_str()))
            else {
                return;
            };
            out.push(partition_out(cursor, &line, ending::WITNESS, partition, &state));
        }
    }
}

/// That a partition takes or starts no jobs.
pub(super) fn partition_out(
    cursor: &Cursor<'_>,
    line: &Line<'_>,
    witness: &'static str,
    partition: &str,
    state: &str,
) -> Event {
    let mut fields = Fields::default();
    fields.set("witness", witness);
    fields.set("partition", partition);
    fields.set("why", format!("partition {partition} is {state}"));
    fields.set("state", state);
    Event::on(cursor, line, PARTITION_OUT, Says::Warning, fields)
}

/// Lines of a partition's record.
const REACH: usize = 20;

#[cfg(test)]
mod tests {
    use crate::{Catalogue, Scanner, lint};

    fn read(log: &str) -> Vec<(&'static str, u64)> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let ours = |event: &crate::Event| super::Load.kinds().contains(&event.kind);
        lint::read(&scanner, log).into_iter().filter(ours).map(|event| (event.kind, event.line)).collect()
    }
    use crate::grammar::Grammar as _;

    #[test]
    fn a_full_controller_and_a_long_queue_are_told() {
        let log = "Server thread count:  256\nRPC queue enabled:    0\nAgent queue size:     12\nAgent count:          0\nDBD Agent queue size: 9812\n";
        assert_eq!(read(log), [("slurm.controller_busy", 1), ("slurm.accounting_behind", 5)]);
        assert!(read("Server thread count:  3\nAgent queue size:     0\nDBD Agent queue size: 0\n").is_empty());
    }

    #[test]
    fn a_partition_that_is_not_up_is_told() {
        let wide = "PartitionName=gpu\n   AllowGroups=ALL AllowAccounts=ALL\n   OverTimeLimit=NONE PreemptMode=OFF\n   State=DOWN TotalCPUs=512 TotalNodes=8\n";
        assert_eq!(read(wide), [("slurm.partition_out", 4)]);
        assert_eq!(read("PartitionName=gpu AllowGroups=ALL State=DRAIN TotalCPUs=512\n"), [("slurm.partition_out", 1)]);
        assert!(
            read("PartitionName=gpu AllowGroups=ALL State=UP TotalCPUs=512\nPartitionName=old Nodes=ALL State=DOWN\n")
                .is_empty()
        );
    }
}
