//! One entry of the journal.

use jiff::Timestamp;
use serde::Deserialize;

use super::Place;
use crate::record::Wrapped;

/// The fields that are read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Entry {
    /// Microseconds since 1970.
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    pub(super) realtime: Text,
    #[serde(rename = "_HOSTNAME")]
    pub(super) host: Text,
    #[serde(rename = "SYSLOG_IDENTIFIER")]
    pub(super) program: Text,
    #[serde(rename = "_TRANSPORT")]
    pub(super) transport: Text,
    #[serde(rename = "_PID")]
    pub(super) pid: Text,
    #[serde(rename = "MESSAGE")]
    pub(super) message: Text,
    /// Who wrote it, as journald knows: no writer can choose it.
    #[serde(rename = "_UID")]
    pub(super) uid: Text,
    /// A run of a hook of ours (`diag.hook/1`).
    #[serde(rename = "DIAG_RUN")]
    pub(super) run: Text,
}

/// A value: text, bytes where it is no text, nothing, or a list where the field stands several times.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub(super) enum Text {
    Plain(String),
    Bytes(Vec<u8>),
    Number(i64),
    Other(serde::de::IgnoredAny),
    #[default]
    None,
}

impl Text {
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Plain(text) => Some(text.clone()),
            Self::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Self::Number(number) => Some(number.to_string()),
            Self::Other(_) | Self::None => None,
        }
    }
}

impl Entry {
    /// Reads a JSON object.
    pub(super) fn from_json(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// Sets a field of the export format.
    pub(super) fn set(&mut self, name: &[u8], value: &[u8]) {
        let slot = match name {
            b"__REALTIME_TIMESTAMP" => &mut self.realtime,
            b"_HOSTNAME" => &mut self.host,
            b"SYSLOG_IDENTIFIER" => &mut self.program,
            b"_TRANSPORT" => &mut self.transport,
            b"_PID" => &mut self.pid,
            b"MESSAGE" => &mut self.message,
            b"_UID" => &mut self.uid,
            b"DIAG_RUN" => &mut self.run,
            _ => return,
        };
        *slot = Text::Bytes(value.to_vec());
    }

    /// The run of a hook that it holds: any user may write such a field, and only root's counts. journalctl leaves out
    /// values of more than 4096 bytes unless it is asked for `--all`; then the message has to do.
    pub(super) fn run(&self) -> Option<String> {
        let by_root = self.uid.text().is_none_or(|uid| uid == "0");
        self.run.text().filter(|text| by_root && text.starts_with("{\"schema\":\"diag.hook/"))
    }

    /// The entry as lines of syslog; none where it says nothing, or where a field says it better.
    pub(super) fn wrapped<'a>(&self, (line, offset, cited): Place<'a>) -> Option<Wrapped<'a>> {
        if self.run().is_some() {
            return None;
        }
        let message = self.message.text().filter(|text| !text.is_empty())?;
        let head = self.head();
        let text = message.lines().map(|part| format!("{head}{part}")).collect::<Vec<_>>().join("\n");
        Some(Wrapped { line, offset, cited, text })
    }

    fn head(&self) -> String {
        let at = self.realtime.text().and_then(|micros| Timestamp::from_microsecond(micros.parse().ok()?).ok());
        let at = at.map_or_else(String::new, |at| format!("{at:.6} "));
        let kernel = self.transport.text().is_some_and(|transport| transport == "kernel");
        let program = self.program.text().map(|name| word(&name)).unwrap_or_else(|| "unknown".to_owned());
        let program = match self.pid.text().filter(|pid| !kernel && pid.bytes().all(|b| b.is_ascii_digit())) {
            Some(pid) => format!("{program}[{pid}]"),
            None if kernel => "kernel".to_owned(),
            None => program,
        };
        match self.host.text() {
            Some(host) => format!("{at}{} {program}: ", word(&host)),
            None => format!("{at}{program}: "),
        }
    }
}

/// A name without what would end it in a line of syslog.
fn word(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-._/@".contains(c) { c } else { '_' }).collect()
}
