//! `diag mcp`: an MCP server on standard input and output, for assistants.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use diag_parsers::Scanner;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::plan::{self as planning, Planned};
use super::transport::{self, How, Via};
use super::{EXIT_HEALTHY, absent, explain, narrow, probe, reading, session, study, test};
use crate::collect::{Fence, Wanted};
use crate::config::Config;
use crate::error::Error;
use crate::mcp::{self, Came, Desk, Look, Part, Run, Study};
use crate::plan::{Answers, Known, NodeName, tell};
use crate::playbook::Library;
use crate::probe::PROBES;
use crate::report::grid::Grid;
use crate::report::readings;

/// What is worth typing.
const EXAMPLES: &str = "\
Configuration of a client, which starts the server by itself:
  {\"mcpServers\": {\"diag\": {\"command\": \"diag\", \"args\": [\"mcp\", \"--root\", \"/scratch/logs\"]}}}

  diag mcp --root /scratch/logs --root /var/log/slurm          what may be read
  diag mcp --root /scratch --nodes gpu-[001-128] --via slurm   nodes on which tests may run

An assistant reads what lies below the roots and nothing else, and runs what the policy allows without a question. What needs a
yes is answered with the command that a person types in a terminal; no assistant and no client can give it.";

/// What an assistant may do.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A folder below which files may be read; the working folder where none is named.
    #[arg(long, value_name = "DIR")]
    root: Vec<PathBuf>,
    /// Nodes on which something may be run, as far as the policy allows it: `gpu-[001-128]`. None where none are named.
    #[arg(long, value_name = "SET")]
    nodes: Option<String>,
    #[command(flatten, next_help_heading = "Nodes")]
    how: How,
    /// Most seconds that reading takes.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    deadline: u64,
    /// Most minutes that running something takes.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=1440))]
    minutes: u64,
    /// The policy; without it /etc/diag/policy.toml, where that is there, or the built-in one.
    #[arg(long, value_name = "FILE", env = "DIAG_POLICY")]
    policy: Option<PathBuf>,
    /// Where the breaker counts the nodes that were taken from service.
    #[arg(long, value_name = "DIR", env = "DIAG_STATE")]
    state: Option<PathBuf>,
    /// Further playbooks; one of a known cause replaces it.
    #[arg(long, value_name = "DIR", env = "DIAG_PLAYBOOKS")]
    playbooks: Option<PathBuf>,
    /// Further line formats (`*.toml`).
    #[arg(long, value_name = "DIR", env = "DIAG_FORMATS")]
    formats: Option<PathBuf>,
}

/// Serves until the client hangs up.
pub(super) fn run(args: Args, mut library: Library, config: &Config) -> Result<u8, Error> {
    if std::io::stdin().is_terminal() {
        let error = Error::new("mcp.terminal", "diag mcp", "speaks to a program, and this is a terminal");
        return Err(error.with_way_on("name it in the configuration of a client: `diag mcp --help` shows how"));
    }
    super::add_playbooks(&mut library, args.playbooks.as_deref())?;
    let roots = if args.root.is_empty() { vec![PathBuf::from(".")] } else { args.root.clone() };
    let settings = mcp::Settings {
        fence: Fence::new(&roots)?,
        patience: Duration::from_secs(args.deadline),
        run_patience: Duration::from_secs(args.minutes * 60),
    };
    // What is wrong with these is told now, and not when it is needed.
    planning::policy(args.policy.as_deref())?;
    let scanner = super::analyze::scanner(args.formats.as_deref())?;
    let nodes = nodes(&args)?;
    let program = Program { library, scanner, config: config.clone(), nodes, args };
    mcp::serve(Arc::new(program), settings)?;
    Ok(EXIT_HEALTHY)
}

/// The nodes that may be touched.
fn nodes(args: &Args) -> Result<Vec<NodeName>, Error> {
    match &args.nodes {
        Some(set) => transport::nodes(set),
        // Who runs it here runs it on this machine.
        None if args.how.via == Via::Local => Ok(vec![session::here()?]),
        None => Ok(Vec::new()),
    }
}

/// The commands, as an assistant has them.
struct Program {
    library: Library,
    scanner: Scanner,
    config: Config,
    nodes: Vec<NodeName>,
    args: Args,
}

