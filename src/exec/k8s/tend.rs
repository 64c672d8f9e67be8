//! Tends a pod: has it made, listens to it, passes on what it is told, and sees it gone.

use std::ops::ControlFlow;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::frames::Frames;
use super::manifest::{CONTAINER, GO, LABEL, Pod};
use super::state::{self, State};
use super::{Ask, Reason, Stream};
use crate::exec::outcome::End;
use crate::kubernetes::{Client, Refused, Verb, is_name};

/// Between two looks at a pod.
const LOOK: Duration = Duration::from_millis(500);

/// How long a pod that has no place is waited for: another may just be leaving.
const PLACE: Duration = Duration::from_secs(15);

/// Looks that may fail in a row before the cluster is given up.
const MOST_FAILURES: u32 = 20;

/// Most bytes of an answer.
const MOST_ANSWER: usize = 8 << 20;

/// A pod and those who talk with it.
pub(super) struct Tended {
    pub(super) client: Client,
    pub(super) pod: Pod,
    pub(super) asked: mpsc::UnboundedReceiver<Ask>,
    pub(super) says: mpsc::Sender<(Stream, Vec<u8>)>,
    pub(super) why: Reason,
}

impl Tended {
    /// From its making to its end; whether nothing is left behind.
    pub(super) async fn tend(mut self) -> bool {
        let Some(Ask::Begin(order)) = self.asked.recv().await else { return true };
        let made = self.make(&order).await;
        if made && let ControlFlow::Continue(pod) = self.begin().await {
            self.listen(&pod).await;
        }
        let Self { client, pod, says, .. } = self;
        let gone = async { remove(&client, &pod.settings.namespace, &pod.name).await };
        // What was said, and why no more is, is told before the Job is seen gone.
        drop(says);
        gone.await
    }

