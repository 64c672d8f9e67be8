//! Each fact, and the lines around it as they stand in its log.

use std::collections::BTreeSet;
use std::ops::Range;

use diag_parsers::{Says, prefix};
use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};

use super::draw::{Keys, reversed};
use super::event::{Effect, Place};
use super::filter::Filter;
use super::incident::Incident;
use super::pager::{self, Way, way};
use super::state::{State, View};
use super::text;
use crate::collect::{Cut, Excerpt};
use crate::evidence::{BEGAN, ENDED, Row};
use crate::report::text::Tone;
use crate::report::words;

/// Its keys.
pub(super) const KEYS: Keys = &[
    ("j k", "move"),
    ("Enter", "lines around"),
    ("Esc", "back"),
    ("/", "filter"),
    ("f", "cited, failures, all"),
    ("o", "by line or time"),
    ("h l", "sideways"),
    ("w", "wrap"),
];

/// Rows from which the list and the lines around are shown at once.
const TALL: usize = 30;

/// Columns from which the list says where each line stands, and how many that takes at most.
const WIDE: usize = 120;
const SOURCE: usize = 40;

/// Lines that are read each way.
const AROUND: u64 = 120;

/// Further lines are read when the end of what was read is so near.
const NEAR: u64 = 50;

/// Columns that one key goes sideways.
const SIDEWAYS: usize = 20;

/// Longest filter, in characters.
const LONGEST: usize = 200;

/// Which facts are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Cited,
    Failures,
    All,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Cited => "cited lines",
            Self::Failures => "failures and cited lines",
            Self::All => "all that formats know",
        }
    }
}

/// What is shown of the evidence.
#[derive(Debug)]
pub(super) struct Evidence {
    /// Indices of the table's rows.
    rows: Vec<usize>,
    at: usize,
    level: Level,
    by_time: bool,
    filter: String,
    /// What is being typed.
    draft: Option<String>,
    /// The keys move within the lines around, and not in the list.
    inside: bool,
    around: Around,
}

/// The lines around one.
#[derive(Debug, Default)]
struct Around {
    /// What was asked for last.
    place: Place,
    /// What came.
    found: Option<Result<Excerpt, String>>,
    /// The line in the middle.
    middle: u64,
    sideways: usize,
    wrap: bool,
}

impl Evidence {
    /// Failures and cited lines first; all where there are none.
    pub(super) fn new(incident: &Incident) -> Self {
        let mut evidence = Self {
            rows: Vec::new(),
            at: 0,
            level: Level::Failures,
            by_time: false,
            filter: String::new(),
            draft: None,
            inside: false,
            around: Around::default(),
        };
        evidence.sift(incident);
        if evidence.rows.is_empty() {
            evidence.level = Level::All;
            evidence.sift(incident);
        }
        // What decides most is looked at first.
        let place = |at: &usize| &incident.table.rows[*at];
        let id =
            |row: &Row| incident.cited(&incident.table.sources[row.source], row.line).map(|cited| cited.id.as_str());
        evidence.at = evidence.rows.iter().position(|at| id(place(at)) == Some("E1")).unwrap_or(0);
        evidence
    }

    /// Whether keys are letters of a filter.
    pub(super) const fn types(&self) -> bool {
        self.draft.is_some()
    }

    /// Only what a finding cites; `at`: its place in the report, from 0.
    pub(super) fn of_finding(&mut self, incident: &Incident, at: usize) {
        self.filter = format!("finding:{}", at + 1);
        self.level = Level::Cited;
        self.inside = false;
        self.at = 0;
        self.sift(incident);
    }

    /// Goes to a place, and to the lines around it.
    pub(super) fn go_to(&mut self, incident: &Incident, place: &Place) {
        let is = |at: &usize| {
            let row = &incident.table.rows[*at];
            row.line == place.line && incident.table.sources[row.source] == place.source
        };
        if !self.rows.iter().any(is) {
            self.filter.clear();
            self.level = Level::All;
            self.sift(incident);
        }
        self.at = self.rows.iter().position(is).unwrap_or(0);
        self.inside = true;
    }

    /// Takes the lines around a place, if they are still wanted.
    pub(super) fn take(&mut self, place: &Place, found: Result<Excerpt, String>) {
        if *place == self.around.place {
            self.around.found = Some(found);
        }
    }

