//! A model beside the loop: it picks of what the rules leave open, and of nothing else.

use super::*;

type Says = dyn Fn(&Menu) -> Result<Vec<(usize, Option<i64>)>, String>;

/// A person who agrees to nothing by word, with a model that says this.
struct Advised<'a> {
    plans: Vec<Plan>,
    outcome: Outcome,
    says: &'a Says,
    asked: Vec<Topic>,
    told: RefCell<Vec<String>>,
}

impl World for Advised<'_> {
    fn now(&self) -> i64 {
        1_800_000_000
    }

    fn read(&mut self, _: &Answers, _: bool) -> Result<(Outcome, String, Vec<Plan>), Error> {
        Ok((self.outcome, "Some cause".into(), self.plans.clone()))
    }

    fn ask(&mut self, _: &Question) -> Option<String> {
        None
    }

    fn model(&self) -> Option<String> {
        Some("scripted".into())
    }

    fn consult(&mut self, menu: &Menu, _: &[Fact]) -> Result<Counsel, String> {
        self.asked.push(menu.topic.clone());
        let picks = (self.says)(menu)?;
        let picks: Option<Vec<Pick>> = picks.iter().map(|(at, number)| menu.pick(*at, *number)).collect();
        let picks = picks.ok_or("it picked what was not offered")?;
        Ok(Counsel { picks, claims: Vec::new(), cited: Vec::new() })
    }

    fn rest(&mut self, _: u64, _: &CancellationToken) {}

    fn agree(&mut self, _: &Step, _: &Asked) -> Option<bool> {
        None
    }

    fn tell(&mut self, what: &str) {
        self.told.borrow_mut().push(what.to_owned());
    }

    fn watch(&mut self, _: &str, _: usize) -> Box<dyn Watch> {
        Box::new(Nobody)
    }

    fn who(&self) -> String {
        "alice@desk".into()
    }
}

/// A plan for another cause, whose steps have names of their own.
fn of(cause: &str, confidence: Confidence) -> Plan {
    let mut plan = mend();
    plan.subject.cause = cause.into();
    plan.subject.confidence = confidence;
    for step in &mut plan.steps {
        step.id = step.id.replace("count", &format!("count-{cause}")).replace("mend", &format!("mend-{cause}"));
        step.of = step.of.replace("count", &format!("count-{cause}")).replace("mend", &format!("mend-{cause}"));
        step.after = step.after.as_ref().map(|after| after.replace("mend", &format!("mend-{cause}")));
        step.tasks.iter_mut().for_each(|task| task.id.clone_from(&step.id));
    }
    plan
}

fn possible(causes: &[&str]) -> Vec<Plan> {
    causes.iter().map(|cause| of(cause, Confidence::Possible)).collect()
}

fn advised<'a>(plans: Vec<Plan>, outcome: Outcome, says: &'a Says) -> Advised<'a> {
    Advised { plans, outcome, says, asked: Vec::new(), told: RefCell::default() }
}

fn go(folder: &Path, cluster: &Cluster, world: &mut Advised<'_>) -> Ending {
    let journal = Journal::open(folder).unwrap();
    let began = Began { brain: world.model(), ..began(Some(Risk::Destructive)) };
    Driver::open(journal, began, cluster, None, world).unwrap().run(world).unwrap()
}

/// The tests that were run before anything was done, in order.
fn confirmed(cluster: &Cluster) -> Vec<String> {
    let ran = cluster.ran.lock().unwrap();
    ran.iter().filter_map(|id| id.strip_prefix("confirm-count-").map(str::to_owned)).collect()
}

fn replays(folder: &Path) {
    let told = replay(&lines(folder)).unwrap();
    assert!(told.iter().all(|line| line.fits), "{told:#?}");
}

const ALL: [&str; 5] = ["a", "b", "c", "d", "e"];

