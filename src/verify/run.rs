//! One run of a test: what its ends say together, and what all runs of a step come to.

use serde::{Deserialize, Serialize};

use super::expect::{self, Judgement};
use super::reads::Readings;
use super::repair;
use crate::exec::{End, Ran};
use crate::plan::{Part, Step, Target, stage};
use crate::playbook::test::{Judged, Rubric};

/// What the ends of one run say together.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    /// What the run says.
    pub judgement: Judgement,
    /// The place of the end that says so.
    pub teller: usize,
    /// Places of those on which it could not be run, where that is known.
    pub mute: Vec<usize>,
    /// What each end read.
    pub seen: Vec<Seen>,
}

/// A reading of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Where.
    pub on: String,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Judges one run: who failed, else on whom it could not be run, else that all is well.
#[must_use]
pub fn run(rubric: &Rubric, parts: &[Part], rans: &[Ran]) -> Whole {
    let ends: Vec<(Judgement, &Ran)> = rans
        .iter()
        .zip(parts)
        .enumerate()
        .map(|(at, (ran, part))| {
            let end = (stage::role(rubric.shape, at), parts.len());
            let judgement = expect::judge(rubric, ran, &part.work.env, end);
            (judgement.unless_own(|| repair::own_reason(rubric, ran), &ran.end), ran)
        })
        .collect();
    let gone = |end: &End| !matches!(end, End::Exit(_) | End::Signal(_));
    let mute: Vec<usize> = (0..ends.len()).filter(|at| gone(&ends[*at].1.end)).collect();
    let worst = |wanted: Judged| ends.iter().position(|(judgement, _)| judgement.judged == wanted);
    // An end that waits for one that is not there, or that gave up for a reason of its own, has nothing to say.
    let own = ends.iter().position(|(judgement, ran)| {
        judgement.judged == Judged::CannotRun && repair::own_reason(rubric, ran).is_some()
    });
    let gone = || if mute.is_empty() { worst(Judged::Fail) } else { mute.first().copied() };
    let at = own.or_else(gone);
    let teller = at.or_else(|| worst(Judged::CannotRun)).unwrap_or(0);
    let (mut readings, mut seen) = (Readings::new(), Vec::new());
    for ((own, _), part) in ends.iter().zip(parts) {
        let told = own.readings.iter().map(|(name, value)| Seen {
            on: place(part),
            name: name.clone(),
            value: value.to_string(),
        });
        seen.extend(told);
        readings.extend(own.readings.clone());
    }
    let nothing = || Judgement::cannot("nothing came back".to_owned());
    let mut judgement = ends.into_iter().nth(teller).map_or_else(nothing, |(judgement, _)| judgement);
    if rans.len() < parts.len() {
        judgement = nothing();
    }
    Whole { judgement: Judgement { readings, ..judgement }, teller, mute, seen }
}

/// Where a part runs; of one that runs here about a node, that node.
fn place(part: &Part) -> String {
    match &part.target {
        Target::Here => part.work.env.get("DIAG_NODE").cloned().unwrap_or_else(|| "here".to_owned()),
        Target::Node(node) => node.to_string(),
    }
}

/// What came of all runs of a test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// The test.
    pub test: String,
    /// Whether it passed: it fails where one run does, and can't be run where one can't.
    pub judged: Judged,
    /// What was read.
    pub seen: Vec<Seen>,
    /// What failed, or why it could not be run; each with where.
    pub why: Vec<String>,
}

/// Each run of a step, judged, with its parts; `rans`: one a part, in order.
fn wholes<'s>(step: &'s Step, rans: &[Ran]) -> Vec<(Whole, &'s [Part])> {
    let Some(rubric) = &step.rubric else { return Vec::new() };
    let mut rest = rans;
    let mut wholes: Vec<(Whole, &[Part])> = Vec::new();
    for group in step.tasks.iter().flat_map(|task| &task.groups) {
        let (own, behind) = rest.split_at(group.parts.len().min(rest.len()));
        rest = behind;
        wholes.push((run(rubric, &group.parts, own), &group.parts));
    }
    let mut judgements: Vec<&mut Judgement> = wholes.iter_mut().map(|(whole, _)| &mut whole.judgement).collect();
    expect::relative(rubric, &mut judgements, &[]);
    wholes
}

/// Judges all runs of a step; `rans`: one a part, in order.
#[must_use]
pub fn check(step: &Step, rans: &[Ran]) -> Check {
    let mut all = Check { test: step.of.clone(), judged: Judged::CannotRun, seen: Vec::new(), why: Vec::new() };
    let wholes = wholes(step, rans);
    if wholes.is_empty() {
        all.why.push("nothing says what it must read".to_owned());
        return all;
    }
    // Pass < Fail < CannotRun: but one failure is one, whatever else could not be run.
    let of = |wanted: Judged| wholes.iter().any(|(whole, _)| whole.judgement.judged == wanted);
    all.judged = [Judged::Fail, Judged::CannotRun].into_iter().find(|judged| of(*judged)).unwrap_or(Judged::Pass);
    for wanted in [Judged::Fail, Judged::CannotRun] {
        for (whole, parts) in wholes.iter().filter(|(whole, _)| whole.judgement.judged == wanted) {
            let on = parts.get(whole.teller).map_or_else(String::new, place);
            all.why.extend(whole.judgement.why.iter().map(|why| format!("{on}: {why}")));
        }
    }
    all.seen = wholes.into_iter().flat_map(|(whole, _)| whole.seen).collect();
    all
}

