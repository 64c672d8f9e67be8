//! Which failures the run survived: it made further steps, or ended well.

use std::collections::HashSet;

use diag_parsers::Says;

use super::Table;
use super::unknown::LAST_LINES;

/// Steps that a run must make after a fault before the fault counts as survived.
///
/// One is not enough: ranks that are already past the fault print the step they are in.
const FURTHER_STEPS: usize = 2;

/// Credentials are checked with each request: where Slurm takes one, whatever refused those before it is over.
const REFUSED: &str = "slurm.auth_failed";
const GRANTED: &str = "slurm.allocated";

/// A launcher tells how many ranks it starts, and a program raises.
const STARTED: &str = "launcher.deepspeed_world";
const RAISED: &str = "python.exception";

/// What a command line names is not there.
const LAUNCH: &str = "process.launch_error";

/// NCCL asks its network plugins one after the other; one that has no device, no library or is switched off (`NCCL_IB_DISABLE`)
/// answers with an internal error, and the next is taken (`ncclIbInit` and `ncclNetInit`, NCCL 2.23 to 2.30).
const UNWINDING: &str = "nccl.unwinding";
const INTERNAL_ERROR: i64 = 3;
const COMM_INIT: &str = "nccl.comm_init";

/// Marks the rows that the run survived.
pub(super) fn derive(table: &mut Table) {
    let ends =
        Places::new(table.rows.iter().filter(|row| row.says == Says::Success).map(|row| (row.source, row.last_line)));
    let steps = Places::new(table.trail.iter().map(|advance| (advance.source, advance.line)));
    for row in &mut table.rows {
        if matches!(row.says, Says::Failure | Says::Teardown | Says::Warning) {
            let place = (row.source, row.last_line);
            row.survived = ends.after(place) > 0 || steps.after(place) >= FURTHER_STEPS;
        }
    }
    let granted = table.of_kind(GRANTED).iter().map(|id| (table.rows[*id].source, table.rows[*id].line));
    let granted = Places::new(granted);
    for id in table.of_kind(REFUSED).to_vec() {
        let row = &mut table.rows[id];
        row.survived |= granted.after((row.source, row.last_line)) > 0;
    }
    script_went_on(table);
    started_later(table);
    another_plugin(table);
    wake_of_success(table, &ends);
}

/// A shell that does not find a command of the batch script goes on with the next line of it. What came long after was
/// done without that command; where the command was the job itself, the log ends soon.
fn script_went_on(table: &mut Table) {
    let lines = &table.lines;
    for row in table.rows.iter_mut().filter(|row| row.kind == LAUNCH && row.fields.get("command").is_some()) {
        row.survived |= lines.get(row.source).is_some_and(|lines| row.last_line + LAST_LINES <= *lines);
    }
}

/// What was raised outside of any rank before the launcher told of its ranks did not keep it from starting them.
fn started_later(table: &mut Table) {
    let starts = table.of_kind(STARTED).iter().map(|id| (table.rows[*id].source, table.rows[*id].line));
    let starts = Places::new(starts);
    for id in table.of_kind(RAISED).to_vec() {
        let row = &mut table.rows[id];
        row.survived |= row.rank().is_none() && starts.after((row.source, row.last_line)) > 0;
    }
}

/// A network plugin that was passed over did not keep the communicator from being made; no rank has it before all have.
fn another_plugin(table: &mut Table) {
    let made = table.of_kind(COMM_INIT).iter().map(|id| &table.rows[*id]);
    let made = made.filter(|row| row.fields.text("phase").is_some_and(|phase| phase == "COMPLETE"));
    let made = Places::new(made.map(|row| (row.source, row.last_line)));
    for id in table.of_kind(UNWINDING).to_vec() {
        let row = &mut table.rows[id];
        let of_plugin = row.fields.get("plugin").is_some() && row.fields.int("code") == Some(INTERNAL_ERROR);
        row.survived |= of_plugin && made.after((row.source, row.line)) > 0;
    }
}

