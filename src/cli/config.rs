//! `diag.toml`: found, read, and put in the place of the defaults of options. `diag config` checks and shows it.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::builder::OsStr;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgMatches, Command};

use super::{EXIT_HEALTHY, EXIT_TROUBLE, delivery};
use crate::config::{Layer, Origin, Site, Standing, read};
use crate::error::Error;
use crate::report::guard;

/// Where the system's is.
const SYSTEM: &str = "/etc/diag/diag.toml";

/// Its name anywhere else.
const NAME: &str = "diag.toml";

/// Largest file, in bytes.
const MOST: u64 = 1 << 20;

/// Verbs that read none: a hook has a policy of its own and must run whatever is wrong here.
const WITHOUT: [&str; 2] = ["config", "hook"];

/// Settings that are defaults of options: key, option (by its id), and the verbs; of all verbs that have it where none is named.
const OPTIONS: [(&str, &str, &[&str]); 25] = [
    ("inventory.nodes", "nodes", &["approvals", "fix", "mcp", "resume"]),
    ("inventory.switches", "topology", &["test"]),
    ("transport.via", "via", &[]),
    ("transport.at_once", "at_once", &[]),
    ("transport.ssh_config", "ssh_config", &[]),
    ("transport.partition", "partition", &[]),
    ("transport.reservation", "reservation", &[]),
    ("transport.account", "account", &[]),
    ("tools.diag", "program", &["probe"]),
    ("tools.folders", "tools", &[]),
    ("policy.file", "policy", &[]),
    ("policy.state", "state", &[]),
    ("library.playbooks", "playbooks", &[]),
    ("library.formats", "formats", &[]),
    ("serve.listen", "listen", &["serve"]),
    ("serve.token_file", "token_file", &["serve"]),
    ("serve.cases", "cases", &["serve"]),
    ("serve.logs", "logs", &["serve"]),
    ("serve.max_body", "max_body", &["serve"]),
    ("serve.body_seconds", "body_seconds", &["serve"]),
    ("serve.deadline", "deadline", &["serve"]),
    ("serve.jobs", "jobs", &["serve"]),
    ("serve.queue", "queue", &["serve"]),
    ("serve.keep", "keep", &["serve"]),
    ("serve.keep_hours", "keep_hours", &["serve"]),
];

/// The example that explains each setting.
const EXAMPLE: &str = include_str!("../../packaging/diag.toml");

/// What to do with it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Clone, Copy, clap::Subcommand)]
enum Verb {
    /// Read all files that count here and say what is wrong with them.
    Check,
    /// Each value that counts here, with the file and line that it comes from.
    Show,
    /// A file that explains each setting, to begin with.
    Example,
}

/// Runs the verb.
pub(super) fn run(args: &Args, command: &Command, named: Option<&Path>) -> Result<u8, Error> {
    match args.verb {
        Verb::Check => check(command, named),
        Verb::Show => show(&find(named)?),
        Verb::Example => delivery::deliver(EXAMPLE.as_bytes(), None).map(|()| EXIT_HEALTHY),
    }
}

/// Files that were found, and those that are not read.
#[derive(Debug, Default)]
struct Files {
    layers: Vec<Layer>,
    refused: Vec<Error>,
}

/// What was typed, with defaults in the place of what was not.
pub(super) struct Applied {
    /// The command with these defaults.
    pub(super) command: Command,
    /// What came of the words.
    pub(super) matches: ArgMatches,
    /// The settings.
    pub(super) site: Site,
}

/// The settings that count for a verb, and what was typed with them as defaults.
pub(super) fn applied(command: Command, typed: ArgMatches, words: &[OsString]) -> Result<Applied, Error> {
    let Some((verb, _)) = typed.subcommand().filter(|(verb, _)| !WITHOUT.contains(verb)) else {
        return Ok(Applied { command, matches: typed, site: Site::default() });
    };
    let files = find(typed.get_one::<PathBuf>("config").map(PathBuf::as_path))?;
    let mut site = read(&files.layers)?;
    site.refused.extend(files.refused);
    if verb != "ask" {
        // The command that a sentence stands for says so.
        site.refused.iter().for_each(super::complain);
    }
    let defaults = defaults(&site, &command, verb);
    if defaults.is_empty() {
        return Ok(Applied { command, matches: typed, site });
    }
    for (arg, values, origin) in &defaults {
        taken(arg, values).map_err(|why| Error::new("config.invalid", origin.to_string(), why))?;
    }
    let defaults = defaults.into_iter().map(|(arg, values, _)| (arg.get_id().to_string(), values)).collect();
    let (command, matches) = with_defaults(command, verb, defaults, words)?;
    Ok(Applied { command, matches, site })
}

