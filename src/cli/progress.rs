//! A bar on a terminal while reading takes long.

use std::io::IsTerminal as _;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::collect::Meter;

/// Reading that is over sooner shows no bar.
const SOON: Duration = Duration::from_secs(1);

/// How often the bar moves.
const TICK: Duration = Duration::from_millis(100);

/// Does the work; shows how far it is on a terminal, once it takes longer than a second.
pub(super) fn with<T>(quiet: bool, work: impl FnOnce(&Meter) -> T) -> T {
    let meter = Meter::default();
    if quiet || !std::io::stderr().is_terminal() {
        return work(&meter);
    }
    thread::scope(|scope| {
        let (done, wait) = mpsc::channel::<()>();
        let meter = &meter;
        scope.spawn(move || show(meter, &wait));
        let result = work(meter);
        drop(done);
        result
    })
}

/// Shows the bar until the other end of `wait` is gone.
fn show(meter: &Meter, wait: &mpsc::Receiver<()>) {
    if wait.recv_timeout(SOON) != Err(RecvTimeoutError::Timeout) {
        return;
    }
    let bar = bar(meter.total());
    loop {
        bar.set_position(meter.read());
        if wait.recv_timeout(TICK) != Err(RecvTimeoutError::Timeout) {
            break;
        }
    }
    bar.finish_and_clear();
}

/// A bar with rate and time left; a spinner with a rate where the size is not known.
fn bar(total: Option<u64>) -> ProgressBar {
    let (bar, look) = match total {
        Some(total) => (ProgressBar::new(total), "{bar:30} {bytes}/{total_bytes}  {binary_bytes_per_sec}  {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes}  {binary_bytes_per_sec}"),
    };
    let bar = bar.with_elapsed(SOON);
    bar.set_draw_target(ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(look) {
        bar.set_style(style);
    }
    bar
}
