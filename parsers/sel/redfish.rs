//! The event log of a management controller as Redfish hands it out.
//!
//! Shape: DSP0266 and the schema `LogEntry` 1.3 to 1.16 (`Message`, `Severity`, `SensorType`, `EntryCode`, `Created`); iDRAC 7
//! and 8 write `SensorType` and `EntryCode` as lists with a `Member`.

use memchr::memmem;

use super::{COOLING, KINDS, MEMORY, OVER, POWER, PROCESSOR};
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::{Cursor, Line};

/// Entries of a log.
#[derive(Debug)]
pub struct Entries;

const MARK: &str = "#LogEntry.";

/// Lines without the mark of an entry, behind which the log of entries is at its end.
const APART: usize = 200;

/// Entries that are compared with each other.
const MOST: usize = 512;

impl Grammar for Entries {
    fn kinds(&self) -> &'static [Name] {
        KINDS
    }

    fn about(&self, _: &str) -> Option<&'static str> {
        None
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[MARK]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        // The first entry reads the others too: each is over, or not, by what another one says. So a line is read once,
        // however many entries there are.
        if cursor.bytes_before().take(APART).any(|raw| memmem::find(raw, MARK.as_bytes()).is_some()) {
            return;
        }
        let entries = entries(std::iter::once(cursor.line.clone()).chain(cursor.following()));
        for entry in &entries {
            let Some(kind) = entry.kind() else { continue };
            let is_over = entries.iter().any(|other| other.ends(entry));
            let (kind, says) = if is_over { (OVER, Says::Info) } else { (kind, Says::Warning) };
            let mut fields = Fields::default();
            fields.set("sensor", entry.sensor.as_str());
            fields.set("what", entry.message.as_str());
            let mut event = Event::on(cursor, &entry.line, kind, says, fields);
            event.at = crate::time::read(&entry.created).or(event.at);
            out.push(event);
        }
    }
}

/// An entry, and the line that has its message.
struct Entry<'a> {
    line: Line<'a>,
    message: String,
    critical: bool,
    taken_back: bool,
    sensor: String,
    number: String,
    created: String,
}

impl Entry<'_> {
    fn of<'a>(text: &str, line: Line<'a>) -> Option<Entry<'a>> {
        let of = |key| value(text, key).unwrap_or_default().to_owned();
        let severity = of("Severity");
        Some(Entry {
            line,
            message: value(text, "Message")?.to_owned(),
            critical: severity == "Critical",
            taken_back: severity == "OK" || of("EntryCode") == "Deassert",
            sensor: of("SensorType"),
            number: number(text, "SensorNumber").to_owned(),
            created: of("Created"),
        })
    }

    /// That redundancy is lost costs nobody anything yet.
    fn kind(&self) -> Option<Name> {
        if !self.critical || self.taken_back || self.message.contains("redundan") {
            return None;
        }
        let kinds = [
            ("Power", POWER),
            ("Fan", COOLING),
            ("Cooling", COOLING),
            ("Temperature", COOLING),
            ("Memory", MEMORY),
            ("Processor", PROCESSOR),
            ("Critical Interrupt", PROCESSOR),
        ];
        kinds.iter().find(|(sensor, _)| self.sensor.starts_with(sensor)).map(|(_, kind)| *kind)
    }

    /// Whether this takes back what an earlier entry of the same sensor said.
    fn ends(&self, other: &Entry<'_>) -> bool {
        self.taken_back
            && (self.sensor.as_str(), self.number.as_str()) == (other.sensor.as_str(), other.number.as_str())
            && self.created >= other.created
    }
}

/// Entries over several lines, and several on one.
fn entries<'a>(lines: impl Iterator<Item = Line<'a>>) -> Vec<Entry<'a>> {
    let mut all = Vec::new();
    let mut open: Option<(String, Line<'a>)> = None;
    let mut since = 0;
    for line in lines {
        let whole = line.whole();
        since = if whole.contains(MARK) { 0 } else { since + 1 };
        if since > APART {
            break;
        }
        for (number, piece) in whole.split(MARK).enumerate() {
            if number > 0 {
                all.extend(open.take().and_then(|(text, line)| Entry::of(&text, line)));
                if all.len() >= MOST {
                    return all;
                }
                open = Some((String::new(), line.clone()));
            }
            if let Some((text, at)) = &mut open {
                if piece.contains("\"Message\"") {
                    *at = line.clone();
                }
                text.push_str(piece);
                text.push('\n');
            }
        }
    }
    all.extend(open.and_then(|(text, line)| Entry::of(&text, line)));
    all
}

/// The text of a key, or that of the first `Member` of its list.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let rest = after(text, key)?;
    let rest = match rest.strip_prefix('[') {
        Some(list) => after(list, "Member")?,
        None => rest,
    };
    rest.strip_prefix('"')?.split('"').next()
}

fn number<'t>(text: &'t str, key: &str) -> &'t str {
    after(text, key).map_or("", |rest| &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())])
}

fn after<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("\"{key}\""))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

#[cfg(test)]
mod tests {
    use crate::{Catalogue, Scanner, lint};

    fn kinds(log: &str) -> Vec<&'static str> {
        let events = lint::read(&Scanner::new(Catalogue::built_in().unwrap()), log);
        events.into_iter().map(|event| event.kind).filter(|kind| kind.starts_with("sel.")).collect()
    }

    fn entry(hour: u8, sensor: &str, code: &str, severity: &str, message: &str) -> String {
        format!(
            "{{\"@odata.type\":\"#LogEntry.v1_3_0.LogEntry\",\"Created\":\"2026-05-04T0{hour}:12:41-05:00\",\"EntryCode\":\"{code}\",\
             \"EntryType\":\"SEL\",\"Message\":\"{message}\",\"SensorNumber\":133,\"SensorType\":\"{sensor}\",\"Severity\":\"{severity}\"}}"
        )
    }

    #[test]
    fn what_failed_and_was_not_taken_back_is_told() {
        let lost = entry(3, "Power Supply / Converter", "Assert", "Critical", "The input power for PSU 1 is lost.");
        let back = entry(4, "Power Supply / Converter", "Deassert", "OK", "The input power for PSU 1 is back.");
        assert_eq!(kinds(&format!("{{\"Members\":[{lost}]}}\n")), ["sel.power"]);
        assert_eq!(kinds(&format!("{{\"Members\":[{back},{lost}]}}\n")), ["sel.over"]);
        assert_eq!(kinds(&format!("{{\"Members\":[\n{back},\n{lost}]}}\n")), ["sel.over"]);
    }

    #[test]
    fn lists_of_members_are_read_and_what_only_warns_is_not_told() {
        let memory = "    {\n      \"@odata.type\": \"#LogEntry.v1_3_0.LogEntry\",\n      \"EntryCode\": [\n        {\n          \"Member\": \"Assert\"\n        }\n      ],\n      \"Message\": \"Uncorrectable errors at DIMM_A1.\",\n      \"SensorType\": [\n        {\n          \"Member\": \"Memory\"\n        }\n      ],\n      \"Severity\": \"Critical\"\n    },\n";
        assert_eq!(kinds(memory), ["sel.memory"]);
        assert!(kinds(&memory.replace("Critical", "Warning")).is_empty());
        let redundancy = entry(3, "Power Supply / Converter", "Redundancy Lost", "Critical", "PSU redundancy is lost.");
        assert!(kinds(&redundancy).is_empty());
    }
}
