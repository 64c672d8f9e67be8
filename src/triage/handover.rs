//! What is told to whoever goes on: the report as a ticket, and what was done.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::dialog::Dialog;
use super::draw::Keys;
use super::event::Effect;
use super::incident::Incident;
use super::pager::{self, way};
use super::state::State;
use super::text;
use crate::agent::handover;
use crate::report::text::Tone;
use crate::report::{guard, markdown};

/// Its keys.
pub(super) const KEYS: Keys =
    &[("j k", "scroll"), ("Space b", "page"), ("w", "write into the case"), ("y", "copy to the clipboard")];

/// Where it is scrolled to.
#[derive(Debug, Default)]
pub(super) struct HandOver {
    top: usize,
}

/// The page, in markdown.
pub(super) fn page(incident: &Incident) -> String {
    let mut page = String::from_utf8_lossy(&markdown::render(&incident.report)).into_owned();
    if let Some(case) = incident.case() {
        let name = incident.source.root.as_deref().unwrap_or(&incident.source.name);
        page += "\n---\n\n";
        page += &handover::ticket(case, name);
    }
    guard::page(&page)
}

fn lines(state: &State) -> Vec<Line<'static>> {
    let page = page(&state.incident);
    page.lines().flat_map(|line| text::pieces(line, state.room().0)).map(|line| text::line(line, Tone::Plain)).collect()
}

/// A key.
pub(super) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    match (key.code, way(key)) {
        (KeyCode::Char('w'), _) if state.locked => {
            "read only: another diag works on this case, and writes its own".clone_into(&mut state.note);
        }
        (KeyCode::Char('w'), _) if state.run.on => {
            "it is written when the run has ended".clone_into(&mut state.note);
        }
        (KeyCode::Char('w'), _) if state.incident.source.root.is_none() => state.dialog = Some(Dialog::Write),
        (KeyCode::Char('w'), _) => return vec![Effect::HandOver(page(&state.incident))],
        (KeyCode::Char('y'), _) => return vec![Effect::Copy(page(&state.incident))],
        (_, Some(way)) => {
            state.handover.top = pager::scrolled(state.handover.top, way, lines(state).len(), state.room().1);
        }
        _ => {}
    }
    Vec::new()
}

pub(super) fn draw(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let seen = pager::seen(lines(state), state.handover.top, area.height.into());
    frame.render_widget(Paragraph::new(seen), area);
}

pub(super) fn place(state: &State) -> String {
    pager::place(state.handover.top, lines(state).len(), state.room().1)
}
