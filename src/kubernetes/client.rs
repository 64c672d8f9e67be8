//! Requests to the API server: each with a deadline, each answer with a cap.

use std::collections::BTreeMap;
use std::error::Error as Cause;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tokio::time::timeout;

use super::{Access, is_name};
use crate::error::Error;

/// Most bytes of a refusal that are read: a `Status` has a few hundred.
const MOST_REFUSAL: usize = 64 << 10;

/// Most bytes of the list of groups.
const MOST_GROUPS: usize = 8 << 20;

/// Longest message of the server that is passed on, in characters.
const LONGEST_MESSAGE: usize = 400;

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Reads.
    Get,
    /// Makes an object.
    Create,
    /// Changes an object by what is given of it (RFC 7386).
    Merge,
    /// Deletes an object.
    Delete,
}

/// Somebody who may ask the API server.
#[derive(Clone)]
pub struct Client {
    inner: kube::Client,
    patience: Duration,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

/// Why there is no answer, or no more of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// For people. Codes: `k8s.timeout`, `k8s.unreachable`, `k8s.forbidden`, `k8s.unauthorized`, `k8s.missing`,
    /// `k8s.expired`, `k8s.exists`, `k8s.refused`, `k8s.answer`.
    pub error: Error,
    /// What goes on with a list whose token is too old (kubernetes v1.31 `apiserver/pkg/storage/etcd3/errors.go`).
    pub resume: Option<String>,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error, resume: None }
    }
}

/// An answer that comes bit by bit.
#[derive(Debug)]
pub struct Stream {
    body: Body,
    patience: Duration,
}

impl Client {
    /// A client by the kubeconfig (`KUBECONFIG`, `~/.kube/config`), or, where there is none, by the service account of the
    /// pod that this runs in. Nothing is asked of the server yet.
    ///
    /// # Errors
    /// There is no configuration, it can't be used, or a program that it names for logging in hangs.
    pub async fn new(access: &Access) -> Result<Self, Error> {
        let patience = access.patience;
        // The configuration may name a program to log in with; it runs within this call.
        let made = tokio::task::spawn_blocking({
            let (access, runtime) = (access.clone(), tokio::runtime::Handle::current());
            move || runtime.block_on(make(&access))
        });
        match timeout(patience, made).await {
            Ok(Ok(made)) => made.map(|inner| Self { inner, patience }).map_err(misconfigured),
            Ok(Err(error)) => Err(misconfigured(error.to_string())),
            Err(_) => Err(misconfigured(format!("logging in took longer than {} s", patience.as_secs()))),
        }
    }

    /// Asks, and hands on the answer as it comes.
    ///
    /// # Errors
    /// It can't be reached, is silent, or refuses.
    pub async fn open(&self, verb: Verb, path: &str, body: Option<&Value>, what: &str) -> Result<Stream, Refused> {
        let request = request(verb, path, body).map_err(|error| Error::new("k8s.request", place(what), error))?;
        let answer = timeout(self.patience, self.inner.send(request)).await;
        let answer = answer.map_err(|_| silent(what, self.patience))?;
        let answer = answer.map_err(|error| unreachable(what, &error))?;
        let status = answer.status();
        let stream = Stream { body: answer.into_body(), patience: self.patience };
        if status.is_success() { Ok(stream) } else { Err(refusal(status, stream, what).await) }
    }

    /// Asks, and waits for all of the answer.
    ///
    /// # Errors
    /// As [`Self::open`]; and where the answer breaks off, is too long or no JSON.
    pub async fn ask(
        &self,
        verb: Verb,
        path: &str,
        body: Option<&Value>,
        most: usize,
        what: &str,
    ) -> Result<Value, Refused> {
        let mut stream = self.open(verb, path, body, what).await?;
        let bytes = stream.all(most, what).await?;
        let wrong = |error| format!("the API server's answer is no JSON: {error}");
        Ok(serde_json::from_slice(&bytes).map_err(|error| Error::new("k8s.answer", place(what), wrong(error)))?)
    }

    /// The groups that the cluster serves, each with its preferred version.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn served(&self) -> Result<BTreeMap<String, String>, Refused> {
        let answer = self.ask(Verb::Get, "/apis", None, MOST_GROUPS, "apis").await?;
        let groups = answer["groups"].as_array().map_or(&[][..], Vec::as_slice);
        let one = |group: &Value| {
            let version = group["preferredVersion"]["groupVersion"].as_str()?;
            version
                .split('/')
                .all(is_name)
                .then(|| (group["name"].as_str().unwrap_or_default().to_owned(), version.to_owned()))
        };
        Ok(groups.iter().filter_map(one).collect())
    }
}

