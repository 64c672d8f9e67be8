//! `diag serve` over real connections: what it answers, whom it lets in, and how much it takes.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::browser::Browser;

/// A token of the tests.
const TOKEN: &str = "a-token-of-the-tests-0123456789";

struct Server {
    process: Child,
    at: String,
}

impl Server {
    fn new(options: &[&str]) -> Self {
        Self::with(options, |_| {})
    }

    fn with(options: &[&str], more: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diag"));
        command.arg("serve").args(options).env("DIAG_CONFIG", "none").env_remove("DIAG_SERVE_TOKEN");
        if !options.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        more(&mut command);
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let at = line.trim().strip_prefix("diag serve: http://").unwrap_or_else(|| panic!("{line}"));
        Self { at: at.trim_end_matches('/').replace("0.0.0.0", "127.0.0.1"), process }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// Asks with these header lines, and reads the answer to its end.
    fn ask(&self, request: &str, headers: &[&str], body: &[u8]) -> Answer {
        let mut stream = self.connect();
        let host = if headers.iter().any(|line| line.starts_with("Host:")) {
            String::new()
        } else {
            format!("Host: {}\r\n", self.at)
        };
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let head =
            format!("{request} HTTP/1.1\r\n{host}{lines}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        Answer::read(&mut stream)
    }

    fn get(&self, path: &str, accept: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[&format!("Accept: {accept}")], b"")
    }

    fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.ask(&format!("POST {path}"), &["Content-Type: application/octet-stream"], body)
    }

    fn order(&self, path: &str, order: &Value) -> Answer {
        self.ask(&format!("POST {path}"), &["Content-Type: application/json"], order.to_string().as_bytes())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.head, self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }

