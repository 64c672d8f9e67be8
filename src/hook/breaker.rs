//! Stops the hooks of all nodes when they begin to refuse too many: then the check is suspect, and not the nodes.
//!
//! The nodes count in a folder that they share: one empty file for each node that was refused, whose time of change is
//! the time. The breaker has tripped when a file `tripped` stands there; only a person removes it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long a refused node counts.
const WINDOW: Duration = Duration::from_secs(3600);

/// Name of the file that says that the breaker has tripped.
const TRIPPED: &str = "tripped";

/// The breaker of a cluster, or of one node.
#[derive(Debug)]
pub struct Breaker {
    folder: PathBuf,
    most: usize,
}

/// What the breaker says to a node that is to be refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Refuse it.
    Go,
    /// Don't: why.
    Stop(String),
}

impl Breaker {
    /// The breaker that counts in `folder` and lets at most so many nodes be refused within an hour.
    pub fn new(folder: &Path, most: usize) -> Self {
        Self { folder: folder.join("refused"), most }
    }

    /// Asks whether `node` may be refused, and counts it.
    ///
    /// A folder that can't be written lets nothing be refused: a node whose shared storage is gone must not start a storm.
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
            return Ok(Answer::Stop(format!(
                "the breaker has tripped: remove {} once you have looked",
                tripped.display()
            )));
        }
        let mine = self.folder.join(format!("node-{}", plain(node)));
        let already = recent(&mine);
        let others = self.others(&mine)?;
        if !already && others >= self.most {
            File::create(&tripped)?;
            let why = format!("{others} nodes were refused within an hour: the check is suspect, and not the nodes");
            return Ok(Answer::Stop(why));
        }
        File::create(&mine)?.set_modified(SystemTime::now())?;
        Ok(Answer::Go)
    }

    /// How many other nodes were refused within the window.
    fn others(&self, mine: &Path) -> io::Result<usize> {
        let mut count = 0;
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let is_node = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("node-"));
            count += usize::from(is_node && path != mine && recent(&path));
        }
        Ok(count)
    }

    /// Whether `node` was refused and not forgotten since.
    pub fn has(&self, node: &str) -> bool {
        self.folder.join(format!("node-{}", plain(node))).exists()
    }

    /// Forgets that `node` was refused.
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
        let breaker = Breaker::new(folder.path(), 2);
        assert_eq!(breaker.ask("gpu-1"), Answer::Go);
        assert_eq!(breaker.ask("gpu-1"), Answer::Go, "the same node counts once");
        assert_eq!(breaker.ask("gpu-2"), Answer::Go);
        assert!(matches!(breaker.ask("gpu-3"), Answer::Stop(_)));
        breaker.forget("gpu-1");
        breaker.forget("gpu-2");
        assert!(matches!(breaker.ask("gpu-1"), Answer::Stop(_)), "until a person has looked");
    }

    #[test]
    fn without_a_place_to_count_nothing_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(Breaker::new(&file, 2).ask("gpu-1"), Answer::Stop(_)));
    }

    #[test]
    fn a_name_never_leaves_the_folder() {
        assert_eq!(plain("../../etc/cron.d/x"), "______etc_cron_d_x");
    }
}
