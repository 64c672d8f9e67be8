//! Stops whatever takes nodes from service when it begins to take too many: then the check is suspect, and not the nodes.
//! A *world* room.
//!
//! It counts in a folder, which the nodes of a cluster may share: one empty file for each node that was taken, whose time
//! of change is the time. Hooks that refuse jobs and fixes that drain or restart nodes count apart. The breaker has tripped when a file `tripped` stands there; only a person removes it.
#![expect(clippy::disallowed_methods, reason = "a world room: counts in a folder")]

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long a node counts that was taken.
const WINDOW: Duration = Duration::from_secs(3600);

/// Name of the file that says that the breaker has tripped.
const TRIPPED: &str = "tripped";

/// The breaker of a cluster, or of one node.
#[derive(Debug, Clone)]
pub struct Breaker {
    folder: PathBuf,
    most: usize,
}

/// What the breaker says of a node that is to be taken from service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Take it.
    Go,
    /// Don't: why.
    Stop(String),
}

impl Breaker {
    /// The breaker that counts under this name in `folder` and lets at most so many nodes be taken within an hour.
    pub fn new(folder: &Path, name: &str, most: usize) -> Self {
        Self { folder: folder.join(name), most }
    }

    /// Why nothing may be taken, where the breaker has tripped.
    pub fn tripped(&self) -> Option<String> {
        let tripped = self.folder.join(TRIPPED);
        tripped.exists().then(|| format!("the breaker has tripped: remove {} once you have looked", tripped.display()))
    }

    /// The nodes that were taken within the window, as their files name them.
    pub fn recent(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| recent(path));
        paths.filter_map(|path| Some(path.file_name()?.to_str()?.strip_prefix("node-")?.to_owned())).collect()
    }

    /// Whether a node is among those of [`Breaker::recent`].
    pub fn is(recent: &[String], node: &str) -> bool {
        recent.iter().any(|name| *name == plain(node))
    }

    /// Trips it.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn trip(&self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        File::create(self.folder.join(TRIPPED)).map(|_| ())
    }

    /// Asks whether `node` may be taken, and counts it.
    ///
    /// A folder that can't be written lets nothing be taken: a node whose shared storage is gone must not start a storm.
    pub fn ask(&self, node: &str) -> Answer {
        match self.count(node) {
            Ok(answer) => answer,
            Err(error) => Answer::Stop(format!("{} can't be used: {error}", self.folder.display())),
        }
    }

    fn count(&self, node: &str) -> io::Result<Answer> {
        fs::create_dir_all(&self.folder)?;
        let tripped = self.folder.join(TRIPPED);
        if tripped.exists() {
            return Ok(Answer::Stop(self.tripped().unwrap_or_default()));
        }
        let mine = self.folder.join(format!("node-{}", plain(node)));
        let already = recent(&mine);
        let others = self.others(&mine)?;
        if !already && others >= self.most {
            File::create(&tripped)?;
            let why = format!("{others} nodes were taken within an hour: the check is suspect, and not the nodes");
            return Ok(Answer::Stop(why));
        }
        File::create(&mine)?.set_modified(SystemTime::now())?;
        Ok(Answer::Go)
    }

    /// How many other nodes were taken within the window.
    fn others(&self, mine: &Path) -> io::Result<usize> {
        let mut count = 0;
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let is_node = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("node-"));
            count += usize::from(is_node && path != mine && recent(&path));
        }
        Ok(count)
    }

    /// Whether `node` was taken and not forgotten since.
    pub fn has(&self, node: &str) -> bool {
        self.folder.join(format!("node-{}", plain(node))).exists()
    }

    /// Forgets that `node` was taken.
    pub fn forget(&self, node: &str) {
        let _ = fs::remove_file(self.folder.join(format!("node-{}", plain(node))));
    }
}

/// Whether a file was changed within the window. A time in the future counts: clocks jump, and storms don't wait.
fn recent(path: &Path) -> bool {
    let changed = fs::metadata(path).and_then(|about| about.modified());
    changed.is_ok_and(|at| SystemTime::now().duration_since(at).map_or(true, |age| age < WINDOW))
}

/// A host's name as that of a file.
fn plain(node: &str) -> String {
    node.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_trips_it_and_it_stays_tripped() {
        let folder = tempfile::tempdir().unwrap();
        let breaker = Breaker::new(folder.path(), "refused", 2);
        assert_eq!(breaker.ask("gpu-1"), Answer::Go);
        assert_eq!(breaker.ask("gpu-1"), Answer::Go, "the same node counts once");
        assert_eq!(breaker.ask("gpu-2"), Answer::Go);
        assert!(matches!(breaker.ask("gpu-3"), Answer::Stop(_)));
        assert!(breaker.tripped().is_some() && Breaker::is(&breaker.recent(), "gpu-1"));
        breaker.forget("gpu-1");
        breaker.forget("gpu-2");
        assert!(matches!(breaker.ask("gpu-1"), Answer::Stop(_)), "until a person has looked");
    }

    #[test]
    fn without_a_place_to_count_nothing_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(Breaker::new(&file, "refused", 2).ask("gpu-1"), Answer::Stop(_)));
    }

    #[test]
    fn a_name_never_leaves_the_folder() {
        assert_eq!(plain("../../etc/cron.d/x"), "______etc_cron_d_x");
    }
}
