//! Who may come in: tokens, and guards against pages of others that reach for a server on this machine.

use axum::http::{HeaderMap, StatusCode, header};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::answer::Refusal;
use crate::error::Error;

/// Shortest token, in characters.
const SHORTEST: usize = 16;

/// Bearer tokens (RFC 6750), of which only digests are kept.
#[derive(Clone, Default)]
pub struct Tokens(Vec<[u8; 32]>);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}

impl Tokens {
    /// Tokens, one a line.
    ///
    /// # Errors
    /// One of them is too short, or no token.
    pub fn read(text: &str, place: &str) -> Result<Self, Error> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let token = |line: &str| {
            let well = line.len() >= SHORTEST && line.bytes().all(|byte| byte.is_ascii_graphic());
            let why = format!("a token has {SHORTEST} characters or more, and no blanks");
            well.then(|| Sha256::digest(line.as_bytes()).into())
                .ok_or_else(|| Error::new("serve.token", place, why).with_way_on("openssl rand -hex 32 makes one"))
        };
        Ok(Self(lines.map(token).collect::<Result<_, _>>()?))
    }

    /// Whether none is asked for.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a token is one of them. Takes as long for any.
    fn holds(&self, token: &str) -> bool {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        self.0.iter().fold(Choice::from(0), |found, known| found | known.ct_eq(&digest)).into()
    }
}

/// Whether a request has the token that is asked for.
pub(super) fn known(tokens: &Tokens, headers: &HeaderMap) -> Result<(), Refusal> {
    if tokens.is_empty() {
        return Ok(());
    }
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match token {
        Some((_, token)) if tokens.holds(token.trim()) => Ok(()),
        _ => {
            let error = Error::new("serve.token", "Authorization", "a token is asked for, and this is none");
            Err(Refusal::new(StatusCode::UNAUTHORIZED, error.with_way_on("Authorization: Bearer TOKEN")))
        }
    }
}

/// Whether a request was made for this server. A name that somebody else's DNS leads here is refused where it listens on
/// loopback, and so is what a page of another origin sends.
pub(super) fn meant(loopback: bool, headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text(header::HOST).unwrap_or_default();
    if loopback && !is_here(host) {
        let error = Error::new("serve.host", "Host", "names another machine than this one");
        return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, error.with_way_on("ask for localhost or 127.0.0.1")));
    }
    let own = |origin: &str| origin.split_once("://").is_some_and(|(_, of)| of.eq_ignore_ascii_case(host));
    if text(header::ORIGIN).is_some_and(|origin| !own(origin)) {
        let error = Error::new("serve.origin", "Origin", "a page of another site sends this");
        return Err(Refusal::new(StatusCode::FORBIDDEN, error));
    }
    Ok(())
}

/// Whether a host, with or without a port, is this machine's loopback.
fn is_here(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_token_is_known_whole_or_not_at_all() {
        let tokens = Tokens::read("one-token-0123456789\n\n  other-token-0123456789\n", "x").unwrap();
        let asked = |value: &str| known(&tokens, &headers(&[(header::AUTHORIZATION, value)])).is_ok();
        assert!(asked("Bearer one-token-0123456789") && asked("bearer other-token-0123456789"));
        for value in [
            "Bearer one-token-012345678",
            "Bearer one-token-01234567890",
            "Basic one-token-0123456789",
            "Bearer ",
            "one-token-0123456789",
        ] {
            assert!(!asked(value), "{value}");
        }
        assert!(known(&tokens, &HeaderMap::new()).is_err() && known(&Tokens::default(), &HeaderMap::new()).is_ok());
        assert_eq!(Tokens::read("short", "x").unwrap_err().code, "serve.token");
        assert!(!format!("{tokens:?}").contains("one"));
    }

    #[test]
    fn what_was_meant_for_another_is_refused() {
        let asked = |host: &str, origin: Option<&str>| {
            let mut pairs = vec![(header::HOST, host)];
            pairs.extend(origin.map(|origin| (header::ORIGIN, origin)));
            meant(true, &headers(&pairs)).is_ok()
        };
        for host in ["localhost:7171", "127.0.0.1:7171", "[::1]:7171", "LOCALHOST"] {
            assert!(asked(host, None) && asked(host, Some(&format!("http://{host}"))), "{host}");
        }
        for host in
            ["evil.example.com", "127.0.0.1.evil.example.com", "localhost.evil.example.com:7171", "10.0.0.1", ""]
        {
            assert!(!asked(host, None), "{host}");
        }
        for origin in ["http://evil.example.com", "null", "http://localhost:8080", "?"] {
            assert!(!asked("localhost:7171", Some(origin)), "{origin}");
        }
    }
}
