//! Carries out one part over a wire: the time-outs, the gate, the stop, and what it all comes to.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::hearing::{Hearing, Stream};
use super::{GO, Order, STOP};
use crate::exec::fan::Job;
use crate::exec::outcome::{End, Ran};
use crate::exec::wire::{Came, Wire};

/// Most bytes that are told late, because they came before it was known that the command had begun.
const EARLY: usize = 64 * 1024;

/// How long a wire may take to close once all is said.
const CLOSING: Duration = Duration::from_secs(2);

/// How long is waited, and what a wire that closes early means.
pub(in crate::exec) struct Terms<'a> {
    /// From the start until the wrapper says that it is ready.
    pub(in crate::exec) open: Duration,
    /// From the request to end until the wrapper has to say that it is done; its own grace included.
    pub(in crate::exec) end: Duration,
    /// Why a wire closed before the wrapper was ready: from the status of the wire's program and what was said.
    pub(in crate::exec) explain: &'a (dyn Fn(Option<i32>, &str) -> End + Sync),
}

/// Carries out a part.
pub(in crate::exec) async fn carry_out<W: Wire>(mut wire: W, order: &Order, job: &Job<'_>, terms: &Terms<'_>) -> Ran {
    let began = Instant::now();
    wire.send(order.text.as_bytes());
    let hearing = Hearing::new(&order.mark, &job.part.work, job.room);
    let mut talk = Talk { wire, job, terms, hearing, read: Vec::new(), early: Some(Vec::new()) };
    let mut notes = Vec::new();
    let end = match talk.open(began + terms.open).await {
        Err(end) => end,
        Ok(()) => talk.run(&mut notes).await,
    };
    talk.close().await;
    let (stdout, stderr) = talk.hearing.outputs();
    Ran { target: job.part.target.clone(), end, stdout, stderr, took: began.elapsed(), notes }
}

struct Talk<'a, W> {
    wire: W,
    job: &'a Job<'a>,
    terms: &'a Terms<'a>,
    hearing: Hearing<'a>,
    /// What was read last.
    read: Vec<u8>,
    /// What was printed before the begin was told: the streams race. Nothing once it was told.
    early: Option<Vec<u8>>,
}

impl<W: Wire> Talk<'_, W> {
    /// Waits for the next thing and listens to it; says when the wire has closed, and with which status.
    async fn next(&mut self) -> Option<Option<i32>> {
        self.read.clear();
        match self.wire.next(&mut self.read).await {
            Came::Closed(status) => Some(status),
            Came::Bytes(stream) => {
                self.hear(stream);
                None
            }
        }
    }

    fn hear(&mut self, stream: Stream) {
        let Self { job, hearing, read, early, .. } = self;
        hearing.hear(stream, read, &mut |bytes| match early {
            Some(early) => early.extend(&bytes[..bytes.len().min(EARLY - early.len())]),
            None => job.told.printed(job.index, &job.part.target, bytes),
        });
    }

    /// Until the wrapper, and those of all other parts of the group, are ready.
    async fn open(&mut self, until: Instant) -> Result<(), End> {
        let job = self.job;
        while !self.hearing.is_ready() {
            tokio::select! {
                closed = self.next() => if let Some(status) = closed {
                    return Err(self.hearing.cannot().map_or_else(
                        || (self.terms.explain)(status, &self.hearing.noise()),
                        End::CannotRun,
                    ));
                },
                () = job.stop.cancelled() => return Err(End::Cancelled { begun: false }),
                () = sleep_until(until) => {
                    return Err(End::Unreachable(format!("it did not answer within {:?}", self.terms.open)));
                }
            }
        }
        if !job.gate.is_alone() {
            self.pass(until).await?;
            self.wire.send(GO);
        }
        Ok(())
    }

    async fn pass(&mut self, until: Instant) -> Result<(), End> {
        let job = self.job;
        let pass = job.gate.pass();
        tokio::pin!(pass);
        // Others may have begun to be reached later than this one.
        let until = until + self.terms.open;
        loop {
            tokio::select! {
                passed = &mut pass => return passed.map_err(End::CannotRun),
                closed = self.next() => if closed.is_some() {
                    return Err(End::Unreachable("the connection broke off before it began".to_owned()));
                },
                () = job.stop.cancelled() => return Err(End::Cancelled { begun: false }),
                () = sleep_until(until) => return Err(End::CannotRun("what it needs did not start in time".to_owned())),
            }
        }
    }

    /// From the start of the command to its end.
    async fn run(&mut self, notes: &mut Vec<String>) -> End {
        let job = self.job;
        job.told.began(job.index, &job.part.target);
        if let Some(early) = self.early.take().filter(|early| !early.is_empty()) {
            job.told.printed(job.index, &job.part.target, &early);
        }
        let deadline = Instant::now() + job.part.work.timeout;
        let mut asked: Option<(End, Instant)> = None;
        loop {
            let until = asked.as_ref().map_or(deadline, |(_, until)| *until);
            tokio::select! {
                closed = self.next() => {
                    if self.hearing.is_done() {
                        break;
                    }
                    if closed.is_some() {
                        return self.broken(asked.map(|(end, _)| end), notes);
                    }
                }
                () = job.stop.cancelled(), if asked.is_none() => asked = Some(self.ask(End::Cancelled { begun: true })),
                () = sleep_until(until) => match asked {
                    None => asked = Some(self.ask(End::TimedOut)),
                    Some((end, _)) => {
                        notes.push("it did not confirm that it was killed: something of it may still run".to_owned());
                        return end;
                    }
                },
            }
        }
        let (end, note) =
            self.hearing.end().unwrap_or_else(|| (End::Lost("how it ended was not said".to_owned()), None));
        notes.extend(note);
        asked.map_or(end, |(end, _)| end)
    }

    fn ask(&mut self, end: End) -> (End, Instant) {
        self.wire.send(STOP);
        (end, Instant::now() + self.terms.end)
    }

    /// The wire closed before the command was known to have ended.
    fn broken(&self, asked: Option<End>, notes: &mut Vec<String>) -> End {
        if let Some(why) = self.hearing.cannot() {
            return End::CannotRun(why);
        }
        let Some(end) = asked else {
            let words = self.hearing.last_words();
            let words = if words.is_empty() { String::new() } else { format!("; the last it said: {words}") };
            return End::Lost(format!("the connection broke off{words}"));
        };
        notes.push("the connection broke off before it confirmed that it was killed".to_owned());
        end
    }

    /// Lets the wire close in peace, for a while.
    async fn close(&mut self) {
        self.wire.hang_up();
        let until = Instant::now() + CLOSING;
        while let Ok(None) = tokio::time::timeout_at(until, self.next()).await {}
    }
}
