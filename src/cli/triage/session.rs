//! The session: takes events in, shows what follows, and does what is wanted of the world.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGCONT, SIGTSTP};
use tokio_util::sync::CancellationToken;

use super::Args;
use super::beyond;
use super::runner::{self, Line};
use super::screen::{Screen, give_back};
use crate::case::{is_busy, pages};
use crate::collect;
use crate::config::Config;
use crate::error::Error;
use crate::playbook::Library;
use crate::policy::Policy;
use crate::triage::{Effect, Event, Incident, Look, News, Reply, State, update};

/// Messages that may wait; what prints faster than that is not shown whole.
const WAITING: usize = 1024;

/// How often the clock of a run moves.
const TICK: Duration = Duration::from_millis(250);

/// How often another diag's journal is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// How long nothing may happen.
const LONG: Duration = Duration::from_secs(3600);

/// To look at a journal may take so small a share of the time.
const SHARE: u32 = 20;

/// What a session is given.
pub(super) struct Setting<'a> {
    pub(super) args: &'a Args,
    pub(super) library: &'a Library,
    pub(super) policy: &'a Policy,
    pub(super) site: &'a Config,
}

/// What comes to a session.
pub(super) enum Message {
    /// Something for the screen.
    Event(Event),
    /// What stops what runs.
    Stopper(CancellationToken),
    /// A signal.
    Signal(i32),
    /// There is no terminal any more.
    Gone,
}

/// Runs a session to its end; the signal that ended it, where one did.
pub(super) fn run(setting: &Setting<'_>, incident: Incident, look: Look) -> Result<Option<u8>, Error> {
    let (tell, heard) = mpsc::sync_channel(WAITING);
    beyond::listen(&tell)?;
    let mut screen = Screen::take()?;
    let mut state = State::new(incident, look, Screen::size());
    // What runs is waited for when the screen is given back, and nobody listens to it any more.
    let ended = thread::scope(|scope| {
        let mut session = Session::new(setting, scope, tell, setting.args);
        let ended = session.go(&mut state, &mut screen, heard);
        give_back();
        session.stop();
        ended
    });
    drop(screen);
    ended
}

struct Session<'scope, 'env> {
    setting: &'env Setting<'env>,
    scope: &'scope Scope<'scope, 'env>,
    tell: SyncSender<Message>,
    began: Instant,
    root: Option<PathBuf>,
    /// Stops the reading of lines that are no longer wanted.
    reading: Arc<AtomicBool>,
    replies: Option<Sender<Reply>>,
    stopper: Option<CancellationToken>,
    /// It was told to stop before it could be.
    stopped: bool,
    /// When the journal is looked at next.
    look: Instant,
}

impl<'scope, 'env> Session<'scope, 'env> {
    fn new(
        setting: &'env Setting<'env>,
        scope: &'scope Scope<'scope, 'env>,
        tell: SyncSender<Message>,
        args: &Args,
    ) -> Self {
        let began = Instant::now();
        Self {
            setting,
            scope,
            tell,
            began,
            root: super::case_of(args),
            reading: Arc::default(),
            replies: None,
            stopper: None,
            stopped: false,
            look: began,
        }
    }

