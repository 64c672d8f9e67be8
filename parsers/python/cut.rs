//! Tracebacks that lack their end: the output was cut, or its writer was killed, before it said what was raised.

use super::{Frames, frame, last_line, plain};
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// Tracebacks within which a document, or what one rank wrote to it, ends.
#[derive(Debug)]
pub struct CutOff;

const CUT: Name = "python.cut_traceback";

/// Above the frames. rich draws it within the upper side of a box.
const HEADER: &str = "Traceback (most recent call last)";

/// Above frames behind which no exception comes (`logging`'s `stack_info`, CPython 3.2 on; `traceback.print_stack` has no header).
const STACK: &str = "Stack (most recent call last)";

/// Files of which a frame is in the traceback of a launcher: what its workers raised is elsewhere (torch v1.9 to v2.9,
/// accelerate 1.x, DeepSpeed 0.16).
const LAUNCHERS: [&str; 7] = [
    "/bin/torchrun",
    "torch/distributed/run.py",
    "torch/distributed/launch.py",
    "torch/distributed/launcher/api.py",
    "accelerate/commands/launch.py",
    "/bin/accelerate",
    "/bin/deepspeed",
];

/// torchrun's word of a worker that failed (torch v1.9 on, `elastic/multiprocessing/api.py`).
const FAILED: &str = "failed (exitcode: ";

/// Lines of any writer behind a frame that are searched for the end of its traceback; whoever prints more went on without it.
const LONGEST: usize = 1000;

impl Grammar for CutOff {
    fn kinds(&self) -> &'static [Name] {
        &[CUT]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        (kind == CUT).then_some("the output breaks off within a traceback, before it says what was raised")
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[HEADER, "\", line "]
    }

    fn in_small_documents_only(&self) -> bool {
        true
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        if !cursor.reaches_the_end() {
            return;
        }
        let text = cursor.line.str();
        let place = place(cursor, &cursor.line);
        if (place.is_none() && !is_header(&text)) || !ends_here(cursor) || of_a_stack(cursor) {
            return;
        }
        let mut frames = Frames::above(cursor);
        frames.places.splice(0..0, place);
        let mut fields = Fields::default();
        if let Some((file, line, func)) = frames.blamed() {
            fields.set("file", file.as_str());
            fields.set("line_no", *line);
            fields.set("func", func.as_str());
        }
        let launcher = |file: &String| LAUNCHERS.iter().any(|end| file.ends_with(end));
        // Nothing comes between torchrun's word of a worker that failed and its own traceback.
        let behind = || cursor.stream_before(1).any(|line| line.str().contains(FAILED));
        if frames.places.iter().any(|(file, ..)| launcher(file)) || frames.places.is_empty() && behind() {
            fields.set("by", "launcher");
        }
        out.push(Event::on(cursor, &cursor.line, CUT, Says::Teardown, fields));
    }
}

/// Whether the frames of a traceback follow.
fn is_header(text: &str) -> bool {
    let text = text.trim_end_matches(|c: char| c.is_whitespace() || "─╮".contains(c));
    text.strip_suffix(':').unwrap_or(text).ends_with(HEADER)
}

/// Whether the writer prints nothing behind this line but source, and perhaps half a line.
///
/// A logger puts what it knows of the writer in front of a message only, not of each line of the traceback in it: then lines
/// without any of that go on.
fn ends_here(cursor: &Cursor<'_>) -> bool {
    let mut lines = cursor.following();
    let told = cursor.following().next().filter(|line| line.context.is_nameless() && indented(&line.str()));
    let writer = told.map_or_else(|| cursor.line.context.clone(), |line| line.context);
    let mut own = lines.by_ref().take(LONGEST).filter(|line| line.context.same_stream(&writer));
    let goes_on = own.any(|line| {
        let text = line.str();
        let half = cursor.breaks_off_in(&line);
        let told = last_line(plain(&text)).is_some() || text.starts_with('╰') || is_header(&text);
        told || place(cursor, &line).is_some() || !half && !indented(&text) && !text.is_empty()
    });
    !goes_on && lines.next().is_none()
}

/// File, line and function of a frame; of half a frame without the function.
fn place(cursor: &Cursor<'_>, line: &Line<'_>) -> Option<(String, i64, String)> {
    frame(&line.str()).filter(|(_, _, func)| !func.is_empty() || cursor.breaks_off_in(line))
}

fn indented(text: &str) -> bool {
    text.starts_with(|c: char| c.is_whitespace() || "|│❱".contains(c))
}

