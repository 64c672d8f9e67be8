//! Follows a list of objects: reads it page by page, then hears each change, for as long as it takes.
//!
//! As the API wants it (kubernetes v1.31 docs, "API concepts", "Efficient detection of changes"): a watch begins at the
//! version of the list; where that is too old the list is read anew. What is broken off is taken up again where it was.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{Client, Refused, Verb, encoded};
use crate::error::Error;

/// Objects of a page.
const PAGE: usize = 200;

/// Most bytes of a page.
const MOST_PAGE: usize = 64 << 20;

/// Most bytes of a change: etcd keeps objects of up to 1.5 MiB (etcd v3.5 docs, "System limits").
const MOST_CHANGE: usize = 8 << 20;

/// After so many seconds, and a little more, the server is to end a watch, so that it may be moved to another server.
const LASTS: u64 = 200;

/// A watch that says nothing for longer is dead.
const SILENT: Duration = Duration::from_secs(300);

/// First pause after something went wrong; it doubles.
const PAUSE: Duration = Duration::from_secs(1);

/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A watch that lasted so long went well.
const WENT_WELL: Duration = Duration::from_secs(30);

/// A list of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Its path, `/api/v1/pods`.
    pub path: String,
    /// Only those with such labels, as `kubectl --selector` takes it.
    pub selector: Option<String>,
    /// What it is called in errors.
    pub what: String,
}

/// What is heard of a list.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// It is read from its start: what is not told again is gone.
    Anew,
    /// An object as it is now.
    Object(Value),
    /// An object that is gone, as it was.
    Gone(Value),
    /// It was read to its end.
    Whole,
    /// Why nothing is heard now; it is tried again.
    Trouble(Error),
}

