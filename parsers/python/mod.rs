//! Python exceptions and stack dumps.
//!
//! An exception is recognised by its last line (`KeyError: 'labels'`), then the frames above it are sought by
//! the same writer. So a traceback is read whole, interleaved with those of other ranks, or without its beginning. Of one
//! that lacks its end, where a log breaks off, the last frame tells.

mod class;
mod cut;
mod errno;
mod ignored;
mod spied;
mod stack;
mod torn;

use crate::elastic;
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};
use class::Class;

pub use cut::CutOff;
pub use spied::Spied;
pub use stack::Stacks;

/// Exceptions, told apart by who has to explain them.
pub struct Exceptions;

const EXCEPTION: Name = "python.exception";
const COMM: Name = "python.comm_exception";
const CONNECT: Name = "python.connect_exception";
const LAUNCHER: Name = "python.launcher_exception";
const DEVICE: Name = "python.device_exception";
const IGNORED: Name = "python.ignored_exception";

/// Begins a traceback, whatever the launcher puts around it.
const TRACEBACK: &str = "Traceback (most recent call last)";
/// Above the frames of a traceback.
const HEADER: &str = "Traceback (most recent call last):";

/// Lines above an exception that are searched for its frames.
const REACH: usize = 80;
/// Number of the error that there is no room, on Linux.
const ENOSPC: i64 = 28;
/// Lines of any writer above the first one of a traceback that are searched for what led to it: one call prints both.
const LEAD_IN: usize = 128;

/// Heads of lines that look like exceptions of Python: of Lustre's client in the kernel, of the GPU device plug-in, and what
/// conda prints where a shell knows no `conda activate` (conda 4.6 to 25, `conda/exceptions.py`): the script goes on.
const NO_EXCEPTIONS: [&str; 4] = ["LustreError", "XidCriticalError", "CommandNotFoundError", "CondaError"];

/// Longest message that is kept.
const MOST_MESSAGE: usize = 300;

/// How the names of exceptions end.
const ENDS: [&str; 13] = [
    "Error",
    "Exception",
    "Exit",
    "Interrupt",
    "Timeout",
    "Failure",
    "NotFound",
    "Iteration",
    "Died",
    "Crashed",
    "OutOfMemory",
    "OutOfResources",
    "ExceptionGroup",
];

impl Grammar for Exceptions {
    fn kinds(&self) -> &'static [Name] {
        &[EXCEPTION, COMM, CONNECT, LAUNCHER, DEVICE, IGNORED]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        Some(match kind {
            EXCEPTION => "a process raised an exception",
            COMM => "a process raised because its communication broke",
            CONNECT => "a process raised because it could not connect",
            LAUNCHER => "a launcher passed on that a process failed",
            DEVICE => "a process raised an error of its GPU",
            IGNORED => "an exception that ended nothing: Python dropped it, or a server refused a request by it",
            _ => return None,
        })
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[
            "Error",
            "Exception",
            "SystemExit",
            "Interrupt",
            "Timeout",
            "Failure",
            "NotFound",
            "Iteration",
            "Died",
            "Crashed",
            "OutOfResources",
            HEADER,
        ]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.str();
        if text.trim_end().ends_with(HEADER) {
            if let Some(line) = unusual_end(cursor) {
                self.told(&Cursor { block: cursor.block, line: line.clone() }, any_name(plain(&line.str())), out);
            } else if ignored::is_announced(cursor) {
                out.push(dropped(cursor));
            }
            return;
        }
        self.told(cursor, last_line(plain(&text)), out);
    }
}

