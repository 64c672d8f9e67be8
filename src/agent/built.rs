//! Plans that this process has made of the evidence by itself.

use super::state::Case;
use crate::error::Error;
use crate::plan::{Plan, Step, unmarked};
use crate::policy::Asked;

/// What is told where a journal has another plan.
pub(super) const OTHER: &str =
    "the journal has another plan than this diag makes of the evidence: nothing of that is done on its word";

/// The rule by which a step is asked for that only a journal has.
pub const JOURNAL_ONLY: &str = "journal";

/// What was planned.
#[derive(Debug, Default)]
pub(super) struct Built(Vec<Plan>);

impl Built {
    /// What was planned just now.
    pub(super) const fn of(plans: Vec<Plan>) -> Self {
        Self(plans)
    }

    /// The same as a journal would have it: a number that was written and read may have another last digit.
    pub(super) fn as_written(plans: &[Plan]) -> Result<Self, Error> {
        let text = serde_json::to_string(plans).and_then(|text| serde_json::from_str(&text));
        text.map(Self).map_err(|error| Error::new("journal.version", "plans", error.to_string()))
    }

    /// Whether a step of a plan is planned like this: what it runs and where, how it is judged, and what the policy is told.
    pub(super) fn has(&self, plan: &Plan, step: &Step) -> bool {
        // By which mark a node is kept off is told by the run that did it.
        let step = unmarked(step);
        let about = |plan: &Plan| (plan.subject.cause.clone(), plan.subject.status, plan.subject.witnesses.clone());
        self.0.iter().any(|built| about(built) == about(plan) && built.steps.contains(&step))
    }

    /// Whether all that a case would run is planned like this.
    pub(super) fn has_all(&self, case: &Case) -> bool {
        let steps = |plan: &Plan| plan.steps.iter().filter(|step| step.runs()).all(|step| self.has(plan, step));
        case.todo().into_iter().all(steps)
    }
}

/// What a person is asked about a step that only a journal has.
pub(super) fn asked() -> Asked {
    let why = "the journal has it, and this diag does not plan it so: another version wrote it, or somebody changed it";
    Asked { rule: JOURNAL_ONLY.to_owned(), why: vec![why.to_owned()], once: true, busy: Vec::new(), name: false }
}
