//! What stands in front of a view until it is answered.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph};

use super::draw::{COMMON, keys, listed};
use super::event::{Effect, Reply};
use super::pager::{self, way};
use super::state::{State, View};
use super::{handover, text};
use crate::plan::{Question, Step, tell};
use crate::playbook::schema::Risk;
use crate::policy::{self, Asked};
use crate::report::text::Tone;

/// A dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialog {
    /// All keys; the first line that is shown.
    Help(usize),
    /// Whether to leave though something runs.
    Leave,
    /// Whether to stop what runs.
    Stop,
    /// Whether to begin.
    Begin,
    /// Whether to make a case for the page that is handed over.
    Write,
    /// What is pending.
    Asked,
}

/// What what runs wants to know.
#[derive(Debug)]
pub(super) struct Pending {
    what: What,
    /// The first line that is shown.
    top: usize,
    typed: String,
}

#[derive(Debug)]
enum What {
    Agree(Box<Step>, Asked),
    Answer(Question),
}

/// Longest answer, in characters.
const LONGEST: usize = 200;

/// Columns and rows that a dialog leaves free around it, and that its border takes.
const EDGE: u16 = 2;

impl Dialog {
    /// Whether it makes no sense when nothing runs.
    pub(super) const fn is_of_run(self) -> bool {
        matches!(self, Self::Leave | Self::Stop | Self::Asked)
    }

    /// Its keys.
    pub(super) fn keys(self, state: &State) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Help(_) => &[("j k", "scroll"), ("Esc", "back")],
            Self::Leave => &[("s", "stop it and leave"), ("Esc", "stay")],
            Self::Stop => &[("y", "stop it"), ("n Esc", "let it run")],
            Self::Begin if state.incident.plans.len() > 1 => {
                &[("a", "all findings, one after the other"), ("o", "only this one"), ("n Esc", "not now")]
            }
            Self::Begin | Self::Write => &[("y", "yes"), ("n Esc", "not now")],
            Self::Asked => state.pending.as_ref().map_or(&[], Pending::keys),
        }
    }
}

impl Pending {
    /// A step that needs a yes.
    pub(super) fn agree(step: Step, asked: Asked) -> Self {
        Self { what: What::Agree(Box::new(step), asked), top: 0, typed: String::new() }
    }

    /// A question.
    pub(super) const fn answer(question: Question) -> Self {
        Self { what: What::Answer(question), top: 0, typed: String::new() }
    }

    /// What has to be typed for a yes; nothing where a key will do.
    fn word(&self) -> Option<&str> {
        match &self.what {
            What::Agree(step, asked) if policy::risk(step) >= Risk::Disruptive || !asked.busy.is_empty() => {
                Some(&step.of)
            }
            _ => None,
        }
    }

    /// Whether no yes will do here.
    fn is_barred(&self) -> bool {
        matches!(&self.what, What::Agree(_, asked) if asked.name)
    }

    fn keys(&self) -> &'static [(&'static str, &'static str)] {
        match &self.what {
            What::Agree(..) if self.is_barred() => {
                &[("n", "no"), ("Esc", "leave it open"), ("Space b", "scroll"), ("Tab", "look around first")]
            }
            What::Agree(..) if self.word().is_some() => &[
                ("Enter", "when typed"),
                ("no Enter", "no"),
                ("Esc", "leave it open"),
                ("PgDn PgUp", "scroll"),
                ("Tab", "look around first"),
            ],
            What::Agree(..) => &[
                ("y", "yes, do it"),
                ("n", "no"),
                ("Esc", "leave it open"),
                ("Space b", "scroll"),
                ("Tab", "look around first"),
            ],
            What::Answer(_) => &[
                ("Enter", "answer"),
                ("Up Down", "what the evidence offers"),
                ("Esc", "leave it open"),
                ("Tab", "look around first"),
            ],
        }
    }
}

