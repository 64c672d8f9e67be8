//! Reports that could not be placed beside a job's output. Who the job belongs to may read its own; the list of them is nobody's.
#![expect(clippy::disallowed_methods, reason = "a world room: reads and writes its own folder")]

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Most reports that are kept, of a few KB each; of more the oldest go.
pub(super) const MOST: usize = 2_000;

/// Reports of one name: of each time that a job was put back and failed again.
const OF_ONE: u32 = 9;

/// Writes a report that only its owner may read, under this name or the next that is free; of so many that stand there by then the
/// oldest go. Returns where it stands.
pub(super) fn put(
    folder: &Path,
    name: &str,
    text: &str,
    owner: Option<(u32, u32)>,
    most: usize,
) -> io::Result<PathBuf> {
    make_room(folder, most);
    for nth in 1..=OF_ONE {
        let nth = if nth > 1 { format!(".{nth}") } else { String::new() };
        let path = folder.join(format!("{name}{nth}.txt"));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes())?;
                // Who is not root gives nothing away: the report stays its own then.
                if let Some((uid, gid)) = owner {
                    let _ = nix::unistd::fchown(&file, Some(uid.into()), Some(gid.into()));
                }
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{OF_ONE} reports of {name} stand there already")))
}

/// Lets the oldest go until there is room for another. What can't be read or removed stays, and hinders nobody.
fn make_room(folder: &Path, most: usize) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let written = |entry: &fs::DirEntry| entry.metadata().and_then(|about| about.modified());
    let mut reports: Vec<(SystemTime, PathBuf)> =
        entries.flatten().filter_map(|entry| Some((written(&entry).ok()?, entry.path()))).collect();
    let over = (reports.len() + 1).saturating_sub(most);
    reports.sort();
    for (_, path) in reports.into_iter().take(over) {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_reports_give_way() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<PathBuf> = (0..5)
            .map(|job| {
                let path = put(folder.path(), &format!("job-{job}"), "a report\n", None, 3).unwrap();
                let age = std::time::Duration::from_secs(3600 - job);
                fs::File::options().write(true).open(&path).unwrap().set_modified(SystemTime::now() - age).unwrap();
                path
            })
            .collect();
        let there: Vec<bool> = names.iter().map(|path| path.exists()).collect();
        assert_eq!(there, [false, false, true, true, true]);
    }

    #[test]
    fn a_job_that_fails_again_has_a_report_of_each_time_up_to_some() {
        let folder = tempfile::tempdir().unwrap();
        let put = || put(folder.path(), "job-7", "a report\n", None, MOST);
        assert!(put().unwrap().ends_with("job-7.txt") && put().unwrap().ends_with("job-7.2.txt"));
        assert!((3..=OF_ONE).all(|_| put().is_ok()));
        assert_eq!(put().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
