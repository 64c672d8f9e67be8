//! What tests found, verdict first, as text and JSON.

use std::fmt::Write as _;

use serde_json::json;

use super::run::Result as Ran;
use super::sweep::Found;
use crate::plan::{NodeName, Task, What};
use crate::playbook::test::{Judged, TestBook};
use crate::report::guard;
use crate::verify::isolate::{Culprit, How, Outcome, Sign};
use crate::verify::reads::Readings;

/// Most nodes that are written out in a line.
const LINE: usize = 16;

/// Most readings that are told of a run.
const READINGS: usize = 8;

/// All tests and sweeps.
pub(super) fn list(tests: &[TestBook]) -> String {
    let mut text = String::new();
    for book in tests {
        let _ = writeln!(
            text,
            "{:<16} {:<5} {:<8} {}",
            book.id,
            format!("{:?}", book.shape).to_lowercase(),
            book.risk,
            book.title
        );
        if let Some(sweep) = &book.sweep {
            let _ = writeln!(text, "{sweep:<16} many  {:<8} which of many nodes is bad, by {}", book.risk, book.id);
        }
    }
    text
}

/// What would run, as a script.
pub(super) fn dry(book: &TestBook, task: &Task, nodes: usize) -> String {
    let mut text = format!(
        "# {}: {} ({} nodes, risk {}, at most {} s a run)\n",
        book.id, book.title, nodes, task.risk, book.timeout
    );
    for part in task.groups.iter().flat_map(|group| &group.parts) {
        let _ = writeln!(text, "# on {}:", part.target);
        for (name, value) in &part.work.env {
            let _ = writeln!(text, "#   export {name}='{value}'");
        }
    }
    if let Some(What::Script(script)) =
        task.groups.first().and_then(|group| group.parts.first()).map(|part| &part.work.what)
    {
        let _ = write!(text, "#!/usr/bin/env {}\n{}", script.shell, script.text);
    }
    guard::page(&text)
}

fn word(judged: Judged) -> &'static str {
    match judged {
        Judged::Pass => "pass",
        Judged::Fail => "FAIL",
        Judged::CannotRun => "cannot run",
    }
}

fn readings(of: &Readings) -> String {
    let shown = of.iter().take(READINGS).map(|(name, value)| format!("{name}={value}"));
    let more = if of.len() > READINGS { format!(" … {} more", of.len() - READINGS) } else { String::new() };
    format!("{}{more}", shown.collect::<Vec<_>>().join(" "))
}

fn names(nodes: &[NodeName]) -> String {
    let shown = nodes.iter().take(LINE).map(NodeName::as_str).collect::<Vec<_>>().join(" ");
    if nodes.len() > LINE { format!("{shown} … {} in all", nodes.len()) } else { shown }
}

/// Runs of one test that say something each.
pub(super) fn plain(book: &TestBook, results: &[Ran], json: bool) -> String {
    if json {
        let runs: Vec<_> = results.iter().map(one).collect();
        return page(&json!({"schema": "diag.test/1", "test": book.id, "runs": runs}));
    }
    let count = |judged| results.iter().filter(|ran| ran.judgement.judged == judged).count();
    let mut text = format!(
        "{}: {} passed, {} failed, {} could not run\n\n",
        book.id,
        count(Judged::Pass),
        count(Judged::Fail),
        count(Judged::CannotRun)
    );
    let mut sorted: Vec<&Ran> = results.iter().collect();
    sorted.sort_by_key(|ran| std::cmp::Reverse((ran.judgement.judged == Judged::Fail, ran.judgement.judged)));
    for ran in sorted {
        let _ = writeln!(
            text,
            "{:<11} {}  {}",
            word(ran.judgement.judged),
            names(&ran.nodes),
            readings(&ran.judgement.readings)
        );
        for why in ran.judgement.why.iter().chain(ran.repairs.iter().map(|repair| &repair.said)) {
            let _ = writeln!(text, "{:<11} {why}", "");
        }
    }
    guard::page(&text)
}

/// A run, for programs.
fn one(ran: &Ran) -> serde_json::Value {
    json!({"nodes": ran.nodes, "run": ran.judgement, "repairs": ran.repairs})
}

fn page(value: &serde_json::Value) -> String {
    guard::escaped(&format!("{value:#}\n"))
}

fn culprit(culprit: &Culprit, nodes: &[NodeName], groups: &[String]) -> String {
    let group = |at: &usize| groups.get(*at).map_or("?", String::as_str);
    match culprit {
        Culprit::Node(node) => format!("node {}", nodes[*node]),
        Culprit::Path(a, b) => format!("the path between {} and {} (each passes with others)", nodes[*a], nodes[*b]),
        Culprit::Group(at) => format!("switch {} (all its nodes fail, also with each other)", group(at)),
        Culprit::Uplink(at) => format!("the uplinks of switch {} (its nodes pass with each other)", group(at)),
        Culprit::Trunk(a, b) => format!("what is between switches {} and {}", group(a), group(b)),
        Culprit::Arm(arm) => format!("{arm} on all nodes: its rail, and no node"),
    }
}

