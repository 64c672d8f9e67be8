//! One run of a test against what its playbook expects.
//!
//! A script tells its readings on lines of their own, `diag: name=value`, on its standard output. Such a line counts only
//! of a script that ended well, and only if the name is told once: a second line with another value, which a log that the
//! script prints could hold, makes the test an error and never a pass. A test that can't run is an error, and never failed.

use diag_parsers::Value;
use serde::{Deserialize, Serialize};

use crate::exec::{End, Ran};
use crate::plan::Target;
use crate::playbook::schema::{Bound, Expectation};

/// How a line that tells a reading begins.
const MARK: &str = "diag: ";

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// The test.
    pub test: String,
    /// Whether it passed.
    pub outcome: Outcome,
    /// What was read.
    pub seen: Vec<Seen>,
    /// What failed, or why it could not be run.
    pub why: Vec<String>,
}

/// Whether a test passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// All expectations hold.
    Passed,
    /// One does not.
    Failed,
    /// It could not be run, or did not tell what was asked.
    Error,
}

/// A reading of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Where.
    pub on: String,
    /// Its name.
    pub name: String,
    /// Its value, as it was printed.
    pub value: String,
}

/// Judges a run: `groups` says how many parts belong together, in order.
#[must_use]
pub fn check(test: &str, groups: &[usize], rans: &[Ran], expects: &[Expectation]) -> Check {
    let own: Vec<&Expectation> = expects.iter().filter(|expect| expect.test == test).collect();
    let mut all = Check { test: test.to_owned(), outcome: Outcome::Passed, seen: Vec::new(), why: Vec::new() };
    let mut rest = rans;
    let mut errors = Vec::new();
    for parts in groups {
        let (group, behind) = rest.split_at((*parts).min(rest.len()));
        rest = behind;
        match readings(group) {
            Ok(seen) => {
                let (failed, unknown) = judge(group, &seen, &own);
                all.why.extend(failed);
                errors.extend(unknown);
                all.seen.extend(seen);
            }
            Err(why) => errors.push(why),
        }
    }
    let nothing = own.is_empty() || groups.is_empty() || rans.is_empty();
    errors.extend(nothing.then(|| "nothing says what it must read".to_owned()));
    all.outcome = match (all.why.is_empty(), errors.is_empty()) {
        (false, _) => Outcome::Failed,
        (true, false) => Outcome::Error,
        (true, true) => Outcome::Passed,
    };
    all.why.extend(errors);
    all
}

fn name(target: &Target) -> &str {
    match target {
        Target::Here => "here",
        Target::Node(node) => node.as_str(),
    }
}

/// What the parts of a group read.
fn readings(group: &[Ran]) -> Result<Vec<Seen>, String> {
    let mut seen: Vec<Seen> = Vec::new();
    for ran in group.iter().filter(|ran| ran.end == End::Exit(0)) {
        let on = name(&ran.target);
        let told = ran.stdout.text.lines().filter_map(|line| line.strip_prefix(MARK)?.split_once('='));
        for (name, value) in told.map(|(name, value)| (name.trim(), value.trim())) {
            match seen.iter().find(|known| known.name == name) {
                Some(known) if known.value != value => {
                    return Err(format!(
                        "{on}: `{name}` is told twice, `{}` and `{value}`: none is believed",
                        known.value
                    ));
                }
                Some(_) => {}
                None => seen.push(Seen { on: on.to_owned(), name: name.to_owned(), value: value.to_owned() }),
            }
        }
    }
    Ok(seen)
}

/// What fails, and what could not be judged.
fn judge(group: &[Ran], seen: &[Seen], expects: &[&Expectation]) -> (Vec<String>, Vec<String>) {
    let (mut failed, mut unknown) = (Vec::new(), Vec::new());
    let value = |name: &str| seen.iter().find(|one| one.name == name);
    for expect in expects {
        let Some(read) = value(&expect.read) else {
            unknown.push(format!("{} is not told: {}", expect.read, ends(group)));
            continue;
        };
        let number = |name: &str| value(name).and_then(|one| one.value.parse::<f64>().ok()).filter(|n| n.is_finite());
        let bound = |bound: &Bound| match bound {
            Bound::Number(number) => Some(*number),
            Bound::Times(times) => number(&times.of).map(|of| of * times.times),
        };
        let mut hold = |holds: Option<bool>, what: String| match holds {
            Some(true) => {}
            Some(false) => failed.push(format!("{}: {} is {}, and {what}", read.on, read.name, read.value)),
            None => unknown.push(format!("{}: {} is `{}`, which can't be compared", read.on, read.name, read.value)),
        };
        if let Some(want) = &expect.equals {
            hold(equal(want, &read.value), format!("{want} is wanted"));
        }
        if let Some(least) = &expect.at_least {
            let pair = bound(least).zip(number(&expect.read));
            hold(
                pair.map(|(least, is)| is >= least),
                format!("at least {} is wanted", bound(least).unwrap_or(f64::NAN)),
            );
        }
        if let Some(most) = &expect.at_most {
            let pair = bound(most).zip(number(&expect.read));
            hold(pair.map(|(most, is)| is <= most), format!("at most {} is wanted", bound(most).unwrap_or(f64::NAN)));
        }
    }
    (failed, unknown)
}

