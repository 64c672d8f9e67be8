//! A case on a full screen, for whoever is on call: what is shown, and what keys do. Pure: an event and a [`State`] in, a
//! changed state and [`Effect`]s out, and [`draw`] puts a state on a frame. The terminal, and whatever is read or run, are at
//! the edge (`cli/triage`).

mod dialog;
mod draw;
mod event;
mod evidence;
mod filter;
mod findings;
mod handover;
mod incident;
mod journal;
mod lanes;
mod overview;
mod pager;
mod plan;
mod run;
mod state;
mod text;
mod timeline;
mod update;

pub use draw::draw;
pub use event::{Effect, Event, News, Place, Reply};
pub use incident::{Incident, Source};
pub use state::{Look, State, View};
pub use update::update;
