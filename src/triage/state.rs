//! All that the screen shows.

use super::dialog::{Dialog, Pending};
use super::evidence::Evidence;
use super::findings::Findings;
use super::handover::HandOver;
use super::incident::Incident;
use super::journal::Journal;
use super::overview::Overview;
use super::plan::Plans;
use super::run::Run;
use super::timeline::Timeline;

/// The smallest screen on which nothing that matters is cut.
pub(super) const SMALLEST: (u16, u16) = (80, 24);

/// Rows of the head, and of the foot with its message.
pub(super) const HEAD: u16 = 2;
pub(super) const FOOT: u16 = 3;

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Colours. Without them nothing is lost: no state is told by a colour alone.
    pub colour: bool,
    /// Characters beyond ASCII.
    pub unicode: bool,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    /// The verdict, and all that belongs to it.
    #[default]
    Overview,
    /// What became of ranks and nodes.
    Timeline,
    /// Each finding by itself.
    Findings,
    /// Each fact, and the lines around it.
    Evidence,
    /// What can be done.
    Plan,
    /// What runs.
    Run,
    /// What was decided and done.
    Journal,
    /// What is told to whoever goes on.
    HandOver,
}

impl View {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Overview,
        Self::Timeline,
        Self::Findings,
        Self::Evidence,
        Self::Plan,
        Self::Run,
        Self::Journal,
        Self::HandOver,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Timeline => "Timeline",
            Self::Findings => "Findings",
            Self::Evidence => "Evidence",
            Self::Plan => "Plan",
            Self::Run => "Run",
            Self::Journal => "Journal",
            Self::HandOver => "Hand-over",
        }
    }

    /// The one so many behind it, round and round.
    pub(super) fn next(self, by: usize) -> Self {
        let at = Self::ALL.iter().position(|view| *view == self).unwrap_or(0);
        Self::ALL[(at + by) % Self::ALL.len()]
    }
}

/// What the screen shows.
#[derive(Debug)]
pub struct State {
    pub(super) incident: Incident,
    pub(super) look: Look,
    pub(super) size: (u16, u16),
    /// Milliseconds since the start.
    pub(super) now: u64,
    pub(super) view: View,
    pub(super) dialog: Option<Dialog>,
    /// What a person is asked by what runs.
    pub(super) pending: Option<Pending>,
    /// What is told in a line until the next key.
    pub(super) note: String,
    /// Another diag works on the case: nothing is begun here.
    pub(super) locked: bool,
    /// It ends once what runs has ended.
    pub(super) leaving: bool,
    pub(super) overview: Overview,
    pub(super) timeline: Timeline,
    pub(super) findings: Findings,
    pub(super) evidence: Evidence,
    pub(super) plans: Plans,
    pub(super) run: Run,
    pub(super) journal: Journal,
    pub(super) handover: HandOver,
}

impl State {
    /// A screen of so many columns and rows.
    #[must_use]
    pub fn new(incident: Incident, look: Look, size: (u16, u16)) -> Self {
        let evidence = Evidence::new(&incident);
        let mut journal = Journal::default();
        journal.grows(0, incident.journal().len());
        Self {
            evidence,
            look,
            size,
            now: 0,
            view: View::default(),
            dialog: None,
            pending: None,
            note: String::new(),
            locked: false,
            leaving: false,
            overview: Overview::default(),
            timeline: Timeline::new(&incident.report),
            findings: Findings::default(),
            plans: Plans::default(),
            run: Run::default(),
            journal,
            handover: HandOver::default(),
            incident,
        }
    }

    /// The view that is shown.
    #[must_use]
    pub const fn view(&self) -> View {
        self.view
    }

    /// Whether something runs.
    #[must_use]
    pub const fn runs(&self) -> bool {
        self.run.on
    }

    /// Whether another diag works on the case.
    #[must_use]
    pub const fn is_locked(&self) -> bool {
        self.locked
    }

    /// Columns and rows between head and foot.
    pub(super) fn room(&self) -> (usize, usize) {
        let rows = self.size.1.max(SMALLEST.1) - HEAD - FOOT;
        (usize::from(self.size.0.max(SMALLEST.0)), usize::from(rows))
    }
}
