//! Kubernetes: each part is a Job of one pod on its node, which ends, and is deleted, with the part.
//!
//! The pod runs the same wrapper as every other transport. What it says comes as the pod's log; it is told to begin by an
//! annotation of the pod, which the kubelet hands on as a file, and to end by the deletion of its Job. Nobody has to be
//! let into a pod, so the rights to make and delete Jobs, and to read and annotate pods, are enough.

mod frames;
mod manifest;
mod state;
mod tend;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::mpsc;

use super::fan::{Job, Later, Transport};
use super::outcome::{End, Ran};
use super::shell::{Order, Stream, Terms, Watch, carry_out};
use super::wire::{Came, Wire};
use crate::error::Error;
use crate::kubernetes::{Access, Client, is_name};
use crate::plan::Target;
use manifest::Pod;
use tend::Tended;

/// From the deletion of a Job until its pod has to have said that it ended: the garbage collector and the kubelet take turns.
const END: Duration = Duration::from_secs(30);

/// Beyond the time allowed, the wrapper, and then Kubernetes, end the pod by themselves.
const LAST_RESORT: Duration = Duration::from_secs(60);

/// How pods are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Which cluster.
    pub access: Access,
    /// The namespace for Jobs.
    pub namespace: String,
    /// The image: it has `sh`, `od`, `setsid`, `awk`, and what the tests need.
    pub image: String,
    /// GPUs that each pod asks for (`nvidia.com/gpu`).
    pub gpus: u32,
    /// Whether pods use their node's network instead of one of their own: for adapters and ports of the node.
    pub host_network: bool,
    /// How long a pod may take to start, the pull of its image included.
    pub start: Duration,
}

/// Nodes of a Kubernetes cluster.
pub struct Kubernetes {
    settings: Settings,
    client: tokio::sync::Mutex<Option<(Client, Weak<()>)>>,
    /// Random: in the names of all Jobs of this run.
    run: String,
}

impl fmt::Debug for Kubernetes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubernetes").field("settings", &self.settings).field("run", &self.run).finish_non_exhaustive()
    }
}

impl Kubernetes {
    /// Nothing is asked of the cluster yet.
    ///
    /// # Errors
    /// Names that are none; a machine without random numbers.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '$' | '`');
        if !is_name(&settings.namespace) {
            return Err(Error::new("k8s.name", settings.namespace, "can't be the name of a namespace"));
        }
        if settings.image.is_empty() || !settings.image.chars().all(plain) {
            return Err(Error::new("k8s.image", settings.image, "can't be the name of an image"));
        }
        let mut bytes = [0_u8; 4];
        getrandom::fill(&mut bytes).map_err(|error| Error::new("k8s.random", "this machine", error.to_string()))?;
        let run = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { settings, client: tokio::sync::Mutex::default(), run })
    }

    /// The client; what earlier runs have left behind is deleted once it is there.
    async fn client(&self) -> Result<Client, Error> {
        let mut held = self.client.lock().await;
        if let Some((client, alive)) = &*held
            && alive.strong_count() > 0
        {
            return Ok(client.clone());
        }
        let client = Client::new(&self.settings.access).await?;
        tend::sweep(&client, &self.settings.namespace).await;
        // A client lives as long as the runtime that it was made on, as does a task of it.
        let token = Arc::new(());
        *held = Some((client.clone(), Arc::downgrade(&token)));
        tokio::spawn(async move {
            let _token = token;
            std::future::pending::<()>().await;
        });
        Ok(client)
    }

    async fn run(&self, job: Job<'_>) -> Ran {
        let part = job.part;
        let ended = |end: End| Ran::without_output(part.target.clone(), end);
        let node = match &part.target {
            Target::Node(node) if is_name(node.as_str()) => node.as_str().to_owned(),
            other => return ended(End::CannotRun(format!("{other} is no name of a node of Kubernetes"))),
        };
        let limit = part.work.timeout + LAST_RESORT;
        let watch = Watch { gate: !job.gate.is_alone(), limit };
        let order = match Order::new(&part.work, watch) {
            Ok(order) => order,
            Err(why) => return ended(End::CannotRun(why)),
        };
        let client = tokio::select! {
            client = self.client() => client,
            () = job.stop.cancelled() => return ended(End::Cancelled { begun: false }),
        };
        let client = match client {
            Ok(client) => client,
            Err(error) => return ended(End::Unreachable(error.to_string())),
        };
        let pod = Pod {
            name: format!("diag-{}-{}", self.run, job.index),
            node,
            settings: self.settings.clone(),
            gated: watch.gate,
            limit: self.settings.start + limit,
        };
        self.carry(client, pod, &order, &job).await
    }

    async fn carry(&self, client: Client, pod: Pod, order: &Order, job: &Job<'_>) -> Ran {
        let (asks, asked) = mpsc::unbounded_channel();
        let (says, said) = mpsc::channel(64);
        let why: Reason = Arc::default();
        let tended = Tended { client, pod, asked, says, why: Arc::clone(&why) };
        let tending = tokio::spawn(tended.tend());
        let take = || why.lock().unwrap_or_else(PoisonError::into_inner).take();
        let explain = |_: Option<i32>, noise: &str| {
            take().unwrap_or_else(|| End::CannotRun(format!("the pod ended before it began: {}", noise.trim())))
        };
        let terms = Terms { open: self.settings.start, end: END, explain: &explain };
        let mut ran = carry_out(PodWire { asks, said, begun: false }, order, job, &terms).await;
        // The wire is gone now; what is left is to see the Job and its pod go.
        if !matches!(tokio::time::timeout(END, tending).await, Ok(Ok(true))) {
            ran.notes.push("its Job could not be deleted; its time to live ends it".to_owned());
        }
        match (&mut ran.end, take()) {
            (End::Lost(lost), Some(End::Lost(reason))) => *lost = reason,
            (End::Unreachable(silent), Some(End::Unreachable(stands))) => {
                silent.push_str(": ");
                silent.push_str(&stands);
            }
            _ => {}
        }
        ran
    }
}

impl Transport for Kubernetes {
    fn name(&self) -> &'static str {
        "k8s"
    }

    fn overhead(&self) -> Duration {
        3 * self.settings.start + 4 * END
    }

    fn part<'a>(&'a self, job: Job<'a>) -> Later<'a, Ran> {
        Box::pin(self.run(job))
    }
}

/// Why a pod has not begun, or went away.
type Reason = Arc<Mutex<Option<End>>>;

/// What the wire asks of whoever tends the pod.
#[derive(Debug, PartialEq, Eq)]
enum Ask {
    /// Make the pod, with this order.
    Begin(String),
    /// Tell it to begin.
    Go,
    /// End it.
    Stop,
}

/// A pod as a wire to its shell.
struct PodWire {
    asks: mpsc::UnboundedSender<Ask>,
    said: mpsc::Receiver<(Stream, Vec<u8>)>,
    begun: bool,
}

impl Wire for PodWire {
    fn send(&mut self, bytes: &[u8]) {
        let ask = match bytes {
            super::shell::GO => Ask::Go,
            super::shell::STOP => Ask::Stop,
            order if !self.begun => Ask::Begin(String::from_utf8_lossy(order).into_owned()),
            _ => return,
        };
        self.begun = true;
        // Whoever tends the pod may be done with it.
        let _ = self.asks.send(ask);
    }

    fn hang_up(&mut self) {}

    async fn next(&mut self, into: &mut Vec<u8>) -> Came {
        match self.said.recv().await {
            Some((stream, bytes)) => {
                into.extend(bytes);
                Came::Bytes(stream)
            }
            None => Came::Closed(None),
        }
    }
}
