//! Folders that somebody may name files of, who may not name everything: an assistant, whoever asks over a network.

use std::path::{Path, PathBuf};

use crate::error::Error;

/// Folders, and with them whatever lies below. A link that leads out of them leads nowhere.
#[derive(Debug, Clone)]
pub struct Fence {
    /// As they were named, and what that is in the end.
    roots: Vec<(PathBuf, PathBuf)>,
}

impl Fence {
    /// A fence round these folders.
    ///
    /// # Errors
    /// One of them is no folder.
    pub fn new(roots: &[PathBuf]) -> Result<Self, Error> {
        let root = |path: &PathBuf| {
            let real = path.canonicalize().ok().filter(|real| real.is_dir());
            let none = || Error::new("roots.none", path.display().to_string(), "is no folder");
            real.map(|real| (path.clone(), real)).ok_or_else(none)
        };
        Ok(Self { roots: roots.iter().map(root).collect::<Result<_, _>>()? })
    }

    /// The folders, as they were named.
    pub fn roots(&self) -> impl Iterator<Item = &Path> {
        self.roots.iter().map(|(named, _)| named.as_path())
    }

    /// The path to what somebody names: as it is, or below the first folder in which it is.
    ///
    /// # Errors
    /// It is not there, or not inside; which of the two is not told.
    pub fn admit(&self, named: &str) -> Result<String, Error> {
        let below = |root: &Path| if root == Path::new(".") { PathBuf::from(named) } else { root.join(named) };
        let found = self.roots().map(below).find(|path| self.holds(path));
        found.map(|path| path.display().to_string()).ok_or_else(|| self.outside(named))
    }

    /// Why a path is not read, where it is not.
    pub(super) fn refuses(&self, path: &Path) -> Option<Error> {
        (!self.holds(path)).then(|| self.outside(&path.display().to_string()))
    }

    fn holds(&self, path: &Path) -> bool {
        path.canonicalize().is_ok_and(|real| self.roots.iter().any(|(_, root)| real.starts_with(root)))
    }

    fn outside(&self, named: &str) -> Error {
        let roots: Vec<String> = self.roots().map(|root| root.display().to_string()).collect();
        Error::new("input.outside", named, "is not there, or outside of what may be read here")
            .with_way_on(format!("name files and folders below {}", roots.join(" or ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_dots_lead_nowhere() {
        let at = tempfile::tempdir().unwrap();
        let (inside, outside) = (at.path().join("in"), at.path().join("out"));
        std::fs::create_dir_all(inside.join("deep")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(inside.join("deep/job.log"), "x").unwrap();
        std::fs::write(outside.join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
        std::os::unix::fs::symlink(inside.join("deep"), inside.join("near")).unwrap();
        let fence = Fence::new(std::slice::from_ref(&inside)).unwrap();
        let inside = inside.display();
        assert_eq!(fence.admit("deep/job.log").unwrap(), format!("{inside}/deep/job.log"));
        assert_eq!(fence.admit(&format!("{inside}/near/job.log")).unwrap(), format!("{inside}/near/job.log"));
        for named in ["link/secret", "../out/secret", "/etc/passwd", "-", "", "deep/../../out/secret", "*", "nothing"] {
            let admitted = fence.admit(named);
            assert!(named.is_empty() || admitted.is_err_and(|error| error.code == "input.outside"), "{named}");
        }
        assert_eq!(Fence::new(&[PathBuf::from("/nowhere")]).unwrap_err().code, "roots.none");
    }
}