/// Lines by source, sorted.
struct Places(Vec<(usize, u64)>);

impl Places {
    fn new(places: impl Iterator<Item = (usize, u64)>) -> Self {
        let mut places: Vec<_> = places.collect();
        places.sort_unstable();
        Self(places)
    }

    /// How many stand behind a place in the same source.
    fn after(&self, (source, line): (usize, u64)) -> usize {
        let until = self.0.partition_point(|place| place.0 <= source);
        until - self.0.partition_point(|place| *place <= (source, line)).min(until)
    }

    fn holds(&self, source: usize) -> bool {
        self.after((source, 0)) > 0
    }
}

/// What is only torn down behind a good end, with no failure before or after it, is the noise of leaving.
fn wake_of_success(table: &mut Table, ends: &Places) {
    let failed: HashSet<usize> =
        table.rows.iter().filter(|row| row.says == Says::Failure && !row.survived).map(|row| row.source).collect();
    // A process that ends with an error code after all was not just leaving.
    let leaving = |row: &super::Row| row.fields.int("exit_code").is_none_or(|code| code == 0);
    for row in table.rows.iter_mut().filter(|row| row.says == Says::Teardown && leaving(row)) {
        row.survived |= ends.holds(row.source) && !failed.contains(&row.source);
    }
}

#[cfg(test)]
mod tests {
    use crate::evidence::of_log;

    /// Whether the first refusal in a log was survived.
    fn survived(log: &str) -> bool {
        let table = of_log(log);
        table.rows[table.of_kind(super::REFUSED)[0]].survived
    }

    #[test]
    fn a_batch_script_goes_on_without_a_command() {
        let missing = "/var/spool/slurmd/job17/slurm_script: line 31: rsync: command not found\n";
        let survived = |further: usize| {
            let table = of_log(&[missing, &"0: wandb: tracking run\n".repeat(further)].concat());
            table.rows[table.of_kind(super::LAUNCH)[0]].survived
        };
        assert!(survived(300));
        assert!(!survived(3), "what a script prints on its way out");
    }

    #[test]
    fn what_a_tool_raised_before_the_ranks_were_started_is_over() {
        let raised = "KeyError: 'GPU_IDS'\n";
        let start = "gpu-17: [2026-05-04 03:12:41,265] [INFO] [launch.py:180:main] dist_world_size=8\n";
        let survived = |log: String| {
            let table = of_log(&log);
            table.rows[table.of_kind(super::RAISED)[0]].survived
        };
        assert!(survived([raised, start].concat()));
        assert!(!survived([start, raised].concat()));
        assert!(!survived([raised, start, raised].concat()), "again");
        assert!(!survived(["[rank3]: ", raised, start].concat()), "of an earlier start");
    }

    #[test]
    fn nccl_takes_another_network() {
        let refused = "gpu-17:4121:4121 [0] NCCL INFO transport/net_ib.cc:852 -> 3\n";
        let made = "gpu-17:4121:4121 [0] NCCL INFO ncclCommInitRank comm 0x55 rank 0 nranks 4 cudaDev 0 nvmlDev 0 busId 60 commId 0x7 - Init COMPLETE\n";
        let survived = |log: &[&str]| {
            let table = of_log(&log.concat());
            table.rows[table.of_kind(super::UNWINDING)[0]].survived
        };
        assert!(survived(&[refused, made]));
        assert!(!survived(&[made, refused]));
        assert!(!survived(&[refused]), "no network was taken");
    }

    #[test]
    fn slurm_takes_credentials_again_where_it_takes_a_request() {
        let (refused, taken) = (
            "sbatch: error: Batch job submission failed: Protocol authentication error\n",
            "Submitted batch job 71204\n",
        );
        assert!(survived(&[refused, taken].concat()));
        assert!(!survived(&[taken, refused].concat()));
    }
}
