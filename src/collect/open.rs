//! Opening sources, and reading their bytes as they lie there.

use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use super::documents::{Place, Source};
use crate::case::Digest;
use crate::error::Error;

/// How long somebody may take to open the other end of a pipe.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much has been read, for a progress bar. Counts bytes as they lie on disk.
#[derive(Debug, Default)]
pub struct Meter {
    read: AtomicU64,
    total: AtomicU64,
    endless: AtomicBool,
    stopped: AtomicBool,
}

impl Meter {
    /// Ends the reading soon, as if each input ended where it was read to: what comes of it is not to be told.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it was ended.
    pub fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Bytes read so far.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes to read in all, where known.
    pub fn total(&self) -> Option<u64> {
        (!self.endless.load(Ordering::Relaxed)).then(|| self.total.load(Ordering::Relaxed))
    }

    pub(super) fn expect(&self, sources: &[Source]) {
        self.total.store(sources.iter().filter_map(Source::size).sum(), Ordering::Relaxed);
        self.endless.store(sources.iter().any(|source| source.size().is_none()), Ordering::Relaxed);
    }

    fn add(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// The bytes of a source. A file that grows is read up to the size it had when it was opened.
pub(super) struct Raw<'a> {
    name: &'a str,
    from: Box<dyn Read + 'a>,
    file: Option<File>,
    meter: &'a Meter,
    /// Bytes that a file has left; none where that is not known.
    left: Option<u64>,
    size: u64,
    /// The digest that the bytes must have, and that of those read so far.
    digest: Option<(&'a str, Digest)>,
    /// What went wrong, once it did.
    pub(super) broken: Option<io::Error>,
}

impl<'a> Raw<'a> {
    pub(super) fn open(source: &'a Source, meter: &'a Meter) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::new("input.unreadable", &source.name, error.to_string());
        let raw = |from, file, size| Self {
            name: &source.name,
            from,
            file,
            meter,
            left: (size > 0).then_some(size),
            size,
            digest: source.digest.as_deref().map(|want| (want, Digest::default())),
            broken: None,
        };
        Ok(match &source.at {
            Place::Input => raw(Box::new(io::stdin()), None, 0),
            Place::Held(bytes) => raw(Box::new(bytes.as_slice()), None, bytes.len() as u64),
            Place::Pipe(path) => raw(Box::new(pipe(path, &source.name)?), None, 0),
            Place::File(path, _) => {
                let file = File::open(path).map_err(failed)?;
                let size = file.metadata().map_err(failed)?.len();
                let again = file.try_clone().map_err(failed)?;
                raw(Box::new(file), Some(again), size)
            }
        })
    }

    /// The file itself, for archives whose table stands at the end.
    pub(super) fn file(&self) -> Option<File> {
        self.file.as_ref().and_then(|file| file.try_clone().ok())
    }

    /// A file whose size changed while it was read.
    pub(super) fn changed(&self) -> Option<Error> {
        let now = self.file.as_ref()?.metadata().ok()?.len();
        let left = self.left?;
        if left > 0 && now < self.size {
            let what = format!("shrank from {} to {now} bytes while it was read", self.size);
            return Some(Error::new("input.shrank", self.name, what).with_way_on("read a copy of it"));
        }
        (now > self.size).then(|| {
            let what = format!("grew while it was read; read up to byte {}, its end at the start", self.size);
            Error::new("input.grew", self.name, what).with_way_on("run it again when the job has ended")
        })
    }
}

impl Raw<'_> {
    /// A file of a case whose bytes are not those that were collected.
    pub(super) fn altered(&mut self) -> Option<Error> {
        let (want, digest) = self.digest.take().filter(|_| !self.meter.stopped())?;
        let digest = if self.left.unwrap_or_default() == 0 { digest } else { whole(self.file.as_mut()?).ok()? };
        (digest.finish() != want).then(|| {
            let what = "is not as it was collected: its digest differs from that of the case; read as it is";
            Error::new("case.altered", self.name, what).with_way_on("copy the case again, or ask who changed it")
        })
    }
}

/// The digest of a whole file: some are not read from start to end.
fn whole(file: &mut File) -> io::Result<Digest> {
    let mut digest = Digest::default();
    let mut step = vec![0; 256 << 10];
    file.rewind()?;
    loop {
        match file.read(&mut step)? {
            0 => return Ok(digest),
            count => digest.update(&step[..count]),
        }
    }
}

impl Read for Raw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.left.map_or(buffer.len(), |left| buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        if most == 0 || self.broken.is_some() || self.meter.stopped() {
            return Ok(0);
        }
        loop {
            match self.from.read(&mut buffer[..most]) {
                Ok(count) => {
                    self.meter.add(count);
                    self.left = self.left.map(|left| left - count as u64);
                    if let Some((_, digest)) = &mut self.digest {
                        digest.update(&buffer[..count]);
                    }
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let again = io::Error::new(error.kind(), error.to_string());
                    self.broken = Some(error);
                    return Err(again);
                }
            }
        }
    }
}

/// Opens a pipe that has a name; opening waits for somebody who writes, and that may be never.
fn pipe(path: &Path, name: &str) -> Result<File, Error> {
    let (tell, told) = mpsc::channel();
    let path = path.to_owned();
    // The thread waits in the kernel; it ends with the program where nobody comes.
    std::thread::spawn(move || tell.send(File::open(path)));
    match told.recv_timeout(PATIENCE) {
        Ok(Ok(file)) => Ok(file),
        Ok(Err(error)) => Err(Error::new("input.unreadable", name, error.to_string())),
        Err(_) => {
            let what = format!("is a pipe, and nobody opened it for writing within {} s", PATIENCE.as_secs());
            Err(Error::new("input.fifo", name, what).with_way_on("start what writes to it first"))
        }
    }
}