#[test]
fn equally_possible_causes_are_tested_in_the_order_that_a_model_picks_and_replay_asks_nobody() {
    let says = |menu: &Menu| Ok(if menu.topic == Topic::Order { vec![(4, None), (2, None)] } else { vec![] });
    let (folder, cluster) = (tempfile::tempdir().unwrap(), Cluster::new(true));
    *cluster.errors.lock().unwrap() = 0;
    let mut world = advised(possible(&ALL), Outcome::Undetermined, &says);
    go(folder.path(), &cluster, &mut world);
    assert_eq!(confirmed(&cluster), ["e", "c", "a", "b"], "and no more than without it");
    assert_eq!(world.asked, [Topic::Order, Topic::Look, Topic::Summary]);
    replays(folder.path());
    // Without a model the rules' order, and no line about one.
    let (alone, cluster) = (tempfile::tempdir().unwrap(), Cluster::new(true));
    *cluster.errors.lock().unwrap() = 0;
    let journal = Journal::open(alone.path()).unwrap();
    let mut driver = Driver::open(journal, began(None), &cluster, None, &mut world).unwrap();
    driver.run(&mut world).unwrap();
    assert_eq!((confirmed(&cluster), world.asked.len()), (ALL[..4].iter().map(|it| (*it).to_owned()).collect(), 3));
}

#[test]
fn what_the_rules_decide_is_not_open() {
    let says = |menu: &Menu| -> Result<Vec<(usize, Option<i64>)>, String> { panic!("asked about {menu:?}") };
    let plans = || vec![of("a", Confidence::Confirmed), of("b", Confidence::Likely), of("c", Confidence::Likely)];
    let case = |plans: Vec<Plan>, outcome| {
        let mut case = Case::default();
        let began = Began { brain: Some("scripted".into()), ..began(None) };
        case.take(1, "2027-01-15T08:00:00Z", Entry::Began(Box::new(began)));
        case.take(2, "2027-01-15T08:00:01Z", Entry::Read { outcome, headline: String::new(), plans });
        case
    };
    let offered = |case: &Case| case.menu(&Topic::Order).map_or(0, |menu| menu.offers().len());
    assert_eq!(offered(&case(plans(), Outcome::Diagnosed)), 2, "the verdict stays the first");
    assert_eq!(offered(&case(plans()[..2].to_vec(), Outcome::Diagnosed)), 0, "the surer one comes first");
    assert_eq!(offered(&case(possible(&["a"]), Outcome::Undetermined)), 0);
    // One finding that is fixed: nothing is open but what is told of it.
    let (folder, cluster) = (tempfile::tempdir().unwrap(), Cluster::new(true));
    let sums = move |menu: &Menu| if menu.topic == Topic::Summary { Ok(vec![]) } else { says(menu) };
    let mut world = advised(vec![mend()], Outcome::Diagnosed, &sums);
    assert!(matches!(go(folder.path(), &cluster, &mut world), Ending::Fixed { .. }));
    assert_eq!(world.asked, [Topic::Summary]);
}

#[test]
fn what_is_looked_at_on_a_models_word_is_only_looked_at_whatever_was_approved() {
    let says = |menu: &Menu| Ok(if menu.topic == Topic::Look { vec![(0, None)] } else { vec![] });
    let (folder, cluster) = (tempfile::tempdir().unwrap(), Cluster::new(true));
    // The verdict's own test can't be run, so it ends without help; that of the other cause fails.
    let mut first = of("a", Confidence::Confirmed);
    first.steps.retain(|step| step.stage == Stage::Confirm);
    let mut world = advised(vec![first, of("b", Confidence::Possible)], Outcome::Diagnosed, &says);
    let ending = go(folder.path(), &cluster, &mut world);
    let Ending::Each { of } = &ending else { panic!("{ending:?}") };
    assert!(matches!(&of[1].ending, Ending::Hands { left } if left[0].contains("--cause b takes it")), "{ending:?}");
    assert_eq!(*cluster.ran.lock().unwrap(), ["confirm-count-a", "confirm-count-b"], "nothing was done");
    replays(folder.path());
    // Without a pick it ends as the rules end it.
    let (folder, cluster) = (tempfile::tempdir().unwrap(), Cluster::new(true));
    let none = |_: &Menu| Ok(vec![]);
    world.says = &none;
    assert!(matches!(go(folder.path(), &cluster, &mut world), Ending::Hands { .. }));
}

