//! Health events of NVSentinel: what its monitors tell of a node, as JSON and within its own logs and annotations, quotes escaped.
//!
//! Shape: NVSentinel v0.3 to v1.22 `data-models/protobufs/health_event.proto` (`checkName`, `isFatal`, `isHealthy`, `errorCode`,
//! `entitiesImpacted`, `nodeName`). Its fault quarantine writes the events of a node into an annotation, and logs that with `"node"`.

use super::WITNESS;
use super::monitors;
use crate::event::{Event, Name};
use crate::grammar::Grammar;
use crate::health;
use crate::line::{Cursor, Line};

/// Health events.
#[derive(Debug)]
pub struct HealthEvents;

/// Lines before and behind the anchor in which the other keys of an event stand.
const NEAR: usize = 40;

/// Longest text of an event that is read, in bytes.
const LONGEST: usize = 16 << 10;

impl Grammar for HealthEvents {
    fn kinds(&self) -> &'static [Name] {
        health::KINDS
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["\"isFatal\":", "isFatal\\\":"]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let text = around(cursor);
        let value = |key: &str| value(&text, key);
        let Some(check) = value("checkName") else { return };
        if value("isFatal") != Some("true") || value("isHealthy") == Some("true") {
            return;
        }
        let codes = text.split_once("\"errorCode\":").and_then(|(_, rest)| rest.split_once('['));
        let code = codes.and_then(|(_, rest)| quoted(rest)).unwrap_or_default();
        let why = complaint(value("message").unwrap_or_default(), code);
        let mut said = monitors::sorted(health::FAILED, check, &why);
        let gpu = entity(&text, "GPU_UUID").or_else(|| entity(&text, "PCI")).or_else(|| entity(&text, "GPU"));
        for (name, told) in [("node", value("nodeName").or_else(|| value("node"))), ("gpu", gpu)] {
            if let Some(told) = told {
                said.fields.set(name, told);
            }
        }
        if said.fields.int("xid").is_some() {
            // its monitors read the kernel's log and ask the driver: it counts as theirs
            said.kind = monitors::XID;
        }
        said.fields.set("witness", WITNESS);
        out.push(Event::on(cursor, &told_on(cursor), said.kind, said.says, said.fields));
    }
}

/// The line with the event's own words, where it is written on many.
fn told_on<'a>(cursor: &Cursor<'a>) -> Line<'a> {
    let has_words = |line: &Line<'_>| memchr::memmem::find(line.raw, b"\"message\":").is_some();
    if has_words(&cursor.line) {
        return cursor.line.clone();
    }
    let ends = |line: &Line<'_>| !matches!(line.raw, b"{" | b"}");
    let near = cursor.following().take(NEAR).take_while(ends).find(has_words);
    let near = near.or_else(|| cursor.preceding().take(NEAR).take_while(ends).find(has_words));
    near.unwrap_or_else(|| cursor.line.clone())
}

/// What the message says; the code (`XID-48`, `DCGM_FR_CORRUPT_INFOROM`) where that tells more.
fn complaint(message: &str, code: &str) -> String {
    let code = code.trim_start_matches("DCGM_FR_");
    let numbered = |text: &str| text.to_ascii_lowercase().contains("xid");
    if message.is_empty() || (numbered(code) && !numbered(message)) {
        return format!("{code} {message}").trim().to_owned();
    }
    message.to_owned()
}

/// The event that the cursor stands in: its line, or the lines around it where it is written on many.
fn around(cursor: &Cursor<'_>) -> String {
    let plain = |raw: &[u8]| String::from_utf8_lossy(&raw[..raw.len().min(LONGEST)]).replace("\\\"", "\"");
    let line = plain(cursor.line.raw);
    if line.contains("\"checkName\":") {
        return line;
    }
    let ends = |raw: &[u8]| matches!(raw, b"{" | b"}");
    let mut before: Vec<String> =
        cursor.preceding().take(NEAR).take_while(|line| !ends(line.raw)).map(|line| plain(line.raw)).collect();
    before.reverse();
    let behind = cursor.following().take(NEAR).take_while(|line| !ends(line.raw)).map(|line| plain(line.raw));
    before.into_iter().chain([line]).chain(behind).collect::<Vec<_>>().join("\n")
}

/// The text, number or truth at a key.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let rest = text.split_once(&format!("\"{key}\":"))?.1.trim_start_matches(' ');
    let bare = || rest.split([',', '}', '\n']).next().map(str::trim);
    Some(if rest.starts_with('"') { quoted(rest)? } else { bare()? })
        .filter(|value| !value.is_empty() && value.len() < 512)
}

fn quoted(rest: &str) -> Option<&str> {
    rest.trim_start().strip_prefix('"')?.split_once('"').map(|(value, _)| value)
}

/// The value of the first entity of a type: `{"entityType": "PCI", "entityValue": "0000:3b:00.0"}`.
fn entity<'t>(text: &'t str, kind: &str) -> Option<&'t str> {
    let parts = text.split("\"entityType\":").skip(1).take(16);
    let mut of_kind = parts.filter(|part| quoted(part) == Some(kind));
    of_kind.find_map(|part| value(part, "entityValue"))
}

#[cfg(test)]
mod tests {
    use crate::{Catalogue, Scanner, lint};

    const EVENT: &str = r#"{
  "agent": "gpu-health-monitor",
  "checkName": "GpuMemWatch",
  "isFatal": true,
  "isHealthy": false,
  "message": "GPU 1 had an uncontained error (XID 95)",
  "errorCode": ["DCGM_FR_UNCONTAINED_ERROR"],
  "entitiesImpacted": [
    {
      "entityType": "GPU",
      "entityValue": "1"
    },
    {
      "entityType": "PCI",
      "entityValue": "0000:3b:00.0"
    }
  ],
  "nodeName": "gpu-018"
}
"#;

    #[test]
    fn a_fatal_event_names_its_node_and_gpu() {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let told = |log: &str| {
            let text = |event: &crate::Event, name: &str| event.fields.text(name).map(str::to_owned);
            let events = lint::read(&scanner, log).into_iter();
            events.map(|event| (event.kind, event.line, text(&event, "node"), text(&event, "gpu"))).collect::<Vec<_>>()
        };
        let who = || (Some("gpu-018".to_owned()), Some("0000:3b:00.0".to_owned()));
        let of = |line| vec![("kubernetes.device_xid", line, who().0, who().1)];
        assert_eq!(told(EVENT), of(6));
        let lines = EVENT.lines().map(str::trim).collect::<String>();
        let logged = format!(
            "{{\"level\":\"INFO\",\"msg\":\"Setting annotations on node\",\"node\":\"gpu-018\",\"annotations\":{{\"quarantineHealthEvent\":\"[{}]\"}}}}\n",
            lines.replace("\"nodeName\": \"gpu-018\"", "\"version\": 1").replace('"', "\\\"")
        );
        assert_eq!(told(&logged), of(1));
        assert!(told(&EVENT.replace("\"isHealthy\": false", "\"isHealthy\": true")).is_empty());
        assert!(told(&EVENT.replace("\"isFatal\": true", "\"isFatal\": false")).is_empty());
        let checked = told(
            &EVENT
                .replace("GPU 1 had an uncontained error (XID 95)", "InfoROM is corrupt")
                .replace("DCGM_FR_UNCONTAINED_ERROR", "DCGM_FR_CORRUPT_INFOROM"),
        );
        assert_eq!(checked.iter().map(|(kind, ..)| *kind).collect::<Vec<_>>(), ["health.inforom"]);
    }
}
