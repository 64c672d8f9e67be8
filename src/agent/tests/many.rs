//! A fix on several nodes, and several findings.

use super::*;

/// Three nodes with an error each; a fix that fails on some of them, or cannot reach them.
struct Many {
    errors: Mutex<BTreeMap<String, i64>>,
    /// How `fix-mend` ends on a node where it does not go well.
    bad: BTreeMap<&'static str, End>,
    /// Nodes on which it is done and does not help.
    useless: Vec<&'static str>,
    ran: Mutex<Vec<String>>,
}

const NODES: [&str; 3] = ["gpu-17", "gpu-18", "gpu-19"];

impl Many {
    fn new(bad: &[(&'static str, End)], useless: &[&'static str]) -> Self {
        let errors = NODES.iter().map(|node| ((*node).to_owned(), 3)).collect();
        Self {
            errors: Mutex::new(errors),
            bad: bad.iter().cloned().collect(),
            useless: useless.to_vec(),
            ran: Mutex::default(),
        }
    }

    /// The nodes on which a task was run, in order.
    fn on(&self, id: &str) -> Vec<String> {
        let ran = self.ran.lock().unwrap();
        ran.iter().filter_map(|line| line.strip_prefix(&format!("{id} ")).map(str::to_owned)).collect()
    }

    fn say(&self, id: &str, part: &Part) -> Ran {
        let name = part.target.to_string();
        self.ran.lock().unwrap().push(format!("{id} {name}"));
        let mut ran = Ran::without_output(part.target.clone(), End::Exit(0));
        let mut errors = self.errors.lock().unwrap();
        match (&part.work.what, id) {
            (What::Script(_), _) => ran.stdout.text = format!("diag: errors={}\n", errors[&name]),
            (What::Argv(argv), _) if argv[0] == "sinfo" => {
                ran.stdout.text = NODES.iter().map(|node| format!("{node}|idle|gpu\n")).collect();
            }
            (_, id) if id.starts_with("fix-mend") => match self.bad.get(name.as_str()) {
                Some(end) => ran.end = end.clone(),
                None if self.useless.contains(&name.as_str()) => {}
                None => drop(errors.insert(name, 0)),
            },
            _ => {}
        }
        ran
    }
}

impl Executor for Many {
    fn name(&self) -> &'static str {
        "stage"
    }

    fn run<'a>(&'a self, task: &'a Approved<Task>, _: &'a CancellationToken, _: &'a dyn Watch) -> Later<'a, Vec<Ran>> {
        let parts = task.groups.iter().flat_map(|group| &group.parts);
        let rans = parts.map(|part| self.say(&task.id, part)).collect();
        Box::pin(std::future::ready(rans))
    }
}

/// The plan of one node on all three; the fix has two commands.
fn on_all() -> Plan {
    let mut plan = mend();
    for step in &mut plan.steps {
        step.nodes = NODES.iter().map(|node| node.parse().unwrap()).collect();
        for task in &mut step.tasks {
            let part = task.groups[0].parts[0].clone();
            let on = |node: &&str| Part { target: Target::Node(node.parse().unwrap()), ..part.clone() };
            task.groups = NODES.iter().map(|node| Group { parts: vec![on(node)] }).collect();
        }
        if step.id == "fix-mend" {
            let second = Task { id: "fix-mend-2".into(), ..step.tasks[0].clone() };
            step.tasks.push(second);
        }
    }
    plan
}

fn ends(folder: &Path, cluster: &dyn Executor, plans: Vec<Plan>) -> Ending {
    let journal = Journal::open(folder).unwrap();
    let mut person = Person::new(plans[0].clone(), None);
    person.more = plans[1..].to_vec();
    let mut driver = Driver::open(journal, began(Some(Risk::Reversible)), cluster, None, &mut person).unwrap();
    let ending = driver.run(&mut person).unwrap();
    let told = replay(&lines(folder)).unwrap();
    assert!(told.iter().all(|line| line.fits), "{told:#?}");
    ending
}

#[test]
fn a_fix_is_taken_back_only_where_it_was_done_and_did_not_help() {
    let folder = tempfile::tempdir().unwrap();
    let bad = [("gpu-18", End::Exit(1)), ("gpu-19", End::Unreachable("dead".into()))];
    let cluster = Many::new(&bad, &[]);
    let ending = ends(folder.path(), &cluster, vec![on_all()]);
    assert!(matches!(&ending, Ending::NotFixed { why, .. } if why.contains("gpu-18")), "{ending:?}");
    assert_eq!(cluster.on("undo-mend"), ["gpu-18"], "it went well on 17, and did nothing on 19");
    assert_eq!(cluster.on("fix-mend-2"), ["gpu-17"], "after a command that failed no other is run");
    assert_eq!(cluster.on("verify-mend-count"), NODES);
}

