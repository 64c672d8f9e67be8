//! Runs that could not do their work: the reason, as tools tell it, and what is changed for the next run.
//!
//! What a node prints only chooses among declared reasons and values; a folder that it names counts where tools are looked for
//! anyway.

use super::expect;
use super::reads;
use crate::exec::{End, Ran};
use crate::plan::grammar;
use crate::plan::{Change, Group, Part, Repair, Target, Task, What, stage};
use crate::playbook::repair::{Reason, Remedy};
use crate::playbook::test::{Judged, Rubric};

/// Most repairs of one group: beyond it a person looks.
const MOST: usize = 4;

/// Longest part of a line that is told.
const LINE: usize = 120;

/// How far on the next number is: runs beside each other take ports one by one (`stage::PORTS`).
const STEP: i64 = 64;

/// Which share of a size is left.
const SHARE: u64 = 4;

/// Exit status of `timeout` where the time was over (coreutils, timeout.c: EXIT_TIMEDOUT).
const TIMED_OUT: i32 = 124;

/// A reason that a part gave, and the line that told it.
#[derive(Debug, Clone)]
struct Heard<'r> {
    part: usize,
    reason: &'r Reason,
    line: String,
}

/// What a part printed, and what is said of how it ended.
fn lines(ran: &Ran) -> impl Iterator<Item = String> + '_ {
    let end = match &ran.end {
        End::CannotRun(why) => Some(why.clone()),
        _ => None,
    };
    let printed = ran.stdout.text.lines().chain(ran.stderr.text.lines());
    end.into_iter().chain(printed.map(|line| line.chars().take(4 * LINE).collect()))
}

/// Whether a run ended in a way that says something of what ran: of one that was never reached, nothing is known.
fn ran_at_all(end: &End) -> bool {
    matches!(end, End::Exit(_) | End::Signal(_) | End::TimedOut | End::CannotRun(_))
}

/// The reason of its own for which a part did not do its work, as a sentence.
pub(super) fn own_reason(rubric: &Rubric, ran: &Ran) -> Option<String> {
    let heard = heard(rubric, 0, ran)?;
    (!heard.reason.late).then(|| format!("{}: {}", heard.reason.what, heard.line))
}

fn heard<'r>(rubric: &'r Rubric, part: usize, ran: &Ran) -> Option<Heard<'r>> {
    if !ran_at_all(&ran.end) {
        return None;
    }
    let reasons = &rubric.repairs.reasons;
    for reason in reasons {
        if let Some(line) = lines(ran).find(|line| reason.is_told_by(line)) {
            return Some(Heard { part, reason, line: short(&line) });
        }
    }
    // What printed nothing in its time hangs, and is not too large.
    let late = match ran.end {
        End::TimedOut => true,
        End::Exit(TIMED_OUT) => !reads::read(rubric, &ran.stdout.text, 1).readings.is_empty(),
        _ => false,
    };
    let reason = reasons.iter().find(|reason| reason.late).filter(|_| late)?;
    Some(Heard { part, reason, line: ran.end.to_string() })
}

fn short(line: &str) -> String {
    let line = line.strip_prefix("diag: cannot=").unwrap_or(line).trim();
    let cut: String = line.chars().take(LINE).collect();
    if cut.len() < line.len() { cut + "…" } else { cut }
}

/// What is changed for runs of a task that could not do their work, one a group; `done`: what was changed before. `smaller`:
/// whether a run may be smaller than it was asked to be.
#[must_use]
pub fn repairs(rubric: &Rubric, task: &Task, rans: &[Ran], done: &[Repair], smaller: bool) -> Vec<Repair> {
    let mut rest = rans;
    let mut all = Vec::new();
    for (at, group) in task.groups.iter().enumerate() {
        let (own, behind) = rest.split_at(group.parts.len().min(rest.len()));
        rest = behind;
        let before: Vec<&Repair> = done.iter().filter(|repair| repair.group == at).collect();
        if own.len() == group.parts.len() && before.len() < MOST {
            all.extend(of_group(rubric, (at, group), own, &before, smaller));
        }
    }
    all
}

fn of_group(
    rubric: &Rubric,
    (at, group): (usize, &Group),
    rans: &[Ran],
    before: &[&Repair],
    smaller: bool,
) -> Option<Repair> {
    let failed = |(at, ran): &(usize, &Ran)| {
        let end = (stage::role(rubric.shape, *at), group.parts.len());
        let judged = expect::judge(rubric, ran, &group.parts[*at].work.env, end).judged;
        judged != Judged::Pass && (ran.end != End::Exit(0) || judged == Judged::CannotRun)
    };
    let all: Vec<Heard<'_>> =
        rans.iter().enumerate().filter(failed).filter_map(|(at, ran)| heard(rubric, at, ran)).collect();
    // An end that waits until its time is over for one that says why has nothing to say.
    let first = all.iter().find(|heard| !heard.reason.late).or_else(|| all.first())?;
    let same: Vec<&Heard<'_>> = all.iter().filter(|heard| heard.reason.id == first.reason.id).collect();
    first.reason.remedy.iter().find_map(|remedy| {
        let (of, changes) = change(remedy, rubric, group, rans, &same, smaller)?;
        if before.iter().any(|repair| repair.reason == first.reason.id && repair.of == of) {
            return None;
        }
        let said = sentence(&group.parts[first.part], first, &changes);
        Some(Repair { group: at, reason: first.reason.id.clone(), of, said, changes })
    })
}

