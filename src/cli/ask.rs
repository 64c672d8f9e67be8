//! `diag ask`: what a person wants, in their words; said back as the command that it is, and done by that command.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{EXIT_FAILED, EXIT_HEALTHY, EXIT_TROUBLE};
use crate::config::Config;
use crate::error::Error;
use crate::intent::{Known, Meaning, Sense, understand};
use crate::playbook::Library;
use crate::playbook::intent::{Lexicon, Says, Verb};
use crate::report::{guard, words};

/// What is worth typing.
const EXAMPLES: &str = "\
Examples:
  diag ask \"why did this hang?\" slurm-4242.out
  diag ask \"Analyze the NCCL timeout and fix it\" logs/      each step is shown and asked for, as by `diag fix`
  diag ask \"왜 학습이 멈췄어?\" job.log
  diag ask \"is node gpu-17 safe to give back?\"
  diag ask \"test gpu-17 and gpu-18 with nccl\" -- --yes      options of the command behind `--`
  diag ask \"what is xid 79\" --dry-run                      only says what it understood

What it does is what the command does that it says: a sentence agrees to nothing.";

/// What is wanted.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// What you want, in your words.
    sentence: String,
    /// Files, folders, globs, archives, `-`, or a case, beside those that the sentence names.
    #[arg(value_name = "INPUT")]
    inputs: Vec<String>,
    /// Say what was understood and which command that is, and stop.
    #[arg(long)]
    dry_run: bool,
    /// Options for that command.
    #[arg(last = true, value_name = "OPTION", allow_hyphen_values = true)]
    options: Vec<String>,
}

/// A command that a sentence stands for.
struct Order {
    words: Vec<String>,
    /// Nodes of which it is asked whether they may take jobs.
    safe: Vec<String>,
}

/// Understands, says so, and hands over to the command.
pub(super) fn run(
    args: &Args,
    config: &Config,
    named: Option<&Path>,
    command: &clap::Command,
    library: Library,
) -> Result<u8, Error> {
    let nodes = config.nodes();
    let exists = |path: &str| !path.is_empty() && Path::new(path).exists();
    let known = Known { lexicons: &library.intents, library: &library, nodes: &nodes, exists: &exists };
    let meaning = understand(&args.sentence, &known);
    let lexicon = library.intents.iter().find(|lexicon| lexicon.language == meaning.language);
    let nothing = Says::default();
    let says = lexicon.map_or(&nothing, |lexicon| &lexicon.says);
    let brain = super::brain::settings(&config.brain)?;
    let (verb, by_model) = match &meaning.sense {
        Sense::Plain(verb) => (*verb, false),
        Sense::Unclear(verbs) => return Ok(choices(&says.unclear, verbs, lexicon)),
        Sense::Nothing => match brain.clone().and_then(|settings| chosen(&args.sentence, settings, lexicon)) {
            Some(verb) => (verb, true),
            None => return Ok(choices(&says.nothing, &Verb::ALL, lexicon)),
        },
    };
    let order = order(verb, &meaning, args, brain.is_some())?;
    let about = lexicon.and_then(|lexicon| lexicon.verb.get(&verb)).map_or("", |wanted| wanted.about.as_str());
    say(&format!("{}: {about} ({meaning})", says.understood));
    say(&format!(
        "{}: diag {}",
        says.runs,
        order.words.iter().map(|word| words::quoted(word)).collect::<Vec<_>>().join(" ")
    ));
    if args.dry_run {
        return Ok(EXIT_HEALTHY);
    }
    if by_model && matches!(verb, Verb::Fix | Verb::Test) {
        say("A model read it so, and a model begins nothing that acts: type that command if it is what you want.");
        return Ok(EXIT_FAILED);
    }
    let program = [OsString::from("diag")].into_iter();
    let named = named.map(|file| [OsString::from("--config"), file.as_os_str().to_owned()]).into_iter().flatten();
    let words = program.chain(named).chain(order.words.iter().map(OsString::from)).collect();
    let code = super::perform(command, library, words)?;
    verdict(&order.safe, code);
    Ok(code)
}

/// The verb that a model reads in a sentence that no rule understands; where it fails, that is said.
fn chosen(sentence: &str, settings: crate::brain::Settings, lexicon: Option<&Lexicon>) -> Option<Verb> {
    let about = |verb: Verb| lexicon.and_then(|lexicon| lexicon.verb.get(&verb)).map(|wanted| wanted.about.clone());
    let all: Vec<(String, String)> =
        Verb::ALL.iter().map(|verb| (verb.name().to_owned(), about(*verb).unwrap_or_default())).collect();
    match super::brain::choose(sentence, &all, settings) {
        Ok(name) => Verb::ALL.into_iter().find(|verb| Some(verb.name()) == name.as_deref()),
        Err(why) => {
            say(&format!("The model did not help: {why}"));
            None
        }
    }
}

