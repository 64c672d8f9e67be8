//! What became of ranks and nodes: a lane each, or bands of them, from left to right in time.

use std::collections::{BTreeMap, BTreeSet};

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::draw::{Keys, reversed};
use super::event::{Effect, Place};
use super::lanes::{Row, is_blamed, rows};
use super::pager::{self, Way, way};
use super::state::{State, View};
use super::{text, update};
use crate::report::axis::Axis;
use crate::report::marks::{LEGEND, Mark};
use crate::report::text::Tone;
use crate::report::words;
use crate::report::{Lane, Moment, Report};

/// Its keys.
pub(super) const KEYS: Keys = &[
    ("j k", "lane"),
    ("h l", "moment"),
    ("Enter", "open"),
    ("+ -", "zoom"),
    ("< >", "earlier, later"),
    ("0", "all of it"),
];

/// Columns of names at the left, and of numbers at the right.
const LEFT: usize = 21;
const RIGHT: usize = 12;

/// Rows below the lanes: what is selected, and the legend.
const BELOW: usize = 7;

/// How much nearer or farther one key goes, and how far sideways, as a share of what is shown.
const ZOOM: f64 = 2.0;
const STEP: f64 = 0.25;

/// The smallest part of the axis that is shown.
const SMALLEST: f64 = 1e-6;

/// What of the timeline is shown.
#[derive(Debug)]
pub(super) struct Timeline {
    at: usize,
    /// Which moment of the lane, in their order.
    moment: usize,
    /// From which share of the axis to which.
    from: f64,
    to: f64,
    /// Bands that are open, by their first lane.
    open: BTreeSet<usize>,
}

/// What failed is looked at first, where all else is so many times as long.
const FAR: f64 = 4.0;

/// Share of what is looked at first that is left free at each side.
const FREE: f64 = 0.1;

impl Timeline {
    /// All of the time, or where most of it is far from what failed, that part.
    pub(super) fn new(report: &Report) -> Self {
        let axis = Axis::of(&report.timeline.lanes);
        let failed = |mark: Mark| matches!(mark, Mark::Cause | Mark::Failure | Mark::Teardown);
        let all = report.timeline.lanes.iter().flat_map(|lane| moments(lane, &axis));
        let shares: Vec<f64> = all.filter(|found| failed(found.1)).map(|found| found.0).collect();
        let (first, last) = shares.iter().fold((1.0_f64, 0.0_f64), |(a, b), share| (a.min(*share), b.max(*share)));
        let mut own = Self { at: 0, moment: 0, from: 0.0, to: 1.0, open: BTreeSet::new() };
        let span = last - first;
        if span > 0.0 && span * FAR < 1.0 {
            own.from = (first - span * FREE).max(0.0);
            own.to = (last + span * FREE).min(1.0);
        }
        own
    }
}

/// How each mark looks: by its letter alone, so that it needs no colour.
fn sign(mark: Mark) -> (char, Style) {
    let bold = |colour| Style::new().fg(colour).add_modifier(Modifier::BOLD);
    match mark {
        Mark::Cause => ('X', bold(Color::Red)),
        Mark::Failure => ('!', bold(Color::Red)),
        Mark::Teardown => ('~', Style::new().fg(Color::Yellow)),
        Mark::Progress => ('s', Style::new().fg(Color::Cyan)),
        Mark::Success => ('+', Style::new().fg(Color::Green)),
        Mark::Warning => ('?', Style::new().fg(Color::Yellow)),
    }
}

/// The moments of a lane that are marked, in the order of the axis.
fn moments<'a>(lane: &'a Lane, axis: &Axis) -> Vec<(f64, Mark, &'a Moment)> {
    let of = |moment: &'a Moment| Some((axis.share(moment)?, Mark::of(moment.says, moment.cause)?, moment));
    let mut all: Vec<_> = lane.moments.iter().filter_map(of).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all
}