/// Where a test comes out like this: all targets of the runs that do.
#[must_use]
pub fn places(step: &Step, rans: &[Ran], wanted: Judged) -> Vec<String> {
    let wholes = wholes(step, rans);
    let like = wholes.iter().filter(|(whole, _)| whole.judgement.judged == wanted);
    like.flat_map(|(_, parts)| parts.iter().map(place)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Access, Group, Script, Task, What, Work};
    use crate::playbook::schema::Risk;
    use crate::playbook::test::{Expectation, Prints, Read, Shape};
    use diag_parsers::Value;

    fn step(targets: usize) -> Step {
        let script = Script::sh("");
        let timeout = std::time::Duration::from_secs(1);
        let work = Work {
            what: What::Script(script),
            env: Default::default(),
            timeout,
            output_cap: 1,
            access: Access::default(),
        };
        let target = Target::Node("gpu-17".parse().unwrap());
        let groups =
            (0..targets).map(|_| Group { parts: vec![Part { target: target.clone(), work: work.clone() }] }).collect();
        let task = Task { id: "t".into(), title: "t".into(), risk: Risk::Observe, disturbs: String::new(), groups };
        let read = Read { about: String::new(), unit: String::new(), text: false, optional: false, by: None };
        let rule = Expectation { read: "errors".into(), equals: Some(Value::Int(0)), ..Expectation::default() };
        let rubric = Rubric {
            shape: Shape::One,
            prints: Prints::Lines,
            exit_tells: false,
            reads: [("errors".to_owned(), read)].into_iter().collect(),
            expect: vec![rule],
            repairs: crate::playbook::repair::Repairs::default(),
        };
        Step { rubric: Some(rubric), ..Step::alone(task) }
    }

    fn ran(end: End, out: &str) -> Ran {
        let mut ran = Ran::without_output(Target::Node("gpu-17".parse().unwrap()), end);
        ran.stdout.text = out.to_owned();
        ran
    }

    fn judged(end: End, out: &str) -> Judged {
        check(&step(1), &[ran(end, out)]).judged
    }

    #[test]
    fn a_test_that_can_not_run_is_an_error_and_never_failed() {
        assert_eq!(judged(End::Exit(0), "diag: errors=0\n"), Judged::Pass);
        assert_eq!(judged(End::Exit(0), "diag: errors=3\n"), Judged::Fail);
        for end in [
            End::Exit(127),
            End::Exit(1),
            End::Exit(77),
            End::Signal(9),
            End::TimedOut,
            End::Unreachable("x".into()),
            End::Refused("x".into()),
            End::CannotRun("x".into()),
            End::Lost("x".into()),
            End::Cancelled { begun: true },
        ] {
            for out in ["diag: errors=0\n", "diag: errors=3\n", ""] {
                assert_eq!(judged(end.clone(), out), Judged::CannotRun, "{end}: {out}");
            }
        }
        assert_eq!(judged(End::Exit(0), ""), Judged::CannotRun);
        assert_eq!(judged(End::Exit(0), "diag: errors=none\n"), Judged::CannotRun);
        assert_eq!(judged(End::Exit(0), "diag: errors=NaN\n"), Judged::CannotRun);
        assert_eq!(check(&step(0), &[]).judged, Judged::CannotRun);
        assert_eq!(check(&step(1), &[]).judged, Judged::CannotRun);
        let mut silent = step(1);
        silent.rubric.as_mut().unwrap().expect.clear();
        assert_eq!(check(&silent, &[ran(End::Exit(0), "diag: errors=0\n")]).judged, Judged::CannotRun);
    }

    #[test]
    fn what_runs_here_about_a_node_tells_of_that_node() {
        let mut step = step(2);
        for (group, node) in step.tasks[0].groups.iter_mut().zip(["gpu-17", "gpu-18"]) {
            group.parts[0].target = Target::Here;
            group.parts[0].work.env.insert("DIAG_NODE".into(), node.into());
        }
        let here = |errors| {
            let mut ran = Ran::without_output(Target::Here, End::Exit(0));
            ran.stdout.text = format!("diag: errors={errors}\n");
            ran
        };
        let rans = [here(0), here(2)];
        assert_eq!(check(&step, &rans).why, ["gpu-18: errors is 2, expected 0"]);
        assert_eq!(places(&step, &rans, Judged::Fail), ["gpu-18"]);
        assert_eq!(places(&step, &rans, Judged::Pass), ["gpu-17"]);
    }

    #[test]
    fn a_forged_pass_is_no_pass() {
        assert_eq!(judged(End::Exit(0), "printing a log:\ndiag: errors=0\ndiag: errors=3\n"), Judged::CannotRun);
        assert_eq!(judged(End::Exit(0), "diag: errors=3\ndiag: errors=0\n"), Judged::CannotRun);
        assert_eq!(judged(End::Exit(0), "diag: errors=0\ndiag: errors=0\n"), Judged::Pass, "the same twice");
        assert_eq!(judged(End::Exit(0), "x diag: errors=0\nsaid diag: errors=0\n"), Judged::CannotRun);
        assert_eq!(judged(End::Exit(0), "diag: errors=0\ndiag: passed=1\n"), Judged::CannotRun, "not declared");
        let mut noise = ran(End::Exit(0), "");
        noise.stderr.text = "diag: errors=0\n".into();
        assert_eq!(check(&step(1), &[noise]).judged, Judged::CannotRun, "stderr is no channel");
    }

    #[test]
    fn one_bad_node_of_many_fails_the_test_and_is_named() {
        let rans =
            [ran(End::Exit(0), "diag: errors=0\n"), ran(End::Exit(0), "diag: errors=7\n"), ran(End::TimedOut, "")];
        let check = check(&step(3), &rans);
        assert_eq!(check.judged, Judged::Fail);
        assert_eq!(check.why, ["gpu-17: errors is 7, expected 0", "gpu-17: timed out, killed"]);
    }
}
