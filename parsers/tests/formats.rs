//! Every format file keeps its word.
#![allow(clippy::disallowed_methods, reason = "reads the format files")]

use std::path::Path;

use diag_parsers::{Catalogue, FormatFile, Scanner, lint};

#[test]
fn formats_keep_their_word() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scanner = Scanner::new(Catalogue::built_in().unwrap());
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path().join("format.toml");
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        match toml::from_str::<FormatFile>(&text) {
            Ok(file) => wrong.extend(lint::lint(&file, &scanner)),
            Err(error) => wrong.push(format!("{}: {error}", path.display())),
        }
    }
    assert!(wrong.is_empty(), "{} complaints:\n{}", wrong.len(), wrong.join("\n"));
}
