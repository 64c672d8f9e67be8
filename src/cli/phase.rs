//! A line on a terminal while something runs on nodes: counts, not a bar a node.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::exec::{End, Ran, Told};
use crate::plan::Target;

/// How often the line moves.
const TICK: Duration = Duration::from_millis(200);

/// One phase: so many parts, of which some run and some have ended.
pub(super) struct Phase {
    bar: ProgressBar,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    running: usize,
    ok: usize,
    failed: usize,
    away: usize,
}

impl Phase {
    /// Begins; says nothing where nobody would see it.
    pub(super) fn new(what: &str, parts: usize, quiet: bool) -> Self {
        let bar = ProgressBar::new(parts as u64);
        let seen = !quiet && std::io::stderr().is_terminal();
        bar.set_draw_target(if seen { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {pos}/{len}  {msg}  {elapsed}") {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(TICK);
        Self { bar, counts: Mutex::default() }
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        let Ok(mut counts) = self.counts.lock() else { return };
        change(&mut counts);
        let Counts { running, ok, failed, away } = *counts;
        self.bar.set_message(format!("{ok} done, {failed} failed, {away} unreachable, {running} running"));
    }
}

impl Drop for Phase {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Told for Phase {
    fn began(&self, _part: usize, _target: &Target) {
        self.count(|counts| counts.running += 1);
    }

    fn ended(&self, _part: usize, ran: &Ran) {
        self.count(|counts| {
            if ran.end.may_have_acted() {
                counts.running = counts.running.saturating_sub(1);
            }
            match ran.end {
                End::Exit(0) => counts.ok += 1,
                End::Unreachable(_) | End::Refused(_) | End::Lost(_) => counts.away += 1,
                _ => counts.failed += 1,
            }
        });
        self.bar.inc(1);
    }
}
