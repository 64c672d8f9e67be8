//! `diag serve`: an HTTP API for chat-ops and dashboards, and a page on which one drops a log.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use diag_parsers::Scanner;

use super::{EXIT_HEALTHY, narrow, reading, study};
use crate::collect::cluster::Held;
use crate::collect::{Meter, Wanted};
use crate::error::Error;
use crate::playbook::Library;
use crate::report::Report;
use crate::serve::{self, Desk, Settings, Tokens};

/// What is worth typing.
const EXAMPLES: &str = "\
Examples:
  diag serve                                     a page to drop logs on: http://127.0.0.1:7171/
  curl --data-binary @job.log -H 'Accept: text/plain' http://127.0.0.1:7171/v1/reports
  diag serve --cases cases/                      and cases; Alertmanager's webhook is /v1/alerts
  diag serve --listen 0.0.0.0:7171 --token-file /etc/diag/serve.token

What there is to ask for stands in /openapi.json. Nothing is run on any node. TLS is the reverse proxy's.";

/// Where it listens and how much it takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Where it listens; another address than loopback wants a token.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7171")]
    listen: SocketAddr,
    /// Bearer tokens that may ask, one a line; or one in DIAG_SERVE_TOKEN.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The folder that cases are below; alerts open new ones in it.
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
    /// A folder in which files or folders are called after nodes: an alert takes those of its node into the case.
    #[arg(long, value_name = "DIR")]
    logs: Vec<PathBuf>,
    /// Largest body, in MiB.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    max_body: u16,
    /// Most seconds that a body may take to come.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=3600))]
    body_seconds: u16,
    /// Most seconds that a diagnosis may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u16).range(1..=3600))]
    deadline: u16,
    /// Diagnoses at a time.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// How many more may wait; who comes then is told to come again.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(0..=1024))]
    queue: u16,
    /// Reports that are kept, in memory.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    keep: u16,
    /// Hours for which they are kept.
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=8760))]
    keep_hours: u16,
    /// Further playbooks; one of a known cause replaces it.
    #[arg(long, value_name = "DIR", env = "DIAG_PLAYBOOKS")]
    playbooks: Option<PathBuf>,
    /// Further line formats (`*.toml`).
    #[arg(long, value_name = "DIR", env = "DIAG_FORMATS")]
    formats: Option<PathBuf>,
}

/// Largest file of tokens, in bytes.
const TOKENS: u64 = 64 << 10;

/// Serves until it is stopped.
pub(super) fn run(args: &Args, mut library: Library) -> Result<u8, Error> {
    super::add_playbooks(&mut library, args.playbooks.as_deref())?;
    for folder in args.cases.iter().chain(&args.logs) {
        if !folder.is_dir() {
            return Err(Error::new("input.unreadable", folder.display().to_string(), "no such folder"));
        }
    }
    let seconds = |number: u16| Duration::from_secs(number.into());
    let settings = Settings {
        listen: args.listen,
        tokens: tokens(args.token_file.as_deref())?,
        cases: args.cases.clone(),
        logs: args.logs.clone(),
        largest: usize::from(args.max_body) << 20,
        body: seconds(args.body_seconds),
        patience: seconds(args.deadline),
        jobs: args.jobs.into(),
        queue: args.queue.into(),
        keep: args.keep.into(),
        keep_for: Duration::from_secs(u64::from(args.keep_hours) * 3600),
    };
    let program = Program { library, scanner: super::analyze::scanner(args.formats.as_deref())? };
    serve::serve(Arc::new(program), settings)?;
    Ok(EXIT_HEALTHY)
}

/// The tokens of a file, or of the environment.
fn tokens(file: Option<&Path>) -> Result<Tokens, Error> {
    let Some(file) = file else {
        let set = std::env::var("DIAG_SERVE_TOKEN").unwrap_or_default();
        return Tokens::read(&set, "DIAG_SERVE_TOKEN");
    };
    let place = file.display().to_string();
    let unreadable = |why: String| Error::new("serve.token", &place, why);
    let about = std::fs::metadata(file).map_err(|error| unreadable(error.to_string()))?;
    if about.len() > TOKENS {
        return Err(unreadable("is no file of tokens".to_owned()));
    }
    let tokens = Tokens::read(&std::fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?, &place)?;
    if tokens.is_empty() { Err(unreadable("holds no token".to_owned())) } else { Ok(tokens) }
}

/// `diag analyze`, as the server has it.
struct Program {
    library: Library,
    scanner: Scanner,
}

impl Program {
    fn report(&self, wanted: Wanted<'_>, meter: &Meter) -> Result<Report, Error> {
        let reading = reading::measured(wanted, Vec::new(), &self.scanner, meter)?;
        let all = ["*".to_owned()];
        study::study(reading, &narrow::Args::default(), &all, &self.library, &self.scanner).map(|study| study.report)
    }
}

impl Desk for Program {
    fn posted(&self, held: Held, meter: &Meter) -> Result<Report, Error> {
        self.report(Wanted { held: vec![held], ..Wanted::inputs(&[]) }, meter)
    }

    fn case(&self, root: &Path, meter: &Meter) -> Result<Report, Error> {
        self.report(Wanted::inputs(&[root.display().to_string()]), meter)
    }
}
