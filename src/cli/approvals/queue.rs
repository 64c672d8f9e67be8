//! What waits: pointers to cases, and of each case what its journal says. A pointer decides nothing, and a case counts only where
//! nobody but its owner could have written it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::now;
use crate::agent::{Case, Waiting, waiting};
use crate::case::{Digest, is_busy, own_pages};
use crate::cli::session::Session;
use crate::error::Error;
use crate::exec::{FanOut, Limits, Local};
use crate::plan::NodeName;
use crate::policy::{Action, Said, action, built_in};
use crate::scheduler::{Scheduler, Who};
use crate::spool::{Pending, Pointer};

/// Digits of a pointer's name.
const DIGITS: usize = 16;

/// Something that waits.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) waiting: Waiting,
    /// The case; of several in which the same waits, the newest.
    pub(super) case: PathBuf,
    /// The others.
    pub(super) others: Vec<PathBuf>,
    /// What it was seen of, the first ones.
    pub(super) of: Vec<String>,
    /// How often.
    pub(super) count: u64,
    /// Who schedules work on the nodes.
    pub(super) who: Who,
    /// Why it is out of date.
    pub(super) gone: Option<String>,
}

impl Item {
    /// Whether it is still to be decided.
    pub(super) fn waits(&self, now: i64) -> bool {
        self.gone.is_none() && self.waiting.want.until > now
    }
}

/// What there is.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What waits, the oldest first.
    pub(super) items: Vec<Item>,
    /// What can't be told, and why.
    pub(super) strange: Vec<String>,
}

/// The folder of pointers.
pub(super) struct Queue {
    pending: Pending,
}

impl Queue {
    pub(super) fn open(state: &Path) -> Result<Self, Error> {
        Ok(Self { pending: Pending::open(state)? })
    }

    /// All that waits. A case in which nothing does any more is let go.
    pub(super) fn found(&self) -> Found {
        let mut found = Found::default();
        let mut by_id: BTreeMap<String, Item> = BTreeMap::new();
        for (name, pointer) in self.pending.all() {
            match look(&pointer) {
                Ok(items) if items.is_empty() && pointer.incident.is_none() => self.pending.drop(&name),
                Ok(items) => items.into_iter().for_each(|item| add(&mut by_id, item)),
                Err(why) => found.strange.push(why),
            }
        }
        found.items = by_id.into_values().collect();
        found.items.sort_by_key(|item| item.waiting.want.since);
        found
    }

    /// Takes a case out.
    pub(super) fn let_go(&self, case: &Path) {
        self.pending.drop(&name(case));
    }

    /// What is known by an id.
    pub(super) fn find(&self, id: &str) -> Result<Item, Error> {
        let found = self.found();
        let strange = found.strange.first().map(|why| format!("; {why}")).unwrap_or_default();
        found.items.into_iter().find(|item| item.waiting.id == id).ok_or_else(|| {
            Error::new("approvals.none", id, format!("nothing of this id waits{strange}"))
                .with_way_on("`diag approvals` lists what does; what was changed meanwhile has another id")
        })
    }
}

/// One more in which the same waits.
fn add(by_id: &mut BTreeMap<String, Item>, mut item: Item) {
    if let Some(known) = by_id.remove(&item.waiting.id) {
        let (mut newest, older) =
            if item.waiting.want.since > known.waiting.want.since { (item, known) } else { (known, item) };
        newest.count += older.count;
        newest.of.extend(older.of);
        newest.others.push(older.case);
        newest.others.extend(older.others);
        item = newest;
    }
    by_id.insert(item.waiting.id.clone(), item);
}

/// What waits in a case.
fn look(pointer: &Pointer) -> Result<Vec<Item>, String> {
    let root = &pointer.case;
    if !root.exists() {
        return Ok(Vec::new());
    }
    let lines = own_pages(root).map_err(|error| error.to_string())?.map(|pages| pages.lines).unwrap_or_default();
    let case = Case::of(&lines).map_err(|error| error.to_string())?;
    if case.began.is_some() && case.ended.is_none() && !is_busy(root) {
        return Err(format!("{}: it was interrupted: diag resume goes on with it", root.display()));
    }
    let incident = pointer.incident.clone().unwrap_or_default();
    let item = |waiting: Waiting| Item {
        waiting,
        case: root.clone(),
        others: Vec::new(),
        of: incident.of.clone(),
        count: incident.count.max(1),
        who: case.who(),
        gone: None,
    };
    Ok(waiting(&case).into_iter().map(item).collect())
}

/// Puts what waits in a case where people look for it; where nothing does, nothing is there any more.
pub(in crate::cli) fn put_up(state: &Path, root: &Path, case: &Case) -> Result<(), Error> {
    let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let (name, waits) = (name(&root), !waiting(case).is_empty());
    if !waits && !state.join("approvals").is_dir() {
        return Ok(());
    }
    let pending = Pending::open(state)?;
    match pending.get(&name) {
        Some(known) if !waits && known.incident.is_none() => pending.drop(&name),
        // What a watcher keeps is the watcher's to take away: it knows by it what was decided.
        Some(_) => {}
        None if waits => pending.put(&name, &Pointer { case: root, at: now(), incident: None })?,
        None => {}
    }
    Ok(())
}

/// The name of a case's pointer.
pub(in crate::cli) fn name(root: &Path) -> String {
    let mut digest = Digest::default();
    digest.update(root.as_os_str().as_encoded_bytes());
    digest.finish().chars().take(DIGITS).collect()
}

/// Asks the schedulers, once each, and notes what is out of date: a node that was taken from service meanwhile, or is no more.
pub(super) fn ask_nodes(items: &mut [Item]) {
    let mut schedulers: Vec<Who> = Vec::new();
    for item in items.iter() {
        if !schedulers.contains(&item.who) {
            schedulers.push(item.who.clone());
        }
    }
    for who in schedulers {
        let mut mine: Vec<&mut Item> = items.iter_mut().filter(|item| item.who == who).collect();
        let mut nodes: Vec<NodeName> = Vec::new();
        for node in mine.iter().flat_map(|item| &item.waiting.step.nodes) {
            if !nodes.contains(node) {
                nodes.push(node.clone());
            }
        }
        let Some(seen) = ask(&who, &nodes) else { continue };
        mine.iter_mut().for_each(|item| item.gone = gone(&item.waiting, &seen));
    }
}

/// What the scheduler says, where it says something.
fn ask(who: &Who, nodes: &[NodeName]) -> Option<Scheduler> {
    if nodes.is_empty() {
        return None;
    }
    let executor = Box::new(FanOut::new(Local::default(), Limits::default()));
    let session = Session::new(executor, built_in().ok()?, who.clone(), Said::default());
    session.ask_scheduler(nodes).ok()
}

/// Why a step is out of date.
fn gone(waiting: &Waiting, seen: &Scheduler) -> Option<String> {
    let nodes = &waiting.step.nodes;
    let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
    let drains = action(&waiting.step.tasks) == Action::Drain;
    (drains && !nodes.is_empty() && nodes.iter().all(|node| seen.kept_off.contains(node)))
        .then(|| format!("somebody took {} from service already", names.join(", ")))
}
