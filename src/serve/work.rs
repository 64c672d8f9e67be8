//! Diagnoses: so many at a time, so many that wait, each with a deadline, and ended when nobody waits for it.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::Refusal;
use crate::collect::Meter;
use crate::error::Error;

/// Seconds after which to come again where all places are taken.
const LATER: u64 = 5;

/// Where diagnoses are made.
#[derive(Debug)]
pub(super) struct Bench {
    /// Whoever works or waits has one of these.
    slots: Arc<Semaphore>,
    /// Whoever works has one of these.
    jobs: Arc<Semaphore>,
    patience: Duration,
}

/// A place in the queue.
pub(super) type Slot = OwnedSemaphorePermit;

/// Ends the reading when nobody waits for it any more.
struct Ends(Arc<Meter>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Bench {
    pub(super) fn new(jobs: usize, queue: usize, patience: Duration) -> Self {
        let semaphore = |places| Arc::new(Semaphore::new(places));
        Self { slots: semaphore(jobs + queue), jobs: semaphore(jobs), patience }
    }

    /// A place, before a body is read: how many bodies are in memory is bounded so.
    pub(super) fn slot(&self) -> Result<Slot, Refusal> {
        Arc::clone(&self.slots).try_acquire_owned().map_err(|_| {
            let error = Error::new("serve.busy", "this server", "has as much to do as it takes");
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error.with_way_on("try again soon")).again_after(LATER)
        })
    }

    /// How many places are free.
    pub(super) fn free(&self) -> usize {
        self.slots.available_permits()
    }

    /// Does the work on a thread of its own.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        slot: Slot,
        job: impl FnOnce(&Meter) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Refusal> {
        let meter = Arc::new(Meter::default());
        let ends = Ends(Arc::clone(&meter));
        let jobs = Arc::clone(&self.jobs);
        let done = async {
            let place = jobs.acquire_owned().await;
            let thread = tokio::task::spawn_blocking(move || {
                let came = job(&meter);
                drop((place, slot));
                came
            });
            thread.await.unwrap_or_else(|broken| {
                Err(Error::new("serve.broken", "diag", format!("this is a fault of diag: {broken}")))
            })
        };
        let came = tokio::time::timeout(self.patience, done).await;
        let late = |_| {
            let error = Error::new(
                "serve.deadline",
                "this input",
                format!("was not read within {} s", self.patience.as_secs()),
            );
            Refusal::new(
                StatusCode::GATEWAY_TIMEOUT,
                error.with_way_on("send less of it, or read it with `diag analyze`"),
            )
        };
        let came = came.map_err(late)?;
        drop(ends);
        Ok(came?)
    }
}
