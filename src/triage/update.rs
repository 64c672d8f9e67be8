//! What an event changes, and what is wanted of the world then.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::dialog::{self, Dialog, Pending};
use super::event::{Effect, Event, News};
use super::state::{State, View};
use super::{evidence, findings, handover, journal, overview, plan, timeline};

/// Takes in an event.
pub fn update(state: &mut State, event: Event) -> Vec<Effect> {
    match event {
        Event::Key(key) if key.kind == KeyEventKind::Release => return Vec::new(),
        Event::Key(key) => return press(state, key),
        Event::Size(columns, rows) => {
            state.size = (columns, rows);
            return evidence::follow(state);
        }
        Event::Tick(now) => state.now = now,
        Event::Context(place, found) => state.evidence.take(&place, found),
        Event::Journal(lines) => {
            state.journal.grows(state.incident.journal().len(), lines.len());
            state.incident.take_journal(lines);
        }
        Event::Locked(locked) => state.locked = locked,
        Event::Made(root) => state.incident.source.root = Some(root),
        Event::Note(note) => state.note = note,
        Event::News(news) => return heard(state, news),
    }
    Vec::new()
}

/// Something of what runs.
fn heard(state: &mut State, news: News) -> Vec<Effect> {
    match news {
        News::Plans(plans, says) => {
            state.incident.plans = plans;
            state.incident.says = says;
            state.plans.stay_within(&state.incident);
        }
        News::Agree(step, asked) => ask(state, Pending::agree(*step, asked)),
        News::Answer(question) => ask(state, Pending::answer(question)),
        News::Ended(how) => {
            state.pending = None;
            state.dialog = state.dialog.take().filter(|dialog| !dialog.is_of_run());
            state.run.ended(how);
            if state.leaving {
                return vec![Effect::Quit];
            }
        }
        other => state.run.take(other, state.now),
    }
    Vec::new()
}

/// Whoever leaves is not asked any more: what runs has been told so.
fn ask(state: &mut State, pending: Pending) {
    state.pending = Some(pending);
    if !matches!(state.dialog, Some(Dialog::Leave | Dialog::Stop)) {
        state.dialog = Some(Dialog::Asked);
    }
}

fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    state.note.clear();
    if key.modifiers.contains(KeyModifiers::ALT) {
        // Escape and a key that come together look so: over ssh and in tmux they often do.
        let mut effects = press(state, KeyEvent::from(KeyCode::Esc));
        effects.extend(press(state, KeyEvent { modifiers: key.modifiers - KeyModifiers::ALT, ..key }));
        return effects;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        match key.code {
            KeyCode::Char('c') => return dialog::leave(state),
            KeyCode::Char('z') => return vec![Effect::Suspend],
            KeyCode::Char('l') => return vec![Effect::Redraw],
            _ => {}
        }
    }
    if state.dialog.is_some() {
        return dialog::press(state, key);
    }
    if state.view == View::Evidence && state.evidence.types() {
        return evidence::press(state, key);
    }
    match key.code {
        KeyCode::Char('q') => return dialog::leave(state),
        KeyCode::Char('?') | KeyCode::F(1) => state.dialog = Some(Dialog::Help(0)),
        KeyCode::Tab => return show(state, state.view.next(1)),
        KeyCode::BackTab => return show(state, state.view.next(View::ALL.len() - 1)),
        KeyCode::Char('a') if state.pending.is_some() => state.dialog = Some(Dialog::Asked),
        KeyCode::Char(digit @ '1'..='8') => return show(state, View::ALL[digit as usize - '1' as usize]),
        _ => return in_view(state, key),
    }
    Vec::new()
}

fn in_view(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    match state.view {
        View::Overview => overview::press(state, key),
        View::Timeline => timeline::press(state, key),
        View::Findings => findings::press(state, key),
        View::Evidence => evidence::press(state, key),
        View::Plan => plan::press(state, key),
        View::Run => super::run::press(state, key),
        View::Journal => journal::press(state, key),
        View::HandOver => handover::press(state, key),
    }
}

/// Shows a view.
pub(super) fn show(state: &mut State, view: View) -> Vec<Effect> {
    state.view = view;
    if view == View::Evidence { evidence::follow(state) } else { Vec::new() }
}
