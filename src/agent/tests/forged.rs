//! What a journal says that this diag would not do by itself.

use super::*;
use crate::agent::Manner;

/// A plan whose test is another script.
fn other() -> Plan {
    let mut plan = mend();
    let script = Script::sh("echo evil");
    plan.steps[0].tasks[0].groups[0].parts[0].work.what = What::Script(script);
    plan
}

fn is_read(entry: &Entry) -> bool {
    matches!(entry, Entry::Read { .. })
}

/// A case whose journal has this plan, as far as the entry that `until` names, and so many lines behind it.
fn left(plan: Plan, helps: bool, until: fn(&Entry) -> bool, more: usize) -> tempfile::TempDir {
    let whole = tempfile::tempdir().unwrap();
    work(whole.path(), &Cluster::new(helps), &mut Person::new(plan, None), Some(Risk::Reversible));
    let all = lines(whole.path());
    let last = all.iter().position(|line| until(&entry(line).unwrap())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    copy(whole.path(), folder.path(), last + 1 + more, 0);
    folder
}

fn manner(folder: &Path) -> Manner {
    Case::of(&lines(folder)).unwrap().began.unwrap().manner
}

#[test]
fn a_plan_that_only_a_journal_has_is_planned_anew_and_nothing_of_it_is_run() {
    let folder = left(other(), true, is_read, 0);
    // It says besides that what it wants is agreed to.
    let (mut journal, _) = Journal::open(folder.path()).unwrap();
    let digest = other().steps[0].digest();
    let consent =
        crate::policy::Consent { digest, who: "alice@desk".into(), until: i64::MAX, once: false, told_busy: true };
    journal.append("2027-01-15T08:00:00Z", &Entry::Agreed { step: "confirm-count".into(), consent }).unwrap();
    drop(journal);
    let cluster = Cluster::new(true);
    let ending = work(folder.path(), &cluster, &mut Person::new(mend(), None), Some(Risk::Reversible));
    assert!(matches!(ending, Ending::Fixed { .. }), "{ending:?}");
    let all = lines(folder.path());
    let plans = |line: &Line| match entry(line).unwrap() {
        Entry::Read { plans, .. } => Some(plans[0].steps[0].digest()),
        _ => None,
    };
    let read: Vec<String> = all.iter().filter_map(plans).collect();
    assert_eq!(read, [other().steps[0].digest(), mend().steps[0].digest()]);
    let ours = mend().steps[0].tasks[0].digest();
    let begun = |line: &Line| match entry(line).unwrap() {
        Entry::Intent { step, digest, .. } if step == "confirm-count" => Some(digest),
        _ => None,
    };
    assert_eq!(all.iter().filter_map(begun).collect::<Vec<_>>(), [ours]);
    assert!(replay(&all).unwrap().iter().all(|line| line.fits));
}

/// What the policy is told is compared as well: the same script, said to touch no node or to have more witnesses.
#[test]
fn what_a_journal_tells_the_policy_is_not_believed() {
    let mut nowhere = mend();
    nowhere.steps[1].nodes.clear();
    let mut sure = mend();
    sure.subject.witnesses.push(Witness::Node);
    let mut tame = mend();
    tame.steps[1].tasks[0].risk = Risk::Observe;
    for forged in [nowhere, sure, tame] {
        let folder = left(forged, true, is_read, 0);
        work(folder.path(), &Cluster::new(true), &mut Person::new(mend(), None), None);
        assert_eq!(manner(folder.path()), Manner::Afresh);
    }
    let folder = left(mend(), true, is_read, 0);
    work(folder.path(), &Cluster::new(true), &mut Person::new(mend(), None), None);
    assert_eq!(manner(folder.path()), Manner::GoOn, "what is planned so is gone on with");
}

/// Where something was changed it is not begun afresh: then what only the journal has is shown and asked for.
#[test]
fn after_a_change_what_only_a_journal_has_is_asked_for() {
    let undo = || {
        let mut plan = mend();
        plan.steps[3].tasks[0].groups[0].parts[0].work.what = argv("evil it");
        plan
    };
    // As far as the result of the fix.
    let case = || left(undo(), false, |entry| matches!(entry, Entry::Intent { step, .. } if step == "fix-mend"), 1);
    let folder = case();
    let done = Case::of(&lines(folder.path())).unwrap();
    assert!(done.works[0].done.contains_key("fix-mend") && !done.works[0].done.contains_key("undo-mend"));
    let cluster = Cluster::new(false);
    let mut person = Person::new(mend(), None);
    let ending = work(folder.path(), &cluster, &mut person, Some(Risk::Destructive));
    assert!(matches!(&ending, Ending::Wants { steps } if steps[0].contains("the journal has it")), "{ending:?}");
    assert_eq!((cluster.count("fix-mend"), cluster.count("undo-mend")), (0, 0));
    assert_eq!(*person.asked.borrow(), ["undo-mend"], "the tests are as they are planned");
    for (yes, ran) in [(false, 0), (true, 1)] {
        let (folder, cluster, mut person) = (case(), Cluster::new(false), Person::new(mend(), Some(yes)));
        let ending = work(folder.path(), &cluster, &mut person, Some(Risk::Destructive));
        assert!(matches!(ending, Ending::NotFixed { .. }), "{ending:?}");
        assert_eq!((cluster.count("undo-mend"), person.asked.borrow().len()), (ran, 1));
    }
}
