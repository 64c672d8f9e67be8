//! `diag test`: one test on nodes, or with it which of many is bad.

mod run;
mod sweep;
mod tell;

use std::io::Write as _;
use std::path::PathBuf;

use indexmap::IndexMap;
use tokio_util::sync::CancellationToken;

use super::{EXIT_HEALTHY, EXIT_TROUBLE, delivery, transport};
use crate::error::Error;
use crate::plan::{NodeName, stage};
use crate::playbook::Library;
use crate::playbook::schema::Risk;
use crate::playbook::test::{Shape, TestBook, check_value};
use crate::verify::book;

/// Most nodes of a switch.
const MOST: usize = 4096;

/// What to test, where and how to tell.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The test, or a sweep of it: `--list` names them.
    #[arg(required_unless_present = "list")]
    name: Option<String>,
    /// All tests and sweeps.
    #[arg(long)]
    list: bool,
    /// Nodes, as Slurm writes them: `gpu[001-128],gpu-17`.
    #[arg(long, value_name = "SET", required_unless_present = "list")]
    nodes: Option<String>,
    #[command(flatten)]
    how: transport::How,
    /// A parameter of the test.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Further playbooks, with tests of their own.
    #[arg(long, value_name = "DIR", env = "DIAG_PLAYBOOKS")]
    playbooks: Option<PathBuf>,
    /// Print what would run, and run nothing.
    #[arg(long)]
    dry_run: bool,
    /// Agree to the load that the test puts on these nodes.
    #[arg(long, short)]
    yes: bool,
    /// Agree to whatever risks no more than this.
    #[arg(long, value_enum, value_name = "RISK")]
    approve: Option<run::Level>,
    /// Go on also where somebody's job runs.
    #[arg(long)]
    on_busy: bool,
    /// The policy; without it /etc/diag/policy.toml, where that is there, or the built-in one.
    #[arg(long, value_name = "FILE", env = "DIAG_POLICY")]
    policy: Option<PathBuf>,
    /// Which nodes share a switch: a file as Slurm's topology.conf.
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,
    /// Draw the pairs of a sweep from this: the same answers then give the same rounds.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Nobody is there to be asked.
    #[arg(skip)]
    alone: bool,
    /// How to tell it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write to a file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For a terminal.
    Text,
    /// For programs.
    Json,
}

#[cfg(feature = "mcp")]
impl Args {
    /// A test that is run while nobody is there to be asked; nothing is agreed to.
    pub(super) const fn unattended(
        name: String,
        nodes: Option<String>,
        set: Vec<String>,
        how: transport::How,
        policy: Option<PathBuf>,
    ) -> Self {
        Self {
            name: Some(name),
            list: false,
            nodes,
            how,
            set,
            playbooks: None,
            dry_run: false,
            yes: false,
            approve: None,
            on_busy: false,
            policy,
            topology: None,
            seed: 1,
            alone: true,
            format: Format::Json,
            output: None,
        }
    }

