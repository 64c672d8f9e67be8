//! What a watcher found is kept as a case, so that what would be done about it waits for a person. Nothing of it is run.

use std::fs;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::look::Look;
use super::{enqueue, now};
use crate::agent::{Case, Waiting, waiting};
use crate::case::{Collection, Draft, Facts, pages};
use crate::cli::approvals;
use crate::config::Config;
use crate::error::Error;
use crate::spool::{Incident, Pending, Pointer};
use crate::watch::Found;

/// Most subjects that a pointer names.
const NAMED: usize = 20;

/// The cases that are kept.
pub(super) struct Keeper {
    state: PathBuf,
    pending: Pending,
    /// The one file of settings, where one was named.
    named: Option<PathBuf>,
}

/// A case for which is being planned.
pub(super) struct Kept {
    pub(super) look: Look,
    pub(super) found: Found,
    root: PathBuf,
    child: Child,
    began: Instant,
}

impl Keeper {
    pub(super) fn new(state: &Path, named: Option<&Path>) -> Result<Self, Error> {
        let (state, named) = (enqueue::whole(state), named.map(enqueue::whole));
        Ok(Self { pending: Pending::open(&state)?, state, named })
    }

    /// By what it is known what waits of the same incident already; once more of it is counted.
    pub(super) fn known(&self, key: &str, subject: &str, config: &Config) -> Vec<String> {
        let same = self.same(key, config);
        for (name, pointer, case) in same {
            let waits = ids(&case);
            if !waits.is_empty() {
                self.count(&name, pointer, subject);
                return waits;
            }
        }
        Vec::new()
    }

    /// Cases of the same incident: a pointer, and what its journal comes to.
    fn same(&self, key: &str, config: &Config) -> Vec<(String, Pointer, Case)> {
        let window = i64::try_from(config.watch.window).unwrap_or(i64::MAX);
        let mine = |pointer: &Pointer| {
            let incident = pointer.incident.as_ref().filter(|incident| incident.key == key);
            incident.is_some_and(|incident| now().saturating_sub(incident.last) <= window)
        };
        let all = self.pending.all().into_iter().filter(|(_, pointer)| mine(pointer));
        all.filter_map(|(name, pointer)| Some((name, pointer.clone(), folded(&pointer.case)?))).collect()
    }

    fn count(&self, name: &str, mut pointer: Pointer, subject: &str) {
        let incident = pointer.incident.get_or_insert_default();
        incident.count += 1;
        incident.last = now();
        if incident.of.len() < NAMED {
            incident.of.push(subject.to_owned());
        }
        let _ = self.pending.put(name, &pointer);
    }

    /// Makes a case of what was looked at, and begins to plan for it.
    pub(super) fn begin(&self, look: Look, found: Found, config: &Config) -> Result<Kept, (Box<Look>, Box<Found>)> {
        let made = self.make(&look, &found, config).and_then(|root| Ok((self.plan(&root)?, root)));
        match made {
            Ok((child, root)) => Ok(Kept { look, found, root, child, began: Instant::now() }),
            Err(_) => Err((Box::new(look), Box::new(found))),
        }
    }

    fn make(&self, look: &Look, found: &Found, config: &Config) -> Result<PathBuf, Error> {
        self.make_room(usize::try_from(config.watch.cases).unwrap_or(usize::MAX))?;
        let root = self.pending.cases()?.join(&look.entry.id);
        // What a worker left that was ended.
        let _ = fs::remove_dir_all(&root);
        let held = &look.spec.held;
        let collection = Collection {
            at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            diag: env!("CARGO_PKG_VERSION").to_owned(),
            // The administrator's: no user can write what these say.
            inputs: held.iter().map(|(name, _)| name.clone()).collect(),
            masked: Vec::new(),
        };
        let mut draft = Draft::begin(&root, collection)?;
        for (name, text) in held {
            draft.keep(Facts { name: name.clone(), modified: None }, &mut text.as_bytes())?;
        }
        for (name, kept) in look.spec.files.iter().zip(&found.kept).filter(|(_, kept)| kept.bytes > 0) {
            let cut = if kept.cut { format!(" (the last {} MiB)", kept.bytes >> 20) } else { String::new() };
            draft.keep(Facts { name: format!("{name}{cut}"), modified: None }, &mut look.kept().take(kept.bytes))?;
        }
        draft.finish().map(|_| root)
    }

