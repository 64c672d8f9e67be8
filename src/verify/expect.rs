//! Whether what a test read is well: by the figures of its file, and by what the others of the same sweep read.

use indexmap::IndexMap;
use serde::Serialize;

use super::reads::{self, Readings, Value};
use crate::exec::{End, Ran};
use crate::playbook::test::{Expectation, Judged, Role, TestBook};

/// Exit status by which a script says that it can't run.
pub const CANNOT_RUN: i32 = 77;

/// What a run says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    /// In a word.
    pub judged: Judged,
    /// Why, where it is not a pass: the rule that fired, or what kept it from running.
    pub why: Vec<String>,
    /// What it read.
    pub readings: Readings,
    /// Arms in which it failed.
    pub arms: Vec<String>,
}

impl Judgement {
    fn cannot(why: String) -> Self {
        Self { judged: Judged::CannotRun, why: vec![why], readings: Readings::new(), arms: Vec::new() }
    }

    fn fail(&mut self, why: String, arm: Option<&str>) {
        self.judged = Judged::Fail;
        self.why.push(why);
        if let Some(arm) = arm.filter(|arm| !self.arms.iter().any(|known| known == arm)) {
            self.arms.push(arm.to_owned());
        }
    }
}

/// Judges what came of a part that prints the readings of a test.
#[must_use]
pub fn judge(book: &TestBook, ran: &Ran, params: &IndexMap<String, String>, (role, world): (Role, usize)) -> Judgement {
    let printed = reads::read(book, &ran.stdout.text, world);
    if let Some(why) = printed.cannot {
        return Judgement::cannot(why);
    }
    let status = match &ran.end {
        End::Exit(CANNOT_RUN) => return Judgement::cannot("it says that it can't run, and not why".to_owned()),
        End::Exit(status) => *status,
        End::Signal(signal) if book.exit_tells => 128 + signal,
        other => return Judgement::cannot(other.to_string()),
    };
    let mut judgement =
        Judgement { judged: Judged::Pass, why: Vec::new(), readings: printed.readings, arms: Vec::new() };
    if status != 0 && book.exit_tells {
        judgement.fail(format!("it ended with {}{}", ran.end, last_words(ran)), None);
        return judgement;
    }
    if let Some(wrong) = printed.wrong.first() {
        return Judgement { readings: judgement.readings, ..Judgement::cannot(wrong.clone()) };
    }
    figures(book, params, &mut judgement);
    let lacking = book.reads.iter().find(|(name, read)| {
        !read.optional
            && read.by.is_none_or(|by| by == role)
            && !judgement.readings.keys().any(|known| reads::base(known) == name.as_str())
    });
    match lacking {
        Some((name, _)) if judgement.judged == Judged::Pass => {
            let why = format!("it printed no `{name}` and ended with {}{}", ran.end, last_words(ran));
            Judgement { readings: judgement.readings, ..Judgement::cannot(why) }
        }
        _ if status != 0 && judgement.judged == Judged::Pass => {
            let why = format!("it ended with {}{}", ran.end, last_words(ran));
            Judgement { readings: judgement.readings, ..Judgement::cannot(why) }
        }
        _ => judgement,
    }
}

/// The last line of standard error.
fn last_words(ran: &Ran) -> String {
    let line = ran.stderr.text.lines().rev().map(str::trim).find(|line| !line.is_empty());
    line.map(|line| format!(" ({})", line.chars().take(160).collect::<String>())).unwrap_or_default()
}

/// Holds readings against the figures of the test's file.
fn figures(book: &TestBook, params: &IndexMap<String, String>, judgement: &mut Judgement) {
    let readings = judgement.readings.clone();
    for (name, value) in readings.iter().filter_map(|(name, value)| Some((name, value.number()?))) {
        let exact =
            |rule: &&Expectation| rule.read == *name || (rule.read == reads::base(name) && reads::arm(name).is_some());
        let absolute = |rule: &&Expectation| rule.of_median.is_none() && rule.times_median.is_none();
        let fits = |rule: &&Expectation| applies(rule, &readings, params);
        let Some(rule) = book.expect.iter().filter(exact).filter(absolute).find(fits) else { continue };
        let unit = book.reads.get(reads::base(name)).map_or("", |read| read.unit.as_str());
        if let Some(why) = broken(rule, value) {
            let when: Vec<String> = rule.when.iter().map(|(what, is)| format!("{what} {is}")).collect();
            let when = if when.is_empty() { String::new() } else { format!(" for {}", when.join(", ")) };
            judgement
                .fail(format!("{name} is {value} {unit}, expected {why}{when} ({})", rule.source), reads::arm(name));
        }
    }
}

/// What was expected, where a value is not that.
fn broken(rule: &Expectation, value: f64) -> Option<String> {
    let low = rule.at_least.filter(|least| value < *least).map(|least| format!("at least {least}"));
    let high = rule.at_most.filter(|most| value > *most).map(|most| format!("at most {most}"));
    let other = rule.equals.filter(|wanted| (value - wanted).abs() > f64::EPSILON).map(|wanted| format!("{wanted}"));
    low.or(high).or(other)
}

/// Whether a rule is for this GPU, size, number of nodes.
fn applies(rule: &Expectation, readings: &Readings, params: &IndexMap<String, String>) -> bool {
    rule.when.iter().all(|(what, is)| {
        let known = readings.get(what).map(ToString::to_string).or_else(|| params.get(what).cloned());
        known.is_some_and(|known| match readings.get(what) {
            Some(Value::Text(text)) => text.to_lowercase().contains(&is.to_lowercase()),
            _ => known == *is,
        })
    })
}

/// Fewest runs whose median says something.
const FEWEST: usize = 4;

/// Holds runs against the median of all of the sweep, those `before` them included. What could not be run takes no part.
pub fn relative(book: &TestBook, runs: &mut [&mut Judgement], before: &[Readings]) {
    let mut values: IndexMap<String, Vec<f64>> = IndexMap::new();
    let ran = runs.iter().filter(|run| run.judged != Judged::CannotRun).map(|run| &run.readings);
    for (name, value) in ran.chain(before).flatten() {
        values.entry(name.clone()).or_default().extend(value.number());
    }
    for (name, of) in values.iter_mut().filter(|(_, of)| of.len() >= FEWEST) {
        let median = median(of);
        for rule in book.expect.iter().filter(|rule| rule.read == reads::base(name)) {
            for run in runs.iter_mut().filter(|run| run.judged != Judged::CannotRun) {
                against(rule, name, median, run);
            }
        }
    }
}

fn against(rule: &Expectation, name: &str, median: f64, run: &mut Judgement) {
    let Some(value) = run.readings.get(name).and_then(Value::number) else { return };
    let low = rule.of_median.is_some_and(|share| value < share * median);
    let high = rule.times_median.is_some_and(|times| value > times * median);
    if low || high {
        let share = if median > 0.0 { value / median } else { 0.0 };
        run.fail(format!("{name} is {value}, {share:.2} of the sweep's median {median}"), reads::arm(name));
    }
}

/// The median; of an even count the mean of both in the middle.
#[must_use]
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        count if count % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}