/// Leaves, or asks whether to.
pub(super) fn leave(state: &mut State) -> Vec<Effect> {
    if !state.run.on {
        return vec![Effect::Quit];
    }
    if state.dialog == Some(Dialog::Leave) {
        return stop(state, true);
    }
    state.dialog = Some(Dialog::Leave);
    Vec::new()
}

/// Tells what runs to stop.
fn stop(state: &mut State, leaving: bool) -> Vec<Effect> {
    state.leaving |= leaving;
    state.dialog = None;
    state.view = View::Run;
    state.run.stop();
    let mut effects = vec![Effect::Stop];
    if state.pending.take().is_some() {
        effects.push(Effect::Reply(Reply::Nobody));
    }
    effects
}

/// A key.
pub(super) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let Some(dialog) = state.dialog else { return Vec::new() };
    if dialog == Dialog::Asked {
        return asked(state, key);
    }
    if let (Dialog::Help(top), Some(way)) = (dialog, way(key)) {
        let (width, rows) = inside(state);
        state.dialog = Some(Dialog::Help(pager::scrolled(top, way, help(state, width).len(), rows)));
        return Vec::new();
    }
    let no = matches!(key.code, KeyCode::Esc | KeyCode::Char('n' | 'q' | '?'));
    match (dialog, key.code) {
        // What waits for an answer is not forgotten.
        _ if no => state.dialog = None,
        (Dialog::Leave, KeyCode::Char('s')) => return stop(state, true),
        (Dialog::Stop, KeyCode::Char('y')) => return stop(state, false),
        (Dialog::Begin, KeyCode::Char('y')) if state.incident.plans.len() < 2 => return begin(state, None),
        (Dialog::Begin, KeyCode::Char('a')) if state.incident.plans.len() > 1 => return begin(state, None),
        (Dialog::Begin, KeyCode::Char('o')) if state.incident.plans.len() > 1 => {
            let cause = state.plans.plan(&state.incident).map(|plan| plan.subject.cause.clone());
            return begin(state, cause);
        }
        (Dialog::Write, KeyCode::Char('y')) => {
            state.dialog = None;
            return vec![Effect::HandOver(handover::page(&state.incident))];
        }
        _ => {}
    }
    Vec::new()
}

fn begin(state: &mut State, cause: Option<String>) -> Vec<Effect> {
    state.dialog = None;
    state.view = View::Run;
    state.run.begin(state.now);
    vec![Effect::Begin(cause)]
}

fn asked(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let (width, rows) = inside(state);
    let Some(pending) = &mut state.pending else {
        state.dialog = None;
        return Vec::new();
    };
    if key.code == KeyCode::Tab {
        state.dialog = None;
        "a: back to the question".clone_into(&mut state.note);
        return Vec::new();
    }
    let types = pending.word().is_some() || matches!(pending.what, What::Answer(_));
    let moves = matches!(key.code, KeyCode::PageUp | KeyCode::PageDown) || !types;
    if let (Some(way), true) = (way(key), moves) {
        pending.top = pager::scrolled(pending.top, way, pending.lines(width).len(), rows.saturating_sub(BELOW));
        return Vec::new();
    }
    let reply = pending.press(key);
    if reply.is_some() {
        state.pending = None;
        state.dialog = None;
    }
    reply.map(Effect::Reply).into_iter().collect()
}

impl Pending {
    /// A key; the reply, where it is one.
    fn press(&mut self, key: KeyEvent) -> Option<Reply> {
        let typed = self.typed.trim().to_owned();
        let word = self.word().filter(|_| !self.is_barred()).map(str::to_owned);
        match (&self.what, key.code) {
            (_, KeyCode::Esc) => Some(Reply::Nobody),
            (What::Answer(_), KeyCode::Enter) => {
                Some(if typed.is_empty() { Reply::Nobody } else { Reply::Answer(typed) })
            }
            (What::Answer(question), KeyCode::Up | KeyCode::Down) => {
                self.typed = offered(&question.offers, &typed, key.code == KeyCode::Down);
                None
            }
            (What::Agree(..), KeyCode::Enter) if word.as_deref() == Some(typed.as_str()) => Some(Reply::Agree(true)),
            (What::Agree(..), KeyCode::Enter) if word.is_some() && typed == "no" => Some(Reply::Agree(false)),
            (What::Agree(..), KeyCode::Char('n')) if word.is_none() => Some(Reply::Agree(false)),
            (What::Agree(..), KeyCode::Char('y')) if word.is_none() && !self.is_barred() => Some(Reply::Agree(true)),
            (What::Agree(..), _) if word.is_none() => None,
            (_, KeyCode::Backspace) => {
                self.typed.pop();
                None
            }
            (_, KeyCode::Char(c)) if self.typed.chars().count() < LONGEST => {
                self.typed.push(c);
                None
            }
            _ => None,
        }
    }

