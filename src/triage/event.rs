//! What comes in, and what is wanted of the world.

use ratatui::crossterm::event::KeyEvent;

use crate::case::Line;
use crate::collect::Excerpt;
use crate::plan::tell::Says;
use crate::plan::{Plan, Question, Step};
use crate::policy::Asked;

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// A key was pressed.
    Key(KeyEvent),
    /// The screen has so many columns and rows now.
    Size(u16, u16),
    /// So many milliseconds have passed since the start.
    Tick(u64),
    /// The lines around one came, or why not.
    Context(Place, Result<Excerpt, String>),
    /// The journal of the case has these lines now.
    Journal(Vec<Line>),
    /// Whether another diag works on the case.
    Locked(bool),
    /// A case folder was made.
    Made(String),
    /// Something to be told in a line.
    Note(String),
    /// Something of what runs.
    News(News),
}

/// What runs tells.
#[derive(Debug)]
pub enum News {
    /// A sentence.
    Told(String),
    /// The plans are these now, with what the policy says of each step.
    Plans(Vec<Plan>, Vec<Says>),
    /// A step needs a yes.
    Agree(Box<Step>, Asked),
    /// Something that the evidence does not tell has to be answered.
    Answer(Question),
    /// A step begins, in so many parts.
    Begins(String, usize),
    /// A part has begun on a target.
    Began(usize, String),
    /// A part has printed.
    Printed(usize, Vec<u8>),
    /// What parts printed came too fast to be shown: so many bytes.
    Dropped(u64),
    /// A part has ended; how, and whether well.
    PartEnded(usize, String, bool),
    /// All of it has ended: how, or what kept it from going on.
    Ended(Result<String, String>),
}

/// A line of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Name of the input.
    pub source: String,
    /// Line from 1.
    pub line: u64,
}

/// What a person says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Whether a step may be done.
    Agree(bool),
    /// An answer.
    Answer(String),
    /// Nothing, for now.
    Nobody,
}

/// What is wanted of the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The end.
    Quit,
    /// Read these lines of a document, for what stands around a place.
    Fetch(Place, std::ops::Range<u64>),
    /// Work on the case; on the finding of this cause alone, where one is named.
    Begin(Option<String>),
    /// Tell what runs what the person says.
    Reply(Reply),
    /// Stop what runs, and all that it started.
    Stop,
    /// Write this page into the case folder, for whoever goes on.
    HandOver(String),
    /// Put this text on the clipboard of the terminal.
    Copy(String),
    /// Give the terminal back to the shell until somebody comes back.
    Suspend,
    /// Draw all of it anew.
    Redraw,
}