/// Reads it once; its version, from which it may be followed.
///
/// # Errors
/// What the server refuses, or how it broke off.
pub async fn once(client: &Client, list: &List, tell: &mut dyn FnMut(Heard)) -> Result<String, Refused> {
    let mut limit = PAGE;
    'anew: loop {
        tell(Heard::Anew);
        let mut token = String::new();
        loop {
            let mut page = match page(client, list, &token, limit).await {
                Ok(page) => page,
                Err(refused) if refused.error.code == "k8s.expired" && !token.is_empty() => {
                    match refused.resume.filter(|resume| *resume != token) {
                        // From here on it is the list of a later moment.
                        Some(resume) => token = resume,
                        None => return Err(refused.error.into()),
                    }
                    continue;
                }
                // Objects may be so long that fewer of them fill an answer.
                Err(refused) if refused.error.code == "k8s.answer" && limit > 1 => {
                    limit = (limit / 4).max(1);
                    continue 'anew;
                }
                Err(refused) => return Err(refused),
            };
            let items = page["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
            items.into_iter().for_each(|item| tell(Heard::Object(item)));
            token = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
            if token.is_empty() {
                tell(Heard::Whole);
                return Ok(page["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned());
            }
        }
    }
}

/// Reads it, and hears each change from then on. It ends where the server knows no such list, and never else.
pub async fn forever(client: &Client, list: &List, tell: &mut dyn FnMut(Heard)) {
    let mut pause = Pause(PAUSE);
    loop {
        let mut version = match once(client, list, tell).await {
            Ok(version) => version,
            Err(refused) if refused.error.code == "k8s.missing" => return,
            Err(refused) => {
                tell(Heard::Trouble(refused.error));
                pause.take().await;
                continue;
            }
        };
        loop {
            let began = Instant::now();
            let ended = watch(client, list, &mut version, tell).await;
            if began.elapsed() >= WENT_WELL {
                pause = Pause(PAUSE);
            }
            match ended {
                Ended::Over if began.elapsed() >= WENT_WELL => {}
                Ended::Over => pause.take().await,
                Ended::Broken(error) => {
                    tell(Heard::Trouble(error));
                    pause.take().await;
                }
                Ended::Expired => {
                    pause.take().await;
                    break;
                }
            }
        }
    }
}

/// A pause that grows, and is not the same for all who wait.
struct Pause(Duration);

impl Pause {
    async fn take(&mut self) {
        sleep(self.0.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
    }
}

fn query(list: &List) -> String {
    list.selector.as_ref().map_or_else(String::new, |labels| format!("&labelSelector={}", encoded(labels)))
}

async fn page(client: &Client, list: &List, token: &str, limit: usize) -> Result<Value, Refused> {
    let next = if token.is_empty() { String::new() } else { format!("&continue={}", encoded(token)) };
    let path = format!("{}?limit={limit}{}{next}", list.path, query(list));
    client.ask(Verb::Get, &path, None, MOST_PAGE, &list.what).await
}

/// How a watch came to its end.
enum Ended {
    /// As it should.
    Over,
    /// The list has to be read anew.
    Expired,
    /// Otherwise.
    Broken(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        if error.code == "k8s.expired" { Self::Expired } else { Self::Broken(error) }
    }
}

/// Hears changes from a version on; `version` follows them.
async fn watch(client: &Client, list: &List, version: &mut String, tell: &mut dyn FnMut(Heard)) -> Ended {
    let lasts = LASTS + fastrand::u64(..60);
    let from = encoded(version);
    let how = format!("watch=true&allowWatchBookmarks=true&timeoutSeconds={lasts}&resourceVersion={from}");
    let path = format!("{}?{how}{}", list.path, query(list));
    let mut stream = match client.open(Verb::Get, &path, None, &list.what).await {
        Ok(stream) => stream.with_patience(SILENT),
        Err(refused) => return refused.error.into(),
    };
    let mut kept: Vec<u8> = Vec::new();
    loop {
        let bytes = match stream.next(&list.what).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ended::Over,
            Err(error) => return error.into(),
        };
        kept.extend(bytes);
        while let Some(end) = memchr::memchr(b'\n', &kept) {
            let change = change(&kept[..end], &list.what);
            kept.drain(..=end);
            match change {
                Ok(Some((heard, at))) => {
                    at.into_iter().for_each(|at| *version = at);
                    heard.into_iter().for_each(&mut *tell);
                }
                Ok(None) => {}
                Err(error) => return error.into(),
            }
        }
        if kept.len() > MOST_CHANGE {
            return Ended::Expired;
        }
    }
}

/// What a line of a watch says, if anything, and the version that it brings.
type Change = (Option<Heard>, Option<String>);

/// What a line of a watch says; nothing where it is blank.
fn change(line: &[u8], what: &str) -> Result<Option<Change>, Error> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let wrong = |code: &'static str, why: String| Error::new(code, format!("k8s:{what}"), why);
    let mut told: Value = serde_json::from_slice(line)
        .map_err(|error| wrong("k8s.answer", format!("a change that the API server tells is no JSON: {error}")))?;
    let object = told["object"].take();
    let version = object["metadata"]["resourceVersion"].as_str().map(str::to_owned);
    let heard = match told["type"].as_str().unwrap_or_default() {
        "ADDED" | "MODIFIED" => Some(Heard::Object(object)),
        "DELETED" => Some(Heard::Gone(object)),
        "BOOKMARK" => None,
        _ => {
            let code = if object["code"] == 410 { "k8s.expired" } else { "k8s.refused" };
            let said = object["message"].as_str().unwrap_or("the watch ended with an error");
            return Err(wrong(code, said.chars().filter(|c| !c.is_control()).take(400).collect()));
        }
    };
    Ok(Some((heard, version)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(told: &Value) -> Result<Option<Change>, Error> {
        change(told.to_string().as_bytes(), "pods")
    }

    #[test]
    fn changes_bring_objects_and_versions() {
        let object = json!({ "metadata": { "resourceVersion": "17" } });
        let told = |kind: &str| of(&json!({ "type": kind, "object": object })).unwrap().unwrap();
        let at = Some("17".to_owned());
        assert_eq!(told("MODIFIED"), (Some(Heard::Object(object.clone())), at.clone()));
        assert_eq!(told("DELETED"), (Some(Heard::Gone(object.clone())), at.clone()));
        assert_eq!(told("BOOKMARK"), (None, at));
        assert_eq!(change(b"\r", "pods"), Ok(None));
    }

    #[test]
    fn what_is_too_old_is_told_from_what_is_wrong() {
        let status =
            |code: u32| of(&json!({ "type": "ERROR", "object": { "code": code, "message": "too old\u{1b}[2J" } }));
        let codes = [410, 500].map(|code| status(code).unwrap_err());
        assert_eq!((codes[0].code, codes[1].code), ("k8s.expired", "k8s.refused"));
        assert!(!codes[0].reason.contains('\u{1b}'));
        assert_eq!(change(b"{\"type\":", "pods").unwrap_err().code, "k8s.answer");
    }
}