    fn because(&self, end: End) {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    fn jobs(&self) -> String {
        format!("/apis/batch/v1/namespaces/{}/jobs", self.pod.settings.namespace)
    }

    async fn make(&self, order: &str) -> bool {
        let Some(job) = self.pod.job(order, now()) else {
            self.because(End::CannotRun("the command is longer than a pod takes".to_owned()));
            return false;
        };
        let made = self.client.ask(Verb::Create, &self.jobs(), Some(&job), MOST_ANSWER, &self.pod.name).await;
        made.map_err(|refused| self.because(end_of(&refused))).is_ok()
    }

    /// The pod of the Job, if there is one yet.
    async fn find(&self) -> Result<Option<Value>, Refused> {
        let (space, name) = (&self.pod.settings.namespace, &self.pod.name);
        let path = format!("/api/v1/namespaces/{space}/pods?labelSelector=diag%2Fjob%3D{name}");
        let mut list = self.client.ask(Verb::Get, &path, None, MOST_ANSWER, name).await?;
        Ok(list["items"].as_array_mut().and_then(Vec::pop))
    }

    /// Why the controller of Jobs makes no pod, if it says so: a quota, a policy.
    async fn complaint(&self) -> Option<String> {
        let (space, name) = (&self.pod.settings.namespace, &self.pod.name);
        let path = format!("/api/v1/namespaces/{space}/events?fieldSelector=involvedObject.name%3D{name}");
        let list = self.client.ask(Verb::Get, &path, None, MOST_ANSWER, name).await.ok()?;
        let event = list["items"].as_array()?.iter().find(|event| event["reason"] == "FailedCreate")?;
        Some(event["message"].as_str()?.chars().filter(|c| !c.is_control()).take(400).collect())
    }

    /// Waits until the container has begun; the name of its pod.
    async fn begin(&mut self) -> ControlFlow<(), String> {
        let began = Instant::now();
        let (mut failures, mut looks) = (0, 0);
        loop {
            tokio::select! {
                asked = self.asked.recv() => if matches!(asked, None | Some(Ask::Stop)) {
                    return ControlFlow::Break(());
                },
                () = sleep(LOOK) => {}
            }
            looks += 1;
            let end = match self.find().await {
                Ok(Some(pod)) => match self.look(&pod, began) {
                    Ok(name) => {
                        self.because(End::Unreachable("its pod has begun, and says nothing".to_owned()));
                        return ControlFlow::Continue(name);
                    }
                    Err(end) => end,
                },
                Ok(None) if looks % 10 == 0 => self.complaint().await.map(End::CannotRun),
                Ok(None) => {
                    self.because(End::Unreachable("no pod was made for its Job yet".to_owned()));
                    None
                }
                Err(refused) => {
                    failures += 1;
                    (failures >= MOST_FAILURES).then(|| end_of(&refused))
                }
            };
            if let Some(end) = end {
                self.because(end);
                return ControlFlow::Break(());
            }
        }
    }

    /// The name of a pod that has begun; or why it won't, if so.
    fn look(&self, pod: &Value, began: Instant) -> Result<String, Option<End>> {
        let name = pod["metadata"]["name"].as_str().filter(|name| is_name(name)).map(str::to_owned);
        match state::read(pod) {
            State::Begun | State::Over(_) => name.ok_or(None),
            State::Never(end) => Err(Some(end)),
            State::Unplaced(end) => Err((began.elapsed() > PLACE).then_some(end)),
            State::Waiting(stands) => {
                self.because(End::Unreachable(format!("its pod is {stands}")));
                Err(None)
            }
        }
    }

    /// Listens to the log until it is over, or nobody listens any more.
    async fn listen(&mut self, pod: &str) {
        let mut frames = Frames::default();
        for _ in 0..MOST_FAILURES {
            frames.again();
            if self.follow(pod, &mut frames).await.is_break() {
                return;
            }
            // The log has ended: so has the container, or the connection.
            match self.find().await.map(|found| found.map(|pod| state::read(&pod))) {
                Ok(Some(State::Over(reason))) => {
                    // What came between the end of the connection and that of the container.
                    frames.again();
                    let _ = self.follow(pod, &mut frames).await;
                    return self.because(End::Lost(reason));
                }
                Ok(Some(State::Never(end))) => return self.because(End::Lost(end.to_string())),
                Ok(None) => return self.because(End::Lost("its pod was deleted".to_owned())),
                Ok(Some(_)) => {}
                Err(refused) => self.because(End::Lost(refused.error.to_string())),
            }
            sleep(LOOK).await;
        }
    }

    /// Follows the log to its end; breaks off where nobody listens any more.
    async fn follow(&mut self, pod: &str, frames: &mut Frames) -> ControlFlow<()> {
        let space = self.pod.settings.namespace.clone();
        let path = format!("/api/v1/namespaces/{space}/pods/{pod}/log?container={CONTAINER}&follow=true");
        let Ok(stream) = self.client.open(Verb::Get, &path, None, pod).await else { return ControlFlow::Continue(()) };
        // A test may be silent for as long as it likes.
        let mut stream = stream.with_patience(self.pod.limit);
        loop {
            tokio::select! {
                bytes = stream.next(pod) => {
                    let Ok(Some(bytes)) = bytes else { return ControlFlow::Continue(()) };
                    let mut said = Vec::new();
                    frames.take(&bytes, &mut |stream, bytes| said.push((stream, bytes)));
                    for word in said {
                        if self.says.send(word).await.is_err() {
                            return ControlFlow::Break(());
                        }
                    }
                }
                asked = self.asked.recv() => match asked {
                    Some(Ask::Go) => self.go(pod).await,
                    Some(Ask::Stop) => delete(&self.client, &self.jobs(), &self.pod.name).await,
                    Some(Ask::Begin(_)) => {}
                    None => return ControlFlow::Break(()),
                },
            }
        }
    }

    async fn go(&self, pod: &str) {
        let path = format!("/api/v1/namespaces/{}/pods/{pod}", self.pod.settings.namespace);
        let body = json!({ "metadata": { "annotations": { GO: "go" } } });
        for _ in 0..3 {
            if self.client.ask(Verb::Merge, &path, Some(&body), MOST_ANSWER, pod).await.is_ok() {
                return;
            }
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What a refusal to make a Job means for its part.
fn end_of(refused: &Refused) -> End {
    let error = &refused.error;
    match error.code {
        "k8s.forbidden" | "k8s.unauthorized" => End::Refused(error.reason.clone()),
        "k8s.unreachable" | "k8s.timeout" | "k8s.answer" => End::Unreachable(error.reason.clone()),
        _ => End::CannotRun(error.reason.clone()),
    }
}

async fn delete(client: &Client, jobs: &str, name: &str) {
    // A foreground deletion keeps the Job until its pods are gone, so that one look tells both.
    let how = json!({ "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground" });
    let _ = client.ask(Verb::Delete, &format!("{jobs}/{name}"), Some(&how), MOST_ANSWER, name).await;
}

/// Deletes a Job, and waits until it and its pod are gone; whether they are.
async fn remove(client: &Client, space: &str, name: &str) -> bool {
    let jobs = format!("/apis/batch/v1/namespaces/{space}/jobs");
    for look in 0..60 {
        if look % 10 == 0 {
            delete(client, &jobs, name).await;
        }
        match client.ask(Verb::Get, &format!("{jobs}/{name}"), None, MOST_ANSWER, name).await {
            Err(refused) if refused.error.code == "k8s.missing" => return true,
            _ => sleep(LOOK).await,
        }
    }
    false
}

/// Deletes Jobs of ours whose time is over: a run that was killed leaves them, and not every cluster deletes what is done.
pub(super) async fn sweep(client: &Client, space: &str) {
    let jobs = format!("/apis/batch/v1/namespaces/{space}/jobs");
    let path = format!("{jobs}?labelSelector={}", LABEL.replace('/', "%2F").replace('=', "%3D"));
    let Ok(list) = client.ask(Verb::Get, &path, None, MOST_ANSWER, "jobs").await else { return };
    for job in list["items"].as_array().map_or(&[][..], Vec::as_slice) {
        let until = job["metadata"]["annotations"]["diag/until"].as_str().and_then(|text| text.parse::<u64>().ok());
        let name = job["metadata"]["name"].as_str().filter(|name| name.starts_with("diag-") && is_name(name));
        if let (Some(name), Some(until)) = (name, until)
            && until < now()
        {
            delete(client, &jobs, name).await;
        }
    }
}