    fn sift(&mut self, incident: &Incident) {
        let kept = self.rows.get(self.at).copied();
        let filter = Filter::of(self.draft.as_deref().unwrap_or(&self.filter));
        let table = &incident.table;
        let shown = |row: &Row| {
            let told = row.parents.is_empty() && row.kind != BEGAN && row.kind != ENDED;
            let cited = || incident.cited(&table.sources[row.source], row.line).is_some();
            let level = match self.level {
                Level::All => true,
                Level::Cited => cited(),
                Level::Failures => matches!(row.says, Says::Failure | Says::Teardown) || cited(),
            };
            told && level && filter.takes(row, incident)
        };
        self.rows = table.rows.iter().enumerate().filter(|(_, row)| shown(row)).map(|(at, _)| at).collect();
        let place = |at: &usize| (table.rows[*at].source, table.rows[*at].line);
        if self.by_time {
            self.rows.sort_by_key(|at| (table.rows[*at].placed.map_or(i64::MAX, |placed| placed.micros), place(at)));
        } else {
            self.rows.sort_by_key(place);
        }
        // A line that tells several facts is shown once.
        let mut seen = BTreeSet::new();
        self.rows.retain(|at| seen.insert(place(at)));
        self.at = kept.and_then(|kept| self.rows.iter().position(|row| *row == kept)).unwrap_or(0);
    }

    fn row<'a>(&self, incident: &'a Incident) -> Option<&'a Row> {
        incident.table.rows.get(*self.rows.get(self.at)?)
    }
}

/// Asks for the lines around what is selected, where they are shown and are not there yet.
pub(super) fn follow(state: &mut State) -> Vec<Effect> {
    let shown = state.view == View::Evidence && (state.evidence.inside || state.room().1 >= TALL);
    let Some(row) = state.evidence.row(&state.incident).filter(|_| shown) else { return Vec::new() };
    let place = Place { source: state.incident.table.sources[row.source].clone(), line: row.line };
    let around = &mut state.evidence.around;
    if around.place == place {
        return Vec::new();
    }
    let middle = place.line;
    *around = Around { place: place.clone(), middle, wrap: around.wrap, ..Around::default() };
    vec![Effect::Fetch(place, wanted(middle))]
}

fn wanted(middle: u64) -> Range<u64> {
    middle.saturating_sub(AROUND).max(1)..middle.saturating_add(AROUND + 1)
}

/// A key.
pub(super) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if state.evidence.draft.is_some() {
        type_filter(state, key);
        return follow(state);
    }
    let State { evidence, incident, .. } = state;
    match key.code {
        KeyCode::Char('/') => evidence.draft = Some(evidence.filter.clone()),
        KeyCode::Char('f') => {
            evidence.level = match evidence.level {
                Level::Cited => Level::Failures,
                Level::Failures => Level::All,
                Level::All => Level::Cited,
            };
            evidence.sift(incident);
        }
        KeyCode::Char('o') => {
            evidence.by_time = !evidence.by_time;
            evidence.sift(incident);
        }
        KeyCode::Char('w') => evidence.around.wrap = !evidence.around.wrap,
        KeyCode::Enter => evidence.inside = !evidence.rows.is_empty(),
        KeyCode::Esc if evidence.inside => evidence.inside = false,
        KeyCode::Esc if !evidence.filter.is_empty() => {
            evidence.filter.clear();
            evidence.sift(incident);
        }
        _ => return step(state, key),
    }
    follow(state)
}

fn step(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let room = room(state);
    let evidence = &mut state.evidence;
    match way(key) {
        Some(Way::Left) => evidence.around.sideways = evidence.around.sideways.saturating_sub(SIDEWAYS),
        Some(Way::Right) => evidence.around.sideways += SIDEWAYS,
        Some(way) if evidence.inside => return evidence.around.go(way, room),
        Some(way) => evidence.at = pager::moved(evidence.at, way, evidence.rows.len(), room),
        None => {}
    }
    follow(state)
}

