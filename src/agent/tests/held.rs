//! What waits for a person: runs that run nothing, and a yes given later to what was wanted then.

use super::*;
use crate::agent::{Manner, Waiting, waiting};

/// A run of a manner, in which a person says this.
fn run(folder: &Path, cluster: &Cluster, person: &mut Person, manner: Manner) -> Ending {
    let began = Began { manner, ..began(None) };
    let mut driver = Driver::open(Journal::open(folder).unwrap(), began, cluster, None, person).unwrap();
    let ending = driver.run(person).unwrap();
    let told = replay(&lines(folder)).unwrap();
    assert!(told.iter().all(|line| line.fits), "{told:#?}");
    ending
}

fn waits(folder: &Path) -> Vec<Waiting> {
    waiting(&Case::of(&lines(folder)).unwrap())
}

#[test]
fn a_run_that_holds_runs_nothing_and_wants_what_would_come_next() {
    let (folder, cluster) = (tempfile::tempdir().unwrap(), Cluster::new(true));
    let mut person = Person::new(mend(), None);
    let ending = run(folder.path(), &cluster, &mut person, Manner::Hold);
    assert!(
        matches!(&ending, Ending::Wants { steps } if steps.len() == 1 && steps[0].starts_with("fix-mend")),
        "{ending:?}"
    );
    assert_eq!(*cluster.ran.lock().unwrap(), [] as [&str; 0]);
    let all = waits(folder.path());
    assert_eq!((all.len(), all[0].step.id.as_str(), all[0].before.len()), (1, "fix-mend", 1), "{all:?}");
    assert_eq!(all[0].want.until - all[0].want.since, 24 * 3600);
    // Whoever goes on finds the test not run yet.
    person.yes = Some(true);
    let ending = run(folder.path(), &cluster, &mut person, Manner::Afresh);
    assert!(matches!(ending, Ending::Fixed { .. }), "{ending:?}");
    assert_eq!(*cluster.ran.lock().unwrap(), ["confirm-count", "ask-scheduler", "fix-mend", "verify-mend-count"]);
    assert_eq!(waits(folder.path()), []);
}

#[test]
fn where_only_tests_are_known_these_are_what_waits() {
    let (folder, cluster) = (tempfile::tempdir().unwrap(), Cluster::new(true));
    let mut plan = mend();
    plan.steps.retain(|step| step.stage == Stage::Confirm);
    let mut person = Person::new(plan, None);
    let ending = run(folder.path(), &cluster, &mut person, Manner::Hold);
    assert!(matches!(ending, Ending::Wants { .. }), "{ending:?}");
    assert_eq!((waits(folder.path())[0].step.id.as_str(), cluster.ran.lock().unwrap().len()), ("confirm-count", 0));
    person.yes = Some(false);
    run(folder.path(), &cluster, &mut person, Manner::Hold);
    assert_eq!(
        (waits(folder.path()).len(), cluster.ran.lock().unwrap().len()),
        (0, 0),
        "a person may say no to a look"
    );
}

#[test]
fn what_is_looked_at_afresh_is_tested_again_unless_something_was_changed() {
    let (folder, cluster) = (tempfile::tempdir().unwrap(), Cluster::new(false));
    let mut person = Person::new(mend(), None);
    run(folder.path(), &cluster, &mut person, Manner::GoOn);
    assert_eq!(waits(folder.path())[0].step.id, "fix-mend");
    // Somebody mended it meanwhile.
    *cluster.errors.lock().unwrap() = 0;
    person.yes = Some(true);
    let ending = run(folder.path(), &cluster, &mut person, Manner::Afresh);
    assert!(matches!(ending, Ending::NotThere { .. }), "{ending:?}");
    assert_eq!((cluster.count("fix-mend"), cluster.count("confirm-count")), (0, 2));
    // What was changed stays known: it is not done a second time.
    *cluster.errors.lock().unwrap() = 3;
    assert!(matches!(run(folder.path(), &cluster, &mut person, Manner::Afresh), Ending::NotFixed { .. }));
    assert!(matches!(run(folder.path(), &cluster, &mut person, Manner::Afresh), Ending::NotFixed { .. }));
    assert_eq!((cluster.count("fix-mend"), cluster.count("undo-mend")), (1, 1));
}

#[test]
fn a_no_by_somebody_who_only_decides_runs_nothing_and_is_kept() {
    let (folder, cluster) = (tempfile::tempdir().unwrap(), Cluster::new(true));
    let mut person = Person::new(mend(), None);
    run(folder.path(), &cluster, &mut person, Manner::Hold);
    let digest = waits(folder.path())[0].want.digest.clone();
    person.yes = Some(false);
    run(folder.path(), &cluster, &mut person, Manner::Hold);
    assert_eq!(cluster.ran.lock().unwrap().len(), 0);
    let case = Case::of(&lines(folder.path())).unwrap();
    assert!(case.noes.contains(&digest));
    assert!(waits(folder.path()).iter().all(|one| one.step.id != "fix-mend"), "{:?}", waits(folder.path()));
}

#[test]
fn what_waits_is_known_by_what_it_does_and_where() {
    let wait = |plan: Plan| {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), &Cluster::new(true), &mut Person::new(plan, None), Manner::Hold);
        waits(folder.path()).remove(0).id
    };
    let one = wait(mend());
    assert_eq!(one, wait(mend()), "the same in another case");
    assert_ne!(one, wait(plan("mend else", "unmend it", Risk::Reversible, Aim::Repair)));
    let mut other = mend();
    other.subject.cause = "another".into();
    assert_ne!(one, wait(other));
    let mut other = mend();
    for part in other.steps.iter_mut().flat_map(|step| &mut step.tasks[0].groups[0].parts) {
        part.target = Target::Node("gpu-18".parse().unwrap());
    }
    assert_ne!(one, wait(other));
}

/// Of two findings the first was kept off, and the second waits: whoever says no to that has nothing asked about the first.
#[test]
fn where_nothing_is_run_the_scheduler_is_not_asked_either() {
    let (folder, cluster) = (tempfile::tempdir().unwrap(), Cluster::new(true));
    let drain = plan("scontrol update NodeName=gpu-17 State=DRAIN", "", Risk::Reversible, Aim::Contain);
    let mut other = plan("mend else", "unmend it", Risk::Disruptive, Aim::Repair);
    other.subject.cause = "other-cause".into();
    other.steps.retain(|step| step.stage == Stage::Fix);
    let mut person = Person::new(drain, None);
    person.more = vec![other];
    let ending = work(folder.path(), &cluster, &mut person, Some(Risk::Reversible));
    let ends = |ending: Ending| match ending {
        Ending::Each { of } => of.into_iter().map(|one| one.ending).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let before = ends(ending);
    assert!(matches!(before[..], [Ending::Contained { .. }, Ending::Wants { .. }]), "{before:?}");
    let ran = cluster.ran.lock().unwrap().len();
    person.yes = Some(false);
    let after = ends(run(folder.path(), &cluster, &mut person, Manner::Hold));
    assert!(matches!(after[..], [Ending::Contained { .. }, Ending::Hands { .. }]), "{after:?}");
    assert_eq!(cluster.ran.lock().unwrap().len(), ran);
}
