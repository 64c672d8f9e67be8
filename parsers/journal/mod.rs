//! The system's journal and the kernel's ring buffer as records: what they wrap are lines of a log.
//!
//! `journalctl -o json`, `-o json-pretty` and `-o export` (systemd 255, `docs/JOURNAL_EXPORT_FORMATS.md`), `dmesg --json`
//! (util-linux 2.39, `sys-utils/dmesg.c`). Messages that are no text come as a list of bytes.

mod dmesg;
mod entry;
mod export;

pub use dmesg::Dmesg;

use entry::Entry;

use crate::event::{Event, Name, Problem};
use crate::record::{Place, Record, Wrapped, lines};

/// The reader of a journal's entries.
pub struct Entries;

/// Bytes of a head in which the first entry tells what it is.
const FIRST: usize = 8 << 10;

impl Record for Entries {
    fn kinds(&self) -> &'static [Name] {
        &[]
    }

    fn about(&self, _: &str) -> Option<&'static str> {
        None
    }

    fn recognises(&self, head: &[u8], _: &str) -> bool {
        let head = &head[..head.len().min(FIRST)];
        export::begins(head) || {
            let has = |name: &str| memchr::memmem::find(head, name.as_bytes()).is_some();
            head.trim_ascii_start().starts_with(b"{")
                && has("\"__REALTIME_TIMESTAMP\"")
                && (has("\"__CURSOR\"") || has("\"MESSAGE\""))
        }
    }

    /// What hooks of ours wrote into fields of their own; all else is wrapped.
    fn read(&self, data: &[u8], _: &str, out: &mut Vec<Event>) -> Vec<Problem> {
        if memchr::memmem::find(data, b"DIAG_RUN").is_some() {
            entries(data, &mut |entry, (line, offset, cited)| {
                if let Some(run) = entry.run() {
                    out.extend(crate::readings::in_entry(&run, line, offset, cited));
                }
            });
        }
        Vec::new()
    }

    fn wrapped<'a>(&self, data: &'a [u8]) -> Vec<Wrapped<'a>> {
        let mut found = Vec::new();
        entries(data, &mut |entry, place| found.extend(entry.wrapped(place)));
        found
    }
}

/// All entries, each with the line that is cited.
fn entries<'a>(data: &'a [u8], take: &mut dyn FnMut(&Entry, Place<'a>)) {
    if export::begins(data) { export::entries(data, take) } else { objects(data, take) }
}