/// A key.
pub(super) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let report = &state.incident.report;
    let rows = rows(report, &state.timeline.open);
    let axis = Axis::of(&report.timeline.lanes);
    let room = lane_rows(state.room().1);
    let own = &mut state.timeline;
    let chosen = rows.get(own.at).cloned();
    let lane = match &chosen {
        Some(Row::Lane(at, _)) => moments(&report.timeline.lanes[*at], &axis),
        _ => Vec::new(),
    };
    match (key.code, way(key)) {
        (KeyCode::Char('+' | '='), _) => own.zoom(1.0 / ZOOM, lane.get(own.moment).map(|found| found.0)),
        (KeyCode::Char('-'), _) => own.zoom(ZOOM, lane.get(own.moment).map(|found| found.0)),
        (KeyCode::Char('0'), _) => (own.from, own.to) = (0.0, 1.0),
        (KeyCode::Char('<' | ','), _) => own.shift(-STEP),
        (KeyCode::Char('>' | '.'), _) => own.shift(STEP),
        (_, Some(Way::Left)) => own.turn_to(own.moment.saturating_sub(1), &lane),
        (_, Some(Way::Right)) => own.turn_to(own.moment + 1, &lane),
        (_, Some(way)) => (own.at, own.moment) = (pager::moved(own.at, way, rows.len(), room), 0),
        (KeyCode::Enter, _) => {
            return open(state, chosen, lane.get(state.timeline.moment).map(|found| found.2.clone()));
        }
        _ => {}
    }
    Vec::new()
}

/// A band falls open or shut; a moment leads to its line.
fn open(state: &mut State, chosen: Option<Row>, moment: Option<Moment>) -> Vec<Effect> {
    match (chosen, moment) {
        (Some(Row::Band(band)), _) => {
            let Some(first) = band.first() else { return Vec::new() };
            if !state.timeline.open.remove(first) {
                state.timeline.open.insert(*first);
            }
            Vec::new()
        }
        (_, Some(moment)) => {
            let place = Place { source: moment.source, line: moment.line };
            state.evidence.go_to(&state.incident, &place);
            update::show(state, View::Evidence)
        }
        _ => Vec::new(),
    }
}

impl Timeline {
    fn zoom(&mut self, by: f64, around: Option<f64>) {
        let span = ((self.to - self.from) * by).clamp(SMALLEST, 1.0);
        let middle = around.unwrap_or(f64::midpoint(self.from, self.to));
        self.from = (middle - span / 2.0).clamp(0.0, 1.0 - span);
        self.to = self.from + span;
    }

    fn shift(&mut self, by: f64) {
        let span = self.to - self.from;
        self.from = (self.from + span * by).clamp(0.0, 1.0 - span);
        self.to = self.from + span;
    }

    /// Turns to a moment, and brings it into view.
    fn turn_to(&mut self, moment: usize, lane: &[(f64, Mark, &Moment)]) {
        self.moment = moment.min(lane.len().saturating_sub(1));
        if let Some((at, ..)) = lane.get(self.moment)
            && !(self.from..=self.to).contains(at)
        {
            self.zoom(1.0, Some(*at));
        }
    }
}

/// Rows for lanes, of so many for all.
const fn lane_rows(rows: usize) -> usize {
    rows.saturating_sub(BELOW + 1)
}

pub(super) fn draw(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let report = &state.incident.report;
    let lanes = &report.timeline.lanes;
    if lanes.iter().all(|lane| lane.moments.is_empty()) {
        let said = "No line tells of a rank, a host or a scheduler at a time: there is nothing to draw.";
        frame.render_widget(Paragraph::new(text::flowed("", said, 0, area.width.into(), Tone::Plain)), area);
        return;
    }
    let own = &state.timeline;
    let whole = Axis::of(lanes);
    let (width, rows_here) = (usize::from(area.width), lane_rows(area.height.into()));
    let picture = Picture { lanes, axis: whole.part(own.from, own.to), track: width.saturating_sub(LEFT + RIGHT) };
    let rows = rows(report, &own.open);
    let first = pager::around(own.at, rows.len(), rows_here);
    let mut lines = vec![picture.ticks()];
    for (nth, row) in rows.iter().enumerate().skip(first).take(rows_here) {
        lines.push(picture.row(row, nth == own.at));
    }
    lines.resize(rows_here + 1, Line::default());
    lines.extend(below(state, rows.get(own.at), &whole, rows.len(), width));
    frame.render_widget(Paragraph::new(lines), area);
}