/// What a remedy comes to, if the test makes it possible; and of what the reason is.
fn change(
    remedy: &Remedy,
    rubric: &Rubric,
    group: &Group,
    rans: &[Ran],
    same: &[&Heard<'_>],
    smaller: bool,
) -> Option<(String, Vec<Change>)> {
    let nothing = String::new;
    let first = same.first()?;
    match remedy {
        Remedy::Wait(seconds) => Some((nothing(), vec![Change::Wait(*seconds)])),
        Remedy::Plain => {
            let plain = |part: &Part| matches!(&part.work.what, What::Script(script) if script.plain.is_some());
            group.parts.iter().any(plain).then(|| (nothing(), vec![Change::Plain]))
        }
        Remedy::Path => {
            let set = |heard: &&&Heard<'_>| found(&group.parts[heard.part], &rans[heard.part], heard.part);
            let changes: Vec<Change> = same.iter().filter_map(|heard| set(&heard)).collect();
            (!changes.is_empty()).then(|| (first.line.clone(), changes))
        }
        Remedy::Next(name) => {
            let now = group.parts[first.part].value(name).unwrap_or_default();
            let (of, to) = next(rubric, name, now)?;
            let set = |part| Change::Set { part, name: name.clone(), to: to.clone() };
            // Where temporary files are is a matter of each end.
            let own = name == "scratch";
            let changes = if own { same.iter().map(|heard| set(Some(heard.part))).collect() } else { vec![set(None)] };
            Some((of, changes))
        }
        Remedy::Smaller(names) if smaller => Some((nothing(), shrunk(rubric, &group.parts[first.part], names)?)),
        Remedy::Smaller(_) => None,
    }
}

/// The folder that a part found its tool in, beside those that it has been told before.
fn found(part: &Part, ran: &Ran, at: usize) -> Option<Change> {
    let before = part.value("path").unwrap_or_default();
    let folders = ran.stdout.text.lines().filter_map(|line| line.strip_prefix("diag: found="));
    let fresh = |folder: &&str| part.looks_in(folder) && !before.split(':').any(|known| known == *folder);
    let folder = folders.map(str::trim_end).find(fresh)?;
    let to = if before.is_empty() { folder.to_owned() } else { format!("{before}:{folder}") };
    Some(Change::Set { part: Some(at), name: "path".to_owned(), to })
}

/// The value after the one that a parameter has, and of what the reason was.
fn next(rubric: &Rubric, name: &str, now: &str) -> Option<(String, String)> {
    let parameter = rubric.repairs.params.get(name)?;
    if parameter.one_of.is_empty() {
        let to = now.parse::<i64>().ok()?.checked_add(STEP)?.to_string();
        return grammar::check(parameter, &to).ok().map(|to| (String::new(), to));
    }
    let at = parameter.one_of.iter().position(|value| value == now)?;
    parameter.one_of.get(at + 1).map(|to| (format!("{name} {now}").trim_end().to_owned(), to.clone()))
}

/// A share of each of these, where the test has them all and at least one can be less.
fn shrunk(rubric: &Rubric, part: &Part, names: &[String]) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    for name in names {
        let parameter = rubric.repairs.params.get(name)?;
        let now = part.value(name)?;
        let to = less(now)?;
        if let Ok(to) = grammar::check(parameter, &to).or_else(|_| parameter.min.map(|min| min.to_string()).ok_or(())) {
            changes.extend((to != now).then(|| Change::Set { part: None, name: name.clone(), to }));
        }
    }
    let smaller = Change::Set { part: None, name: "smaller".to_owned(), to: "1".to_owned() };
    (!changes.is_empty()).then(|| changes.into_iter().chain([smaller]).collect())
}

/// A share of a number or size, in the form that it has.
fn less(now: &str) -> Option<String> {
    let bytes = grammar::bytes(now)? / SHARE;
    // A plain number stays plain.
    let units = if now.ends_with(|c: char| c.is_ascii_digit()) { &[][..] } else { &[("G", 30), ("M", 20), ("K", 10)] };
    let unit = units.iter().find(|(_, shift)| bytes > 0 && bytes.is_multiple_of(1 << shift));
    Some(unit.map_or_else(|| bytes.max(1).to_string(), |(unit, shift)| format!("{}{unit}", bytes >> shift)))
}

/// What is the matter, where, and what is done about it.
fn sentence(part: &Part, heard: &Heard<'_>, changes: &[Change]) -> String {
    let place = match &part.target {
        Target::Here => "here".to_owned(),
        Target::Node(node) => node.to_string(),
    };
    let mut words: Vec<String> = changes.iter().filter_map(|change| in_words(part, change)).collect();
    words.dedup();
    format!("{place}: {} ({}): run again {}", heard.reason.what, heard.line, words.join(", "))
}

fn in_words(part: &Part, change: &Change) -> Option<String> {
    Some(match change {
        Change::Wait(seconds) => format!("in {seconds} s"),
        Change::Plain => "with a plain sh".to_owned(),
        Change::Set { name, .. } if name == "smaller" => return None,
        Change::Set { name, to, .. } if name == "path" => format!("with {} in the path", to.rsplit(':').next()?),
        Change::Set { name, to, .. } if name == "scratch" => format!("with temporary files in {to}"),
        Change::Set { name, to, .. } => format!("with {name} {to}, not {}", part.value(name).unwrap_or_default()),
    })
}

/// Puts what came of some groups in the place of what came of them before.
pub fn merge(task: &Task, rans: &mut [Ran], groups: &[usize], again: Vec<Ran>) {
    let mut again = again.into_iter();
    for at in groups {
        let from: usize = task.groups.iter().take(*at).map(|group| group.parts.len()).sum();
        let parts = task.groups.get(*at).map_or(0, |group| group.parts.len());
        for place in rans.iter_mut().skip(from).take(parts) {
            if let Some(ran) = again.next() {
                *place = ran;
            }
        }
    }
}
