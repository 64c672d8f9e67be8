//! `diag playbook`: for authors.

use std::io::Write as _;
use std::path::PathBuf;

use diag_parsers::Scanner;

use super::screen::{self, Color};
use super::shelf::{self, Shelf};
use super::{EXIT_HEALTHY, EXIT_TROUBLE};
use crate::error::Error;
use crate::evidence::DERIVED_KINDS;
use crate::playbook::intent::Lexicon;
use crate::playbook::{EchoGroup, Library, Playbook, expand};
use crate::rehearsal::{
    Prepared, group_mutants, lint, lint_group, lint_repairs, mutants, prepare, reason_mutants, rehearse_group,
    rehearse_reason, rehearse_sentence, run as rehearse, word_mutants,
};
use crate::report::text::Look;

/// What to do with playbooks.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// All causes, by area.
    List,
    /// Check wording: unknown keys, kinds that no format makes, statements without a citation.
    Check(Folder),
    /// Run the cases.
    Test(TestArgs),
    /// Print the skeleton of a new playbook.
    New {
        /// Slug of the cause.
        id: String,
    },
}

#[derive(Debug, clap::Args)]
struct Folder {
    /// Folder of playbooks.
    #[arg(default_value = "playbooks")]
    folder: PathBuf,
}

#[derive(Debug, clap::Args)]
struct TestArgs {
    #[command(flatten)]
    at: Folder,
    /// Only the playbooks whose slug holds this.
    #[arg(long, default_value = "")]
    only: String,
    /// Take each constraint away in turn: a case must notice.
    #[arg(long)]
    mutate: bool,
    /// Folder of recorded incidents that cases refer to.
    #[arg(long, default_value = "sample-logs")]
    samples: PathBuf,
}

/// Runs the verb.
pub(super) fn run(args: &Args, library: Library) -> Result<u8, Error> {
    match &args.verb {
        Verb::List => Ok(list(&library)),
        Verb::Check(at) => check(at, &library),
        Verb::Test(args) => test(args, &library),
        Verb::New { id } => new(id),
    }
}

fn say(text: &str) {
    // A closed pipe is the reader's choice.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

fn list(library: &Library) -> u8 {
    let look = Look { width: screen::width(false), colour: screen::colour(Color::Auto, false), ..Look::default() };
    say(super::explain::list(library, look).trim_end());
    EXIT_HEALTHY
}

fn check(at: &Folder, library: &Library) -> Result<u8, Error> {
    let scanner = super::analyze::scanner(None)?;
    let shelf = shelf::read(&at.folder, library);
    let mut count = shelf.wrong.len();
    for error in &shelf.wrong {
        let way_on = if error.way_on.is_empty() { String::new() } else { format!(" ({})", error.way_on) };
        say(&format!("{}: {}{way_on}", error.place, error.reason));
    }
    for (path, shelved) in &shelf.playbooks {
        let named = path.file_stem().is_some_and(|stem| stem.to_string_lossy() == shelved.playbook.id);
        let mut wrong = lint(&shelved.playbook, (&shelf.echoes, &shelf.usable), scanner.catalogue(), DERIVED_KINDS);
        if !named {
            wrong.push(format!("the file should be named {}.toml", shelved.playbook.id));
        }
        count += wrong.len();
        wrong.iter().for_each(|what| say(&format!("{}: {what}", path.display())));
    }
    for group in &shelf.echoes[..shelf.own_echoes] {
        let wrong = lint_group(group, scanner.catalogue(), DERIVED_KINDS);
        count += wrong.len();
        wrong.iter().for_each(|what| say(&format!("echoes/{}: {what}", group.id)));
    }
    let policy = at.folder.join(shelf::POLICY);
    if policy.is_file() {
        let wrong = policy_complaints(&policy);
        count += wrong.len();
        wrong.iter().for_each(|what| say(&format!("{}: {what}", policy.display())));
    }
    for (path, test) in &shelf.tests {
        let mut wrong = crate::verify::book::lint(test);
        if path.file_stem().is_none_or(|stem| stem.to_string_lossy() != test.id) {
            wrong.push(format!("the file should be named {}.toml", test.id));
        }
        count += wrong.len();
        wrong.iter().for_each(|what| say(&format!("{}: {what}", path.display())));
    }
    for (path, book) in &shelf.repairs {
        let wrong = lint_repairs(book, &shelf.usable);
        count += wrong.len();
        wrong.iter().for_each(|what| say(&format!("{}: {what}", path.display())));
    }
    for (path, lexicon) in &shelf.intents {
        let mut wrong = crate::intent::lint(lexicon, library);
        if path.file_stem().is_none_or(|stem| stem.to_string_lossy() != lexicon.language) {
            wrong.push(format!("the file should be named {}.toml", lexicon.language));
        }
        count += wrong.len();
        wrong.iter().for_each(|what| say(&format!("{}: {what}", path.display())));
    }
    let (playbooks, tests) = (shelf.playbooks.len(), shelf.tests.len());
    say(&format!("{playbooks} playbooks, {} groups of echoes, {tests} tests, {count} complaints", shelf.own_echoes));
    Ok(if count == 0 { EXIT_HEALTHY } else { EXIT_TROUBLE })
}

/// What is wrong with the policy beside the playbooks.
fn policy_complaints(file: &std::path::Path) -> Vec<String> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return vec![error.to_string()],
    };
    match toml::from_str(&text) {
        Ok(policy) => crate::policy::check(&policy),
        Err(error) => vec![error.to_string()],
    }
}