struct Picture<'a> {
    lanes: &'a [Lane],
    axis: Axis,
    track: usize,
}

impl Picture<'_> {
    /// The column of a share, where it is shown.
    fn column(&self, share: f64) -> Option<usize> {
        (-1e-9..=1.0 + 1e-9)
            .contains(&share)
            .then(|| ((share * (self.track - 1) as f64).round() as usize).min(self.track - 1))
    }

    fn ticks(&self) -> Line<'static> {
        let mut line = vec![' '; self.track];
        let mut free = 0;
        for (share, name) in self.axis.ticks((self.track / 14).max(2) as f64) {
            let Some(at) = self.column(share) else { continue };
            let wide = name.chars().count() + 1;
            if at < free || at + wide > self.track {
                continue;
            }
            line.splice(at..at + wide, std::iter::once('|').chain(name.chars()));
            free = at + wide + 1;
        }
        let scale = if self.axis.timed { "time" } else { "order of lines" };
        text::line(format!("{scale:<LEFT$}{}", line.into_iter().collect::<String>()), Tone::Faint)
    }

    fn row(&self, row: &Row, chosen: bool) -> Line<'static> {
        let mark = if chosen { '>' } else { ' ' };
        let (name, blamed) = self.name(row);
        let name = text::padded(&format!("{mark}{name}"), LEFT - 1) + " ";
        let style = match (chosen, blamed) {
            (true, _) => reversed(),
            (false, true) => text::style(Tone::Strong),
            _ => Style::new(),
        };
        let mut spans = vec![Span::styled(name, style)];
        spans.extend(self.marks(row));
        spans.push(text::span(format!(" {}", text::cut(&self.tail(row), RIGHT - 1)), Tone::Plain));
        Line::from(spans)
    }

    fn name(&self, row: &Row) -> (String, bool) {
        match row {
            Row::Lane(at, blamed) => {
                let lane = &self.lanes[*at];
                let node = lane.node.as_deref().map(words::host).unwrap_or_default();
                (format!("{} {node}", lane.name), *blamed)
            }
            Row::Band(band) => {
                let rank = |at: Option<&usize>| at.and_then(|at| self.lanes[*at].rank).unwrap_or_default();
                (format!("ranks {}-{} ({})", rank(band.first()), rank(band.last()), band.len()), false)
            }
        }
    }

    /// What stands at the right: the last step of a lane, how many of a band failed.
    fn tail(&self, row: &Row) -> String {
        match row {
            Row::Lane(at, _) => self.lanes[*at].last_step.map(|step| format!("step {step}")).unwrap_or_default(),
            Row::Band(band) => {
                let counts = self.counts(band);
                let of = |mark| counts.get(&mark).map(|count| format!("{count}{}", sign(mark).0));
                [Mark::Cause, Mark::Failure, Mark::Teardown].into_iter().filter_map(of).collect::<Vec<_>>().join(" ")
            }
        }
    }

    /// How many lanes of a band have a mark of each kind.
    fn counts(&self, band: &[usize]) -> BTreeMap<Mark, usize> {
        let mut counts = BTreeMap::new();
        for at in band {
            let marks = self.lanes[*at].moments.iter().filter_map(|moment| Mark::of(moment.says, moment.cause));
            for mark in marks.collect::<BTreeSet<_>>() {
                *counts.entry(mark).or_default() += 1;
            }
        }
        counts
    }

    /// The track: in each column the worst of what happened then.
    fn marks(&self, row: &Row) -> Vec<Span<'static>> {
        let one = |at: &usize| moments(&self.lanes[*at], &self.axis);
        let all = match row {
            Row::Lane(at, _) => one(at),
            Row::Band(band) => band.iter().flat_map(one).collect(),
        };
        let mut columns: BTreeMap<usize, Mark> = BTreeMap::new();
        for (share, mark, _) in all {
            if let Some(column) = self.column(share) {
                let worst = columns.entry(column).or_insert(mark);
                *worst = mark.max(*worst);
            }
        }
        let cell = |column: usize| match columns.get(&column) {
            Some(mark) => {
                let (sign, style) = sign(*mark);
                Span::styled(sign.to_string(), style)
            }
            None => Span::styled("·", text::style(Tone::Faint)),
        };
        (0..self.track).map(cell).collect()
    }
}

