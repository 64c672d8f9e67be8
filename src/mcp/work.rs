//! Work that takes its time beside the protocol: it can be cancelled, has a deadline, and tells how far it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rmcp::RoleServer;
use rmcp::model::ProgressNotificationParam;
use rmcp::service::RequestContext;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::collect::Meter;
use crate::error::Error;

/// How often it is told how far something is.
const TICK: Duration = Duration::from_secs(1);

/// What ends work early.
#[derive(Debug, Clone, Default)]
pub(super) struct Reins {
    /// Ends the reading of inputs.
    pub(super) meter: Arc<Meter>,
    /// Ends what runs.
    pub(super) stop: CancellationToken,
}

impl Reins {
    fn pull(&self) {
        self.meter.stop();
        self.stop.cancel();
    }
}

/// Desks at which work is done, so many at a time, and how long it may take.
#[derive(Debug, Clone)]
pub(super) struct Bench {
    pub(super) places: Arc<Semaphore>,
    pub(super) patience: Duration,
    /// Ends all work.
    pub(super) stop: CancellationToken,
}

impl Bench {
    pub(super) fn new(places: usize, patience: Duration, stop: CancellationToken) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), patience, stop }
    }

    /// Does the work on a thread of its own.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        context: &RequestContext<RoleServer>,
        job: impl FnOnce(&Reins) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let reins = Reins { meter: Arc::default(), stop: self.stop.child_token() };
        let began = Instant::now();
        let mut clock = tokio::time::interval(TICK);
        clock.tick().await;
        let mut task = std::pin::pin!(done(Arc::clone(&self.places), reins.clone(), job));
        loop {
            tokio::select! {
                came = &mut task => return came,
                () = context.ct.cancelled() => { reins.pull(); return Err(ended("it was cancelled")); }
                () = self.stop.cancelled() => { reins.pull(); return Err(ended("the server ends")); }
                _ = clock.tick() => {
                    if began.elapsed() >= self.patience {
                        reins.pull();
                        return Err(late(self.patience));
                    }
                    tell(context, &reins.meter, began).await;
                }
            }
        }
    }
}

/// Waits for a place, and does the work; the place is free again when the thread has ended, whoever still waits for it.
async fn done<T: Send + 'static>(
    places: Arc<Semaphore>,
    reins: Reins,
    job: impl FnOnce(&Reins) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let place: OwnedSemaphorePermit = places.acquire_owned().await.map_err(|_| ended("the server ends"))?;
    let thread = tokio::task::spawn_blocking(move || {
        let came = job(&reins);
        drop(place);
        came
    });
    thread.await.unwrap_or_else(|broken| {
        let error = Error::new("mcp.broken", "diag", format!("this is a fault of diag: {broken}"));
        Err(error.with_way_on("report it, with the input"))
    })
}

/// Says how far it is, to who asked to be told.
async fn tell(context: &RequestContext<RoleServer>, meter: &Meter, began: Instant) {
    let Some(token) = context.meta.get_progress_token() else { return };
    let read = meter.read();
    let note = if read > 0 {
        let mut note = ProgressNotificationParam::new(token, read as f64).with_message(format!("{read} bytes read"));
        note.total = meter.total().filter(|total| *total >= read).map(|total| total as f64);
        note
    } else {
        let seconds = began.elapsed().as_secs_f64();
        ProgressNotificationParam::new(token, seconds).with_message(format!("{seconds:.0} s"))
    };
    // Whoever no longer listens is not waited for.
    let _ = tokio::time::timeout(TICK, context.peer.notify_progress(note)).await;
}

fn ended(why: &str) -> Error {
    Error::new("mcp.ended", "this call", why)
}

fn late(patience: Duration) -> Error {
    Error::new("mcp.deadline", "this call", format!("was not done after {} s, and was ended", patience.as_secs()))
        .with_way_on(
            "name fewer files, or narrow it by nodes, job, since and until; --deadline of `diag mcp` is the limit",
        )
}
