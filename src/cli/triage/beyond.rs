//! What comes from beyond the program: keys, sizes, signals.

use std::sync::mpsc::SyncSender;
use std::thread;

use crossterm::event::{self, Event as Told};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;

use super::session::Message;
use crate::error::Error;
use crate::triage::Event;

/// Listens until the program ends: the threads wait in the kernel.
pub(super) fn listen(tell: &SyncSender<Message>) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::new("triage.terminal", "signals", error.to_string());
    let mut signals = Signals::new([SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP]).map_err(failed)?;
    let of_signals = tell.clone();
    thread::spawn(move || signals.forever().all(|signal| of_signals.send(Message::Signal(signal)).is_ok()));
    let of_keys = tell.clone();
    thread::spawn(move || while of_keys.send(next()).is_ok() {});
    Ok(())
}

/// The next key or size; [`Message::Gone`] where there is no terminal any more.
fn next() -> Message {
    loop {
        match event::read() {
            Ok(Told::Key(key)) => return Message::Event(Event::Key(key)),
            Ok(Told::Resize(columns, rows)) => return Message::Event(Event::Size(columns, rows)),
            Ok(_) => {}
            Err(_) => return Message::Gone,
        }
    }
}
