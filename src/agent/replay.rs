//! The journal of a case told again, each move derived anew: where what was done is not what follows, that is said.

use super::counsel::Topic;
use super::entry::Entry;
use super::next::{Move, next};
use super::state::{Case, entry};
use crate::case::Line;
use crate::error::Error;
use crate::plan::Target;

/// A line of a journal, told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its number.
    pub number: u64,
    /// When.
    pub at: String,
    /// What it says.
    pub what: String,
    /// The move that followed from all lines before it.
    pub derived: String,
    /// Whether the line fits that move.
    pub fits: bool,
}

/// Tells a journal.
///
/// # Errors
/// A line that this build does not know.
pub fn replay(lines: &[Line]) -> Result<Vec<Told>, Error> {
    let mut case = Case::default();
    let mut told = Vec::new();
    for line in lines {
        let entry = entry(line)?;
        let step = next(&case);
        let fits = fits(&case, &step, &entry);
        // What runs has ended by itself: nothing was to be looked after.
        let ended = matches!(entry, Entry::Result { .. }) && fits;
        told.push(Told {
            number: line.number,
            at: line.at.clone(),
            what: tell(&entry),
            derived: match (case.began.is_none(), ended) {
                (true, _) => "begin".to_owned(),
                (_, true) => "its end".to_owned(),
                _ => step.to_string(),
            },
            fits,
        });
        case.take(line.number, &line.at, entry);
    }
    Ok(told)
}

/// Whether a line is what a move comes to. A person may begin again at any time.
fn fits(case: &Case, step: &Move, entry: &Entry) -> bool {
    let open = case.open.as_ref().map(|open| open.line);
    match (step, entry) {
        (_, Entry::Began(_) | Entry::Torn(_)) => true,
        (Move::Read, Entry::Read { .. }) => true,
        (Move::Ask(question), Entry::Answered { id, .. } | Entry::Unanswered { id }) => question.id == *id,
        (Move::Probe, Entry::Intent { step, .. } | Entry::Refused { step, .. }) => step == crate::scheduler::STEP,
        (Move::Run { step, task, only, .. }, Entry::Intent { step: done, task: nth, only: groups, digest, .. }) => {
            let planned = case.step(step).map(|step| case.as_repaired(step));
            let planned = planned.and_then(|step| Some(step.tasks.get(*task)?.only(only).digest()));
            step == done && task == nth && only == groups && planned.as_ref() == Some(digest)
        }
        (
            Move::Run { step, .. },
            Entry::Agreed { step: other, .. } | Entry::Refused { step: other, .. } | Entry::Wanted { step: other, .. },
        ) => step == other,
        (Move::Repair { step, repairs }, Entry::Repaired { step: done, repairs: all }) => {
            step == done && repairs == all
        }
        // While something runs, the move that would settle it is what follows: its result settles it better.
        (Move::Settle { .. }, Entry::Result { intent, .. }) => open == Some(*intent),
        (Move::Settle { line, again }, Entry::Settled { intent, again: done }) => line == intent && again == done,
        (Move::Consult(topic), Entry::Advised { topic: asked, picks, said, .. }) => {
            topic == asked && case.menu(topic).and_then(|menu| menu.words(picks)).as_ref() == Some(said)
        }
        (Move::Consult(topic), Entry::Unadvised { topic: asked, .. }) => topic == asked,
        (Move::Close(one), Entry::Closed(closed)) => one == closed,
        (Move::Conclude(ending), Entry::Concluded(ended)) => ending == ended,
        _ => false,
    }
}

/// A line in words.
pub(super) fn tell(entry: &Entry) -> String {
    match entry {
        Entry::Began(began) => {
            let approve = began.approve.map(|risk| format!(", approves {risk}")).unwrap_or_default();
            format!("{} begins{approve} (diag {})", began.who, began.diag)
        }
        Entry::Torn(torn) => format!("{} bytes of a line that was not finished were taken away", torn.bytes),
        Entry::Read { headline, plans, .. } => {
            let steps: usize = plans.iter().map(|plan| plan.steps.len()).sum();
            format!("read: {headline}; {steps} steps planned")
        }
        Entry::Answered { id, value } => format!("answered: {id} is {}", value.escape_debug()),
        Entry::Agreed { step, consent } => {
            let until = super::driver::stamp(consent.until);
            format!("{} agrees to {step}, digest {}, until {until}", consent.who, short(&consent.digest))
        }
        Entry::Refused { step, by, why, .. } => format!("not done: {step}: {why} [{by}]"),
        Entry::Wanted { step, want } => format!("{step} needs a yes: {}", want.why),
        Entry::Unanswered { id } => format!("nobody is there to answer: {id}"),
        Entry::Intent { step, task, digest, by, .. } => {
            format!("begins {step}, part {}, by {by}, digest {}", task + 1, short(digest))
        }
        Entry::Result { intent, ran } => {
            let one = |ran: &crate::exec::Ran| match &ran.target {
                Target::Here => format!("here: {}", ran.end),
                Target::Node(node) => format!("{node}: {}", ran.end),
            };
            let ends: Vec<String> = ran.iter().map(one).collect();
            format!("what began in line {intent} has ended: {}", ends.join("; "))
        }
        Entry::Repaired { step, repairs } => {
            let said: Vec<&str> = repairs.iter().map(|repair| repair.said.as_str()).collect();
            format!("repairs {step}: {}", said.join("; "))
        }
        Entry::Settled { intent, again } => {
            let how = if *again { "it only looks and is done again" } else { "it counts as done, and is not repeated" };
            format!("what began in line {intent} may have run: {how}")
        }
        Entry::Advised { topic, model, said, why, .. } => {
            let claims = why.iter().map(|claim| format!("; {} [{}]", claim.text, claim.cites.join(", ")));
            format!("{}{}", picked(model, topic, said), claims.collect::<String>())
        }
        Entry::Unadvised { model, why, .. } => format!("{model} is of no help, the rules go on alone: {why}"),
        Entry::Closed(one) => format!("{}: {}", one.cause, super::handover::ending(&one.ending)),
        Entry::Concluded(ending) => super::handover::ending(ending),
    }
}

/// What was picked, in a sentence.
fn picked(model: &str, topic: &Topic, said: &[String]) -> String {
    match topic {
        Topic::Summary => format!("{model} sums up"),
        _ if said.is_empty() => format!("{model} leaves it to the rules"),
        Topic::Order => {
            format!("{model} puts these first, of findings that are equally sure: {}", said.join("; then "))
        }
        Topic::Value { question, .. } => format!("{model} picks for tests: {question} is {}", said.join(", ")),
        Topic::Look => format!("{model} has these looked at as well: {}", said.join("; ")),
    }
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
