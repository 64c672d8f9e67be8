//! Whether what a test read is well: by the figures of its file, and by what the others of the same sweep read.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Serialize;

use super::reads::{self, Readings, Value};
use crate::exec::{End, Ran};
use crate::playbook::schema::Bound;
use crate::playbook::test::{Expectation, Judged, Role, Rubric};

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
    pub(super) fn cannot(why: String) -> Self {
        Self { judged: Judged::CannotRun, why: vec![why], readings: Readings::new(), arms: Vec::new() }
    }

    /// The same, but where a run ended badly for a reason of its own: then it says nothing of what it tested.
    pub(super) fn unless_own(self, reason: impl FnOnce() -> Option<String>, end: &End) -> Self {
        let badly = self.judged == Judged::CannotRun || (self.judged == Judged::Fail && *end != End::Exit(0));
        match Some(reason).filter(|_| badly).and_then(|reason| reason()) {
            Some(why) => Self { readings: self.readings, ..Self::cannot(why) },
            None => self,
        }
    }

    fn fail(&mut self, why: String, arm: Option<&str>) {
        self.judged = Judged::Fail;
        self.why.push(why);
        if let Some(arm) = arm.filter(|arm| !self.arms.iter().any(|known| known == arm)) {
            self.arms.push(arm.to_owned());
        }
    }
}

/// Judges what came of a part that prints the readings of a test; `env`: the variables that it had.
///
/// What ended badly proves nothing, whatever it printed before: it is a failure only where the test's exit status tells.
#[must_use]
pub fn judge(rubric: &Rubric, ran: &Ran, env: &BTreeMap<String, String>, (role, world): (Role, usize)) -> Judgement {
    let printed = reads::read(rubric, &ran.stdout.text, world);
    let status = match &ran.end {
        // A reason of its own is told before one that follows from it.
        End::Exit(_) | End::Signal(_) if printed.cannot.is_some() => {
            return Judgement::cannot(printed.cannot.unwrap_or_default());
        }
        End::Exit(CANNOT_RUN) => return Judgement::cannot("it says that it can't run, and not why".to_owned()),
        End::Exit(status) => *status,
        End::Signal(signal) if rubric.exit_tells => 128 + signal,
        other => return Judgement::cannot(other.to_string()),
    };
    let mut judgement =
        Judgement { judged: Judged::Pass, why: Vec::new(), readings: printed.readings, arms: Vec::new() };
    if status != 0 && rubric.exit_tells {
        judgement.fail(format!("it ended with {}{}", ran.end, last_words(ran)), None);
        return judgement;
    }
    let lacking = rubric.reads.iter().find(|(name, read)| {
        !read.optional
            && read.by.is_none_or(|by| by == role)
            && !judgement.readings.keys().any(|known| reads::base(known) == name.as_str())
    });
    let why = match lacking {
        _ if !printed.wrong.is_empty() => printed.wrong.first().cloned(),
        _ if status != 0 => Some(format!("it ended with {}{}", ran.end, last_words(ran))),
        Some((name, _)) => Some(format!("it printed no `{name}` and ended with {}{}", ran.end, last_words(ran))),
        None if rubric.expect.is_empty() => Some("nothing says what it must read".to_owned()),
        None => None,
    };
    if let Some(why) = why {
        return Judgement { readings: judgement.readings, ..Judgement::cannot(why) };
    }
    let unknown = figures(rubric, env, &mut judgement);
    match unknown.into_iter().next() {
        Some(why) if judgement.judged == Judged::Pass => {
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

/// Holds readings against the figures that are expected; what can't be compared.
fn figures(rubric: &Rubric, env: &BTreeMap<String, String>, judgement: &mut Judgement) -> Vec<String> {
    let readings = judgement.readings.clone();
    let mut unknown = Vec::new();
    for (name, value) in &readings {
        let exact =
            |rule: &&Expectation| rule.read == *name || (rule.read == reads::base(name) && reads::arm(name).is_some());
        let absolute = |rule: &&Expectation| rule.of_median.is_none() && rule.times_median.is_none();
        let fits = |rule: &&Expectation| applies(rule, &readings, env);
        let Some(rule) = rubric.expect.iter().filter(exact).filter(absolute).find(fits) else { continue };
        let unit = rubric.reads.get(reads::base(name)).map_or("", |read| read.unit.as_str());
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        match broken(rule, value, &readings) {
            Ok(None) => {}
            Ok(Some(why)) => {
                let when: Vec<String> = rule.when.iter().map(|(what, is)| format!("{what} {is}")).collect();
                let when = if when.is_empty() { String::new() } else { format!(" for {}", when.join(", ")) };
                let source = if rule.source.is_empty() { String::new() } else { format!(" ({})", rule.source) };
                judgement.fail(format!("{name} is {value}{unit}, expected {why}{when}{source}"), reads::arm(name));
            }
            Err(why) => unknown.push(format!("{name} is {value}, which can't be compared: {why}")),
        }
    }
    unknown
}

/// What was expected, where a value is not that.
fn broken(rule: &Expectation, value: &Value, readings: &Readings) -> Result<Option<String>, String> {
    let number = || value.number().ok_or("it is no number");
    let bound = |bound: &Bound| match bound {
        Bound::Number(number) => Ok(*number),
        Bound::Times(times) => {
            let of = readings.get(&times.of).and_then(Value::number);
            of.map(|of| of * times.times).ok_or_else(|| format!("{} was not told", times.of))
        }
    };
    if let Some(least) = &rule.at_least {
        let least = bound(least)?;
        if number()? < least {
            return Ok(Some(format!("at least {least}")));
        }
    }
    if let Some(most) = &rule.at_most {
        let most = bound(most)?;
        if number()? > most {
            return Ok(Some(format!("at most {most}")));
        }
    }
    let Some(wanted) = &rule.equals else { return Ok(None) };
    let same = match wanted.to_string().parse::<f64>() {
        Ok(wanted) => (number()? - wanted).abs() <= f64::EPSILON * wanted.abs().max(1.0),
        Err(_) => wanted.to_string() == value.to_string(),
    };
    Ok((!same).then(|| wanted.to_string()))
}

/// Whether a rule is for this GPU, size, number of nodes.
fn applies(rule: &Expectation, readings: &Readings, env: &BTreeMap<String, String>) -> bool {
    let smaller = env.get("DIAG_SMALLER").is_some_and(|smaller| smaller == "1");
    let fits = !(rule.full && smaller);
    fits && rule.when.iter().all(|(what, is)| {
        let param = || env.get(&format!("DIAG_{}", what.to_uppercase())).cloned();
        let known = readings.get(what).map(ToString::to_string).or_else(param);
        known.is_some_and(|known| match readings.get(what) {
            Some(Value::Text(text)) => text.to_lowercase().contains(&is.to_lowercase()),
            _ => known == *is,
        })
    })
}

/// Fewest runs whose median says something.
const FEWEST: usize = 4;

/// Holds runs against the median of all of the sweep, those `before` them included. What could not be run takes no part.
pub fn relative(rubric: &Rubric, runs: &mut [&mut Judgement], before: &[Readings]) {
    let mut values: IndexMap<String, Vec<f64>> = IndexMap::new();
    let ran = runs.iter().filter(|run| run.judged != Judged::CannotRun).map(|run| &run.readings);
    for (name, value) in ran.chain(before).flatten() {
        values.entry(name.clone()).or_default().extend(value.number());
    }
    for (name, of) in values.iter_mut().filter(|(_, of)| of.len() >= FEWEST) {
        let median = median(of);
        for rule in rubric.expect.iter().filter(|rule| rule.read == reads::base(name)) {
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
