//! The table of `dcgmi diag`: a row a test; below one that failed, the message, cut at the width of the column.

use super::{Finding, gpus, row};
use crate::event::{Event, Name, Says};
use crate::grammar::Grammar;
use crate::health;
use crate::line::{Cursor, Line};

/// The table of `dcgmi diag`.
#[derive(Debug)]
pub struct Diagnostic;

/// Blanks before the bar behind a row that is full (DCGM 2.4 to 3.3, `dcgmi/CommandOutputController.cpp`).
const FILLING: usize = 2;

/// Most rows of a table.
const MOST_LINES: usize = 800;

impl Grammar for Diagnostic {
    fn kinds(&self) -> &'static [Name] {
        health::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &ANCHORS
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let Some(above) = head(cursor) else { return };
        let mut test = Test::default();
        let lines = above.into_iter().rev().chain(std::iter::once(cursor.line.clone())).chain(cursor.following());
        for line in lines.take(MOST_LINES) {
            let text = line.whole();
            let Some(start) = text.find(['|', '+']) else { break };
            let Some((name, info)) = row(&text[start..]) else { continue };
            test.row(cursor, line, name.trim(), info, out);
        }
        test.end(cursor, out);
    }
}

/// Marks of the table, the whole of it or a piece.
const ANCHORS: [&str; 4] = [
    "| Diagnostic                | Result",
    "| Fail - ",
    "| Error                     | ",
    "| Warning                   | ",
];

/// The rows above the cursor, nearest first; nothing where one of them has been the table's first mark.
fn head<'a>(cursor: &Cursor<'a>) -> Option<Vec<Line<'a>>> {
    let mut above = Vec::new();
    for line in cursor.preceding().take(MOST_LINES) {
        let text = line.whole();
        if !text.trim_start().starts_with(['|', '+']) {
            break;
        }
        if ANCHORS.iter().any(|mark| text.contains(mark)) {
            return None;
        }
        above.push(line);
    }
    Some(above)
}

/// A test while its rows are read.
#[derive(Default)]
struct Test<'a> {
    name: String,
    failed: Vec<(Line<'a>, Vec<String>)>,
    messages: Vec<Message<'a>>,
}

/// What is said of a test, or of the host before any test.
struct Message<'a> {
    line: Line<'a>,
    rows: Vec<String>,
    gpus: Vec<String>,
    /// Whether it is told as an error, which it is also where no test failed.
    error: bool,
}

impl<'a> Test<'a> {
    fn row(&mut self, cursor: &Cursor<'_>, line: Line<'a>, name: &str, info: &str, out: &mut Vec<Event>) {
        let info = info.strip_prefix(' ').unwrap_or(info);
        let text = info.trim();
        match name.split(':').next().unwrap_or_default() {
            "" => self.more(line, info, text),
            "Warning" => self.say(line, info, name, false),
            "Error" => self.say(line, info, name, true),
            "Info" => self.say(line, "", name, false),
            // a heading; some tables indent their tests with the same dashes
            _ if name.starts_with('-') && !text.starts_with("Fail - ") => {}
            _ => {
                self.end(cursor, out);
                self.name = name.trim_matches(['-', ' ']).to_owned();
                if text.starts_with("Fail") {
                    let (who, why) =
                        text.split_once(": ").filter(|(who, _)| !gpus(who).is_empty()).unwrap_or((text, ""));
                    if !why.is_empty() {
                        self.say(line.clone(), why, who, false);
                    }
                    self.failed.push((line, gpus(who)));
                }
            }
        }
    }

    fn say(&mut self, line: Line<'a>, text: &str, name: &str, error: bool) {
        let rows = if text.trim().is_empty() { Vec::new() } else { vec![text.to_owned()] };
        self.messages.push(Message { line, rows, gpus: gpus(name), error });
    }

    /// A row without a name: the result of one GPU (from 4.0 on), or more of a message.
    fn more(&mut self, line: Line<'a>, info: &str, text: &str) {
        if text.starts_with("Fail - ") {
            self.failed.push((line, gpus(text)));
            return;
        }
        match text.rsplit_once(": ") {
            Some((who, "Fail")) if !gpus(who).is_empty() => self.failed.push((line, gpus(who))),
            Some((who, "Pass" | "Skip" | "Warn")) if !gpus(who).is_empty() => {}
            _ => {
                let open = self.messages.last_mut().filter(|message| !message.rows.is_empty());
                if let Some(message) = open {
                    message.rows.push(info.to_owned());
                }
            }
        }
    }

    fn end(&mut self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let test = std::mem::take(self);
        let messages: Vec<Message<'_>> = test.messages.into_iter().filter(|message| !message.rows.is_empty()).collect();
        // From 4.0 on the row of the test has no GPU, those below it have.
        let named = test.failed.iter().any(|(_, gpus)| !gpus.is_empty());
        for (line, gpus) in test.failed.iter().filter(|(_, gpus)| !named || !gpus.is_empty()) {
            let mine = |of: &[String]| gpus.is_empty() || of.is_empty() || of.iter().any(|gpu| gpus.contains(gpu));
            let what = messages.iter().find(|message| mine(&message.who())).map(Message::text);
            Finding { cursor, test: &test.name, gpus, what: &what.unwrap_or_default() }.push(line, Says::Failure, out);
        }
        let beside = |message: &Message<'_>| test.failed.iter().any(|(line, _)| line.number == message.line.number);
        let told = |message: &&Message<'_>| (!test.failed.is_empty() || message.error) && !beside(message);
        for message in messages.iter().filter(told) {
            let says = if test.failed.is_empty() { Says::Failure } else { Says::Warning };
            Finding { cursor, test: &test.name, gpus: &message.who(), what: &message.text() }.push(
                &message.line,
                says,
                out,
            );
        }
    }
}

impl Message<'_> {
    /// Its GPUs: as its heading names them, else as it does itself.
    fn who(&self) -> Vec<String> {
        if self.gpus.is_empty() { gpus(&self.text()) } else { self.gpus.clone() }
    }

    /// The sentence that the rows hold. dcgmi cuts it wherever the column is full, within words too, and fills up with blanks:
    /// two of them stand before the bar of a full row, unless rows are longer.
    fn text(&self) -> String {
        let chars = |text: &str| text.chars().count();
        let above = self.rows.split_last().map_or(&[][..], |(_, above)| above);
        let widest = above.iter().map(|row| chars(row.trim_end())).max().unwrap_or_default();
        let column = above.iter().map(|row| chars(row)).max().unwrap_or_default();
        let full = widest.max(column.saturating_sub(FILLING));
        let mut text = String::new();
        for row in &self.rows {
            let row = row.trim_end();
            text.push_str(row);
            text.extend(std::iter::repeat_n(' ', full.saturating_sub(chars(row))));
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