/// What a sweep found.
pub(super) fn sweep(found: &Found, nodes: &[NodeName], json: bool) -> String {
    if json { sweep_json(found, nodes) } else { guard::page(&sweep_text(found, nodes)) }
}

fn sweep_text(found: &Found, nodes: &[NodeName]) -> String {
    let verdict = &found.verdict;
    let tests: usize = found.history.iter().map(Vec::len).sum();
    let mut text = match verdict.outcome {
        Outcome::Clear => format!("CLEAR: none of {} nodes is bad by {}\n", nodes.len() - verdict.not_tested.len(), found.test),
        Outcome::Named => String::new(),
        Outcome::Undetermined => "UNDETERMINED: not all is decided\n".to_owned(),
        Outcome::TestSuspect => {
            "UNDETERMINED: most pairs fail, which is rarely the nodes. Look at what they share: the test's tools and parameters, \
             the image, the fabric; run it on two nodes by itself\n"
                .to_owned()
        }
        Outcome::CannotRun => "UNDETERMINED: the test could not be run\n".to_owned(),
    };
    for named in &verdict.named {
        let how = match named.how {
            How::Alone => "fails by itself".to_owned(),
            How::InPairs if named.partners > 0 => {
                format!("{} of {} tests failed, with {} partners", named.failed, named.ran, named.partners)
            }
            How::InPairs => format!("{} of {} tests failed", named.failed, named.ran),
            How::AtScale => format!("{} of {} tests of many failed, and none in pairs", named.failed, named.ran),
        };
        let arms = if named.arms.is_empty() { String::new() } else { format!(", always in {}", named.arms.join(", ")) };
        let _ = writeln!(
            text,
            "BAD: {}: {how}{arms} ({:.1} % sure)",
            culprit(&named.culprit, nodes, &found.groups),
            named.sure * 100.0
        );
    }
    for open in &verdict.open {
        let who: Vec<NodeName> = open.nodes.iter().map(|node| nodes[*node].clone()).collect();
        let what = match (open.together, who.len()) {
            (true, _) => {
                "fail together only, and no half of them does: look at what grows with the number (limits, addresses, switches)"
            }
            (false, 1) => "not decided: test it again with other partners",
            (false, _) => {
                "one of these, or what is between them: add a node that is known to be good, and run it again"
            }
        };
        let _ = writeln!(text, "OPEN: {}: {what} ({} of {} tests failed)", names(&who), open.failed, open.ran);
    }
    if !verdict.not_tested.is_empty() {
        let who: Vec<NodeName> = verdict.not_tested.iter().map(|node| nodes[*node].clone()).collect();
        let _ = writeln!(text, "NOT TESTED: {}: {}", names(&who), reason(found));
    }
    let _ = writeln!(text, "\n{tests} tests in {} rounds, seed {}\n", found.history.len(), found.seed);
    for (round, (trials, runs)) in found.history.iter().zip(&found.runs).enumerate() {
        for (trial, ran) in trials.iter().zip(runs).filter(|(trial, _)| trial.sign != Sign::Pass) {
            let purpose = format!("{:?}", trial.test.purpose).to_lowercase();
            let _ = writeln!(
                text,
                "round {:<3} {purpose:<8} {:<11} {}",
                round + 1,
                word(ran.judgement.judged),
                names(&ran.nodes)
            );
            for why in &ran.judgement.why {
                let _ = writeln!(text, "{:<30} {why}", "");
            }
        }
    }
    text
}

/// Why tests could not be run: the first reason.
fn reason(found: &Found) -> String {
    let runs = found.runs.iter().flatten().filter(|ran| ran.judgement.judged == Judged::CannotRun);
    runs.flat_map(|ran| &ran.judgement.why).next().cloned().unwrap_or_default()
}

fn sweep_json(found: &Found, nodes: &[NodeName]) -> String {
    let named = found.verdict.named.iter().map(|named| {
        json!({"who": culprit(&named.culprit, nodes, &found.groups), "culprit": named.culprit, "sure": named.sure,
               "failed": named.failed, "ran": named.ran, "partners": named.partners, "arms": named.arms, "how": named.how})
    });
    let open: Vec<_> = found.verdict.open.iter().map(|open| {
        let who: Vec<&NodeName> = open.nodes.iter().map(|node| &nodes[*node]).collect();
        json!({"nodes": who, "together": open.together, "probability": open.odds, "failed": open.failed, "ran": open.ran})
    }).collect();
    let rounds: Vec<Vec<_>> = found
        .history
        .iter()
        .zip(&found.runs)
        .map(|(trials, runs)| {
            let one = trials.iter().zip(runs);
            one.map(|(trial, ran)| json!({"nodes": ran.nodes, "purpose": trial.test.purpose, "run": ran.judgement, "repairs": ran.repairs}))
                .collect()
        })
        .collect();
    let not_tested: Vec<&NodeName> = found.verdict.not_tested.iter().map(|node| &nodes[*node]).collect();
    let named: Vec<_> = named.collect();
    page(
        &json!({"schema": "diag.sweep/1", "test": found.test, "outcome": found.verdict.outcome, "named": named, "open": open,
                 "not_tested": not_tested, "nodes": nodes, "groups": found.groups, "seed": found.seed, "rounds": rounds}),
    )
}
