//! JAX and XLA: what the coordination service tells on several lines.

use crate::event::{Event, Fields, Name, Says, Value};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// The tasks that the coordination service no longer hears from, one a line.
///
/// Names are `/job:jax_worker/replica:0/task:3` up to 2025 and bare numbers since (xla
/// `coordination_service.cc`: `CheckHeartbeatTimeout`).
pub struct Unhealthy;

const LOST: Name = "jax.task_lost";

/// What stands above the names.
const HEAD: &str = "tasks are unhealthy (stopped sending heartbeats):";

/// Most tasks of a list that are read.
const MOST: usize = 64;

impl Grammar for Unhealthy {
    fn kinds(&self) -> &'static [Name] {
        &[LOST]
    }

    fn about(&self, _: &str) -> Option<&'static str> {
        Some("the coordination service no longer hears from a task")
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["unhealthy (stopped sending heartbeats)"]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        if !cursor.line.str().trim_end().ends_with(HEAD) {
            return;
        }
        for task in cursor.stream().take(MOST).map_while(|line| task(&line)) {
            let mut fields = Fields::default();
            fields.set("task", task);
            out.push(Event::on(cursor, &cursor.line, LOST, Says::Failure, fields));
        }
    }
}

/// The tasks that did not come to a barrier, where they are few.
///
/// The service lists them a line each, and says since 2024 how many came (xla `coordination_service.cc`:
/// `CheckBarrierTimeout`). Where most did not come, the fault is not theirs.
pub struct Absent;

const ABSENT: Name = "jax.tasks_absent";

/// What stands above the names.
const NAMES: &str = "imed out task names:";

/// Most tasks that a list names (xla: `kPendingTaskLogLimit`); there may be more that it leaves out.
const LISTED: usize = 20;

/// Most tasks that are few.
const FEW: usize = 4;

impl Grammar for Absent {
    fn kinds(&self) -> &'static [Name] {
        &[ABSENT]
    }

    fn about(&self, _: &str) -> Option<&'static str> {
        Some("few of the tasks did not come to a barrier of the coordination service")
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[NAMES]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        if !cursor.line.str().trim_end().ends_with(NAMES) {
            return;
        }
        let mut missing: Vec<i64> = cursor.stream().take(LISTED).map_while(|line| task(&line)).collect();
        missing.sort_unstable();
        missing.dedup();
        let least = missing.last().map_or(0, |last| last + 1);
        if (1..=FEW).contains(&missing.len()) && 2 * missing.len() as i64 <= least.max(FEW as i64) {
            let mut fields = Fields::default();
            fields.set("missing", Value::Ranks(missing));
            out.push(Event::on(cursor, &cursor.line, ABSENT, Says::Failure, fields));
        }
    }
}

/// `3`, `/job:jax_worker/replica:0/task:3`.
fn task(line: &Line<'_>) -> Option<i64> {
    let text = line.str();
    let text = text.trim();
    let number = match text.strip_prefix("/job:") {
        Some(name) => name.rsplit_once("/task:")?.1,
        None => text,
    };
    number.parse().ok().filter(|task| *task >= 0)
}

#[cfg(test)]
mod tests {
    use crate::lint;
    use crate::{Catalogue, Scanner};

    fn lost(log: &str) -> Vec<i64> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let events = lint::read(&scanner, log);
        events.iter().filter(|event| event.kind == super::LOST).filter_map(|event| event.fields.int("task")).collect()
    }

    const HEAD: &str = "F0504 03:12:41.101 4121 client.h:86] Terminating process. absl::Status: UNAVAILABLE: The following tasks are unhealthy (stopped sending heartbeats):\n";

    fn absent(tasks: &[i64]) -> Option<Vec<i64>> {
        let names: String = tasks.iter().map(|task| format!("/job:jax_worker/replica:0/task:{task}\n")).collect();
        let head = "The first task at the barrier: /job:jax_worker/replica:0/task:9. Some timed out task names:\n";
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let events =
            lint::read(&scanner, &[head, &names, "\n\nRPC: /tensorflow.CoordinationService/Barrier\n"].concat());
        let told = events.iter().find(|event| event.kind == super::ABSENT)?;
        told.fields.get("missing").and_then(super::Value::ranks).map(<[i64]>::to_vec)
    }

    #[test]
    fn few_that_did_not_come_are_named() {
        assert_eq!(absent(&[6, 2]), Some(vec![2, 6]));
        assert_eq!(absent(&[0]), Some(vec![0]));
        assert_eq!(absent(&[1, 6, 3, 2, 5, 7, 4]), None);
        assert_eq!(absent(&[2, 1, 3]), None);
        assert_eq!(absent(&[]), None);
    }

    #[test]
    fn each_task_has_a_line() {
        let tail = "The tasks have crashed. Check the task logs for an earlier error.\n";
        assert_eq!(lost(&[HEAD, "1\n7\n", tail].concat()), [1, 7]);
        let named = "/job:jax_worker/replica:0/task:3\n/job:jax_worker/replica:0/task:5\n";
        assert_eq!(lost(&[HEAD, named, tail].concat()), [3, 5]);
        assert_eq!(lost(HEAD), [] as [i64; 0]);
        assert_eq!(lost(&[HEAD, "-1\n"].concat()), [] as [i64; 0]);
    }
}
