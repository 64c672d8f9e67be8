//! What stands in the journal of a case.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::counsel::{Cited, Pick, Topic};
use crate::case::Torn;
use crate::exec::Ran;
use crate::plan::{Plan, Repair};
use crate::playbook::schema::Risk;
use crate::policy::{Basis, Consent, Policy};
use crate::report::Claim;
use crate::scheduler::Who;
use crate::verdict::Outcome;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Entry {
    /// A person began it, or goes on with it.
    Began(Box<Began>),
    /// A crash left the end of a line; it was taken away.
    Torn(Torn),
    /// The evidence was read.
    Read {
        /// What it comes to.
        outcome: Outcome,
        /// The same in a sentence.
        headline: String,
        /// What is to be done, for each finding.
        plans: Vec<Plan>,
    },
    /// A person said what the evidence does not tell.
    Answered {
        /// The question.
        id: String,
        /// The answer, as it was typed.
        value: String,
    },
    /// A person agreed to a step.
    Agreed {
        /// The step.
        step: String,
        /// To exactly what, and how long it is good.
        consent: Consent,
    },
    /// A step is not done: the policy forbids it, or a person said no.
    Refused {
        /// The step.
        step: String,
        /// The rule, or who said no.
        by: String,
        /// Why.
        why: String,
        /// To exactly what, where a person said no.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
    },
    /// A step needs a yes, and nobody is there to give it.
    Wanted {
        /// The step.
        step: String,
        /// What it waits for.
        #[serde(flatten)]
        want: Want,
    },
    /// A question is open, and nobody is there to answer it.
    Unanswered {
        /// The question.
        id: String,
    },
    /// A task of a step is about to be run. From here on it may have run.
    Intent {
        /// The step.
        step: String,
        /// Which of its tasks, from 0.
        task: usize,
        /// On which of its groups; none named: on all of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        only: Vec<usize>,
        /// What exactly.
        digest: String,
        /// Why it may be.
        basis: Basis,
        /// Who runs it: `ssh`, `local`, …
        by: String,
    },
    /// It has ended.
    Result {
        /// The line of the intent.
        intent: u64,
        /// What came of each part.
        ran: Vec<Ran>,
    },
    /// A test did not do its work for a reason of its own: declared parameters are changed, and it is run again.
    Repaired {
        /// The step.
        step: String,
        /// What is changed, a group each.
        repairs: Vec<Repair>,
    },
    /// What was about to be run when diag ended may have run: it is looked at, and not repeated.
    Settled {
        /// The line of the intent.
        intent: u64,
        /// Whether it only looks, so that it may be done again.
        again: bool,
    },
    /// A model was asked about what the rules leave open.
    Advised {
        /// What is open.
        topic: Topic,
        /// The model.
        model: String,
        /// What it picked of what was offered; nothing: it leaves it to the rules.
        picks: Vec<Pick>,
        /// The same in words.
        said: Vec<String>,
        /// Why.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        why: Vec<Claim>,
        /// The lines that this cites.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        cited: Vec<Cited>,
    },
    /// A model was asked and did not help: the rules go on alone.
    Unadvised {
        /// What is open.
        topic: Topic,
        /// The model.
        model: String,
        /// Why.
        why: String,
    },
    /// The work on one finding has come to an end, and another finding is next.
    Closed(One),
    /// The end, for now.
    Concluded(Ending),
}

/// A yes that is waited for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// Why it is asked.
    pub why: String,
    /// To exactly what.
    #[serde(default)]
    pub digest: String,
    /// Since when it waits, in seconds since 1970 (UTC).
    #[serde(default)]
    pub since: i64,
    /// Until when.
    #[serde(default)]
    pub until: i64,
    /// The jobs of which a yes has to know: node and job.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub busy: Vec<(String, String)>,
    /// The policy asks for none: it was not done as nothing is while nobody is there ([`Manner::Hold`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
}

/// How a run goes about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manner {
    /// From where it stands.
    #[default]
    GoOn,
    /// What was read and tested before anything was changed counts no more: it is looked at anew.
    Afresh,
    /// Nothing is run: what would be done next is wanted of a person.
    Hold,
}

