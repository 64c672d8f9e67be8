//! Puts a report beside a job's output. The folder is its user's, who may do with it what they like at any instant: the name is
//! taken within the folder as it was opened once, never through a link, and only where nothing stands. Who calls this has
//! the rights of that user already.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use crate::watch::beside;

/// Most reports of one job: of each time that it was put back and failed again.
const MOST: u32 = 9;

/// Places a report; returns where it stands.
pub(super) fn place(output: &str, job: Option<u64>, form: &str, bytes: &[u8]) -> Result<String, String> {
    let folder = Path::new(output).parent().filter(|folder| folder.is_absolute()).ok_or("it is in no folder")?;
    let dir = open(folder, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    let mode = mode(&dir, output);
    for nth in 1..=MOST {
        let name = beside(output, job, nth, form).ok_or("its name is none")?;
        match put(&dir, &name, mode, bytes) {
            Ok(()) => return Ok(folder.join(name).display().to_string()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("{}: {error}", folder.join(name).display())),
        }
    }
    Err(format!("{MOST} reports stand there already"))
}

/// Who may read the report: its owner, and the group where it may read the output.
fn mode(dir: &OwnedFd, output: &str) -> Mode {
    let name = output.rsplit('/').next().unwrap_or_default();
    let of = fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_or(0, |about| about.st_mode);
    Mode::from_bits_truncate(of & 0o040 | 0o600)
}

/// Writes a draft and gives it the name, which fails where something has it.
fn put(dir: &OwnedFd, name: &str, mode: Mode, bytes: &[u8]) -> io::Result<()> {
    let draft = format!(".{name}.{}.part", std::process::id());
    let new = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut file = File::from(openat(dir, draft.as_str(), new, mode)?);
    let written = file.write_all(bytes).and_then(|()| file.sync_data());
    let named = written.and_then(|()| match linkat(dir, draft.as_str(), dir, name, AtFlags::empty()) {
        // Not all file systems have links; there a reader may find half a report for an instant.
        Err(Errno::EPERM | Errno::EOPNOTSUPP | Errno::ENOSYS) => {
            File::from(openat(dir, name, new, mode)?).write_all(bytes)
        }
        other => Ok(other?),
    });
    let _ = unlinkat(dir, draft.as_str(), UnlinkatFlags::NoRemoveDir);
    named
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_trap_in_the_folder_is_not_stepped_into() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("victim"), "keep me").unwrap();
        symlink(at("victim"), at("slurm-7.diag.txt")).unwrap();
        symlink(at("nowhere"), at("slurm-7.diag.2.txt")).unwrap();
        fs::write(at("slurm-7.diag.3.txt"), "somebody's").unwrap();
        let output = at("slurm-7.out").display().to_string();
        let placed = place(&output, Some(7), "text", b"report").unwrap();
        assert!(placed.ends_with("/slurm-7.diag.4.txt"), "{placed}");
        assert_eq!(fs::read_to_string(at("victim")).unwrap(), "keep me");
        assert!(!at("nowhere").exists());
        assert_eq!(fs::read_to_string(at("slurm-7.diag.3.txt")).unwrap(), "somebody's");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5, "no draft is left");
    }

    #[test]
    fn reports_of_a_job_that_fails_again_and_again_end() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("o").display().to_string();
        assert_eq!((0..12).filter(|_| place(&output, None, "text", b"x").is_ok()).count(), 9);
        assert!(
            place("relative", None, "text", b"x").is_err() && place("/nowhere/at/all", None, "text", b"x").is_err()
        );
    }
}