    /// Status and code of a refusal.
    fn refused(&self) -> (u16, String) {
        let told = self.json();
        for field in ["place", "reason", "way_on"] {
            assert!(told["error"][field].is_string(), "{told}");
        }
        (self.status, told["error"]["code"].as_str().unwrap().to_owned())
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// A job one of whose ranks raised.
const LOG: &[u8] = b"[rank3]: Traceback (most recent call last):\n[rank3]:   File \"train.py\", line 10, in <module>\n\
    [rank3]: ValueError: bad sample <script>alert(1)</script> \x1b[2J\n";

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn what_is_posted_is_diagnosed_and_told_as_it_is_asked_for() {
    let server = Server::new(&[]);
    let posted = server.post("/v1/reports?name=job.log", LOG);
    assert_eq!((posted.status, &posted.json()["findings"][0]["cause"]), (201, &json!("rank-exception")));
    assert_eq!(posted.json()["findings"][0]["evidence"][0]["source"], "job.log");
    assert!(!posted.body.contains('\u{1b}'), "{}", posted.body);
    let place = posted.header("location").unwrap().to_owned();
    assert!(place.len() == "/v1/reports/".len() + 32, "{place}");
    for (accept, kind, says) in [
        ("application/json", "application/json", "\"outcome\": \"diagnosed\""),
        ("text/plain", "text/plain", "CONFIRMED"),
        ("text/markdown", "text/markdown", "# "),
        ("text/html,*/*;q=0.1", "text/html", "<!DOCTYPE html>"),
    ] {
        let told = server.get(&place, accept);
        assert!(told.status == 200 && told.header("content-type").unwrap().starts_with(kind), "{}", told.head);
        assert!(told.body.contains(says) && !told.body.contains('\u{1b}'), "{}", told.body);
        assert_eq!(told.header("x-content-type-options"), Some("nosniff"));
        if kind == "text/html" {
            assert!(
                !told.body.contains("<script")
                    && told.header("content-security-policy").unwrap().contains("default-src 'none'")
            );
        }
    }
    assert_eq!(server.get(&format!("{place}?format=text"), "image/png").status, 200);
    assert_eq!(server.get(&place, "image/png").refused(), (406, "serve.accept".into()));
    assert_eq!(server.get(&format!("{place}?format=pdf"), "*/*").refused().0, 400);
    assert_eq!(server.post("/v1/reports", &packed(LOG)).json()["findings"][0]["cause"], "rank-exception");
    assert_eq!(server.post("/v1/reports", b"").refused(), (422, "input.empty".into()));
    for (request, wanted) in [
        ("GET /v1/reports/00000000000000000000000000000000", (404, "serve.unknown")),
        ("GET /v1/reports/..%2F..%2Fetc%2Fpasswd", (404, "serve.unknown")),
        ("GET /nothing", (404, "serve.unknown")),
        ("DELETE /v1/reports", (405, "serve.method")),
        ("GET /v1/cases", (404, "serve.cases")),
        ("POST /v1/alerts", (404, "serve.cases")),
    ] {
        assert_eq!(server.ask(request, &[], b"").refused(), (wanted.0, wanted.1.to_owned()), "{request}");
    }
    let metrics = server.get("/metrics", "*/*").body;
    assert!(
        metrics.contains("diag_serve_answers_total{code=\"404\"}") && metrics.contains("diag_serve_reports 2"),
        "{metrics}"
    );
    assert_eq!(server.get("/healthz", "*/*").body, "ok\n");
}

#[test]
fn only_a_few_reports_are_kept() {
    let server = Server::new(&["--keep", "2"]);
    let places: Vec<String> =
        (0..3).map(|_| server.post("/v1/reports", LOG).header("location").unwrap().to_owned()).collect();
    let there: Vec<u16> = places.iter().map(|place| server.get(place, "*/*").status).collect();
    assert_eq!(there, [404, 200, 200]);
    assert!(places[0] != places[1] && places[1] != places[2]);
}

#[test]
fn nobody_comes_in_without_the_token_and_a_network_is_served_with_one_only() {
    let open = |options: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diag"));
        command.arg("serve").args(options).env("DIAG_CONFIG", "none").env_remove("DIAG_SERVE_TOKEN").output().unwrap()
    };
    let done = open(&["--listen", "0.0.0.0:0"]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.code() == Some(2) && said.contains("[serve.token]"), "{said}");
    let at = folder();
    let file = at.path().join("token");
    for weak in ["", "short\n", "with a blank in it 0123456789\n"] {
        fs::write(&file, weak).unwrap();
        assert_eq!(open(&["--token-file", file.to_str().unwrap()]).status.code(), Some(2), "{weak:?}");
    }
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let servers = [
        Server::new(&["--listen", "0.0.0.0:0", "--token-file", file.to_str().unwrap()]),
        Server::with(&[], |command| _ = command.env("DIAG_SERVE_TOKEN", TOKEN)),
    ];
    for server in servers {
        for request in [
            "POST /v1/reports",
            "GET /v1/reports/x",
            "POST /v1/alerts",
            "GET /v1/cases",
            "GET /v1/cases/x/report",
            "GET /metrics",
        ] {
            for header in [
                "Accept: */*",
                "Authorization: Bearer a-token-of-the-tests-012345678",
                "Authorization: Basic x",
                "Authorization: Bearer",
            ] {
                let told = server.ask(request, &[header], LOG);
                assert_eq!(told.refused(), (401, "serve.token".into()), "{request} {header}");
                assert!(told.header("www-authenticate").is_some() && !told.body.contains(TOKEN));
            }
        }
        let header = format!("Authorization: Bearer {TOKEN}");
        assert_eq!(server.ask("POST /v1/reports", &[&header], LOG).status, 201);
        for path in ["/", "/healthz", "/openapi.json", "/page.js"] {
            assert_eq!(server.get(path, "*/*").status, 200, "{path}");
        }
    }
}

#[test]
fn what_settings_say_of_the_server_counts_where_nothing_is_typed() {
    let at = folder();
    for name in ["cases", "logs-a", "logs-b"] {
        fs::create_dir(at.path().join(name)).unwrap();
    }
    fs::write(at.path().join("token"), format!("{TOKEN}\n")).unwrap();
    let settings = at.path().join("diag.toml");
    let said = "[serve]\ntoken_file = \"token\"\ncases = \"cases\"\nlogs = [\"logs-a\", \"logs-b\"]\nmax_body = 1\n";
    fs::write(&settings, said).unwrap();
    let serve = |options: &[&str]| Server::with(options, |command| _ = command.env("DIAG_CONFIG", &settings));
    let header = format!("Authorization: Bearer {TOKEN}");
    let large = vec![b'x'; (1 << 20) + 1];
    let server = serve(&[]);
    assert_eq!(server.ask("POST /v1/reports", &[], LOG).status, 401, "the tokens are those of the file");
    assert_eq!(server.ask("POST /v1/reports", &[&header], LOG).status, 201);
    assert_eq!(server.ask("POST /v1/reports", &[&header], &large).status, 413);
    assert_eq!(server.ask("GET /v1/cases", &[&header], b"").status, 200, "there is a folder of cases");
    let typed = serve(&["--max-body", "2"]);
    assert_eq!(typed.ask("POST /v1/reports", &[&header], &large).status, 201, "what is typed comes first");

    let refused = |said: &str| {
        fs::write(&settings, said).unwrap();
        let done =
            Command::new(env!("CARGO_BIN_EXE_diag")).arg("serve").env("DIAG_CONFIG", &settings).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{said}");
        String::from_utf8(done.stderr).unwrap()
    };
    assert!(refused("[serve]\nlisten = \"0.0.0.0:0\"\n").contains("[serve.token]"), "a network wants tokens");
    assert!(refused("[serve]\n\njobs = 0\n").contains("diag.toml:3"), "bounds are those of the options");
    assert!(refused("[serve]\nlogs = [\"gone\"]\n").contains("gone"));
}

#[test]
fn a_page_of_another_site_reaches_nothing() {
    let server = Server::new(&[]);
    for host in ["Host: evil.example.com", "Host: 127.0.0.1.evil.example.com", "Host: 10.0.0.7:7171"] {
        assert_eq!(server.ask("POST /v1/reports", &[host], LOG).refused(), (421, "serve.host".into()), "{host}");
    }
    for origin in ["http://evil.example.com", "null", "http://127.0.0.1:1"] {
        let told = server.ask("POST /v1/reports", &[&format!("Origin: {origin}"), "Content-Type: text/plain"], LOG);
        assert_eq!(told.refused(), (403, "serve.origin".into()), "{origin}");
        assert!(told.header("access-control-allow-origin").is_none());
    }
    let own = format!("Origin: http://{}", server.at);
    assert_eq!(server.ask("POST /v1/reports", &[&own], LOG).status, 201);
}

#[test]
fn what_is_large_slow_or_too_much_is_refused_and_others_are_served() {
    let server =
        Server::new(&["--max-body", "1", "--body-seconds", "2", "--jobs", "1", "--queue", "1", "--deadline", "3"]);
    let told = server.post("/v1/reports", &vec![b'x'; 3 << 20]);
    assert!(told.status == 0 || told.refused() == (413, "serve.large".into()), "{}", told.head);
    // A bomb of little bytes is ended by the deadline; while it is read, its place is taken, and one more may wait.
    let text = fs::read(root().join("sample-logs/rank-exception/1024-ranks-one-raises/logs/job.log")).unwrap();
    let bomb = packed(&text[..200_000]);
    let bomb = bomb.repeat((1 << 20) / bomb.len() - 1);
    let began = Instant::now();
    let slow = |mut stream: TcpStream| {
        let head = format!(
            "POST /v1/reports HTTP/1.1\r\nHost: {}\r\nContent-Length: 100\r\nConnection: close\r\n\r\n",
            server.at
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let mut first = slow(server.connect());
    let mut second = slow(server.connect());
    std::thread::sleep(Duration::from_millis(300));
    let busy = server.post("/v1/reports", LOG);
    assert_eq!(busy.refused(), (503, "serve.busy".into()));
    assert!(busy.header("retry-after").is_some(), "{}", busy.head);
    assert_eq!(server.get("/healthz", "*/*").status, 200);
    for stream in [&mut first, &mut second] {
        assert_eq!(Answer::read(stream).refused(), (408, "serve.slow".into()));
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(server.post("/v1/reports", LOG).status, 201, "places are free again");
    let began = Instant::now();
    let late = server.post("/v1/reports", &bomb);
    assert!(
        [201, 504].contains(&late.status) && began.elapsed() < Duration::from_secs(20),
        "{} {:?}",
        late.head,
        began.elapsed()
    );
    // Whoever sends no headers is hung up on.
    let began = Instant::now();
    let mut silent = server.connect();
    silent.write_all(b"GET / HT").unwrap();
    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

/// What Alertmanager sends (its documentation of `webhook_config`, payload version 4).
fn webhook(status: &str, instance: &str, starts: &str) -> Value {
    let labels = json!({"alertname": "DiagReadingBad", "instance": instance, "gpu": "3", "reading": "gpu.lost", "severity": "critical"});
    json!({
        "version": "4", "groupKey": "{}:{alertname=\"DiagReadingBad\"}", "truncatedAlerts": 0, "status": status,
        "receiver": "diag", "groupLabels": {"alertname": "DiagReadingBad"}, "commonLabels": labels,
        "commonAnnotations": {"summary": "gpu.lost is bad"}, "externalURL": "http://alertmanager:9093",
        "alerts": [{
            "status": status, "labels": labels, "annotations": {"summary": format!("{instance}: gpu.lost is bad")},
            "startsAt": starts, "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prometheus:9090/graph",
            "fingerprint": "6b9e1b1ef6bd21f3",
        }],
    })
}

#[test]
fn an_alert_opens_a_case_with_the_logs_of_its_node() {
    let at = folder();
    let (cases, logs) = (at.path().join("cases"), at.path().join("logs"));
    fs::create_dir_all(logs.join("gpu-19")).unwrap();
    fs::create_dir(&cases).unwrap();
    let kernel = root().join("sample-logs/gpu-fell-off-bus/lost-among-everyday-lines/logs");
    fs::copy(kernel.join("gpu-19.kernel.log"), logs.join("gpu-19/kernel.log")).unwrap();
    fs::copy(kernel.join("gpu-18.kernel.log"), logs.join("gpu-190.log")).unwrap();
    let server = Server::new(&["--cases", cases.to_str().unwrap(), "--logs", logs.to_str().unwrap()]);
    let opened = server.order("/v1/alerts", &webhook("firing", "gpu-19:9100", "2026-05-04T03:12:41.178Z"));
    assert!(opened.status == 201 && opened.json()["new"] == true, "{}", opened.body);
    let (name, place) =
        (opened.json()["case"].as_str().unwrap().to_owned(), opened.json()["report"].as_str().unwrap().to_owned());
    let report = server.get(&place, "application/json").json();
    assert_eq!(
        (&report["findings"][0]["cause"], &report["findings"][0]["culprit"]["nodes"]),
        (&json!("gpu-fell-off-bus"), &json!(["gpu-19"]))
    );
    let sources: Vec<&str> =
        report["inputs"].as_array().unwrap().iter().map(|input| input["source"].as_str().unwrap()).collect();
    assert!(
        sources.iter().any(|source| source.ends_with("gpu-19/kernel.log"))
            && !sources.iter().any(|source| source.contains("gpu-190")),
        "{sources:?}"
    );
    // It comes again while it fires, and once more when it is over: that is no other case.
    let again = server.order("/v1/alerts", &webhook("firing", "gpu-19:9100", "2026-05-04T03:12:41.178Z"));
    assert_eq!((again.status, &again.json()["case"], &again.json()["new"]), (200, &json!(name), &json!(false)));
    assert_eq!(
        server.order("/v1/alerts", &webhook("resolved", "gpu-19:9100", "2026-05-04T03:12:41.178Z")).json()["case"],
        Value::Null
    );
    // One of which no log is known is a case as well, and no good news.
    let other = server.order("/v1/alerts", &webhook("firing", "../../etc", "2026-05-04T04:00:00Z"));
    let report = server.get(other.json()["report"].as_str().unwrap(), "application/json").json();
    assert!(report["outcome"] == "undetermined" && report.to_string().contains("DiagReadingBad"), "{report}");
    let told = server.get("/v1/cases", "*/*").json();
    assert_eq!(told["cases"].as_array().unwrap().len(), 2);
    let by_name = server.order("/v1/reports", &json!({"case": name}));
    assert_eq!((by_name.status, &by_name.json()["findings"][0]["cause"]), (201, &json!("gpu-fell-off-bus")));
    // A person goes on with it as with any other.
    let case = cases.join(&name);
    let done = Command::new(env!("CARGO_BIN_EXE_diag")).args(["plan", case.to_str().unwrap(), "-q"]).output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
    for (order, path) in [
        (json!({"case": "../x"}), "/v1/reports"),
        (json!({"path": "/etc"}), "/v1/reports"),
        (json!({"version": "3", "alerts": []}), "/v1/alerts"),
        (json!([]), "/v1/alerts"),
    ] {
        assert!([400, 404].contains(&server.order(path, &order).refused().0), "{order}");
    }
    for id in ["..%2F..%2Fetc", "%2E%2E", "alert-0", &format!("{name}%2F.."), "%00"] {
        assert!([400, 404].contains(&server.get(&format!("/v1/cases/{id}/report"), "*/*").status), "{id}");
    }
    assert_eq!(fs::read_dir(&cases).unwrap().count(), 2, "nothing else was made");
}

#[test]
fn the_description_tells_what_there_is() {
    let at = folder();
    let server = Server::new(&["--cases", at.path().to_str().unwrap()]);
    let told = server.get("/openapi.json", "*/*").json();
    assert_eq!(told["openapi"], "3.1.0");
    let mut references = Vec::new();
    references_of(&told, &mut references);
    assert!(references.len() > 10);
    for reference in references {
        assert!(told.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference} leads nowhere");
    }
    let mut ids = Vec::new();
    for (path, methods) in told["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            ids.push(operation["operationId"].as_str().unwrap());
            let named: Vec<&str> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|one| one["in"] == "path")
                .map(|one| one["name"].as_str().unwrap())
                .collect();
            assert_eq!(
                named.iter().map(|name| format!("{{{name}}}")).collect::<String>(),
                path.split('/').filter(|part| part.starts_with('{')).collect::<String>()
            );
            // It is there, and what comes is one of the statuses that are told, as what is told.
            let answer = server.ask(
                &format!("{} {}", method.to_uppercase(), path.replace("{id}", "none")),
                &["Content-Type: application/json"],
                b"",
            );
            let response = &operation["responses"][answer.status.to_string()];
            assert!(response.is_object(), "{method} {path}: {} {}", answer.status, answer.body);
            let response = response["$ref"].as_str().map_or(response, |at| told.pointer(&at[1..]).unwrap());
            let kind = answer.header("content-type").unwrap().split(';').next().unwrap();
            assert!(response["content"][kind].is_object(), "{method} {path}: {kind}");
            assert!(operation["security"].is_array() || operation["responses"]["401"].is_object(), "{method} {path}");
        }
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert!(ids.len() == count && count >= 9);
    // Every path of the API is described.
    let code = fs::read_to_string(root().join("src/serve/routes.rs")).unwrap();
    let routes: Vec<&str> = code.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    for route in routes.iter().filter(|route| !route.starts_with("/page.")) {
        assert!(told["paths"][route].is_object(), "{route} is not described");
    }
}

fn references_of(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(all) => {
            into.extend(all.get("$ref").and_then(Value::as_str).map(str::to_owned));
            all.values().for_each(|one| references_of(one, into));
        }
        Value::Array(all) => all.iter().for_each(|one| references_of(one, into)),
        _ => {}
    }
}

#[test]
fn the_server_ends_when_it_is_asked_to() {
    let mut server = Server::new(&[]);
    assert_eq!(server.get("/healthz", "*/*").status, 200);
    let kept_open = server.connect();
    assert!(Command::new("kill").args(["-TERM", &server.process.id().to_string()]).status().unwrap().success());
    let began = Instant::now();
    while server.process.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(10), "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
    drop(kept_open);
}

#[test]
#[ignore = "needs Chromium: ./test runs it"]
fn browser_reads_the_verdict_of_a_log_that_is_dropped() {
    let at = folder();
    let log = at.path().join("job.log");
    fs::write(&log, LOG).unwrap();
    let server = Server::new(&[]);
    let mut page = Browser::open(&format!("http://{}/", server.at), (1100, 900));
    page.picture("page-empty");
    // Nothing from elsewhere, nothing inline.
    let loaded = page.value("performance.getEntriesByType('resource').map((one) => one.name).join(' ')");
    assert!(
        loaded.as_str().unwrap().split(' ').all(|url| url.starts_with(&format!("http://{}/", server.at))),
        "{loaded}"
    );
    page.value(
        "document.addEventListener('securitypolicyviolation', (event) => { window.broken = event.blockedURI; })",
    );
    let drop = |name: &str, text: &str| {
        format!(
            "(() => {{ const data = new DataTransfer(); data.items.add(new File([{}], {})); \
             document.getElementById('drop').dispatchEvent(new DragEvent('drop', {{ dataTransfer: data, bubbles: true, cancelable: true }})); }})()",
            Value::from(text),
            Value::from(name)
        )
    };
    let shown = "!document.getElementById('verdict').hidden";
    page.value(&drop("<b>job</b>.log", std::str::from_utf8(LOG).unwrap()));
    page.wait(shown);
    let text = page.value("document.getElementById('verdict').innerText").as_str().unwrap().to_owned();
    for wanted in
        ["DIAGNOSED", "rank 3", "rank-exception", "<b>job</b>.log:3", "<script>alert(1)</script>", "Report as html"]
    {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert!(!text.contains('\u{1b}'));
    assert_eq!(
        page.value("document.querySelectorAll('#verdict script, #verdict b b').length"),
        0,
        "text of logs stays text"
    );
    page.picture("page-verdict");
    // A file that is chosen, lines that are pasted, and what can't be read.
    page.value("document.getElementById('verdict').hidden = true");
    page.choose("#file", log.to_str().unwrap());
    page.wait(shown);
    page.value(&drop("empty.log", ""));
    page.wait("document.getElementById('status').textContent.includes('[input.empty]')");
    page.picture("page-error");
    page.value("document.querySelector('details').open = true; document.getElementById('lines').value = 'Training done.\\n'; document.getElementById('read').click()");
    page.wait(&format!("{shown} && !document.getElementById('verdict').innerText.includes('DIAGNOSED')"));
    assert_eq!(page.value("String(window.broken)"), "undefined", "its own policy lets it do what it does");
    page.value("fetch('http://127.0.0.1:1/').catch(() => {}).then(() => new Promise((done) => setTimeout(done, 200)))");
    assert!(page.value("String(window.broken)").as_str().unwrap().contains("127.0.0.1:1"), "and nothing else");
    // The whole report is a page as well.
    let posted = server.post(
        "/v1/reports?name=job.log",
        &fs::read(root().join("sample-logs/rank-exception/1024-ranks-one-raises/logs/job.log")).unwrap(),
    );
    let mut report = Browser::open(&format!("http://{}{}", server.at, posted.header("location").unwrap()), (1100, 900));
    assert!(report.value("document.body.innerText").as_str().unwrap().contains("rank 611"));
    assert_ne!(
        report.value("getComputedStyle(document.querySelector('.badge')).color"),
        "rgb(0, 0, 0)",
        "its style counts"
    );
    report.picture("report");
}

#[test]
#[ignore = "needs Chromium: ./test runs it"]
fn browser_gives_the_token_and_fits_a_phone() {
    let server = Server::with(&[], |command| _ = command.env("DIAG_SERVE_TOKEN", TOKEN));
    let mut page = Browser::open(&format!("http://{}/", server.at), (390, 800));
    page.dark();
    let send = |page: &mut Browser| {
        page.value("document.querySelector('details').open = true; document.getElementById('lines').value = '[rank3]: ValueError: bad sample\\n'.repeat(3); document.getElementById('read').click()");
    };
    send(&mut page);
    page.wait("document.getElementById('status').textContent.includes('[serve.token]')");
    page.value(&format!("document.getElementById('token').value = '{TOKEN}'"));
    send(&mut page);
    page.wait("!document.getElementById('verdict').hidden");
    assert_eq!(
        page.value("document.documentElement.scrollWidth <= document.documentElement.clientWidth"),
        true,
        "nothing is wider than the screen"
    );
    assert_eq!(
        page.value("JSON.stringify(Object.keys(localStorage).concat(Object.keys(sessionStorage), document.cookie))"),
        "[\"\"]",
        "the token is kept nowhere"
    );
    page.picture("page-phone-dark");
}
