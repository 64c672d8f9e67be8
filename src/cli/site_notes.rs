//! `DIAG.md`: what the site's people wrote down for whoever looks.

use std::io::Read as _;
use std::path::Path;

use super::config;
use crate::report::SiteNote;

/// Where it stands: the system's, and that of the working folder.
const FILES: [&str; 2] = ["/etc/diag/DIAG.md", "DIAG.md"];

/// Most bytes and lines that are read of one.
const MOST: u64 = 16 << 10;
const MOST_LINES: usize = 200;

/// The notes that are there; one that others can write to is none, and said so.
pub(super) fn read() -> Vec<SiteNote> {
    FILES.iter().filter_map(|file| one(Path::new(file))).collect()
}

fn one(path: &Path) -> Option<SiteNote> {
    let file = std::fs::File::open(path).ok()?;
    let about = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    if let Some(refused) = config::foreign(path, &about) {
        super::complain(&refused);
        return None;
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.trim_end().lines().collect();
    let lines: Vec<String> = all.iter().take(MOST_LINES).map(|line| line.trim_end().to_owned()).collect();
    let cut = about.len() > MOST || all.len() > lines.len();
    let source = path.display().to_string();
    (!lines.iter().all(String::is_empty)).then_some(SiteNote { source, lines, cut })
}
