//! Runs an executor to its end from code that waits.

use tokio_util::sync::CancellationToken;

use super::outcome::Ran;
use super::{Executor, Told};
use crate::error::Error;
use crate::plan::Task;
use crate::policy::Approved;

/// Runs a task on this thread. Ctrl-C and SIGTERM stop it in good order.
///
/// # Errors
/// A machine on which no runtime can be had.
pub fn run(
    executor: &dyn Executor,
    task: &Approved<Task>,
    stop: &CancellationToken,
    told: &dyn Told,
) -> Result<Vec<Ran>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::new("exec.runtime", executor.name(), error.to_string()))?;
    let rans = runtime.block_on(async {
        let run = executor.run(task, stop, told);
        tokio::pin!(run);
        loop {
            tokio::select! {
                rans = &mut run => return rans,
                () = asked_to_stop(), if !stop.is_cancelled() => stop.cancel(),
            }
        }
    });
    // What got stuck in a thread of its own is not waited for.
    runtime.shutdown_background();
    Ok(rans)
}

/// Until somebody presses Ctrl-C or sends SIGTERM.
pub async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => if pressed.is_err() { std::future::pending().await },
        () = terminated => {}
    }
}
