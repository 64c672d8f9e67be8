//! The node that is looked at: this one, or a captured tree of one.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Largest file of `/proc` or `/sys` that is read, in bytes.
const MOST: u64 = 4 << 20;

/// Bytes that hold most of them: one call reads the file, and one more sees its end.
const USUAL: usize = 4 << 10;

/// A node's files below a root: `/` for this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    root: PathBuf,
}

impl Node {
    /// The node whose files stand below `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Whether it is the one that this runs on, so that calls tell of it as well as files.
    pub fn is_here(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Its root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a path of the node stands here; what climbs out of the root is taken out.
    pub fn path(&self, path: &str) -> PathBuf {
        let steps = path.split('/').filter(|step| !step.is_empty() && *step != "." && *step != "..");
        steps.fold(self.root.clone(), |at, step| at.join(step))
    }

    /// The text of a file.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn text(&self, path: &str) -> io::Result<String> {
        let mut bytes = Vec::with_capacity(USUAL);
        File::open(self.path(path))?.take(MOST).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The text of a file of one line, without white space around it; `None` where it can't be read.
    pub fn word(&self, path: &str) -> Option<String> {
        self.text(path).ok().map(|text| text.trim().to_owned())
    }

    /// The whole number in a file: decimal, or hexadecimal after `0x`.
    pub fn number(&self, path: &str) -> Option<u64> {
        let word = self.word(path)?;
        match word.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => word.parse().ok(),
        }
    }

    /// The names in a folder, sorted; none where it can't be read.
    pub fn list(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// Numbers of all processes. Of them only `comm`, `status` and `limits` may be read: what needs a process's memory map
    /// may hang with it.
    pub fn processes(&self) -> impl Iterator<Item = String> {
        self.list("/proc").into_iter().filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
    }

    /// Whether a path is there.
    pub fn has(&self, path: &str) -> bool {
        fs::symlink_metadata(self.path(path)).is_ok()
    }

    /// The last name that a link points to.
    pub fn link(&self, path: &str) -> Option<String> {
        let target = fs::read_link(self.path(path)).ok()?;
        Some(target.file_name()?.to_str()?.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_climbs_out_of_the_root() {
        let node = Node::at("/captured");
        assert_eq!(node.path("/sys/../../etc/passwd"), Path::new("/captured/sys/etc/passwd"));
        assert!(Node::at("/").is_here() && !node.is_here());
    }
}
