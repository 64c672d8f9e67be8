//! Which model, where, and what it may cost.

use std::fmt;
use std::time::Duration;

use crate::error::Error;

/// How a model is asked, and how much it may take.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to post chats.
    pub url: reqwest::Url,
    /// The model's name, as the server knows it.
    pub model: String,
    /// What the server wants as a key.
    pub key: Option<Key>,
    /// Most tokens of questions and answers together, a run.
    pub budget: u64,
    /// Longest silence of the server.
    pub silence: Duration,
    /// Longest that all takes together.
    pub deadline: Duration,
    /// How an answer's shape is asked for.
    pub protocol: Protocol,
}

/// A key, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// A key without the line end that a file has.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(*)")
    }
}

/// How an answer's shape is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// A JSON schema; where the server refuses that, tools; where it refuses those, words alone.
    Auto,
    /// `response_format: json_schema`.
    Schema,
    /// Tool calls.
    Tools,
    /// Words alone.
    Json,
}

impl Protocol {
    /// By its name in `diag.toml`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = [("auto", Self::Auto), ("schema", Self::Schema), ("tools", Self::Tools), ("json", Self::Json)];
        all.into_iter().find(|(known, _)| *known == name).map(|(_, protocol)| protocol)
    }
}

impl Settings {
    /// Settings for an endpoint, as `http://127.0.0.1:8080/v1`.
    ///
    /// # Errors
    /// What is no such address, or holds a password.
    pub fn new(url: &str, model: &str) -> Result<Self, Error> {
        let wrong = |why: &str| {
            Error::new("brain.invalid", "brain.url", format!("`{}`: {why}", url.escape_debug()))
                .with_way_on("as in http://127.0.0.1:8080/v1")
        };
        let mut address: reqwest::Url = url.parse().map_err(|_| wrong("is no address"))?;
        if !matches!(address.scheme(), "http" | "https") || address.host_str().is_none() {
            return Err(wrong("wants http or https and a host"));
        }
        if !address.username().is_empty() || address.password().is_some() {
            return Err(wrong("a key belongs into a file or the environment"));
        }
        let path = address.path().trim_end_matches('/').to_owned();
        if !path.ends_with("/chat/completions") {
            address.set_path(&format!("{path}/chat/completions"));
        }
        if model.trim().is_empty() {
            return Err(Error::new("brain.invalid", "brain.model", "names no model"));
        }
        Ok(Self {
            url: address,
            model: model.trim().to_owned(),
            key: None,
            budget: 20_000,
            silence: Duration::from_secs(60),
            deadline: Duration::from_secs(180),
            protocol: Protocol::Auto,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_and_holds_no_password_and_a_key_is_never_shown() {
        let url = |text: &str| Settings::new(text, "m").map(|settings| settings.url.to_string());
        assert_eq!(url("http://[::1]:8080/v1/").unwrap(), "http://[::1]:8080/v1/chat/completions");
        assert_eq!(url("https://x.example/chat/completions").unwrap(), "https://x.example/chat/completions");
        for wrong in ["", "x", "file:///etc/passwd", "ftp://x/", "http://u:p@x/v1", "http://"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
        assert!(Settings::new("http://x/v1", " ").is_err());
        assert_eq!(format!("{:?}", Key::new("sk-1\n").unwrap()), "Key(*)");
    }
}
