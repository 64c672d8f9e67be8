//! What the inputs name: arguments to sources, folders walked, globs resolved, each file once.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::cluster::Held;
use super::fence::Fence;
use super::order::natural;
use crate::case::{self, Standing};
use crate::error::Error;

/// Folders within folders; deeper ones are not walked.
const DEEPEST: usize = 64;

/// Most files of one run.
const MOST_FILES: usize = 1_000_000;

/// Something that can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// Name for people: the path as given.
    pub(super) name: String,
    /// What stands behind it.
    pub(super) at: Place,
    /// The digest that its bytes must have, where it comes from a case.
    pub(super) digest: Option<String>,
}

/// What stands behind a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Standard input.
    Input,
    /// A file of so many bytes.
    File(PathBuf, u64),
    /// A pipe with a name: its size is not known, and somebody has to write to it.
    Pipe(PathBuf),
    /// Bytes that were fetched.
    Held(Vec<u8>),
}

impl Source {
    /// Bytes to be read, where known.
    pub(super) fn size(&self) -> Option<u64> {
        match &self.at {
            Place::File(_, size) if *size > 0 => Some(*size),
            Place::Held(bytes) => Some(bytes.len() as u64),
            _ => None,
        }
    }
}

/// What is to be read.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// Texts that were fetched.
    pub held: Vec<Held>,
    /// Files, folders, globs, archives, cases, `-` for standard input.
    pub inputs: &'a [String],
    /// Where those must lie, when somebody names them who may not name everything: then there are no globs, no pipes and no `-`.
    pub fence: Option<&'a Fence>,
}

impl<'a> Wanted<'a> {
    /// Whatever the inputs name, wherever it lies.
    #[must_use]
    pub fn inputs(inputs: &'a [String]) -> Self {
        Self { held: Vec::new(), inputs, fence: None }
    }
}

/// What was fetched, then the sources that the inputs name, each once, and what is wrong with the others. A folder is passed
/// over.
pub(super) fn find(wanted: Wanted<'_>, except: Option<&Path>) -> (Vec<Source>, Vec<Error>) {
    let Wanted { held, inputs, fence } = wanted;
    let except = except.and_then(|path| fs::metadata(path).ok()).map(|about| (about.dev(), about.ino()));
    let alone = held.is_empty() && inputs.len() == 1;
    let found = held.into_iter().map(|held| source(held.name, Place::Held(held.bytes))).collect();
    let mut walk = Walk { found, wrong: Vec::new(), seen: HashSet::new(), except, alone, fence };
    for input in inputs {
        walk.input(input);
    }
    (walk.found, walk.wrong)
}

/// Whether the inputs are one case and nothing else.
pub(super) fn is_case(inputs: &[String]) -> bool {
    matches!(inputs, [input] if case::standing(Path::new(input)) != Standing::Other)
}

struct Walk<'a> {
    found: Vec<Source>,
    wrong: Vec<Error>,
    seen: HashSet<(u64, u64)>,
    except: Option<(u64, u64)>,
    /// Whether there is one input only.
    alone: bool,
    fence: Option<&'a Fence>,
}

