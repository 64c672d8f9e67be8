//! Nodes by ssh, two ways: the system's `ssh`, which knows every configuration, and, where it is built in and the
//! configuration is plain, a library in this process, which is faster. Host keys are checked strictly by both.

mod explain;
#[cfg(feature = "ssh2")]
mod library;
mod system;

use std::path::PathBuf;
use std::time::Duration;

use super::fan::{Job, Later, Transport};
use super::outcome::{End, Ran};
use super::process::Process;
use super::shell::{Order, Terms, Watch, carry_out};
use crate::error::Error;
use crate::plan::{NodeName, Target};

/// What the node's login shell, whichever it is, is told to become.
const REMOTE: &str = "exec /bin/sh -s";

/// From the request to end until the node has to have confirmed it.
const END: Duration = Duration::from_secs(10);

/// Beyond the time allowed, the node ends by itself.
const LAST_RESORT: Duration = Duration::from_secs(60);

/// How nodes are reached.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Instead of `~/.ssh/config` and the system's.
    pub config: Option<PathBuf>,
    /// How long a node may take to accept a connection.
    pub connect: Duration,
    /// How long it may take in all until it is ready to run something.
    pub ready: Duration,
    /// Whether connections are kept for the tasks to come.
    pub keep: bool,
    /// Whether the library in this process may be used where it can do what the configuration says.
    pub library: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let (connect, ready) = (Duration::from_secs(10), Duration::from_secs(20));
        Self { config: None, connect, ready, keep: false, library: true }
    }
}

/// Runs on nodes by ssh.
#[derive(Debug)]
pub struct Ssh {
    settings: Settings,
    system: system::System,
    #[cfg(feature = "ssh2")]
    library: Option<library::Library>,
}

impl Ssh {
    /// Prepares to reach nodes; reaches none yet.
    ///
    /// # Errors
    /// Where there is no place for the sockets of kept connections.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let system = system::System::new(&settings)?;
        #[cfg(feature = "ssh2")]
        let library = settings.library.then(|| library::Library::new(&settings)).flatten();
        Ok(Self {
            settings,
            system,
            #[cfg(feature = "ssh2")]
            library,
        })
    }

    async fn run(&self, job: Job<'_>) -> Ran {
        let part = job.part;
        let refused = |why: String| Ran::without_output(part.target.clone(), End::CannotRun(why));
        let Target::Node(node) = &part.target else {
            return refused("ssh reaches nodes".to_owned());
        };
        let watch = Watch { gate: !job.gate.is_alone(), limit: part.work.timeout + LAST_RESORT };
        let order = match Order::new(&part.work, watch) {
            Ok(order) => order,
            Err(why) => return refused(why),
        };
        if job.stop.is_cancelled() {
            return Ran::without_output(part.target.clone(), End::Cancelled { begun: false });
        }
        #[cfg(feature = "ssh2")]
        if let Some(ran) = self.by_library(node, &order, &job).await {
            return ran;
        }
        self.by_system(node, &order, &job).await
    }

    async fn by_system(&self, node: &NodeName, order: &Order, job: &Job<'_>) -> Ran {
        let explain = |status, noise: &str| explain::explain(status, noise);
        let terms = Terms { open: self.settings.ready, end: END, explain: &explain };
        match Process::start(self.system.command(node)) {
            Ok(wire) => carry_out(wire, order, job, &terms).await,
            Err(error) => {
                let why = format!("the program ssh could not be started: {error}");
                Ran::without_output(job.part.target.clone(), End::CannotRun(why))
            }
        }
    }

    /// By the library, where it can; nothing has been run where it can't.
    #[cfg(feature = "ssh2")]
    async fn by_library(&self, node: &NodeName, order: &Order, job: &Job<'_>) -> Option<Ran> {
        let route = self.library.as_ref()?.route(node)?;
        // The library has no status: where the node said something, it ran something else.
        let explain = |_, noise: &str| explain::explain((!noise.trim().is_empty()).then_some(0), noise);
        let terms = Terms { open: self.settings.ready, end: END, explain: &explain };
        let connected = tokio::select! {
            connected = library::connect(route, &self.settings) => connected,
            () = job.stop.cancelled() => Err(library::NotSo::End(End::Cancelled { begun: false })),
        };
        match connected {
            Ok(wire) => Some(carry_out(wire, order, job, &terms).await),
            Err(library::NotSo::End(end)) => Some(Ran::without_output(job.part.target.clone(), end)),
            Err(library::NotSo::AskSystem) => None,
        }
    }
}

impl Transport for Ssh {
    fn name(&self) -> &'static str {
        "ssh"
    }

    fn overhead(&self) -> Duration {
        // Both ways may be tried, and a group may wait for its last.
        4 * self.settings.ready + 2 * END
    }

    fn part<'a>(&'a self, job: Job<'a>) -> Later<'a, Ran> {
        Box::pin(self.run(job))
    }
}
