//! What runs now, and what it prints, as it comes.

use std::collections::{BTreeMap, VecDeque};

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::dialog::Dialog;
use super::draw::Keys;
use super::event::{Effect, News};
use super::pager::{self, Way, way};
use super::state::State;
use super::text;
use crate::report::text::Tone;
use crate::report::words;

/// Its keys.
pub(super) const KEYS: Keys = &[("j k", "scroll"), ("Space b", "page"), ("G", "follow"), ("c", "stop what runs")];

/// Most lines that are kept.
const MOST: usize = 5000;

/// Longest line that is kept, in bytes; what is longer goes on in the next one.
const LONGEST: usize = 4096;

/// Most targets that are named.
const NAMED: usize = 3;

/// A run, while it goes on and afterwards.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// Whether it goes on.
    pub(super) on: bool,
    /// Whether it was told to stop.
    stopping: bool,
    step: String,
    /// When the step began.
    since: u64,
    parts: usize,
    well: usize,
    bad: usize,
    /// What runs now, by part.
    running: BTreeMap<usize, String>,
    /// The ends of lines that parts have not finished.
    open: BTreeMap<usize, Vec<u8>>,
    lines: VecDeque<Said>,
    /// Lines that are no longer kept.
    gone: usize,
    dropped: u64,
    /// The first line that is shown; none: the last ones are.
    top: Option<usize>,
}

/// A line.
#[derive(Debug)]
struct Said {
    /// The target that printed it; nobody: diag says it.
    who: String,
    text: String,
}

impl Run {
    /// It begins.
    pub(super) fn begin(&mut self, now: u64) {
        let lines = std::mem::take(&mut self.lines);
        *self = Self { on: true, since: now, lines, gone: self.gone, ..Self::default() };
    }

    /// It is told to stop.
    pub(super) const fn stop(&mut self) {
        self.stopping = true;
    }

    /// Something of it.
    pub(super) fn take(&mut self, news: News, now: u64) {
        match news {
            News::Told(text) => text.lines().for_each(|line| self.say("", line)),
            News::Begins(step, parts) => {
                self.flush();
                (self.step, self.parts, self.since, self.well, self.bad) = (step, parts, now, 0, 0);
                self.running.clear();
            }
            News::Began(part, target) => drop(self.running.insert(part, target)),
            News::Printed(part, bytes) => self.print(part, &bytes),
            News::Dropped(bytes) => self.dropped += bytes,
            News::PartEnded(part, how, well) => {
                self.close(part);
                let who = self.running.remove(&part);
                let count = if well { &mut self.well } else { &mut self.bad };
                *count += 1;
                if let Some(who) = who.filter(|_| !well) {
                    self.say(&who, &how);
                }
            }
            _ => {}
        }
    }

    /// All of it has ended.
    pub(super) fn ended(&mut self, how: Result<String, String>) {
        self.flush();
        self.on = false;
        self.stopping = false;
        self.running.clear();
        match how {
            // Why, and where to go on, was told in full before.
            Ok(how) => self.say("", &format!("END  {}", how.split(':').next().unwrap_or(&how))),
            Err(why) => self.say("", &format!("ERROR  {why}")),
        }
    }

