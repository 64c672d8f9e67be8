//! The same tests before a fix and after it.

use serde::{Deserialize, Serialize};

use super::run::Check;
use crate::playbook::test::Judged;

/// What a fix came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A test failed before, and passes now.
    Fixed,
    /// A test fails.
    NotFixed,
    /// Nothing is proven.
    Inconclusive,
}

/// A verdict with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub why: String,
}

/// What a fix came to, by tests as they were before (where they ran) and as they are after.
///
/// A test that passed before proves nothing, and one that could not be run proves nothing either way.
#[must_use]
pub fn verdict(tests: &[(Option<&Check>, &Check)]) -> Proven {
    let say = |verdict, why: String| Proven { verdict, why };
    let of = |check: &Check| check.why.first().cloned().unwrap_or_default();
    if let Some((_, after)) = tests.iter().find(|(_, after)| after.judged == Judged::Fail) {
        return say(Verdict::NotFixed, format!("{} fails: {}", after.test, of(after)));
    }
    if let Some((_, after)) = tests.iter().find(|(_, after)| after.judged == Judged::CannotRun) {
        return say(Verdict::Inconclusive, format!("{} could not be run afterwards: {}", after.test, of(after)));
    }
    let failed = |before: &Option<&Check>| before.is_some_and(|before| before.judged == Judged::Fail);
    match tests {
        [] => say(Verdict::Inconclusive, "no test shows whether it helped".to_owned()),
        _ if tests.iter().any(|(before, _)| failed(before)) => {
            let names: Vec<&str> =
                tests.iter().filter(|(before, _)| failed(before)).map(|(_, after)| after.test.as_str()).collect();
            say(Verdict::Fixed, format!("{} failed before, and passes now", names.join(", ")))
        }
        [(Some(before), _), ..] if before.judged == Judged::Pass => {
            say(Verdict::Inconclusive, format!("{} passed before as well, which proves nothing", before.test))
        }
        [(_, after), ..] => {
            say(Verdict::Inconclusive, format!("{} passes, and nothing shows that it failed before", after.test))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(judged: Judged) -> Check {
        Check { test: "t".into(), judged, seen: Vec::new(), why: vec!["x".into()] }
    }

    #[test]
    fn only_a_test_that_failed_before_can_prove_a_fix() {
        use Judged::{CannotRun as Error, Fail as Failed, Pass as Passed};
        for (before, after, want) in [
            (Some(Failed), Passed, Verdict::Fixed),
            (Some(Failed), Failed, Verdict::NotFixed),
            (Some(Failed), Error, Verdict::Inconclusive),
            (Some(Passed), Passed, Verdict::Inconclusive),
            (Some(Passed), Failed, Verdict::NotFixed),
            (Some(Error), Passed, Verdict::Inconclusive),
            (Some(Error), Failed, Verdict::NotFixed),
            (None, Passed, Verdict::Inconclusive),
            (None, Failed, Verdict::NotFixed),
            (None, Error, Verdict::Inconclusive),
        ] {
            let before = before.map(run);
            let after = run(after);
            let got = verdict(&[(before.as_ref(), &after)]);
            assert_eq!(got.verdict, want, "{before:?} then {after:?}");
        }
        assert_eq!(verdict(&[]).verdict, Verdict::Inconclusive);
    }

    #[test]
    fn of_several_tests_each_must_pass() {
        let (good, bad) = (run(Judged::Pass), run(Judged::Fail));
        assert_eq!(verdict(&[(Some(&bad), &good), (Some(&good), &good)]).verdict, Verdict::Fixed);
        assert_eq!(verdict(&[(Some(&bad), &good), (Some(&good), &bad)]).verdict, Verdict::NotFixed);
        let error = run(Judged::CannotRun);
        assert_eq!(verdict(&[(Some(&bad), &good), (Some(&bad), &error)]).verdict, Verdict::Inconclusive);
    }
}
