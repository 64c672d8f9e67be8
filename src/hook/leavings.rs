//! What epilog takes away: shared memory of a user who runs nothing on the node any more.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::job::Job;

/// First user id of people (login.defs, `UID_MIN`).
const FIRST_USER: u32 = 1000;

/// Removes the files of the job's user in `/dev/shm`, unless the user still runs something here (another job).
///
/// Files only, never through a link, and only of that user: a name that a user chose leads nowhere else.
pub(super) fn clean(job: &Job) {
    let Some(uid) = job.uid.filter(|uid| *uid >= FIRST_USER) else { return };
    if runs_something(uid) {
        return;
    }
    clean_folder(Path::new("/dev/shm"), uid);
}

fn clean_folder(folder: &Path, uid: u32) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let about = fs::symlink_metadata(entry.path());
        if about.is_ok_and(|about| about.is_file() && about.uid() == uid) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn runs_something(uid: u32) -> bool {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter(|entry| entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()));
    pids.into_iter().any(|pid| pid.metadata().is_ok_and(|about| about.uid() == uid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_that_user_go() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("inner"), "x").unwrap();
        fs::write(folder.path().join("torch_1234"), "x").unwrap();
        std::os::unix::fs::symlink(&kept, folder.path().join("link")).unwrap();
        let me = fs::metadata(folder.path()).unwrap().uid();
        clean_folder(folder.path(), me.wrapping_add(1));
        assert!(folder.path().join("torch_1234").exists());
        clean_folder(folder.path(), me);
        assert!(!folder.path().join("torch_1234").exists());
        assert!(kept.join("inner").exists() && fs::symlink_metadata(folder.path().join("link")).is_ok());
    }
}
