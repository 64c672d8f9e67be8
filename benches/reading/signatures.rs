//! What the format files of the tree know, as ripgrep can be asked for it.

use std::fs;
use std::path::Path;

use diag_parsers::{FormatFile, GRAMMARS, Says, signature};

/// Everything that a long document is searched for.
pub(crate) struct Known {
    /// Regexes, without the names of their groups.
    pub(crate) patterns: Vec<String>,
    /// The literals of which each matching line holds one.
    pub(crate) literals: Vec<String>,
    /// Lines that some pattern matches.
    pub(crate) samples: Vec<String>,
}

/// Reads the format files. Steps are left out, as they are where a document is long.
pub(crate) fn read() -> Result<Known, String> {
    let mut known = Known { patterns: Vec::new(), literals: Vec::new(), samples: Vec::new() };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("parsers");
    let mut folders: Vec<_> = fs::read_dir(&folder).map_err(|e| e.to_string())?.flatten().map(|e| e.path()).collect();
    folders.sort();
    for text in folders.iter().filter_map(|folder| fs::read_to_string(folder.join("format.toml")).ok()) {
        let file: FormatFile = toml::from_str(&text).map_err(|error| error.to_string())?;
        for event in file.event.values().filter(|event| event.says != Says::Progress) {
            known.samples.extend(event.sample.iter().flat_map(|sample| sample.line.lines()).map(str::to_owned));
            for pattern in &event.pattern {
                known.patterns.push(nameless(pattern));
                known.literals.extend(signature::anchors(pattern)?);
            }
        }
    }
    known.literals.extend(GRAMMARS.iter().flat_map(|grammar| grammar.anchors()).map(|anchor| (*anchor).to_owned()));
    known.literals.sort();
    known.literals.dedup();
    Ok(known)
}

/// A pattern that ripgrep takes beside others: groups without names, no line feed, no escape that its regex crate does
/// not know (ripgrep 13 has version 1.5).
fn nameless(pattern: &str) -> String {
    let mut parts = pattern.split("(?P<");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str("(?:");
        plain.push_str(part.split_once('>').map_or(part, |(_, rest)| rest));
    }
    unescaped(&plain).replace("\\n", "\\r")
}

/// What has a meaning of its own, so that an escape takes it away (regex-syntax 0.6, `is_meta_character`).
const META: &str = r"\.+*?()|[]{}^$#&-~";

/// A pattern without escapes of what has no meaning of its own.
fn unescaped(pattern: &str) -> String {
    let mut plain = String::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    while let Some(letter) = rest.next() {
        match (letter, rest.clone().next()) {
            ('\\', Some(next)) => {
                rest.next();
                if META.contains(next) || next.is_alphanumeric() {
                    plain.push('\\');
                }
                plain.push(next);
            }
            _ => plain.push(letter),
        }
    }
    plain
}
