//! A server that speaks OpenAI's chat protocol as far as a request and its answer go, for whoever plays a model.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use serde_json::{Value, json};

/// Longest request that is read, in bytes.
const LONGEST: usize = 4 << 20;

/// Answers each request, by its head and its body, with the bytes that `reply` makes. Ends with the process.
pub(crate) fn serve(listener: &TcpListener, reply: impl Fn(usize, String, Value) -> String + Send + Sync + 'static) {
    let reply = Arc::new(reply);
    for (at, stream) in listener.incoming().enumerate() {
        let reply = Arc::clone(&reply);
        std::thread::spawn(move || {
            let Ok(mut stream) = stream else { return };
            let Some((head, body)) = read(&stream) else { return };
            // Whoever asked may be gone.
            _ = stream.write_all(reply(at, head, body).as_bytes());
        });
    }
}

/// Head and body of a request.
fn read(stream: &TcpStream) -> Option<(String, Value)> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok().filter(|length| *length <= LONGEST)?;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, serde_json::from_slice(&body).ok()?))
}

/// A text, streamed in pieces.
pub(crate) fn streams(text: &str) -> String {
    let pieces: Vec<char> = text.chars().collect();
    let piece = |piece: &[char]| event(&json!({"content": piece.iter().collect::<String>()}));
    stream(&pieces.chunks(40).map(piece).collect::<String>())
}

/// A stream of these events that ends well.
pub(crate) fn stream(events: &str) -> String {
    let end = json!({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": null});
    format!("{HEAD}{events}data: {end}\n\ndata: [DONE]\n\n")
}

/// What stands before a stream.
pub(crate) const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

/// A part of an answer, as an event of a stream.
pub(crate) fn event(delta: &Value) -> String {
    format!("data: {}\n\n", json!({"choices": [{"delta": delta, "finish_reason": null}], "usage": null}))
}