/// How a run began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Began {
    /// Version of diag.
    pub diag: String,
    /// Who, on which machine.
    pub who: String,
    /// What was named, as paths that hold everywhere.
    pub inputs: Vec<String>,
    /// Only findings of this cause are worked on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Which part of the evidence is looked at, as the command line says it.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub narrow: serde_json::Value,
    /// Up to this risk they agree beforehand.
    pub approve: Option<Risk>,
    /// They know that somebody's jobs run on the nodes.
    pub on_busy: bool,
    /// Fixes that they named.
    pub named: Vec<String>,
    /// Only these nodes may be touched; empty: those that the plan names.
    pub nodes: Vec<String>,
    /// How nodes are reached: options of the command line by their ids, and their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub how: BTreeMap<String, String>,
    /// Who schedules work on the nodes.
    #[serde(default)]
    pub scheduler: Who,
    /// The model that is asked about what the rules leave open; nobody, where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brain: Option<String>,
    /// Most tasks that are run.
    pub rounds: usize,
    /// Most minutes that it may take.
    pub minutes: u64,
    /// Most minutes of nodes that its tasks may take, all together.
    #[serde(default = "unlimited")]
    pub node_minutes: u64,
    /// The policy.
    pub policy: Policy,
    /// How it goes about it.
    #[serde(default)]
    pub manner: Manner,
}

/// A journal that says nothing of minutes of nodes was begun without such a limit.
const fn unlimited() -> u64 {
    u64::MAX
}

/// How the work on one finding ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct One {
    /// The cause.
    pub cause: String,
    /// How it ended.
    pub ending: Ending,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum Ending {
    /// Nothing is wrong.
    Healthy,
    /// The evidence does not decide.
    Undetermined,
    /// Fixed and proven; no new line of these must come within so many seconds.
    Fixed {
        /// Why that is proven.
        why: String,
        /// Seconds in which it has to stay quiet; 0: no such wish.
        quiet_s: u64,
    },
    /// It stayed quiet as well.
    Quiet,
    /// The lines came again.
    NotQuiet {
        /// Which.
        why: String,
    },
    /// The nodes are out of service, and wait for somebody who mends them.
    Contained {
        /// Which.
        why: String,
    },
    /// The nodes were mended by somebody and are back in service.
    Returned {
        /// The tests that failed before and pass now.
        why: String,
    },
    /// Nothing that was tried helped; what was done was taken back.
    NotFixed {
        /// What the tests, or the fixes themselves, said.
        #[serde(default)]
        why: String,
        /// What is left for a person.
        left: Vec<String>,
    },
    /// Nothing is proven.
    Inconclusive {
        /// Why.
        why: String,
    },
    /// The fault does not show now, so that nothing was done.
    NotThere {
        /// The tests that pass.
        why: String,
    },
    /// What is left needs hands.
    Hands {
        /// The steps.
        left: Vec<String>,
    },
    /// A person has to agree first.
    Wants {
        /// To which steps, and why.
        steps: Vec<String>,
    },
    /// A person has to answer first.
    Asks {
        /// What.
        questions: Vec<String>,
    },
    /// The rounds, minutes or minutes of nodes that were allowed are used up.
    Spent {
        /// Which.
        why: String,
    },
    /// There were several findings; how each ended.
    Each {
        /// In the order of the report.
        of: Vec<One>,
    },
}

impl Ending {
    /// Whether all is well.
    #[must_use]
    pub fn is_well(&self) -> bool {
        match self {
            Self::Healthy | Self::Fixed { .. } | Self::Quiet | Self::Returned { .. } => true,
            Self::Each { of } => of.iter().all(|one| one.ending.is_well()),
            _ => false,
        }
    }

    /// Whether something was fixed and all is well; how long it must stay quiet then, in seconds.
    pub(super) fn quiet_s(&self) -> Option<u64> {
        match self {
            Self::Fixed { quiet_s, .. } => Some(*quiet_s),
            Self::Each { of } if self.is_well() => of.iter().filter_map(|one| one.ending.quiet_s()).max(),
            _ => None,
        }
    }
}
