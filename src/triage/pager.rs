//! Moving through what is longer than its room: keys to ways, and a place that stays within.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::text::Line;

/// A way to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    First,
    Last,
}

/// The way that a key goes.
pub(super) fn way(key: KeyEvent) -> Option<Way> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('f' | 'd') => Some(Way::PageDown),
            KeyCode::Char('b' | 'u') => Some(Way::PageUp),
            _ => None,
        };
    }
    Some(match key.code {
        KeyCode::Up | KeyCode::Char('k') => Way::Up,
        KeyCode::Down | KeyCode::Char('j') => Way::Down,
        KeyCode::Left | KeyCode::Char('h') => Way::Left,
        KeyCode::Right | KeyCode::Char('l') => Way::Right,
        KeyCode::PageUp | KeyCode::Char('b') => Way::PageUp,
        KeyCode::PageDown | KeyCode::Char(' ') => Way::PageDown,
        KeyCode::Home | KeyCode::Char('g') => Way::First,
        KeyCode::End | KeyCode::Char('G') => Way::Last,
        _ => return None,
    })
}

/// Moves a place among so many, of which a page holds so many.
pub(super) fn moved(at: usize, way: Way, count: usize, page: usize) -> usize {
    let last = count.saturating_sub(1);
    let page = page.saturating_sub(1).max(1);
    match way {
        Way::Up => at.saturating_sub(1),
        Way::Down => at.saturating_add(1),
        Way::PageUp => at.saturating_sub(page),
        Way::PageDown => at.saturating_add(page),
        Way::First => 0,
        Way::Last => last,
        Way::Left | Way::Right => at,
    }
    .min(last)
}

/// Moves the first line that is shown of so many, in so much room.
pub(super) fn scrolled(top: usize, way: Way, lines: usize, room: usize) -> usize {
    moved(top, way, lines.saturating_sub(room) + 1, room)
}

/// The lines that fit into the room.
pub(super) fn seen(lines: Vec<Line<'static>>, top: usize, room: usize) -> Vec<Line<'static>> {
    let top = top.min(lines.len().saturating_sub(room));
    lines.into_iter().skip(top).take(room).collect()
}

/// The first of so many that is shown, so that `at` is, about in the middle.
pub(super) fn around(at: usize, count: usize, room: usize) -> usize {
    at.saturating_sub(room / 2).min(count.saturating_sub(room))
}

/// Where one is in what is longer than its room: `1-20 of 64`; nothing where all of it is seen.
pub(super) fn place(top: usize, lines: usize, room: usize) -> String {
    let top = top.min(lines.saturating_sub(room));
    if lines <= room { String::new() } else { format!("{}-{} of {lines}", top + 1, (top + room).min(lines)) }
}
