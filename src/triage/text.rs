//! Text for the screen: whatever it is made of goes through the guard here, and is measured as a terminal shows it.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::report::guard;
use crate::report::text::{Paper, Span as Told, Tone};

/// A piece of text in a tone.
pub(super) fn span(text: impl AsRef<str>, tone: Tone) -> Span<'static> {
    Span::styled(guard::plain(text.as_ref()).into_owned(), style(tone))
}

/// A line in one tone.
pub(super) fn line(text: impl AsRef<str>, tone: Tone) -> Line<'static> {
    Line::from(span(text, tone))
}

/// Lines as a report tells them.
pub(super) fn styled(lines: Vec<Vec<Told>>) -> Vec<Line<'static>> {
    let one = |line: Vec<Told>| Line::from(line.iter().map(|told| span(told.text(), told.tone())).collect::<Vec<_>>());
    lines.into_iter().map(one).collect()
}

/// Text wrapped at words, so many columns wide; further lines begin `indent` columns in.
pub(super) fn flowed(lead: &str, text: &str, indent: usize, width: usize, tone: Tone) -> Vec<Line<'static>> {
    let mut paper = Paper::new(width, false);
    paper.flow(&[Told::new(lead, Tone::Strong)], indent, &[Told::new(text, tone)]);
    styled(paper.lines())
}

/// How a tone looks. Each is told apart without colour as well, or says nothing that the words do not.
pub(super) fn style(tone: Tone) -> Style {
    let bold = |colour| Style::new().fg(colour).add_modifier(Modifier::BOLD);
    match tone {
        Tone::Plain => Style::new(),
        Tone::Strong => Style::new().add_modifier(Modifier::BOLD),
        Tone::Faint => Style::new().add_modifier(Modifier::DIM),
        Tone::Bad => bold(Color::Red),
        Tone::Unsure => bold(Color::Yellow),
        Tone::Good => bold(Color::Green),
        Tone::Cite => Style::new().fg(Color::Cyan),
        Tone::Command => Style::new().fg(Color::Green),
    }
}

/// The start of a text in so many columns, with an ellipsis where something is missing.
pub(super) fn cut(text: &str, columns: usize) -> String {
    let safe = guard::plain(text);
    if safe.width() <= columns {
        return safe.into_owned();
    }
    if columns == 0 { String::new() } else { slice(&safe, 0, columns - 1) + "…" }
}

/// The end of a text in so many columns: of a path, its file.
pub(super) fn end(text: &str, columns: usize) -> String {
    let safe = guard::plain(text);
    let width = safe.width();
    if width <= columns {
        return safe.into_owned();
    }
    if columns == 0 { String::new() } else { "…".to_owned() + &slice(&safe, width - (columns - 1), columns - 1) }
}

/// Columns `from..from + columns` of a text; a wide character that is cut by an edge is left out.
pub(super) fn slice(text: &str, from: usize, columns: usize) -> String {
    let mut at = 0;
    let mut kept = String::new();
    for c in guard::plain(text).chars() {
        let wide = c.width().unwrap_or(0);
        if at >= from && at + wide <= from + columns {
            kept.push(c);
        }
        at += wide;
        if at >= from + columns {
            break;
        }
    }
    kept
}

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    guard::plain(text).width()
}

/// A text in exactly so many columns.
pub(super) fn padded(text: &str, columns: usize) -> String {
    let cut = cut(text, columns);
    let pad = columns.saturating_sub(cut.width());
    cut + &" ".repeat(pad)
}

/// A text in pieces of so many columns, wherever they end.
pub(super) fn pieces(text: &str, columns: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for c in guard::plain(text).chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide > columns.max(2) {
            pieces.push(String::new());
            used = 0;
        }
        used += wide;
        if let Some(last) = pieces.last_mut() {
            last.push(c);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_are_never_halved() {
        assert_eq!(slice("a数据b", 0, 2), "a");
        assert_eq!(slice("a数据b", 2, 3), "据");
        assert_eq!(cut("数据加载器", 5), "数据…");
        assert_eq!(end("logs/rank/数据.log", 8), "…据.log");
        assert_eq!(padded("数", 4).width(), 4);
        assert_eq!(pieces("数据加", 4), ["数据", "加"]);
    }

    #[test]
    fn what_acts_on_a_terminal_is_made_visible() {
        assert_eq!(line("a\u{1b}[2J\u{202e}b", Tone::Plain).to_string(), "a␛[2J\u{fffd}b");
        assert_eq!(slice("\u{1b}[31mred\u{1b}[0m\u{7}", 0, 10), "red␇");
    }
}