impl Around {
    /// Moves in the log, and asks for more of it where that is needed.
    fn go(&mut self, way: Way, room: usize) -> Vec<Effect> {
        let Some(Ok(found)) = &self.found else { return Vec::new() };
        let last = (found.first + found.lines.len() as u64).saturating_sub(1).max(1);
        let page = room.saturating_sub(1).max(1) as u64;
        let within = |line: u64| line.clamp(found.first.max(1), last);
        self.middle = match way {
            Way::Up => within(self.middle.saturating_sub(1)),
            Way::Down => within(self.middle + 1),
            Way::PageUp => within(self.middle.saturating_sub(page)),
            Way::PageDown => within(self.middle + page),
            // Back to the line itself: the ends of a log of gigabytes are far.
            _ => self.place.line,
        };
        let more = (self.middle < found.first + NEAR && found.first > 1) || (self.middle + NEAR > last && !found.ends);
        if more { vec![Effect::Fetch(self.place.clone(), wanted(self.middle))] } else { Vec::new() }
    }
}

fn type_filter(state: &mut State, key: KeyEvent) {
    let State { evidence, incident, .. } = state;
    let Some(mut draft) = evidence.draft.take() else { return };
    match key.code {
        KeyCode::Enter => {
            evidence.filter = draft;
            evidence.sift(incident);
            return;
        }
        KeyCode::Esc => {
            evidence.sift(incident);
            return;
        }
        KeyCode::Backspace => drop(draft.pop()),
        KeyCode::Char(c) if draft.chars().count() < LONGEST => draft.push(c),
        _ => {}
    }
    evidence.draft = Some(draft);
    evidence.sift(incident);
}

/// Rows that the list, or the lines around, have.
fn room(state: &State) -> usize {
    let rows = state.room().1;
    let list = list_rows(rows);
    if state.evidence.inside { rows - if rows >= TALL { list + 1 } else { 1 } } else { list.saturating_sub(1) }
}

/// Rows of the list with its head, where both are shown.
const fn list_rows(rows: usize) -> usize {
    if rows >= TALL { rows * 2 / 5 } else { rows }
}

pub(super) fn draw(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let rows = usize::from(area.height);
    if rows >= TALL {
        let list_height = u16::try_from(list_rows(rows)).unwrap_or(area.height);
        let [top, bottom] = Layout::vertical([Constraint::Length(list_height), Constraint::Min(1)]).areas(area);
        list(state, top, frame);
        lines_around(state, bottom, frame);
    } else if state.evidence.inside {
        lines_around(state, area, frame);
    } else {
        list(state, area, frame);
    }
}

fn list(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let Evidence { rows, at, .. } = &state.evidence;
    let width = usize::from(area.width);
    let mut lines = vec![list_head(state, width)];
    let room = usize::from(area.height).saturating_sub(1);
    let first = pager::around(*at, rows.len(), room);
    for (nth, row) in rows.iter().enumerate().skip(first).take(room) {
        lines.push(fact(state, &state.incident.table.rows[*row], nth == *at, width));
    }
    if rows.is_empty() {
        let said = match state.incident.table.rows.is_empty() {
            true => "No format knows a line of what was read.",
            false => "No fact fits. Esc takes the filter off, f shows more.",
        };
        lines.push(text::line(said, Tone::Plain));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn list_head(state: &State, width: usize) -> Line<'static> {
    let Evidence { rows, level, by_time, filter, draft, .. } = &state.evidence;
    if let Some(draft) = draft {
        let known = "  (words, kind: node: rank:0-7 source: finding:1 E3; Enter, Esc)";
        let room = width.saturating_sub(text::width(known) + 4).max(20);
        let typed = Span::styled(format!("/ {}_", text::end(draft, room)), reversed());
        return Line::from(vec![typed, text::span(known, Tone::Faint)]);
    }
    let order = if *by_time { "by time" } else { "by line" };
    let filter = if filter.is_empty() { String::new() } else { format!("; filter: {filter}") };
    let said = format!("{}, {order}: {}{filter}", words::count(rows.len() as u64, "line"), level.name());
    text::line(text::cut(&said, width), Tone::Strong)
}

/// A fact in a line: who cites it, when, on whom, what it says.
fn fact(state: &State, row: &Row, chosen: bool, width: usize) -> Line<'static> {
    let id = state.incident.cited(&state.incident.table.sources[row.source], row.line).map_or("", |cited| &cited.id);
    let at = row.at.map(|at| at.to_string()).unwrap_or_default();
    let rank = row.rank().map(|rank| format!("rank {rank}"));
    let who = rank.or_else(|| row.node().map(|node| words::host(node).to_owned())).unwrap_or_default();
    let times = if row.count > 1 { format!("{}x ", words::number(row.count)) } else { String::new() };
    let says = match row.says {
        Says::Failure => '!',
        Says::Teardown => '~',
        Says::Warning => '?',
        Says::Success => '+',
        Says::Progress | Says::Info => ' ',
    };
    let line = row.text.as_bytes();
    let said = row.text.get(prefix::peel(line).1..).filter(|said| !said.trim().is_empty()).unwrap_or(&row.text);
    let mark = if chosen { '>' } else { ' ' };
    let head =
        format!("{mark}{} {says} {} {} ", text::padded(id, 4), text::padded(&clock(&at), 8), text::padded(&who, 12));
    let source =
        if width >= WIDE { text::end(&state.incident.table.sources[row.source], SOURCE) } else { String::new() };
    let room = width.saturating_sub(text::width(&head) + text::width(&source) + 1);
    let rest = format!("{} {source}", text::padded(&format!("{times}{}", said.trim()), room));
    let line = Line::from(vec![text::span(head, Tone::Plain), text::span(rest, Tone::Plain)]);
    if chosen { line.style(reversed()) } else { line }
}