impl Program {
    fn read(&self, look: &Look<'_>) -> Result<study::Study, Error> {
        let wanted = Wanted { fence: Some(look.fence), ..Wanted::inputs(look.inputs) };
        let reading = reading::measured(wanted, Vec::new(), &self.scanner, look.meter)?;
        study::study(reading, &part(look.part), &["*".to_owned()], &self.library, &self.scanner)
    }

    fn reachable(&self) -> Result<(), Error> {
        if !self.nodes.is_empty() {
            return Ok(());
        }
        let error = Error::new("mcp.nodes", "run", "this server was started for no nodes, so that nothing is run");
        Err(error.with_way_on("a person starts it as `diag mcp --nodes SET`, in the client's configuration"))
    }
}

/// The part of the evidence, as the command line says it.
fn part(part: &Part) -> narrow::Args {
    narrow::Args {
        since: part.since.clone(),
        until: part.until.clone(),
        node: part.nodes.clone(),
        job: part.job.clone(),
    }
}

impl Desk for Program {
    fn study(&self, look: &Look<'_>) -> Result<Study, Error> {
        self.read(look).map(|study| Study { table: study.table, report: study.report })
    }

    fn plan(&self, look: &Look<'_>, cause: Option<&str>, answers: &Answers) -> Result<Value, Error> {
        let policy = planning::policy(self.args.policy.as_deref())?;
        // What an assistant names by itself is no witness of its own: only a person vouches for a source.
        let (vouched, who) = (BTreeSet::new(), self.args.how.scheduler());
        let site = self.config.site();
        let known = Known { answers, vouched: &vouched, who: &who, site: &site };
        let Planned { plans, .. } = planning::plans(self.read(look)?, cause, &self.library, known);
        let says: Vec<tell::Says> = plans.iter().map(|plan| planning::says(plan, &policy)).collect();
        serde_json::from_slice(&tell::json(&plans, &says))
            .map_err(|error| Error::new("mcp.broken", "plan", error.to_string()))
    }

    fn has_sql(&self) -> bool {
        cfg!(feature = "query")
    }

    #[cfg(feature = "query")]
    fn sql(&self, study: Study, sql: &str, most: usize) -> Result<Grid, Error> {
        let study = study::Study { table: study.table, report: study.report, case: false };
        super::query::table(study, sql, most)
    }

    #[cfg(not(feature = "query"))]
    fn sql(&self, _: Study, _: &str, _: usize) -> Result<Grid, Error> {
        Err(super::query::not_built())
    }

    fn explain(&self, what: &str) -> Result<String, Error> {
        explain::page(what, &self.library, crate::report::text::Look { width: 100, ..Default::default() })
    }

    fn causes(&self) -> Vec<(String, String)> {
        let one = |shelved: &crate::playbook::Shelved| (shelved.playbook.id.clone(), shelved.playbook.title.clone());
        self.library.playbooks.iter().map(one).collect()
    }

    fn probes(&self) -> Vec<&'static str> {
        PROBES.iter().map(|probe| probe.id).collect()
    }

    fn probe(&self, only: &[String], patience: Duration) -> readings::Look {
        probe::once(only, patience, &self.config)
    }

    fn test(&self, order: &Run, stop: &CancellationToken) -> Result<Came, Error> {
        self.reachable()?;
        let wanted = transport::nodes(order.nodes.as_deref().unwrap_or_default())?;
        let strange: Vec<&str> =
            wanted.iter().filter(|node| !self.nodes.contains(node)).map(NodeName::as_str).collect();
        if !strange.is_empty() {
            let error =
                Error::new("mcp.nodes", strange.join(","), "is none of the nodes that this server was started for");
            return Err(error.with_way_on("a person names them: `diag mcp --nodes SET`"));
        }
        let set: Vec<String> = order.set.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let name = order.test.clone().unwrap_or_default();
        let asked =
            test::Args::unattended(name, order.nodes.clone(), set, self.args.how.clone(), self.args.policy.clone());
        absent::test(&asked, &self.library, stop)
    }

    fn go_on(&self, case: &Path, fence: &Fence, stop: &CancellationToken) -> Result<Came, Error> {
        self.reachable()?;
        let terms = absent::Terms {
            nodes: &self.nodes,
            how: &self.args.how,
            policy: self.args.policy.as_deref(),
            state: self.args.state.as_deref(),
            formats: self.args.formats.as_deref(),
            minutes: self.args.minutes,
            site: self.config.site(),
        };
        absent::go_on(case, fence, &self.library, &terms, stop)
    }
}