    /// The name of the test.
    pub(super) fn named(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// The command that a person types for the same, at a terminal, where it asks.
    pub(super) fn typed(&self) -> String {
        let quoted = crate::report::words::quoted;
        let set: String = self.set.iter().map(|one| format!(" --set {}", quoted(one))).collect();
        let nodes = quoted(self.nodes.as_deref().unwrap_or_default());
        format!("diag test {} --nodes {nodes}{set}{}", quoted(self.named()), self.how.typed())
    }
}

/// Tests and tells.
pub(super) fn run(args: &Args, mut library: Library) -> Result<u8, Error> {
    super::add_playbooks(&mut library, args.playbooks.as_deref())?;
    if args.list {
        delivery::deliver(tell::list(&library.tests).as_bytes(), args.output.as_deref())?;
        return Ok(EXIT_HEALTHY);
    }
    let (told, well) = tested(args, &library, &CancellationToken::new())?;
    delivery::deliver(told.as_bytes(), args.output.as_deref())?;
    Ok(if well { EXIT_HEALTHY } else { EXIT_TROUBLE })
}

/// Tests, until somebody stops it; what is told of it, and whether all is well.
pub(super) fn tested(args: &Args, library: &Library, stop: &CancellationToken) -> Result<(String, bool), Error> {
    let name = args.name.as_deref().unwrap_or_default();
    let (book, swept) = find(name, &library.tests)?;
    let params = params(book, &args.set)?;
    let nodes = transport::nodes(args.nodes.as_deref().unwrap_or_default())?;
    let many = swept || (book.shape == Shape::Pair && nodes.len() > 2);
    if book.shape == Shape::Pair && nodes.len() < 2 && !swept {
        return Err(Error::new("test.nodes", name, "this test needs two nodes"));
    }
    if args.dry_run {
        return Ok((dry(book, &params, &nodes, args), true));
    }
    let runner = run::Runner::new(args, stop)?;
    Ok(if many {
        let found = sweep::run(&runner, book, &library.tests, &params, &nodes, args)?;
        (tell::sweep(&found, &nodes, args.format == Format::Json), found.well())
    } else {
        let runs =
            if book.shape == Shape::One { nodes.iter().map(|node| vec![node.clone()]).collect() } else { vec![nodes] };
        let results = runner.results(book, &params, &runs, &[])?;
        (tell::plain(book, &results, args.format == Format::Json), results.iter().all(run::Result::well))
    })
}

/// The test of a name; whether it is swept.
fn find<'t>(name: &str, tests: &'t [TestBook]) -> Result<(&'t TestBook, bool), Error> {
    if let Some(book) = tests.iter().find(|book| book.id == name) {
        return Ok((book, false));
    }
    if let Some(book) = tests.iter().find(|book| book.sweep.as_deref() == Some(name)) {
        return Ok((book, true));
    }
    let known = tests.iter().flat_map(|book| [Some(book.id.as_str()), book.sweep.as_deref()]).flatten();
    let near = crate::authored::closest(name, known).map(|near| format!("did you mean `{near}`?"));
    let error = Error::new("test.unknown", name, "there is no such test");
    Err(error.with_way_on(near.unwrap_or_else(|| "`diag test --list` names them".to_owned())))
}

fn params(test: &TestBook, set: &[String]) -> Result<IndexMap<String, String>, Error> {
    let mut params = book::defaults(test);
    for one in set {
        let (name, value) = one.split_once('=').unwrap_or((one, ""));
        let Some(parameter) = test.params.get(name) else {
            let known = test.params.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let way_on = if known.is_empty() { "it has none".to_owned() } else { format!("it has {known}") };
            return Err(Error::new("test.parameter", name, "the test has no such parameter").with_way_on(way_on));
        };
        check_value(parameter, value).map_err(|why| Error::new("test.parameter", name, why))?;
        params.insert(name.to_owned(), value.to_owned());
    }
    Ok(params)
}

/// What would run: the first run of it, whole, so that a person can run it by hand.
fn dry(test: &TestBook, params: &IndexMap<String, String>, nodes: &[NodeName], args: &Args) -> String {
    let run = match test.shape {
        Shape::One => &nodes[..1],
        Shape::Pair => &nodes[..nodes.len().min(2)],
        Shape::All => nodes,
    };
    let mut task = stage::task(test, params, &[run.to_vec()], args.how.via == transport::Via::Local);
    args.how.tools.iter().for_each(|folders| task.look_in(folders));
    tell::dry(test, &task, nodes.len())
}

/// What is done meanwhile, for whoever waits; the result itself goes elsewhere.
fn told(what: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", crate::report::guard::plain(what));
}

/// Asks on the terminal.
fn agreed(question: &str) -> bool {
    use std::io::{IsTerminal as _, stdin};
    if !stdin().is_terminal() {
        return false;
    }
    let mut answer = String::new();
    let _ = write!(std::io::stderr().lock(), "{question} [y/N] ");
    stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "yes")
}

/// Up to which risk a person has agreed on the command line.
fn level(args: &Args) -> Option<Risk> {
    let yes = args.yes.then_some(Risk::Load);
    args.approve.map(run::Level::risk).max(yes)
}
