//! What the server did, for Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Counters since the server began.
#[derive(Debug, Default)]
pub(super) struct Metrics(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    answers: BTreeMap<u16, u64>,
    diagnoses: u64,
    seconds: f64,
    cases: u64,
}

impl Metrics {
    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// An answer of this status went out.
    pub(super) fn answered(&self, status: u16) {
        self.count(|counts| *counts.answers.entry(status).or_default() += 1);
    }

    /// A diagnosis took so long, waiting included.
    pub(super) fn diagnosed(&self, took: Duration) {
        self.count(|counts| {
            counts.diagnoses += 1;
            counts.seconds += took.as_secs_f64();
        });
    }

    /// An alert opened a case.
    pub(super) fn opened(&self) {
        self.count(|counts| counts.cases += 1);
    }

    /// All of it, in Prometheus' text format 0.0.4.
    pub(super) fn told(&self, stored: usize, free: usize) -> String {
        let mut text = String::new();
        let mut metric = |name: &str, kind: &str, about: &str, rows: &[(String, f64)]| {
            let _ = write!(text, "# HELP {name} {about}\n# TYPE {name} {kind}\n");
            for (labels, value) in rows {
                let _ = writeln!(text, "{name}{labels} {value}");
            }
        };
        let one = |value: f64| vec![(String::new(), value)];
        self.count(|counts| {
            let answers: Vec<(String, f64)> =
                counts.answers.iter().map(|(code, count)| (format!("{{code=\"{code}\"}}"), *count as f64)).collect();
            metric("diag_serve_answers_total", "counter", "Answers by status.", &answers);
            metric(
                "diag_serve_diagnoses_total",
                "counter",
                "Diagnoses that were made or broke off.",
                &one(counts.diagnoses as f64),
            );
            metric(
                "diag_serve_diagnosis_seconds_total",
                "counter",
                "Time of all diagnoses, waiting included.",
                &one(counts.seconds),
            );
            metric("diag_serve_cases_opened_total", "counter", "Cases that alerts opened.", &one(counts.cases as f64));
        });
        metric("diag_serve_reports", "gauge", "Reports that are kept.", &one(stored as f64));
        metric("diag_serve_free_places", "gauge", "Diagnoses that may still begin or wait.", &one(free as f64));
        text
    }
}
