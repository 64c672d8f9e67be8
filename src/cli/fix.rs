//! `diag fix`, `diag resume`: diagnose, plan, ask, run, verify, until it is proven well or an honest stop.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::counsel::Counsellor;
use super::phase::Phase;
use super::plan::{self as planning, What};
use super::{EXIT_HEALTHY, EXIT_TROUBLE, approvals, transport};
use crate::agent::{Began, Counsel, Driver, Ending, Fact, Manner, Menu, World, handover, waiting};
use crate::breaker::Breaker;
use crate::case::{Collection, Draft, Journal, Pages, Standing, own_pages, pages, standing};
use crate::collect;
use crate::config::Config;
use crate::error::Error;
use crate::exec::Told;
use crate::plan::{Answers, Plan, Question, Step};
use crate::playbook::Library;
use crate::playbook::schema::Risk;
use crate::policy::Asked;
use crate::report::guard;
use crate::report::markdown::prose;
use crate::verdict::Outcome;
use crate::verify::Check;

/// What is worth typing.
const EXAMPLES: &str = "\
Examples:
  diag fix case-4242                       each step is shown, and asked for
  diag fix logs/ --approve load            tests under load need no question
  diag fix case-4242 --approve reversible --via slurm < /dev/null
  diag fix case-4242 --dry-run             the plan alone
  diag resume case-4242                    goes on where it ended; looks whether it stays quiet; tests a node that was kept off
                                           and mended since, and gives it back
  diag replay case-4242                    the journal, each move derived again

What was decided, begun and ended stands in CASE/journal.jsonl, and what to hand over in CASE/handover.md.
Exit codes: 0 well: fixed and proven, or nothing wrong; 1 not (yet) well; 2 diag itself failed.";

/// What to fix, and what may be done for it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    terms: Terms,
    /// The case folder for what is read and done; `case-` and the time, if left out. A case that is an input is used itself.
    #[arg(long, value_name = "DIR")]
    case: Option<PathBuf>,
    /// Shows the plan and runs nothing.
    #[arg(long)]
    dry_run: bool,
    /// Ask the model of `diag.toml` about what the rules leave open: it picks of what is offered, and agrees to nothing.
    #[arg(long)]
    brain: bool,
}

/// A case to go on with.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ResumeArgs {
    /// The case folder.
    #[arg(value_name = "CASE")]
    case: PathBuf,
    /// What the evidence does not tell: `hca=mlx5_3`.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    terms: Terms,
    /// The policy; without it /etc/diag/policy.toml, where that is there, or the built-in one.
    #[arg(long, value_name = "FILE", env = "DIAG_POLICY")]
    policy: Option<PathBuf>,
    /// Further playbooks.
    #[arg(long, value_name = "DIR", env = "DIAG_PLAYBOOKS")]
    playbooks: Option<PathBuf>,
    /// Further line formats (`*.toml`).
    #[arg(long, value_name = "DIR", env = "DIAG_FORMATS")]
    formats: Option<PathBuf>,
    /// No progress bar.
    #[arg(long, short)]
    quiet: bool,
    /// Ask the model of `diag.toml` about what the rules leave open, as in `diag fix`; what it was asked before it is not asked again.
    #[arg(long)]
    brain: bool,
}

/// What a person agrees to beforehand, and how nodes are reached.
#[derive(Debug, clap::Args)]
pub(super) struct Terms {
    /// Steps of up to this risk need no question in this run. Never: jobs of others (--on-busy), what can't be undone (--name).
    #[arg(long, value_enum, value_name = "LEVEL")]
    approve: Option<Level>,
    /// Go on although somebody's jobs run on the nodes.
    #[arg(long)]
    on_busy: bool,
    /// Names a fix that can't be undone: only then it is done, with --approve destructive.
    #[arg(long, value_name = "FIX")]
    name: Vec<String>,
    /// Touch no other nodes: `gpu-[17-18]`.
    #[arg(long, value_name = "SET")]
    nodes: Option<String>,
    #[command(flatten)]
    pub(super) how: transport::How,
    /// Most tasks that are run.
    #[arg(long, default_value_t = ROUNDS, value_name = "N")]
    rounds: usize,
    /// Most minutes that it may take.
    #[arg(long, default_value_t = MINUTES, value_name = "N")]
    minutes: u64,
    /// Most minutes of nodes that its tasks may take, all together: a test of 10 minutes on 64 nodes takes 640.
    #[arg(long, default_value_t = NODE_MINUTES, value_name = "N")]
    node_minutes: u64,
    /// Where the breaker counts the nodes that were taken from service; shared by all who use diag on this cluster.
    #[arg(long, value_name = "DIR", env = "DIAG_STATE")]
    state: Option<PathBuf>,
}

