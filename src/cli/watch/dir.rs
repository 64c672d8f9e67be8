//! `diag watch dir`: logs that end badly, or fall silent after an error.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use diag_parsers::{Says, Scanner};
use nix::fcntl::OFlag;

use super::{State, enqueue, now, work};
use crate::cli::{EXIT_HEALTHY, analyze, reading};
use crate::collect::cluster::Held;
use crate::config::Config;
use crate::error::Error;
use crate::spool::Spool;
use crate::watch::Subject;
use crate::watch::quiet::{Seen, Stands, Tail};

/// What to watch.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Folders, files or globs; of a folder, the files in it that end in .out, .err or .log.
    #[arg(required = true, value_name = "DIR|GLOB")]
    places: Vec<String>,
    /// Seconds between looks at the folders.
    #[arg(long, default_value_t = 15, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// Seconds of silence after which a log that told of errors is looked at.
    #[arg(long, default_value_t = 600, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    silence: u64,
    /// Look at logs that are there already as well.
    #[arg(long)]
    all: bool,
    /// Look at the folders once, work on what waits, and end.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    state: State,
}

/// Most logs that are watched; of more the ones changed last.
const MOST: usize = 20_000;

/// Bytes of the end of a log that are read to see what it ends in.
const END: u64 = 64 << 10;

/// Lines from the end within which a failure is how it ends.
const LAST_LINES: u64 = 30;

/// Under which name what was seen is kept.
const STATE: &str = "dir";

/// Watches until it is ended.
pub(super) fn run(args: &Args, config: &Config, named: Option<&Path>) -> Result<u8, Error> {
    let spool = args.state.spool()?;
    let scanner = analyze::scanner(config.library.formats.as_deref())?;
    let known: Option<BTreeMap<PathBuf, Seen>> = spool.state(STATE);
    let mut watch = Watch {
        args,
        config,
        spool: &spool,
        scanner,
        first: known.is_none() && !args.all,
        known: known.unwrap_or_default(),
    };
    loop {
        let found = watch.round()?;
        if args.once || found > 0 {
            work::work(&spool, config, named, false)?;
        }
        if args.once {
            return Ok(EXIT_HEALTHY);
        }
        thread::sleep(Duration::from_secs(args.every));
    }
}

struct Watch<'a> {
    args: &'a Args,
    config: &'a Config,
    spool: &'a Spool,
    scanner: Scanner,
    /// Nothing was watched before: what is there is not news.
    first: bool,
    known: BTreeMap<PathBuf, Seen>,
}

impl Watch<'_> {
    /// Looks at all logs once; returns how many were put into the queue.
    fn round(&mut self) -> Result<usize, Error> {
        let logs = logs(&self.args.places);
        let now = now();
        self.known.retain(|path, _| logs.contains_key(path));
        let mut due = Vec::new();
        for (path, stands) in logs {
            if self.first {
                self.known.insert(path, Seen::before(stands));
                continue;
            }
            let looked = self.known.get(&path).filter(|seen| seen.file == stands.file).map_or(0, |seen| seen.looked);
            let stale = self.known.get(&path).is_none_or(|seen| seen.stale(stands));
            if stale {
                let tail = self.tail(&path);
                self.known.insert(path.clone(), Seen { file: stands.file, size: stands.size, tail, looked });
            }
            let Some(seen) = self.known.get_mut(&path) else { continue };
            if seen.due(stands, now, i64::try_from(self.args.silence).unwrap_or(i64::MAX)) {
                seen.looked = stands.size;
                due.push(path);
            }
        }
        self.first = false;
        for path in &due {
            enqueue::put(self.spool.queue(), Subject::Log { path: path.display().to_string() }, self.config)?;
        }
        // After the queue: what is not written down yet is looked at twice rather than never.
        self.spool.keep(STATE, &self.known)?;
        Ok(due.len())
    }

    /// What a log ends in.
    fn tail(&self, path: &Path) -> Tail {
        let Some(text) = end(path) else { return Tail::Well };
        let lines = text.iter().filter(|byte| **byte == b'\n').count() as u64;
        let held = vec![Held { name: path.display().to_string(), bytes: text }];
        let Ok(read) = reading::quietly(held, Vec::new(), &[], &self.scanner) else { return Tail::Well };
        let rows = &read.table.rows;
        let last = |says: &[Says]| rows.iter().filter(|row| says.contains(&row.says)).map(|row| row.last_line).max();
        let Some(bad) = last(&[Says::Failure, Says::Teardown]) else { return Tail::Well };
        match last(&[Says::Progress, Says::Success]) {
            Some(well) if well > bad => Tail::Well,
            _ if lines.saturating_sub(bad) <= LAST_LINES => Tail::Failed,
            _ => Tail::Errors,
        }
    }
}

/// The logs of places, as they stand; no links, and no file of ours.
fn logs(places: &[String]) -> BTreeMap<PathBuf, Stands> {
    let mut all = Vec::new();
    for place in places {
        let found = if Path::new(place).is_dir() { within(Path::new(place)) } else { globbed(place) };
        all.extend(found.into_iter().filter_map(|path| Some((stands(&path)?, path))));
    }
    all.sort_by_key(|(stands, _)| std::cmp::Reverse(stands.changed));
    all.truncate(MOST);
    all.into_iter().map(|(stands, path)| (path, stands)).collect()
}

fn globbed(pattern: &str) -> Vec<PathBuf> {
    glob::glob(pattern).into_iter().flatten().flatten().take(MOST).collect()
}

fn within(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let log = |path: &PathBuf| path.extension().is_some_and(|end| end == "out" || end == "err" || end == "log");
    entries.map(|entry| entry.path()).filter(log).collect()
}

fn stands(path: &Path) -> Option<Stands> {
    let ours = path.file_name().is_some_and(|name| name.to_string_lossy().contains(".diag."));
    let about = std::fs::symlink_metadata(path).ok().filter(|about| about.is_file() && !ours)?;
    Some(Stands { file: (about.dev(), about.ino()), size: about.len(), changed: about.mtime() })
}

fn end(path: &Path) -> Option<Vec<u8>> {
    let mut open = File::options();
    let mut file = open.read(true).custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits()).open(path).ok()?;
    let about = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    file.seek(SeekFrom::Start(about.len().saturating_sub(END))).ok()?;
    let mut bytes = Vec::new();
    file.take(END).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