impl Exceptions {
    /// What an exception's last line, type and message tell, and the frames above it.
    fn told(&self, cursor: &Cursor<'_>, last: Option<(&str, &str)>, out: &mut Vec<Event>) {
        let Some((kind, message)) = last else { return };
        if message.is_empty() && torn::is_torn(cursor, kind) {
            return;
        }
        let frame = Frames::above(cursor);
        let whole = frame.header || !frame.places.is_empty();
        if !whole && !convincing(kind) {
            return;
        }
        let uncaught = by_hook(cursor);
        if whole && !uncaught && (ignored::REFUSALS.contains(&kind) || ignored::is_ignored(cursor)) {
            out.push(dropped(cursor));
            return;
        }
        let rank = cursor.line.context.rank.or(frame.rank).or_else(|| own_rank(message));
        let message = without_rank(message, rank);
        let class = Class::of(kind, message);
        let mut fields = Fields::default();
        if let Some(rank) = rank {
            fields.set("rank", rank);
        }
        fields.set("type", kind.rsplit('.').next().unwrap_or(kind));
        fields.set("message", cut(message));
        fields.set("class", class.name());
        if let Some(number) = errno::number(message) {
            fields.set("errno", number);
            if number == ENOSPC && frame.makes_semaphore() {
                fields.set("full", "/dev/shm");
            }
        }
        fields.set("whole", whole);
        fields.set("uncaught", uncaught);
        if frame.chained || passed_on(kind, message) {
            fields.set("chained", true);
        }
        if let (Class::Comm, Some(collective)) = (class, frame.collective()) {
            fields.set("collective", collective);
        }
        if let Some((rank, node)) = &frame.record {
            fields.set("rank", *rank);
            fields.set("node", node.as_str());
        }
        if let Some(process) = frame.spawned {
            fields.set("local_rank", process);
            fields.set("spawned", true);
        }
        if let Some((file, line, func)) = frame.blamed() {
            fields.set("file", file.as_str());
            fields.set("line_no", *line);
            fields.set("func", func.as_str());
        }
        let connecting = errno::only_late(kind, message) && frame.connects();
        let never = connecting || errno::could_not_connect(kind, message);
        let (kind, says) = match class {
            Class::Comm if never && !frame.between_processes() => (CONNECT, Says::Failure),
            Class::Comm => (COMM, Says::Teardown),
            Class::Launcher => (LAUNCHER, Says::Teardown),
            // The lines of other formats tell what failed; but somebody has to explain it.
            Class::Device => (DEVICE, Says::Teardown),
            _ if passed_on(kind, message) => (EXCEPTION, Says::Teardown),
            _ => (EXCEPTION, Says::Failure),
        };
        out.push(Event::on(cursor, &cursor.line, kind, says, fields));
    }
}

/// What a line of an exception tells that ended nothing.
fn dropped(cursor: &Cursor<'_>) -> Event {
    Event::on(cursor, &cursor.line, IGNORED, Says::Info, Fields::default())
}

/// The last line of the traceback that begins here, where its exception is called as no other: `queue.Empty`, `gaierror`.
fn unusual_end<'a>(cursor: &Cursor<'a>) -> Option<Line<'a>> {
    let mut frames = 0;
    for line in cursor.stream().take(REACH) {
        let text = line.str();
        if frame(&text).is_some() {
            frames += 1;
        } else if frames > 0 && !text.starts_with(|c: char| c.is_whitespace() || "|│".contains(c)) {
            let text = plain(&text);
            // Half a name is none: `torch.cuda.OutOfM`.
            let whole = !cursor.breaks_off_in(&line);
            return (whole && last_line(text).is_none() && any_name(text).is_some()).then(|| line.clone());
        }
    }
    None
}

/// Type and message, whatever the type is called: dotted, or in CamelCase.
fn any_name(text: &str) -> Option<(&str, &str)> {
    let (name, message) = text.split_once(": ").unwrap_or((text.trim_end_matches(':'), ""));
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let camel = name.starts_with(|c: char| c.is_ascii_uppercase()) && name.bytes().any(|b| b.is_ascii_lowercase());
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (begins && (camel || name.contains('.')) && name.split('.').all(part)).then_some((name, message))
}

/// Whether torch's hook for exceptions that nobody caught printed a line: it puts `[rank3]: ` in front
/// (v2.2 on `torch/distributed/__init__.py`: `_rank_excepthook`). Other programs name a rank in other ways.
fn by_hook(cursor: &Cursor<'_>) -> bool {
    let tag = |rank: i64| format!("[rank{rank}]:");
    cursor.line.context.rank.is_some_and(|rank| memchr::memmem::find(cursor.line.raw, tag(rank).as_bytes()).is_some())
}