impl Terms {
    /// The nodes that may be touched; none: those of the plan.
    pub(super) fn nodes(&self) -> Result<Vec<String>, Error> {
        let nodes = self.nodes.as_deref().map(transport::nodes).transpose()?.unwrap_or_default();
        Ok(nodes.into_iter().map(String::from).collect())
    }

    /// Of whoever agrees to nothing beforehand.
    pub(super) fn bare(how: transport::How, nodes: Option<String>, state: Option<PathBuf>) -> Self {
        let (rounds, minutes, node_minutes) = (ROUNDS, MINUTES, NODE_MINUTES);
        let (approve, on_busy, name) = (None, false, Vec::new());
        Self { approve, on_busy, name, nodes, how, rounds, minutes, node_minutes, state }
    }
}

/// Most tasks that are run.
pub(super) const ROUNDS: usize = 40;

/// Most minutes of nodes that tasks may take.
pub(super) const NODE_MINUTES: u64 = 2000;

/// Most minutes that it may take.
const MINUTES: u64 = 120;

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Level {
    /// Looks only.
    Observe,
    /// Uses nodes.
    Load,
    /// Changes what can be changed back.
    Reversible,
    /// Ends or delays work.
    Disruptive,
    /// Loses something, if it is named as well.
    Destructive,
}

/// Fixes what is wrong.
pub(super) fn run(args: &Args, mut library: Library, config: &Config) -> Result<u8, Error> {
    super::add_playbooks(&mut library, args.what.playbooks.as_deref())?;
    let what = &What { who: args.terms.how.scheduler(), site: config.site(), ..args.what.clone() };
    if args.dry_run {
        return planning::show(what, &library);
    }
    let counsel = counsellor(args.brain, config, what)?;
    let root = case_folder(what, args.case.as_deref())?;
    let answers = planning::answers(&what.set)?;
    let inputs = absolute(&what.inputs);
    let nodes = args.terms.nodes()?;
    let evidence = Evidence { what, library: &library, root: &root, given: answers, how: &args.terms.how };
    let person = Person { evidence, counsel };
    let (terms, library, manner) = (&args.terms, &library, Manner::GoOn);
    work(&Job { what, terms, root: &root, inputs, nodes, library, site: config, manner }, person)
}

/// Goes on with a case.
pub(super) fn resume(args: &ResumeArgs, mut library: Library, config: &Config) -> Result<u8, Error> {
    super::add_playbooks(&mut library, args.playbooks.as_deref())?;
    let root = &args.case;
    let none = || {
        Error::new("journal.none", root.display().to_string(), "nothing was begun on this case")
            .with_way_on("`diag fix` begins")
    };
    let began = last_began(root)?.ok_or_else(none)?;
    let what = What {
        set: args.set.clone(),
        policy: args.policy.clone(),
        quiet: args.quiet,
        formats: args.formats.clone(),
        who: args.terms.how.scheduler(),
        ..again(root, &began, config)
    };
    let given = planning::answers(&args.set)?;
    let counsel = counsellor(args.brain, config, &what)?;
    let evidence = Evidence { what: &what, library: &library, root, given, how: &args.terms.how };
    let person = Person { evidence, counsel };
    let (terms, nodes, library, manner) = (&args.terms, args.terms.nodes()?, &library, Manner::GoOn);
    work(&Job { what: &what, terms, root, inputs: began.inputs, nodes, library, site: config, manner }, person)
}

/// What was looked at is looked at again.
pub(super) fn again(root: &Path, began: &Began, config: &Config) -> What {
    What {
        inputs: vec![root.display().to_string()],
        narrow: serde_json::from_value(began.narrow.clone()).unwrap_or_default(),
        set: Vec::new(),
        cause: began.cause.clone(),
        policy: None,
        quiet: false,
        playbooks: None,
        formats: None,
        who: began.scheduler.clone(),
        site: config.site(),
    }
}

