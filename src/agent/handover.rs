//! What is handed over: the end in words, readings before and after side by side, and texts for the next in line.

use super::entry::Ending;
use super::fate::in_words;
use super::state::Case;
use crate::plan::{Plan, Stage, Step};
use crate::playbook::test::Judged;
use crate::report::markdown::{code, prose};
use crate::report::words;
use crate::verify::{Check, Seen};

/// Most reasons that are told of a test.
const WHY: usize = 8;

/// Longest reason that a drain is given, in characters; more is cut by `sinfo -R` anyway.
const REASON: usize = 60;

/// How it ended, in a sentence.
#[must_use]
pub fn ending(ending: &Ending) -> String {
    let list = |items: &[String]| items.join("; ");
    match ending {
        Ending::Healthy => "nothing is wrong".to_owned(),
        Ending::Undetermined => "the evidence does not decide what is wrong, and nothing was done".to_owned(),
        Ending::Fixed { why, quiet_s: 0 } => format!("FIXED: {why}"),
        Ending::Fixed { why, quiet_s } => {
            format!(
                "FIXED: {why}; if it stays quiet for {}, it is proven (`diag resume` looks)",
                words::span(*quiet_s as f64)
            )
        }
        Ending::Quiet => "FIXED, and it stayed quiet".to_owned(),
        Ending::NotQuiet { why } => format!("NOT FIXED: {why}"),
        Ending::Contained { why } => format!("CONTAINED: {why}"),
        Ending::Returned { why } => format!("RETURNED: {why}"),
        Ending::NotFixed { why, left } => {
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            let left = if left.is_empty() { String::new() } else { format!("; left: {}", list(left)) };
            format!("NOT FIXED: nothing that was tried helped{why}{left}")
        }
        Ending::Each { of } => {
            let each = of.iter().map(|one| format!("{}: {}", one.cause, self::ending(&one.ending)));
            each.collect::<Vec<_>>().join(" | ")
        }
        Ending::Inconclusive { why } => format!("INCONCLUSIVE: {why}"),
        Ending::NotThere { why } => format!("NOT THERE NOW: {why}; nothing was done"),
        Ending::Hands { left } if left.is_empty() => "nothing is known that could be done".to_owned(),
        Ending::Hands { left } => format!("BY HAND: {}", list(left)),
        Ending::Wants { steps } => format!("NEEDS A YES: {}", list(steps)),
        Ending::Asks { questions } => format!("NEEDS AN ANSWER: {}", list(questions)),
        Ending::Spent { why } => format!("STOPPED: {why}"),
    }
}

/// A reason for a drain: the cause, and the step that shows it.
#[must_use]
pub fn reason(plan: &Plan) -> String {
    let text = format!("diag:{} {}", plan.subject.cause, words::confidence(plan.subject.confidence));
    text.chars().take(REASON).collect()
}

/// Each test with what it read before and after.
#[must_use]
pub fn readings(case: &Case) -> Vec<(String, Option<Check>, Option<Check>)> {
    let Some(plan) = case.plan() else { return Vec::new() };
    let after = |step: &Step| {
        let again = plan.stage(Stage::Verify).filter(|verify| verify.of == step.of);
        again.filter(|verify| case.work().done.contains_key(&verify.id)).last().and_then(|verify| case.check(verify))
    };
    let confirms = plan.stage(Stage::Confirm);
    let all = confirms.map(|step| (step.of.clone(), case.check(step), after(step)));
    all.filter(|(_, before, after)| before.is_some() || after.is_some()).collect()
}

/// A check in a word.
#[must_use]
pub fn outcome(check: Option<&Check>) -> &'static str {
    match check.map(|check| check.judged) {
        None => "not run",
        Some(Judged::Pass) => "passed",
        Some(Judged::Fail) => "failed",
        Some(Judged::CannotRun) => "could not run",
    }
}

/// A line of a test, before a fix and after it: `size_mib on gpu-17`, 64, 2048.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The test, or what it read.
    pub what: String,
    /// Before anything was done.
    pub before: String,
    /// After it; nothing where the test was not run again.
    pub after: String,
}

