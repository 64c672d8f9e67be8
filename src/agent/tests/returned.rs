//! A node that a case took out of service is mended by somebody, and somebody comes back.

use super::*;

/// What the controller says of the node: its state and by which mark it is kept off.
struct Controller {
    state: &'static str,
    mark: String,
    /// The test counts this many errors.
    errors: i64,
    /// What gives it back ends so.
    gives: End,
    ran: Vec<String>,
}

/// A cluster of one node whose controller keeps books as Slurm does.
struct Books(Mutex<Controller>);

const MARK: &str = "2026-05-04T03:12:41|diag:some-cause";

impl Books {
    fn new() -> Self {
        let (state, mark, gives) = ("idle", String::new(), End::Exit(0));
        Self(Mutex::new(Controller { state, mark, errors: 3, gives, ran: Vec::new() }))
    }

    fn with<T>(&self, change: impl FnOnce(&mut Controller) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    fn ran(&self) -> Vec<String> {
        self.with(|books| std::mem::take(&mut books.ran))
    }
}

impl Controller {
    fn say(&mut self, id: &str, part: &Part) -> Ran {
        let mut ran = Ran::without_output(part.target.clone(), End::Exit(0));
        let out = &mut ran.stdout.text;
        let kept = part.work.env.get("DIAG_KEPT");
        match (id, &part.work.what) {
            ("ask-scheduler", What::Argv(argv)) if argv[0] == "sinfo" => {
                let others: String = (1..10).map(|n| format!("gpu-9{n}|idle|gpu\n")).collect();
                *out = format!("{NODE}|{}|gpu\n{others}", self.state);
            }
            ("ask-scheduler", _) => {}
            (_, What::Script(_)) if part.target != Target::Here => *out = format!("diag: errors={}\n", self.errors),
            (_, _) if kept.is_none() && self.state == "idle" => {
                (self.state, self.mark) = ("drained", MARK.to_owned());
                *out = format!("diag: kept={MARK}\n");
            }
            (_, _) if kept.is_none() => *out = "it is kept off already, which stays as it is\n".to_owned(),
            _ if self.state == "idle" => {}
            _ if kept == Some(&self.mark) && self.gives == End::Exit(0) => self.state = "idle",
            _ => ran.end = if self.gives == End::Exit(0) { End::Exit(1) } else { self.gives.clone() },
        }
        ran
    }
}

impl Executor for Books {
    fn name(&self) -> &'static str {
        "books"
    }

    fn run<'a>(&'a self, task: &'a Approved<Task>, _: &'a CancellationToken, _: &'a dyn Watch) -> Later<'a, Vec<Ran>> {
        let parts = task.groups.iter().flat_map(|group| &group.parts);
        let rans = self.with(|books| {
            books.ran.push(task.id.clone());
            parts.map(|part| books.say(&task.id, part)).collect()
        });
        Box::pin(std::future::ready(rans))
    }
}

/// A test, a drain, its undoing, the test again, the return, and the drain again; as the planner lays them out.
fn kept_off(tests: bool) -> Plan {
    let mut plan = plan("true", "true", Risk::Reversible, Aim::Contain);
    let confirm = plan.steps[0].clone();
    let own = |stage, id: &str, after: &str, text: &str, kept: bool| {
        let mut task = task(id, Risk::Reversible, Target::Here, What::Script(Script::sh(text)));
        let env = &mut task.groups[0].parts[0].work.env;
        env.extend([("DIAG_NODE".to_owned(), NODE.to_owned()), ("DIAG_CAUSE".to_owned(), "some-cause".to_owned())]);
        env.extend(kept.then(|| ("DIAG_KEPT".to_owned(), String::new())));
        let after = (!after.is_empty()).then_some(after);
        Step { aim: Aim::Contain, ..step(stage, "mend", after, task) }
    };
    let (off, back) = ("scontrol update NodeName=\"$DIAG_NODE\" State=DRAIN", "scontrol update State=RESUME");
    let again = Step {
        id: "verify-mend-count".into(),
        stage: Stage::Verify,
        after: Some("fix-mend".into()),
        ..confirm.clone()
    };
    plan.steps =
        vec![own(Stage::Fix, "fix-mend", "", off, false), own(Stage::Undo, "undo-mend", "fix-mend", back, true)];
    if tests {
        plan.steps.insert(0, confirm);
        plan.steps.push(again);
        plan.steps.push(own(Stage::Return, "return-mend", "fix-mend", back, true));
        plan.steps.push(own(Stage::Undo, "undo-return-mend", "return-mend", off, false));
    }
    plan
}

fn go_on(folder: &Path, books: &Books, approve: Option<Risk>) -> Ending {
    let mut person = Person::new(kept_off(true), None);
    let mut driver = Driver::open(Journal::open(folder).unwrap(), began(approve), books, None, &mut person).unwrap();
    let ending = driver.run(&mut person).unwrap();
    let told = replay(&lines(folder)).unwrap();
    assert!(told.iter().all(|line| line.fits), "{told:#?}");
    ending
}

const YES: Option<Risk> = Some(Risk::Reversible);

/// A case that ended with its node kept off.
fn contained() -> (tempfile::TempDir, Books) {
    let (folder, books) = (tempfile::tempdir().unwrap(), Books::new());
    let ending = go_on(folder.path(), &books, YES);
    assert!(matches!(&ending, Ending::Contained { .. }), "{ending:?}");
    assert_eq!(books.ran(), ["confirm-count", "ask-scheduler", "fix-mend", "ask-scheduler"]);
    (folder, books)
}

