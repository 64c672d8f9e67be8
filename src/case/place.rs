//! Names of files in a case: whatever a file was called, the name here leads nowhere and is one that every system takes.

use std::collections::HashSet;
use std::path::{Component, Path};

/// Longest part of a path, in bytes: file systems take 255.
const LONGEST_PART: usize = 180;

/// Longest path, in bytes, below the case.
const LONGEST: usize = 1000;

/// Most files of one name.
const MOST_ALIKE: u32 = 1_000_000;

/// Gives each file of a collection a path of its own.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// In lower case: a case may be copied to a system that takes `A` and `a` for the same.
    taken: HashSet<String>,
}

impl Places {
    /// A path for a name, below the folder of the collection.
    pub(super) fn find(&mut self, name: &str) -> Option<String> {
        let wanted = safe(name);
        if self.take(&wanted) {
            return Some(wanted);
        }
        (2..MOST_ALIKE).map(|number| format!("~{number}/{wanted}")).find(|other| self.take(other))
    }

    /// Takes a path, unless it is taken or a folder or file stands in its way.
    fn take(&mut self, path: &str) -> bool {
        let key = path.to_lowercase();
        // `a` can't be a file where `a/b` is one: a file's key stands for itself, a folder's for what is in it.
        let folders: Vec<String> = key.match_indices('/').map(|(at, _)| key[..at].to_owned()).collect();
        let blocked = self.taken.contains(&key)
            || self.taken.contains(&format!("{key}/"))
            || folders.iter().any(|folder| self.taken.contains(folder));
        if !blocked {
            self.taken.extend(folders.into_iter().map(|folder| folder + "/"));
            self.taken.insert(key);
        }
        !blocked
    }
}

/// The parts of a name that are names, each in characters that every file system takes; others as `%XX`.
fn safe(name: &str) -> String {
    let parts: Vec<String> = name.split('/').filter(|part| !matches!(*part, "" | "." | "..")).map(part).collect();
    let mut path = parts.join("/");
    if path.is_empty() {
        "unnamed".clone_into(&mut path);
    }
    if path.len() > LONGEST {
        // The end of a path tells more than its start.
        let from = path.len() - LONGEST;
        path = part(&path[from..].replace('/', "_"));
    }
    path
}

fn part(name: &str) -> String {
    let mut safe = String::new();
    for (at, byte) in name.bytes().enumerate() {
        let plain =
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'=' | b',' | b'@' | b'!' | b'~');
        // A dot at an end is no name on some systems, and a hidden file on others.
        let dot = byte == b'.' && at > 0 && at + 1 < name.len();
        if plain || dot {
            safe.push(char::from(byte));
        } else {
            safe.push_str(&format!("%{byte:02X}"));
        }
    }
    if safe.len() > LONGEST_PART {
        let end = safe.split_off(safe.len() - LONGEST_PART / 2);
        safe.truncate(LONGEST_PART / 2 - 1);
        safe = format!("{safe}~{end}");
    }
    safe
}

/// Whether a path of an index stays in its case: plain parts only, and below `raw`.
pub(super) fn stays_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    parts.next() == Some(Component::Normal(super::RAW.as_ref()))
        && !path.contains('\0')
        && parts.all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere() {
        for (name, want) in [
            ("logs/rank-3.log", "logs/rank-3.log"),
            ("/etc/../../passwd", "etc/passwd"),
            ("../..", "unnamed"),
            ("", "unnamed"),
            (".hidden/x.", "%2Ehidden/x%2E"),
            ("a\nb\x1b[2J", "a%0Ab%1B%5B2J"),
            ("C:\\x", "C%3A%5Cx"),
            ("gerät", "ger%C3%A4t"),
            ("a.tar!../../x", "a.tar!.%2E/x"),
        ] {
            assert_eq!(safe(name), want, "{name:?}");
        }
        assert!(safe(&"x".repeat(9000)).len() <= LONGEST);
        assert!(safe(&"y/".repeat(9000)).len() <= LONGEST);
    }

    #[test]
    fn each_file_has_a_path_of_its_own() {
        let mut places = Places::default();
        let mut find = |name: &str| places.find(name).unwrap();
        assert_eq!(find("x/job.log"), "x/job.log");
        assert_eq!(find("../x/job.log"), "~2/x/job.log");
        assert_eq!(find("X/JOB.log"), "~3/X/JOB.log");
        assert_eq!(find("x"), "~4/x", "a folder of that name is there");
        assert_eq!(find("x/job.log/deeper"), "~5/x/job.log/deeper", "a file is there");
    }

    #[test]
    fn paths_of_an_index_stay_in_the_case() {
        assert!(stays_inside("raw/1/logs/job.log"));
        for path in ["/etc/passwd", "raw/../../x", "x", "raw/1/../2", "../raw/x", ""] {
            assert!(!stays_inside(path), "{path}");
        }
    }
}