/// Words again, with these defaults of options of a verb, by their ids.
pub(super) fn with_defaults(
    command: Command,
    verb: &str,
    defaults: Vec<(String, Vec<String>)>,
    words: &[OsString],
) -> Result<(Command, ArgMatches), Error> {
    let command = command.mut_subcommand(verb, |inner| {
        let set = |inner: Command, (id, values): (String, Vec<String>)| {
            let has = inner.get_arguments().any(|arg| arg.get_id() == id.as_str());
            if has { inner.mut_arg(id, |arg| arg.default_values(values.into_iter().map(OsStr::from))) } else { inner }
        };
        defaults.into_iter().fold(inner, set)
    });
    let matches = command.clone().try_get_matches_from(words).map_err(|error| super::usage(&error))?;
    Ok((command, matches))
}

/// Options of a verb that a setting is the default of, with its values and place.
fn defaults<'a>(site: &'a Site, command: &Command, verb: &str) -> Vec<(Arg, Vec<String>, &'a Origin)> {
    let Some(inner) = command.find_subcommand(verb) else { return Vec::new() };
    let of = |(key, id, verbs): &(&str, &str, &[&str])| {
        let (values, origin) = site.words(key)?;
        let arg = inner.get_arguments().find(|arg| arg.get_id() == id)?;
        (verbs.is_empty() || verbs.contains(&verb)).then(|| (arg.clone(), values, origin))
    };
    OPTIONS.iter().filter_map(of).collect()
}

/// Whether an option would take all of these values; else why not.
fn taken(arg: &Arg, values: &[String]) -> Result<(), String> {
    values.iter().try_for_each(|value| takes(arg, value))
}

fn takes(arg: &Arg, value: &str) -> Result<(), String> {
    let alone = Arg::new("value").long(arg.get_long().unwrap_or("value").to_owned());
    let alone = Command::new("diag").no_binary_name(true).arg(alone.value_parser(arg.get_value_parser().clone()));
    let option = format!("--{}={value}", arg.get_long().unwrap_or("value"));
    let Err(error) = alone.try_get_matches_from([option]) else { return Ok(()) };
    let text = error.to_string();
    let said = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    Err(match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(known)) if !known.is_empty() => format!("{said}: one of {}", known.join(", ")),
        _ => said,
    })
}

/// The files that count here: the one that was named, or the system's, the person's and the folder's.
fn find(named: Option<&Path>) -> Result<Files, Error> {
    let mut files = Files::default();
    match named {
        Some(path) if path == Path::new("none") => {}
        Some(path) => files.take(path, Standing::Meant, true)?,
        None => {
            files.take(Path::new(SYSTEM), Standing::Meant, false)?;
            if let Some(person) = of_person() {
                files.take(&person, Standing::Meant, false)?;
            }
            files.take(Path::new(NAME), Standing::Found, false)?;
        }
    }
    Ok(files)
}

/// `~/.config/diag/diag.toml`, or where `XDG_CONFIG_HOME` has it.
fn of_person() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
    folder.is_absolute().then(|| folder.join("diag").join(NAME))
}