#[test]
fn where_the_test_passes_what_was_done_stays() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Many::new(&[], &["gpu-19"]);
    let ending = ends(folder.path(), &cluster, vec![on_all()]);
    assert!(matches!(&ending, Ending::NotFixed { why, .. } if why.contains("gpu-19: errors is 3")), "{ending:?}");
    assert_eq!(cluster.on("undo-mend"), ["gpu-19"]);
    assert_eq!(cluster.errors.lock().unwrap()["gpu-17"], 0);
}

#[test]
fn where_it_helps_nowhere_it_is_taken_back_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Many::new(&[], &NODES);
    ends(folder.path(), &cluster, vec![on_all()]);
    assert_eq!(cluster.on("undo-mend"), NODES);
    let folder = tempfile::tempdir().unwrap();
    let cluster = Many::new(&NODES.map(|node| (node, End::TimedOut)), &[]);
    ends(folder.path(), &cluster, vec![on_all()]);
    assert_eq!((cluster.on("undo-mend"), cluster.on("verify-mend-count")), (NODES.map(str::to_owned).to_vec(), vec![]));
}

fn second(confidence: Confidence) -> Plan {
    let mut plan = mend();
    plan.subject.cause = "other-cause".into();
    plan.subject.confidence = confidence;
    plan
}

#[test]
fn two_findings_that_stand_are_worked_on_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Many::new(&[("gpu-17", End::Exit(1))], &[]);
    let one = |plan: &Plan| {
        // Both are about gpu-17, and have steps of the same names.
        let mut plan = plan.clone();
        plan.steps.iter_mut().for_each(|step| {
            step.tasks.iter_mut().for_each(|task| {
                task.groups[0].parts[0].target = Target::Node(node());
            })
        });
        plan
    };
    let plans = vec![one(&mend()), one(&second(Confidence::Likely))];
    let ending = ends(folder.path(), &cluster, plans.clone());
    let Ending::Each { of } = &ending else { panic!("{ending:?}") };
    assert_eq!(of.iter().map(|one| one.cause.as_str()).collect::<Vec<_>>(), ["some-cause", "other-cause"]);
    assert!(of.iter().all(|one| matches!(one.ending, Ending::NotFixed { .. })) && !ending.is_well(), "{ending:?}");
    assert_eq!(cluster.on("fix-mend").len(), 2, "each of them");
    let case = Case::of(&lines(folder.path())).unwrap();
    let ticket = handover::ticket(&case, "case");
    assert!(ticket.contains("`some-cause`") && ticket.contains("`other-cause`"), "{ticket}");
    // Whoever resumes finds the same, and nothing is run again.
    let again = ends(folder.path(), &cluster, plans);
    assert_eq!((again, cluster.on("fix-mend").len()), (ending, 2));
    let folder = tempfile::tempdir().unwrap();
    let cluster = Many::new(&[], &[]);
    let ending = ends(folder.path(), &cluster, vec![one(&mend()), one(&second(Confidence::Possible))]);
    assert!(matches!(ending, Ending::Fixed { .. }), "what is only possible is left alone: {ending:?}");
}

/// Killed between any two lines of two findings' journal, it ends as it would have.
#[test]
fn two_findings_killed_at_any_line_go_on_and_repeat_nothing() {
    let plans = || vec![mend(), second(Confidence::Confirmed)];
    let folder = tempfile::tempdir().unwrap();
    let whole = ends(folder.path(), &Cluster::new(false), plans());
    let count = lines(folder.path()).len();
    for kept in 1..count {
        let again = tempfile::tempdir().unwrap();
        copy(folder.path(), again.path(), kept, 0);
        let begun = |lines: Vec<Line>| {
            let fixes = lines.iter().filter(|line| {
                matches!(entry(line).unwrap(), Entry::Intent { step, .. } if step == "fix-mend" || step == "undo-mend")
            });
            fixes.count()
        };
        let before = begun(lines(again.path()));
        let cluster = Cluster::new(false);
        let ending = ends(again.path(), &cluster, plans());
        assert_eq!(std::mem::discriminant(&ending), std::mem::discriminant(&whole), "after {kept} lines");
        let ran = cluster.count("fix-mend") + cluster.count("undo-mend");
        assert_eq!(before + ran, 4, "after {kept} lines");
    }
}
