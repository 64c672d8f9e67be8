//! `diag collect`: everything that tells of an incident into one folder.

use std::path::{Path, PathBuf};

use indicatif::DecimalBytes;

use super::{EXIT_HEALTHY, delivery, progress};
use crate::case::{Collection, Draft};
use crate::collect::{self, Gathered, cluster};
use crate::error::Error;
use crate::redact::Masker;
use crate::report::guard;

/// Most left-out files that are told one by one; the index has all.
const MOST_TOLD: usize = 20;

/// What is worth typing.
const EXAMPLES: &str = "\
Examples:
  diag collect slurm-4242.out dmesg/ nccl_trace/ -o case-4242
  diag collect /var/log/slurmctld.log -o case-4242    more for the same case
  diag collect logs/ --redact -o case-to-send         without API keys, tokens and passwords
  diag collect --k8s research/train-0 -o case-4242    what a cluster tells of a pod
  diag analyze case-4242                              the same verdict on every machine

A case holds the bytes as they were found, archives packed, with a SHA-256 each
(`sha256sum -c SHA256SUMS`), and says what it does not hold and why. Only its owner can read it.";

/// What to collect, and where to.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Files, folders, globs, archives, or `-` for standard input.
    #[arg(required_unless_present = "k8s", value_name = "INPUT")]
    inputs: Vec<String>,
    #[command(flatten)]
    cluster: super::cluster::Args,
    /// The case folder: new, empty, or a case that gets more. `case-` and the time, if left out.
    #[arg(long, short, visible_alias = "case", value_name = "DIR")]
    output: Option<PathBuf>,
    /// Overwrite secrets with `*`; archives are unpacked for it, and what is no text is left out.
    #[arg(long, value_enum, value_name = "WHAT", num_args = 0..=1, require_equals = true, default_missing_value = "secrets")]
    redact: Option<Redact>,
    /// No progress bar, nothing on standard output but the folder.
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Redact {
    /// API keys, tokens, passwords, private keys.
    Secrets,
    /// The same, and e-mail addresses.
    Emails,
}

/// Makes a case, or adds to one.
pub(super) fn run(args: &Args) -> Result<u8, Error> {
    let now = jiff::Timestamp::now();
    let named = || PathBuf::from(format!("case-{}", now.strftime("%Y%m%dT%H%M%SZ")));
    let root = args.output.clone().unwrap_or_else(named);
    let masker = args.redact.map(|what| Masker::new(what == Redact::Emails)).transpose();
    let masker = masker.map_err(|error| Error::new("redact.invalid", "patterns of secrets", error))?;
    let masked = match args.redact {
        None => vec![],
        Some(Redact::Secrets) => vec!["secrets".to_owned()],
        Some(Redact::Emails) => vec!["secrets".to_owned(), "emails".to_owned()],
    };
    let collection = Collection {
        at: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        diag: env!("CARGO_PKG_VERSION").to_owned(),
        inputs: args.cluster.named().into_iter().chain(args.inputs.clone()).collect(),
        masked,
    };
    let (held, refused) = args.cluster.target()?.as_ref().map(cluster::fetch).transpose()?.unwrap_or_default();
    let mut draft = Draft::begin(&root, collection)?;
    refused.iter().for_each(|error| draft.leave_out(error));
    let gathered =
        progress::with(args.quiet, |meter| collect::gather(held, &args.inputs, &mut draft, masker.as_ref(), meter));
    let gathered = gathered.map(|done| Gathered { left_out: [refused, done.left_out].concat(), ..done });
    match gathered {
        Ok(done) if done.files > 0 => {
            draft.finish()?;
            tell(args, &root, &done)?;
            Ok(EXIT_HEALTHY)
        }
        Ok(done) => {
            draft.give_up();
            let nothing = || Error::new("input.none", args.inputs.join(" "), "nothing to collect here");
            Err(done.left_out.into_iter().next().unwrap_or_else(nothing))
        }
        Err(error) => {
            draft.give_up();
            Err(error)
        }
    }
}

/// What is in the case now, and what is not.
fn tell(args: &Args, root: &Path, done: &Gathered) -> Result<(), Error> {
    let folder = root.display().to_string();
    let mut lines = Vec::new();
    if args.quiet {
        lines.push(folder);
    } else {
        let files = if done.files == 1 { "1 file".to_owned() } else { format!("{} files", done.files) };
        lines.push(format!("{files}, {} in {folder}", DecimalBytes(done.bytes)));
        if args.redact.is_some() {
            lines.push(format!("{} overwritten; read it through before it leaves the house", secrets(done.masked)));
        }
        if !done.left_out.is_empty() {
            lines.push(format!("{} left out:", done.left_out.len()));
        }
        let told = done.left_out.iter().take(MOST_TOLD);
        lines.extend(told.map(|error| format!("  {}: {} [{}]", error.place, error.reason, error.code)));
        if done.left_out.len() > MOST_TOLD {
            lines.push(format!("  and {} more, see case.json", done.left_out.len() - MOST_TOLD));
        }
        lines.push(format!("next: diag analyze {folder}"));
    }
    let safe: String = lines.iter().map(|line| guard::plain(line).into_owned() + "\n").collect();
    delivery::deliver(safe.as_bytes(), None)
}

fn secrets(count: u64) -> String {
    if count == 1 { "1 secret".to_owned() } else { format!("{count} secrets") }
}
