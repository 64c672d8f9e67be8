//! What was decided and done, line by line, and what was printed.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::draw::{Keys, reversed};
use super::event::Effect;
use super::pager::{self, way};
use super::state::State;
use super::text;
use crate::agent::{self, Entry};
use crate::case;
use crate::exec::{Kept, Ran};
use crate::report::text::Tone;
use crate::report::words;

/// Its keys.
pub(super) const KEYS: Keys = &[("j k", "move"), ("Space b", "page"), ("Enter", "what was printed"), ("Esc", "back")];

/// Most lines of one output that are shown.
const MOST: usize = 2000;

/// Which line, and whether it is open.
#[derive(Debug, Default)]
pub(super) struct Journal {
    at: usize,
    open: bool,
    top: usize,
}

impl Journal {
    /// The journal has grown from so many lines to so many: whoever is at its end stays there.
    pub(super) const fn grows(&mut self, from: usize, to: usize) {
        if self.at + 1 >= from && !self.open {
            self.at = to.saturating_sub(1);
        }
    }
}

/// A key.
pub(super) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let (count, room) = (state.incident.journal().len(), state.room().1);
    match (key.code, way(key)) {
        (KeyCode::Enter, _) if count > 0 => (state.journal.open, state.journal.top) = (true, 0),
        (KeyCode::Esc, _) => state.journal.open = false,
        (_, Some(way)) if state.journal.open => {
            let lines = detail(state, state.room().0).len();
            state.journal.top = pager::scrolled(state.journal.top, way, lines, room);
        }
        (_, Some(way)) => state.journal.at = pager::moved(state.journal.at, way, count, room - 1),
        _ => {}
    }
    Vec::new()
}

pub(super) fn draw(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let (width, room) = (usize::from(area.width), usize::from(area.height));
    let own = &state.journal;
    let lines = match state.incident.journal() {
        [] => text::flowed("", "Nothing was begun on this case. The plan (5) begins with r.", 0, width, Tone::Plain),
        _ if own.open => pager::seen(detail(state, width), own.top, room),
        journal => list(journal, own.at, width, room),
    };
    frame.render_widget(Paragraph::new(lines), area);
}

fn list(journal: &[case::Line], at: usize, width: usize, room: usize) -> Vec<Line<'static>> {
    let told = match agent::replay(journal) {
        Ok(told) => told,
        Err(error) => return text::flowed("", &error.to_string(), 0, width, Tone::Unsure),
    };
    let first = pager::around(at, told.len(), room);
    let one = |(nth, line): (usize, &agent::Told)| {
        let mark = if nth == at { '>' } else { ' ' };
        let strange = if line.fits { "" } else { "!! does not follow: " };
        let said =
            format!("{mark}{:>3} {} {strange}{}", line.number, words::clock(&line.at.replace('T', " ")), line.what);
        let line = text::line(text::padded(&said, width), Tone::Plain);
        if nth == at { line.style(reversed()) } else { line }
    };
    told.iter().enumerate().skip(first).take(room).map(one).collect()
}

/// All that a line of the journal holds.
fn detail(state: &State, width: usize) -> Vec<Line<'static>> {
    let Some(line) = state.incident.journal().get(state.journal.at) else { return Vec::new() };
    let head = format!("line {} of the journal, {}", line.number, line.at);
    let mut lines = vec![text::line(head, Tone::Faint)];
    let told = agent::replay(state.incident.journal()).unwrap_or_default();
    lines.extend(
        told.get(state.journal.at).iter().flat_map(|told| text::flowed("", &told.what, 0, width, Tone::Strong)),
    );
    match agent::entry(line) {
        Ok(Entry::Result { ran, .. }) => ran.iter().for_each(|ran| lines.extend(printed(ran, width))),
        Ok(_) => {
            let whole = serde_json::to_string_pretty(&line.what).unwrap_or_default();
            lines.extend(verbatim(&whole, width));
        }
        Err(error) => lines.extend(text::flowed("", &error.to_string(), 0, width, Tone::Unsure)),
    }
    lines
}

fn printed(ran: &Ran, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default(), text::line(format!("{}: {}", ran.target, ran.end), Tone::Strong)];
    for note in &ran.notes {
        lines.extend(text::flowed("", note, 2, width, Tone::Faint));
    }
    for (name, Kept { text: kept, dropped }) in [("", &ran.stdout), ("standard error:", &ran.stderr)] {
        if !name.is_empty() && !kept.is_empty() {
            lines.push(text::line(name, Tone::Faint));
        }
        lines.extend(verbatim(kept, width));
        if *dropped > 0 {
            lines.push(text::line(format!("and {} bytes that were not kept", words::number(*dropped)), Tone::Faint));
        }
    }
    lines
}

fn verbatim(whole: &str, width: usize) -> Vec<Line<'static>> {
    let pieces = whole.lines().flat_map(|line| text::pieces(line, width));
    let mut lines: Vec<Line<'static>> = pieces.take(MOST + 1).map(|piece| text::line(piece, Tone::Plain)).collect();
    if lines.len() > MOST {
        lines.truncate(MOST);
        lines.push(text::line("and more: it stands in journal.jsonl", Tone::Faint));
    }
    lines
}

pub(super) fn place(state: &State) -> String {
    let count = state.incident.journal().len();
    if count == 0 { String::new() } else { format!("{} of {count}", state.journal.at + 1) }
}
