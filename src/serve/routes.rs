//! What is asked for, and who answers it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::alerts::{self, Webhook};
use super::answer::{Asked, Form, Refusal};
use super::desk::Desk;
use super::door::{self, Tokens};
use super::metrics::Metrics;
use super::store::Store;
use super::work::{Bench, Slot};
use super::{Settings, openapi, page};
use crate::case::{below, uri_part};
use crate::collect::Meter;
use crate::collect::cluster::Held;
use crate::error::Error;
use crate::report::{Report, guard};

/// Largest body of an alert or of an order, in bytes.
const ORDER: usize = 1 << 20;

/// Longest name of what was posted, in characters.
const NAME: usize = 120;

/// Most alerts that are known again.
const KNOWN: usize = 1000;

/// All that answers share.
pub(super) struct Office {
    desk: Arc<dyn Desk>,
    tokens: Tokens,
    loopback: bool,
    bench: Bench,
    store: Store,
    metrics: Metrics,
    cases: Option<PathBuf>,
    logs: Vec<PathBuf>,
    largest: usize,
    body: Duration,
    /// Cases that alerts opened, by what tells these from others.
    known: Mutex<HashMap<String, String>>,
}

impl Office {
    pub(super) fn new(desk: Arc<dyn Desk>, settings: Settings) -> Self {
        Self {
            desk,
            loopback: settings.listen.ip().is_loopback(),
            tokens: settings.tokens,
            bench: Bench::new(settings.jobs, settings.queue, settings.patience),
            store: Store::new(settings.keep, settings.keep_for),
            metrics: Metrics::default(),
            cases: settings.cases,
            logs: settings.logs,
            largest: settings.largest,
            body: settings.body,
            known: Mutex::default(),
        }
    }

    /// The folder of cases.
    fn folder(&self) -> Result<&PathBuf, Refusal> {
        self.cases.as_ref().ok_or_else(|| {
            let error = Error::new("serve.cases", "this server", "was started without a folder of cases");
            Refusal::new(StatusCode::NOT_FOUND, error.with_way_on("diag serve --cases DIR"))
        })
    }

    /// All cases by their names.
    fn cases(&self) -> Result<BTreeMap<String, PathBuf>, Refusal> {
        Ok(below([self.folder()?.as_path()].into_iter()))
    }

    /// A diagnosis, counted.
    async fn diagnosed(
        &self,
        slot: Slot,
        job: impl FnOnce(&Meter) -> Result<Report, Error> + Send + 'static,
    ) -> Result<Report, Refusal> {
        let began = Instant::now();
        let came = self.bench.work(slot, job).await;
        self.metrics.diagnosed(began.elapsed());
        came
    }

    /// A body, whole and in time.
    async fn body(&self, body: Body, most: usize) -> Result<Bytes, Refusal> {
        let error = |code, reason: String| Error::new(code, "body", reason);
        let read = tokio::time::timeout(self.body, axum::body::to_bytes(body, most)).await;
        let read = read.map_err(|_| {
            let late = error("serve.slow", format!("did not come within {} s", self.body.as_secs()));
            Refusal::new(StatusCode::REQUEST_TIMEOUT, late)
        })?;
        read.map_err(|broken| {
            let large = error("serve.large", format!("{broken}: at most {most} bytes are taken"));
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, large.with_way_on("pack it, or use `diag analyze`"))
        })
    }
}

/// All routes, behind the guards.
pub(super) fn router(office: &Arc<Office>) -> Router {
    let guarded = Router::new()
        .route("/v1/reports", post(post_report))
        .route("/v1/reports/{id}", get(get_report))
        .route("/v1/alerts", post(post_alert))
        .route("/v1/cases", get(get_cases))
        .route("/v1/cases/{id}/report", get(get_case_report))
        .route("/metrics", get(metrics))
        .layer(middleware::from_fn_with_state(Arc::clone(office), tokens));
    Router::new()
        .route("/", get(index))
        .route("/page.css", get(page::style))
        .route("/page.js", get(page::script))
        .route("/openapi.json", get(openapi_json))
        .route("/healthz", get(|| async { "ok\n" }))
        .merge(guarded)
        .fallback(|| async { nothing("there is nothing here", "GET /openapi.json tells what there is") })
        .method_not_allowed_fallback(not_so)
        .layer(middleware::from_fn_with_state(Arc::clone(office), guards))
        .with_state(Arc::clone(office))
}

/// Lets in what is meant for this server, counts answers, and gives each the headers that all have.
async fn guards(State(office): State<Arc<Office>>, request: Request, next: Next) -> Response {
    let mut response = match door::meant(office.loopback, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    response.headers_mut().extend(page::HEADERS);
    office.metrics.answered(response.status().as_u16());
    response
}

async fn tokens(State(office): State<Arc<Office>>, request: Request, next: Next) -> Response {
    match door::known(&office.tokens, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

async fn not_so() -> Refusal {
    let error = Error::new("serve.method", "this path", "is not asked for in this way");
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, error.with_way_on("GET /openapi.json tells how"))
}

fn nothing(reason: &str, way_on: &str) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, Error::new("serve.unknown", "path", reason).with_way_on(way_on))
}

