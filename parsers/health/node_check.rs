//! Node Health Check (LBNL NHC, and Azure's checks for it): `ERROR: nhc: Health check failed: check_ecc: GPU id 3: …`.
//!
//! Shapes: nhc 1.4.3 `nhc` (`die`), `helpers/node-mark-offline`, azurehpc-health-checks 2025 `customTests/*.nhc`, its `FaultCode`s, and `distributed_nhc`,
//! which puts `host | ` in front.

use super::{KINDS, about, sort};
use crate::console;
use crate::event::{Event, Fields, Name, Says};
use crate::grammar::Grammar;
use crate::line::Cursor;
use crate::slurm::health::WITNESS;
use crate::slurm::reason::Outage;

/// A check of NHC that failed.
#[derive(Debug)]
pub struct Nhc;

const MARK: &str = "Health check failed:";

/// How its helper for the scheduler says which node it takes out of service: `…/node-mark-offline:  Marking idle gpu-17 offline:  NHC: …`.
const OFFLINE: &str = " offline:  NHC: ";

impl Nhc {
    /// Whether a text is a complaint of Node Health Check.
    pub(crate) fn is_of(text: &str) -> bool {
        text.split_once(MARK).is_some_and(|(before, _)| before.contains("nhc"))
    }
}

impl Grammar for Nhc {
    fn kinds(&self) -> &'static [Name] {
        KINDS
    }

    fn about(&self, kind: &str) -> Option<&'static str> {
        about(kind)
    }

    fn anchors(&self) -> &'static [&'static str] {
        &[MARK, OFFLINE]
    }

    fn read(&self, cursor: &Cursor<'_>, out: &mut Vec<Event>) {
        let raw = String::from_utf8_lossy(cursor.line.raw).into_owned();
        let Some((node, complaint)) = failed(&raw, cursor).or_else(|| taken_out(&raw)) else { return };
        // What it finds of file systems and daemons is told as other reasons for which a node is out of service.
        let outage = Outage { node: node.as_deref().unwrap_or_default(), why: complaint, since: None };
        let (test, what) = complaint.split_once(':').unwrap_or(("", complaint));
        let mut fields = Fields::default();
        fields.set("test", test.trim());
        fields.set("what", what.trim());
        if let Some(node) = &node {
            fields.set("node", node.as_str());
        }
        for (mark, column) in
            [("GPU id ", "gpu"), ("on GPU ", "gpu"), (" GPU ", "gpu"), ("IB=", "hca"), ("Devices: ", "hca")]
        {
            if let Some(name) = named(complaint, mark) {
                let name = if column == "gpu" { format!("GPU {name}") } else { name };
                fields.set_if_absent(column, name);
            }
        }
        // The code of checks that could not be made at all.
        let says = if complaint.contains("NHCNA") { Says::Warning } else { Says::Failure };
        let kind = if says == Says::Warning { super::FAILED } else { sort(test, complaint) };
        if kind == super::FAILED && outage.is_specific() {
            out.push(outage.event(cursor, &cursor.line, WITNESS));
            return;
        }
        out.push(Event::on(cursor, &cursor.line, kind, says, fields));
    }
}

/// The node, where it is told, and the complaint of `ERROR:  nhc:  Health check failed:  check_fs_mount:  …`.
fn failed<'t>(raw: &'t str, cursor: &Cursor<'_>) -> Option<(Option<String>, &'t str)> {
    let (before, complaint) = raw.split_once(MARK).filter(|(before, _)| before.contains("nhc"))?;
    Some((host(before).or_else(|| marked(before)).or_else(|| console::host(cursor)), complaint.trim()))
}

/// The node that the helper takes out of service, and why.
fn taken_out(raw: &str) -> Option<(Option<String>, &str)> {
    let (before, complaint) = raw.split_once(OFFLINE)?;
    let node = before.split_once("Marking ")?.1.split_whitespace().last()?;
    Some((Some(node.to_owned()), complaint.trim()))
}

/// `gpu-17 | ERROR:  nhc:  `.
fn host(before: &str) -> Option<String> {
    let (host, _) = before.split_once(" | ")?;
    let host = host.trim();
    (!host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))).then(|| host.to_owned())
}

/// The node in `/usr/libexec/nhc/node-mark-offline gpu-17 NHC: ERROR:  nhc:  `.
fn marked(before: &str) -> Option<String> {
    before.split_once("node-mark-offline ")?.1.split_whitespace().next().map(str::to_owned)
}

/// The word behind a mark, where it is a number or the name of a device.
fn named(text: &str, mark: &str) -> Option<String> {
    let (_, rest) = text.split_once(mark)?;
    let word: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let number = mark.contains("GPU");
    (!word.is_empty() && (!number || word.chars().all(|c| c.is_ascii_digit()))).then_some(word)
}
