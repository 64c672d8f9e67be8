//! `py-spy dump --json`: a list of threads, each with the command line of its process.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::stack::{Place, STACK, rank_of};
use crate::MAX_LINE;
use crate::event::{Event, Name, Problem, Says};
use crate::record::Record;

/// The reader of such lists.
pub struct Spied;

/// Most threads of a document: a process has some hundreds.
const MOST_THREADS: usize = 100_000;

/// Frames of a stack that are read.
const MOST_FRAMES: usize = 60;

#[derive(Deserialize)]
struct Thread<'a> {
    #[serde(default)]
    pid: i64,
    #[serde(default, borrow)]
    thread_name: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    frames: Vec<Frame<'a>>,
    #[serde(default, borrow)]
    process_info: Option<Process<'a>>,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(default, borrow)]
    name: Cow<'a, str>,
    #[serde(default, borrow)]
    filename: Cow<'a, str>,
    #[serde(default)]
    line: i64,
}

#[derive(Deserialize)]
struct Process<'a> {
    #[serde(default, borrow)]
    command_line: Cow<'a, str>,
}

impl Record for Spied {
    fn kinds(&self) -> &'static [Name] {
        &[STACK]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        (kind == STACK).then_some("a process was asked where it is")
    }

    fn recognises(&self, head: &[u8], _: &str) -> bool {
        let holds = |word: &str| memchr::memmem::find(head, word.as_bytes()).is_some();
        head.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
            && ["\"thread_name\"", "\"frames\"", "\"owns_gil\""].into_iter().all(holds)
    }

    fn read(&self, data: &[u8], _: &str, out: &mut Vec<Event>) -> Vec<Problem> {
        let problem = |line: u64, what: String| vec![Problem { line, what }];
        let Ok(text) = std::str::from_utf8(data) else { return problem(0, "is no UTF-8".to_owned()) };
        let threads: Vec<&RawValue> = match serde_json::from_str(text) {
            Ok(threads) => threads,
            Err(error) => return problem(error.line() as u64, format!("is no list of stacks: {error}")),
        };
        for raw in threads.into_iter().take(MOST_THREADS) {
            let Ok(thread) = serde_json::from_str::<Thread<'_>>(raw.get()) else { continue };
            if thread.thread_name.as_deref() == Some("MainThread") {
                out.extend(event(text, raw, &thread));
            }
        }
        Vec::new()
    }
}

fn event(text: &str, raw: &RawValue, thread: &Thread<'_>) -> Option<Event> {
    let mut place = Place::default();
    for frame in thread.frames.iter().take(MOST_FRAMES) {
        place.add(&frame.filename, frame.line, &frame.name);
    }
    let mut fields = place.fields()?;
    fields.set("pid", thread.pid);
    let command = thread.process_info.as_ref().map_or("", |process| &process.command_line);
    if let Some((name, rank)) = rank_of(command) {
        fields.set(name, rank);
    }
    // The line in which the innermost function is named; all of it where the document is one line.
    let name = thread.frames.first().map_or("", |frame| frame.name.as_ref());
    let start = (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len());
    let named = raw.get().find(&format!("\"{name}\"")).unwrap_or(0);
    let offset = start + named;
    let before = &text.as_bytes()[..offset];
    let line = memchr::memchr_iter(b'\n', before).count() as u64 + 1;
    let begins = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let whole = text[begins..].lines().next().unwrap_or_default();
    let end = (0..=MAX_LINE.min(whole.len())).rev().find(|at| whole.is_char_boundary(*at)).unwrap_or(0);
    let text = whole[..end].to_owned();
    Some(Event { kind: STACK, says: Says::Info, line, offset: offset as u64, text, at: None, fields })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_thread_is_told_with_its_process() {
        let text = r#"[
  {"pid": 4121, "thread_name": "Thread-1", "active": false, "owns_gil": false, "frames": [{"name": "wait", "filename": "threading.py", "line": 3}]},
  {
    "pid": 4121,
    "thread_name": "MainThread",
    "active": true,
    "owns_gil": false,
    "frames": [
      {"name": "all_reduce", "filename": "/opt/torch/distributed/distributed_c10d.py", "line": 2815},
      {"name": "main", "filename": "/srv/train/train.py", "line": 76}
    ],
    "process_info": {"pid": 4121, "command_line": "python train.py --rank 3", "parent": null}
  }
]"#;
        let mut out = Vec::new();
        assert!(Spied.recognises(text.as_bytes(), "x.json"));
        assert_eq!(Spied.read(text.as_bytes(), "x.json", &mut out), []);
        let [event] = out.as_slice() else { panic!("{out:?}") };
        assert_eq!((event.fields.int("rank"), event.fields.int("pid"), event.line), (Some(3), Some(4121), 9));
        assert_eq!(event.fields.text("at_program"), Some("main (/srv/train/train.py:76)"));
        assert!(text.lines().nth(8).unwrap() == event.text && event.text.contains("all_reduce"));
    }

    #[test]
    fn what_is_no_list_of_stacks_is_a_problem() {
        for text in ["[{\"thread_name\":", "[[[[", "[1,2,3]"] {
            let mut out = Vec::new();
            let problems = Spied.read(text.as_bytes(), "x", &mut out);
            assert!(out.is_empty() && problems.len() == usize::from(text != "[1,2,3]"), "{text}");
        }
    }
}
