//! The cases below folders, each by a name of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::folder::{Standing, standing};

/// Folders within folders that are looked at.
const DEEPEST: usize = 4;

/// Most folders that are looked at, and most cases that are found.
const FOLDERS: usize = 5_000;
const CASES: usize = 500;

/// All cases: their folders by their names, which are their paths below the root.
pub fn below<'a>(roots: impl Iterator<Item = &'a Path>) -> BTreeMap<String, PathBuf> {
    let mut search = Search { left: FOLDERS, found: BTreeMap::new() };
    for root in roots {
        search.folder(root, "", 0);
    }
    search.found
}

/// A name as one part of a URI (RFC 3986: what is not unreserved is `%XX`).
pub fn uri_part(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    name.bytes().map(byte).collect()
}

struct Search {
    left: usize,
    found: BTreeMap<String, PathBuf>,
}

impl Search {
    /// Links are not followed, and what is hidden is not looked at.
    fn folder(&mut self, path: &Path, name: &str, depth: usize) {
        if self.left == 0 || self.found.len() >= CASES {
            return;
        }
        self.left -= 1;
        if matches!(standing(path), Standing::Whole | Standing::Adding) {
            let own = || path.canonicalize().ok()?.file_name().map(|name| name.to_string_lossy().into_owned());
            let name = if name.is_empty() { own().unwrap_or_else(|| "case".to_owned()) } else { name.to_owned() };
            self.found.entry(name).or_insert_with(|| path.to_owned());
            return;
        }
        let Some(entries) = std::fs::read_dir(path).ok().filter(|_| depth < DEEPEST) else { return };
        let folders = entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let mut names: Vec<String> = folders.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        for inner in names {
            let below = if name.is_empty() { inner.clone() } else { format!("{name}/{inner}") };
            self.folder(&path.join(inner), &below, depth + 1);
        }
    }
}