/// The model that is asked, where a person wants that.
fn counsellor(wanted: bool, config: &Config, what: &What) -> Result<Option<Counsellor>, Error> {
    let Some(settings) = super::brain::wanted(wanted, config)? else { return Ok(None) };
    Ok(Some(Counsellor::new(settings, super::analyze::scanner(what.formats.as_deref())?)))
}

/// How the last run on a case began; `None` where there was none. Nobody goes on as somebody else says.
pub(super) fn last_began(root: &Path) -> Result<Option<Began>, Error> {
    let lines = own_pages(root)?.map(|pages| pages.lines).unwrap_or_default();
    Ok(lines.iter().rev().find_map(|line| match crate::agent::entry(line) {
        Ok(crate::agent::Entry::Began(began)) => Some(*began),
        _ => None,
    }))
}

/// What is to be worked on.
pub(super) struct Job<'a> {
    /// What it was planned from.
    pub(super) what: &'a What,
    /// What a person agrees to beforehand, and how nodes are reached.
    pub(super) terms: &'a Terms,
    /// The case folder.
    pub(super) root: &'a Path,
    /// What was named when the case was begun, as paths that hold everywhere.
    pub(super) inputs: Vec<String>,
    /// Only these nodes may be touched; none named: those of the plan.
    pub(super) nodes: Vec<String>,
    /// The playbooks.
    pub(super) library: &'a Library,
    /// The site's settings.
    pub(super) site: &'a Config,
    /// How it is gone about.
    pub(super) manner: Manner,
}

fn work(job: &Job<'_>, mut person: Person<'_>) -> Result<u8, Error> {
    let (case, ending) = carry_out(job, &mut person, &mut |_| {})?;
    let beside = super::past::beside(&case, job.terms.state.as_deref(), job.site);
    say(&[beside.iter().map(|line| format!("{line}\n")).collect::<String>() + &summary(&case, &ending, job.root)]);
    Ok(if ending.is_well() { EXIT_HEALTHY } else { EXIT_TROUBLE })
}

/// Works on a case to its end, and writes what to hand over; `stopper` gets what stops it.
pub(super) fn carry_out(
    job: &Job<'_>,
    world: &mut dyn World,
    stopper: &mut dyn FnMut(CancellationToken),
) -> Result<(crate::agent::Case, Ending), Error> {
    carry_on(job, Journal::open(job.root)?, world, stopper)
}

/// The same with a journal that is open already.
pub(super) fn carry_on(
    job: &Job<'_>,
    journal: (Journal, Pages),
    world: &mut dyn World,
    stopper: &mut dyn FnMut(CancellationToken),
) -> Result<(crate::agent::Case, Ending), Error> {
    let Job { what, terms, root, inputs, nodes, library, site, manner } = job;
    let policy = planning::policy(what.policy.as_deref())?;
    let breaker = Breaker::new(&state(terms.state.as_deref()), "taken", policy.limits.nodes_per_hour);
    let began = Began {
        diag: env!("CARGO_PKG_VERSION").to_owned(),
        who: world.who(),
        inputs: inputs.clone(),
        cause: what.cause.clone(),
        narrow: serde_json::to_value(&what.narrow).unwrap_or_default(),
        approve: terms.approve.map(Level::risk),
        on_busy: terms.on_busy,
        named: terms.name.clone(),
        nodes: nodes.clone(),
        how: terms.how.options(),
        scheduler: terms.how.scheduler(),
        brain: world.model(),
        rounds: terms.rounds,
        minutes: terms.minutes,
        node_minutes: terms.node_minutes,
        policy,
        manner: *manner,
    };
    let executor = transport::executor(&terms.how, true)?;
    let mut driver = Driver::open(journal, began, executor.as_ref(), Some(breaker), world)?;
    stopper(driver.stopper());
    let ending = driver.run(world)?;
    let case = driver.case();
    hand_over(case, root, &super::past::beside(case, terms.state.as_deref(), site))?;
    wait(case, root, terms.state.as_deref());
    super::past::enter(case, root, terms.state.as_deref(), library);
    Ok((case.clone(), ending))
}

/// Puts what waits for a yes in a case where people look for it.
pub(super) fn wait(case: &crate::agent::Case, root: &Path, told: Option<&Path>) {
    if let Err(error) = approvals::put_up(&state(told), root, case) {
        super::complain(&error);
    }
}

