//! The verdict, and all that belongs to it, as the text report tells it.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::draw::Keys;
use super::event::Effect;
use super::pager::{self, way};
use super::state::State;
use super::text;
use crate::report::text::Look;

/// Its keys.
pub(super) const KEYS: Keys = &[("j k", "scroll"), ("Space b", "page"), ("g G", "ends"), ("v", "more or less")];

/// Where it is scrolled to.
#[derive(Debug, Default)]
pub(super) struct Overview {
    top: usize,
    more: bool,
}

fn lines(state: &State) -> Vec<Line<'static>> {
    let look = Look { width: state.room().0, verbose: state.overview.more, ..Look::default() };
    let lines = text::styled(crate::report::text::lines(&state.incident.report, look));
    // The head says the first line already, where that fits there.
    let said = lines.iter().take_while(|line| !line.spans.is_empty()).count() == 1;
    lines.into_iter().skip(if said { 2 } else { 0 }).collect()
}

/// A key.
pub(super) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if key.code == KeyCode::Char('v') {
        state.overview = Overview { top: 0, more: !state.overview.more };
    } else if let Some(way) = way(key) {
        state.overview.top = pager::scrolled(state.overview.top, way, lines(state).len(), state.room().1);
    }
    Vec::new()
}

pub(super) fn draw(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let seen = pager::seen(lines(state), state.overview.top, area.height.into());
    frame.render_widget(Paragraph::new(seen), area);
}

pub(super) fn place(state: &State) -> String {
    pager::place(state.overview.top, lines(state).len(), state.room().1)
}
