//! An API server that answers by a script.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// What the server does with a request.
pub(super) enum Answer {
    Json(Value),
    Text(Vec<u8>),
    /// A `Status`, as the API server refuses.
    Refuse(u16, Value),
    /// Says nothing for longer than anybody waits.
    Hang,
    /// Says a little, and then nothing for longer than anybody waits.
    Stall(&'static str),
    /// Lines, until the server hangs up, as a watch comes.
    Lines(Vec<Value>),
    /// Breaks off in the middle of the body.
    Cut(&'static str),
}

pub(super) fn refuse(status: u16, message: &str) -> Answer {
    Answer::Refuse(status, json!({ "kind": "Status", "message": message }))
}

pub(super) fn empty() -> Answer {
    Answer::Json(json!({ "metadata": {}, "items": [] }))
}

/// The server goes when the tests do; its kubeconfig stands in this folder.
pub(super) struct Server {
    folder: tempfile::TempDir,
}

impl Server {
    pub(super) fn new(script: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = Arc::new(script);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let script = Arc::clone(&script);
                thread::spawn(move || serve(stream.unwrap(), &*script));
            }
        });
        let server = Self { folder: tempfile::tempdir().unwrap() };
        let text = format!(
            "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\n\
             users: [{{name: u, user: {{token: t}}}}]\ncontexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x\n"
        );
        std::fs::write(server.config(), text).unwrap();
        server
    }

    pub(super) fn config(&self) -> PathBuf {
        self.folder.path().join("config")
    }
}

fn serve(mut stream: TcpStream, script: &dyn Fn(&str) -> Answer) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap_or(0) > 2 {
            line.clear();
        }
        let mut words = first.split_whitespace();
        if words.next() != Some("GET") {
            let _ = stream.write_all(b"HTTP/1.1 405 only reading\r\ncontent-length: 0\r\n\r\n");
            continue;
        }
        let answer = script(words.next().unwrap_or_default());
        if let Answer::Lines(lines) = &answer {
            let lines = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
            let _ = stream.write_all(format!("HTTP/1.1 200 x\r\nconnection: close\r\n\r\n{lines}").as_bytes());
            return;
        }
        let stalls = matches!(answer, Answer::Stall(_));
        let (status, body, length) = match answer {
            Answer::Json(value) => (200, value.to_string().into_bytes(), None),
            Answer::Text(text) => (200, text, None),
            Answer::Refuse(status, value) => (status, value.to_string().into_bytes(), None),
            Answer::Cut(text) | Answer::Stall(text) => (200, text.as_bytes().to_vec(), Some(text.len() + 4096)),
            Answer::Lines(_) => return,
            Answer::Hang => return thread::sleep(Duration::from_secs(30)),
        };
        let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n", length.unwrap_or(body.len()));
        if stream.write_all(&[head.as_bytes(), &body].concat()).is_err() {
            return;
        }
        if length.is_some() {
            if stalls {
                thread::sleep(Duration::from_secs(30));
            }
            return;
        }
    }
}