    /// Goes on until somebody leaves, or a signal ends it.
    fn go(&mut self, state: &mut State, screen: &mut Screen, heard: Receiver<Message>) -> Result<Option<u8>, Error> {
        if self.root.as_deref().is_some_and(is_busy) {
            update(state, Event::Locked(true));
        }
        loop {
            screen.show(state)?;
            let patience = match (state.runs(), state.is_locked()) {
                (true, _) => TICK,
                (_, true) => LOOK,
                _ => LONG,
            };
            let first = match heard.recv_timeout(patience) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            };
            let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            update(state, Event::Tick(now));
            // All that waits, but no more than that: a program that prints without end must not keep the screen from being drawn.
            for message in first.into_iter().chain(heard.try_iter().take(WAITING)) {
                if let Some(end) = self.message(message, state, screen)? {
                    return Ok(end);
                }
            }
            self.look_at_journal(state, false);
        }
    }

    /// The end, where it is one.
    fn message(
        &mut self,
        message: Message,
        state: &mut State,
        screen: &mut Screen,
    ) -> Result<Option<Option<u8>>, Error> {
        match message {
            Message::Event(event) => {
                let ended = matches!(event, Event::News(News::Ended(_)));
                if let Event::Made(root) = &event {
                    self.root = Some(PathBuf::from(root));
                }
                let effects = update(state, event);
                if ended {
                    (self.stopper, self.replies, self.stopped) = (None, None, false);
                    self.look_at_journal(state, true);
                }
                for effect in effects {
                    if effect == Effect::Quit {
                        return Ok(Some(None));
                    }
                    self.perform(effect, state, screen)?;
                }
            }
            Message::Stopper(token) if self.stopped => token.cancel(),
            Message::Stopper(token) => self.stopper = Some(token),
            Message::Signal(SIGTSTP) => self.perform(Effect::Suspend, state, screen)?,
            Message::Signal(SIGCONT) => self.resume(state, screen)?,
            Message::Signal(signal) => return Ok(Some(u8::try_from(signal).ok())),
            Message::Gone => return Ok(Some(None)),
        }
        Ok(None)
    }

    fn perform(&mut self, effect: Effect, state: &mut State, screen: &mut Screen) -> Result<(), Error> {
        match effect {
            Effect::Quit => {}
            Effect::Fetch(place, lines) => {
                self.reading.store(true, Ordering::Relaxed);
                self.reading = Arc::default();
                let (stop, tell) = (Arc::clone(&self.reading), self.tell.clone());
                let inputs = self.setting.args.what.inputs.clone();
                // Not waited for at the end: a file system may hang.
                thread::spawn(move || {
                    let found = collect::excerpt(&inputs, &place.source, lines, &stop);
                    if !stop.load(Ordering::Relaxed) {
                        let found = found.map_err(|error| runner::told(&error));
                        let _ = tell.send(Message::Event(Event::Context(place, found)));
                    }
                });
            }
            Effect::Begin(cause) => self.begin(cause),
            Effect::Reply(reply) => {
                let _ = self.replies.as_ref().map(|replies| replies.send(reply));
            }
            Effect::Stop => self.stop(),
            Effect::HandOver(page) => {
                let (setting, root, tell) = (self.setting, self.root.clone(), self.tell.clone());
                self.scope.spawn(move || {
                    let note = runner::hand_over(setting.args, root, &page, &tell);
                    let _ = tell.send(Message::Event(Event::Note(note)));
                });
            }
            Effect::Copy(text) => drop(update(state, Event::Note(Screen::copy(&text)))),
            Effect::Suspend => {
                give_back();
                let _ = signal_hook::low_level::emulate_default_handler(SIGTSTP);
                self.resume(state, screen)?;
            }
            Effect::Redraw => screen.clear()?,
        }
        Ok(())
    }

    /// Somebody came back from the shell; the screen may have another size by now.
    fn resume(&self, state: &mut State, screen: &mut Screen) -> Result<(), Error> {
        screen.again()?;
        let (columns, rows) = Screen::size();
        update(state, Event::Size(columns, rows));
        Ok(())
    }

    fn begin(&mut self, cause: Option<String>) {
        let (say, replies) = mpsc::channel();
        self.replies = Some(say);
        self.stopped = false;
        let (setting, root, tell) = (self.setting, self.root.clone(), self.tell.clone());
        self.scope.spawn(move || runner::work(setting, root, cause, Line { tell, replies }));
    }

    /// Stops what runs, and lets nobody wait for an answer.
    fn stop(&mut self) {
        self.stopped = true;
        self.reading.store(true, Ordering::Relaxed);
        if let Some(stopper) = &self.stopper {
            stopper.cancel();
        }
        self.replies = None;
    }

    /// The journal, where it may have grown; `now`: whenever that was looked at last.
    fn look_at_journal(&mut self, state: &mut State, now: bool) {
        let grows = state.runs() || state.is_locked();
        let Some(root) = self.root.as_deref().filter(|_| now || (grows && Instant::now() >= self.look)) else { return };
        let begins = Instant::now();
        // While something runs here, it is this diag that works on the case.
        if !state.runs() {
            update(state, Event::Locked(is_busy(root)));
        }
        if let Some(lines) = journal(root) {
            update(state, Event::Journal(lines));
        }
        self.look = Instant::now() + TICK.max(begins.elapsed() * SHARE);
    }
}

fn journal(root: &Path) -> Option<Vec<crate::case::Line>> {
    pages(root).ok().flatten().map(|pages| pages.lines)
}
