//! `diag triage`: what its screens look like, what its keys do, and that it runs in a real terminal.

mod keys;
mod screens;
mod terminal;

use std::sync::atomic::AtomicBool;

use diag::cli::triage::incident;
use diag::collect;
use diag::triage::{Effect, Event, Look, State, draw, update};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

const WHOLE: Look = Look { colour: true, unicode: true };

/// A session on inputs, as one opens it.
struct Sitting {
    state: State,
    inputs: Vec<String>,
    size: (u16, u16),
    /// What was wanted of the world and is not done here.
    wanted: Vec<Effect>,
}

impl Sitting {
    fn on(inputs: &[&str], size: (u16, u16), look: Look) -> Self {
        let inputs: Vec<String> = inputs.iter().map(|input| (*input).to_owned()).collect();
        let words: Vec<&str> = inputs.iter().map(String::as_str).chain(["--via", "local"]).collect();
        let state = State::new(incident(&words).unwrap(), look, size);
        Self { state, inputs, size, wanted: Vec::new() }
    }

    fn sample(name: &str, size: (u16, u16)) -> Self {
        Self::on(&[&format!("sample-logs/{name}/logs")], size, WHOLE)
    }

    /// Something happens; lines that are wanted are read.
    fn happens(&mut self, event: Event) {
        for effect in update(&mut self.state, event) {
            match effect {
                Effect::Fetch(place, lines) => {
                    let found = collect::excerpt(&self.inputs, &place.source, lines, &AtomicBool::new(false));
                    let found = found.map_err(|error| error.to_string());
                    self.happens(Event::Context(place, found));
                }
                other => self.wanted.push(other),
            }
        }
    }

    /// Keys, one a character.
    fn types(&mut self, keys: &str) {
        keys.chars().for_each(|key| self.press(KeyCode::Char(key)));
    }

    fn press(&mut self, code: KeyCode) {
        self.happens(Event::Key(KeyEvent::from(code)));
    }

    fn control(&mut self, key: char) {
        self.happens(Event::Key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::CONTROL)));
    }

    fn drawn(&self) -> TestBackend {
        let mut terminal = Terminal::new(TestBackend::new(self.size.0, self.size.1)).unwrap();
        terminal.draw(|frame| draw(&self.state, frame)).unwrap();
        terminal.backend().clone()
    }

    fn buffer(&self) -> Buffer {
        self.drawn().buffer().clone()
    }

    /// What stands on the screen, without what its lines end in.
    fn text(&self) -> String {
        let buffer = self.buffer();
        let width = usize::from(self.size.0);
        let mut text = String::new();
        for row in buffer.content.chunks(width) {
            let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
            text += line.trim_end();
            text.push('\n');
        }
        text
    }

    #[track_caller]
    fn shows(&self, what: &str) {
        assert!(self.text().contains(what), "no {what:?} in\n{}", self.text());
    }

    #[track_caller]
    fn hides(&self, what: &str) {
        assert!(!self.text().contains(what), "{what:?} in\n{}", self.text());
    }
}