impl Stream {
    /// The same, to be waited for so long each time.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The next bytes; nothing at the end.
    ///
    /// # Errors
    /// `k8s.answer` where the answer breaks off, `k8s.timeout` where nothing more comes.
    pub async fn next(&mut self, what: &str) -> Result<Option<Vec<u8>>, Error> {
        loop {
            let frame = timeout(self.patience, self.body.frame()).await.map_err(|_| silent(what, self.patience))?;
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes.to_vec()));
                    }
                }
                Some(Err(error)) => {
                    let reason = format!("the API server's answer breaks off: {}", chain(&error));
                    return Err(Error::new("k8s.answer", place(what), reason));
                }
            }
        }
    }

    async fn all(&mut self, most: usize, what: &str) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next(what).await? {
            if all.len() + bytes.len() > most {
                let reason = format!("the API server's answer is longer than {} MiB", most >> 20);
                return Err(Error::new("k8s.answer", place(what), reason));
            }
            all.extend(bytes);
        }
        Ok(all)
    }
}

/// What a report calls a part of a cluster.
fn place(what: &str) -> String {
    format!("k8s:{what}")
}

async fn make(access: &Access) -> Result<kube::Client, String> {
    let options = KubeConfigOptions { context: access.context.clone(), ..Default::default() };
    let mut config = match (&access.config, &access.context) {
        (Some(file), _) => {
            let file = Kubeconfig::read_from(file).map_err(|error| chain(&error))?;
            Config::from_custom_kubeconfig(file, &options).await.map_err(|error| chain(&error))?
        }
        (None, Some(_)) => Config::from_kubeconfig(&options).await.map_err(|error| chain(&error))?,
        (None, None) => Config::infer().await.map_err(|error| chain(&error))?,
    };
    config.connect_timeout = Some(access.patience);
    kube::Client::try_from(config).map_err(|error| chain(&error))
}

fn misconfigured(reason: String) -> Error {
    // What follows may be lines of the file, with its tokens.
    let reason = reason.lines().next().unwrap_or_default();
    let way_on =
        "check it with `kubectl config view --minify`; KUBECONFIG names another file, --context another cluster";
    Error::new("k8s.config", "kubeconfig", reason).with_way_on(way_on)
}

fn request(verb: Verb, path: &str, body: Option<&Value>) -> Result<Request<Body>, String> {
    let method = match verb {
        Verb::Get => Method::GET,
        Verb::Create => Method::POST,
        Verb::Merge => Method::PATCH,
        Verb::Delete => Method::DELETE,
    };
    let kind = if verb == Verb::Merge { "application/merge-patch+json" } else { "application/json" };
    let request = Request::builder().method(method).uri(path).header("content-type", kind);
    let body = match body {
        Some(body) => Body::from(serde_json::to_vec(body).map_err(|error| error.to_string())?),
        None => Body::empty(),
    };
    request.body(body).map_err(|error| error.to_string())
}

fn silent(what: &str, patience: Duration) -> Error {
    let reason = format!("the API server was silent for {} s", patience.as_secs_f32());
    Error::new("k8s.timeout", place(what), reason).with_way_on("allow more by --k8s-timeout")
}

fn unreachable(what: &str, error: &kube::Error) -> Error {
    Error::new("k8s.unreachable", place(what), chain(error)).with_way_on("try `kubectl get --raw /readyz`")
}

/// Why the server says no, in its own words.
async fn refusal(status: StatusCode, mut stream: Stream, what: &str) -> Refused {
    let body = stream.all(MOST_REFUSAL, what).await.unwrap_or_default();
    let told = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    let plain = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_MESSAGE).collect();
    let reason: String = told["message"].as_str().map_or_else(|| format!("answered {status}"), plain);
    let code = match status {
        StatusCode::FORBIDDEN => "k8s.forbidden",
        StatusCode::UNAUTHORIZED => "k8s.unauthorized",
        StatusCode::NOT_FOUND => "k8s.missing",
        StatusCode::GONE => "k8s.expired",
        StatusCode::CONFLICT => "k8s.exists",
        _ => "k8s.refused",
    };
    let resume = told["metadata"]["continue"].as_str().filter(|_| status == StatusCode::GONE).map(str::to_owned);
    Refused { error: Error::new(code, place(what), reason), resume }
}

/// An error and what caused it.
fn chain(error: &dyn Cause) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(source) = inner {
        let more = source.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        inner = source.source();
    }
    text
}