fn test(args: &TestArgs, library: &Library) -> Result<u8, Error> {
    let scanner = super::analyze::scanner(None)?;
    let shelf = shelf::read(&args.at.folder, library);
    let expanded = shelf.expanded()?;
    unknown_slug(&args.only, &expanded, &shelf)?;
    let all: Vec<&Playbook> = expanded.iter().collect();
    let mut tally = Tally::default();
    for (_, shelved) in shelf.playbooks.iter().filter(|(_, shelved)| shelved.playbook.id.contains(&args.only)) {
        playbook_cases(&shelved.playbook, &all, &shelf, &scanner, args, &mut tally)?;
    }
    for group in shelf.echoes[..shelf.own_echoes].iter().filter(|group| group.id.contains(&args.only)) {
        group_cases(group, &scanner, args.mutate, &mut tally);
    }
    for (_, test) in shelf.tests.iter().filter(|(_, test)| test.id.contains(&args.only)) {
        for case in &test.case {
            let wrong = crate::verify::book::rehearse(test, case);
            tally.cases += 1;
            tally.failed += usize::from(!wrong.is_empty());
            wrong.iter().for_each(|what| say(&format!("{}: {}: {what}", test.id, case.name)));
        }
    }
    intents(&shelf, library, args, &mut tally);
    repairs(&shelf, args, &mut tally);
    say(&format!("{} cases, {} failed", tally.cases, tally.failed));
    if args.mutate {
        say(&format!("{} mutants, {} survived", tally.mutants, tally.survived));
    }
    Ok(if tally.failed + tally.survived == 0 { EXIT_HEALTHY } else { EXIT_TROUBLE })
}

/// What sentences mean, and which words nothing needs.
fn intents(shelf: &Shelf, library: &Library, args: &TestArgs, tally: &mut Tally) {
    let all: Vec<Lexicon> = shelf.intents.iter().map(|(_, lexicon)| lexicon.clone()).collect();
    for (at, lexicon) in all.iter().enumerate().filter(|(_, lexicon)| lexicon.id().contains(&args.only)) {
        for (sentence, means) in &lexicon.cases {
            let wrong = rehearse_sentence(sentence, means, &all, library);
            tally.cases += 1;
            tally.failed += usize::from(wrong.is_some());
            wrong.iter().for_each(|what| say(&format!("{}: {sentence}: {what}", lexicon.id())));
        }
        for mutant in word_mutants(lexicon).into_iter().filter(|_| args.mutate) {
            let mut others = all.clone();
            others[at] = mutant.changed;
            let unseen =
                |(sentence, means): (&String, &String)| rehearse_sentence(sentence, means, &others, library).is_none();
            tally.mutants += 1;
            if lexicon.cases.iter().all(unseen) {
                tally.survived += 1;
                say(&format!("{}: no case notices that {} is gone", lexicon.id(), mutant.without));
            }
        }
    }
}

