//! The kernel's ring buffer as JSON: `dmesg --json`.

use crate::event::{Event, Name, Problem};
use crate::record::{Record, Wrapped, lines};

/// The reader of `dmesg --json`.
pub struct Dmesg;

impl Record for Dmesg {
    fn kinds(&self) -> &'static [Name] {
        &[]
    }

    fn about(&self, _: &str) -> Option<&'static str> {
        None
    }

    fn recognises(&self, head: &[u8], _: &str) -> bool {
        let head = head[..head.len().min(256)].trim_ascii_start();
        let begins = head.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
        begins.is_some_and(|rest| rest.starts_with(b"\"dmesg\""))
    }

    fn read(&self, _: &[u8], _: &str, _: &mut Vec<Event>) -> Vec<Problem> {
        Vec::new()
    }

    /// Read line by line, so that a document that was cut still tells what it holds.
    fn wrapped<'a>(&self, data: &'a [u8]) -> Vec<Wrapped<'a>> {
        let (mut found, mut time) = (Vec::new(), String::new());
        for (line, offset, cited) in lines(data) {
            let mut rest = cited;
            loop {
                let message = memchr::memmem::find(rest, MESSAGE);
                time = seconds(&rest[..message.unwrap_or(rest.len())]).unwrap_or(time);
                let Some(at) = message else { break };
                rest = &rest[at + MESSAGE.len()..];
                found.extend(string(rest).map(|said| Wrapped { line, offset, cited, text: text(&time, &said) }));
            }
        }
        found
    }
}

const MESSAGE: &[u8] = b"\"msg\":";

/// The time behind its name.
fn seconds(part: &[u8]) -> Option<String> {
    const TIME: &[u8] = b"\"time\":";
    let text = &part[memchr::memmem::rfind(part, TIME)? + TIME.len()..];
    let digits = text.trim_ascii_start().iter().take_while(|b| b.is_ascii_digit() || **b == b'.');
    Some(digits.map(|b| char::from(*b)).collect())
}

/// The JSON string at the start.
fn string(text: &[u8]) -> Option<String> {
    serde_json::Deserializer::from_slice(text).into_iter::<String>().next()?.ok()
}

fn text(time: &str, message: &str) -> String {
    let head = if time.is_empty() { String::new() } else { format!("[{time:>12}] ") };
    message.lines().map(|part| format!("{head}{part}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_has_its_time() {
        let data = br#"{
   "dmesg": [
      {
         "pri": 6,
         "time":     9.180230,
         "msg": "NVRM: \"x\" {a}"
      },{
         "pri": 6,
         "time": 14711.786065,
         "msg": "y"
      }
"#;
        assert!(Dmesg.recognises(data, ""));
        let found: Vec<_> = Dmesg.wrapped(data).into_iter().map(|one| (one.line, one.text)).collect();
        assert_eq!(found, [(6, "[    9.180230] NVRM: \"x\" {a}".to_owned()), (10, "[14711.786065] y".to_owned())]);
        let one = br#"{"dmesg":[{"pri":6,"time":9.180230,"msg":"x"},{"pri":6,"time":10.5,"msg":"y"}]}"#;
        let found: Vec<_> = Dmesg.wrapped(one).into_iter().map(|one| one.text).collect();
        assert_eq!(found, ["[    9.180230] x", "[        10.5] y"]);
    }
}
