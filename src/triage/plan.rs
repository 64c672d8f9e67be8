//! What can be done: the steps, their risk, their commands, and what became of them.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::dialog::Dialog;
use super::draw::{Keys, reversed};
use super::event::Effect;
use super::incident::Incident;
use super::pager::{self, Way, way};
use super::state::State;
use super::text;
use crate::plan::{Plan, Step, tell};
use crate::report::text::{Look, Tone};
use crate::report::words;

/// Its keys.
pub(super) const KEYS: Keys =
    &[("j k", "step"), ("Space b", "scroll"), ("h l", "finding"), ("r", "run: test, ask, fix, test again")];

/// Most rows of the list of steps.
const MOST_LISTED: usize = 8;

/// Columns from which the list tells the risk of each step.
const WIDE: usize = 120;

/// Which plan, which step, and where its words are scrolled to.
#[derive(Debug, Default)]
pub(super) struct Plans {
    at: usize,
    step: usize,
    top: usize,
}

impl Plans {
    /// Keeps within what there is after plans have changed.
    pub(super) fn stay_within(&mut self, incident: &Incident) {
        self.at = self.at.min(incident.plans.len().saturating_sub(1));
        let steps = incident.plans.get(self.at).map_or(0, |plan| plan.steps.len());
        self.step = self.step.min(steps.saturating_sub(1));
        self.top = 0;
    }

    /// Turns to the plan for a cause; whether there is one.
    pub(super) fn turn_to(&mut self, incident: &Incident, cause: &str) -> bool {
        let at = incident.plans.iter().position(|plan| plan.subject.cause == cause);
        *self = Self { at: at.unwrap_or(self.at), ..Self::default() };
        at.is_some()
    }

    /// The plan that is shown.
    pub(super) fn plan<'a>(&self, incident: &'a Incident) -> Option<&'a Plan> {
        incident.plans.get(self.at)
    }
}

/// A key.
pub(super) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let Some(plan) = state.plans.plan(&state.incident) else { return Vec::new() };
    let steps = plan.steps.len();
    match (key.code, way(key)) {
        (KeyCode::Char('r'), _) => begin(state),
        (_, Some(side @ (Way::Left | Way::Right))) => {
            let way = if side == Way::Left { Way::Up } else { Way::Down };
            let at = pager::moved(state.plans.at, way, state.incident.plans.len(), 1);
            state.plans = Plans { at, ..Plans::default() };
        }
        (_, Some(way @ (Way::PageUp | Way::PageDown))) => {
            let lines = words_of(state, state.room().0).len();
            state.plans.top = pager::scrolled(state.plans.top, way, lines, words_room(state));
        }
        (_, Some(way)) => {
            state.plans.step = pager::moved(state.plans.step, way, steps, MOST_LISTED);
            state.plans.top = 0;
        }
        _ => {}
    }
    Vec::new()
}

fn begin(state: &mut State) {
    let why = match () {
        () if state.locked => "read only: another diag works on this case",
        () if state.run.on => "a run goes on already: see 6",
        () if !state.incident.plans.iter().any(can_begin) => "nothing here can be run: these steps want hands",
        () => {
            state.dialog = Some(Dialog::Begin);
            return;
        }
    };
    why.clone_into(&mut state.note);
}

/// Whether something of it is run, or would be once a question is answered.
fn can_begin(plan: &Plan) -> bool {
    !plan.questions.is_empty() || plan.steps.iter().any(Step::runs)
}

/// What the policy says of a step, or what became of it.
fn word(state: &State, plan: &Plan, step: &Step) -> String {
    if let Some((word, _)) = state.incident.standing(plan, step) {
        return format!("[{word}]");
    }
    if !step.cannot.is_empty() {
        return "can't be run".to_owned();
    }
    if !step.runs() {
        return "by hand".to_owned();
    }
    let says = state.incident.says.get(state.plans.at).and_then(|says| says.get(&step.id));
    says.map(|word| word.answer.clone()).unwrap_or_default()
}

fn list(state: &State, plan: &Plan, width: usize) -> Vec<Line<'static>> {
    let subject = &plan.subject;
    let who = words::culprit(&subject.culprit);
    let who = if who.is_empty() { who } else { format!(": {who}") };
    let count = state.incident.plans.len();
    let of = if count > 1 { format!("{} of {count}  ", state.plans.at + 1) } else { String::new() };
    let head = format!("{of}{}{who} ({})", subject.title, words::confidence(subject.confidence));
    let mut lines = vec![text::line(text::cut(&head, width), Tone::Strong)];
    let rows = plan.steps.len().min(MOST_LISTED);
    let first = pager::around(state.plans.step, plan.steps.len(), rows);
    for (nth, step) in plan.steps.iter().enumerate().skip(first).take(rows) {
        let chosen = nth == state.plans.step;
        let word = word(state, plan, step);
        let mark = if chosen { '>' } else { ' ' };
        let said = format!("{mark}{:>2} {:<8}{}", nth + 1, tell::label(step), step.title);
        // Where there is no room for the risk, the words below tell it.
        let risk = if width >= WIDE { format!("  {}", words::risk(&step.risk.to_string())) } else { String::new() };
        let tail = format!("{risk}  {word}");
        let said = text::padded(&said, width.saturating_sub(text::width(&tail))) + &tail;
        let line = text::line(said, Tone::Plain);
        lines.push(if chosen { line.style(reversed()) } else { line });
    }
    lines.push(Line::default());
    lines
}

/// The selected step in words: where, at what risk, what exactly, and what became of it.
fn words_of(state: &State, width: usize) -> Vec<Line<'static>> {
    let Some(plan) = state.plans.plan(&state.incident) else { return Vec::new() };
    let Some(step) = plan.steps.get(state.plans.step) else { return Vec::new() };
    let mut lines = Vec::new();
    if let Some((word, why)) = state.incident.standing(plan, step) {
        let said = if why.is_empty() { word.to_owned() } else { format!("{word}: {why}") };
        lines.extend(text::flowed("It", &said, 9, width, Tone::Strong));
    }
    let says = state.incident.says.get(state.plans.at).cloned().unwrap_or_default();
    let look = Look { width, verbose: true, ..Look::default() };
    lines.extend(text::styled(tell::step(plan, &says, state.plans.step, look)));
    for question in &plan.questions {
        lines.extend(text::flowed("Asks", &question.what, 9, width, Tone::Plain));
    }
    lines
}

fn words_room(state: &State) -> usize {
    let steps = state.plans.plan(&state.incident).map_or(0, |plan| plan.steps.len());
    state.room().1.saturating_sub(steps.min(MOST_LISTED) + 2)
}

pub(super) fn draw(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(area.width);
    let Some(plan) = state.plans.plan(&state.incident) else {
        let said = "There is nothing to do: nothing is wrong, or nothing is known that could be tested or mended.";
        frame.render_widget(Paragraph::new(text::flowed("", said, 0, width, Tone::Plain)), area);
        return;
    };
    let mut lines = list(state, plan, width);
    lines.extend(pager::seen(words_of(state, width), state.plans.top, words_room(state)));
    frame.render_widget(Paragraph::new(lines), area);
}

pub(super) fn place(state: &State) -> String {
    pager::place(state.plans.top, words_of(state, state.room().0).len(), words_room(state))
}