    /// Bytes of a part, cut into lines; what a program writes over is not kept.
    fn print(&mut self, part: usize, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let open = self.open.entry(part).or_default();
            let room = LONGEST.saturating_sub(open.len()).min(piece.len());
            open.extend_from_slice(&piece[..room]);
            if piece.ends_with(b"\n") || open.len() >= LONGEST {
                self.close(part);
            }
        }
    }

    /// The line that a part has open is over.
    fn close(&mut self, part: usize) {
        let Some(bytes) = self.open.remove(&part).filter(|bytes| !bytes.is_empty()) else { return };
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let last = line.rsplit(|byte| *byte == b'\r').next().unwrap_or(line);
        let text = String::from_utf8_lossy(last).into_owned();
        let who = self.running.get(&part).cloned().unwrap_or_default();
        self.say(&who, &text);
    }

    fn flush(&mut self) {
        let parts: Vec<usize> = self.open.keys().copied().collect();
        parts.into_iter().for_each(|part| self.close(part));
    }

    fn say(&mut self, who: &str, text: &str) {
        self.lines.push_back(Said { who: who.to_owned(), text: text.to_owned() });
        if self.lines.len() > MOST {
            self.lines.pop_front();
            self.gone += 1;
            self.top = self.top.map(|top| top.saturating_sub(1));
        }
    }

    /// What runs, in a line.
    fn head(&self, now: u64) -> String {
        if !self.on {
            return if self.lines.is_empty() { "nothing was run here yet" } else { "nothing runs" }.to_owned();
        }
        let elapsed = words::span(now.saturating_sub(self.since) as f64 / 1000.0);
        let names: Vec<&str> = self.running.values().take(NAMED).map(String::as_str).collect();
        let more = self.running.len().saturating_sub(NAMED);
        let on = match (names.is_empty(), more) {
            (true, _) => String::new(),
            (_, 0) => format!(" on {}", names.join(", ")),
            _ => format!(" on {} and {more} more", names.join(", ")),
        };
        let stopping = if self.stopping { "STOPPING  " } else { "" };
        if self.step.is_empty() {
            return format!("{stopping}begins, {elapsed}");
        }
        let step = &self.step;
        format!(
            "{stopping}{step}{on}: {} of {} done, {} not well, {elapsed}",
            self.well + self.bad,
            self.parts,
            self.bad
        )
    }

    fn page(&self, width: usize) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        for said in &self.lines {
            if said.who.is_empty() && text::width(&said.text) <= width {
                lines.push(text::line(&said.text, Tone::Strong));
            } else if said.who.is_empty() {
                lines.extend(text::flowed("", &said.text, 0, width, Tone::Strong));
            } else {
                let lead = format!("{} | ", text::cut(&said.who, 16));
                let room = width.saturating_sub(text::width(&lead));
                lines.extend(
                    text::pieces(&said.text, room)
                        .into_iter()
                        .map(|piece| Line::from(vec![text::span(&lead, Tone::Faint), text::span(piece, Tone::Plain)])),
                );
            }
        }
        lines
    }
}

/// A key.
pub(super) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let (width, room) = (state.room().0, state.room().1 - 1);
    match (key.code, way(key)) {
        (KeyCode::Char('c'), _) if state.run.on => state.dialog = Some(Dialog::Stop),
        (_, Some(Way::Last)) => state.run.top = None,
        (_, Some(way)) => {
            let lines = state.run.page(width).len();
            let end = lines.saturating_sub(room);
            let top = pager::scrolled(state.run.top.unwrap_or(end), way, lines, room);
            state.run.top = (top < end).then_some(top);
        }
        _ => {}
    }
    Vec::new()
}

pub(super) fn draw(state: &State, area: Rect, frame: &mut Frame<'_>) {
    let (width, room) = (usize::from(area.width), usize::from(area.height).saturating_sub(1));
    let run = &state.run;
    let mut head = run.head(state.now);
    if run.dropped > 0 {
        head += &format!("; {} bytes came too fast to be shown", words::number(run.dropped));
    }
    if run.gone > 0 {
        head += &format!("; {} earlier lines are in the journal", words::number(run.gone as u64));
    }
    let mut lines = vec![text::line(text::padded(&head, width), Tone::Strong)];
    let page = run.page(width);
    if page.is_empty() {
        let said = "The plan (5) begins with r: it tests, asks before it changes anything, and tests again. What it prints is shown here as it comes.";
        lines.extend(text::flowed("", said, 0, width, Tone::Plain));
    }
    let top = run.top.unwrap_or(usize::MAX);
    lines.extend(pager::seen(page, top, room));
    frame.render_widget(Paragraph::new(lines), area);
}