/// The time of day of a printed time; of seconds since boot, the whole ones.
fn clock(at: &str) -> String {
    let whole = || format!("{} s", at.split('.').next().unwrap_or(at));
    if at.contains(':') || at.is_empty() { words::clock(at).to_owned() } else { whole() }
}

fn lines_around(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let around = &state.evidence.around;
    let width = usize::from(area.width);
    let Some(row) = state.evidence.row(&state.incident) else { return };
    let title = format!("{}:{}  {}", around.place.source, around.place.line, row.kind);
    let title = text::end(&title, width.saturating_sub(4));
    let style = if state.evidence.inside { text::style(Tone::Strong) } else { text::style(Tone::Faint) };
    let block = Block::new().borders(Borders::TOP).title(title).border_style(style);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let lines = match &around.found {
        None => vec![text::line("reading …", Tone::Faint)],
        Some(Err(why)) => text::flowed("", why, 0, width, Tone::Unsure),
        Some(Ok(found)) => around.lines(found, width, inside.height.into()),
    };
    frame.render_widget(Paragraph::new(lines), inside);
}

impl Around {
    /// The lines around the middle one that fit.
    fn lines(&self, found: &Excerpt, width: usize, room: usize) -> Vec<Line<'static>> {
        let gutter = (found.first + found.lines.len() as u64).to_string().len().max(4);
        let middle = usize::try_from(self.middle.saturating_sub(found.first)).unwrap_or(0);
        let first =
            if self.wrap { middle.saturating_sub(room / 3) } else { pager::around(middle, found.lines.len(), room) };
        let mut lines = Vec::new();
        for (nth, cut) in found.lines.iter().enumerate().skip(first) {
            if lines.len() >= room {
                break;
            }
            lines.extend(self.line(found.first + nth as u64, cut, gutter, width));
        }
        if found.lines.is_empty() {
            lines.push(text::line("this line is not there any more", Tone::Unsure));
        }
        lines.truncate(room);
        lines
    }

    fn line(&self, number: u64, cut: &Cut, gutter: usize, width: usize) -> Vec<Line<'static>> {
        let cited = number == self.place.line;
        let mark = match (cited, number == self.middle) {
            (true, _) => '>',
            (false, true) => '-',
            _ => ' ',
        };
        let room = width.saturating_sub(gutter + 3);
        let more =
            if cut.left_out > 0 { format!(" [{} bytes more]", words::number(cut.left_out)) } else { String::new() };
        let whole = cut.text.clone() + &more;
        let shown = if self.wrap {
            text::pieces(&whole, room)
        } else {
            let goes_on = text::width(&whole) > self.sideways + room;
            let part = text::slice(&whole, self.sideways, if goes_on { room - 1 } else { room });
            vec![if goes_on { part + "…" } else { part }]
        };
        let tone = if cited { Tone::Strong } else { Tone::Plain };
        let lead = |at: usize| if at == 0 { format!("{mark}{number:>gutter$}  ") } else { " ".repeat(gutter + 3) };
        let line =
            |(at, part): (usize, String)| Line::from(vec![text::span(lead(at), Tone::Faint), text::span(part, tone)]);
        shown.into_iter().enumerate().map(line).collect()
    }
}

pub(super) fn place(state: &State) -> String {
    let Evidence { rows, at, .. } = &state.evidence;
    if rows.is_empty() { String::new() } else { format!("{} of {}", at + 1, rows.len()) }
}
