//! Delivers a letter, once, within its time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use sha2::Sha256;

use super::form::render;
use super::settings::Receiver;
use crate::error::{Error, unreached};

/// First pause before another try, in seconds; it doubles.
const PAUSE: u64 = 1;

/// Longest pause, in seconds.
const LONGEST_PAUSE: u64 = 600;

/// What a try came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// It was taken.
    Taken,
    /// Another try may do better.
    Again(String),
    /// The receiver does not take it: no other try helps.
    Vain(String),
}

/// Whoever delivers.
#[derive(Debug)]
pub struct Post {
    runtime: tokio::runtime::Runtime,
}

impl Post {
    /// Prepares; reaches nobody yet.
    ///
    /// # Errors
    /// No runtime can be had.
    pub fn new() -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime
            .map(|runtime| Self { runtime })
            .map_err(|error| Error::new("notify.client", "webhooks", error.to_string()))
    }

    /// Tries once. The body is signed as `X-Diag-Signature: sha256=HEX` over the time of `X-Diag-Timestamp`, a dot, and the body
    /// (HMAC of RFC 2104); `X-Diag-Id` is the same whenever the same letter is sent again.
    #[must_use]
    pub fn deliver(&self, to: &Receiver, id: &str, letter: &Value) -> Tried {
        self.runtime.block_on(async {
            let tried = tokio::time::timeout(to.deadline, once(to, id, letter)).await;
            tried.unwrap_or_else(|_| Tried::Again(format!("no answer within {} s", to.deadline.as_secs())))
        })
    }
}

/// Seconds until the next try, after so many.
#[must_use]
pub fn pause(tries: u32) -> u64 {
    let doubled = PAUSE.saturating_mul(1 << tries.min(16)).min(LONGEST_PAUSE);
    // Letters that failed together are not tried together again.
    doubled / 2 + fastrand::u64(0..=doubled / 2)
}

async fn once(to: &Receiver, id: &str, letter: &Value) -> Tried {
    let client = match client(to) {
        Ok(client) => client,
        Err(error) => return Tried::Again(unreached(&error)),
    };
    let body = render(letter, to.form).to_string();
    let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).to_string();
    let mut request = client.post(to.url.clone()).header(CONTENT_TYPE, "application/json").header("X-Diag-Id", id);
    if let Some(signature) = to.secret.as_deref().and_then(|secret| sign(secret, &at, &body)) {
        request = request.header("X-Diag-Signature", format!("sha256={signature}"));
    }
    match request.header("X-Diag-Timestamp", at).body(body).send().await {
        Ok(answer) => judge(answer.status()),
        Err(error) => Tried::Again(unreached(&error)),
    }
}

fn client(to: &Receiver) -> Result<reqwest::Client, reqwest::Error> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("diag/", env!("CARGO_PKG_VERSION")))
        // What is told, and to whom, is not for an answer to say.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(to.deadline.min(Duration::from_secs(10)));
    if let Some(authority) = &to.authority {
        builder = builder.tls_built_in_root_certs(false).add_root_certificate(authority.clone());
    }
    builder.build()
}

/// The answer's body is of no interest: it is not read.
fn judge(status: StatusCode) -> Tried {
    match status.as_u16() {
        200..=299 => Tried::Taken,
        300..=399 => Tried::Vain(format!("it answers {status}: it is somewhere else, and that is not followed")),
        // What a person can mend at the receiver (a route, a right) is worth waiting for; a body that it can't read is not.
        400 | 413 | 415 | 422 => Tried::Vain(format!("it answers {status}")),
        _ => Tried::Again(format!("it answers {status}")),
    }
}

fn sign(secret: &[u8], at: &str, body: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(at.as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    Some(mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2, whose message begins before the dot that we put there.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"Jefe").unwrap();
        mac.update(b"what do ya want for nothing?");
        let known: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(known, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_ne!(sign(b"k", "1", "2.3"), sign(b"k", "1.2", "4"));
    }

    #[test]
    fn no_address_is_told_of_what_failed() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            _ = std::io::Read::read(&mut stream, &mut [0; 1024]);
            _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n");
        });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let get = |at: &str| client.get(format!("http://{at}/hooks/a-secret")).send();
        let Post { runtime } = Post::new().unwrap();
        // One that nothing is at the bottom of, and one that has a cause.
        let refused = runtime.block_on(get(&there.to_string())).unwrap().error_for_status().unwrap_err();
        let gone = runtime.block_on(get("127.0.0.1:9")).unwrap_err();
        assert_eq!(unreached(&refused), "the connection broke");
        assert!(unreached(&gone).starts_with("it can't be reached ("), "{}", unreached(&gone));
        for error in [refused, gone] {
            assert!(error.to_string().contains("a-secret") && !unreached(&error).contains("a-secret"), "{error}");
        }
    }

    #[test]
    fn pauses_grow_and_end() {
        assert!(pause(0) <= 1 && (300..=600).contains(&pause(60)));
    }

    #[test]
    fn what_can_be_mended_is_tried_again() {
        let of = |code| judge(StatusCode::from_u16(code).unwrap());
        assert_eq!(of(204), Tried::Taken);
        assert!(matches!((of(302), of(400)), (Tried::Vain(_), Tried::Vain(_))));
        assert!(matches!((of(500), of(429), of(403)), (Tried::Again(_), Tried::Again(_), Tried::Again(_))));
    }
}