/// The line without indentation, the bars of exception groups, the boxes of rich and loguru, and pytest's mark of what
/// was raised: `E` in the first column, and the text behind at least three blanks.
fn plain(text: &str) -> &str {
    let text = text.strip_prefix("E   ").unwrap_or(text);
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '|' | '│' | '╰' | '─' | '└' | '+'))
}

/// Type and message, where the line is the last one of a traceback: a dotted name in CamelCase that ends as exceptions
/// do, alone or with a message.
fn last_line(text: &str) -> Option<(&str, &str)> {
    let (kind, message) = match text.split_once(':') {
        Some((kind, "")) => (kind, ""),
        Some((kind, rest)) => (kind, rest.strip_prefix(' ')?),
        None => (text, ""),
    };
    let short = kind.rsplit('.').next()?;
    let named = is_exception(kind) && short.bytes().any(|b| b.is_ascii_lowercase());
    (named && !NO_EXCEPTIONS.contains(&kind) && !message.starts_with("ignored in")).then_some((kind, message))
}

/// Whether a name is one of an exception: `torch.cuda.OutOfMemoryError`, `RayTaskError(ValueError)`.
fn is_exception(kind: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let (name, cause) = match kind.strip_suffix(')') {
        Some(open) => open.split_once('(').map_or((kind, None), |(name, cause)| (name, Some(cause))),
        None => (kind, None),
    };
    let (modules, last) = name.rsplit_once('.').map_or((None, name), |(modules, last)| (Some(modules), last));
    let begins = |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let camel = |head: &str| head.is_empty() || head.starts_with(|c: char| c.is_ascii_uppercase());
    ENDS.iter().any(|end| last.strip_suffix(end).is_some_and(camel))
        && last.bytes().all(word)
        && modules.is_none_or(|modules| modules.split('.').all(|part| begins(part) && part.bytes().all(word)))
        && cause.is_none_or(|cause| !cause.is_empty() && cause.bytes().all(|b| word(b) || b == b'.'))
}

/// Whether a name alone, with no frames above it, is an exception and not a word in a log.
fn convincing(kind: &str) -> bool {
    let short = kind.rsplit('.').next().unwrap_or(kind);
    let ends = short.ends_with("Error") || short.ends_with("Exception");
    // Two modules and more in front are those of a package.
    let packaged = kind.matches('.').count() > 1 && !kind.ends_with(')');
    packaged || ends && short != "Error" && short != "Exception"
}

/// `KeyError: Caught KeyError in DataLoader worker process 0.`: the original follows, with what it says.
/// torch/_utils.py: `ExceptionWrapper.reraise`.
fn passed_on(kind: &str, message: &str) -> bool {
    let short = kind.rsplit('.').next().unwrap_or(kind);
    message.strip_prefix("Caught ").and_then(|rest| rest.strip_prefix(short)).is_some_and(|rest| rest.starts_with(' '))
}

/// How programs put their rank in front of what they say.
const TAGS: [(&str, &str); 5] = [("[", "]"), ("[rank ", "]"), ("[Rank ", "]"), ("rank ", ":"), ("Rank ", ":")];

/// The rank that a message begins with, in words that leave no doubt.
fn own_rank(message: &str) -> Option<i64> {
    TAGS[1..].iter().find_map(|(begin, end)| message.strip_prefix(begin)?.split_once(end)?.0.parse().ok())
}

/// A message without the rank that a program puts in front of what it says: all ranks say the same then.
fn without_rank(message: &str, rank: Option<i64>) -> &str {
    let Some(rank) = rank else { return message };
    let number = rank.to_string();
    let behind = |(begin, end): &(&str, &str)| message.strip_prefix(begin)?.strip_prefix(&*number)?.strip_prefix(end);
    let rest = TAGS.iter().find_map(behind);
    rest.map(|rest| rest.trim_start_matches([':', ' '])).filter(|rest| !rest.is_empty()).unwrap_or(message)
}

