//! Stacks of running processes: `faulthandler`, `py-spy dump` and `pystack`.

use super::frame;
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// Stacks that tell where a process was.
pub struct Stacks;

pub(super) const STACK: Name = "python.stack";

/// Frames of a stack that are read.
const MOST_FRAMES: usize = 60;

/// Lines before a stack among which py-spy names its process.
const MOST_BEFORE: usize = 400;

/// Functions of `torch.distributed` in which a rank waits for others.
const COLLECTIVES: [&str; 24] = [
    "all_reduce",
    "barrier",
    "broadcast",
    "reduce",
    "gather",
    "scatter",
    "all_gather",
    "_all_gather_base",
    "reduce_scatter",
    "_reduce_scatter_base",
    "all_to_all",
    "all_to_all_single",
    "recv",
    "send",
    "batch_isend_irecv",
    "wait",
    "all_gather_into_tensor",
    "all_gather_coalesced",
    "reduce_scatter_tensor",
    "all_gather_object",
    "gather_object",
    "broadcast_object_list",
    "monitored_barrier",
    "_store_based_barrier",
];

/// Modules that read or write files and objects; a process that stands in one of them waits for storage.
const STORAGE: [&str; 22] = [
    "/fsspec/",
    "/s3fs/",
    "/boto",
    "/gcsfs/",
    "/adlfs/",
    "/h5py/",
    "/lmdb",
    "/zarr/",
    "/pathlib",
    "/pyarrow/",
    "/safetensors/",
    "/torch/serialization.py",
    "/webdataset/",
    "/tarfile.py",
    "/zipfile",
    "/gzip.py",
    "/shutil.py",
    "/os.py",
    "/genericpath.py",
    "/numpy/lib/",
    "/mmap",
    "/streaming/",
];

/// Modules that feed a step with data.
const DATA: [&str; 4] = ["/torch/utils/data/", "/datasets/", "/tokenizers/", "/torchdata/"];

/// Parts of paths that are no program's own; py-spy leaves the folder of Python's own modules out.
const LIBRARY: [&str; 12] = [
    "/torch/",
    "/lib/python",
    "site-packages",
    "importlib",
    "<frozen",
    "/multiprocessing/",
    "/concurrent/",
    "/threading.py",
    "/queue.py",
    "/selectors.py",
    "/socket.py",
    "/subprocess.py",
];

/// How many frames from the top tell what a process does.
const TOP_FRAMES: usize = 4;

/// What the frames of a thread tell, the innermost first.
#[derive(Debug, Default)]
pub(super) struct Place {
    top: Option<(String, i64, String)>,
    /// The innermost frame of the program itself.
    program: Option<(String, i64, String)>,
    depth: usize,
    waits: bool,
    storage: bool,
    data: bool,
}

impl Place {
    /// Takes the next outer frame.
    pub(super) fn add(&mut self, file: &str, line: i64, func: &str) {
        // py-spy shortens `/…/site-packages/torch/x.py` to `torch/x.py`.
        let path = format!("/{file}");
        // Newer ones write the qualified name: `Work.wait`.
        let name = func.rsplit('.').next().unwrap_or(func);
        self.waits |= COLLECTIVES.contains(&name) && path.contains("distributed");
        self.storage |= self.depth < TOP_FRAMES && STORAGE.iter().any(|module| path.contains(module));
        self.data |= DATA.iter().any(|module| path.contains(module));
        self.depth += 1;
        let frame = || (file.to_owned(), line, func.to_owned());
        self.top.get_or_insert_with(frame);
        if !LIBRARY.iter().any(|part| path.contains(part)) && self.program.is_none() {
            self.program = Some(frame());
        }
    }

    /// The fields of the event; none where there was no frame.
    pub(super) fn fields(self) -> Option<Fields> {
        let (file, number, func) = self.top?;
        let mut fields = Fields::default();
        fields.set("file", file);
        fields.set("line_no", number);
        fields.set("func", func);
        fields.set("in_collective", self.waits);
        fields.set("in_storage", self.storage && !self.waits);
        fields.set("in_data", self.data && !self.waits);
        if let Some((file, line, func)) = self.program {
            fields.set("at_program", format!("{func} ({file}:{line})"));
        }
        Some(fields)
    }
}

/// The rank that a command line tells: `--rank 3`, `--node_rank` is none; `RANK=3`.
pub(super) fn rank_of(command: &str) -> Option<(Name, i64)> {
    let mut words = command.split([' ', '=', '\0']).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let name = match word.trim_start_matches('-').replace('-', "_").to_ascii_lowercase().as_str() {
            "rank" | "global_rank" => "rank",
            "local_rank" => "local_rank",
            _ => continue,
        };
        if let Some(rank) = words.next().and_then(|number| number.parse().ok()).filter(|rank| *rank < 1 << 20) {
            return Some((name, rank));
        }
    }
    None
}

