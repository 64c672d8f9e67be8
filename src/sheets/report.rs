//! What was found, and what was read.

use diag_parsers::rank_list;

use super::{Cell, Kind, Maker, Sheet, columns, int, text};
use crate::report::{Confidence, Finding, Input, Report};

fn of_findings<'a>() -> [Maker<(usize, &'a Finding)>; 12] {
    [
        ("place", Kind::Int, "1 is the answer", |(at, _)| int(*at as u64 + 1)),
        ("cause", Kind::Text, "slug of the cause", |(_, finding)| text(Some(&finding.cause))),
        ("title", Kind::Text, "the cause in a few words", |(_, finding)| text(Some(&finding.title))),
        ("confidence", Kind::Text, "possible, likely or confirmed", |(_, finding)| {
            text(Some(sure(finding.confidence)))
        }),
        ("ranks", Kind::Text, "ranks to blame", |(_, finding)| list(rank_list(&finding.culprit.ranks))),
        ("nodes", Kind::Text, "hosts to blame", |(_, finding)| list(finding.culprit.nodes.join(","))),
        ("gpus", Kind::Text, "GPUs to blame", |(_, finding)| list(finding.culprit.gpus.join(","))),
        ("pods", Kind::Text, "pods to blame", |(_, finding)| list(finding.culprit.pods.join(","))),
        ("jobs", Kind::Text, "jobs to blame", |(_, finding)| list(finding.culprit.jobs.join(","))),
        ("explanation", Kind::Text, "why, with the ids of the evidence", |(_, finding)| {
            text(Some(&finding.explanation))
        }),
        ("evidence", Kind::Text, "the ids that are cited", |(_, finding)| {
            let ids: Vec<&str> = finding.evidence.iter().map(|one| one.id.as_str()).collect();
            list(ids.join(","))
        }),
        ("consequences", Kind::Int, "how many other findings it explains", |(_, finding)| {
            int(finding.consequences.len() as u64)
        }),
    ]
}

fn of_inputs<'a>() -> [Maker<&'a Input>; 5] {
    [
        ("source", Kind::Text, "name", |input| text(Some(&input.source))),
        ("bytes", Kind::Int, "bytes, unpacked", |input| int(input.bytes)),
        ("lines", Kind::Int, "lines", |input| int(input.lines)),
        ("events", Kind::Int, "events made of it", |input| int(input.events)),
        ("not_understood", Kind::Float, "share of lines that complain and that no format knows", |input| {
            Cell::Float(input.not_understood)
        }),
    ]
}

pub(super) fn findings(report: &Report) -> Sheet {
    let rows: Vec<(usize, &Finding)> = report.findings.iter().enumerate().collect();
    Sheet { columns: columns(&of_findings(), &rows), ..findings_schema() }
}

pub(super) fn inputs(report: &Report) -> Sheet {
    let rows: Vec<&Input> = report.inputs.iter().collect();
    Sheet { columns: columns(&of_inputs(), &rows), ..inputs_schema() }
}

pub(super) fn findings_schema() -> Sheet {
    Sheet { name: "findings", about: "one row a cause that was found", columns: columns(&of_findings(), &[]) }
}

pub(super) fn inputs_schema() -> Sheet {
    Sheet { name: "inputs", about: "one row a log that was read", columns: columns(&of_inputs(), &[]) }
}

fn sure(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Possible => "possible",
        Confidence::Likely => "likely",
        Confidence::Confirmed => "confirmed",
    }
}

fn list(joined: String) -> Cell {
    if joined.is_empty() { Cell::Null } else { Cell::Text(joined) }
}
