//! Nodes are reached as they were when a case was begun: what its journal says of that is the default of options that are not
//! typed, as a setting is.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgMatches, Args as _, Command};

use super::approvals;
use super::config::with_defaults;
use super::fix::last_began;
use super::transport::How;
use crate::agent::Began;
use crate::case::{Standing, standing};
use crate::error::Error;

/// What was typed, with the ways to nodes of the run before in the place of what was not.
pub(super) fn applied(command: Command, typed: ArgMatches, words: &[OsString]) -> Result<ArgMatches, Error> {
    let Some((verb, root)) = case_of(&typed) else { return Ok(typed) };
    let began = match last_began(&root) {
        Ok(Some(began)) => began,
        Ok(None) => return Ok(typed),
        // It may be looked at; whatever would act upon it is told.
        Err(error) if error.code == "journal.foreign" => return Ok(typed),
        Err(error) => return Err(error),
    };
    let verb = verb.to_owned();
    let options = options(began).into_iter().map(|(id, value)| (id, vec![value])).collect();
    Ok(with_defaults(command, &verb, options, words)?.1)
}

/// The verb and the case that it goes on with.
fn case_of(typed: &ArgMatches) -> Option<(&str, PathBuf)> {
    let (verb, inner) = typed.subcommand()?;
    let root = match verb {
        "resume" => inner.get_one::<PathBuf>("case").cloned(),
        "triage" => {
            let mut inputs = inner.get_many::<String>("inputs")?;
            let (only, none) = (inputs.next(), inputs.next());
            only.filter(|_| none.is_none() && !inner.contains_id("case")).map(PathBuf::from)
        }
        "approvals" => approvals::case_of(inner),
        _ => None,
    }?;
    matches!(standing(&root), Standing::Whole | Standing::Adding).then_some((verb, root))
}

/// Options by their ids: those that say how nodes are reached, and which nodes: those that were not to be touched then are not
/// to be touched now.
fn options(began: Began) -> Vec<(String, String)> {
    let ways = How::augment_args(Command::new("ways"));
    let known = |id: &String| ways.get_arguments().any(|arg| arg.get_id() == id.as_str());
    let nodes = (!began.nodes.is_empty()).then(|| ("nodes".to_owned(), began.nodes.join(",")));
    began.how.into_iter().filter(|(id, _)| known(id)).chain(nodes).collect()
}
