//! Each finding by itself: its reasons, its chain, its proof.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::draw::{Keys, reversed};
use super::event::Effect;
use super::pager::{self, Way, way};
use super::state::{State, View};
use super::{text, update};
use crate::report::text::{Look, Tone};
use crate::report::words;

/// Its keys.
pub(super) const KEYS: Keys =
    &[("h l", "finding"), ("j k", "scroll"), ("Space b", "page"), ("Enter", "its evidence"), ("p", "its plan")];

/// Which finding, and where it is scrolled to.
#[derive(Debug, Default)]
pub(super) struct Findings {
    at: usize,
    top: usize,
}

/// One line a finding, and an empty one.
fn list(state: &State, width: usize) -> Vec<Line<'static>> {
    let findings = &state.incident.report.findings;
    let one = |(at, finding): (usize, &crate::report::Finding)| {
        let chosen = at == state.findings.at;
        let who = words::culprit(&finding.culprit);
        let who = if who.is_empty() { who } else { format!(": {who}") };
        let mark = if chosen { '>' } else { ' ' };
        let part = finding.part.as_ref().map(|part| format!("{part}: ")).unwrap_or_default();
        let said =
            format!("{mark} {} {:<9} {part}{}{who}", at + 1, words::confidence(finding.confidence), finding.title);
        let line = text::line(text::padded(&said, width), Tone::Plain);
        if chosen { line.style(reversed()) } else { line }
    };
    let mut lines: Vec<Line<'static>> = findings.iter().enumerate().map(one).collect();
    if lines.is_empty() {
        lines.push(text::line("Nothing was found that explains anything.", Tone::Plain));
    }
    lines.push(Line::default());
    lines
}

fn page(state: &State) -> Vec<Line<'static>> {
    let look = Look { width: state.room().0, verbose: true, ..Look::default() };
    text::styled(crate::report::text::finding(&state.incident.report, state.findings.at, look))
}

fn room(state: &State) -> usize {
    state.room().1.saturating_sub(state.incident.report.findings.len().max(1) + 1)
}

/// A key.
pub(super) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let count = state.incident.report.findings.len();
    match (key.code, way(key)) {
        (_, Some(side @ (Way::Left | Way::Right))) => {
            let way = if side == Way::Left { Way::Up } else { Way::Down };
            state.findings = Findings { at: pager::moved(state.findings.at, way, count, 1), top: 0 };
        }
        (_, Some(way)) => {
            state.findings.top = pager::scrolled(state.findings.top, way, page(state).len(), room(state));
        }
        (KeyCode::Enter, _) if count > 0 => {
            let at = state.findings.at;
            state.evidence.of_finding(&state.incident, at);
            return update::show(state, View::Evidence);
        }
        (KeyCode::Char('p'), _) if count > 0 => {
            let cause = state.incident.report.findings[state.findings.at].cause.clone();
            if state.plans.turn_to(&state.incident, &cause) {
                return update::show(state, View::Plan);
            }
            "there is no plan for this finding".clone_into(&mut state.note);
        }
        _ => {}
    }
    Vec::new()
}

pub(super) fn draw(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let mut lines = list(state, area.width.into());
    lines.extend(pager::seen(page(state), state.findings.top, room(state)));
    frame.render_widget(Paragraph::new(lines), area);
}

pub(super) fn place(state: &State) -> String {
    pager::place(state.findings.top, page(state).len(), room(state))
}
