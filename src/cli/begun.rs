//! Nodes are reached as they were when a case was begun: what its journal says of that is the default of options that are not
//! typed, as a setting is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Args as _, Command};

use super::approvals;
use super::config::{foreign, with_defaults};
use super::fix::last_began;
use super::transport::How;
use crate::agent::Began;
use crate::case::{JOURNAL, Standing, standing};
use crate::error::Error;

/// What was typed, with the ways to nodes of the run before in the place of what was not.
pub(super) fn applied(command: Command, typed: ArgMatches, words: &[OsString]) -> Result<ArgMatches, Error> {
    let Some((verb, root)) = case_of(&typed) else { return Ok(typed) };
    let Some(began) = last_began(&root)? else { return Ok(typed) };
    let verb = verb.to_owned();
    Ok(with_defaults(command, &verb, options(began, is_ours(&root)), words)?.1)
}

/// Whether nobody else can have written the journal: who could, could name a configuration of ssh that runs something here.
fn is_ours(root: &Path) -> bool {
    let file = root.join(JOURNAL);
    let refused = std::fs::metadata(&file).ok().and_then(|about| foreign(&file, &about));
    if let Some(refused) = &refused {
        let why = format!("how nodes were reached {}", refused.reason);
        let error = Error::new("journal.foreign", &refused.place, why);
        super::complain(&error.with_way_on("type --via and the like again"));
    }
    refused.is_none()
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

/// Options by their ids: those that say how nodes are reached, unless others may have written that, and which nodes: those that
/// were not to be touched then are not to be touched now.
fn options(began: Began, ours: bool) -> Vec<(String, String)> {
    let ways = How::augment_args(Command::new("ways"));
    let known = |id: &String| ours && ways.get_arguments().any(|arg| arg.get_id() == id.as_str());
    let nodes = (!began.nodes.is_empty()).then(|| ("nodes".to_owned(), began.nodes.join(",")));
    began.how.into_iter().filter(|(id, _)| known(id)).chain(nodes).collect()
}
