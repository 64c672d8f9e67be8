//! Agreeing to what waits, and refusing it: by the loop of `diag fix`, whose person says yes to exactly what was shown.

use super::person::person;
use super::queue::{Item, Queue};
use super::{Args, now, tell};
use crate::agent::{Case, Ending, JOURNAL_ONLY, Manner, Waiting, World, waiting};
use crate::case::{Journal, Pages};
use crate::cli::fix::{self, Evidence, Job, Terms, prompt, say, someone_is_there};
use crate::cli::phase::Phase;
use crate::cli::plan::What;
use crate::cli::{EXIT_HEALTHY, EXIT_TROUBLE};
use crate::config::Config;
use crate::error::Error;
use crate::exec::Told;
use crate::plan::{Answers, Plan, Question, Step, differs};
use crate::playbook::Library;
use crate::policy::Asked;
use crate::report::words;
use crate::verdict::Outcome;

/// The playbooks and the settings.
pub(super) type Site<'a> = (&'a Library, &'a Config);

/// Longest reason of a refusal, in characters.
const LONGEST: usize = 500;

/// Does what waits, after looking at everything anew.
pub(super) fn approve(args: &Args, queue: &Queue, item: &Item, site: Site<'_>) -> Result<u8, Error> {
    let waiting = &item.waiting;
    if waiting.want.until <= now() {
        return Err(expired(item));
    }
    if !args.yes && !someone_is_there() {
        let error = Error::new("approvals.nobody", &waiting.id, "it is asked once more, and no terminal is there");
        return Err(error.with_way_on("--yes agrees without a further question"));
    }
    say(&[format!("{}: {}", waiting.id, waiting.step.title), format!("case: {}", item.case.display())]);
    // Of what the policy asks for it is asked when all is known; of the rest nobody would ask.
    if waiting.want.held && !args.yes && !prompt("Do it? (yes/no)").is_some_and(|word| fix::is_yes(&word)) {
        return Ok(EXIT_TROUBLE);
    }
    let said = if args.yes { Word::Yes { on_busy: args.on_busy } } else { Word::Ask };
    let (case, ending, person) = decide(args, item, site, said)?;
    let decided = person.decided || ran(waiting, &case);
    say(&if decided { let_go(item, queue) } else { unlike(waiting, &case, &person.why) });
    say(&[fix::summary(&case, &ending, &item.case)]);
    Ok(if ending.is_well() { EXIT_HEALTHY } else { EXIT_TROUBLE })
}

/// Whether what needs no yes was run as it was shown.
fn ran(waiting: &Waiting, case: &Case) -> bool {
    let (id, cause) = (&waiting.step.id, &waiting.subject.cause);
    let same = |view: &Case| {
        let plan = view.plan().filter(|plan| plan.subject.cause == *cause);
        let step = plan.and_then(|plan| plan.step(id));
        step.is_some_and(|step| step.digest() == waiting.want.digest) && view.work().done.contains_key(id)
    };
    waiting.want.held && case.each().iter().any(same)
}

/// Closes what waits: nothing is run, and the same is not put up again.
pub(super) fn refuse(args: &Args, queue: &Queue, item: &Item, site: Site<'_>) -> Result<u8, Error> {
    let because = args.because.as_deref().map(|text| text.chars().take(LONGEST).collect::<String>());
    let (case, _, person) = decide(args, item, site, Word::No { because })?;
    let mut lines = vec![format!("refused: {}", item.waiting.step.title)];
    if person.decided {
        lines.extend(let_go(item, queue));
    } else {
        lines = unlike(&item.waiting, &case, &person.why);
    }
    let next = waiting(&case);
    lines.extend(next.iter().map(|one| format!("what comes next waits as {}: {}", one.id, one.step.title)));
    lines.push(format!("case: {} (journal.jsonl, handover.md)", item.case.display()));
    say(&lines);
    Ok(EXIT_HEALTHY)
}

fn expired(item: &Item) -> Error {
    let until = tell::stamp(item.waiting.want.until);
    Error::new("approvals.expired", &item.waiting.id, format!("it waited until {until}: nothing was done"))
        .with_way_on(format!("diag resume {} looks again, and asks anew", item.case.display()))
}

/// Works on the case with the person's word, under the lock of its journal.
fn decide<'a>(
    args: &'a Args,
    item: &'a Item,
    (library, site): Site<'a>,
    said: Word,
) -> Result<(Case, Ending, PersonSaid), Error> {
    let root = &item.case;
    let journal = Journal::open(root)?;
    let began = still(item, &journal)?.began.ok_or_else(|| over(item))?;
    let what = What {
        policy: args.policy.clone(),
        formats: args.formats.clone(),
        quiet: args.quiet,
        who: args.how.scheduler(),
        ..fix::again(root, &began, site)
    };
    let manner = if matches!(said, Word::No { .. }) { Manner::Hold } else { Manner::Afresh };
    let terms = Terms::bare(args.how.clone(), args.nodes.clone(), args.state.clone());
    let evidence = Evidence { what: &what, library, root, given: Answers::default(), how: &args.how };
    // Those of the run before are the default of --nodes.
    let (inputs, nodes) = (began.inputs.clone(), terms.nodes()?);
    let noes = Case::of(&journal.1.lines)?.noes;
    let mut person =
        Approver { evidence, waiting: &item.waiting, said, noes, result: PersonSaid::default(), quiet: args.quiet };
    let job = Job { what: &what, terms: &terms, root, inputs, nodes, library, site, manner };
    let (case, ending) = fix::carry_on(&job, journal, &mut person, &mut |_| {})?;
    Ok((case, ending, person.result))
}