impl Walk<'_> {
    fn input(&mut self, input: &str) {
        let path = Path::new(input);
        if self.fence.is_some() {
            self.visit(path, 0);
        } else if input == "-" {
            if !self.found.iter().any(|source| source.at == Place::Input) {
                self.found.push(source("-".to_owned(), Place::Input));
            }
        } else if input.contains(['*', '?', '[']) && fs::symlink_metadata(path).is_err() {
            self.pattern(input);
        } else {
            let before = (self.found.len(), self.wrong.len());
            self.visit(path, 0);
            if (self.found.len(), self.wrong.len()) == before {
                self.wrong.push(Error::new("input.none", input, "there is no file in this folder"));
            }
        }
    }

    fn pattern(&mut self, pattern: &str) {
        let options = glob::MatchOptions { require_literal_leading_dot: true, ..Default::default() };
        let paths = match glob::glob_with(pattern, options) {
            Ok(paths) => paths,
            Err(error) => return self.wrong.push(Error::new("input.pattern", pattern, error.msg)),
        };
        let mut paths: Vec<PathBuf> = paths.filter_map(Result::ok).take(MOST_FILES).collect();
        if paths.is_empty() {
            let error = Error::new("input.missing", pattern, "no file has a name like this");
            return self.wrong.push(error.with_way_on("see what is there with `ls`"));
        }
        sort(&mut paths);
        paths.iter().for_each(|path| self.visit(path, 0));
    }

    fn visit(&mut self, path: &Path, depth: usize) {
        let name = path.display().to_string();
        if let Some(error) = self.fence.and_then(|fence| fence.refuses(path)) {
            return self.wrong.push(error);
        }
        let about = match fs::metadata(path) {
            Ok(about) => about,
            Err(error) => return self.wrong.push(missing(path, &name, &error)),
        };
        let kind = about.file_type();
        if self.except == Some((about.dev(), about.ino())) {
            let error = Error::new("input.case", name, "is the case itself; not collected");
            return self.wrong.push(error);
        }
        if !kind.is_fifo() && !kind.is_char_device() && !self.seen.insert((about.dev(), about.ino())) {
            let error = Error::new("input.repeated", name, "was named before under this or another name; read once");
            return self.wrong.push(error);
        }
        if kind.is_dir() && case::standing(path) != Standing::Other {
            self.case(path, &name, depth);
        } else if kind.is_dir() {
            self.folder(path, &name, depth);
        } else if self.found.len() >= MOST_FILES {
            self.wrong.push(Error::new("input.many", name, format!("only the first {MOST_FILES} files are read")));
        } else if kind.is_fifo() && depth == 0 && self.fence.is_none() {
            self.found.push(source(name, Place::Pipe(path.to_owned())));
        } else if kind.is_file() {
            self.found.push(source(name, Place::File(path.to_owned(), about.len())));
        } else {
            self.wrong.push(odd(name, &about));
        }
    }

    fn folder(&mut self, path: &Path, name: &str, depth: usize) {
        if depth >= DEEPEST {
            return self.wrong.push(Error::new("input.deep", name, format!("more than {DEEPEST} folders deep")));
        }
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => return self.wrong.push(Error::new("input.unreadable", name, error.to_string())),
        };
        let mut inside: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        sort(&mut inside);
        for path in inside {
            if hidden(&path) {
                let error = Error::new("input.hidden", path.display().to_string(), "is hidden; not read");
                self.wrong.push(error.with_way_on("name it to have it read"));
            } else {
                self.visit(&path, depth + 1);
            }
        }
    }

    /// The files of a case, by the names they had where they come from.
    fn case(&mut self, root: &Path, name: &str, depth: usize) {
        let index = match case::read_index(root) {
            Ok(index) => index,
            Err(error) => return self.wrong.push(error),
        };
        let label = |inner: &str| if self.alone && depth == 0 { inner.to_owned() } else { format!("{name}/{inner}") };
        if case::standing(root) == Standing::Adding {
            let what = "adding to this case was interrupted; what was added is not read";
            self.wrong.push(Error::new("case.incomplete", label(""), what).with_way_on("run `diag collect` again"));
        }
        for left in &index.left_out {
            let what = format!("is not in the case: {} [{}]", left.reason, left.code);
            self.wrong.push(Error::new("case.left_out", label(&left.name), what));
        }
        for kept in case::kept(root, index) {
            let name = label(&kept.member.name);
            match kept.found {
                Ok((path, size)) => {
                    self.found.push(Source { name, at: Place::File(path, size), digest: Some(kept.member.sha256) });
                }
                Err(error) => self.wrong.push(Error { place: name, ..error }),
            }
        }
    }
}

fn source(name: String, at: Place) -> Source {
    Source { name, at, digest: None }
}

fn sort(paths: &mut [PathBuf]) {
    paths.sort_by(|a, b| natural(&a.to_string_lossy(), &b.to_string_lossy()));
}

fn hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn missing(path: &Path, name: &str, error: &io::Error) -> Error {
    match (error.kind(), fs::read_link(path)) {
        (io::ErrorKind::NotFound, Ok(target)) => {
            Error::new("input.missing", name, format!("is a link to {}, which does not exist", target.display()))
        }
        (io::ErrorKind::NotFound, Err(_)) => {
            Error::new("input.missing", name, "there is no such file or folder").with_way_on("check the path with `ls`")
        }
        _ => Error::new("input.unreadable", name, error.to_string()),
    }
}

/// Why something that is neither a file nor a folder is not read.
fn odd(name: String, about: &Metadata) -> Error {
    let kind = about.file_type();
    let (code, what) = if kind.is_socket() {
        ("input.socket", "is a socket; a log is a file or comes through a pipe")
    } else if kind.is_fifo() {
        ("input.fifo", "is a pipe within a folder; not read")
    } else {
        ("input.device", "is a device; a log is a file or comes through a pipe")
    };
    Error::new(code, name, what).with_way_on("pipe what it tells into `diag analyze -`")
}