/// A test before and after: how it came out, then each reading.
#[must_use]
pub fn side_by_side(name: &str, before: Option<&Check>, after: Option<&Check>) -> Vec<Line> {
    let seen = |check: Option<&Check>| check.map_or_else(Vec::new, |check| check.seen.clone());
    let (old, new) = (seen(before), seen(after));
    let value = |list: &[Seen], of: &Seen, ran: bool| {
        let same = list.iter().find(|seen| seen.on == of.on && seen.name == of.name);
        same.map_or_else(|| if ran { "not read" } else { "" }.to_owned(), |seen| seen.value.clone())
    };
    let came = |check: Option<&Check>| check.map_or("", |check| outcome(Some(check))).to_owned();
    let mut lines = vec![Line { what: name.to_owned(), before: came(before), after: came(after) }];
    let mut names: Vec<&Seen> = old.iter().collect();
    names.extend(new.iter().filter(|seen| !old.iter().any(|known| known.on == seen.on && known.name == seen.name)));
    lines.extend(names.into_iter().map(|seen| Line {
        what: format!("{} on {}", seen.name, seen.on),
        before: value(&old, seen, before.is_some()),
        after: value(&new, seen, after.is_some()),
    }));
    lines
}

/// The whole as a ticket, in markdown.
#[must_use]
pub fn ticket(case: &Case, name: &str) -> String {
    let headline = case.read.as_ref().map(|read| read.headline.as_str()).unwrap_or_default();
    let mut page = format!("# {}\n\n", prose(headline));
    if let Some(ended) = &case.ended {
        page += &format!("**{}**\n", prose(&ending(ended)));
    }
    page += &format!("\n- Case: {}\n", code(name));
    if case.keeps_off() {
        page += &format!(
            "- Once it is mended: {} tests it, and gives the node back\n",
            code(&format!("diag resume {name}"))
        );
    }
    for view in case.each() {
        finding(&mut page, &view);
    }
    said(&mut page, case);
    page
}

/// What a model told of the end, with the lines that it cites.
fn said(page: &mut String, case: &Case) {
    let Some(told) = case.told() else { return };
    *page += &format!("\n## {} sums up (decides nothing)\n\n", prose(&told.model));
    for claim in &told.claims {
        *page += &format!("- {} [{}]\n", prose(&claim.text), claim.cites.join(", "));
    }
    *page += "\n| | where | line |\n|---|---|---|\n";
    for line in &told.cited {
        *page += &format!("| {} | {} | {} |\n", line.id, prose(&line.place), code(&line.text));
    }
}

/// What is told of one finding.
fn finding(page: &mut String, case: &Case) {
    let Some(plan) = case.plan() else { return };
    let subject = &plan.subject;
    *page += &format!("\n- Cause: {} ({})\n", code(&subject.cause), words::confidence(subject.confidence));
    let who = words::culprit(&subject.culprit);
    if !who.is_empty() {
        *page += &format!("- Culprit: {}\n", prose(&who));
    }
    let witnesses: Vec<&str> = subject.witnesses.iter().map(|witness| witness.about()).collect();
    *page += &format!("- Told by: {}\n- Drain reason: {}\n", witnesses.join(" and "), code(&reason(plan)));
    done(page, case, plan);
    tests(page, case);
    if !subject.identity.is_empty() {
        *page += "\n## For a claim\n\n| | |\n|---|---|\n";
        for (name, value) in &subject.identity {
            *page += &format!("| {} | {} |\n", prose(name), code(value));
        }
    }
}

fn done(page: &mut String, case: &Case, plan: &Plan) {
    *page += "\n## What was done\n\n";
    let work = case.work();
    let mut any = false;
    for step in plan.steps.iter().filter(|step| work.done.contains_key(&step.id) && step.stage != Stage::Confirm) {
        let rans = work.done[&step.id].iter().flat_map(|runs| &runs.rans);
        let ends: Vec<String> = rans.map(in_words).collect();
        *page += &format!("- {}: {} ({})\n", code(&step.id), prose(&step.title), prose(&ends.join("; ")));
        any |= step.stage != Stage::Verify;
    }
    for (step, why) in &work.refused {
        *page += &format!("- not done: {}: {}\n", code(step), prose(why));
    }
    if !any {
        *page += "Nothing was changed.\n";
    }
}

fn tests(page: &mut String, case: &Case) {
    let readings = readings(case);
    if readings.is_empty() {
        return;
    }
    *page += "\n## Tests, before and after\n\n| | before | after |\n|---|---|---|\n";
    for (name, before, after) in &readings {
        for line in side_by_side(name, before.as_ref(), after.as_ref()) {
            *page += &format!("| {} | {} | {} |\n", prose(&line.what), prose(&line.before), prose(&line.after));
        }
        let last = after.as_ref().or(before.as_ref());
        let why = last.map(|check| check.why.as_slice()).unwrap_or_default().iter().take(WHY);
        *page += &why.map(|why| format!("| {} | | |\n", prose(why))).collect::<String>();
    }
}
