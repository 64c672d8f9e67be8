//! Stacks of running processes: `faulthandler` and `py-spy dump`.

use super::frame;
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// Stacks that tell where a process was.
pub struct Stacks;

const STACK: Name = "python.stack";

/// Frames of a stack that are read.
const MOST_FRAMES: usize = 60;

/// Functions of `torch.distributed` in which a rank waits for others.
const COLLECTIVES: [&str; 12] = [
    "all_reduce",
    "barrier",
    "broadcast",
    "all_gather",
    "_all_gather_base",
    "reduce_scatter",
    "_reduce_scatter_base",
    "all_to_all",
    "recv",
    "send",
    "wait",
    "all_gather_into_tensor",
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

/// How many frames from the top tell what a process does.
const TOP_FRAMES: usize = 4;

impl Grammar for Stacks {
    fn kinds(&self) -> &'static [Name] {
        &[STACK]
    }

    fn about(&self, _: &str) -> Option<&'static str> {
        Some("a process was asked where it is")
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["(most recent call first)"]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let mut top = None;
        let mut waits = false;
        let mut reads = false;
        for (depth, line) in cursor.stream().take(MOST_FRAMES).enumerate() {
            let text = line.str();
            let Some((file, number, mut func)) = frame(&text) else { break };
            if func.is_empty() {
                func = text.rsplit(" in ").next().unwrap_or_default().trim().to_owned();
            }
            waits |= COLLECTIVES.contains(&func.as_str()) && file.contains("distributed");
            reads |= depth < TOP_FRAMES && STORAGE.iter().any(|module| file.contains(module));
            top.get_or_insert((file, number, func, line.clone()));
        }
        let Some((file, number, func, line)) = top else { return };
        let mut fields = Fields::default();
        fields.set("file", file);
        fields.set("line_no", number);
        fields.set("func", func);
        fields.set("in_collective", waits);
        fields.set("in_storage", reads && !waits);
        out.push(Event::on(cursor, &line, STACK, Says::Info, fields));
    }
}