    /// Plans in a process of its own, which runs nothing.
    fn plan(&self, root: &Path) -> Result<Child, Error> {
        let failed = |error: std::io::Error| Error::new("watch.worker", "diag approvals put", error.to_string());
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        if let Some(file) = &self.named {
            command.arg("--config").arg(file);
        }
        command.args(["approvals", "put"]).arg(root).arg("--state").arg(&self.state).arg("--quiet");
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        command.spawn().map_err(failed)
    }

    /// Lets the oldest go in which nothing waits any more, until there is room for another.
    fn make_room(&self, most: usize) -> Result<(), Error> {
        let mut kept: Vec<(String, Pointer)> =
            self.pending.all().into_iter().filter(|(_, pointer)| pointer.incident.is_some()).collect();
        kept.sort_by_key(|(_, pointer)| pointer.at);
        let mut over = (kept.len() + 1).saturating_sub(most);
        for (name, pointer) in kept {
            let waits =
                || folded(&pointer.case).is_some_and(|case| waiting(&case).iter().any(|one| one.want.until > now()));
            if over > 0 && !waits() {
                self.let_go(&name, &pointer.case);
                over -= 1;
            }
        }
        if over == 0 { Ok(()) } else { Err(Error::new("watch.cases", "[watch] cases", "so many wait already")) }
    }

    /// What came of planning: what waits of it. `None`: not yet.
    pub(super) fn ended(&self, kept: &mut Kept, key: &str, subject: &str, config: &Config) -> Option<Vec<String>> {
        let late = kept.began.elapsed().as_secs() >= config.watch.deadline;
        if !late && matches!(kept.child.try_wait(), Ok(None)) {
            return None;
        }
        end(&mut kept.child);
        let noes = self.same(key, config).into_iter().flat_map(|(_, _, case)| case.noes).collect::<Vec<_>>();
        let name = approvals::name(&kept.root);
        // What a person said no to is not put to them again.
        let fresh = |one: &Waiting| !noes.contains(&one.want.digest);
        let waits = folded(&kept.root).map(|case| waiting(&case)).unwrap_or_default();
        if !waits.iter().any(fresh) {
            self.let_go(&name, &kept.root);
            if let Some((name, pointer, _)) = self.same(key, config).into_iter().next() {
                self.count(&name, pointer, subject);
            }
            return Some(Vec::new());
        }
        let incident = Incident { key: key.to_owned(), of: vec![subject.to_owned()], count: 1, last: now() };
        let pointer = Pointer { case: kept.root.clone(), at: now(), incident: Some(incident) };
        let _ = self.pending.put(&name, &pointer);
        Some(waits.into_iter().map(|one| one.id).collect())
    }

    /// Takes a case away that is a watcher's own.
    fn let_go(&self, name: &str, case: &Path) {
        self.pending.drop(name);
        if self.pending.cases().is_ok_and(|cases| case.parent() == Some(cases.as_path())) {
            let _ = fs::remove_dir_all(case);
        }
    }
}

/// Ends what plans, should it still.
fn end(child: &mut Child) {
    if matches!(child.try_wait(), Ok(None)) {
        let _ = child.kill().and_then(|()| child.wait().map(|_| ()));
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn folded(root: &Path) -> Option<Case> {
    Case::of(&pages(root).ok().flatten()?.lines).ok()
}

fn ids(case: &Case) -> Vec<String> {
    waiting(case).into_iter().filter(|one| one.want.until > now()).map(|one| one.id).collect()
}
