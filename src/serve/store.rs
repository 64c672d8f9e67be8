//! Reports that were made, for who comes back: in memory, few, and not for long.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::report::{Report, json};

/// Most bytes of all reports, as JSON.
const MOST: usize = 256 << 20;

/// Reports by their ids, the oldest first.
#[derive(Debug)]
pub(super) struct Store {
    keep: usize,
    keep_for: Duration,
    kept: Mutex<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    id: String,
    at: Instant,
    bytes: usize,
    report: Arc<Report>,
}

/// An id that nobody guesses: 128 bits.
pub(super) fn draw() -> Result<String, Error> {
    let mut bits = [0_u8; 16];
    getrandom::fill(&mut bits).map_err(|error| Error::new("serve.random", "this machine", error.to_string()))?;
    Ok(bits.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Store {
    pub(super) fn new(keep: usize, keep_for: Duration) -> Self {
        Self { keep, keep_for, kept: Mutex::default() }
    }

    /// Keeps a report, and lets the oldest go; its id.
    pub(super) fn put(&self, report: &Arc<Report>) -> Result<String, Error> {
        let id = draw()?;
        let bytes = json::render(report).len();
        let mut kept = self.swept();
        kept.push_back(Kept { id: id.clone(), at: Instant::now(), bytes, report: Arc::clone(report) });
        while kept.len() > self.keep || (kept.len() > 1 && kept.iter().map(|one| one.bytes).sum::<usize>() > MOST) {
            kept.pop_front();
        }
        Ok(id)
    }

    /// The report of an id.
    pub(super) fn get(&self, id: &str) -> Option<Arc<Report>> {
        self.swept().iter().find(|one| one.id == id).map(|one| Arc::clone(&one.report))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.swept().len()
    }

    /// All that are not too old.
    fn swept(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|one| one.at.elapsed() < self.keep_for);
        kept
    }
}