#[test]
fn a_model_that_fails_leaves_the_rules_order_and_is_asked_again_by_whoever_goes_on() {
    for says in [
        (&|_: &Menu| Err("it can't be reached".to_owned())) as &Says,
        &|_: &Menu| Ok(vec![(99, None)]),
        &|_: &Menu| Ok(vec![(0, Some(7))]),
        &|menu: &Menu| Ok((0..=menu.most).map(|_| (0, None)).collect()),
    ] {
        let (folder, cluster) = (tempfile::tempdir().unwrap(), Cluster::new(true));
        *cluster.errors.lock().unwrap() = 0;
        let mut world = advised(possible(&ALL), Outcome::Undetermined, says);
        go(folder.path(), &cluster, &mut world);
        assert_eq!(confirmed(&cluster), ALL[..4], "the rules' order");
        assert_eq!(world.asked, [Topic::Order], "asked once, and no more in this run");
        let told = world.told.borrow().iter().filter(|line| line.contains("the rules go on alone")).count();
        assert_eq!(told, 1);
        replays(folder.path());
    }
}

/// Killed between any two lines: what a model was asked and answered is not asked again, and it ends alike.
#[test]
fn killed_at_any_line_a_model_is_not_asked_again_for_what_is_in_the_journal() {
    let says = |menu: &Menu| Ok(if menu.topic == Topic::Order { vec![(2, None)] } else { vec![] });
    let (folder, cluster) = (tempfile::tempdir().unwrap(), Cluster::new(true));
    let mut world = advised(possible(&["a", "b", "c"]), Outcome::Undetermined, &says);
    let ending = go(folder.path(), &cluster, &mut world);
    let all = lines(folder.path());
    for kept in 2..all.len() {
        let again = tempfile::tempdir().unwrap();
        copy(folder.path(), again.path(), kept, 17);
        let kept = lines(again.path());
        let known: Vec<Topic> = kept
            .iter()
            .filter_map(|line| match entry(line).unwrap() {
                Entry::Advised { topic, .. } if topic != Topic::Summary => Some(topic),
                _ => None,
            })
            .collect();
        let cluster = Cluster::new(true);
        let mut world = advised(possible(&["a", "b", "c"]), Outcome::Undetermined, &says);
        let end = go(again.path(), &cluster, &mut world);
        assert!(!world.asked.iter().any(|topic| known.contains(topic)), "{known:?} {:?}", world.asked);
        assert_eq!(std::mem::discriminant(&end), std::mem::discriminant(&ending));
        replays(again.path());
    }
}

/// A line in a journal that picks what was never offered changes nothing, and replay says that it does not follow.
#[test]
fn a_forged_pick_means_nothing() {
    let read = Entry::Read { outcome: Outcome::Undetermined, headline: String::new(), plans: possible(&["a", "b"]) };
    let forged = |picks: serde_json::Value, topic: serde_json::Value| {
        let advised = serde_json::json!({"is": "advised", "topic": topic, "model": "m", "picks": picks, "said": ["b"]});
        let began = Began { brain: Some("m".into()), ..began(None) };
        let entries = [
            serde_json::to_value(Entry::Began(Box::new(began))).unwrap(),
            serde_json::to_value(&read).unwrap(),
            advised,
        ];
        let line = |(at, what): (usize, serde_json::Value)| Line {
            number: at as u64 + 1,
            at: "2027-01-15T08:00:00Z".into(),
            what,
        };
        entries.into_iter().enumerate().map(line).collect::<Vec<Line>>()
    };
    let order = serde_json::json!("order");
    let value = serde_json::json!({"value": {"cause": "a", "question": "node"}});
    for (picks, topic) in [
        (serde_json::json!([{"at": 7}]), order.clone()),
        (serde_json::json!([{"at": 0}, {"at": 0}]), order.clone()),
        (serde_json::json!([{"at": 0, "number": 3}]), order),
        (serde_json::json!([{"at": 0}]), value),
        (serde_json::json!([{"at": 0}]), serde_json::json!("summary")),
    ] {
        let journal = forged(picks.clone(), topic);
        assert!(!replay(&journal).unwrap()[2].fits, "{picks}");
        let case = Case::of(&journal).unwrap();
        let causes: Vec<&str> = case.todo().iter().map(|plan| plan.subject.cause.as_str()).collect();
        assert_eq!((causes, &case.answers), (vec!["a", "b"], &Answers::default()));
    }
}
