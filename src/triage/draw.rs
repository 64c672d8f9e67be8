//! Puts a state on a frame: a head with the verdict and the views, the view, and a foot with the keys.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::Paragraph;

use super::state::{FOOT, HEAD, SMALLEST, State, View};
use super::{dialog, evidence, findings, handover, journal, overview, plan, run, text, timeline};
use crate::report::text::{Tone, tone};
use crate::report::words;

/// Keys and what they do.
pub(super) type Keys = &'static [(&'static str, &'static str)];

/// Keys that work in all views.
pub(super) const COMMON: Keys = &[("1-8 Tab", "views"), ("?", "help"), ("q", "quit")];

/// Draws all of it.
pub fn draw(state: &State, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        small(area, frame);
    } else {
        let rows = [Constraint::Length(HEAD), Constraint::Min(1), Constraint::Length(FOOT)];
        let [top, middle, bottom] = Layout::vertical(rows).areas(area);
        head(state, top, frame);
        view(state, middle, frame);
        foot(state, bottom, frame);
        dialog::draw(state, middle, frame);
    }
    plain(state, frame.buffer_mut());
}

/// The keys of a view.
pub(super) fn keys(view: View) -> Keys {
    match view {
        View::Overview => overview::KEYS,
        View::Timeline => timeline::KEYS,
        View::Findings => findings::KEYS,
        View::Evidence => evidence::KEYS,
        View::Plan => plan::KEYS,
        View::Run => run::KEYS,
        View::Journal => journal::KEYS,
        View::HandOver => handover::KEYS,
    }
}

fn small(area: Rect, frame: &mut Frame<'_>) {
    let (columns, rows) = SMALLEST;
    let lines = [
        format!("This terminal is {}x{}.", area.width, area.height),
        format!("diag triage needs {columns}x{rows}:"),
        "make it larger.".to_owned(),
        "q: quit".to_owned(),
    ];
    frame.render_widget(Paragraph::new(Text::from(lines.map(Line::from).to_vec())), area);
}

fn head(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let report = &state.incident.report;
    let verdict = words::verdict(report);
    let tone = tone(report);
    let width = usize::from(area.width);
    let marks = [
        (state.pending.is_some(), " [a: a question waits] "),
        (state.run.on, " [a run goes on] "),
        (state.locked, " [READ ONLY: another diag works on this case] "),
    ];
    let marks: Vec<Span<'_>> =
        marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| Span::styled(mark, reversed())).collect();
    let used = verdict.len() + 2 + marks.iter().map(Span::width).sum::<usize>();
    let mut first = vec![text::span(verdict, tone), Span::raw("  ")];
    first.push(text::span(text::padded(&report.headline, width.saturating_sub(used)), Tone::Strong));
    first.extend(marks);
    let mut tabs = Vec::new();
    for (at, view) in View::ALL.into_iter().enumerate() {
        let name = format!("{} {}", at + 1, view.name());
        let shown = view == state.view;
        // Not by its look alone: brackets stand around it.
        let name = if shown { format!("[{name}]") } else { format!(" {name} ") };
        tabs.push(Span::styled(name, if shown { reversed() } else { Style::new() }));
    }
    frame.render_widget(Paragraph::new(vec![Line::from(first), squeezed(tabs, width)]), area);
}

/// The tabs, with what room there is between them.
fn squeezed(tabs: Vec<Span<'static>>, width: usize) -> Line<'static> {
    let wide: usize = tabs.iter().map(Span::width).sum();
    if wide <= width {
        return Line::from(tabs);
    }
    let narrow = |tab: Span<'static>| {
        let text =
            if tab.content.starts_with(' ') { tab.content.trim_end().to_owned() } else { tab.content.into_owned() };
        Span::styled(text, tab.style)
    };
    Line::from(tabs.into_iter().map(narrow).collect::<Vec<_>>())
}

/// What is selected.
pub(super) fn reversed() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

fn view(state: &State, area: Rect, frame: &mut Frame<'_>) {
    match state.view {
        View::Overview => overview::draw(state, area, frame),
        View::Timeline => timeline::draw(state, area, frame),
        View::Findings => findings::draw(state, area, frame),
        View::Evidence => evidence::draw(state, area, frame),
        View::Plan => plan::draw(state, area, frame),
        View::Run => run::draw(state, area, frame),
        View::Journal => journal::draw(state, area, frame),
        View::HandOver => handover::draw(state, area, frame),
    }
}

fn foot(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(area.width);
    let first = if state.note.is_empty() {
        state.where_one_is()
    } else {
        text::line(text::cut(&state.note, width), Tone::Strong)
    };
    let mut lines = vec![first];
    let keys: Vec<(&str, &str)> = match &state.dialog {
        Some(dialog) => dialog.keys(state).to_vec(),
        None => keys(state.view).iter().chain(COMMON).copied().collect(),
    };
    lines.extend(listed(&keys, width));
    frame.render_widget(Paragraph::new(lines), area);
}

impl State {
    /// What is looked at, and where in it one is.
    fn where_one_is(&self) -> Line<'static> {
        let place = match self.view {
            View::Overview => overview::place(self),
            View::Findings => findings::place(self),
            View::Evidence => evidence::place(self),
            View::HandOver => handover::place(self),
            View::Plan => plan::place(self),
            View::Journal => journal::place(self),
            View::Timeline | View::Run => String::new(),
        };
        let width = usize::from(self.size.0);
        let name = text::end(&self.incident.source.name, width.saturating_sub(place.len() + 2));
        let gap = width.saturating_sub(text::width(&name) + place.len());
        text::line(format!("{name}{}{place}", " ".repeat(gap)), Tone::Faint)
    }
}

/// Keys in lines of so many columns.
pub(super) fn listed(keys: &[(&str, &str)], width: usize) -> Vec<Line<'static>> {
    let mut lines: Vec<Vec<Span<'static>>> = vec![Vec::new()];
    let mut used = 0;
    for (key, does) in keys {
        let wide = text::width(key) + 1 + text::width(does);
        if used > 0 && used + 2 + wide > width {
            lines.push(Vec::new());
            used = 0;
        }
        let Some(line) = lines.last_mut() else { continue };
        if used > 0 {
            line.push(Span::raw("  "));
            used += 2;
        }
        line.push(text::span(key, Tone::Strong));
        line.push(Span::raw(format!(" {does}")));
        used += wide;
    }
    lines.into_iter().map(Line::from).collect()
}

/// Takes off what the terminal can't show.
fn plain(state: &State, buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if !state.look.colour {
            cell.fg = Color::Reset;
            cell.bg = Color::Reset;
        }
        if !state.look.unicode && !cell.symbol().is_ascii() {
            let stand_in = ascii(cell.symbol());
            cell.set_symbol(stand_in);
        }
    }
}

/// What stands for a character where there is only ASCII.
fn ascii(symbol: &str) -> &'static str {
    match symbol {
        "─" => "-",
        "│" => "|",
        "┌" | "┐" | "└" | "┘" | "├" | "┤" => "+",
        "…" => "~",
        "·" => ".",
        _ => "?",
    }
}
