//! Notices become letters, and letters are delivered: by a thread of its own, so that no receiver holds a look.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::now;
use crate::case::Digest;
use crate::config::{Config, Notify};
use crate::error::Error;
use crate::history::History;
use crate::notify::{self, Post, Receiver, Tried};
use crate::spool::{Letter, Lines, Record, Spool};
use crate::watch::Limits;
use crate::watch::notice::{Book, Notice};

/// Most letters that wait; of more the oldest are dropped.
const MOST: usize = 1000;

/// Seconds after which a letter is given up.
const LAST: i64 = 86_400;

/// How long a worker that has nothing else to do waits for receivers that do not answer.
const LINGERS: Duration = Duration::from_secs(900);

/// How often the outbox is looked at.
const TICK: Duration = Duration::from_millis(200);

/// Whoever tells.
pub(super) struct Mail {
    receivers: Vec<Receiver>,
    stop: Arc<AtomicBool>,
    carrier: Option<JoinHandle<()>>,
    idle_since: Option<Instant>,
    spool: Spool,
}

impl Mail {
    /// Begins to deliver what waits in the outbox.
    pub(super) fn new(spool: &Spool, settings: &Notify) -> Result<Self, Error> {
        let (receivers, _) = notify::receivers(settings);
        let stop = Arc::new(AtomicBool::new(false));
        let post = Post::new()?;
        let work = {
            let (spool, receivers, stop) = (spool.clone(), receivers.clone(), Arc::clone(&stop));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    deliver(&spool, &receivers, &post);
                    thread::sleep(TICK);
                }
            }
        };
        let carrier = thread::Builder::new()
            .spawn(work)
            .map_err(|error| Error::new("notify.client", "webhooks", error.to_string()))?;
        Ok(Self { receivers, stop, carrier: Some(carrier), idle_since: None, spool: spool.clone() })
    }

    /// Writes letters of the notices that are due.
    pub(super) fn tell(&mut self, book: &mut Book, spool: &Spool, config: &Config, history: &Lines) {
        if self.receivers.is_empty() {
            return;
        }
        let now = now();
        let due = book.due(now, &config.watch);
        if due.is_empty() {
            return;
        }
        let history = History::new(crate::cli::history::all(history, config));
        for notice in due {
            let mut beside = history.beside(&notice.found.boards, now);
            beside.extend(crate::cli::history::bmc(&notice.found.culprit.nodes, config));
            let body = notify::letter(&notice, &here(), &beside);
            let wanting =
                self.receivers.iter().filter(|to| to.wants(notice.found.cause.as_deref().unwrap_or("undetermined")));
            for to in wanting {
                let letter = Letter {
                    id: id(&notice, &to.name),
                    to: to.name.clone(),
                    body: body.clone(),
                    at: now,
                    tries: 0,
                    next: 0,
                    last: String::new(),
                };
                // An outbox that can't be written takes no letter; the log below says that it was told, so that this does not go on.
                let _ = spool.post(&letter, MOST);
            }
            let _ = spool.log().add(&Record::Told { key: notice.key.clone(), at: now, count: notice.count });
            book.told(&notice.key, notice.count, now);
        }
        self.idle_since = None;
    }

    /// Whether it is worth waiting: a notice that was never told is held back, or letters are on their way.
    pub(super) fn waits(&mut self, book: &Book, _limits: &Limits) -> bool {
        if self.receivers.is_empty() {
            return false;
        }
        let held = book.open().any(|notice| notice.told_at.is_none());
        let names: BTreeSet<&str> = self.receivers.iter().map(|to| to.name.as_str()).collect();
        let letters = self.spool.letters().iter().any(|letter| names.contains(letter.to.as_str()));
        held || (letters && self.idle_since.get_or_insert_with(Instant::now).elapsed() < LINGERS)
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(carrier) = self.carrier.take() {
            let _ = carrier.join();
        }
    }
}

/// Tries each letter whose time has come.
fn deliver(spool: &Spool, receivers: &[Receiver], post: &Post) {
    for mut letter in spool.letters().into_iter().filter(|letter| letter.next <= now()) {
        let given_up = |letter: &Letter, why: String| {
            let record = Record::GivenUp { id: letter.id.clone(), at: now(), to: letter.to.clone(), why };
            let _ = spool.log().add(&record);
            spool.posted(letter);
        };
        let Some(to) = receivers.iter().find(|to| to.name == letter.to) else {
            // The settings may name it again.
            if now() - letter.at > LAST {
                given_up(&letter, "diag.toml names no such receiver".to_owned());
            }
            continue;
        };
        letter.tries += 1;
        match post.deliver(to, &letter.id, &letter.body) {
            Tried::Taken => {
                let record =
                    Record::Sent { id: letter.id.clone(), at: now(), to: letter.to.clone(), tries: letter.tries };
                let _ = spool.log().add(&record);
                spool.posted(&letter);
            }
            Tried::Vain(why) => given_up(&letter, why),
            Tried::Again(why) if now() - letter.at > LAST => given_up(&letter, why),
            Tried::Again(why) => {
                letter.next = now() + i64::try_from(notify::pause(letter.tries - 1)).unwrap_or(LAST);
                letter.last = why;
                let _ = spool.repost(&letter);
            }
        }
    }
}

/// A letter is known by what it tells and to whom: one that is written again after a crash is the same.
fn id(notice: &Notice, to: &str) -> String {
    let mut digest = Digest::default();
    for part in [notice.key.as_str(), "\0", to, "\0", &notice.first.to_string(), "\0", &notice.told.to_string()] {
        digest.update(part.as_bytes());
    }
    format!("{:012}-{}", notice.first, &digest.finish()[..16])
}

/// Who tells: this machine.
fn here() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}