/// Writes what to hand over beside the journal, and what is known of the nodes besides.
pub(super) fn hand_over(case: &crate::agent::Case, root: &Path, beside: &[String]) -> Result<(), Error> {
    let mut page = handover::ticket(case, &root.display().to_string());
    if !beside.is_empty() {
        let lines: String = beside.iter().map(|line| format!("- {}\n", prose(line))).collect();
        page += &format!("\n## Known of the nodes besides (no evidence)\n\n{lines}");
    }
    write_page(root, &page).map(|_| ())
}

/// Writes a page that is handed over into a case; returns the file.
pub(super) fn write_page(root: &Path, page: &str) -> Result<PathBuf, Error> {
    let file = root.join("handover.md");
    std::fs::write(&file, guard::page(page))
        .map_err(|error| Error::new("case.unwritable", file.display().to_string(), error.to_string()))?;
    Ok(file)
}

/// What is said at the end: the tests side by side, the end, and where to go on.
pub(super) fn summary(case: &crate::agent::Case, ending: &Ending, root: &Path) -> String {
    let mut text = String::new();
    for view in case.each() {
        text += &table(&handover::readings(&view));
    }
    match ending {
        Ending::Each { of } => {
            let each = of.iter().map(|one| format!("{}: {}\n", one.cause, handover::ending(&one.ending)));
            text += &each.collect::<String>();
        }
        other => text += &format!("{}\n", handover::ending(other)),
    }
    if let Some(told) = &case.told() {
        text += &format!("{} says, and decides nothing:\n", told.model);
        let claims = told.claims.iter().map(|claim| format!("  {} [{}]\n", claim.text, claim.cites.join(", ")));
        text += &claims.collect::<String>();
    }
    let root = root.display();
    let last = match ending {
        Ending::Each { of } => of.iter().map(|one| &one.ending).find(|ending| !ending.is_well()).unwrap_or(ending),
        other => other,
    };
    match last {
        Ending::Wants { .. } => {
            text += &format!("next: diag resume {root} --approve LEVEL, or at a terminal, where it asks\n");
            let waits = waiting(case);
            text += &waits.iter().map(|one| format!("or:   diag approvals show {}\n", one.id)).collect::<String>();
        }
        Ending::Asks { .. } => text += &format!("next: diag resume {root} --set NAME=VALUE\n"),
        Ending::Fixed { quiet_s, .. } if *quiet_s > 0 => {
            text += &format!("next: diag resume {root}, after that time\n")
        }
        Ending::Contained { .. } => {
            text += &format!("next: diag resume {root}, once that is mended: tests it, and gives the node back\n");
        }
        _ => {}
    }
    text + &format!("case: {root} (journal.jsonl, handover.md)")
}

/// Most lines of tests that are told.
const LINES: usize = 24;

/// Tests before and after, side by side.
fn table(readings: &[(String, Option<Check>, Option<Check>)]) -> String {
    let tests = readings.iter().flat_map(|(name, before, after)| {
        let lines = handover::side_by_side(name, before.as_ref(), after.as_ref()).into_iter();
        lines
            .enumerate()
            .map(|(at, line)| (if at == 0 { line.what } else { format!("  {}", line.what) }, line.before, line.after))
    });
    let mut lines = vec![(String::new(), "before".to_owned(), "after".to_owned())];
    lines.extend(tests);
    if lines.len() == 1 {
        return String::new();
    }
    let more = lines.len().saturating_sub(LINES);
    lines.truncate(LINES);
    let again = lines.iter().skip(1).any(|line| !line.2.is_empty());
    let wide = |column: fn(&(String, String, String)) -> usize| lines.iter().map(column).max().unwrap_or(0);
    let (first, second) = (wide(|line| line.0.chars().count()), wide(|line| line.1.chars().count()));
    let mut text = String::from("\n");
    for (what, before, after) in &lines {
        let after = if again { after.as_str() } else { "" };
        text += format!("{what:<first$}  {before:<second$}  {after}").trim_end();
        text.push('\n');
    }
    let more = if more > 0 { format!("and {more} lines more: handover.md\n") } else { String::new() };
    text + &more + "\n"
}

