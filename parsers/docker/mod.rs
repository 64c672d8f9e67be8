//! What a container printed, as docker keeps it: one JSON object a line, `/var/lib/docker/containers/*/*-json.log`.
//!
//! Docker 27 `daemon/logger/jsonfilelog/jsonlog/jsonlog.go` (`JSONLog`: `log`, `stream`, `attrs`, `time`). What CRI's
//! runtimes keep instead is a prefix of plain lines (`crate::prefix`).

use serde::Deserialize;

use crate::event::{Event, Name, Problem};
use crate::record::{Record, Wrapped};

/// The reader of docker's `json-file` logs.
pub struct Logs;

/// One line that a container printed; docker cuts longer ones after 16 KiB.
#[derive(Deserialize)]
struct Printed {
    log: String,
    time: String,
}

/// Bytes of a head in which the first whole object stands, also where the log was cut before it.
const FIRST: usize = 40 << 10;

impl Record for Logs {
    fn kinds(&self) -> &'static [Name] {
        &[]
    }

    fn about(&self, _: &str) -> Option<&'static str> {
        None
    }

    fn recognises(&self, head: &[u8], _: &str) -> bool {
        let head = &head[..head.len().min(FIRST)];
        let cut = head.iter().position(|b| *b == b'\n').map_or(head, |end| &head[end + 1..]);
        [head, cut].iter().any(|rest| {
            let line = rest.split(|b| *b == b'\n').next().unwrap_or_default();
            line.starts_with(b"{\"log\":\"") && memchr::memmem::find(line, b"\",\"stream\":\"std").is_some()
        })
    }

    fn read(&self, _: &[u8], _: &str, _: &mut Vec<Event>) -> Vec<Problem> {
        Vec::new()
    }

    fn wrapped<'a>(&self, data: &'a [u8]) -> Vec<Wrapped<'a>> {
        let printed = |(line, offset, cited): (u64, u64, &'a [u8])| {
            let Printed { log, time } = serde_json::from_slice(cited).ok()?;
            // A carriage return goes back on a terminal: each is a line of its own, as in a plain log.
            let parts = log.split(['\n', '\r']).filter(|part| !part.is_empty());
            let text = parts.map(|part| format!("{time} {part}")).collect::<Vec<_>>().join("\n");
            Some(Wrapped { line, offset, cited, text })
        };
        crate::record::lines(data).filter_map(printed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_object_is_a_line_with_its_time() {
        let data = concat!(
            "cut\",\"stream\":\"stderr\",\"time\":\"2026-05-04T03:12:40Z\"}\n",
            r#"{"log":"[rank1]: \"x\"\n","stream":"stderr","time":"2026-05-04T03:12:41.250000001Z"}"#,
            "\n",
            r#"{"log":" 10%\r 20%\n","stream":"stdout","attrs":{"a":"b"},"time":"2026-05-04T03:12:42Z"}"#,
            "\n",
        );
        assert!(Logs.recognises(data.as_bytes(), ""));
        let found: Vec<_> = Logs.wrapped(data.as_bytes()).into_iter().map(|one| (one.line, one.text)).collect();
        let first = "2026-05-04T03:12:41.250000001Z [rank1]: \"x\"".to_owned();
        let second = "2026-05-04T03:12:42Z  10%\n2026-05-04T03:12:42Z  20%".to_owned();
        assert_eq!(found, [(2, first), (3, second)]);
    }

    #[test]
    fn other_objects_are_not_taken() {
        for data in ["{\"log\":\"x\"}", "{\"time\":\"x\",\"log\":\"y\"}", "", "{\"log\":{\"stream\":\"stdout\"}}"] {
            assert!(!Logs.recognises(data.as_bytes(), ""), "{data}");
        }
    }
}
