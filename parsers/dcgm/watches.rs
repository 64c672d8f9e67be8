//! `dcgmi health -c`: what the background watches found, by GPU and system.

use super::{Finding, gpus, row};
use crate::event::{Event, Name, Says};
use crate::grammar::Grammar;
use crate::health;
use crate::line::{Cursor, Line};

/// The report of `dcgmi health -c`.
#[derive(Debug)]
pub struct Watches;

/// Most rows of a report.
const MOST_LINES: usize = 400;

/// Widest number of a GPU: a longer one is none.
const MOST_DIGITS: usize = 4;

impl Grammar for Watches {
    fn kinds(&self) -> &'static [Name] {
        health::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["Health Monitor Report"]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let mut gpu = Vec::new();
        let mut open: Option<(Line<'_>, String, String)> = None;
        for line in cursor.following().take(MOST_LINES) {
            let text = line.whole();
            let Some(start) = text.find(['|', '+']) else { break };
            let Some((name, info)) = row(&text[start..]) else { continue };
            let (name, info) = (name.trim().trim_start_matches("->").trim(), info.trim());
            if name.is_empty() {
                if let Some((_, _, what)) = &mut open {
                    what.push_str(info);
                }
                continue;
            }
            close(cursor, open.take(), &gpu, out);
            let system = name.ends_with("system") || name == "Driver";
            if system && matches!(info.split(' ').next(), Some("Warning" | "Failure")) {
                open = Some((line, name.to_owned(), after_level(info).to_owned()));
            } else if name.len() <= MOST_DIGITS && name.chars().all(|c| c.is_ascii_digit()) {
                gpu = vec![name.to_owned()];
            } else if name.starts_with("GPU ID") {
                gpu = gpus(&name.replace(" ID", ""));
            }
        }
        close(cursor, open, &gpu, out);
    }
}

/// What stands behind `Warning` or `Failure` on its line.
fn after_level(info: &str) -> &str {
    info.split_once(' ').map_or("", |(_, rest)| rest.trim_start_matches(['-', ' ']))
}

fn close(cursor: &Cursor<'_>, open: Option<(Line<'_>, String, String)>, gpu: &[String], out: &mut Vec<Event>) {
    let Some((line, system, what)) = open else { return };
    Finding { cursor, test: &system, gpus: gpu, what: &what }.push(&line, Says::Warning, out);
}
