//! The DCGM exporter that can't reach its host engine: it says whom it asks, and then only that it failed.
//!
//! Shape: dcgm-exporter 3.3 to 4.2 `pkg/cmd/app.go`, `internal/pkg/dcgmprovider/provider.go`: nothing else happens between
//! the two lines.

use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::Cursor;

/// An exporter whose connection fails.
#[derive(Debug)]
pub struct Exporter;

const UNREACHABLE: Name = "kubernetes.hostengine_unreachable";

/// Lines before the failure that may tell whom it asked.
const NEAR: usize = 2;

impl Grammar for Exporter {
    fn kinds(&self) -> &'static [Name] {
        &[UNREACHABLE]
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        (kind == UNREACHABLE).then_some("the DCGM exporter can't reach its host engine")
    }

    fn anchors(&self) -> &'static [&'static str] {
        &["msg=\"Encountered a failure"]
    }

    fn speaks_for(&self) -> Option<Name> {
        Some("kubernetes")
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let asked = cursor.preceding().take(NEAR).find_map(|line| {
            let text = line.str().into_owned();
            let at = text.find("remote hostengine at ")?;
            let rest = &text[at + "remote hostengine at ".len()..];
            Some(rest.split(['"', ' ', ':']).next().unwrap_or(rest).to_owned())
        });
        let Some(peer) = asked.filter(|peer| !peer.is_empty()) else { return };
        let mut fields = Fields::default();
        fields.set("why", "no network answer of the host engine");
        fields.set("peer", peer);
        out.push(Event::on(cursor, &cursor.line, UNREACHABLE, Says::Failure, fields));
    }
}

#[cfg(test)]
mod tests {
    use crate::{Catalogue, Scanner, lint};

    #[test]
    fn a_failure_right_after_the_question_is_the_connections() {
        let scanner = Scanner::new(Catalogue::built_in().unwrap());
        let ask = "time=\"2026-05-04T03:12:41Z\" level=info msg=\"Attempting to connect to remote hostengine at nvidia-dcgm:5555\"\n";
        let fail =
            "time=\"2026-05-04T03:12:46Z\" level=error msg=\"Encountered a failure.\" stacktrace=\"goroutine 1\"\n";
        let failures = |log: &str| {
            let events = lint::read(&scanner, log).into_iter().filter(|event| event.says == crate::Says::Failure);
            events.map(|event| (event.kind, event.fields.text("peer").map(str::to_owned))).collect::<Vec<_>>()
        };
        assert_eq!(
            failures(&format!("{ask}{fail}")),
            [("kubernetes.hostengine_unreachable", Some("nvidia-dcgm".to_owned()))]
        );
        assert_eq!(failures(fail), [("kubernetes.exporter_failed", None)]);
    }
}