/// The case to work on: an input that is one, or a new one with the bytes of all inputs.
pub(super) fn case_folder(what: &What, named: Option<&Path>) -> Result<PathBuf, Error> {
    if let ([only], None) = (what.inputs.as_slice(), named)
        && matches!(standing(Path::new(only)), Standing::Whole | Standing::Adding)
    {
        return Ok(PathBuf::from(only));
    }
    let now = jiff::Timestamp::now();
    let new = || PathBuf::from(format!("case-{}", now.strftime("%Y%m%dT%H%M%SZ")));
    let root = named.map_or_else(new, Path::to_owned);
    if pages(&root)?.is_some() {
        return Err(Error::new("case.begun", root.display().to_string(), "something was begun on this case already")
            .with_way_on("`diag resume` goes on with it"));
    }
    let collection = Collection {
        at: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        diag: env!("CARGO_PKG_VERSION").to_owned(),
        inputs: what.inputs.clone(),
        masked: Vec::new(),
    };
    let mut draft = Draft::begin(&root, collection)?;
    let gathered =
        super::progress::with(what.quiet, |meter| collect::gather(Vec::new(), &what.inputs, &mut draft, None, meter));
    match gathered {
        Ok(done) if done.files > 0 => draft.finish().map(|_| root),
        Ok(done) => {
            draft.give_up();
            let nothing = || Error::new("input.none", what.inputs.join(" "), "nothing to read here");
            Err(done.left_out.into_iter().next().unwrap_or_else(nothing))
        }
        Err(error) => {
            draft.give_up();
            Err(error)
        }
    }
}

/// Paths that hold wherever somebody goes on.
pub(super) fn absolute(inputs: &[String]) -> Vec<String> {
    let one =
        |input: &String| std::path::absolute(input).map_or_else(|_| input.clone(), |path| path.display().to_string());
    inputs.iter().map(one).collect()
}

/// Where diag keeps its state where this machine's root runs it.
pub(super) const SHARED: &str = "/var/lib/diag";

/// Where this user's state is kept.
pub(super) fn home() -> PathBuf {
    let state = std::env::var("XDG_STATE_HOME").map(PathBuf::from);
    let home = std::env::var("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    state.or(home).unwrap_or_else(|_| std::env::temp_dir()).join("diag")
}

/// Where state is kept (what the breaker counts, what watchers saw): as told, else where all of this machine can, else where this
/// user can.
pub(super) fn state(told: Option<&Path>) -> PathBuf {
    let shared = || {
        let probe = Path::new(SHARED).join("taken");
        std::fs::create_dir_all(&probe).is_ok().then(|| PathBuf::from(SHARED))
    };
    told.map(Path::to_owned).or_else(shared).unwrap_or_else(home)
}

impl Level {
    const fn risk(self) -> Risk {
        match self {
            Self::Observe => Risk::Observe,
            Self::Load => Risk::Load,
            Self::Reversible => Risk::Reversible,
            Self::Disruptive => Risk::Disruptive,
            Self::Destructive => Risk::Destructive,
        }
    }
}

/// The evidence of a case, read as often as is asked.
pub(super) struct Evidence<'a> {
    /// What it is planned from.
    pub(super) what: &'a What,
    /// The playbooks.
    pub(super) library: &'a Library,
    /// The case folder.
    pub(super) root: &'a Path,
    /// Answers of the command line.
    pub(super) given: Answers,
    /// How nodes are reached.
    pub(super) how: &'a transport::How,
}

impl Evidence<'_> {
    /// Reads it, and plans; `live`: what is new in the inputs as well.
    pub(super) fn read(&self, answers: &Answers, live: bool) -> Result<planning::Planned, Error> {
        let mut all = self.how.answers();
        all.extend(self.given.clone());
        all.extend(answers.clone());
        let inputs = if live { self.live()? } else { vec![self.root.display().to_string()] };
        let mut planned = planning::read_from(self.what, &inputs, self.library, &all)?;
        if let Some(folders) = &self.how.tools {
            let steps = planned.plans.iter_mut().flat_map(|plan| &mut plan.steps);
            let tests = steps.filter(|step| step.rubric.is_some());
            tests.flat_map(|step| &mut step.tasks).for_each(|task| task.look_in(folders));
        }
        Ok(planned)
    }

    /// The inputs as they were named when the case was begun, for a look at what is new in them.
    fn live(&self) -> Result<Vec<String>, Error> {
        let lines = pages(self.root)?.map(|pages| pages.lines).unwrap_or_default();
        let began = lines.iter().find_map(|line| match crate::agent::entry(line) {
            Ok(crate::agent::Entry::Began(began)) => Some(began.inputs),
            _ => None,
        });
        Ok(began.unwrap_or_else(|| vec![self.root.display().to_string()]))
    }
}

