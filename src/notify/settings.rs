//! Who is told, and how they know who tells.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::form::Form;
use crate::config::{Hook, Notify};
use crate::error::Error;

/// Longest secret or certificate file, in bytes.
const LONGEST: u64 = 64 << 10;

/// Whom a notice is sent to.
#[derive(Clone)]
pub struct Receiver {
    /// Its name in `diag.toml`.
    pub name: String,
    /// Where it listens.
    pub url: reqwest::Url,
    /// What it reads.
    pub form: Form,
    /// Causes that it is told of, `*` at an end standing for anything; all where none is named.
    pub only: Vec<String>,
    /// What the body is signed with.
    pub(super) secret: Option<Vec<u8>>,
    /// The one authority that its certificate may be of.
    pub(super) authority: Option<reqwest::Certificate>,
    /// Most seconds that a try takes.
    pub(super) deadline: Duration,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Addresses of webhooks are secrets themselves.
        write!(f, "Receiver({})", self.name)
    }
}

impl Receiver {
    /// Whether it wants to be told of a cause.
    #[must_use]
    pub fn wants(&self, cause: &str) -> bool {
        let like = |wanted: &String| match wanted.strip_suffix('*') {
            Some(start) => cause.starts_with(start),
            None => cause == wanted,
        };
        self.only.is_empty() || self.only.iter().any(like)
    }
}

/// All receivers that the settings name, and what is wrong with others.
#[must_use]
pub fn receivers(settings: &Notify) -> (Vec<Receiver>, Vec<Error>) {
    let (mut all, mut wrong) = (Vec::new(), Vec::new());
    for (name, hook) in &settings.hooks {
        match receiver(name, hook, settings.deadline) {
            Ok(receiver) => all.extend(receiver),
            Err(error) => wrong.push(error),
        }
    }
    (all, wrong)
}

/// What is wrong with them as they are written, whether or not their files are here: the key of each, and why.
#[must_use]
pub fn wrong(settings: &Notify) -> Vec<(String, Error)> {
    let one = |(name, hook): (&String, &Hook)| {
        let place = format!("notify.hooks.{name}");
        let key = |field: &str| format!("{place}.{field}");
        let url = hook.url.as_deref().and_then(|url| address(url, &place).err()).map(|error| (key("url"), error));
        url.or_else(|| form(hook, &place).err().map(|error| (key("form"), error)))
    };
    settings.hooks.iter().filter_map(one).collect()
}

/// Not told: a webhook's address opens its door.
fn address(url: &str, place: &str) -> Result<reqwest::Url, Error> {
    let wrong = |why: &str| Error::new("notify.invalid", place, why);
    let url: reqwest::Url = url.parse().map_err(|_| wrong("`url` is no address"))?;
    match url.scheme() {
        "http" | "https" if url.host_str().is_some() => Ok(url),
        _ => Err(wrong("`url` wants http or https and a host")),
    }
}

fn form(hook: &Hook, place: &str) -> Result<Form, Error> {
    let name = hook.form.as_deref().unwrap_or("json");
    let none = || {
        Error::new("notify.invalid", place, format!("`{}` is none of json, slack, alertmanager", name.escape_debug()))
    };
    Form::named(name).ok_or_else(none)
}

fn receiver(name: &str, hook: &Hook, deadline: Option<u64>) -> Result<Option<Receiver>, Error> {
    let place = format!("notify.hooks.{name}");
    let wrong = |why: String| Error::new("notify.invalid", &place, why);
    let Some(url) = &hook.url else { return Ok(None) };
    let (url, form) = (address(url, &place)?, form(hook, &place)?);
    let secret = match (&hook.secret_file, &hook.secret_env) {
        (Some(file), _) => {
            Some(secret(&read(file, &place)?).ok_or_else(|| wrong("`secret_file` holds no secret".to_owned()))?)
        }
        (None, Some(name)) => {
            let value = std::env::var_os(name).map(|value| value.as_encoded_bytes().to_vec());
            Some(
                value
                    .as_deref()
                    .and_then(secret)
                    .ok_or_else(|| wrong(format!("the variable `{}` holds no secret", name.escape_debug())))?,
            )
        }
        (None, None) => None,
    };
    let authority = match &hook.ca_file {
        Some(file) => {
            Some(reqwest::Certificate::from_pem(&read(file, &place)?).map_err(|error| wrong(error.to_string()))?)
        }
        None => None,
    };
    let deadline = Duration::from_secs(deadline.unwrap_or(10).clamp(1, 300));
    Ok(Some(Receiver { name: name.to_owned(), url, form, only: hook.only.clone(), secret, authority, deadline }))
}

fn secret(bytes: &[u8]) -> Option<Vec<u8>> {
    let trimmed = bytes.trim_ascii();
    (!trimmed.is_empty()).then(|| trimmed.to_vec())
}

fn read(file: &PathBuf, place: &str) -> Result<Vec<u8>, Error> {
    let failed = |why: String| Error::new("notify.invalid", place, format!("{}: {why}", Path::display(file)));
    let about = std::fs::metadata(file).map_err(|error| failed(error.to_string()))?;
    if !about.is_file() || about.len() > LONGEST {
        return Err(failed("is no such file".to_owned()));
    }
    std::fs::read(file).map_err(|error| failed(error.to_string()))
}