#[test]
fn a_node_that_was_mended_is_given_back_and_that_is_proven() {
    let (folder, books) = contained();
    books.with(|books| books.errors = 0);
    let ending = go_on(folder.path(), &books, YES);
    assert!(matches!(&ending, Ending::Returned { why } if why.contains("count failed before")), "{ending:?}");
    assert_eq!(books.ran(), ["ask-scheduler", "confirm-count", "return-mend", "ask-scheduler"]);
    let ticket = handover::ticket(&Case::of(&lines(folder.path())).unwrap(), "case");
    assert!(ticket.contains("| errors on gpu-17 | 3 | 0 |") && ticket.contains("return-mend"), "{ticket}");
    let ending = go_on(folder.path(), &books, YES);
    assert!(matches!(&ending, Ending::Returned { .. }), "{ending:?}");
    assert!(!books.ran().contains(&"return-mend".to_owned()), "what is back is not given back again");
}

#[test]
fn a_node_that_still_fails_stays_off_and_is_tested_anew_each_time() {
    let (folder, books) = contained();
    for _ in 0..2 {
        let ending = go_on(folder.path(), &books, YES);
        assert!(matches!(&ending, Ending::Contained { why } if why.contains("count fails")), "{ending:?}");
        assert_eq!(books.ran(), ["ask-scheduler", "confirm-count"]);
    }
    books.with(|books| books.errors = 0);
    assert!(matches!(go_on(folder.path(), &books, YES), Ending::Returned { .. }));
}

#[test]
fn what_somebody_else_keeps_off_by_now_is_never_lifted() {
    let (folder, books) = contained();
    books.with(|books| (books.errors, books.mark) = (0, "2026-05-05T08:00:00|new cables".to_owned()));
    let ending = go_on(folder.path(), &books, YES);
    assert!(matches!(&ending, Ending::Contained { why } if why.contains("by hand: scontrol")), "{ending:?}");
    assert_eq!(books.with(|books| books.state), "drained");
}

#[test]
fn what_was_kept_off_before_is_not_this_cases_to_give_back() {
    let (folder, books) = (tempfile::tempdir().unwrap(), Books::new());
    books.with(|books| (books.state, books.mark) = ("drained", MARK.to_owned()));
    assert!(matches!(go_on(folder.path(), &books, YES), Ending::Contained { .. }));
    books.with(|books| books.errors = 0);
    books.ran();
    let ending = go_on(folder.path(), &books, YES);
    assert!(matches!(&ending, Ending::Contained { why } if why.contains("somebody else")), "{ending:?}");
    assert!(!books.ran().contains(&"return-mend".to_owned()));
}

#[test]
fn the_return_needs_a_yes_and_the_test_is_run_anew_before_it() {
    let (folder, books) = contained();
    books.with(|books| books.errors = 0);
    let ending = go_on(folder.path(), &books, None);
    assert!(matches!(&ending, Ending::Wants { steps } if steps[0].starts_with("return-mend")), "{ending:?}");
    books.with(|books| books.errors = 1);
    assert!(matches!(go_on(folder.path(), &books, YES), Ending::Contained { .. }), "it broke again while it waited");
    assert_eq!(books.with(|books| books.state), "drained");
}

#[test]
fn a_return_that_may_have_been_done_is_looked_at_and_taken_back_where_the_test_fails() {
    for broken in [false, true] {
        let (folder, books) = contained();
        books.with(|books| books.errors = 0);
        assert!(matches!(go_on(folder.path(), &books, YES), Ending::Returned { .. }));
        // diag was killed when the node had just been given back: nobody heard of it.
        let all = lines(folder.path());
        let gives = |line: &Line| matches!(entry(line).unwrap(), Entry::Intent { step, .. } if step == "return-mend");
        let intent = all.iter().position(gives).unwrap();
        let killed = tempfile::tempdir().unwrap();
        copy(folder.path(), killed.path(), intent + 1, 0);
        books.ran();
        books.with(|books| books.errors = i64::from(broken));
        let ending = go_on(killed.path(), &books, YES);
        let ran = books.ran();
        assert!(!ran.contains(&"return-mend".to_owned()), "{ran:?}");
        assert_eq!(ran.contains(&"undo-return-mend".to_owned()), broken, "{ran:?}");
        assert_eq!(matches!(ending, Ending::Contained { .. }), broken, "{ending:?}");
        assert_eq!(books.with(|books| books.state), if broken { "drained" } else { "idle" });
    }
}

#[test]
fn without_a_test_a_person_is_told_how_to_give_it_back() {
    let (folder, books) = (tempfile::tempdir().unwrap(), Books::new());
    let mut person = Person::new(kept_off(false), None);
    let mut go = || {
        let journal = Journal::open(folder.path()).unwrap();
        Driver::open(journal, began(YES), &books, None, &mut person).unwrap().run(&mut person).unwrap()
    };
    assert!(matches!(go(), Ending::Contained { .. }));
    let by_hand = "once it is, scontrol update NodeName=gpu-17 State=RESUME";
    let ending = go();
    assert!(matches!(&ending, Ending::Contained { why } if why.contains(by_hand)), "{ending:?}");
    assert_eq!(books.with(|books| books.state), "drained");
}