/// Who the person is, and on which machine.
pub(super) fn who() -> String {
    let user = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let plain = |text: &str| text.trim().chars().filter(|c| !c.is_control()).take(64).collect::<String>();
    format!("{}@{}", plain(&user.unwrap_or_else(|| "somebody".to_owned())), plain(&host))
}

/// The person at the terminal, the evidence, and the model that they want to be asked.
struct Person<'a> {
    evidence: Evidence<'a>,
    counsel: Option<Counsellor>,
}

impl World for Person<'_> {
    fn now(&self) -> i64 {
        jiff::Timestamp::now().as_second()
    }

    fn read(&mut self, answers: &Answers, live: bool) -> Result<(Outcome, String, Vec<Plan>), Error> {
        let planned = self.evidence.read(answers, live)?;
        let (outcome, headline) = (planned.report.outcome, planned.report.headline.clone());
        if let Some(counsel) = &mut self.counsel {
            counsel.seen = Some((planned.report, planned.table));
        }
        Ok((outcome, headline, planned.plans))
    }

    fn model(&self) -> Option<String> {
        self.counsel.as_ref().map(|counsel| counsel.settings.model.clone())
    }

    fn consult(&mut self, menu: &Menu, facts: &[Fact]) -> Result<Counsel, String> {
        // What was read in a run before is in the journal alone.
        if self.counsel.as_ref().is_some_and(|counsel| counsel.seen.is_none()) {
            self.read(&Answers::default(), false).map_err(|error| error.to_string())?;
        }
        self.counsel.as_mut().ok_or("no model is asked here")?.ask(menu, facts)
    }

    fn ask(&mut self, question: &Question) -> Option<String> {
        let offers =
            if question.offers.is_empty() { String::new() } else { format!(" [{}]", question.offers.join(", ")) };
        let answer = prompt(&format!("{}{offers}", question.what))?;
        (!answer.is_empty()).then_some(answer)
    }

    fn agree(&mut self, step: &Step, asked: &Asked) -> Option<bool> {
        put(step, asked)
    }

    fn tell(&mut self, what: &str) {
        say(&[what.to_owned()]);
    }

    fn watch(&mut self, title: &str, parts: usize) -> Box<dyn Told> {
        Box::new(Phase::new(title, parts, self.evidence.what.quiet))
    }

    fn who(&self) -> String {
        who()
    }
}

/// Puts a step to the person at the terminal, whole; `None`: nobody is there.
pub(super) fn put(step: &Step, asked: &Asked) -> Option<bool> {
    if !someone_is_there() {
        return None;
    }
    let mut lines = vec![String::new(), format!("{}: {}", step.id, step.title)];
    lines.extend(crate::plan::tell::shown(step).into_iter().map(|line| format!("  {line}")));
    lines.extend(asked.why.iter().map(|why| format!("  asked, because {why}")));
    lines.extend(asked.busy.iter().map(|(node, job)| format!("  {node} runs {job}")));
    say(&lines);
    let word = if asked.busy.is_empty() { "Do it?" } else { "Do it although these jobs run?" };
    let answer = prompt(&format!("{word} (yes/no)"))?;
    Some(is_yes(&answer))
}

/// Whether an answer is a yes.
pub(super) fn is_yes(answer: &str) -> bool {
    matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes")
}

pub(super) fn someone_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on the terminal; `None` where nobody is there.
pub(super) fn prompt(what: &str) -> Option<String> {
    if !someone_is_there() {
        return None;
    }
    let mut out = io::stderr().lock();
    let asked = write!(out, "{} ", guard::plain(what)).and_then(|()| out.flush());
    let mut line = String::new();
    let read = asked.and_then(|()| io::stdin().read_line(&mut line));
    read.ok().filter(|count| *count > 0).map(|_| line.trim().to_owned())
}

/// Lines for the person; a closed pipe is their choice.
pub(super) fn say(lines: &[String]) {
    let mut out = io::stdout().lock();
    for line in lines.iter().flat_map(|text| text.lines()) {
        let _ = writeln!(out, "{}", guard::plain(line));
    }
}