    /// What is asked, whole: exactly what a yes is to.
    fn lines(&self, width: usize) -> Vec<Line<'static>> {
        match &self.what {
            What::Agree(step, asked) => {
                let mut lines = text::flowed("", &step.title, 0, width, Tone::Strong);
                for why in &asked.why {
                    lines.extend(text::flowed("asked, because", why, 15, width, Tone::Plain));
                }
                for (node, job) in &asked.busy {
                    lines.extend(text::flowed("JOBS RUN:", &format!("{node} runs {job}"), 10, width, Tone::Bad));
                }
                lines.push(Line::default());
                for line in tell::shown(step) {
                    lines.extend(text::pieces(&line, width).into_iter().map(|piece| text::line(piece, Tone::Plain)));
                }
                lines
            }
            What::Answer(question) => {
                let mut lines = text::flowed("", &question.what, 0, width, Tone::Strong);
                if !question.offers.is_empty() {
                    lines.extend(text::flowed("offered:", &question.offers.join(", "), 9, width, Tone::Plain));
                }
                lines
            }
        }
    }

    fn title(&self) -> String {
        match &self.what {
            What::Agree(step, _) => format!(" Do it?  {} ", step.id),
            What::Answer(question) => format!(" What is {}? ", question.id),
        }
    }

    /// What has to be typed or pressed, in a line.
    fn wish(&self, width: usize) -> Line<'static> {
        let said = match (&self.what, self.word()) {
            (What::Answer(_), _) => format!("{}: {}_", "answer", self.typed),
            (What::Agree(step, asked), _) if asked.name => {
                format!(
                    "No yes will do here: it has to be named when diag is started (--name {} --approve LEVEL).",
                    step.of
                )
            }
            (_, Some(word)) => format!("To agree, type  {word}  and press Enter: {}_", self.typed),
            _ => "y: yes, exactly this; n: no".to_owned(),
        };
        text::line(text::cut(&said, width), Tone::Strong)
    }
}

/// Rows below what is scrolled: an empty one, and the wish.
const BELOW: usize = 2;

/// The next or the one before of what is offered.
fn offered(offers: &[String], typed: &str, down: bool) -> String {
    let at = offers.iter().position(|offer| offer == typed);
    let next = match (at, down) {
        (None, true) => 0,
        (None, false) => offers.len().saturating_sub(1),
        (Some(at), true) => (at + 1) % offers.len(),
        (Some(at), false) => (at + offers.len() - 1) % offers.len(),
    };
    offers.get(next).cloned().unwrap_or_else(|| typed.to_owned())
}

/// Columns and rows within a dialog.
fn inside(state: &State) -> (usize, usize) {
    let (columns, rows) = state.room();
    let edge = usize::from(EDGE);
    (columns - 2 * edge - 4, rows - 4)
}