fn cut(message: &str) -> &str {
    match message.char_indices().nth(MOST_MESSAGE) {
        Some((at, _)) => &message[..at],
        None => message,
    }
}

/// What stands above an exception line.
#[derive(Default)]
struct Frames {
    places: Vec<(String, i64, String)>,
    header: bool,
    chained: bool,
    /// Index of the process that `torch.multiprocessing.spawn` says raised it.
    spawned: Option<i64>,
    /// Rank and host of torchrun's record that quotes it.
    record: Option<(i64, String)>,
    /// The rank of the message that the traceback stands in, which a logger names in its first line only.
    rank: Option<i64>,
}

impl Frames {
    fn above(cursor: &Cursor<'_>) -> Self {
        let mut frames = Self::default();
        let (mut since_header, mut outermost) = (0, None);
        let mut above = cursor.stream_before(REACH * 8);
        for _ in 0..REACH {
            let Some(line) = above.next() else { break };
            let text = line.str();
            if frames.header {
                since_header += 1;
                frames.chained |= text.contains("The above exception was the direct cause");
                frames.spawned = frames.spawned.or_else(|| spawned(&text));
                if since_header > 2 {
                    break;
                }
            } else if text.contains(TRACEBACK) {
                frames.header = true;
                above.limit(LEAD_IN);
                if text.trim_start().starts_with("traceback : ") {
                    frames.record = record(cursor, &line);
                    break;
                }
            } else if let Some(place) = frame(&text) {
                frames.places.push(place);
                outermost = Some(line.clone());
            } else if last_line(plain(&text)).is_some_and(|(kind, _)| convincing(kind)) {
                break;
            }
        }
        if let Some(line) = outermost.filter(|line| !frames.header && line.context.is_nameless()) {
            let above = Cursor { block: cursor.block, line }.preceding().next();
            let header = above.filter(|line| line.text.ends_with(HEADER.as_bytes()));
            frames.header = header.is_some();
            frames.rank = header.and_then(|line| line.context.rank);
        }
        frames
    }

    /// The collective that the program called: the outermost frame in torch's module of collectives, or the backward pass, in
    /// which DDP reduces the gradients.
    fn collective(&self) -> Option<&str> {
        let in_torch =
            |file: &str| file.ends_with("distributed_c10d.py") || file.ends_with("torch/autograd/__init__.py");
        let calls = self.places.iter().rev().find(|place| in_torch(&place.0));
        calls.map(|place| place.2.as_str())
    }

    /// Whether it comes out of what Python's library carries between processes of a host; torch's `spawn` only starts them.
    fn between_processes(&self) -> bool {
        self.places
            .iter()
            .any(|(file, ..)| file.contains("/multiprocessing/") && !file.contains("torch/multiprocessing/"))
    }

    /// Whether the innermost frame is where Python's library makes a connection.
    fn connects(&self) -> bool {
        self.places.first().is_some_and(|(file, _, func)| {
            file.ends_with("/socket.py") && matches!(func.as_str(), "create_connection" | "connect")
        })
    }

    /// Whether the innermost frame is where Python's library makes a lock of several processes: a file of `/dev/shm`.
    fn makes_semaphore(&self) -> bool {
        self.places.first().is_some_and(|(file, ..)| file.ends_with("/multiprocessing/synchronize.py"))
    }

    /// The innermost frame of the program itself; else the innermost one.
    fn blamed(&self) -> Option<&(String, i64, String)> {
        const LIBRARIES: [&str; 5] = ["site-packages", "dist-packages", "/lib/python", "<frozen", "<string>"];
        let own = |place: &&(String, i64, String)| !LIBRARIES.iter().any(|part| place.0.contains(part));
        self.places.iter().find(own).or_else(|| self.places.first())
    }
}