/// Whether these are the frames of a place that was only told.
fn of_a_stack(cursor: &Cursor<'_>) -> bool {
    let header = |line: Line<'_>| {
        let text = line.str();
        if is_header(&text) { Some(false) } else { text.contains(STACK).then_some(true) }
    };
    cursor.stream_before(LONGEST).find_map(header).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::lint;
    use crate::{Catalogue, Event, Scanner};

    fn read(log: &str) -> Vec<Event> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        lint::read(&scanner, log).into_iter().filter(|event| event.kind.starts_with("python.")).collect()
    }

    #[test]
    fn a_traceback_that_breaks_off_tells_where_it_was() {
        let whole = "\
[rank2]: Traceback (most recent call last):
[rank2]:   File \"/workspace/train.py\", line 31, in step
[rank2]:     loss = model(batch['labels'])
[rank1]: epoch 3 begins
[rank2]:   File \"/usr/lib/python3.11/site-packages/x.py\", line 9, in get
[rank2]:     return self[key]
[rank2]:            ~~~~^^^^^
[rank2]: KeyError: 'labels'
";
        let header = whole.find('\n').unwrap() + 1;
        let last = whole.rfind("KeyError").unwrap();
        for end in header..last + "KeyErr".len() {
            let found = read(&whole[..end]);
            assert_eq!(found.iter().map(|event| event.kind).collect::<Vec<_>>(), ["python.cut_traceback"], "{end}");
            assert_eq!((found[0].line.min(5), found[0].fields.int("rank")), (found[0].line, Some(2)));
        }
        let fields = &read(&whole[..last])[0].fields;
        assert_eq!((fields.text("func"), fields.int("line_no")), (Some("step"), Some(31)));
        assert_eq!(read(whole)[0].kind, "python.exception");
    }

    #[test]
    fn a_logger_names_its_rank_once() {
        let log = "\
[2026-05-04 03:12:41 TP2] Scheduler hit an exception: Traceback (most recent call last):
  File \"/srv/scheduler.py\", line 17, in run
    self.load_model()
  File \"/srv/runner.py\", line 29, in load_model
    raise KeyError(name)
KeyError: 'labels'
";
        let found = read(log);
        assert_eq!(found.iter().map(|event| event.kind).collect::<Vec<_>>(), ["python.exception"]);
        assert_eq!((found[0].fields.int("rank"), found[0].fields.text("func")), (Some(2), Some("load_model")));
        let end = log.rfind("KeyError").unwrap();
        let found = read(&log[..end]);
        assert_eq!(found.iter().map(|event| event.kind).collect::<Vec<_>>(), ["python.cut_traceback"]);
        let other = "[2026-05-04 03:12:42 TP1] x\n".to_owned() + &log[log.find("  File").unwrap()..];
        assert_eq!(read(&other)[0].fields.int("rank"), None);
    }

    #[test]
    fn the_traceback_of_a_launcher_is_told_from_the_programs() {
        let cut = |file: &str| {
            let log = format!(
                "Traceback (most recent call last):\n  File \"{file}\", line 8, in <module>\n    sys.exit(main())\n"
            );
            read(&log).last().and_then(|event| event.fields.text("by").map(str::to_owned))
        };
        assert_eq!(cut("/opt/venv/bin/torchrun").as_deref(), Some("launcher"));
        assert_eq!(cut("/srv/train.py"), None);
        let log = "E0504 03:12:44.118 12 api.py:869] failed (exitcode: -6) local_rank: 3 (pid: 41) of binary: python\nTraceback (most recent call last):\n";
        assert_eq!(read(log)[0].fields.text("by"), Some("launcher"));
    }

    #[test]
    fn what_ends_otherwise_is_not_cut() {
        let header = "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n";
        for rest in
            ["KeyError", "queue.Empty\n", "Terminated\n", "  KeyError: 'labels'\n", "    | ValueError: x\n    +----\n"]
        {
            let found = read(&format!("{header}{rest}"));
            assert!(found.iter().all(|event| event.kind != "python.cut_traceback"), "{rest:?}");
        }
        let boxed = "╭───── Traceback (most recent call last) ─────╮\n│ /srv/train.py:31 in step │\n";
        assert_eq!(read(boxed)[0].kind, "python.cut_traceback");
        assert_eq!(read(&format!("{boxed}╰──────╯\nKeyError: 'labels'\n"))[0].kind, "python.exception");
        let told = "Stack (most recent call last):\n  File \"a.py\", line 1, in f\n    call()\n";
        assert!(read(told).is_empty());
    }
}
