//! Work that may hang in a file system: nobody waits for it longer than is allowed.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Does the work in a thread of its own; `None` where it is not done in time. What hangs ends with this process.
pub(super) fn within<T: Send + 'static>(time: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, hears) = mpsc::sync_channel(1);
    let worker = thread::Builder::new().spawn(move || _ = done.send(work())).ok()?;
    let result = hears.recv_timeout(time).ok()?;
    // It is as good as over; without it only one thread runs again.
    let _ = worker.join();
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_is_given_up() {
        assert_eq!(within(Duration::from_secs(5), || 7), Some(7));
        let (_kept, never) = mpsc::channel::<()>();
        assert_eq!(within(Duration::from_millis(20), move || never.recv().is_ok()), None);
    }
}
