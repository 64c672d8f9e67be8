//! Parts of a group start together or not at all.

use tokio::sync::watch;

/// Where the parts of a group wait until each of them could begin.
#[derive(Debug)]
pub struct Gate {
    parts: usize,
    state: watch::Sender<State>,
}

#[derive(Debug, Clone)]
enum State {
    /// So many are ready.
    Waiting(usize),
    Open,
    /// One of them can't begin; why.
    Shut(String),
}

impl Gate {
    /// For a group of so many parts.
    #[must_use]
    pub fn new(parts: usize) -> Self {
        Self { parts, state: watch::Sender::new(State::Waiting(0)) }
    }

    /// Whether there is nobody to wait for.
    #[must_use]
    pub const fn is_alone(&self) -> bool {
        self.parts <= 1
    }

    /// Says that one part could begin, and waits for the others.
    ///
    /// # Errors
    /// Why another one can't begin.
    pub async fn pass(&self) -> Result<(), String> {
        self.state.send_modify(|state| {
            if let State::Waiting(ready) = state {
                *state = if *ready + 1 >= self.parts { State::Open } else { State::Waiting(*ready + 1) };
            }
        });
        let mut watch = self.state.subscribe();
        let settled = watch.wait_for(|state| !matches!(state, State::Waiting(_))).await;
        match settled.as_deref() {
            Ok(State::Shut(why)) => Err(why.clone()),
            _ => Ok(()),
        }
    }

    /// Says that one part can't begin. Too late once all have.
    pub fn shut(&self, why: impl FnOnce() -> String) {
        self.state.send_if_modified(|state| {
            let waits = matches!(state, State::Waiting(_));
            if waits {
                *state = State::Shut(why());
            }
            waits
        });
    }
}
