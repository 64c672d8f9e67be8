//! A thousand targets that do as they are told, to see that the fan-out loses none of them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use diag::exec::{End, FanOut, Job, Kept, Later, Limits, Ran, Told, Transport};
use diag::plan::Target;
use tokio_util::sync::CancellationToken;

use super::stage::{approved, node, run, script, task};

/// Behaves by the number in a node's name: 5 % are dead, 5 % slow, 1 % never come back, the rest is quick.
#[derive(Default)]
struct Scripted {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// What a node does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    Answers,
    IsDead,
    IsSlow,
    NeverComesBack,
}

fn does(target: &Target) -> Does {
    let Target::Node(name) = target else { return Does::Answers };
    match name.as_str()[1..].parse::<usize>().unwrap() % 100 {
        7 | 27 | 47 | 67 | 87 => Does::IsDead,
        3 | 23 | 43 | 63 | 83 => Does::IsSlow,
        11 => Does::NeverComesBack,
        _ => Does::Answers,
    }
}

impl Transport for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn overhead(&self) -> Duration {
        Duration::from_millis(500)
    }

    fn part<'a>(&'a self, job: Job<'a>) -> Later<'a, Ran> {
        Box::pin(async move {
            let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
            self.most.fetch_max(now, Ordering::Relaxed);
            job.told.began(job.index, &job.part.target);
            let (after, end) = match does(&job.part.target) {
                Does::Answers => (Duration::from_millis(5), End::Exit(0)),
                Does::IsDead => (Duration::from_millis(300), End::Unreachable("it is dead".to_owned())),
                Does::IsSlow => (job.part.work.timeout, End::TimedOut),
                Does::NeverComesBack => (Duration::from_secs(3600), End::Exit(0)),
            };
            let end = tokio::select! {
                () = tokio::time::sleep(after) => end,
                () = job.stop.cancelled() => End::Cancelled { begun: true },
            };
            self.now.fetch_sub(1, Ordering::Relaxed);
            let kept = Kept { text: "x".repeat(100), dropped: 0 };
            Ran { stdout: kept, ..Ran::without_output(job.part.target.clone(), end) }
        })
    }
}

fn parts(count: usize) -> diag::plan::Task {
    let part = |nth: usize| {
        let mut work = script("true");
        work.timeout = Duration::from_millis(400);
        vec![(node(&format!("n{nth}")), work)]
    };
    task((0..count).map(part).collect())
}

#[test]
fn a_thousand_targets_end_within_the_deadline_and_are_all_accounted_for() {
    let executor = FanOut::new(Scripted::default(), Limits { at_once: 64, ..Limits::default() });
    let began = Instant::now();
    let rans = run(&executor, parts(1000));
    // 110 parts take up to 0.9 s, 64 at a time, the rest next to nothing.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let targets: Vec<Target> = (0..1000).map(|nth| node(&format!("n{nth}"))).collect();
    assert_eq!(rans.iter().map(|ran| ran.target.clone()).collect::<Vec<_>>(), targets);
    let count = |wanted: fn(&End) -> bool| rans.iter().filter(|ran| wanted(&ran.end)).count();
    assert_eq!(count(|end| *end == End::Exit(0)), 890);
    assert_eq!(count(|end| matches!(end, End::Unreachable(_))), 50);
    assert_eq!(count(|end| *end == End::TimedOut), 50);
    assert_eq!(count(|end| matches!(end, End::Lost(_))), 10, "a transport that hangs holds nobody");
}

#[test]
fn a_stop_ends_a_thousand_targets_at_once() {
    let executor = FanOut::new(Scripted::default(), Limits { at_once: 32, ..Limits::default() });
    let stops = Stops { at: 100, begun: AtomicUsize::new(0), stop: CancellationToken::new() };
    let rans = diag::exec::run(&executor, &approved(parts(1000)), &stops.stop, &stops).unwrap();
    assert_eq!(rans.len(), 1000);
    let begun = rans.iter().filter(|ran| ran.end.may_have_acted()).count();
    let not = rans.iter().filter(|ran| ran.end == End::Cancelled { begun: false }).count();
    assert!(begun >= 90 && not > 500, "{begun} begun, {not} not");
}

/// Stops a run when so many parts have begun.
struct Stops {
    at: usize,
    begun: AtomicUsize,
    stop: CancellationToken,
}

impl Told for Stops {
    fn began(&self, _: usize, _: &Target) {
        if self.begun.fetch_add(1, Ordering::Relaxed) + 1 == self.at {
            self.stop.cancel();
        }
    }
}

/// Notes how many run at a time, in all and on one target.
#[derive(Default)]
struct Counting(std::sync::Mutex<(Vec<Target>, usize, usize)>);

impl Transport for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn overhead(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn part<'a>(&'a self, job: Job<'a>) -> Later<'a, Ran> {
        Box::pin(async move {
            {
                let (now, most, one) = &mut *self.0.lock().unwrap();
                now.push(job.part.target.clone());
                *most = (*most).max(now.len());
                let same = now.iter().filter(|target| **target == job.part.target).count();
                *one = (*one).max(same);
            }
            let passed = job.gate.pass().await;
            tokio::time::sleep(Duration::from_millis(2)).await;
            let now = &mut self.0.lock().unwrap().0;
            let at = now.iter().position(|target| *target == job.part.target).unwrap();
            now.remove(at);
            let end = passed.map_or_else(End::CannotRun, |()| End::Exit(0));
            Ran::without_output(job.part.target.clone(), end)
        })
    }
}

#[test]
fn limits_hold_whatever_the_groups() {
    let counting = Counting::default();
    let executor = FanOut::new(counting, Limits { at_once: 5, per_target: 1, output: 1 << 20 });
    let one = |nth: usize| (node(&format!("n{nth}")), script("true"));
    let groups = (0..200).map(|nth| match nth % 3 {
        0 => vec![one(nth % 7)],
        1 => vec![one(nth % 5), one(5 + nth % 5)],
        _ => vec![one(nth % 4), one(4 + nth % 4), one(8 + nth % 4)],
    });
    let rans = run(&executor, task(groups.collect()));
    assert!(rans.iter().all(|ran| ran.end == End::Exit(0)), "{rans:?}");
    let (now, most, one) = &*executor.transport().0.lock().unwrap();
    assert!(now.is_empty());
    assert!(*most <= 5 && *most >= 4, "{most} at a time");
    assert_eq!(*one, 1, "one at a time on each target");
    let targets: BTreeSet<_> = rans.iter().map(|ran| &ran.target).collect();
    assert_eq!(targets.len(), 12);
}