/// What lines of tools mean, and which words nothing needs.
fn repairs(shelf: &Shelf, args: &TestArgs, tally: &mut Tally) {
    for (_, book) in shelf.repairs.iter().filter(|(_, book)| book.id.contains(&args.only)) {
        for case in &book.case {
            let wrong = rehearse_reason(book, case);
            tally.cases += 1;
            tally.failed += usize::from(wrong.is_some());
            wrong.iter().for_each(|what| say(&format!("repairs/{}: {}: {what}", book.id, case.says)));
        }
        for mutant in reason_mutants(book).into_iter().filter(|_| args.mutate) {
            tally.mutants += 1;
            if book.case.iter().all(|case| rehearse_reason(&mutant.changed, case).is_none()) {
                tally.survived += 1;
                say(&format!("repairs/{}: no case notices that {} is gone", book.id, mutant.without));
            }
        }
    }
}

/// An error where `--only` names nothing.
fn unknown_slug(only: &str, playbooks: &[Playbook], shelf: &Shelf) -> Result<(), Error> {
    let groups = shelf.echoes[..shelf.own_echoes].iter().map(|group| group.id.as_str());
    let tests = shelf.tests.iter().map(|(_, test)| test.id.as_str());
    let intents: Vec<String> = shelf.intents.iter().map(|(_, lexicon)| lexicon.id()).collect();
    let known: Vec<&str> = playbooks
        .iter()
        .map(|playbook| playbook.id.as_str())
        .chain(groups)
        .chain(tests)
        .chain(intents.iter().map(String::as_str))
        .chain(shelf.repairs.iter().map(|(_, book)| book.id.as_str()))
        .collect();
    if known.iter().any(|id| id.contains(only)) {
        return Ok(());
    }
    let way_on = crate::authored::closest(only, known.into_iter()).map(|id| format!("did you mean `{id}`?"));
    Err(Error::new("playbook.none", "--only", format!("no playbook's slug holds `{only}`"))
        .with_way_on(way_on.unwrap_or_else(|| "`diag playbook list` names them".to_owned())))
}

fn group_cases(group: &EchoGroup, scanner: &Scanner, mutate: bool, tally: &mut Tally) {
    for case in &group.case {
        let wrong = rehearse_group(group, case, scanner);
        tally.cases += 1;
        tally.failed += usize::from(!wrong.is_empty());
        wrong.iter().for_each(|what| say(&format!("{}: {}: {what}", group.id, case.name)));
    }
    for mutant in group_mutants(group).into_iter().filter(|_| mutate) {
        tally.mutants += 1;
        if group.case.iter().all(|case| rehearse_group(&mutant.changed, case, scanner).is_empty()) {
            tally.survived += 1;
            say(&format!("{}: no case notices that {} is gone", group.id, mutant.without));
        }
    }
}

#[derive(Default)]
struct Tally {
    cases: usize,
    failed: usize,
    mutants: usize,
    survived: usize,
}

fn playbook_cases(
    playbook: &Playbook,
    all: &[&Playbook],
    shelf: &Shelf,
    scanner: &Scanner,
    args: &TestArgs,
    tally: &mut Tally,
) -> Result<(), Error> {
    let prepared: Vec<Prepared<'_>> =
        playbook.case.iter().map(|case| prepare(case, scanner, &args.samples)).collect::<Result<_, _>>()?;
    for case in &prepared {
        let wrong = rehearse(case, &playbook.id, all);
        tally.cases += 1;
        tally.failed += usize::from(!wrong.is_empty());
        wrong.iter().for_each(|what| say(&format!("{}: {}: {what}", playbook.id, case.case.name)));
    }
    if !args.mutate {
        return Ok(());
    }
    for mut mutant in mutants(playbook) {
        let mutant_as_written = mutant.changed.clone();
        expand(&mut mutant.changed, &shelf.echoes, &shelf.usable)?;
        let others = all.iter().map(|other| if other.id == playbook.id { &mutant.changed } else { *other });
        let others: Vec<&Playbook> = others.collect();
        tally.mutants += 1;
        let worded =
            lint(&mutant_as_written, (&shelf.echoes, &shelf.usable), scanner.catalogue(), DERIVED_KINDS).is_empty();
        if worded && prepared.iter().all(|case| rehearse(case, &playbook.id, &others).is_empty()) {
            tally.survived += 1;
            say(&format!("{}: no case notices that {} is gone", playbook.id, mutant.without));
        }
    }
    Ok(())
}

fn new(id: &str) -> Result<u8, Error> {
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Err(Error::new("playbook.name", id, "a slug is made of small letters, digits and dashes"));
    }
    say(include_str!("playbook_skeleton.toml").replace("NEW-CAUSE", id).trim_end());
    Ok(EXIT_HEALTHY)
}
