//! What is handed over: the end in words, readings before and after side by side, and texts for the next in line.

use super::entry::Ending;
use super::state::Case;
use crate::plan::{Plan, Stage, Step};
use crate::playbook::test::Judged;
use crate::report::markdown::{code, prose};
use crate::report::words;
use crate::verify::Check;

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
        Ending::NotFixed { left } if left.is_empty() => "NOT FIXED: nothing that was tried helped".to_owned(),
        Ending::NotFixed { left } => format!("NOT FIXED: nothing that was tried helped; left: {}", list(left)),
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
        again.filter(|verify| case.done.contains_key(&verify.id)).last().and_then(|verify| case.check(verify))
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

/// A reading before and after: `link_downed on gpu-17: 3, then 0`.
#[must_use]
pub fn side_by_side(before: Option<&Check>, after: Option<&Check>) -> Vec<String> {
    let none = Vec::new();
    let before = before.map_or(&none, |check| &check.seen);
    let after = after.map_or(&none, |check| &check.seen);
    let value = |list: &[crate::verify::Seen], of: &crate::verify::Seen| {
        let same = list.iter().find(|seen| seen.on == of.on && seen.name == of.name);
        same.map_or_else(|| "not read".to_owned(), |seen| seen.value.clone())
    };
    let mut names: Vec<&crate::verify::Seen> = before.iter().collect();
    names.extend(after.iter().filter(|seen| !before.iter().any(|old| old.on == seen.on && old.name == seen.name)));
    names
        .iter()
        .map(|seen| format!("{} on {}: {}, then {}", seen.name, seen.on, value(before, seen), value(after, seen)))
        .collect()
}

/// The whole as a ticket, in markdown.
#[must_use]
pub fn ticket(case: &Case, name: &str) -> String {
    let headline = case.read.as_ref().map(|read| read.headline.as_str()).unwrap_or_default();
    let mut page = format!("# {}\n\n", prose(headline));
    if let Some(ended) = &case.ended {
        page += &format!("**{}**\n", prose(&ending(ended)));
    }
    let Some(plan) = case.plan() else { return page };
    let subject = &plan.subject;
    page += &format!("\n- Cause: {} ({})\n", code(&subject.cause), words::confidence(subject.confidence));
    let who = words::culprit(&subject.culprit);
    if !who.is_empty() {
        page += &format!("- Culprit: {}\n", prose(&who));
    }
    let witnesses: Vec<&str> = subject.witnesses.iter().map(|witness| witness.about()).collect();
    page += &format!(
        "- Told by: {}\n- Case: {}\n- Drain reason: {}\n",
        witnesses.join(" and "),
        code(name),
        code(&reason(plan))
    );
    done(&mut page, case, plan);
    tests(&mut page, case);
    if !subject.identity.is_empty() {
        page += "\n## For a claim\n\n| | |\n|---|---|\n";
        for (name, value) in &subject.identity {
            page += &format!("| {} | {} |\n", prose(name), code(value));
        }
    }
    page
}

fn done(page: &mut String, case: &Case, plan: &Plan) {
    *page += "\n## What was done\n\n";
    let mut any = false;
    for step in plan.steps.iter().filter(|step| case.done.contains_key(&step.id) && step.stage != Stage::Confirm) {
        let ends: Vec<String> = case.done[&step.id].iter().flatten().map(|ran| ran.end.to_string()).collect();
        *page += &format!("- {}: {} ({})\n", code(&step.id), prose(&step.title), prose(&ends.join(", ")));
        any = true;
    }
    for (step, why) in &case.refused {
        *page += &format!("- not done: {}: {}\n", code(step), prose(why));
        any = true;
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
    *page += "\n## Tests, before and after\n\n";
    for (name, before, after) in &readings {
        *page += &format!("- {}: {}, then {}\n", code(name), outcome(before.as_ref()), outcome(after.as_ref()));
        for line in side_by_side(before.as_ref(), after.as_ref()) {
            *page += &format!("  - {}\n", prose(&line));
        }
    }
}