impl Files {
    fn take(&mut self, path: &Path, standing: Standing, named: bool) -> Result<(), Error> {
        let place = path.display().to_string();
        let failed = |error: std::io::Error| Error::new("config.unreadable", &place, error.to_string());
        let mut file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if !named && error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            // HOME may still be that of whoever was here before `su`; nobody can tell whether a file is there.
            Err(error) if !named && error.kind() == std::io::ErrorKind::PermissionDenied => {
                self.refused.extend((path == Path::new(SYSTEM)).then(|| failed(error)));
                return Ok(());
            }
            Err(error) => return Err(failed(error).with_way_on("--config none, before the command, reads no file")),
        };
        let about = file.metadata().map_err(failed)?;
        if !named && let Some(refused) = foreign(path, &about) {
            self.refused.push(refused);
            return Ok(());
        }
        if !about.is_file() || about.len() > MOST {
            return Err(Error::new("config.unreadable", &place, "is no file of settings"));
        }
        let mut text = String::new();
        file.by_ref().take(MOST).read_to_string(&mut text).map_err(failed)?;
        let folder = std::path::absolute(path).ok().and_then(|path| path.parent().map(Path::to_owned));
        self.layers.push(Layer { place, text, folder: folder.unwrap_or_default(), standing });
        Ok(())
    }
}

/// Why a file is not read that nobody named: somebody else could have written it.
pub(super) fn foreign(path: &Path, about: &std::fs::Metadata) -> Option<Error> {
    let why = crate::case::foreign(about)?;
    let error = Error::new("config.foreign", path.display().to_string(), format!("is not read: {why}"));
    Some(error.with_way_on("chmod go-w and chown it; a diag.toml may also be named: diag --config FILE"))
}

/// Reads everything, and tries every value on every option that it is the default of.
fn check(command: &Command, named: Option<&Path>) -> Result<u8, Error> {
    let files = find(named)?;
    let mut wrong = Vec::new();
    let site = read(&files.layers).unwrap_or_else(|error| {
        wrong.push(error);
        Site::default()
    });
    wrong.extend(files.refused.iter().chain(&site.refused).cloned());
    for verb in command.get_subcommands() {
        for (arg, values, origin) in defaults(&site, command, verb.get_name()) {
            wrong.extend(taken(&arg, &values).err().map(|why| Error::new("config.invalid", origin.to_string(), why)));
        }
    }
    wrong.extend(policy(&site).err());
    wrong.extend(crate::notify::wrong(&site.config.notify).into_iter().map(|(key, error)| {
        let place = site.origin(&key).map_or_else(|| error.place.clone(), ToString::to_string);
        Error::new(error.code, place, format!("{}: {}", error.place, error.reason))
    }));
    wrong.dedup();
    let mut text = String::new();
    for layer in &files.layers {
        text += &format!("read {}\n", guard::plain(&layer.place));
    }
    for error in &wrong {
        let way_on = if error.way_on.is_empty() { String::new() } else { format!(" ({})", error.way_on) };
        text += &format!("{}\n", guard::plain(&format!("{}: {}{way_on}", error.place, error.reason)));
    }
    text += &format!("{} files, {} values, {} complaints\n", files.layers.len(), site.values.len(), wrong.len());
    delivery::deliver(text.as_bytes(), None)?;
    Ok(if wrong.is_empty() { EXIT_HEALTHY } else { EXIT_TROUBLE })
}

/// The policy that is named keeps its word.
fn policy(site: &Site) -> Result<(), Error> {
    let Some(origin) = site.origin("policy.file") else { return Ok(()) };
    super::plan::policy(site.config.policy.file.as_deref()).map(|_| ()).map_err(|error| {
        Error::new(error.code, origin.to_string(), format!("{}: {}", error.place, error.reason))
            .with_way_on(error.way_on)
    })
}

/// Each value with the place that it comes from.
fn show(files: &Files) -> Result<u8, Error> {
    let site = read(&files.layers)?;
    site.refused.iter().chain(&files.refused).for_each(super::complain);
    let rows = site.values.iter().map(|(key, (value, origin))| (format!("{key} = {value}"), origin));
    let rows: Vec<(String, String)> = rows
        .map(|(left, origin)| (guard::plain(&left).into_owned(), guard::plain(&origin.to_string()).into_owned()))
        .collect();
    let wide = rows.iter().map(|(left, _)| left.len()).max().unwrap_or(0).min(60);
    let mut text: String = rows.iter().map(|(left, place)| format!("{left:<wide$}  # {place}\n")).collect();
    if rows.is_empty() {
        text = format!("nothing is set: {SYSTEM}, ~/.config/diag/{NAME} and ./{NAME} are not there, or empty\n");
    }
    delivery::deliver(text.as_bytes(), None)?;
    Ok(EXIT_HEALTHY)
}
