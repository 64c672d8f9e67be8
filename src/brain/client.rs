//! Talks to the endpoint: streams, tries again, keeps its time and its budget.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use super::consult::Chat;
use super::settings::{Protocol, Settings};
use super::wire::{Answer, Coming, Message, Shape, body};
use crate::error::{Error, unreached};
use crate::report::Spent;

/// Tries of one question.
const TRIES: u32 = 4;

/// First pause before another try; it doubles, and a random part of it is waited.
const PAUSE: Duration = Duration::from_millis(500);

/// Longest pause, whatever the server asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// Most tokens of one answer.
const ANSWER: u64 = 1_500;

/// Bytes of text a token has at least, where nobody counts.
const BYTES_A_TOKEN: u64 = 3;

/// Most bytes of an answer that comes whole, and of a refusal.
const WHOLE: usize = 1 << 20;

/// Whoever asks the model.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    protocol: Protocol,
    began: Instant,
    spent: Spent,
}

/// Why a try came to nothing.
enum Failure {
    /// Another may do better, after this pause.
    Again(Option<Duration>, String),
    /// The server does not take what was posted.
    Refused(String),
    /// No other try helps.
    Vain(String),
}

impl Client {
    /// Prepares to ask; reaches nobody yet. A proxy is taken from the environment.
    ///
    /// # Errors
    /// Where no runtime or TLS can be had.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let failed = |why: String| Error::new("brain.client", settings.url.to_string(), why);
        let http = reqwest::Client::builder()
            .user_agent(concat!("diag/", env!("CARGO_PKG_VERSION")))
            // A key must not follow to another place.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(settings.silence)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(error.to_string()))?;
        let protocol = settings.protocol;
        Ok(Self { settings, http, runtime, protocol, began: Instant::now(), spent: Spent::default() })
    }

    async fn once(&self, messages: &[Message], shape: &Shape, most: u64) -> Result<Answer, Failure> {
        let body = body(&self.settings.model, messages, shape, self.protocol, most).to_string();
        let mut request = self.http.post(self.settings.url.clone()).header(CONTENT_TYPE, "application/json").body(body);
        if let Some(key) = &self.settings.key {
            request = request.bearer_auth(key.reveal());
        }
        let response = request.send().await.map_err(|error| Failure::Again(None, unreached(&error)))?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(refusal(status, response).await);
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let whole = kind.starts_with("application/json");
        let mut coming = Coming::default();
        let mut bytes = Vec::new();
        let mut stream = response.bytes_stream();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| Failure::Again(None, unreached(&error)))?;
            if whole {
                bytes.extend_from_slice(&piece);
                if bytes.len() > WHOLE {
                    return Err(Failure::Vain("its answer is too long".to_owned()));
                }
            } else {
                coming.take(&piece).map_err(Failure::Vain)?;
            }
        }
        if whole {
            coming.whole(&bytes).map_err(Failure::Vain)?;
        }
        coming.finish(shape.name).ok_or_else(|| Failure::Again(None, "its answer was cut off".to_owned()))
    }

    /// One question, tried until it is answered, refused for good, or the time is over.
    async fn tried(
        &self,
        messages: &[Message],
        shape: &Shape,
        most: u64,
        requests: &mut u32,
    ) -> Result<Answer, Failure> {
        let mut last = Failure::Vain("there is no time left".to_owned());
        for attempt in 0..TRIES {
            let left = self.settings.deadline.saturating_sub(self.began.elapsed());
            if left.is_zero() {
                break;
            }
            *requests += 1;
            let late = || Failure::Vain(format!("it took longer than {} s", self.settings.deadline.as_secs()));
            let tried = tokio::time::timeout(left, self.once(messages, shape, most)).await;
            match tried.unwrap_or_else(|_| Err(late())) {
                Err(Failure::Again(wanted, why)) => {
                    let pause = wanted.unwrap_or_else(|| PAUSE * 2_u32.pow(attempt)).min(LONGEST_PAUSE);
                    let pause = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
                    last = Failure::Again(None, why);
                    if attempt + 1 == TRIES || self.began.elapsed() + pause > self.settings.deadline {
                        break;
                    }
                    tokio::time::sleep(pause).await;
                }
                other => return other,
            }
        }
        Err(last)
    }
}

impl Chat for Client {
    fn say(&mut self, messages: &[Message], shape: &Shape) -> Result<Answer, String> {
        let question = messages.iter().map(|message| message.len() as u64 + 12).sum::<u64>() / BYTES_A_TOKEN;
        let left = self.settings.budget.saturating_sub(self.spent.tokens + question);
        let most = left.min(ANSWER);
        if most < 64 {
            return Err(format!("the budget of {} tokens does not suffice", self.settings.budget));
        }
        loop {
            let mut requests = 0;
            let tried = self.runtime.block_on(self.tried(messages, shape, most, &mut requests));
            self.spent.requests += requests;
            self.spent.elapsed_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            match tried {
                Ok(answer) => {
                    let counted = answer.tokens.unwrap_or(question + answer.text.len() as u64 / BYTES_A_TOKEN);
                    self.spent.tokens += counted;
                    return Ok(answer);
                }
                Err(Failure::Refused(why)) => match weaker(self.settings.protocol, self.protocol) {
                    Some(next) => self.protocol = next,
                    None => return Err(why),
                },
                Err(Failure::Again(_, why) | Failure::Vain(why)) => return Err(why),
            }
        }
    }

    fn spent(&self) -> Spent {
        self.spent
    }

    fn model(&self) -> &str {
        &self.settings.model
    }
}

/// What to try where a server does not know how it was asked.
fn weaker(wanted: Protocol, tried: Protocol) -> Option<Protocol> {
    match (wanted, tried) {
        (Protocol::Auto, Protocol::Auto | Protocol::Schema) => Some(Protocol::Tools),
        (Protocol::Auto, Protocol::Tools) => Some(Protocol::Json),
        _ => None,
    }
}

async fn refusal(status: StatusCode, response: Response) -> Failure {
    let after =
        response.headers().get(RETRY_AFTER).and_then(|text| text.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    let mut said = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(Ok(piece)) = stream.next().await {
        said.extend_from_slice(&piece);
        if said.len() > 4096 {
            break;
        }
    }
    let said: String = String::from_utf8_lossy(&said).chars().filter(|c| !c.is_control()).take(200).collect();
    let why = format!("it answers {status}: {said}");
    match status.as_u16() {
        408 | 425 | 429 | 500 | 502 | 503 | 504 => Failure::Again(after, why),
        400 | 404 | 415 | 422 | 501 => Failure::Refused(why),
        _ => Failure::Vain(why),
    }
}
