//! `diag explain CAUSE`: what the catalogue knows.

use std::io::Write as _;

use crate::error::Error;
use crate::playbook::schema::By;
use crate::playbook::{Library, Playbook};

/// What to explain.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A cause (`ib-retry-exceeded`), or a table and a number (`xid 79`, `sxid 20034`).
    #[arg(required = true, num_args = 1..=2)]
    what: Vec<String>,
}

/// Prints what is known of it.
pub(super) fn run(args: &Args, library: &Library) -> Result<u8, Error> {
    let text = match args.what.as_slice() {
        [table, number] => entry(library, table, number),
        [cause] => library.get(cause).map(describe),
        _ => None,
    };
    let text = text.ok_or_else(|| unknown(library, &args.what.join(" ")))?;
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(super::EXIT_HEALTHY)
}

fn unknown(library: &Library, what: &str) -> Error {
    let near: Vec<&str> =
        library.playbooks.iter().map(|s| s.playbook.id.as_str()).filter(|id| similar(id, what)).collect();
    let error = Error::new("explain.unknown", what, "no such cause in the catalogue");
    match near.as_slice() {
        [] => error.with_way_on("`diag playbook list` names all causes"),
        near => error.with_way_on(format!("did you mean {}?", near.join(", "))),
    }
}

/// Whether two names share a word of three letters or more.
fn similar(id: &str, what: &str) -> bool {
    what.to_lowercase().split(['-', '_', ' ']).any(|word| word.len() >= 3 && id.contains(word))
}

fn describe(playbook: &Playbook) -> String {
    let mut text = format!("{}: {}\n\n{}\n", playbook.id, playbook.title, playbook.summary.trim());
    if !playbook.fix.is_empty() {
        text.push_str("\nWhat helps, best first:\n");
        for fix in &playbook.fix {
            let by = if fix.by == By::Diag { "" } else { " (by hand)" };
            text.push_str(&format!("  - {}{by} [{}]\n", fix.title, fix.risk));
        }
    }
    for reference in &playbook.references {
        text.push_str(&format!("\nSee {reference}"));
    }
    text.push_str(&format!("\nStatus: {:?}\n", playbook.status).to_lowercase());
    text
}

/// An entry of a numbered table, key by key.
fn entry(library: &Library, table: &str, number: &str) -> Option<String> {
    let table_name = table.to_lowercase();
    let entry = library.catalogue.get(&table_name)?.get(&table_name)?.get(number)?;
    let mut text = format!("{} {number}\n", table.to_uppercase());
    for (key, value) in entry.as_object()? {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if !value.is_empty() {
            text.push_str(&format!("  {:<24} {value}\n", key.replace('_', " ")));
        }
    }
    Some(text)
}