/// Whether nodes may take jobs again, as far as a look at them tells.
fn verdict(nodes: &[String], code: u8) {
    if nodes.is_empty() {
        return;
    }
    let nodes = nodes.join(", ");
    match code {
        EXIT_HEALTHY => say(&format!(
            "Nothing that was read speaks against giving {nodes} back; a test under load says more (`diag test --list`)."
        )),
        EXIT_TROUBLE => say(&format!("Not safe to give back: {nodes} (above is why, or what could not be read).")),
        _ => say(&format!("Not known of {nodes}: that could not be looked at.")),
    }
}

/// The command for a meaning.
fn order(verb: Verb, meaning: &Meaning, args: &Args, brain: bool) -> Result<Order, Error> {
    let named = &meaning.named;
    let nodes = named.nodes.join(",");
    let mut typed: Vec<String> = Vec::new();
    let mut add = |more: &[&str]| typed.extend(more.iter().map(|word| (*word).to_owned()));
    let mut inputs = Vec::new();
    match verb {
        Verb::Explain => {
            let Some(entry) = &named.entry else {
                return Err(open(
                    "explain what?",
                    "name a cause or a number, as in \"what is xid 79\"; `diag explain` lists the causes",
                ));
            };
            add(&["explain"]);
            entry.split(' ').for_each(|word| add(&[word]));
        }
        Verb::Probe | Verb::Safe if nodes.is_empty() || is_here(&nodes) => add(&["probe"]),
        Verb::Probe | Verb::Safe => add(&["probe", "--nodes", &nodes]),
        Verb::Test => {
            let [name] = meaning.tests.as_slice() else { return Err(which_test(&meaning.tests)) };
            if nodes.is_empty() {
                return Err(open("test which nodes?", "name them, as in gpu-17,gpu-18 or gpu-[001-128]"));
            }
            add(&["test", name, "--nodes", &nodes]);
        }
        Verb::Analyze | Verb::Plan | Verb::Fix => {
            inputs = self::inputs(meaning, args)?;
            add(&[if verb == Verb::Analyze { meaning.set.as_deref().unwrap_or("analyze") } else { verb.name() }]);
            if !nodes.is_empty() {
                add(&[if verb == Verb::Fix { "--nodes" } else { "--node" }, &nodes]);
            }
            named.jobs.iter().for_each(|job| add(&["--job", job]));
            if verb == Verb::Analyze && brain {
                add(&["--brain"]);
            }
        }
    }
    typed.extend(args.options.iter().cloned());
    if inputs.iter().any(|input| input.starts_with('-') && input != "-") {
        typed.push("--".to_owned());
    }
    typed.extend(inputs);
    Ok(Order { words: typed, safe: if verb == Verb::Safe { safe(named.nodes.as_slice()) } else { Vec::new() } })
}

fn safe(nodes: &[String]) -> Vec<String> {
    if nodes.is_empty() { vec!["this node".to_owned()] } else { nodes.to_vec() }
}

/// What to read: what the command line and the sentence name, or the output of a job that lies here as Slurm calls it.
fn inputs(meaning: &Meaning, args: &Args) -> Result<Vec<String>, Error> {
    let mut inputs = args.inputs.clone();
    inputs.extend(meaning.named.paths.iter().filter(|path| !args.inputs.contains(path)).cloned());
    if inputs.is_empty() {
        let of = |job: &String| Some(format!("slurm-{job}.out")).filter(|file| PathBuf::from(file).is_file());
        inputs.extend(meaning.named.jobs.iter().filter_map(of));
    }
    if inputs.is_empty() {
        return Err(open("of which logs?", "name files, folders or a case: diag ask \"…\" INPUT…"));
    }
    Ok(inputs)
}

fn which_test(tests: &[String]) -> Error {
    if tests.is_empty() {
        return open("which test?", "name one of `diag test --list`");
    }
    open("which test?", &format!("say one of {}", tests.join(", ")))
}

/// What is not said and not guessed.
fn open(question: &str, way_on: &str) -> Error {
    Error::new("ask.open", "diag ask", question).with_way_on(way_on)
}

/// Whether a node is this one.
fn is_here(node: &str) -> bool {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let short = |name: &str| name.trim().split('.').next().unwrap_or_default().to_owned();
    !short(&name).is_empty() && short(&name) == short(node)
}

/// Shows what a sentence can mean; nothing is done.
fn choices(lead: &str, verbs: &[Verb], lexicon: Option<&Lexicon>) -> u8 {
    say(lead);
    for verb in verbs {
        let wanted = lexicon.and_then(|lexicon| lexicon.verb.get(verb));
        let (word, about) = wanted.map_or(("", ""), |wanted| {
            (wanted.words.iter().find(|word| !word.contains('*')).map_or("", String::as_str), wanted.about.as_str())
        });
        let word = if word.is_empty() { String::new() } else { format!(" (\"{word}\")") };
        say(&format!("  {:<8} {about}{word}", verb.name()));
    }
    EXIT_FAILED
}

/// A line for the person, beside what the command itself tells.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", guard::plain(line));
}