/// The case as it stands under the lock: somebody else may have decided, or changed it, since it was looked at.
fn still(item: &Item, (_, pages): &(Journal, Pages)) -> Result<Case, Error> {
    let case = Case::of(&pages.lines)?;
    let waits = waiting(&case).iter().any(|one| one.id == item.waiting.id && one.want == item.waiting.want);
    if waits { Ok(case) } else { Err(over(item)) }
}

fn over(item: &Item) -> Error {
    Error::new("approvals.none", &item.waiting.id, "somebody has decided on it meanwhile: it waits no more")
        .with_way_on(format!("diag replay {}", item.case.display()))
}

/// Why nobody was asked for what was agreed to.
fn unlike(waiting: &Waiting, case: &Case, why: &[String]) -> Vec<String> {
    let mut lines = vec![format!("NOT DONE: {}", waiting.step.title)];
    lines.extend(why.iter().map(|why| format!("  {why}")));
    let plans = case.read.iter().flat_map(|read| &read.plans);
    let plan = plans.into_iter().find(|plan| plan.subject.cause == waiting.subject.cause);
    let step = plan.and_then(|plan| plan.step(&waiting.step.id));
    match (plan, step) {
        (None, _) => lines.push(format!("  the evidence does not tell of {} any more", waiting.subject.cause)),
        (_, None) => lines.push("  the plan has no such step any more".to_owned()),
        (_, Some(step)) => {
            lines.extend(differs(&waiting.step, step).into_iter().map(|line| format!("  it has changed: {line}")));
        }
    }
    lines
}

/// Other cases in which the same waited wait no more.
fn let_go(item: &Item, queue: &Queue) -> Vec<String> {
    item.others.iter().for_each(|case| queue.let_go(case));
    let few = item.others.iter().take(1).map(|case| {
        let others = words::count(item.others.len() as u64, "other case");
        format!("the same of {others} waits no more: diag resume {} looks there again", case.display())
    });
    few.collect()
}

/// What a person says to the one step.
enum Word {
    /// Asked once more, when all is known.
    Ask,
    /// Yes; also to jobs that run there.
    Yes { on_busy: bool },
    /// No.
    No { because: Option<String> },
}

/// What came of it.
#[derive(Default)]
struct PersonSaid {
    /// Whether the step was put, and answered.
    decided: bool,
    /// Why it was not.
    why: Vec<String>,
}

/// A person who answers for exactly one step.
struct Approver<'a> {
    evidence: Evidence<'a>,
    waiting: &'a Waiting,
    said: Word,
    /// What somebody said no to before.
    noes: std::collections::BTreeSet<String>,
    result: PersonSaid,
    quiet: bool,
}

impl Approver<'_> {
    /// A yes or no to the step, as it stands now.
    fn answer(&mut self, step: &Step, asked: &Asked) -> Option<bool> {
        let new: Vec<String> = asked
            .busy
            .iter()
            .filter(|busy| !self.waiting.want.busy.contains(busy))
            .map(|(node, job)| format!("{node} runs {job}"))
            .collect();
        match &self.said {
            Word::No { .. } => Some(false),
            _ if asked.rule == JOURNAL_ONLY => {
                self.result.why.extend(asked.why.iter().cloned());
                self.result
                    .why
                    .push(format!("at a terminal it is asked: diag resume {}", self.evidence.root.display()));
                None
            }
            _ if asked.name => {
                let way =
                    format!("diag resume {} --approve destructive --name {}", self.evidence.root.display(), step.of);
                self.result.why.push(format!("it can't be undone, and has to be named: {way}"));
                None
            }
            Word::Yes { on_busy } if *on_busy || new.is_empty() => Some(true),
            Word::Yes { .. } => {
                self.result.why.extend(new);
                self.result.why.push("--on-busy agrees to that as well".to_owned());
                None
            }
            Word::Ask => fix::put(step, asked),
        }
    }
}

impl World for Approver<'_> {
    fn now(&self) -> i64 {
        now()
    }

    fn read(&mut self, answers: &Answers, live: bool) -> Result<(Outcome, String, Vec<Plan>), Error> {
        let planned = self.evidence.read(answers, live)?;
        Ok((planned.report.outcome, planned.report.headline, planned.plans))
    }

    fn ask(&mut self, _: &Question) -> Option<String> {
        None
    }

    fn agree(&mut self, step: &Step, asked: &Asked) -> Option<bool> {
        let digest = step.digest();
        if digest == self.waiting.want.digest && step.id == self.waiting.step.id {
            let answer = self.answer(step, asked);
            self.result.decided |= answer.is_some();
            return answer;
        }
        // What was refused before stays refused; nothing else is answered.
        self.noes.contains(&digest).then_some(false)
    }

    fn declines(&mut self, step: &Step) -> bool {
        let digest = step.digest();
        let now = matches!(self.said, Word::No { .. }) && digest == self.waiting.want.digest;
        self.result.decided |= now;
        now || self.noes.contains(&digest)
    }

    fn because(&self) -> String {
        match &self.said {
            Word::No { because: Some(text) } => text.clone(),
            _ => "a person said no".to_owned(),
        }
    }

    fn tell(&mut self, what: &str) {
        say(&[what.to_owned()]);
    }

    fn watch(&mut self, title: &str, parts: usize) -> Box<dyn Told> {
        Box::new(Phase::new(title, parts, self.quiet))
    }

    fn who(&self) -> String {
        person()
    }
}