pub(super) fn draw(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let Some(dialog) = state.dialog else { return };
    let (width, rows) = inside(state);
    let (title, lines) = match dialog {
        Dialog::Help(top) => (" Keys ".to_owned(), pager::seen(help(state, width), top, rows)),
        Dialog::Leave => (" Leave? ".to_owned(), said(LEAVE, width)),
        Dialog::Stop => (" Stop it? ".to_owned(), said(STOP, width)),
        Dialog::Begin => (" Run the plan? ".to_owned(), said(&begins(state), width)),
        Dialog::Write => (" Make a case? ".to_owned(), said(WRITE, width)),
        Dialog::Asked => {
            let Some(pending) = &state.pending else { return };
            (pending.title(), pending.shown(width, rows))
        }
    };
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2).min(area.height - 2);
    let place = Rect { x: area.x + EDGE, y: area.y + (area.height - height) / 2, width: area.width - 2 * EDGE, height };
    let block = Block::bordered().title(text::span(title, Tone::Strong));
    let within = block.inner(place);
    frame.render_widget(Clear, place);
    frame.render_widget(block, place);
    let within = Rect { x: within.x + 1, width: within.width.saturating_sub(2), ..within };
    frame.render_widget(Paragraph::new(lines), within);
}

const LEAVE: &str = "Something runs. To leave stops it and ends all that it started; `diag resume` goes on later.";
const STOP: &str = "What runs is stopped, and all that it started is ended. The journal keeps what was done.";
const WRITE: &str =
    "The page is kept in a case folder, and there is none yet: one is made here, with a copy of all inputs.";

fn said(what: &str, width: usize) -> Vec<Line<'static>> {
    what.split('\n').flat_map(|part| text::flowed("", part, 0, width, Tone::Plain)).collect()
}

/// What will happen, before it begins.
fn begins(state: &State) -> String {
    let source = &state.incident.source;
    let plan = state.plans.plan(&state.incident);
    let title = plan.map(|plan| plan.subject.title.clone()).unwrap_or_default();
    let says = state.incident.says.iter().flatten().map(|(_, word)| word.answer.as_str());
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for answer in says {
        match counts.iter_mut().find(|(known, _)| *known == answer) {
            Some((_, count)) => *count += 1,
            None => counts.push((answer, 1)),
        }
    }
    let counts: Vec<String> = counts.into_iter().map(|(answer, count)| format!("{count} {answer}")).collect();
    let case = match &source.root {
        Some(root) => format!("The journal stands in {root}."),
        None => "A case folder is made here first, with a copy of all inputs.".to_owned(),
    };
    let how = match source.via.as_str() {
        "local" => "All of it runs on this machine (--via local).".to_owned(),
        via => format!("Nodes are reached by {via} (--via)."),
    };
    format!(
        "{title}\n \nTests first, then fixes, then the tests again, as `diag fix` does. Of the steps, by the policy: {}. What asks is shown whole before it is done.\n{how} {case}",
        counts.join(", "),
    )
}

impl Pending {
    /// What is asked, as much as fits, and what has to be typed.
    fn shown(&self, width: usize, rows: usize) -> Vec<Line<'static>> {
        let lines = self.lines(width);
        let room = rows.saturating_sub(BELOW);
        let place = pager::place(self.top, lines.len(), room);
        let mut shown = pager::seen(lines, self.top, room);
        shown.push(text::line(if place.is_empty() { String::new() } else { format!("-- {place} --") }, Tone::Faint));
        shown.push(self.wish(width));
        shown
    }
}

/// All keys of all views.
fn help(state: &State, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let all = [("Ctrl-C", "leave"), ("Ctrl-Z", "to the shell"), ("Ctrl-L", "draw anew"), ("a", "back to a question")];
    let everywhere: Vec<(&str, &str)> = COMMON.iter().copied().chain(all).collect();
    lines.push(text::line("Everywhere", Tone::Strong));
    lines.extend(listed(&everywhere, width));
    lines.push(Line::default());
    let moving = "To move: arrows or h j k l, Space and b or PgDn and PgUp, g and G or Home and End";
    lines.extend(text::flowed("", moving, 0, width, Tone::Plain));
    // The view that one looks at first.
    let mut views = View::ALL.to_vec();
    views.sort_by_key(|view| *view != state.view);
    for view in views {
        lines.push(Line::default());
        lines.push(text::line(view.name(), Tone::Strong));
        lines.extend(listed(keys(view), width));
    }
    lines
}
