//! The plain part of ssh_config(5). Whoever finds more in a file than is understood here leaves it to the system's ssh.

use std::path::{Path, PathBuf};

/// How deep files may include each other, as with OpenSSH (`READCONF_MAX_DEPTH`, readconf.c).
const DEEPEST: usize = 16;

/// The lines of a configuration, in order, with the hosts for which they are.
#[derive(Debug, Default)]
pub(super) struct Config(Vec<Line>);

#[derive(Debug)]
struct Line {
    /// All of these have to fit: those of the block, and those around the file that includes it.
    hosts: Vec<Vec<String>>,
    key: String,
    words: Vec<String>,
}

impl Config {
    /// Reads a file and those that it includes; nothing where it can't be read or is not plain.
    pub(super) fn read(file: &Path, home: &Path) -> Option<Self> {
        let mut config = Self::default();
        config.add(file, home, &[], 0)?;
        Some(config)
    }

    fn add(&mut self, file: &Path, home: &Path, around: &[Vec<String>], depth: usize) -> Option<()> {
        let text = std::fs::read_to_string(file).ok().filter(|_| depth < DEEPEST)?;
        let mut hosts = around.to_vec();
        for line in text.lines() {
            let (key, words) = match split(line)? {
                Some(split) => split,
                None => continue,
            };
            match key.as_str() {
                "match" => return None,
                "host" => {
                    hosts.truncate(around.len());
                    hosts.push(words);
                }
                "include" => {
                    for word in words {
                        for file in included(&word, file, home)? {
                            self.add(&file, home, &hosts, depth + 1)?;
                        }
                    }
                }
                _ => self.0.push(Line { hosts: hosts.clone(), key, words }),
            }
        }
        Some(())
    }

    /// What is said of a host, in order: the first of a key counts.
    pub(super) fn of<'a>(&'a self, host: &'a str) -> impl Iterator<Item = (&'a str, &'a [String])> {
        let fits = move |line: &&Line| line.hosts.iter().all(|patterns| fits(patterns, host));
        self.0.iter().filter(fits).map(|line| (line.key.as_str(), line.words.as_slice()))
    }
}

/// A line's key in lower case and its words; nothing of an empty one, and nothing at all of what is no line.
#[allow(clippy::option_option, reason = "a comment is no line, and no fault")]
fn split(line: &str) -> Option<Option<(String, Vec<String>)>> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Some(None);
    }
    let end = line.find(|c: char| c.is_whitespace() || c == '=')?;
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    // Escapes, and comments behind words, are for others to read.
    if rest.contains(['\\', '\'', '#']) {
        return None;
    }
    let mut words = Vec::new();
    let mut rest = rest;
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    if words.is_empty() { None } else { Some(Some((key.to_lowercase(), words))) }
}

/// The files that a word of `Include` names: a glob, beside the user's or the system's configuration.
fn included(word: &str, file: &Path, home: &Path) -> Option<Vec<PathBuf>> {
    let path = match word.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None if word.starts_with('/') => PathBuf::from(word),
        None if file.starts_with("/etc/ssh") => Path::new("/etc/ssh").join(word),
        None => home.join(".ssh").join(word),
    };
    let found = glob::glob(path.to_str()?).ok()?;
    Some(found.flatten().collect())
}

/// Whether a host is one of these patterns, and none of those behind `!`.
fn fits(patterns: &[String], host: &str) -> bool {
    let is = |pattern: &str| glob::Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(host));
    let not = patterns.iter().filter_map(|pattern| pattern.strip_prefix('!')).any(is);
    !not && patterns.iter().filter(|pattern| !pattern.starts_with('!')).any(|pattern| is(pattern))
}

#[cfg(test)]
mod tests {
    use super::Config;

    fn read(text: &str) -> Option<Config> {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("config");
        std::fs::write(&file, text).unwrap();
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        std::fs::write(home.path().join(".ssh/more"), "User included\nHost gpu-9\nUser nine\n").unwrap();
        Config::read(&file, home.path())
    }

    fn user(config: &Config, host: &str) -> String {
        config.of(host).find(|(key, _)| *key == "user").map_or(String::new(), |(_, words)| words.join(" "))
    }

    #[test]
    fn the_first_that_fits_counts() {
        let text = "# ours\nUser=\"the first\"\nHost gpu-1?? !gpu-113\n  User ten\n";
        assert_eq!(user(&read(text).unwrap(), "gpu-117"), "the first");
        let text = "Host gpu-1?? !gpu-113\n\tUser = ten\nHost * !login\nUSER other\n";
        let config = read(text).unwrap();
        assert_eq!(
            ["gpu-117", "gpu-113", "gpu-1", "login"].map(|host| user(&config, host)),
            ["ten", "other", "other", ""]
        );
    }

    #[test]
    fn what_is_included_is_for_the_hosts_around_it() {
        let config = read("Host gpu-*\n Include more\nHost *\n User other\n").unwrap();
        assert_eq!(["gpu-9", "gpu-1", "login"].map(|host| user(&config, host)), ["included", "included", "other"]);
    }

    #[test]
    fn what_is_not_plain_is_left_to_others() {
        for text in ["Match host gpu-1\nUser x\n", "User a\\ b\n", "User \"open\n", "User x # why\n", "User\n"] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