impl Grammar for Stacks {
    fn kinds(&self) -> &'static [Name] {
        &[STACK]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        (kind == STACK).then_some("a process was asked where it is")
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["(most recent call first)", "\"MainThread\""]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = cursor.line.str();
        let spied = text.trim_start().starts_with("Thread ") && text.contains("\"MainThread\"");
        if !spied && !text.contains("(most recent call first)") {
            return;
        }
        let mut place = Place::default();
        let mut first: Option<Line<'_>> = None;
        for line in cursor.stream().take(MOST_FRAMES) {
            let text = line.str();
            let found = if spied { spied_frame(&text) } else { written_frame(&text) };
            let Some((file, number, func)) = found else {
                // py-spy shows local variables, and frames of native code, between frames.
                if spied && text.starts_with("        ") {
                    continue;
                }
                break;
            };
            place.add(&file, number, &func);
            first.get_or_insert_with(|| line.clone());
        }
        let (Some(line), Some(mut fields)) = (first, place.fields()) else { return };
        if spied {
            process(cursor, &mut fields);
        }
        out.push(Event::on(cursor, &line, STACK, Says::Info, fields));
    }
}

/// `  File "x.py", line 3 in func`, as faulthandler writes it.
fn written_frame(text: &str) -> Option<(String, i64, String)> {
    let (file, number, mut func) = frame(text)?;
    if func.is_empty() {
        func = text.rsplit(" in ").next().unwrap_or_default().trim().to_owned();
    }
    Some((file, number, func))
}

/// `    func (file.py:31)`, as py-spy writes it; native frames have no line.
fn spied_frame(text: &str) -> Option<(String, i64, String)> {
    let inner = text.strip_prefix("    ").filter(|inner| !inner.starts_with(' '))?.trim_end().strip_suffix(')')?;
    let (func, place) = inner.rsplit_once(" (")?;
    match place.rsplit_once(':') {
        Some((file, line)) => Some((file.to_owned(), line.parse().ok()?, func.to_owned())),
        None => Some((place.to_owned(), 0, func.to_owned())),
    }
}

/// py-spy names the process above its threads: `Process 4121: python train.py --local_rank 3`.
fn process(cursor: &Cursor<'_>, fields: &mut Fields) {
    for line in cursor.stream_before(MOST_BEFORE) {
        let text = line.str();
        let Some(rest) = text.strip_prefix("Process ") else { continue };
        let Some((pid, command)) = rest.split_once(':') else { continue };
        let Ok(pid) = pid.trim().parse::<i64>() else { continue };
        fields.set("pid", pid);
        if let Some((name, rank)) = rank_of(command) {
            fields.set(name, rank);
        }
        return;
    }
}

#[cfg(test)]
mod tests {
    use crate::{Catalogue, Event, Scanner, lint};

    fn stacks(log: &str) -> Vec<Event> {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        lint::read(&scanner, log).into_iter().filter(|event| event.kind == super::STACK).collect()
    }

    #[test]
    fn py_spy_tells_the_main_thread_of_each_process() {
        let log = "\
Process 4121: python -u train.py --local_rank 0
Python v3.11.7 (/usr/bin/python3.11)

Thread 4121 (active): \"MainThread\"
    wait (torch/distributed/distributed_c10d.py:812)
    all_reduce (torch/distributed/distributed_c10d.py:2815)
    main (train.py:76)
    <module> (train.py:131)
Thread 4190 (idle): \"Thread-1\"
    wait (threading.py:331)
Process 4122: python -u train.py --local_rank 1
Python v3.11.7 (/usr/bin/python3.11)

Thread 4122 (idle): \"MainThread\"
    poll (multiprocessing/popen_fork.py:27)
        Arguments:
            self: <Popen at 0x7f0000000000>
    _get_data (torch/utils/data/dataloader.py:1133)
    main (train.py:70)
";
        let found = stacks(log);
        let told: Vec<_> = found
            .iter()
            .map(|event| {
                (event.fields.int("pid"), event.fields.int("local_rank"), event.line, event.fields.text("at_program"))
            })
            .collect();
        assert_eq!(
            told,
            [
                (Some(4121), Some(0), 5, Some("main (train.py:76)")),
                (Some(4122), Some(1), 15, Some("main (train.py:70)"))
            ]
        );
        let truth = |event: &Event, name: &str| event.fields.get(name).cloned() == Some(true.into());
        assert!(truth(&found[0], "in_collective") && !truth(&found[0], "in_data"));
        assert!(!truth(&found[1], "in_collective") && truth(&found[1], "in_data"));
    }

    #[test]
    fn a_command_line_may_tell_the_rank() {
        for (command, want) in [
            (" python train.py --rank 3", Some(("rank", 3))),
            (" python train.py --local-rank=2 --x", Some(("local_rank", 2))),
            (" env RANK=7 python x.py", Some(("rank", 7))),
            (" python train.py --node_rank 1", None),
            (" python train.py --rank", None),
        ] {
            assert_eq!(super::rank_of(command), want, "{command}");
        }
    }
}
