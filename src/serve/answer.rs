//! Answers: a report in the form that the client takes, or an error that it can act on.

use axum::Json;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use crate::error::Error;
use crate::report::{self, Report, text::Look};

/// Columns of a report as text.
const WIDTH: usize = 100;

/// An error with its status.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    error: Error,
    /// Seconds after which to try again.
    after: Option<u64>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: Error) -> Self {
        Self { status, error, after: None }
    }

    /// The same, which may go better later.
    pub(super) fn again_after(self, seconds: u64) -> Self {
        Self { after: Some(seconds), ..self }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        // What of an input can't be read is the client's to mend; what of a case or of ours, not.
        let theirs = error.code.starts_with("input.");
        Self::new(if theirs { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::INTERNAL_SERVER_ERROR }, error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Error { code, place, reason, way_on } = &self.error;
        let told = json!({"error": {"code": code, "place": place, "reason": reason, "way_on": way_on}});
        let mut response = (self.status, Json(told)).into_response();
        if let Some(seconds) = self.after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A form in which a report is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Text,
    Markdown,
    Html,
}

/// The forms, by what stands in `Accept`, and in `format=`.
const FORMS: [(Form, &str, &str); 4] = [
    (Form::Json, "application/json", "json"),
    (Form::Html, "text/html", "html"),
    (Form::Markdown, "text/markdown", "markdown"),
    (Form::Text, "text/plain", "text"),
];

/// How a report is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) form: Form,
    /// What the report calls the body.
    pub(super) name: Option<String>,
}

/// The same, as it stands behind the `?`.
#[derive(Debug, Deserialize)]
struct Written {
    /// `json`, `text`, `markdown` or `html`, instead of `Accept`.
    format: Option<String>,
    name: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let written = Query::<Written>::from_request_parts(parts, state).await;
        let Query(Written { format, name }) = written.map_err(IntoResponse::into_response)?;
        let form = Form::asked(format.as_deref(), &parts.headers).map_err(IntoResponse::into_response)?;
        Ok(Self { form, name })
    }
}

impl Form {
    /// The form that a request asks for: by name, or by what it accepts most.
    fn asked(named: Option<&str>, headers: &HeaderMap) -> Result<Self, Refusal> {
        if let Some(name) = named {
            let known = FORMS.iter().find(|(_, _, known)| *known == name);
            let none = || Error::new("serve.format", "format", "there is no such format");
            return known.map(|(form, ..)| *form).ok_or_else(|| {
                Refusal::new(StatusCode::BAD_REQUEST, none().with_way_on("json, text, markdown or html"))
            });
        }
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
        accepted(accept).ok_or_else(|| {
            let error = Error::new("serve.accept", "Accept", "a report is not told in any of these forms");
            Refusal::new(
                StatusCode::NOT_ACCEPTABLE,
                error.with_way_on("application/json, text/plain, text/markdown or text/html"),
            )
        })
    }

    fn mime(self) -> &'static str {
        FORMS.iter().find(|(form, ..)| *form == self).map_or("application/json", |(_, mime, _)| mime)
    }

    /// The report.
    pub(super) fn told(self, report: &Report) -> Response {
        let bytes = match self {
            Self::Json => report::json::render(report),
            Self::Text => report::text::render(report, Look { width: WIDTH, ..Look::default() }),
            Self::Markdown => report::markdown::render(report),
            Self::Html => report::html::render(report),
        };
        let mime = format!("{}; charset=utf-8", self.mime());
        let mut response = ([(header::CONTENT_TYPE, mime)], bytes).into_response();
        if self == Self::Html {
            let policy = HeaderValue::from_static(super::page::REPORT_POLICY);
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    }
}

/// Of what a client accepts (RFC 9110, 12.5.1), the form with the highest weight; of several, the first.
fn accepted(accept: &str) -> Option<Form> {
    let mut best: Option<(f32, Form)> = None;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight =
            parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |weight| weight.parse::<f32>().ok());
        let fits = |mime: &str| {
            kind == "*/*" || kind == mime || kind.strip_suffix("/*").is_some_and(|of| mime.starts_with(of))
        };
        let Some((form, ..)) = FORMS.iter().find(|(_, mime, _)| fits(mime)) else { continue };
        let weight = weight.filter(|weight| *weight > 0.0);
        if let Some(weight) = weight.filter(|weight| best.is_none_or(|(most, _)| *weight > most)) {
            best = Some((weight, *form));
        }
    }
    best.map(|(_, form)| form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_the_one_that_the_client_likes_most() {
        for (accept, want) in [
            ("*/*", Some(Form::Json)),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Some(Form::Html)),
            ("text/plain", Some(Form::Text)),
            ("application/json;q=0.2, text/markdown;q=0.7", Some(Form::Markdown)),
            ("text/*", Some(Form::Html)),
            ("image/png", None),
            ("text/html;q=0", None),
            ("", None),
            (";;q=,x", None),
        ] {
            assert_eq!(accepted(accept), want, "{accept}");
        }
    }
}