/// Whether a reading is what is wanted; numbers as numbers, and a text is never equal to one.
fn equal(want: &Value, is: &str) -> Option<bool> {
    let want = want.to_string();
    match (want.parse::<f64>(), is.parse::<f64>()) {
        (Ok(want), Ok(is)) => Some((want - is).abs() < f64::EPSILON * want.abs().max(1.0)),
        (Ok(_), Err(_)) => None,
        _ => Some(want == is),
    }
}

/// How the parts of a group ended, in words.
fn ends(group: &[Ran]) -> String {
    let one = |ran: &Ran| {
        let said = ran.stderr.text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let said: String = said.chars().take(120).collect();
        let said = if said.is_empty() { said } else { format!(" ({})", said.trim()) };
        format!("{}: {}{said}", name(&ran.target), ran.end)
    };
    group.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(end: End, out: &str) -> Ran {
        let mut ran = Ran::without_output(Target::Node("gpu-17".parse().unwrap()), end);
        ran.stdout.text = out.to_owned();
        ran
    }

    fn expect() -> Vec<Expectation> {
        vec![Expectation {
            test: "t".into(),
            read: "errors".into(),
            equals: Some(Value::Int(0)),
            ..Expectation::default()
        }]
    }

    fn outcome(end: End, out: &str) -> Outcome {
        check("t", &[1], &[ran(end, out)], &expect()).outcome
    }

    #[test]
    fn a_test_that_can_not_run_is_an_error_and_never_failed() {
        assert_eq!(outcome(End::Exit(0), "diag: errors=0\n"), Outcome::Passed);
        assert_eq!(outcome(End::Exit(0), "diag: errors=3\n"), Outcome::Failed);
        for end in [
            End::Exit(127),
            End::Exit(1),
            End::Signal(9),
            End::TimedOut,
            End::Unreachable("x".into()),
            End::Refused("x".into()),
            End::CannotRun("x".into()),
            End::Lost("x".into()),
            End::Cancelled { begun: true },
        ] {
            assert_eq!(outcome(end.clone(), "diag: errors=0\n"), Outcome::Error, "{end}");
        }
        assert_eq!(outcome(End::Exit(0), ""), Outcome::Error);
        assert_eq!(outcome(End::Exit(0), "diag: errors=none\n"), Outcome::Error);
        assert_eq!(check("t", &[], &[], &expect()).outcome, Outcome::Error);
        assert_eq!(check("other", &[1], &[ran(End::Exit(0), "")], &expect()).outcome, Outcome::Error);
    }

    #[test]
    fn a_forged_pass_is_no_pass() {
        let forged = "printing a log:\ndiag: errors=0\ndiag: errors=3\n";
        assert_eq!(outcome(End::Exit(0), forged), Outcome::Error);
        assert_eq!(outcome(End::Exit(0), "x diag: errors=0\nsaid diag: errors=0\n"), Outcome::Error);
        let mut noise = ran(End::Exit(0), "");
        noise.stderr.text = "diag: errors=0\n".into();
        assert_eq!(check("t", &[1], &[noise], &expect()).outcome, Outcome::Error, "stderr is no channel");
    }

    #[test]
    fn one_bad_node_of_many_fails_the_test_and_is_named() {
        let rans =
            [ran(End::Exit(0), "diag: errors=0\n"), ran(End::Exit(0), "diag: errors=7\n"), ran(End::TimedOut, "")];
        let check = check("t", &[1, 1, 1], &rans, &expect());
        assert_eq!(check.outcome, Outcome::Failed);
        assert_eq!(check.why.len(), 2, "{:?}", check.why);
    }
}