/// What is selected, in words, and what the marks mean.
fn below(state: &State, row: Option<&Row>, axis: &Axis, count: usize, width: usize) -> Vec<Line<'static>> {
    let own = &state.timeline;
    let lanes = &state.incident.report.timeline.lanes;
    let mut lines = Vec::new();
    let whole = if own.from > 0.0 || own.to < 1.0 { "; a part of the time (0: all)" } else { "" };
    match row {
        Some(Row::Lane(at, blamed)) => {
            let lane = &lanes[*at];
            let blamed = match *blamed {
                true if is_blamed(&state.incident.report, lane) => ", to blame",
                true => ", tells of the cause",
                false => "",
            };
            let node = lane.node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
            let found = moments(lane, axis);
            let head = format!(
                "{}{node}{blamed}: {}; lane {} of {count}{whole}",
                lane.name,
                words::count(found.len() as u64, "moment"),
                own.at + 1
            );
            lines.push(text::line(text::cut(&head, width), Tone::Strong));
            let first = pager::around(own.moment, found.len(), 3);
            for (nth, (_, mark, moment)) in found.iter().enumerate().skip(first).take(3) {
                lines.push(told(*mark, moment, nth == own.moment, width));
            }
        }
        Some(Row::Band(band)) => {
            let open = band.first().is_some_and(|first| own.open.contains(first));
            let does = if open { "Enter closes it" } else { "Enter opens it" };
            lines.push(text::line(
                format!(
                    "{} in a band; {does}; row {} of {count}{whole}",
                    words::count(band.len() as u64, "rank"),
                    own.at + 1
                ),
                Tone::Strong,
            ));
            let picture = Picture { lanes, axis: *axis, track: 1 };
            for (mark, count) in picture.counts(band).iter().rev().take(3) {
                let meant = LEGEND.iter().find(|(own, _)| own == mark).map_or("", |(_, meant)| meant);
                lines.push(text::line(
                    format!("  {} {}: {meant}", sign(*mark).0, words::count(*count as u64, "rank")),
                    Tone::Plain,
                ));
            }
        }
        None => {}
    }
    lines.resize(BELOW - 2, Line::default());
    let used: BTreeSet<Mark> =
        lanes.iter().flat_map(|lane| &lane.moments).filter_map(|moment| Mark::of(moment.says, moment.cause)).collect();
    let legend: Vec<(String, &str)> = LEGEND
        .iter()
        .filter(|(mark, _)| used.contains(mark))
        .map(|(mark, meant)| (sign(*mark).0.to_string(), *meant))
        .collect();
    let legend: Vec<(&str, &str)> = legend.iter().map(|(sign, meant)| (sign.as_str(), *meant)).collect();
    lines.extend(super::draw::listed(&legend, width));
    lines
}

/// A moment in a line.
fn told(mark: Mark, moment: &Moment, chosen: bool, width: usize) -> Line<'static> {
    let when = moment.micros.map(|micros| words::offset(micros as f64 / 1e6)).unwrap_or_default();
    let when = if moment.about && !when.is_empty() { format!("~{when}") } else { when };
    let clock = moment.time.as_deref().map(words::clock).unwrap_or_default();
    let kind = moment.kind.replace(['.', '_'], " ");
    let mark = format!("{} {} {when:<9} {clock:<9} {kind}  ", if chosen { '>' } else { ' ' }, sign(mark).0);
    let place = text::end(&format!("{}:{}", moment.source, moment.line), width.saturating_sub(text::width(&mark)));
    let line = text::line(text::padded(&(mark + &place), width), Tone::Plain);
    if chosen { line.style(reversed()) } else { line }
}