/// Entries as JSON objects, one a line or several lines each.
fn objects<'a>(data: &'a [u8], take: &mut dyn FnMut(&Entry, Place<'a>)) {
    /// Longest entry that is read, in bytes.
    const MOST: usize = 4 << 20;
    let mut open: Option<(usize, Option<Place<'_>>)> = None;
    for (number, offset, line) in lines(data) {
        let begin = offset as usize;
        if line.starts_with(b"{") && line.ends_with(b"}") {
            if let Some(entry) = Entry::from_json(line) {
                take(&entry, (number, offset, line));
            }
        } else if line.trim_ascii() == b"{" {
            open = Some((begin, None));
        } else if let Some((start, cited)) = &mut open {
            if line.trim_ascii_start().starts_with(b"\"MESSAGE\"") {
                *cited = Some((number, offset, line));
            }
            if line.starts_with(b"}") || begin - *start > MOST {
                let text = &data[*start..begin + 1];
                if let Some((entry, place)) = Entry::from_json(text).zip(*cited) {
                    take(&entry, place);
                }
                open = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(data: &str) -> Vec<(u64, String)> {
        assert!(Entries.recognises(data.as_bytes(), ""), "{data}");
        Entries.wrapped(data.as_bytes()).into_iter().map(|one| (one.line, one.text)).collect()
    }

    #[test]
    fn one_object_a_line() {
        let data = concat!(
            r#"{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"1777864361250000","_HOSTNAME":"gpu-17","SYSLOG_IDENTIFIER":"kernel","_TRANSPORT":"kernel","MESSAGE":"NVRM: a \"b\""}"#,
            "\n",
            r#"{"__CURSOR":"s=2","__REALTIME_TIMESTAMP":"1777864361250001","_HOSTNAME":"gpu-17","SYSLOG_IDENTIFIER":"sshd","_PID":"41","MESSAGE":[78,86,82,77]}"#,
            "\nno entry\n",
        );
        let head = "2026-05-04T03:12:41.250000Z gpu-17 kernel: NVRM: a \"b\"".to_owned();
        assert_eq!(texts(data), [(1, head), (2, "2026-05-04T03:12:41.250001Z gpu-17 sshd[41]: NVRM".to_owned())]);
    }

    #[test]
    fn an_object_of_several_lines_is_cited_by_its_message() {
        let data = "{\n\t\"__REALTIME_TIMESTAMP\" : \"1777864361250000\",\n\t\"_HOSTNAME\" : \"gpu-17\",\n\t\"MESSAGE\" : \"x\"\n}\n";
        assert_eq!(texts(data), [(4, "2026-05-04T03:12:41.250000Z gpu-17 unknown: x".to_owned())]);
    }

    #[test]
    fn an_export_with_text_and_bytes() {
        let mut data = b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1777864361250000\n_HOSTNAME=gpu-17\nSYSLOG_IDENTIFIER=kernel\nMESSAGE=x\n\n__CURSOR=s=2\n__REALTIME_TIMESTAMP=1777864361250001\nMESSAGE\n".to_vec();
        data.extend(3_u64.to_le_bytes());
        data.extend(b"a\nb\n_HOSTNAME=gpu-18\n\n");
        let found: Vec<_> = Entries.wrapped(&data).into_iter().map(|one| (one.line, one.text)).collect();
        let first = (5, "2026-05-04T03:12:41.250000Z gpu-17 kernel: x".to_owned());
        let text = "2026-05-04T03:12:41.250001Z gpu-18 unknown: a\n2026-05-04T03:12:41.250001Z gpu-18 unknown: b";
        assert_eq!(found, [first, (9, text.to_owned())]);
    }

    const RUN: &str = r#"{"schema":"diag.hook/1","time":"2026-05-04T03:12:41Z","node":"gpu-17","hook":"prolog","job":71204,"decision":"refuse","reason":"x","readings":[{"probe":"gpu","name":"answers","of":{"index":"3"},"value":false,"verdict":"bad","why":"the GPU has fallen off the bus"}]}"#;

    fn runs(data: &str) -> (Vec<(Name, u64, String)>, usize) {
        let mut out = Vec::new();
        assert!(Entries.read(data.as_bytes(), "", &mut out).is_empty());
        let told = out.into_iter().map(|event| (event.kind, event.line, event.text)).collect();
        (told, Entries.wrapped(data.as_bytes()).len())
    }

    #[test]
    fn a_run_of_a_hook_is_read_from_its_field() {
        let entry = |uid: &str| {
            let run = serde_json::to_string(RUN).unwrap();
            format!(
                r#"{{"__REALTIME_TIMESTAMP":"1777864361250000","_HOSTNAME":"gpu-17","_UID":"{uid}","SYSLOG_IDENTIFIER":"diag-hook","MESSAGE":"prolog of job 71204: refuse: x","DIAG_RUN":{run}}}"#
            )
        };
        let line = entry("0");
        let told = |line: u64, text: &str| {
            [("hook.refused", line, text.to_owned()), ("probe.gpu.lost", line, text.to_owned())].to_vec()
        };
        assert_eq!(runs(&line), (told(1, &line), 0));
        assert_eq!(runs(&entry("1000")), (Vec::new(), 1), "what a user wrote is a message like others");
        let export = format!(
            "__REALTIME_TIMESTAMP=1777864361250000\n_HOSTNAME=gpu-17\n_UID=0\nMESSAGE=prolog of job 71204: refuse: x\nDIAG_RUN={RUN}\n\n"
        );
        assert_eq!(runs(&export), (told(4, "MESSAGE=prolog of job 71204: refuse: x"), 0));
    }

    #[test]
    fn broken_entries_are_left_out() {
        for data in ["{\"__REALTIME_TIMESTAMP\"", "__CURSOR=x\nMESSAGE\n\u{7}", "{\n{\n}\n}", "__CURSOR=x\nMESSAGE"] {
            assert_eq!(Entries.wrapped(data.as_bytes()), []);
        }
    }
}