async fn index(State(office): State<Arc<Office>>) -> Response {
    page::page(!office.tokens.is_empty())
}

async fn openapi_json() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi::TEXT).into_response()
}

async fn metrics(State(office): State<Arc<Office>>) -> Response {
    let text = office.metrics.told(office.store.len(), office.bench.free());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// An order instead of a body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    /// A case by its name, as `GET /v1/cases` tells it.
    case: String,
}

async fn post_report(
    State(office): State<Arc<Office>>,
    asked: Asked,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let slot = office.bench.slot()?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let desk = Arc::clone(&office.desk);
    let report = if kind.split(';').next().unwrap_or_default().trim() == "application/json" {
        let order: Order = serde_json::from_slice(&office.body(body, ORDER).await?).map_err(|error| {
            let error = Error::new("serve.order", "body", error.to_string())
                .with_way_on("{\"case\": \"NAME\"}; logs are sent as text/plain or application/octet-stream");
            Refusal::new(StatusCode::BAD_REQUEST, error)
        })?;
        let root = office.cases()?.remove(&order.case).ok_or_else(no_case)?;
        office.diagnosed(slot, move |meter| desk.case(&root, meter)).await?
    } else {
        let held =
            Held { name: named(asked.name.as_deref()), bytes: office.body(body, office.largest).await?.to_vec() };
        office.diagnosed(slot, move |meter| desk.posted(held, meter)).await?
    };
    let report = Arc::new(report);
    let id = office.store.put(&report)?;
    let mut response = told(asked.form, report).await?;
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(place) = HeaderValue::try_from(format!("/v1/reports/{id}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// What a report calls a body: a name for people, and no path.
fn named(name: Option<&str>) -> String {
    let name: String = guard::plain(name.unwrap_or("log")).chars().take(NAME).collect();
    if name.trim().is_empty() { "log".to_owned() } else { name }
}

/// Renders on a thread of its own: a large report takes a while.
async fn told(form: Form, report: Arc<Report>) -> Result<Response, Refusal> {
    let rendered = tokio::task::spawn_blocking(move || form.told(&report)).await;
    rendered.map_err(|broken| Error::new("serve.broken", "diag", format!("this is a fault of diag: {broken}")).into())
}

async fn get_report(
    State(office): State<Arc<Office>>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, Refusal> {
    let report = office.store.get(&id);
    told(asked.form, report.ok_or_else(|| nothing("there is no such report, or no more", "post it again"))?).await
}

fn no_case() -> Refusal {
    nothing("there is no such case", "GET /v1/cases tells those that there are")
}

async fn get_cases(State(office): State<Arc<Office>>) -> Result<Response, Refusal> {
    let slot = office.bench.slot()?;
    let shared = Arc::clone(&office);
    let cases = office.bench.work(slot, move |_| Ok(shared.cases())).await??;
    let one = |name: &String| json!({"id": name, "report": format!("/v1/cases/{}/report", uri_part(name))});
    Ok(Json(json!({"cases": cases.keys().map(one).collect::<Vec<_>>()})).into_response())
}

async fn get_case_report(
    State(office): State<Arc<Office>>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, Refusal> {
    let slot = office.bench.slot()?;
    let root = office.cases()?.remove(&id).ok_or_else(no_case)?;
    let desk = Arc::clone(&office.desk);
    let report = office.diagnosed(slot, move |meter| desk.case(&root, meter)).await?;
    told(asked.form, Arc::new(report)).await
}

async fn post_alert(State(office): State<Arc<Office>>, body: Body) -> Result<Response, Refusal> {
    office.folder()?;
    let slot = office.bench.slot()?;
    let body = office.body(body, ORDER).await?;
    let hook = Webhook::read(&body).map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error))?;
    if !hook.fires() {
        return Ok(Json(json!({"case": null, "new": false})).into_response());
    }
    let shared = Arc::clone(&office);
    let (name, new) = office
        .bench
        .work(slot, move |meter| {
            // One at a time: the same alert twice at once is one case.
            let mut known = shared.known.lock().unwrap_or_else(PoisonError::into_inner);
            let key = hook.key();
            if let Some(name) = known.get(&key) {
                return Ok((name.clone(), false));
            }
            let folder = shared.cases.clone().unwrap_or_default();
            let name = alerts::open(&hook, &body, &folder, &shared.logs, meter)?;
            if known.len() >= KNOWN {
                known.clear();
            }
            known.insert(key, name.clone());
            Ok((name, true))
        })
        .await?;
    if new {
        office.metrics.opened();
    }
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    let report = format!("/v1/cases/{}/report", uri_part(&name));
    Ok((status, Json(json!({"case": name, "new": new, "report": report}))).into_response())
}
