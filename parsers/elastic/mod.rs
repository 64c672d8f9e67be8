//! The failure summary that torchrun prints when a worker fails: one record a rank.
//!
//! Shape: `torch/distributed/elastic/multiprocessing/errors/__init__.py`, `_FAILURE_FORMAT_TEMPLATE`
//! (v1.9 to v2.9): `time`, `host`, `rank`, `exitcode`, `error_file`, `traceback`, each `  key : value`.

use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::Cursor;
use crate::time;

/// torchrun's summary of failed workers.
pub struct Summary;

const FAILURE: Name = "elastic.failure";

/// Lines of a record before and after its `exitcode` line that are looked at.
pub(crate) const REACH: usize = 6;

/// SIGTERM: the launcher ended the worker because of another one.
const TORN_DOWN: i64 = -15;

impl Grammar for Summary {
    fn kinds(&self) -> &'static [Name] {
        &[FAILURE]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        (kind == FAILURE).then_some("torchrun lists the worker among the failed ones")
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["exitcode  : "]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let Some((exitcode, pid)) = exit(&cursor.line.str()) else { return };
        let mut fields = Fields::default();
        fields.set("exitcode", exitcode);
        if let Some(pid) = pid {
            fields.set("pid", pid);
        }
        if exitcode < 0 {
            fields.set("signal", -exitcode);
        }
        let mut at = None;
        for line in cursor.preceding().filter(|line| !line.text.is_empty()).take(REACH) {
            match key_value(&line.str()) {
                Some(("rank", value)) => ranks(value, &mut fields),
                Some(("host", value)) => fields.set("node", value),
                Some(("time", value)) => {
                    at = time::read(value);
                    fields.set("root", names_root(cursor, line.start));
                    break;
                }
                Some(_) => {}
                None => break,
            }
        }
        for line in cursor.following().take(REACH) {
            match key_value(&line.str()) {
                Some(("traceback", value)) => {
                    fields.set("said", value);
                    break;
                }
                Some(_) => {}
                None => break,
            }
        }
        let says = if exitcode == TORN_DOWN { Says::Teardown } else { Says::Failure };
        let mut event = Event::on(cursor, &cursor.line, FAILURE, says, fields);
        event.at = at.or(event.at);
        out.push(event);
    }
}

/// Whether the record at `start` stands under `Root Cause (first observed failure):`.
fn names_root(cursor: &Cursor<'_>, start: usize) -> bool {
    let before = &cursor.block.data[start.saturating_sub(256)..start];
    let tail = String::from_utf8_lossy(before);
    tail.rfind("Root Cause")
        .is_some_and(|root| tail[root..].matches("[").count() <= 2 && !tail[root..].contains("exitcode"))
}

/// `-9 (pid: 4121)`.
fn exit(text: &str) -> Option<(i64, Option<i64>)> {
    let ("exitcode", value) = key_value(text)? else { return None };
    let number = value.split_whitespace().next()?.parse().ok()?;
    let pid = value.split("(pid: ").nth(1).and_then(|rest| rest.trim_end_matches(')').parse().ok());
    Some((number, pid))
}

/// `3 (local_rank: 1)`.
fn ranks(value: &str, fields: &mut Fields) {
    if let Some(rank) = value.split_whitespace().next().and_then(|rank| rank.parse::<i64>().ok()) {
        fields.set("rank", rank);
    }
    if let Some(local) =
        value.split("(local_rank: ").nth(1).and_then(|rest| rest.trim_end_matches(')').parse::<i64>().ok())
    {
        fields.set("local_rank", local);
    }
}

/// `  key : value`, as the summary pads it.
pub(crate) fn key_value(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text.split_once(':')?;
    let key = key.trim();
    let known = ["time", "host", "rank", "exitcode", "error_file", "traceback"];
    known.contains(&key).then(|| (key, value.trim()))
}

#[cfg(test)]
mod tests {
    use crate::lint;
    use crate::{Catalogue, Says, Scanner};

    const LOG: &str = "\
Failures:
[1]:
  time      : 2026-05-04_03:12:41
  host      : gpu-17
  rank      : 11 (local_rank: 3)
  exitcode  : -15 (pid: 4124)
  error_file: <N/A>
  traceback : Signal 15 (SIGTERM) received by PID 4124
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-05-04_03:12:40
  host      : gpu-17
  rank      : 9 (local_rank: 1)
  exitcode  : -11 (pid: 4122)
  error_file: <N/A>
  traceback : Signal 11 (SIGSEGV) received by PID 4122
";

    #[test]
    fn each_record_becomes_an_event() {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let events = lint::read(&scanner, LOG);
        let found: Vec<_> = events.iter().filter(|event| event.kind == super::FAILURE).collect();
        assert_eq!(found.len(), 2);
        let (torn, root) = (&found[0].fields, &found[1].fields);
        assert_eq!((torn.int("rank"), torn.int("signal"), found[0].says), (Some(11), Some(15), Says::Teardown));
        assert_eq!((root.int("rank"), root.int("signal"), root.text("node")), (Some(9), Some(11), Some("gpu-17")));
        assert_eq!(root.get("root"), Some(&true.into()));
        assert!(found[1].at.is_some());
    }
}
