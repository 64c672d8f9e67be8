//! What waits for a person's yes in a case.

use super::entry::{Ending, Want};
use super::state::Case;
use crate::case::Digest;
use crate::plan::{Step, Subject};

/// Digits of an id: 32 bits, for a list of some hundred.
const DIGITS: usize = 8;

/// A step that waits for a yes.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// By what it is known: the cause, and all that is run and where. The same in another case has the same id.
    pub id: String,
    /// The finding that it is about.
    pub subject: Subject,
    /// The step.
    pub step: Step,
    /// Why it is asked, since when and until when.
    pub want: Want,
    /// Tests before it that need no yes.
    pub before: Vec<String>,
}

/// What waits in a case: of each finding, the step that comes next. Nothing where it did not end in waiting.
#[must_use]
pub fn waiting(case: &Case) -> Vec<Waiting> {
    let Some(ending) = &case.ended else { return Vec::new() };
    let waits = |ending: &Ending| matches!(ending, Ending::Wants { .. });
    let ended = |at: usize| match ending {
        Ending::Each { of } => of.get(at).is_some_and(|one| waits(&one.ending)),
        other => at == case.closed.len() && waits(other),
    };
    let plans = case.todo().into_iter().zip(&case.works).enumerate().filter(|(at, _)| ended(*at));
    let of = plans.filter_map(|(_, (plan, work))| {
        let wanted = plan.steps.iter().filter_map(|step| Some((step, work.wanted.get(&step.id)?)));
        let wanted: Vec<(&Step, &Want)> = wanted.collect();
        let (step, want) = wanted.iter().find(|(_, want)| !want.held).or(wanted.first()).copied()?;
        let held = wanted.iter().filter(|(other, want)| want.held && other.id != step.id);
        Some(Waiting {
            id: id(&plan.subject.cause, &step.digest()),
            subject: plan.subject.clone(),
            step: step.clone(),
            want: want.clone(),
            before: held.map(|(step, _)| step.title.clone()).collect(),
        })
    });
    // What an older build left has no digest; what a changed journal tells is no want.
    of.filter(|one| one.want.digest == one.step.digest()).collect()
}

/// By what a step of a finding is known.
#[must_use]
fn id(cause: &str, digest: &str) -> String {
    let mut all = Digest::default();
    [cause, "\0", digest].iter().for_each(|part| all.update(part.as_bytes()));
    all.finish().chars().take(DIGITS).collect()
}
