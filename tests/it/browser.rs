//! A real browser, driven over Chromium's DevTools protocol.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

/// Names that a Chromium goes by.
const NAMES: [&str; 3] = ["chromium", "google-chrome", "chromium-browser"];

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A headless browser with one page.
pub(crate) struct Browser {
    process: Child,
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    last: u64,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Opens a page of this size.
    pub(crate) fn open(url: &str, (width, height): (u32, u32)) -> Self {
        let program = NAMES.iter().find(|name| {
            Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
        });
        let program = program.expect("a Chromium is wanted: ./test says NOT RUN where there is none");
        let profile = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let process = Command::new(program)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-background-networking", "--remote-debugging-port=0", "--force-color-profile=srgb"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("--window-size={width},{height}"))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let port = told(profile.path().join("DevToolsActivePort"));
        let socket = connected(&port);
        let mut browser = Self { process, socket, last: 0, _profile: profile };
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        browser.ask("Emulation.setDeviceMetricsOverride", size);
        browser.wait("document.readyState === 'complete'");
        browser
    }

    /// What a method answers.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let text = json!({"id": self.last, "method": method, "params": params}).to_string();
        self.socket.send(Message::text(text)).unwrap();
        loop {
            let Message::Text(text) = self.socket.read().unwrap() else { continue };
            let told: Value = serde_json::from_str(&text).unwrap();
            if told["id"] == self.last {
                assert!(told["error"].is_null(), "{method}: {told}");
                return told["result"].clone();
            }
        }
    }

    /// The value of an expression; a promise is waited for.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let told = self.ask("Runtime.evaluate", params);
        assert!(told["exceptionDetails"].is_null(), "{expression}: {told}");
        told["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub(crate) fn wait(&mut self, expression: &str) {
        let began = Instant::now();
        while self.value(expression) != json!(true) {
            let page = || "document.body.innerText";
            if began.elapsed() > PATIENCE {
                let text = self.value(page());
                panic!("never: {expression}\n{text}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Gives a file to a field, as a person does who chooses it.
    pub(crate) fn choose(&mut self, selector: &str, file: &str) {
        let root = self.ask("DOM.getDocument", json!({}))["root"]["nodeId"].clone();
        let node = self.ask("DOM.querySelector", json!({"nodeId": root, "selector": selector}))["nodeId"].clone();
        self.ask("DOM.setFileInputFiles", json!({"files": [file], "nodeId": node}));
    }

    /// Shows pages in dark colours.
    pub(crate) fn dark(&mut self) {
        let features = json!([{"name": "prefers-color-scheme", "value": "dark"}]);
        self.ask("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Writes a picture of the page where `DIAG_SCREENSHOTS` names a folder.
    pub(crate) fn picture(&mut self, name: &str) {
        let Ok(folder) = std::env::var("DIAG_SCREENSHOTS") else { return };
        let shot = self.ask("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true}));
        let text = shot["data"].as_str().unwrap().to_owned();
        let script = "import base64,sys; open(sys.argv[1],'wb').write(base64.b64decode(sys.stdin.read()))";
        let path = PathBuf::from(folder).join(format!("{name}.png"));
        let mut python = Command::new("python3").args(["-c", script]).arg(path).stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut python.stdin.take().unwrap(), text.as_bytes()).unwrap();
        assert!(python.wait().unwrap().success());
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The port that the browser writes down once it listens.
fn told(file: PathBuf) -> String {
    let began = Instant::now();
    loop {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        if let Some(port) = text.lines().next().filter(|_| text.lines().count() > 1) {
            return port.to_owned();
        }
        assert!(began.elapsed() < PATIENCE, "the browser does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The page's socket.
fn connected(port: &str) -> WebSocket<MaybeTlsStream<TcpStream>> {
    let began = Instant::now();
    loop {
        if let Some(url) = page(port) {
            return tungstenite::connect(url).unwrap().0;
        }
        assert!(began.elapsed() < PATIENCE, "the browser has no page");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn page(port: &str) -> Option<String> {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let request = format!("GET /json/list HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    std::io::Write::write_all(&mut stream, request.as_bytes()).ok()?;
    let mut text = String::new();
    let _ = std::io::Read::read_to_string(&mut stream, &mut text);
    let pages: Value = serde_json::from_str(&text[text.find('[')?..=text.rfind(']')?]).ok()?;
    let page = pages.as_array()?.iter().find(|page| page["type"] == "page")?;
    Some(page["webSocketDebuggerUrl"].as_str()?.to_owned())
}