/// Rank and host in torchrun's record around the line `  traceback : …`.
fn record(cursor: &Cursor<'_>, line: &Line<'_>) -> Option<(i64, String)> {
    let above = Cursor { block: cursor.block, line: line.clone() };
    let (mut rank, mut host) = (None, String::new());
    for line in above.preceding().take(elastic::REACH) {
        match elastic::key_value(&line.str()) {
            Some(("rank", value)) => rank = value.split_whitespace().next().and_then(|rank| rank.parse().ok()),
            Some(("host", value)) => value.clone_into(&mut host),
            Some(_) => {}
            None => break,
        }
    }
    rank.map(|rank| (rank, host))
}

/// `-- Process 3 terminated with the following error:`, `torch/multiprocessing/spawn.py`, v1.1 on.
fn spawned(text: &str) -> Option<i64> {
    let (index, rest) = text.split_once("-- Process ")?.1.split_once(' ')?;
    rest.starts_with("terminated with the following error").then(|| index.parse().ok())?
}

/// File, line and function in `File "train.py", line 12, in main`; the function may be missing.
fn frame(text: &str) -> Option<(String, i64, String)> {
    const START: &str = "File \"";
    text.match_indices(START).find_map(|(at, _)| {
        let (file, rest) = text[at + START.len()..].split_once('"').filter(|(file, _)| !file.is_empty())?;
        let rest = rest.strip_prefix(", line ")?;
        let (number, rest) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
        let func = rest.strip_prefix(", in ").and_then(|name| name.split(char::is_whitespace).next());
        Some((file.to_owned(), number.parse().ok()?, func.unwrap_or_default().to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::{ENDS, NO_EXCEPTIONS, last_line};
    use crate::dice::Dice;
    use crate::lint;
    use crate::{Catalogue, Event, Scanner};

    pub(super) fn exceptions(log: &str) -> Vec<Event> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        lint::read(&scanner, log).into_iter().filter(|event| event.kind.starts_with("python.")).collect()
    }

    #[test]
    fn a_name_within_a_package_needs_no_traceback() {
        let count = |line: &str| exceptions(line).len();
        assert_eq!(
            count("triton.runtime.errors.OutOfResources: shared memory, Required: 66560, Hardware limit: 65536\n"),
            1
        );
        assert_eq!(count("rpc.Timeout: gave up\nTimeout: gave up\n"), 0);
    }

    #[test]
    fn the_last_line_is_told_by_its_shape() {
        let shape = format!(
            r"^(?P<type>(?:[A-Za-z_][A-Za-z0-9_]*\.)*(?:[A-Z][A-Za-z0-9_]*)?(?:{})(?:\([A-Za-z0-9_.]+\))?)(?::(?: (?P<message>.*))?)?$",
            ENDS.join("|")
        );
        let shape = regex::Regex::new(&shape).unwrap();
        let parts = [". . a Z _ 9 é ( ) : : ERR x1 Key torch.cuda. py.", &ENDS.join(" ")].join(" ");
        let mut parts: Vec<&str> = parts.split(' ').collect();
        parts.extend([" ", ": ", "ignored in ", "LustreError", "ValueError", "RayTaskError(", "\u{2028}", "\r"]);
        let (mut dice, mut named) = (Dice(5), 0);
        for _ in 0..200_000 {
            let text: String = (0..1 + dice.below(6)).map(|_| dice.one(&parts)).collect();
            let found = shape.captures(&text);
            let group = |name: &str| found.as_ref().and_then(|found| found.name(name)).map_or("", |part| part.as_str());
            let (kind, message) = (group("type"), group("message"));
            let short = kind.rsplit('.').next().unwrap_or_default();
            let lower = short.bytes().any(|b| b.is_ascii_lowercase());
            let known = lower && !NO_EXCEPTIONS.contains(&kind) && !message.starts_with("ignored in");
            assert_eq!(last_line(&text), known.then_some((kind, message)), "{text:?}");
            named += usize::from(known);
        }
        assert!(named > 10_000, "only {named} of the texts are exceptions");
    }

    #[test]
    fn a_socket_whose_time_is_up_while_it_connects_could_not_connect() {
        let kinds = |func: &str| {
            let log = format!(
                "[rank2]: Traceback (most recent call last):\n\
                 [rank2]:   File \"/srv/train/store.py\", line 12, in fetch\n\
                 [rank2]:   File \"/usr/lib/python3.11/socket.py\", line 836, in {func}\n\
                 [rank2]: TimeoutError: timed out\n"
            );
            exceptions(&log).into_iter().map(|event| event.kind).collect::<Vec<_>>()
        };
        assert_eq!(kinds("create_connection"), ["python.connect_exception"]);
        assert_eq!(kinds("readinto"), ["python.comm_exception"]);
    }

    #[test]
    fn a_process_that_torch_spawned_connects_to_another_host() {
        let kinds = |package: &str| {
            let log = format!(
                "Traceback (most recent call last):\n\
                 \x20 File \"/usr/lib/python3.11/{package}/spawn.py\", line 20, in _wrap\n\
                 \x20 File \"/srv/train/main.py\", line 12, in main\n\
                 ConnectionRefusedError: [Errno 111] Connection refused\n"
            );
            exceptions(&log).into_iter().map(|event| event.kind).collect::<Vec<_>>()
        };
        assert_eq!(kinds("site-packages/torch/multiprocessing"), ["python.connect_exception"]);
        assert_eq!(kinds("multiprocessing"), ["python.comm_exception"]);
    }

    #[test]
    fn a_traceback_names_the_innermost_frame_of_the_program() {
        let log = "\
[rank2]: Traceback (most recent call last):
[rank0]: Traceback (most recent call last):
[rank2]:   File \"/workspace/train.py\", line 31, in step
[rank2]:     loss = model(batch['labels'])
[rank0]:   File \"/workspace/train.py\", line 40, in sync
[rank2]:   File \"/usr/lib/python3.11/site-packages/x.py\", line 9, in get
[rank0]: RuntimeError: [pair.cc:534] Connection closed by peer [10.0.0.1]:1
[rank2]: KeyError: 'labels'
";
        let found = exceptions(log);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].kind, found[0].fields.int("rank")), ("python.comm_exception", Some(0)));
        let error = &found[1].fields;
        assert_eq!(
            (error.text("type"), error.text("func"), error.int("rank")),
            (Some("KeyError"), Some("step"), Some(2))
        );
        assert_eq!(found[1].line, 8);
    }

    #[test]
    fn torchruns_record_tells_whose_traceback_it_quotes() {
        let log = "\
[1]:
  time      : 2026-05-04_03:12:40
  host      : gpu-17
  rank      : 2 (local_rank: 2)
  exitcode  : 1 (pid: 4123)
  error_file: /tmp/torchelastic/attempt_0/2/error.json
  traceback : Traceback (most recent call last):
    File \"/workspace/train.py\", line 31, in step
      loss = model(batch['labels'])
  KeyError: 'labels'
";
        let found = exceptions(log);
        assert_eq!(found.len(), 1);
        let fields = &found[0].fields;
        assert_eq!((fields.int("rank"), fields.text("node")), (Some(2), Some("gpu-17")));
    }

    #[test]
    fn the_rank_in_front_of_a_message_is_no_part_of_it() {
        let told = |line: &str| exceptions(line)[0].fields.get("message").cloned();
        let shape = Some("the shape does not fit".into());
        assert_eq!(told("[rank3]: ValueError: [3]: the shape does not fit\n"), shape);
        assert_eq!(told("[rank3]: ValueError: Rank 3: the shape does not fit\n"), shape);
        assert_eq!(told("[rank3]: ValueError: [4]: it does not fit\n"), Some("[4]: it does not fit".into()));
        assert_eq!(told("[rank3]: KeyError: [3]\n"), Some("[3]".into()));
    }

    #[test]
    fn a_message_that_begins_with_a_rank_tells_whose_it_is() {
        let told = |line: &str| exceptions(line)[0].fields.clone();
        let fields = told("AssertionError: Rank 11: found NaN in local grad norm\n");
        assert_eq!((fields.int("rank"), fields.text("message")), (Some(11), Some("found NaN in local grad norm")));
        assert_eq!(told("ValueError: [4]: it does not fit\n").int("rank"), None);
        assert_eq!(told("ValueError: Rank must be one: it is 3\n").int("rank"), None);
    }

    #[test]
    fn a_broken_collective_is_named() {
        let log = "\
[rank1]: Traceback (most recent call last):
[rank1]:   File \"/workspace/train.py\", line 31, in step
[rank1]:   File \"/venv/torch/distributed/distributed_c10d.py\", line 3000, in all_gather_object
[rank1]:   File \"/venv/torch/distributed/distributed_c10d.py\", line 2815, in all_gather
[rank1]: RuntimeError: [../third_party/gloo/gloo/transport/tcp/unbound_buffer.cc:81] Timed out waiting 10000ms for recv operation to complete
";
        assert_eq!(exceptions(log)[0].fields.text("collective"), Some("all_gather_object"));
    }

    #[test]
    fn the_wrapper_of_a_chain_is_marked() {
        let log = "\
Traceback (most recent call last):
  File \"a.py\", line 1, in f
ValueError: bad token

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File \"b.py\", line 2, in g
MyError: while reading
";
        let found = exceptions(log);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].fields.get("chained"), None);
        assert_eq!(found[1].fields.get("chained"), Some(&true.into()));
    }

    #[test]
    fn what_pytest_marks_as_raised_is_an_exception() {
        let log = "\
[2026-05-04T03:12:41Z] >       raise TypeError(\"unsupported dtype\")
[2026-05-04T03:12:41Z] E       TypeError: unsupported dtype
[2026-05-04T03:12:41Z] kernels.py:87: TypeError
";
        let found = exceptions(log);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].line, found[0].fields.text("message")), (2, Some("unsupported dtype")));
    }

    #[test]
    fn what_a_loader_passes_on_is_marked_and_the_original_is_not() {
        let log = "\
Traceback (most recent call last):
  File \"train.py\", line 8, in main
KeyError: Caught KeyError in DataLoader worker process 0.
Original Traceback (most recent call last):
  File \"data.py\", line 3, in __getitem__
KeyError: 'labels'
";
        let found = exceptions(log);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].fields.get("chained"), Some(&true.into()));
        assert_eq!((found[1].fields.get("chained"), found[1].fields.text("func")), (None, Some("__getitem__")));
    }

    #[test]
    fn a_spawned_process_is_named_by_its_index() {
        let log = "\
torch.multiprocessing.spawn.ProcessRaisedException: 

-- Process 3 terminated with the following error:
Traceback (most recent call last):
  File \"train.py\", line 8, in main
KeyError: 'labels'
";
        let found = exceptions(log);
        assert_eq!(
            found.iter().map(|event| event.kind).collect::<Vec<_>>(),
            ["python.launcher_exception", "python.exception"]
        );
        assert_eq!(found[1].fields.int("local_rank"), Some(3));
    }

    #[test]
    fn a_traceback_is_an_exception_whatever_it_is_called() {
        let log = "\
[rank2]: Traceback (most recent call last):
[rank2]:   File \"train.py\", line 31, in step
[rank2]:     batch = next(batches)
[rank2]: queue.Empty
[rank0]: Traceback (most recent call last):
[rank0]:   File \"train.py\", line 9, in main
[rank0]: socket.gaierror: [Errno -2] Name or service not known
Traceback (most recent call last):
  File \"train.py\", line 9, in main
INFO: saved
";
        let found = exceptions(log);
        let told = |event: &Event| (event.kind, event.fields.int("rank"), event.line);
        assert_eq!(
            found.iter().map(told).collect::<Vec<_>>(),
            [("python.exception", Some(2), 4), ("python.connect_exception", Some(0), 7)]
        );
        assert_eq!((found[0].fields.text("type"), found[1].fields.int("errno")), (Some("Empty"), Some(-2)));
    }

    #[test]
    fn words_in_a_log_are_no_exceptions() {
        assert!(
            exceptions("ERROR: it failed\nException ignored in: <function f>\nRetrying after Timeout\n").is_empty()
        );
    }
}
